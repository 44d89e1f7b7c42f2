//! The end of worker processes: killed as a whole, reaped once, their cgroups removed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::oneshot;

use super::spawn::Spawner;
use crate::jail::cgroup::Cgroup;
use crate::jail::process::{self, Ended};

/// How long the kernel may take to end a killed process before its parent is killed too.
const END_WAIT: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};
/// Between attempts to remove a cgroup whose processes the kernel is still taking apart.
const SWEEP_WAIT: Duration = Duration::from_millis(20);
/// Attempts before a cgroup is left to the next server's sweep.
const SWEEPS_MAX: u32 = 250;

/// A child process: its handles, and the promise to end and reap it.
#[derive(Debug)]
pub(super) struct Child {
    pid: i32,
    /// The outer process, whatever happens to its number.
    outer: OwnedFd,
    /// The first process of the worker's own namespace: killing it kills all of them.
    pub(super) inner: Option<OwnedFd>,
    pub(super) cgroup: Option<Cgroup>,
    /// Keeps the thread alive that this process is bound to.
    spawner: Spawner,
    reaped: bool,
}

impl Child {
    pub(super) fn new(pid: i32, outer: OwnedFd, cgroup: Option<Cgroup>, spawner: Spawner) -> Self {
        Self {
            pid,
            outer,
            inner: None,
            cgroup,
            spawner,
            reaped: false,
        }
    }

    pub(super) fn outer(&self) -> BorrowedFd<'_> {
        self.outer.as_fd()
    }

    /// Whether it has not ended.
    pub(super) fn alive(&self) -> bool {
        !ended(
            &self.outer,
            Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
        )
    }

    /// Kills everything in the worker's process namespace; the outer process then ends by itself.
    pub(super) fn kill(&self) {
        kill(self.inner.as_ref().unwrap_or(&self.outer));
    }

    /// Reaps it, killing the outer process if it does not end soon.
    pub(super) async fn reap(&mut self) -> io::Result<Ended> {
        let (done, reaped) = oneshot::channel();
        self.hand_over(None, Some(done))?;
        reaped
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?
    }

    fn hand_over(
        &mut self,
        cgroup: Option<Cgroup>,
        done: Option<oneshot::Sender<io::Result<Ended>>>,
    ) -> io::Result<()> {
        self.reaped = true;
        let outer = self.outer.try_clone()?;
        let request = Request::Reap {
            pid: self.pid,
            outer,
            cgroup,
            done,
        };
        self.spawner.reaper.send(request)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let cgroup = self.cgroup.take();
        if !self.reaped {
            self.kill();
            let _ = self.hand_over(cgroup, None);
        } else if let Some(cgroup) = cgroup {
            let _ = self.spawner.reaper.send(Request::Remove(cgroup));
        }
    }
}

fn kill(handle: impl AsFd) {
    // A process that has ended is no error.
    let _ = pidfd_send_signal(handle, Signal::KILL);
}

fn ended(handle: &OwnedFd, wait: Timespec) -> bool {
    let mut handles = [PollFd::new(handle, PollFlags::IN)];
    matches!(poll(&mut handles, Some(&wait)), Ok(1..))
}

enum Request {
    Reap {
        pid: i32,
        outer: OwnedFd,
        cgroup: Option<Cgroup>,
        done: Option<oneshot::Sender<io::Result<Ended>>>,
    },
    Remove(Cgroup),
    /// Answered when everything before it is done.
    Settle(oneshot::Sender<()>),
}

/// The way to the thread that reaps. It ends when the last of these is dropped and its work done.
#[derive(Clone, Debug)]
pub(super) struct Reaper {
    requests: mpsc::Sender<Request>,
}

impl Reaper {
    pub(super) fn start() -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        std::thread::Builder::new()
            .name("egret-reap".to_owned())
            .spawn(move || serve(&received))?;
        Ok(Self { requests })
    }

    /// Waits until every process that was handed over is reaped and every cgroup removed.
    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        if self.send(Request::Settle(done)).is_ok() {
            let _ = settled.await;
        }
    }

    fn send(&self, request: Request) -> io::Result<()> {
        self.requests
            .send(request)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn serve(requests: &mpsc::Receiver<Request>) {
    while let Ok(request) = requests.recv() {
        match request {
            Request::Reap {
                pid,
                outer,
                cgroup,
                done,
            } => {
                if !ended(&outer, END_WAIT) {
                    kill(&outer);
                }
                let ended = process::wait(pid);
                if let Some(done) = done {
                    let _ = done.send(ended);
                }
                cgroup.into_iter().for_each(remove);
            }
            Request::Remove(cgroup) => remove(cgroup),
            Request::Settle(done) => {
                let _ = done.send(());
            }
        }
    }
}

fn remove(cgroup: Cgroup) {
    for _ in 0..SWEEPS_MAX {
        if cgroup.remove() {
            return;
        }
        std::thread::sleep(SWEEP_WAIT);
    }
}
