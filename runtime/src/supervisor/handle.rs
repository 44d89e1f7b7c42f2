//! One worker process as the supervisor holds it: started, made ready, given one run, reaped.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::WorkerError;
use super::files::Returned;
use super::reap::Child;
use super::spawn::{Spawner, Started};
use crate::jail::cgroup::Cgroup;
use crate::jail::process::{self, Ended};
use crate::layer::{Layer, LayerReport, LayerState};
use crate::protocol::{
    self, Decoder, FromWorker, ORDER_FRAME_BYTES_MAX, ToWorker, WORKER_FRAME_BYTES_MAX, WorkerKind,
};
use crate::socket;

/// How long a worker may take to be ready: a busy node in a debug build takes a second.
const READY_WAIT: Duration = Duration::from_secs(10);
/// How long a worker may take to leave after its last word.
const LEAVE_WAIT: Duration = Duration::from_millis(250);
/// How long the kernel may take to end a killed process.
const END_WAIT: Duration = Duration::from_secs(2);

/// A worker that is ready, or was.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    /// Readable once the outer process has ended.
    outer: AsyncFd<OwnedFd>,
    control: UnixStream,
    decoder: Decoder,
    received: Vec<OwnedFd>,
    pub(super) fault_text: Returned,
    pub(super) layers: Vec<LayerReport>,
    pub(super) ready_cpu_us: u64,
    /// What the code of a compile worker fits.
    pub(super) compatibility: Option<[u8; 32]>,
}

/// What came from a worker next.
pub(super) enum Heard {
    Message(FromWorker),
    /// It closed its socket: it has ended, or is about to.
    End,
    Broken,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(super) async fn start(spawner: &Spawner, kind: WorkerKind) -> Result<Self, WorkerError> {
        let started = spawner.spawn().await?;
        let mut worker = Self::adopt(started)?;
        match tokio::time::timeout(READY_WAIT, worker.make_ready(kind)).await {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => {
                worker.end().await;
                Err(error)
            }
            Err(_) => {
                worker.end().await;
                let wait_ms = u64::try_from(READY_WAIT.as_millis()).unwrap_or(u64::MAX);
                Err(WorkerError::NotReady { wait_ms })
            }
        }
    }

    fn adopt(started: Started) -> Result<Self, WorkerError> {
        let host = |action| move |source| WorkerError::Host { action, source };
        let Started {
            child,
            control,
            fault_text,
            cgroup_errno,
        } = started;
        let layers = vec![match &child.cgroup {
            Some(_) => LayerReport::new(
                Layer::Cgroup,
                LayerState::Enforced,
                "memory and process count limited",
            ),
            None => {
                let state = LayerState::Unavailable {
                    errno: cgroup_errno,
                };
                LayerReport::new(Layer::Cgroup, state, "no writable memory cgroup")
            }
        }];
        let outer = child.outer().try_clone_to_owned().and_then(process::watch);
        let outer = outer.map_err(host("watch the worker"))?;
        let control = UnixStream::from_std(control).map_err(host("watch the worker"))?;
        Ok(Self {
            child,
            outer,
            control,
            decoder: Decoder::new(WORKER_FRAME_BYTES_MAX),
            received: Vec::new(),
            fault_text,
            layers,
            ready_cpu_us: 0,
            compatibility: None,
        })
    }

    async fn make_ready(&mut self, kind: WorkerKind) -> Result<(), WorkerError> {
        let gone = |source| WorkerError::Host {
            action: "reach the worker",
            source,
        };
        self.send(&ToWorker::Enter(kind), &[]).await.map_err(gone)?;
        match self.hear().await {
            Heard::Message(FromWorker::Forked) if self.received.len() == 1 => {
                self.child.inner = self.received.pop();
            }
            Heard::End => return Err(WorkerError::EndedEarly),
            _ => return Err(WorkerError::Protocol),
        }
        match self.hear().await {
            Heard::Message(FromWorker::Ready {
                layers,
                cpu_us,
                compatibility,
            }) => {
                self.layers.splice(0..0, layers);
                self.ready_cpu_us = cpu_us;
                self.compatibility = compatibility;
                Ok(())
            }
            Heard::End => Err(WorkerError::EndedEarly),
            _ => Err(WorkerError::Protocol),
        }
    }

    /// Sends a message with descriptors.
    pub(super) async fn send(
        &self,
        message: &ToWorker,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let frame = protocol::encode(message, ORDER_FRAME_BYTES_MAX)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        let mut rest = &frame[..];
        let mut with = descriptors;
        while !rest.is_empty() {
            let sent = self
                .control
                .async_io(Interest::WRITABLE, || {
                    socket::send(&self.control, rest, with)
                })
                .await?;
            rest = rest.get(sent..).unwrap_or_default();
            with = &[];
        }
        Ok(())
    }

    /// The next message. Dropping this before it answers loses nothing.
    pub(super) async fn hear(&mut self) -> Heard {
        let mut buffer = [0; 4096];
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => return Heard::Message(message),
                Ok(None) => {}
                Err(_) => return Heard::Broken,
            }
            let room = self.decoder.room().min(buffer.len());
            let Self {
                control, received, ..
            } = self;
            let read = control.async_io(Interest::READABLE, || {
                // Descriptors are welcome once, before the worker has a program.
                received.truncate(1);
                socket::receive(&*control, &mut buffer[..room], received)
            });
            match read.await {
                Ok(0) | Err(_) => return Heard::End,
                Ok(count) => self.decoder.push(&buffer[..count]),
            }
        }
    }

    /// Whether it has not ended while it waited.
    pub(super) fn alive(&self) -> bool {
        self.child.alive()
    }

    /// Kills everything in the worker's process namespace.
    pub(super) fn kill(&self) {
        self.child.kill();
    }

    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.child.cgroup.as_ref()
    }

    /// Kills it, waits for its end and reaps it.
    pub(super) async fn end(mut self) -> Option<Ended> {
        self.kill();
        self.reap().await
    }

    /// Reaps it after its last word, killing it where it does not end by itself.
    pub(super) async fn reap(&mut self) -> Option<Ended> {
        if tokio::time::timeout(LEAVE_WAIT, self.outer.readable())
            .await
            .is_err()
        {
            self.kill();
            // Taking much memory apart takes a moment; the reaper kills the rest.
            let _ = tokio::time::timeout(END_WAIT, self.outer.readable()).await;
        }
        self.child.reap().await.ok()
    }
}
