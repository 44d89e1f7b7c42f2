//! Capabilities, privilege by exec, and the bond to the parent.

use std::io;

use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use crate::layer::{Layer, LayerReport, LayerState};

fn unavailable(layer: Layer, error: &io::Error, detail: &str) -> LayerReport {
    let state = LayerState::Unavailable {
        errno: error.raw_os_error().unwrap_or(0),
    };
    LayerReport::new(layer, state, detail)
}

/// No gain of privilege through exec, for good.
pub(super) fn no_new_privileges() -> LayerReport {
    let layer = Layer::NoNewPrivileges;
    match rustix::thread::set_no_new_privs(true).and_then(|()| rustix::thread::no_new_privs()) {
        Ok(true) => LayerReport::new(layer, LayerState::Enforced, "set and read back"),
        Ok(false) => LayerReport::new(layer, LayerState::Unavailable { errno: 0 }, "not set"),
        Err(errno) => unavailable(layer, &errno.into(), "prctl"),
    }
}

/// Empties all sets, the bounding set first, since that takes a capability.
pub(super) fn drop_capabilities() -> LayerReport {
    let layer = Layer::Capabilities;
    match empty_sets() {
        Ok(0) => LayerReport::new(
            layer,
            LayerState::Enforced,
            "all sets empty, host name not settable",
        ),
        Ok(left) => {
            let detail = format!("{left} capabilities left");
            LayerReport::new(layer, LayerState::Unavailable { errno: 0 }, detail)
        }
        Err(error) => unavailable(layer, &error, "capset"),
    }
}

fn empty_sets() -> io::Result<u32> {
    let _ = rustix::thread::clear_ambient_capability_set();
    for capability in each_capability() {
        // Numbers that this kernel does not know answer EINVAL; one that stays is counted below.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED;
    let _ = rustix::thread::set_capabilities_secure_bits(locked);
    let empty = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: empty,
        permitted: empty,
        inheritable: empty,
    };
    rustix::thread::set_capabilities(None, sets)?;
    // Leaving no core and no tracer of the same user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;

    let now = rustix::thread::capabilities(None)?;
    let held = now.effective | now.permitted | now.inheritable;
    let bounding = each_capability()
        .filter(|capability| {
            matches!(
                rustix::thread::capability_is_in_bounding_set(*capability),
                Ok(true)
            )
        })
        .count();
    let host_name = u32::from(rustix::system::sethostname(b"x").is_ok());
    Ok(held.bits().count_ones() + u32::try_from(bounding).unwrap_or(u32::MAX) + host_name)
}

fn each_capability() -> impl Iterator<Item = CapabilitySet> {
    (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit))
}

/// The kernel kills this process when its parent dies. Must follow every change of credentials,
/// since those clear it, and is not inherited by fork.
pub(super) fn die_with_parent() -> LayerReport {
    let layer = Layer::ParentDeath;
    let set = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .and_then(|()| rustix::process::parent_process_death_signal());
    match set {
        Ok(Some(Signal::KILL)) => {
            LayerReport::new(layer, LayerState::Enforced, "set and read back")
        }
        Ok(_) => LayerReport::new(layer, LayerState::Unavailable { errno: 0 }, "not set"),
        Err(errno) => unavailable(layer, &errno.into(), "prctl"),
    }
}
