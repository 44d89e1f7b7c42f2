import { fail } from "./log";
import { Type, bytesOf } from "./type";

// @ts-ignore: a decorator of the compiler
@external("egret", "emit")
declare function hostEmit(batch: usize): i32;

/** A column that grows row by row. */
export class Builder {
  rows: i32 = 0;
  private nulls: i32 = 0;
  private validity: Buffer = new Buffer();
  private offsets: Buffer = new Buffer();
  private data: Buffer = new Buffer();

  constructor(readonly type: Type) {
    this.clear();
  }

  /** Takes all rows out; the memory serves the next batch. */
  clear(): void {
    this.rows = 0;
    this.nulls = 0;
    this.validity.length = 0;
    this.offsets.length = 0;
    this.data.length = 0;
    if (this.type == Type.Utf8) store<i32>(this.offsets.add(4), 0);
  }

  pushNull(): void {
    if (this.type == Type.Boolean) this.data.addBit(this.rows, false);
    const bytes = bytesOf(this.type);
    if (bytes) memory.fill(this.data.add(bytes), 0, bytes);
    this.row(false);
  }

  pushBoolean(value: bool): void {
    this.expect(Type.Boolean, Type.Boolean);
    this.data.addBit(this.rows, value);
    this.row(true);
  }

  /** Also of Date32. */
  pushInt32(value: i32): void {
    this.expect(Type.Int32, Type.Date32);
    store<i32>(this.data.add(4), value);
    this.row(true);
  }

  /** Also of Timestamp. */
  pushInt64(value: i64): void {
    this.expect(Type.Int64, Type.Timestamp);
    store<i64>(this.data.add(8), value);
    this.row(true);
  }

  pushFloat64(value: f64): void {
    this.expect(Type.Float64, Type.Float64);
    store<f64>(this.data.add(8), value);
    this.row(true);
  }

  /** Half of a surrogate pair becomes U+FFFD, since the host takes nothing but UTF-8. */
  pushUtf8(value: string): void {
    this.expect(Type.Utf8, Type.Utf8);
    const bytes = String.UTF8.byteLength(value);
    const at = this.data.add(bytes);
    String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, at, false, String.UTF8.ErrorMode.REPLACE);
    this.row(true);
  }

  private row(valid: bool): void {
    this.validity.addBit(this.rows, valid);
    this.nulls += <i32>!valid;
    this.rows++;
    if (this.type == Type.Utf8) store<i32>(this.offsets.add(4), this.data.length);
  }

  private expect(one: Type, other: Type): void {
    if (this.type != one && this.type != other) fail("a column of the output is of another type");
  }

  /** Writes the column's descriptor of 24 bytes. */
  describe(at: usize): void {
    store<i32>(at, <i32>this.type);
    store<i32>(at, this.nulls, 4);
    store<usize>(at, this.nulls ? this.validity.start : 0, 8);
    store<usize>(at, this.offsets.start, 12);
    store<usize>(at, this.data.start, 16);
    store<i32>(at, this.data.length, 20);
  }
}

/** Bytes that grow, where the garbage collector neither moves nor frees them. */
class Buffer {
  start: usize = heap.alloc(256);
  length: i32 = 0;
  private room: i32 = 256;

  /** Adds bytes, and answers where they are until the next ones come. */
  add(bytes: i32): usize {
    const before = this.length;
    this.length += bytes;
    if (this.length > this.room) {
      while (this.room < this.length) this.room *= 2;
      this.start = heap.realloc(this.start, this.room);
    }
    return this.start + before;
  }

  /** Adds bit `row`, of which the ones before are there. */
  addBit(row: i32, value: bool): void {
    if (!(row & 7)) store<u8>(this.add(1), 0);
    const at = this.start + (row >> 3);
    store<u8>(at, load<u8>(at) | (<u8>value << (<u8>row & 7)));
  }
}

/**
 * Writes the columns, which must be those of the program's `output`, and answers 0. The host copies them before
 * this returns. A batch without rows writes nothing.
 */
export function emit(columns: Builder[]): i32 {
  const count = columns.length;
  const batch = heap.alloc(12 + 24 * count);
  store<i32>(batch, count ? columns[0].rows : 0);
  store<i32>(batch, count, 4);
  store<usize>(batch, batch + 12, 8);
  for (let at = 0; at < count; at++) {
    if (columns[at].rows != columns[0].rows) fail("the columns of a batch have different numbers of rows");
    columns[at].describe(batch + 12 + 24 * at);
  }
  const answer = hostEmit(batch);
  heap.free(batch);
  return answer;
}
