//! WASM guests: a core module of one of two interfaces.
//!
//! # Batches in memory, version 1
//!
//! Imports from `egret`, no others:
//! - `next_batch(input: i32) -> i32`: the next batch of an input as a pointer to a batch
//!   descriptor, 0 at its end. The host asks the guest's `alloc` for one block per batch and lays
//!   descriptor, columns and buffers into it; the block is the guest's from then on.
//! - `emit(batch: i32) -> i32`: writes a batch to the output and answers 0. The host copies before
//!   it answers. Columns must be those that were declared for the job.
//! - `log(text: i32, length: i32)`: adds bytes to the log, which is cut at its limit.
//!
//! Exports: `memory`; `egret_abi_version() -> i32`, answering 1; `alloc(size: i32, align: i32) ->
//! i32`; `run() -> i32`, answering 0 when all is well; and, for guests that want randomness,
//! `egret_seed(seed: i32)`, called once before `run` with a pointer to 32 bytes.
//!
//! A batch descriptor is `rows`, `columns`, pointer to the column descriptors; a column descriptor
//! is `type`, `null_count`, `validity`, `offsets`, `data`, `data_bytes`; all little-endian `u32`,
//! pointers into the guest's memory. Types: 1 boolean, 2 i32, 3 i64, 4 f64, 5 UTF-8, 6 date32,
//! 7 timestamp in microseconds. Buffers are Arrow's: validity and booleans one bit per row, least
//! significant first; offsets `rows + 1` times `i32`. A validity pointer of 0 means no nulls.
//!
//! # WASI commands
//!
//! A module that exports `_start` and `memory` and imports from `wasi_snapshot_preview1`; see
//! [`wasi`] for the files that it finds.
//!
//! In both there is no clock that tells the time, no file of the host, no network and no randomness
//! but the seed: the same module on the same inputs gives the same output and burns the same fuel.

mod attach;
mod budget;
mod code;
mod emit;
mod functions;
mod host;
mod input;
mod interface;
mod layout;
mod memory;
mod module;
mod play;
mod run;
mod sink;
mod wasi;

use std::fs::File;

use wasmtime::Module;

pub use attach::with_manifest;
pub(crate) use code::{Compiler, Loader};
pub(crate) use functions::{FunctionModule, FunctionPlace, Functions};
pub use interface::GuestInterface;
pub use module::{ModuleFacts, ModuleFault, inspect_module, module_from_text, module_seed};

use crate::limits::Limits;
use crate::order::OutputField;
use crate::ran::Ran;
use crate::staged_file::StagedFile;

/// What a guest is given.
pub(crate) struct Guest {
    pub(crate) module: Module,
    pub(crate) inputs: Vec<(String, StagedFile)>,
    pub(crate) output_fields: Vec<OutputField>,
    pub(crate) seed: [u8; 32],
    pub(crate) output: File,
    pub(crate) log: File,
}

/// Runs a compiled guest by the interface that it exports; it was looked into before.
pub(crate) fn run(loader: &Loader, guest: Guest, limits: &Limits) -> Ran {
    let mark = GuestInterface::WasiCommand.mark();
    if guest.module.get_export_index(mark).is_some() {
        wasi::run(loader.engine(), guest, limits)
    } else {
        run::run(loader.engine(), guest, limits)
    }
}
