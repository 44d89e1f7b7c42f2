//! Stage 0: from a fresh process to one that has nothing but its control socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::process::{self, Forked};
use super::{credentials, filesystem, landlock, namespaces, resources, seccomp};
use crate::layer::{Layer, LayerReport, LayerState};
use crate::protocol::{self, FromWorker, WORKER_FRAME_BYTES_MAX};
use crate::socket;

/// Numbers of the descriptors that a worker starts with; the control socket comes as the first.
const CONTROL_AT_START: i32 = 0;
const STANDARD_DESCRIPTORS: i32 = 3;
/// Highest descriptor number that is looked at in proving that there is none.
const DESCRIPTORS_LOOKED_AT: i32 = 1024;

/// Takes the control socket from where it was inherited and closes everything else.
pub(crate) fn take_control() -> io::Result<OwnedFd> {
    process::close_from(STANDARD_DESCRIPTORS)?;
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    // The socket keeps one number; a null device takes its old place.
    let null = File::options().read(true).write(true).open("/dev/null")?;
    process::replace_descriptor(null.as_fd(), CONTROL_AT_START)?;
    Ok(control)
}

/// Enters stage 0. Returns in the inner process only; the outer one waits for it and ends with its
/// code.
pub(crate) fn stage_zero(control: OwnedFd) -> io::Result<(OwnedFd, Vec<LayerReport>)> {
    let mut layers = namespaces::leave();
    let enforced = |layers: &[LayerReport], layer| {
        layers
            .iter()
            .any(|report| report.layer == layer && report.enforced())
    };
    let own_user_namespace = enforced(&layers, Layer::UserNamespace);
    if enforced(&layers, Layer::MountNamespace) {
        layers.push(filesystem::empty_root());
    } else {
        // Without a mount namespace this would replace the host's own root.
        layers.push(LayerReport::new(
            Layer::EmptyRoot,
            LayerState::Off,
            "no mount namespace",
        ));
    }
    layers.push(credentials::no_new_privileges());
    layers.push(credentials::drop_capabilities());
    layers.push(resources::limit_process(own_user_namespace));
    layers.push(landlock::deny_all());
    fork_inside(&control, &mut layers)?;
    layers.push(descriptors(&control));
    Ok((control, layers))
}

/// The next process is the first of the new process namespace. The outer one hands a descriptor of
/// it to the supervisor, which can then kill it without guessing numbers.
fn fork_inside(control: &OwnedFd, layers: &mut Vec<LayerReport>) -> io::Result<()> {
    let outer_bond = credentials::die_with_parent();
    let (released, release) = rustix::pipe::pipe()?;
    match process::fork()? {
        Forked::Parent(pid) => {
            drop(released);
            let waited = release_and_wait(pid, control, release);
            process::exit_now(waited.unwrap_or(1))
        }
        Forked::Child => {
            drop(release);
            let bond = credentials::die_with_parent();
            // The parent may have died before the bond was made: then nobody releases.
            let mut byte = [0];
            if !matches!(rustix::io::read(&released, &mut byte), Ok(1)) {
                process::exit_now(1);
            }
            layers.push(if outer_bond.enforced() {
                bond
            } else {
                outer_bond
            });
            confirm_process_namespace(layers);
            Ok(())
        }
    }
}

fn release_and_wait(pid: i32, control: &OwnedFd, release: OwnedFd) -> io::Result<i32> {
    let child = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let handle = pidfd_open(child, PidfdFlags::empty())?;
    let frame = protocol::encode(&FromWorker::Forked, WORKER_FRAME_BYTES_MAX)
        .map_err(|_| io::ErrorKind::InvalidData)?;
    socket::send_blocking(control, &frame, &[handle.as_fd()])?;
    rustix::io::write(&release, &[1])?;
    drop((handle, release));
    // Only the inner process may keep the socket open: its end is how the supervisor sees the end.
    for number in 0..=control.as_raw_fd() {
        process::close_number(number);
    }
    // Without the filter the outer process is still in every other layer.
    let _ = seccomp::confine_waiter();
    Ok(process::wait(pid)?.code)
}

fn confirm_process_namespace(layers: &mut [LayerReport]) {
    let first = getpid().as_raw_nonzero().get() == 1;
    let report = layers
        .iter_mut()
        .find(|report| report.layer == Layer::PidNamespace);
    match report {
        Some(report) if report.enforced() && first => {
            "first process of it".clone_into(&mut report.detail)
        }
        Some(report) if report.enforced() => {
            report.state = LayerState::Unavailable { errno: 0 };
            "not the first process".clone_into(&mut report.detail);
        }
        _ => {}
    }
}

/// Nothing is open but the standard three (null device, null device, fault text) and the socket.
fn descriptors(control: &OwnedFd) -> LayerReport {
    let control = control.as_raw_fd();
    let open = (STANDARD_DESCRIPTORS..DESCRIPTORS_LOOKED_AT)
        .filter(|number| *number != control && process::is_open(*number))
        .count();
    let layer = Layer::Descriptors;
    if open == 0 {
        return LayerReport::new(layer, LayerState::Enforced, "none but the control socket");
    }
    let detail = format!("{open} descriptors are open");
    LayerReport::new(layer, LayerState::Unavailable { errno: 0 }, detail)
}
