//! Own namespaces, and the identity inside them.

use std::io;

use rustix::fs::{Mode, OFlags, open};
use rustix::pipe::pipe;
use rustix::process::{getegid, geteuid, getgid, getpid, getuid};
use rustix::thread::{Gid, Uid, UnshareFlags, unshare_unsafe};

use super::process::{self, Forked};
use crate::layer::{Layer, LayerReport, LayerState};

/// The identity that owns nothing, by convention of every distribution.
const NOBODY: u32 = 65_534;

/// Layer, flag of `unshare`, and the link that names the namespace.
const NAMESPACES: [(Layer, UnshareFlags, &str); 6] = [
    (Layer::UserNamespace, UnshareFlags::NEWUSER, "user"),
    (Layer::NetworkNamespace, UnshareFlags::NEWNET, "net"),
    (Layer::MountNamespace, UnshareFlags::NEWNS, "mnt"),
    (
        Layer::PidNamespace,
        UnshareFlags::NEWPID,
        "pid_for_children",
    ),
    (Layer::IpcNamespace, UnshareFlags::NEWIPC, "ipc"),
    (Layer::UtsNamespace, UnshareFlags::NEWUTS, "uts"),
];

/// Leaves all namespaces and the server's identity. The process is in its new process namespace
/// only after the next fork.
pub(super) fn leave() -> Vec<LayerReport> {
    let root = geteuid().is_root();
    // Inside the new namespace both read as nobody until a map exists.
    let own = (getuid().as_raw(), getgid().as_raw());
    let helper = if root { MapHelper::start().ok() } else { None };
    let before: Vec<_> = NAMESPACES.iter().map(|(_, _, link)| name(link)).collect();
    let errors = unshare_all();
    let mut reports: Vec<_> = NAMESPACES
        .iter()
        .zip(&before)
        .zip(&errors)
        .map(|(((layer, _, link), before), error)| report(*layer, link, before, *error))
        .collect();
    let in_user_namespace = errors[0].is_none();
    reports.insert(0, take_identity(root, own, in_user_namespace, helper));
    reports
}

/// One call for all; when it fails, one call each, so that each is reported with its own error.
fn unshare_all() -> [Option<rustix::io::Errno>; 6] {
    let mut errors = [None; 6];
    if unshare(UnshareFlags::from_bits_retain(
        NAMESPACES
            .iter()
            .fold(0, |all, (_, flag, _)| all | flag.bits()),
    ))
    .is_ok()
    {
        return errors;
    }
    for (error, (_, flag, _)) in errors.iter_mut().zip(NAMESPACES) {
        *error = unshare(flag).err();
    }
    errors
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the flags name namespaces only. The call is unsafe for `CLONE_FILES`, which would
    // separate the descriptor table under owned descriptors of other threads.
    unsafe { unshare_unsafe(flags) }
}

fn name(link: &str) -> Option<Vec<u8>> {
    let path = format!("/proc/self/ns/{link}");
    rustix::fs::readlink(path, Vec::new())
        .ok()
        .map(|name| name.into_bytes())
}

fn report(
    layer: Layer,
    link: &str,
    before: &Option<Vec<u8>>,
    error: Option<rustix::io::Errno>,
) -> LayerReport {
    if let Some(errno) = error {
        let state = LayerState::Unavailable {
            errno: errno.raw_os_error(),
        };
        return LayerReport::new(layer, state, "unshare");
    }
    // A new process namespace has no name before its first process, which tries it itself.
    match (before, name(link)) {
        (Some(before), Some(after)) if *before == after && layer != Layer::PidNamespace => {
            let state = LayerState::Unavailable { errno: 0 };
            LayerReport::new(layer, state, "unshare changed nothing")
        }
        (Some(_), _) => LayerReport::new(layer, LayerState::Enforced, "namespace changed"),
        (None, _) => LayerReport::new(layer, LayerState::Enforced, "unshare; no /proc to compare"),
    }
}

/// Becomes nobody inside the user namespace where the server runs as root, and itself otherwise.
fn take_identity(
    root: bool,
    own: (u32, u32),
    in_user_namespace: bool,
    helper: Option<MapHelper>,
) -> LayerReport {
    let unavailable = |error: &io::Error, detail: &str| {
        let state = LayerState::Unavailable {
            errno: error.raw_os_error().unwrap_or(0),
        };
        LayerReport::new(Layer::Identity, state, detail)
    };
    if !in_user_namespace {
        if let Some(helper) = helper {
            let _ = helper.finish(false);
        }
        return match (root, become_nobody()) {
            (false, _) => LayerReport::new(Layer::Identity, LayerState::Off, "the server's user"),
            (true, Ok(())) => enforced_if_nobody("no user namespace"),
            (true, Err(error)) => unavailable(&error, "setresuid"),
        };
    }
    if let Some(helper) = helper
        && helper.finish(true).is_ok()
    {
        return match become_nobody() {
            Ok(()) => enforced_if_nobody("mapped to an identity that owns nothing"),
            Err(error) => unavailable(&error, "setresuid"),
        };
    }
    match map_self(own) {
        Err(error) => unavailable(&error, "identity map"),
        Ok(()) if root => unavailable(&io::Error::from_raw_os_error(libc::EPERM), "still root"),
        Ok(()) => LayerReport::new(
            Layer::Identity,
            LayerState::Off,
            "the server's user, mapped alone",
        ),
    }
}

fn enforced_if_nobody(detail: &str) -> LayerReport {
    let state = if geteuid().as_raw() == NOBODY && getegid().as_raw() == NOBODY {
        LayerState::Enforced
    } else {
        LayerState::Unavailable { errno: 0 }
    };
    LayerReport::new(Layer::Identity, state, detail)
}

fn become_nobody() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    Ok(())
}

/// What an ordinary user may write: itself, once, after giving up `setgroups`.
fn map_self((user, group): (u32, u32)) -> io::Result<()> {
    write_file("/proc/self/setgroups", "deny")?;
    write_file("/proc/self/uid_map", &format!("{user} {user} 1"))?;
    write_file("/proc/self/gid_map", &format!("{group} {group} 1"))
}

fn write_file(path: &str, text: &str) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::io::write(&file, text.as_bytes())? == text.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// A child that stays outside to write the identity map: only root outside may map another
/// identity than its own.
struct MapHelper {
    pid: i32,
    go: std::os::fd::OwnedFd,
}

impl MapHelper {
    fn start() -> io::Result<Self> {
        // Groups can only be given up before the map exists.
        rustix::thread::set_thread_groups(&[])?;
        let parent = getpid().as_raw_nonzero();
        let (ready, go) = pipe()?;
        match process::fork()? {
            Forked::Parent(pid) => Ok(Self { pid, go }),
            Forked::Child => {
                drop(go);
                let mut byte = [0];
                let told = matches!(rustix::io::read(&ready, &mut byte), Ok(1));
                let map = format!("{NOBODY} {NOBODY} 1");
                let written = told
                    && write_file(&format!("/proc/{parent}/uid_map"), &map).is_ok()
                    && write_file(&format!("/proc/{parent}/gid_map"), &map).is_ok();
                process::exit_now(i32::from(!written))
            }
        }
    }

    /// Lets it write the map, or sends it away, and reaps it.
    fn finish(self, write: bool) -> io::Result<()> {
        if write {
            rustix::io::write(&self.go, &[1])?;
        }
        drop(self.go);
        let code = process::wait(self.pid)?.code;
        if code == 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
    }
}
