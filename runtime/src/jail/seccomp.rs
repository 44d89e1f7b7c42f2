//! Filters for all threads, made from [`seccomp_table`](super::seccomp_table).
//!
//! Where several filters answer with an error, the one installed last decides which: so the
//! allow-list (EPERM) goes first and the list of unknown calls (ENOSYS) last. A killing answer
//! goes before any error, whatever the order. The filters are the same in every build profile.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;

use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::seccomp_table::{ALLOWED, Call, Is, KILLING, SEALED, UNKNOWN};
use crate::layer::{Layer, LayerReport, LayerState};

/// A filter could not be made or installed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SeccompError {
    #[error("cannot make a filter")]
    Make(#[from] seccompiler::BackendError),
    #[error("cannot install a filter")]
    Install(#[from] seccompiler::Error),
}

impl SeccompError {
    pub(super) fn errno(&self) -> i32 {
        match self {
            Self::Install(
                seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error),
            ) => error.raw_os_error().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Confines all threads to the allow-list. `control` is the one socket that may be used.
pub(crate) fn confine(control: RawFd) -> LayerReport {
    let layer = Layer::Seccomp;
    match install(control) {
        Ok(()) => tried(),
        Err(error) => LayerReport::new(
            layer,
            LayerState::Unavailable {
                errno: error.errno(),
            },
            error.to_string(),
        ),
    }
}

fn install(control: RawFd) -> Result<(), SeccompError> {
    let refused = SeccompAction::Errno(Errno::PERM.raw_os_error().cast_unsigned());
    let unknown = SeccompAction::Errno(Errno::NOSYS.raw_os_error().cast_unsigned());
    let allow_list = filter(ALLOWED, SeccompAction::Allow, refused, control)?;
    let kill_list = filter(
        KILLING,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        control,
    )?;
    let unknown_list = filter(UNKNOWN, unknown, SeccompAction::Allow, control)?;
    for program in [&allow_list, &kill_list, &unknown_list] {
        seccompiler::apply_filter_all_threads(program)?;
    }
    Ok(())
}

/// Takes away executable memory, further filters and changes of limits.
pub(super) fn seal(control: RawFd) -> Result<(), SeccompError> {
    let refused = SeccompAction::Errno(Errno::PERM.raw_os_error().cast_unsigned());
    let program = filter(SEALED, refused, SeccompAction::Allow, control)?;
    seccompiler::apply_filter_all_threads(&program)?;
    Ok(())
}

/// The smallest allow-list: what the outer process needs to wait for the inner one.
pub(super) fn confine_waiter() -> Result<(), SeccompError> {
    const WAITER: &[libc::c_long] = &[
        libc::SYS_wait4,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigreturn,
    ];
    let rules = WAITER.iter().map(|number| (*number, Vec::new())).collect();
    let kill = SeccompAction::KillProcess;
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let program: BpfProgram =
        SeccompFilter::new(rules, kill, SeccompAction::Allow, arch)?.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

fn filter(
    calls: &[Call],
    matched: SeccompAction,
    otherwise: SeccompAction,
    control: RawFd,
) -> Result<BpfProgram, SeccompError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls {
        let entry = rules.entry(call.number).or_default();
        for rule in call.rules {
            let conditions = rule
                .iter()
                .map(|(argument, is)| condition(*argument, *is, control))
                .collect::<Result<Vec<_>, _>>()?;
            entry.push(SeccompRule::new(conditions)?);
        }
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

fn condition(
    argument: u8,
    is: Is,
    control: RawFd,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    match is {
        Is::Value(value) => {
            SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, u64::from(value))
        }
        Is::Masked(mask, value) => {
            let masked = SeccompCmpOp::MaskedEq(u64::from(mask));
            SeccompCondition::new(argument, Dword, masked, u64::from(value))
        }
        Is::Control => {
            let control = u64::from(control.cast_unsigned());
            SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, control)
        }
        Is::Pointer => SeccompCondition::new(argument, Qword, SeccompCmpOp::Ne, 0),
    }
}

/// Tries one call of each answer that a process survives; the killing one is tried by a worker of
/// its own, which dies of it.
fn tried() -> LayerReport {
    let layer = Layer::Seccomp;
    let open = rustix::fs::open("/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).err();
    let memfd = rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).err();
    let dup = rustix::io::dup(std::io::stderr()).err();
    let answers = [
        (open, Errno::PERM),
        (memfd, Errno::NOSYS),
        (dup, Errno::PERM),
    ];
    if answers
        .iter()
        .all(|(answer, expected)| *answer == Some(*expected))
    {
        return LayerReport::new(
            layer,
            LayerState::Enforced,
            "open EPERM, memfd_create ENOSYS",
        );
    }
    LayerReport::new(
        layer,
        LayerState::Unavailable { errno: 0 },
        "a forbidden call was answered",
    )
}

/// Makes a killing call. Returns only where the filter does not hold.
pub(crate) fn trial() -> io::Result<()> {
    let family = rustix::net::AddressFamily::INET;
    rustix::net::socket(family, rustix::net::SocketType::STREAM, None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_both_allowed_and_killing_and_none_is_listed_twice() {
        let numbers = |calls: &[Call]| calls.iter().map(|call| call.number).collect::<Vec<_>>();
        let all: Vec<_> = [ALLOWED, KILLING, UNKNOWN]
            .into_iter()
            .flat_map(numbers)
            .collect();
        let unique: BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    }

    #[test]
    fn every_filter_fits_the_kernel() {
        for calls in [ALLOWED, KILLING, UNKNOWN, SEALED] {
            let matched = SeccompAction::Errno(1);
            assert!(
                filter(calls, matched, SeccompAction::Allow, 3)
                    .unwrap()
                    .len()
                    < 4096
            );
        }
    }
}
