//! The jail: how a process gives up everything but its open descriptors.
//!
//! Entered in stages, because some layers must come before the first thread and some after the
//! last: [`enter::stage_zero`] on one thread (namespaces, root, identity, capabilities, resource
//! limits, landlock, inner fork), [`seccomp::confine`] once the engine is warm (for all threads),
//! [`seal::seal`] once the program is loaded. Every layer is tried after it was entered, and what
//! is reported is the outcome of the try.
//!
//! This folder is the only place of the workspace with `unsafe` code.
#![allow(
    unsafe_code,
    reason = "system calls without a safe wrapper, and loading machine code; each has a SAFETY note"
)]

pub(crate) mod cgroup;
mod credentials;
pub(crate) mod enter;
mod filesystem;
mod landlock;
pub(crate) mod machine_code;
mod namespaces;
pub(crate) mod process;
mod resources;
pub(crate) mod seal;
pub(crate) mod seccomp;
mod seccomp_table;
