//! The pool of workers as the server sees it: pre-warmed, used once, refilled in the background.

mod code_cache;
mod compile;
mod dispatch;
mod files;
mod handle;
mod reap;
mod spawn;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, TryAcquireError, watch};
use tokio::task::JoinHandle;

pub use self::code_cache::CodeCacheView;
use self::compile::{Codes, NotMade, Wanted};
use self::dispatch::Work;
use self::handle::{Heard, Worker};
use self::spawn::Spawner;
use crate::layer::{Layer, LayerReport, LayerState, missing};
use crate::order::{Order, OrderFault, Program};
use crate::outcome::{Completed, Meter, Outcome};
use crate::protocol::{ToWorker, WorkerKind};

/// How the pool is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The program to start as a worker: usually the server's own executable.
    pub executable: PathBuf,
    /// Its arguments, so that it calls [`crate::worker_main`] before anything else.
    pub args: Vec<OsString>,
    /// Runs at a time, and workers kept warm.
    pub size: usize,
    /// Orders that may wait for a worker; one more is refused.
    pub queue_max: usize,
    /// Where the scratch files of queries are made, without a name: what does not fit into memory goes there, encrypted.
    /// Without it a query that outgrows its memory ends.
    pub spill: Option<PathBuf>,
    /// Takes jobs although required layers are missing. Every [`Completed`] says so.
    pub allow_degraded: bool,
}

/// Why a pool does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Required layers do not hold on this host.
    #[error("the jail lacks required layers: {}", list(.0))]
    LayersMissing(Vec<LayerReport>),
    /// No worker could be started.
    #[error("cannot start a worker")]
    Worker(#[from] WorkerError),
    /// The configuration is not usable.
    #[error("pool {name} is {value}, permitted is {min} to {max}")]
    Config {
        /// Which figure.
        name: &'static str,
        /// What was given.
        value: usize,
        /// Smallest permitted value.
        min: usize,
        /// Largest permitted value.
        max: usize,
    },
}

/// Why an order was not run. Once a worker has it, the end is an [`crate::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// All workers are busy and the queue is full.
    #[error("all workers are busy and {queue_max} orders wait already")]
    Busy {
        /// Length of the full queue.
        queue_max: usize,
    },
    /// The pool is shutting down.
    #[error("the pool is closed")]
    Closed,
    /// The order breaks its own limits.
    #[error(transparent)]
    Order(#[from] OrderFault),
    /// No worker could be started.
    #[error("cannot start a worker")]
    Worker(#[from] WorkerError),
}

/// Why a worker could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The host refused something the supervisor needs.
    #[error("cannot {action}")]
    Host {
        /// What it was about to do.
        action: &'static str,
        /// What the host said.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("worker ended before it was ready")]
    EndedEarly,
    /// It was not ready in time.
    #[error("worker was not ready within {wait_ms} ms")]
    NotReady {
        /// How long was waited.
        wait_ms: u64,
    },
    /// Its first frames broke the protocol.
    #[error("worker broke the protocol before it was ready")]
    Protocol,
    /// A compile worker is another program than the first one was.
    #[error("the worker's executable was replaced while the pool was running")]
    ExecutableChanged,
    /// A required layer that held when the pool started does not hold any more.
    #[error("the jail lacks required layers: {}", list(.0))]
    LayersMissing(Vec<LayerReport>),
}

/// The pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Runs at a time.
    pub size: usize,
    /// Running now.
    pub running: usize,
    /// Waiting for a worker.
    pub waiting: usize,
    /// Warm workers.
    pub idle: usize,
    /// Orders that may wait.
    pub queue_max: usize,
}

/// Bounds of the figures of [`PoolConfig`].
const SIZE_MAX: usize = 256;
const QUEUE_MAX: usize = 100_000;
/// Between attempts to start a worker after one has failed.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How a worker ends that made the killing call it was asked to make.
const ENDED_BY_SIGSYS: i32 = 128 + libc::SIGSYS;

/// A pool of single-use workers. Dropping it kills every worker.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
    layers: Vec<LayerReport>,
}

#[derive(Debug)]
struct Shared {
    config: PoolConfig,
    spawner: Spawner,
    codes: Codes,
    idle: Mutex<VecDeque<Worker>>,
    /// A worker was taken.
    taken: Notify,
    runs: Semaphore,
    waiting: AtomicUsize,
    /// True once the pool is closing.
    closing: watch::Sender<bool>,
}

impl Supervisor {
    /// Starts the pool: tries the jail, and refuses when a required layer is missing.
    pub async fn start(config: PoolConfig) -> Result<Self, StartError> {
        bounded("size", config.size, 1, SIZE_MAX)?;
        bounded("queue_max", config.queue_max, 0, QUEUE_MAX)?;
        let codes = Codes::new().ok_or(WorkerError::Host {
            action: "draw a key",
            source: std::io::ErrorKind::Other.into(),
        })?;
        let spawner = Spawner::start(config.executable.clone(), config.args.clone())?;
        let (first, layers) =
            tokio::join!(Worker::start(&spawner, WorkerKind::Run), try_jail(&spawner));
        let (first, layers) = (first?, layers?);
        let lacking = missing(&layers);
        if !lacking.is_empty() && !config.allow_degraded {
            first.end().await;
            return Err(StartError::LayersMissing(lacking));
        }
        let shared = Arc::new(Shared {
            runs: Semaphore::new(config.size),
            config,
            spawner,
            codes,
            idle: Mutex::new(VecDeque::from([first])),
            taken: Notify::new(),
            waiting: AtomicUsize::new(0),
            closing: watch::Sender::new(false),
        });
        let keeper = tokio::spawn(Arc::clone(&shared).keep_warm());
        Ok(Self {
            shared,
            keeper,
            layers,
        })
    }

    /// Runs one order to its end. `cancel` turning true calls it off; its sender may be dropped.
    pub async fn run(
        &self,
        order: Order,
        mut cancel: watch::Receiver<bool>,
    ) -> Result<Completed, RunError> {
        order.validate()?;
        let shared = &self.shared;
        let permit = match shared.runs.try_acquire() {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(RunError::Closed),
            Err(TryAcquireError::NoPermits) => {
                let _place = shared.queue()?;
                tokio::select! {
                    permit = shared.runs.acquire() => permit.map_err(|_| RunError::Closed)?,
                    () = cancelled(&mut cancel) => return Ok(self.called_off()),
                }
            }
        };
        let mut closing = shared.closing.subscribe();
        let completed = tokio::select! {
            completed = shared.dispatch(&order, &cancel) => completed.map_err(RunError::Worker),
            () = cancelled(&mut closing) => Err(RunError::Closed),
        };
        drop(permit);
        completed
    }

    /// The layers that hold around each worker of this pool.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// The pool at this moment.
    pub fn queue(&self) -> QueueView {
        let shared = &self.shared;
        let size = shared.config.size;
        QueueView {
            size,
            running: size.saturating_sub(shared.runs.available_permits()),
            waiting: shared.waiting.load(Ordering::Relaxed),
            idle: shared.idle().len(),
            queue_max: shared.config.queue_max,
        }
    }

    /// The machine code that is kept, at this moment.
    pub fn code_cache(&self) -> CodeCacheView {
        self.shared.codes.view()
    }

    /// Takes no more orders and calls off those that wait or run: each is answered
    /// [`RunError::Closed`].
    pub fn close(&self) {
        self.shared.close();
    }

    /// Ends the pool: orders that wait or run are answered [`RunError::Closed`], every worker is
    /// killed and reaped.
    pub async fn shutdown(mut self) {
        self.shared.close();
        // The keeper may be starting a worker; it ends that one itself.
        let _ = (&mut self.keeper).await;
        let idle: Vec<_> = self.shared.idle().drain(..).collect();
        for worker in idle {
            worker.end().await;
        }
        // Runs that were called off have handed their workers over by now.
        self.shared.spawner.settle().await;
    }

    fn called_off(&self) -> Completed {
        Completed {
            outcome: Outcome::Cancelled,
            output: None,
            guest_log: Vec::new(),
            meter: Meter::default(),
            layers: self.layers.clone(),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.close();
        self.shared.idle().clear();
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, VecDeque<Worker>> {
        // Nothing that holds the lock can leave the queue half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.closing.send_replace(true);
        self.runs.close();
        self.taken.notify_one();
    }

    /// A place in the queue, given back when dropped.
    fn queue(&self) -> Result<Place<'_>, RunError> {
        let queue_max = self.config.queue_max;
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        if waiting < queue_max {
            Ok(place)
        } else {
            Err(RunError::Busy { queue_max })
        }
    }

    /// Runs an order on a worker; on another one where the first turns out to be dead before it has
    /// the order.
    async fn dispatch(
        &self,
        order: &Order,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Completed, WorkerError> {
        let allow_degraded = self.config.allow_degraded;
        let codes = match self.codes(order, cancel).await {
            Ok(codes) => codes,
            Err(NotMade::Ended(completed)) => return Ok(*completed),
            Err(NotMade::Worker(error)) => return Err(error),
        };
        let work = Work::of(order, &codes, self.config.spill.as_deref())?;
        let first = dispatch::run(self.take().await?, &work, cancel.clone(), allow_degraded).await;
        match first {
            Err(WorkerError::Host {
                action: dispatch::HAND_OVER,
                ..
            }) => {
                let second = self.take().await?;
                dispatch::run(second, &work, cancel.clone(), allow_degraded).await
            }
            other => other,
        }
    }

    /// Machine code of the modules of a program, in their order.
    async fn codes(
        &self,
        order: &Order,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Vec<Arc<Vec<u8>>>, NotMade> {
        let modules: Vec<(&str, &[u8])> = match &order.program {
            Program::Wasm { module, owner, .. } => vec![(owner, module)],
            Program::Sql { modules, .. } => {
                let named = modules.iter();
                named
                    .map(|module| (&module.owner[..], &module.module[..]))
                    .collect()
            }
            Program::Task { .. } => Vec::new(),
        };
        let mut codes = Vec::with_capacity(modules.len());
        for (owner, module) in modules {
            let wanted = Wanted {
                owner,
                module,
                limits: &order.limits,
            };
            let allow_degraded = self.config.allow_degraded;
            let code = self.codes.of(wanted, &self.spawner, cancel, allow_degraded);
            codes.push(code.await?);
        }
        Ok(codes)
    }

    /// A warm worker, or a new one where none is warm.
    async fn take(&self) -> Result<Worker, WorkerError> {
        loop {
            let Some(worker) = self.idle().pop_front() else {
                break;
            };
            self.taken.notify_one();
            // The kernel may have ended one that waited, for want of memory.
            if worker.alive() {
                return Ok(worker);
            }
        }
        Worker::start(&self.spawner, WorkerKind::Run).await
    }

    /// Keeps as many workers warm as may run at a time.
    async fn keep_warm(self: Arc<Self>) {
        let mut closing = self.closing.subscribe();
        loop {
            let short = self.idle().len() < self.config.size;
            let step = async {
                if !short {
                    self.taken.notified().await;
                    return;
                }
                match Worker::start(&self.spawner, WorkerKind::Run).await {
                    Ok(worker) => self.idle().push_back(worker),
                    Err(error) => {
                        tracing::warn!(%error, "cannot start a worker; trying again");
                        tokio::time::sleep(RETRY_WAIT).await;
                    }
                }
            };
            tokio::select! {
                () = step => {}
                () = cancelled(&mut closing) => return,
            }
        }
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the jail gives on this host, layer by layer, by starting one worker and trying it.
pub async fn probe(
    executable: PathBuf,
    args: Vec<OsString>,
) -> Result<Vec<LayerReport>, WorkerError> {
    try_jail(&Spawner::start(executable, args)?).await
}

/// Starts a worker, has it seal itself, and has it make a call that must kill it.
async fn try_jail(spawner: &Spawner) -> Result<Vec<LayerReport>, WorkerError> {
    let mut worker = Worker::start(spawner, WorkerKind::Run).await?;
    let gone = |source| WorkerError::Host {
        action: "reach the worker",
        source,
    };
    worker.send(&ToWorker::Trial, &[]).await.map_err(gone)?;
    let heard = worker.hear().await;
    let crate::protocol::FromWorker::Sealed { layers: sealed } = (match heard {
        Heard::Message(message) => message,
        Heard::End => return Err(WorkerError::EndedEarly),
        Heard::Broken => return Err(WorkerError::Protocol),
    }) else {
        return Err(WorkerError::Protocol);
    };
    let ended = worker.reap().await.unwrap_or_default();
    let mut layers = std::mem::take(&mut worker.layers);
    layers.extend(sealed);
    for report in layers
        .iter_mut()
        .filter(|report| report.layer == Layer::Seccomp)
    {
        if !report.enforced() {
            continue;
        }
        if ended.code == ENDED_BY_SIGSYS {
            report.detail.push_str(", socket kills");
        } else {
            report.state = LayerState::Unavailable { errno: 0 };
            "a killing call did not kill".clone_into(&mut report.detail);
        }
    }
    layers.sort_by_key(|report| report.layer);
    layers.dedup_by_key(|report| report.layer);
    Ok(layers)
}

fn bounded(name: &'static str, value: usize, min: usize, max: usize) -> Result<(), StartError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(StartError::Config {
            name,
            value,
            min,
            max,
        })
    }
}

/// Resolves when the value turns true; never when its sender is dropped before that.
async fn cancelled(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|called_off| *called_off).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn list(layers: &[LayerReport]) -> String {
    layers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
