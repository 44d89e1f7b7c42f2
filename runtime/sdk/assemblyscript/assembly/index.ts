/**
 * Guests of Egret in AssemblyScript: Arrow batches in, Arrow batches out (interface version 1).
 *
 *     import { Batch, Builder, Type, emit, nextBatch } from "egret-guest";
 *     export { alloc, egret_abi_version } from "egret-guest";
 *
 *     export function run(): i32 {             // the guest's one function; answers 0 when all is well
 *       const sums = new Builder(Type.Float64);
 *       let sum = 0.0;
 *       for (let batch = nextBatch(0); batch; batch = nextBatch(0)) {
 *         const costs = batch.column(0, Type.Float64);
 *         for (let row = 0; row < batch.rows; row++)
 *           if (costs.holds(row)) sum += costs.float64(row);
 *         batch.free();
 *       }
 *       sums.pushFloat64(sum);
 *       return emit([sums]);
 *     }
 *
 * Build with `--use abort=egretAbort`-like aliases as build.sh does: a guest may import nothing but the three
 * functions of the interface, and the compiler's own `abort` would be a fourth.
 *
 * A guest has no clock, file, network or random numbers but its seed (`Math.random` and `Date` do not build). It
 * does not know the names of columns: they are positions, in the order of the program's JSON.
 */

export { Type } from "./type";
export { Batch, Column, nextBatch } from "./batch";
export { Builder, emit } from "./builder";
export { abort, fail, log } from "./log";

/** What the host asks for first. */
export function egret_abi_version(): i32 {
  return 1;
}

/** Memory for the host, outside of the garbage collector's care: it is the batch's until `free`. */
export function alloc(size: i32, align: i32): i32 {
  // The runtime's blocks start at multiples of 16.
  return align <= 16 ? <i32>heap.alloc(<usize>size) : 0;
}
