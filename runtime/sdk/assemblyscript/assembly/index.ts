/**
 * Guests of Egret in AssemblyScript: Arrow batches in, Arrow batches out (interface version 1).
 *
 *     import { Batch, Builder, Type, emit, nextBatch } from "egret-guest/assembly";
 *     export { alloc, egret_abi_version } from "egret-guest/assembly";
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
 * Build:  asc guest.ts -O3 --use abort=~lib/egret-guest/assembly/log/abort --outFile guest.wasm
 * Check:  egret module inspect guest.wasm
 *
 * Without that alias the compiler imports an `abort` of its own, and a guest may import nothing but the three
 * functions of the interface.
 *
 * A guest has no clock, file or network: `Date.now` and `Math.random` are imports too, and refused. One that draws
 * random numbers exports `egret_seed(seed: usize): void`, which is called once before `run` with a pointer to 32
 * bytes, the same for the same program on the same data. A guest does not know the names of columns: they are
 * positions, in the order of the program's JSON.
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
