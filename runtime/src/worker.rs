//! The jailed process.

use std::fs::File;
use std::process::ExitCode;

/// One of the platform's own functions that reads hostile bytes: request and inputs to an answer.
/// Its error says nothing, since whatever it could say may quote what it read.
pub type TaskFn = fn(request: &[u8], inputs: Vec<File>) -> Result<Vec<u8>, ()>;

/// The whole life of a worker.
pub fn worker_main(tasks: &[(&'static str, TaskFn)]) -> ExitCode {
    let _ = tasks;
    ExitCode::FAILURE
}
