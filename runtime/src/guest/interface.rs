//! The two interfaces of guests: what each may import and must export.

use serde::{Deserialize, Serialize};
use wasmparser::ValType;

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

/// A function by name, parameters and results.
pub(super) type Function = (&'static str, &'static [ValType], &'static [ValType]);

/// How a module talks to its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestInterface {
    /// Interface version 1 of this crate: batches in linear memory.
    #[default]
    ArrowBuffers,
    /// A WASI preview 1 command: Arrow IPC files under `/in`, one result under `/out` or at the
    /// standard output.
    WasiCommand,
}

impl GuestInterface {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ArrowBuffers, Self::WasiCommand];

    /// Where its imports come from.
    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::ArrowBuffers => "egret",
            Self::WasiCommand => "wasi_snapshot_preview1",
        }
    }

    /// The export that only modules of this interface have.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::ArrowBuffers => "egret_abi_version",
            Self::WasiCommand => "_start",
        }
    }

    /// What a guest may import.
    pub(super) fn imports(self) -> &'static [Function] {
        match self {
            Self::ArrowBuffers => BUFFER_IMPORTS,
            Self::WasiCommand => WASI_IMPORTS,
        }
    }

    /// What a guest must export, besides `memory`.
    pub(super) fn exports(self) -> &'static [Function] {
        match self {
            Self::ArrowBuffers => BUFFER_EXPORTS,
            Self::WasiCommand => WASI_EXPORTS,
        }
    }
}

const BUFFER_IMPORTS: &[Function] = &[
    ("next_batch", &[I32], &[I32]),
    ("emit", &[I32], &[I32]),
    ("log", &[I32, I32], &[]),
];

const BUFFER_EXPORTS: &[Function] = &[
    ("egret_abi_version", &[], &[I32]),
    ("alloc", &[I32, I32], &[I32]),
];

/// What makes a guest of batches a whole job.
pub(super) const RUN: Function = ("run", &[], &[I32]);

/// The type of every function that SQL calls.
pub(super) const CALLED: (&[ValType], &[ValType]) = (&[I32], &[I32]);

/// What a guest of batches may export besides.
pub(super) const SEED: Function = ("egret_seed", &[I32], &[]);

/// The import that makes a command take its seed.
pub(super) const RANDOM: &str = "random_get";

/// Of the 46 functions of preview 1 those that a program needs to read files, write one and end.
const WASI_IMPORTS: &[Function] = &[
    ("args_get", &[I32, I32], &[I32]),
    ("args_sizes_get", &[I32, I32], &[I32]),
    ("environ_get", &[I32, I32], &[I32]),
    ("environ_sizes_get", &[I32, I32], &[I32]),
    ("clock_res_get", &[I32, I32], &[I32]),
    ("clock_time_get", &[I32, I64, I32], &[I32]),
    ("fd_close", &[I32], &[I32]),
    ("fd_fdstat_get", &[I32, I32], &[I32]),
    ("fd_fdstat_set_flags", &[I32, I32], &[I32]),
    ("fd_filestat_get", &[I32, I32], &[I32]),
    ("fd_pread", &[I32, I32, I32, I64, I32], &[I32]),
    ("fd_prestat_dir_name", &[I32, I32, I32], &[I32]),
    ("fd_prestat_get", &[I32, I32], &[I32]),
    ("fd_read", &[I32, I32, I32, I32], &[I32]),
    ("fd_readdir", &[I32, I32, I32, I64, I32], &[I32]),
    ("fd_seek", &[I32, I64, I32, I32], &[I32]),
    ("fd_tell", &[I32, I32], &[I32]),
    ("fd_write", &[I32, I32, I32, I32], &[I32]),
    ("path_filestat_get", &[I32, I32, I32, I32, I32], &[I32]),
    (
        "path_open",
        &[I32, I32, I32, I32, I32, I64, I64, I32, I32],
        &[I32],
    ),
    ("poll_oneoff", &[I32, I32, I32, I32], &[I32]),
    ("proc_exit", &[I32], &[]),
    (RANDOM, &[I32, I32], &[I32]),
    ("sched_yield", &[], &[I32]),
];

const WASI_EXPORTS: &[Function] = &[("_start", &[], &[])];
