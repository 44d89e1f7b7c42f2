//! A cgroup per worker, made by the supervisor where it may: a second limit on memory and on the
//! number of processes, and the better account of the peak.
//!
//! Version 1 (a folder per controller) and version 2 (one folder whose parent passes the memory
//! controller on) are used as they are found; nothing is mounted, no process but the worker moved.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "egret-";
/// Processes and threads of a worker, as by resource limit.
const PROCESSES_MAX: &str = "64";

/// Where workers' cgroups are made.
#[derive(Clone, Debug)]
pub(crate) struct CgroupHome {
    memory: PathBuf,
    /// Version 1 only: the other controller's folder.
    processes: Option<PathBuf>,
    unified: bool,
}

impl CgroupHome {
    /// Looks for a place in which a cgroup with a memory limit can be made, and tries it.
    pub(crate) fn find() -> io::Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let home = Self::version_1(&own).or_else(|| Self::version_2(&own));
        let home = home.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        home.sweep();
        // Named by thread too: several pools of one process may look at a time.
        let trial = home.create(&format!("trial{:?}", std::thread::current().id()))?;
        let limited = trial.limit(1 << 30);
        trial.remove();
        limited.map(|()| home)
    }

    fn version_1(own: &str) -> Option<Self> {
        let folder = |controller: &str| {
            own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, path) = (parts.next()?, parts.next()?);
                let listed = controllers.split(',').any(|listed| listed == controller);
                let folder = Path::new(MOUNT)
                    .join(controller)
                    .join(path.trim_start_matches('/'));
                // Inside a container the path may be the host's: then the mount is the folder.
                let mount = Path::new(MOUNT).join(controller);
                listed.then(|| if folder.is_dir() { folder } else { mount })
            })
        };
        let memory = folder("memory").filter(|folder| folder.is_dir())?;
        Some(Self {
            memory,
            processes: folder("pids"),
            unified: false,
        })
    }

    fn version_2(own: &str) -> Option<Self> {
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let memory = Path::new(MOUNT).join(path.trim_start_matches('/'));
        let passed = fs::read_to_string(memory.join("cgroup.subtree_control")).ok()?;
        let passes = passed
            .split_whitespace()
            .any(|controller| controller == "memory");
        passes.then_some(Self {
            memory,
            processes: None,
            unified: true,
        })
    }

    /// Removes what servers that are gone have left.
    fn sweep(&self) {
        for folder in [Some(&self.memory), self.processes.as_ref()]
            .into_iter()
            .flatten()
        {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let owner = name
                    .to_str()
                    .and_then(|name| name.strip_prefix(PREFIX))
                    .and_then(|name| name.split('-').next())
                    .and_then(|owner| owner.parse::<u32>().ok());
                if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }

    /// Makes a cgroup of its own.
    pub(crate) fn create(&self, name: &str) -> io::Result<Cgroup> {
        let name = format!("{PREFIX}{}-{name}", std::process::id());
        let memory = self.memory.join(&name);
        fs::create_dir(&memory)?;
        let mut cgroup = Cgroup {
            memory,
            processes: None,
            unified: self.unified,
        };
        if let Some(processes) = &self.processes {
            let folder = processes.join(&name);
            if fs::create_dir(&folder).is_ok() {
                cgroup.processes = Some(folder);
            }
        }
        let processes = cgroup.processes.as_ref().unwrap_or(&cgroup.memory);
        // Without this controller the resource limit stands.
        let _ = fs::write(processes.join("pids.max"), PROCESSES_MAX);
        Ok(cgroup)
    }
}

/// A worker's cgroup; to be removed once the worker has ended.
#[derive(Debug)]
pub(crate) struct Cgroup {
    memory: PathBuf,
    processes: Option<PathBuf>,
    unified: bool,
}

impl Cgroup {
    /// Moves a process in, before it forks.
    pub(crate) fn enter(&self, pid: u32) -> io::Result<()> {
        for folder in [Some(&self.memory), self.processes.as_ref()]
            .into_iter()
            .flatten()
        {
            fs::write(folder.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Limits memory, page cache included.
    pub(crate) fn limit(&self, bytes: u64) -> io::Result<()> {
        let file = if self.unified {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        };
        fs::write(self.memory.join(file), bytes.to_string())?;
        if self.unified {
            // Nothing of a run may reach a swap device.
            let _ = fs::write(self.memory.join("memory.swap.max"), "0");
        }
        Ok(())
    }

    /// Most memory that was in use.
    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        let file = if self.unified {
            "memory.peak"
        } else {
            "memory.max_usage_in_bytes"
        };
        fs::read_to_string(self.memory.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Whether the kernel killed a process of it for memory.
    pub(crate) fn killed_for_memory(&self) -> bool {
        let file = if self.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        fs::read_to_string(self.memory.join(file)).is_ok_and(|text| {
            text.lines().any(|line| {
                line.strip_prefix("oom_kill ")
                    .is_some_and(|count| count.trim() != "0")
            })
        })
    }

    /// Removes it; false while the kernel still counts a process in it.
    pub(crate) fn remove(&self) -> bool {
        [Some(&self.memory), self.processes.as_ref()]
            .into_iter()
            .flatten()
            .all(|folder| {
                fs::remove_dir(folder)
                    .map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
            })
    }
}
