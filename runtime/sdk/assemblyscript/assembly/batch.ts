import { fail } from "./log";
import { Type } from "./type";

// @ts-ignore: a decorator of the compiler
@external("egret", "next_batch")
declare function hostNextBatch(input: i32): usize;

/**
 * The next batch of an input (by its position in the program's JSON, from 0), of 1 row at least; null after the
 * last one. An input is read once: what is needed again is kept.
 */
export function nextBatch(input: i32): Batch | null {
  const at = hostNextBatch(input);
  return at ? new Batch(at) : null;
}

/** Rows of some columns, in memory that is the guest's until `free`. */
export class Batch {
  /** How many rows it has. */
  readonly rows: i32;
  /** How many columns it has. */
  readonly columns: i32;

  constructor(private at: usize) {
    this.rows = load<i32>(at);
    this.columns = load<i32>(at, 4);
  }

  /** The column at a position, which must have this type. */
  column(position: i32, type: Type): Column {
    if (<u32>position >= <u32>this.columns) fail("the input has fewer columns than are read");
    const descriptor = load<usize>(this.at, 8) + 24 * <usize>position;
    if (load<i32>(descriptor) != <i32>type) fail("a column of the input is of another type");
    return new Column(descriptor);
  }

  /** Gives the memory back. Columns of the batch, and what they point to, end with it. */
  free(): void {
    heap.free(this.at);
  }
}

/**
 * A column of a batch. What a function answers for a null row means nothing: ask `holds` before. Functions of
 * another type than the column's read rubbish, and a row after the last one does too.
 */
export class Column {
  /** How many rows are null. */
  readonly nulls: i32;
  private validity: usize;
  private offsets: usize;
  private data: usize;

  constructor(descriptor: usize) {
    this.nulls = load<i32>(descriptor, 4);
    this.validity = load<usize>(descriptor, 8);
    this.offsets = load<usize>(descriptor, 12);
    this.data = load<usize>(descriptor, 16);
  }

  /** Whether a row holds a value. */
  holds(row: i32): bool {
    return !this.validity || bit(this.validity, row);
  }

  boolean(row: i32): bool {
    return bit(this.data, row);
  }

  /** Also of Date32. */
  int32(row: i32): i32 {
    return load<i32>(this.data + (<usize>row << 2));
  }

  /** Also of Timestamp. */
  int64(row: i32): i64 {
    return load<i64>(this.data + (<usize>row << 3));
  }

  float64(row: i32): f64 {
    return load<f64>(this.data + (<usize>row << 3));
  }

  /** A copy of the text. */
  utf8(row: i32): string {
    const start = load<i32>(this.offsets + (<usize>row << 2));
    const end = load<i32>(this.offsets + (<usize>row << 2), 4);
    return String.UTF8.decodeUnsafe(this.data + start, end - start);
  }
}

function bit(bits: usize, row: i32): bool {
  return <bool>((load<u8>(bits + (row >> 3)) >> (row & 7)) & 1);
}
