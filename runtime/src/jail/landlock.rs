//! Landlock: a rule set without a rule, so nothing that it governs is permitted.

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetError, Scope,
};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::layer::{Layer, LayerReport, LayerState};

/// The newest interface whose restrictions are named here; older kernels enforce what they know.
const NEWEST: ABI = ABI::V7;

/// Denies files, TCP, signals and abstract sockets. Restricts this thread and what it forks: enter
/// before the first thread.
pub(super) fn deny_all() -> LayerReport {
    let layer = Layer::Landlock;
    let status = match restrict() {
        Ok(status) => status,
        Err(_) => {
            let state = LayerState::Unavailable {
                errno: libc::EINVAL,
            };
            return LayerReport::new(layer, state, "rule set");
        }
    };
    match status {
        LandlockStatus::NotImplemented => {
            let state = LayerState::Unavailable {
                errno: libc::ENOSYS,
            };
            LayerReport::new(layer, state, "kernel before 5.13")
        }
        LandlockStatus::NotEnabled => {
            let state = LayerState::Unavailable {
                errno: libc::EOPNOTSUPP,
            };
            LayerReport::new(layer, state, "not enabled at boot")
        }
        LandlockStatus::Available { effective_abi, .. } => tried(effective_abi),
    }
}

fn restrict() -> Result<LandlockStatus, RulesetError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(status.landlock)
}

fn tried(abi: ABI) -> LayerReport {
    let layer = Layer::Landlock;
    match open(
        "/",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Err(Errno::ACCESS) => {
            let detail = format!("interface {abi:?}; opening the root answers EACCES");
            LayerReport::new(layer, LayerState::Enforced, detail)
        }
        _ => LayerReport::new(
            layer,
            LayerState::Unavailable { errno: 0 },
            "the root still opens",
        ),
    }
}
