//! The platform's own functions that read hostile bytes, and so run in a jail themselves.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use review::InspectRequest;
use runtime::TaskFn;
use serde::{Deserialize, Serialize};

/// Decides what of a run's output may leave.
pub(crate) const INSPECT: &str = "inspect";
/// Looks at a module before it is kept.
pub(crate) const INSPECT_MODULE: &str = "inspect-module";

/// The tasks that a worker knows.
pub(crate) const TASKS: &[(&str, TaskFn)] = &[
    (INSPECT, inspect as TaskFn),
    (INSPECT_MODULE, inspect_module as TaskFn),
];

/// What looking at a module says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModuleAnswer {
    /// It may run.
    Facts(runtime::ModuleFacts),
    /// It may not: why, in both languages.
    Fault(masking::Bilingual),
}

/// Request: an [`InspectRequest`] in JSON. Input 0: the output. Answer: an `Inspection` in JSON.
fn inspect(request: &[u8], inputs: Vec<File>) -> Result<Vec<u8>, ()> {
    let request: InspectRequest = serde_json::from_slice(request).map_err(|_| ())?;
    crate::tables::use_in_worker().map_err(|_| ())?;
    let output = whole(inputs.first().ok_or(())?)?;
    serde_json::to_vec(&review::inspect(&request, &output)).map_err(|_| ())
}

/// Input 0: the module. Answer: a [`ModuleAnswer`] in JSON.
fn inspect_module(_request: &[u8], inputs: Vec<File>) -> Result<Vec<u8>, ()> {
    let module = whole(inputs.first().ok_or(())?)?;
    let answer = match runtime::inspect_module(&module) {
        Ok(facts) => ModuleAnswer::Facts(facts),
        Err(fault) => ModuleAnswer::Fault(crate::module::module_fault(&fault)),
    };
    serde_json::to_vec(&answer).map_err(|_| ())
}

/// The whole file, whatever its position is.
fn whole(file: &File) -> Result<Vec<u8>, ()> {
    struct At<'a>(&'a File, u64);
    impl std::io::Read for At<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.read_at(into, self.1)?;
            self.1 += u64::try_from(read).unwrap_or(0);
            Ok(read)
        }
    }
    let mut bytes = Vec::new();
    At(file, 0).read_to_end(&mut bytes).map_err(|_| ())?;
    Ok(bytes)
}
