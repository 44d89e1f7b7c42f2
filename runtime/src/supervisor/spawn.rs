//! Starting and reaping worker processes on one thread that lives as long as the pool.
//!
//! The thread matters: the kernel's parent-death signal is bound to the thread that started a
//! process, so a worker started from a thread of the async runtime would die with that thread.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

use super::WorkerError;
use super::files::Returned;
use crate::jail::cgroup::{Cgroup, CgroupHome};
use crate::jail::process::{self, Ended};

/// A process that was started and knows nothing yet.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: i32,
    /// Refers to the outer process, whatever happens to its number.
    pub(super) handle: OwnedFd,
    pub(super) control: UnixStream,
    pub(super) fault_text: Returned,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) cgroup_errno: i32,
}

enum Request {
    Start(oneshot::Sender<Result<Started, WorkerError>>),
    Reap {
        pid: i32,
        cgroup: Option<Cgroup>,
        done: Option<oneshot::Sender<io::Result<Ended>>>,
    },
}

/// The way to the thread. It ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    pub(super) fn start(executable: PathBuf, args: Vec<OsString>) -> Result<Self, WorkerError> {
        let (requests, received) = mpsc::channel();
        let home = CgroupHome::find().map_err(|error| error.raw_os_error().unwrap_or(0));
        let nursery = Nursery {
            executable,
            args,
            home,
        };
        std::thread::Builder::new()
            .name("egret-spawn".to_owned())
            .spawn(move || nursery.serve(&received))
            .map_err(|source| WorkerError::Host {
                action: "start a thread",
                source,
            })?;
        Ok(Self { requests })
    }

    /// Starts a process.
    pub(super) async fn spawn(&self) -> Result<Started, WorkerError> {
        let (answer, started) = oneshot::channel();
        let gone = || WorkerError::EndedEarly;
        self.requests
            .send(Request::Start(answer))
            .map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    /// Waits for a process that has ended or was killed, then removes its cgroup.
    pub(super) async fn reap(&self, pid: i32, cgroup: Option<Cgroup>) -> io::Result<Ended> {
        let (done, ended) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let request = Request::Reap {
            pid,
            cgroup,
            done: Some(done),
        };
        self.requests.send(request).map_err(|_| gone())?;
        ended.await.map_err(|_| gone())?
    }

    /// The same, for nobody that waits.
    pub(super) fn reap_later(&self, pid: i32, cgroup: Option<Cgroup>) {
        let _ = self.requests.send(Request::Reap {
            pid,
            cgroup,
            done: None,
        });
    }
}

struct Nursery {
    executable: PathBuf,
    args: Vec<OsString>,
    home: Result<CgroupHome, i32>,
}

/// Numbers cgroups: several pools of one process must not take each other's names.
static CGROUPS: AtomicU64 = AtomicU64::new(0);

impl Nursery {
    fn serve(&self, requests: &mpsc::Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            match request {
                Request::Start(answer) => {
                    // Nobody waits any more: the process would wait for nothing.
                    if let Err(Ok(started)) = answer.send(self.start()) {
                        let _ = rustix::process::pidfd_send_signal(
                            &started.handle,
                            rustix::process::Signal::KILL,
                        );
                        let _ = process::wait(started.pid);
                    }
                }
                Request::Reap { pid, cgroup, done } => {
                    let ended = process::wait(pid);
                    // Its waiter is not kept until the kernel has taken the cgroup apart.
                    if let Some(done) = done {
                        let _ = done.send(ended);
                    }
                    drop(cgroup);
                }
            }
        }
    }

    fn start(&self) -> Result<Started, WorkerError> {
        let host = |action| move |source| WorkerError::Host { action, source };
        let (control, theirs) = UnixStream::pair().map_err(host("make a socket"))?;
        control
            .set_nonblocking(true)
            .map_err(host("make a socket"))?;
        let fault_text = Returned::new().map_err(host("make a file in memory"))?;
        let fault_writer = fault_text.writer().map_err(host("make a file in memory"))?;
        // No fork of this process: the library spawns directly where nothing is to be run between.
        let child = Command::new(&self.executable)
            .args(&self.args)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(fault_writer))
            .spawn()
            .map_err(host("execute the worker"))?;
        let pid = i32::try_from(child.id())
            .ok()
            .filter(|pid| *pid > 0)
            .ok_or(WorkerError::EndedEarly)?;
        // The number is this child's until it is reaped, which only this thread does.
        let handle = Pid::from_raw(pid)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let handle = match handle {
            Ok(handle) => handle,
            Err(errno) => {
                // Its end of the socket closes here, so it leaves by itself.
                drop(control);
                let _ = process::wait(pid);
                return Err(host("open a handle of the worker")(errno.into()));
            }
        };
        let (cgroup, cgroup_errno) = match self.make_cgroup(child.id()) {
            Ok(cgroup) => (Some(cgroup), 0),
            Err(errno) => (None, errno),
        };
        Ok(Started {
            pid,
            handle,
            control,
            fault_text,
            cgroup,
            cgroup_errno,
        })
    }

    fn make_cgroup(&self, pid: u32) -> Result<Cgroup, i32> {
        let home = self.home.as_ref().map_err(|errno| *errno)?;
        let number = CGROUPS.fetch_add(1, Ordering::Relaxed);
        let made = home.create(&number.to_string()).and_then(|cgroup| {
            cgroup.enter(pid)?;
            Ok(cgroup)
        });
        made.map_err(|error| error.raw_os_error().unwrap_or(0))
    }
}

/// Kills whatever a handle refers to; a process that has ended is no error.
pub(super) fn kill(handle: impl AsFd) {
    let _ = rustix::process::pidfd_send_signal(handle, rustix::process::Signal::KILL);
}
