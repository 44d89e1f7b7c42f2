//! Starting worker processes on one thread that lives as long as any of them.
//!
//! The thread matters: the kernel's parent-death signal is bound to the thread that started a
//! process, so a worker started from a thread of the async runtime would die with that thread.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

use super::WorkerError;
use super::files::Returned;
use super::reap::{Child, Reaper};
use crate::jail::cgroup::{Cgroup, CgroupHome};
use crate::jail::process;

/// A process that was started and knows nothing yet.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) control: UnixStream,
    pub(super) fault_text: Returned,
    pub(super) cgroup_errno: i32,
}

enum Request {
    Start {
        answer: oneshot::Sender<Result<Started, WorkerError>>,
        /// Goes into the child, so that the thread outlives it.
        spawner: Spawner,
    },
    /// Answered when everything before it is done.
    Settle(oneshot::Sender<()>),
}

/// The way to the thread. It ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
    pub(super) reaper: Reaper,
}

impl Spawner {
    pub(super) fn start(executable: PathBuf, args: Vec<OsString>) -> Result<Self, WorkerError> {
        let host = |source| WorkerError::Host {
            action: "start a thread",
            source,
        };
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
            .map_err(host)?;
        Ok(Self {
            requests,
            reaper: Reaper::start().map_err(host)?,
        })
    }

    /// Starts a process.
    pub(super) async fn spawn(&self) -> Result<Started, WorkerError> {
        let (answer, started) = oneshot::channel();
        let gone = || WorkerError::EndedEarly;
        let request = Request::Start {
            answer,
            spawner: self.clone(),
        };
        self.requests.send(request).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    /// Waits until every process that was asked for is started, or handed over for want of a taker,
    /// and all that were handed over are reaped.
    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        if self.requests.send(Request::Settle(done)).is_ok() {
            let _ = settled.await;
        }
        self.reaper.settle().await;
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
                // Where nobody waits any more, dropping the child ends it.
                Request::Start { answer, spawner } => {
                    let _ = answer.send(self.start(spawner));
                }
                Request::Settle(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    fn start(&self, spawner: Spawner) -> Result<Started, WorkerError> {
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
        // The number is this child's until it is reaped, which only the reaper does.
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
        let child = Child::new(pid, handle, cgroup, spawner);
        Ok(Started {
            child,
            control,
            fault_text,
            cgroup_errno,
        })
    }

    fn make_cgroup(&self, pid: u32) -> Result<Cgroup, i32> {
        let home = self.home.as_ref().map_err(|errno| *errno)?;
        let number = CGROUPS.fetch_add(1, Ordering::Relaxed);
        let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
        let cgroup = home.create(&number.to_string()).map_err(errno)?;
        match cgroup.enter(pid) {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                cgroup.remove();
                Err(errno(error))
            }
        }
    }
}
