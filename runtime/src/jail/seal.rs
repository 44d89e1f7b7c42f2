//! Stage 2: limits of the run, and no new executable memory.

use std::os::fd::RawFd;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::{resources, seccomp};
use crate::layer::{Layer, LayerReport, LayerState};
use crate::limits::Limits;

const PAGE_BYTES: usize = 4096;

/// Lowers the limits for this run. Before the program is loaded, so that loading counts.
pub(crate) fn limit(limits: &Limits) -> LayerReport {
    resources::limit_run(limits)
}

/// After this, code that is not in memory yet never runs.
pub(crate) fn seal(control: RawFd) -> LayerReport {
    let layer = Layer::ExecutableMemory;
    if let Err(error) = seccomp::seal(control) {
        let state = LayerState::Unavailable {
            errno: error.errno(),
        };
        return LayerReport::new(layer, state, error.to_string());
    }
    let (mapped, protected) = try_to_execute();
    if mapped == Err(Errno::PERM) && protected == Err(Errno::PERM) {
        return LayerReport::new(
            layer,
            LayerState::Enforced,
            "mmap and mprotect answer EPERM",
        );
    }
    LayerReport::new(
        layer,
        LayerState::Unavailable { errno: 0 },
        "memory became executable",
    )
}

fn try_to_execute() -> (Result<(), Errno>, Result<(), Errno>) {
    let null = std::ptr::null_mut();
    let executable = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: a fresh private mapping at an address of the kernel's choice touches no memory in
    // use.
    let mapped =
        unsafe { rustix::mm::mmap_anonymous(null, PAGE_BYTES, executable, MapFlags::PRIVATE) };
    // SAFETY: as above.
    let plain =
        unsafe { rustix::mm::mmap_anonymous(null, PAGE_BYTES, ProtFlags::READ, MapFlags::PRIVATE) };
    let protected = plain.and_then(|page| {
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the page was mapped just now and nothing else knows of it.
        unsafe { rustix::mm::mprotect(page, PAGE_BYTES, flags) }
    });
    (mapped.map(|_| ()), protected)
}
