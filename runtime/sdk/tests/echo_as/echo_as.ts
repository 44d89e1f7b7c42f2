/**
 * Writes what it reads, batch by batch: every type in and out, with nulls, and the seed.
 *
 * Input 0: boolean, int64, float64, utf8, date32, timestamp. Output: the same, and the int64 once more as int32.
 */
import { Batch, Builder, Column, Type, emit, nextBatch } from "../../assemblyscript/assembly";
export { alloc, egret_abi_version } from "../../assemblyscript/assembly";

const KINDS: Type[] = [
  Type.Boolean, Type.Int64, Type.Float64, Type.Utf8, Type.Date32, Type.Timestamp, Type.Int32,
];

let seeded = false;

export function egret_seed(seed: usize): void {
  for (let at = 0; at < 32; at++) seeded = seeded || load<u8>(seed + at) != 0;
}

function copy(to: Builder, from: Column, row: i32): void {
  if (!from.holds(row)) return to.pushNull();
  switch (to.type) {
    case Type.Boolean:
      return to.pushBoolean(from.boolean(row));
    case Type.Int32:
      return to.pushInt32(<i32>from.int64(row));
    case Type.Date32:
      return to.pushInt32(from.int32(row));
    case Type.Int64:
    case Type.Timestamp:
      return to.pushInt64(from.int64(row));
    case Type.Float64:
      return to.pushFloat64(from.float64(row));
    default:
      return to.pushUtf8(from.utf8(row));
  }
}

function take(batch: Batch, out: Builder[]): void {
  for (let at = 0; at < out.length; at++) {
    out[at].clear();
    const from = KINDS[at] == Type.Int32 ? 1 : at;
    const column = batch.column(from, KINDS[from]);
    for (let row = 0; row < batch.rows; row++) copy(out[at], column, row);
  }
}

export function run(): i32 {
  const out = KINDS.map<Builder>((kind) => new Builder(kind));
  for (let batch = nextBatch(0); batch; batch = nextBatch(0)) {
    take(batch, out);
    batch.free();
    if (emit(out)) return 1;
  }
  return seeded ? 0 : 1;
}
