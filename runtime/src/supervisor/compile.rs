//! Machine code for a run: out of the cache, or made by a compile worker.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::WorkerError;
use super::code_cache::{CodeCache, CodeCacheView, CodeKey};
use super::dispatch::{self, Work};
use super::handle::Worker;
use super::spawn::Spawner;
use crate::limits::Limits;
use crate::outcome::{Completed, Limit, Outcome};
use crate::protocol::{ProgramKind, WorkerKind};

/// Machine code that is kept for all owners together.
const CACHE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Makes and keeps machine code.
#[derive(Debug)]
pub(super) struct Codes {
    cache: CodeCache,
    /// What the compile workers of this pool's executable tell; known from the first one on.
    compatibility: OnceLock<[u8; 32]>,
}

/// Why there is no code.
pub(super) enum NotMade {
    /// The compile worker ended without any.
    Ended(Box<Completed>),
    Worker(WorkerError),
}

impl From<WorkerError> for NotMade {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

/// A module that is to run.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) owner: &'a str,
    pub(super) module: &'a [u8],
    pub(super) limits: &'a Limits,
}

impl Codes {
    /// None where the host gives no randomness.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            cache: CodeCache::new(CACHE_BYTES_MAX)?,
            compatibility: OnceLock::new(),
        })
    }

    pub(super) fn view(&self) -> CodeCacheView {
        self.cache.view()
    }

    /// Verified code of a module, compiled where none is kept.
    pub(super) async fn of(
        &self,
        wanted: Wanted<'_>,
        spawner: &Spawner,
        cancel: &watch::Receiver<bool>,
        allow_degraded: bool,
    ) -> Result<Arc<Vec<u8>>, NotMade> {
        let mut first = None;
        let compatibility = match self.compatibility.get() {
            Some(known) => *known,
            None => {
                let worker = first.insert(self.worker(spawner).await?);
                worker.compatibility.ok_or(WorkerError::Protocol)?
            }
        };
        let key = CodeKey::new(wanted.owner, wanted.module, compatibility);
        let make = async {
            let worker = match first {
                Some(worker) => worker,
                None => self.worker(spawner).await?,
            };
            compile(worker, wanted, cancel.clone(), allow_degraded).await
        };
        self.cache
            .find_or_make(key, wanted.limits.code_bytes_max, make)
            .await
    }

    /// A compile worker of the same executable as all before it.
    async fn worker(&self, spawner: &Spawner) -> Result<Worker, WorkerError> {
        let worker = Worker::start(spawner, WorkerKind::Compile).await?;
        let told = worker.compatibility.ok_or(WorkerError::Protocol)?;
        if *self.compatibility.get_or_init(|| told) == told {
            return Ok(worker);
        }
        worker.end().await;
        Err(WorkerError::ExecutableChanged)
    }
}

async fn compile(
    worker: Worker,
    wanted: Wanted<'_>,
    cancel: watch::Receiver<bool>,
    allow_degraded: bool,
) -> Result<Vec<u8>, NotMade> {
    let work = Work {
        program: ProgramKind::Compile,
        bytes: wanted.module,
        modules: Vec::new(),
        inputs: &[],
        scratch: None,
        limits: wanted.limits.of_compiling(),
    };
    let mut completed = dispatch::run(worker, &work, cancel, allow_degraded).await?;
    completed.outcome = of_compiling(completed.outcome);
    match (completed.outcome, completed.output.take()) {
        (Outcome::Finished, Some(code)) => Ok(code),
        _ => Err(NotMade::Ended(Box::new(completed))),
    }
}

/// The limits of compiling stand in the places of those of a run; their names do not.
fn of_compiling(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::TimedOut => Outcome::LimitExceeded(Limit::CompileWall),
        Outcome::LimitExceeded(Limit::Cpu) => Outcome::LimitExceeded(Limit::CompileCpu),
        Outcome::LimitExceeded(Limit::Memory) => Outcome::LimitExceeded(Limit::CompileMemory),
        Outcome::LimitExceeded(Limit::OutputBytes) => Outcome::LimitExceeded(Limit::CodeBytes),
        other => other,
    }
}
