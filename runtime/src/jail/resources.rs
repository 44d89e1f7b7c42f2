//! Resource limits of the process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::layer::{Layer, LayerReport, LayerState};
use crate::limits::Limits;

/// Descriptors: the inputs (at most 128), a handful of its own, and room for copies of them.
const DESCRIPTORS_MAX: u64 = 320;
/// Processes and threads of the worker; the engine uses about ten.
const PROCESSES_MAX: u64 = 64;

fn set(resource: Resource, value: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    setrlimit(resource, limit)?;
    if getrlimit(resource) == limit {
        Ok(())
    } else {
        Err(io::ErrorKind::Other.into())
    }
}

/// The limits that are the same for every run. The process count is only meaningful inside a user
/// namespace of its own: elsewhere it counts the server's other processes too.
pub(super) fn limit_process(own_user_namespace: bool) -> LayerReport {
    let mut limits = vec![
        (Resource::Core, 0),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, 64),
    ];
    if own_user_namespace {
        limits.push((Resource::Nproc, PROCESSES_MAX));
    }
    report(&limits, "core files, descriptors, locked memory, processes")
}

/// The limits of one run; set by the worker itself while it is still believed, and never raised
/// again, since hard limits only go down.
pub(super) fn limit_run(limits: &Limits) -> LayerReport {
    let file_bytes = limits
        .output_bytes_max
        .max(limits.guest_log_bytes)
        .max(limits.spill_bytes_max)
        .max(64 * 1024);
    let limits = [
        (Resource::Data, limits.memory_bytes),
        (Resource::Fsize, file_bytes),
        (Resource::Cpu, limits.cpu_s),
    ];
    report(&limits, "memory, file size, CPU time")
}

fn report(limits: &[(Resource, u64)], detail: &str) -> LayerReport {
    for (resource, value) in limits {
        if let Err(error) = set(*resource, *value) {
            let state = LayerState::Unavailable {
                errno: error.raw_os_error().unwrap_or(0),
            };
            return LayerReport::new(Layer::ResourceLimits, state, format!("{resource:?}"));
        }
    }
    LayerReport::new(Layer::ResourceLimits, LayerState::Enforced, detail)
}
