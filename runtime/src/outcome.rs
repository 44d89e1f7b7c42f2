//! How a run ended. No type here can hold text of a guest: classes are enums, figures are numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::layer::LayerReport;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The program ended well and its output is complete.
    Finished,
    /// The program failed, by its own doing.
    Faulted(Fault),
    /// The program used more than it may.
    LimitExceeded(Limit),
    /// The wall time was used up.
    TimedOut,
    /// Somebody called it off.
    Cancelled,
}

/// The class of a failure. Engine and guest messages may quote values of the data, so the class is
/// all that leaves the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The plan or the module cannot be decoded.
    ProgramInvalid,
    /// The plan or the module uses something that is not on the positive list.
    ProgramRefused,
    /// An input is missing, is no Parquet, has another schema than the plan says, or a name that
    /// cannot be that of a command's file.
    InputInvalid,
    /// A column of an input has a type that guests cannot read.
    InputUnsupported,
    /// The engine reported an error in executing the plan.
    EngineFailed,
    /// An overflow or a division by zero.
    Arithmetic,
    /// A value cannot be converted to the type asked for.
    Conversion,
    /// The guest trapped.
    GuestTrapped,
    /// The guest's `run` answered with something else than 0, or a command's exit code is not 0.
    GuestFailed,
    /// The guest broke its interface: a pointer, a schema or an array that is not valid, or a
    /// command's result that is not what was declared.
    GuestOutputInvalid,
    /// The task answered with an error.
    TaskFailed,
    /// The worker has no task of this name.
    TaskUnknown,
    /// The worker panicked.
    Panicked,
    /// The worker made a system call that kills.
    ForbiddenCall,
    /// The worker died without an answer.
    Crashed,
    /// The worker's answer broke the protocol.
    ProtocolViolated,
}

/// The limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`crate::Limits::cpu_s`]
    Cpu,
    /// [`crate::Limits::memory_bytes`]
    Memory,
    /// [`crate::Limits::spill_bytes_max`]
    Spill,
    /// [`crate::Limits::output_bytes_max`]
    OutputBytes,
    /// [`crate::Limits::output_rows_max`]
    OutputRows,
    /// [`crate::Limits::fuel`]
    Fuel,
    /// [`crate::Limits::wasm_memory_bytes`] or [`crate::Limits::wasm_table_elements`]
    WasmMemory,
    /// [`crate::Limits::compile_wall_ms`]
    CompileWall,
    /// [`crate::Limits::compile_cpu_s`]
    CompileCpu,
    /// [`crate::Limits::compile_memory_bytes`]
    CompileMemory,
    /// [`crate::Limits::code_bytes_max`]
    CodeBytes,
}

impl Outcome {
    /// Stable name for storage and interfaces: `finished`, `faulted`, `limit_exceeded`, `timed_out`,
    /// `cancelled`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Faulted(_) => "faulted",
            Self::LimitExceeded(_) => "limit_exceeded",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Fault {
    /// Stable name, as serialised.
    pub fn code(self) -> &'static str {
        match self {
            Self::ProgramInvalid => "program_invalid",
            Self::ProgramRefused => "program_refused",
            Self::InputInvalid => "input_invalid",
            Self::InputUnsupported => "input_unsupported",
            Self::EngineFailed => "engine_failed",
            Self::Arithmetic => "arithmetic",
            Self::Conversion => "conversion",
            Self::GuestTrapped => "guest_trapped",
            Self::GuestFailed => "guest_failed",
            Self::GuestOutputInvalid => "guest_output_invalid",
            Self::TaskFailed => "task_failed",
            Self::TaskUnknown => "task_unknown",
            Self::Panicked => "panicked",
            Self::ForbiddenCall => "forbidden_call",
            Self::Crashed => "crashed",
            Self::ProtocolViolated => "protocol_violated",
        }
    }
}

impl Limit {
    /// Stable name, as serialised.
    pub fn code(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Spill => "spill",
            Self::OutputBytes => "output_bytes",
            Self::OutputRows => "output_rows",
            Self::Fuel => "fuel",
            Self::WasmMemory => "wasm_memory",
            Self::CompileWall => "compile_wall",
            Self::CompileCpu => "compile_cpu",
            Self::CompileMemory => "compile_memory",
            Self::CodeBytes => "code_bytes",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faulted(fault) => write!(f, "faulted: {}", fault.code()),
            Self::LimitExceeded(limit) => write!(f, "limit exceeded: {}", limit.code()),
            other => f.write_str(&other.code().replace('_', " ")),
        }
    }
}

/// What a run used. Compiling is not part of it: the same run costs the same whether or not its
/// module was compiled before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// From dispatch to the end of the worker, microseconds.
    pub wall_us: u64,
    /// CPU time of all threads after the worker was ready, microseconds, by the kernel's account.
    pub cpu_us: u64,
    /// Fuel that the guest burnt; 0 for SQL and tasks. The same module on the same input burns the
    /// same fuel.
    pub fuel: u64,
    /// Rows of the inputs, whether they were read or not: what is skipped depends on the data.
    pub rows_in: u64,
    /// Bytes of the input files.
    pub bytes_in: u64,
    /// Rows of the output.
    pub rows_out: u64,
    /// Bytes of the output.
    pub bytes_out: u64,
    /// Bytes that the query put into its scratch file, at the most.
    pub spill_bytes: u64,
    /// Peak of the worker's memory, by the cgroup where there is one, else the resident set.
    pub memory_peak_bytes: u64,
}

/// A run that took place, however it ended.
#[derive(Clone, Debug)]
pub struct Completed {
    /// How it ended.
    pub outcome: Outcome,
    /// Arrow IPC stream for SQL and WASM, the task's answer for tasks; present only when finished.
    /// It was made in the worker and is hostile: read it in a process that holds no secret.
    pub output: Option<Vec<u8>>,
    /// What the guest logged, cut at the limit. Guest text: it leaves through egress or not at all.
    pub guest_log: Vec<u8>,
    /// What it used.
    pub meter: Meter,
    /// The layers that held around this run.
    pub layers: Vec<LayerReport>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn codes_are_the_serialised_names() {
        for fault in [
            Fault::ProgramInvalid,
            Fault::GuestOutputInvalid,
            Fault::ForbiddenCall,
        ] {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.code());
        }
        for limit in [
            Limit::Cpu,
            Limit::OutputBytes,
            Limit::WasmMemory,
            Limit::CompileWall,
            Limit::CodeBytes,
        ] {
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.code());
        }
        let json = serde_json::to_string(&Outcome::LimitExceeded(Limit::Fuel)).unwrap();
        assert_eq!(json, r#"{"limit_exceeded":"fuel"}"#);
        assert_eq!(Outcome::TimedOut.to_string(), "timed out");
    }
}
