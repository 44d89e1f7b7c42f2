//! An empty root.

use std::io;

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::layer::{Layer, LayerReport, LayerState};

/// Where the empty file system is put for a moment: the first folder that exists.
const MOUNT_POINTS: [&str; 5] = ["/tmp", "/run", "/var", "/etc", "/usr"];

/// Replaces the root by an empty read-only file system and lets go of the old one.
pub(super) fn empty_root() -> LayerReport {
    match pivot() {
        Ok(()) => tried(),
        Err(error) => {
            let state = LayerState::Unavailable {
                errno: error.raw_os_error().unwrap_or(0),
            };
            LayerReport::new(Layer::EmptyRoot, state, "pivot_root")
        }
    }
}

fn pivot() -> io::Result<()> {
    // Nothing of what is mounted here may reach the host, nor the other way round.
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    let options = c"size=4k,nr_inodes=2,mode=0555";
    let mut mounted = Err(rustix::io::Errno::NOENT);
    for point in MOUNT_POINTS {
        mounted = mount("none", point, "tmpfs", flags, options);
        if mounted.is_ok() {
            rustix::process::chdir(point)?;
            break;
        }
    }
    mounted?;
    // The old root lands on top of the new one, and is taken off again.
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

fn tried() -> LayerReport {
    let entries = open(
        "/",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .and_then(rustix::fs::Dir::new)
    .map(|dir| {
        dir.filter_map(Result::ok)
            .filter(|entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))
            .count()
    });
    let writable = open(
        "/x",
        OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC,
        Mode::RUSR,
    );
    match (entries, writable) {
        (Ok(0), Err(_)) => LayerReport::new(
            Layer::EmptyRoot,
            LayerState::Enforced,
            "no entry, not writable",
        ),
        (Ok(_), _) => {
            let state = LayerState::Unavailable { errno: 0 };
            LayerReport::new(Layer::EmptyRoot, state, "root has entries or is writable")
        }
        (Err(errno), _) => {
            let state = LayerState::Unavailable {
                errno: errno.raw_os_error(),
            };
            LayerReport::new(Layer::EmptyRoot, state, "root cannot be read")
        }
    }
}
