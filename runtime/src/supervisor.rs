//! The pool of workers as the server sees it.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::sync::watch;

use crate::layer::LayerReport;
use crate::order::{Order, OrderFault};
use crate::outcome::Completed;

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

/// A pool of single-use workers.
#[derive(Debug)]
pub struct Supervisor {
    layers: Vec<LayerReport>,
}

impl Supervisor {
    /// Starts the pool: tries the jail, and refuses when a required layer is missing.
    pub async fn start(config: PoolConfig) -> Result<Self, StartError> {
        let _ = config;
        Err(WorkerError::EndedEarly.into())
    }

    /// Runs one order to its end. `cancel` turning true calls it off; its sender may be dropped.
    pub async fn run(
        &self,
        order: Order,
        cancel: watch::Receiver<bool>,
    ) -> Result<Completed, RunError> {
        let _ = (order, cancel);
        Err(RunError::Closed)
    }

    /// The layers that hold around each worker of this pool.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// The pool at this moment.
    pub fn queue(&self) -> QueueView {
        QueueView {
            size: 0,
            running: 0,
            waiting: 0,
            idle: 0,
            queue_max: 0,
        }
    }

    /// Ends the pool: orders that wait are answered `Closed`, running ones are killed, every worker
    /// is reaped.
    pub async fn shutdown(self) {}
}

/// What the jail gives on this host, layer by layer, by starting one worker and trying it.
pub async fn probe(
    executable: PathBuf,
    args: Vec<OsString>,
) -> Result<Vec<LayerReport>, WorkerError> {
    let _ = (executable, args);
    Err(WorkerError::EndedEarly)
}

fn list(layers: &[LayerReport]) -> String {
    layers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
