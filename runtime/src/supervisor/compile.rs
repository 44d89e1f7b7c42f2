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

/// Code, or how making it ended.
pub(super) enum Made {
    Code(Arc<Vec<u8>>),
    Not(Box<Completed>),
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
    ) -> Result<Made, WorkerError> {
        if let Some(code) = self.kept(wanted) {
            return Ok(Made::Code(code));
        }
        let worker = Worker::start(spawner, WorkerKind::Compile).await?;
        let told = worker.compatibility.ok_or(WorkerError::Protocol)?;
        if *self.compatibility.get_or_init(|| told) != told {
            worker.end().await;
            return Err(WorkerError::ExecutableChanged);
        }
        let work = Work {
            program: ProgramKind::Compile,
            bytes: wanted.module,
            inputs: &[],
            limits: wanted.limits.of_compiling(),
        };
        let mut completed = dispatch::run(worker, &work, cancel.clone(), allow_degraded).await?;
        completed.outcome = of_compiling(completed.outcome);
        match (completed.outcome, completed.output.take()) {
            (Outcome::Finished, Some(code)) => {
                let code = Arc::new(code);
                let key = CodeKey::new(wanted.owner, wanted.module, told);
                self.cache.keep(key, Arc::clone(&code));
                Ok(Made::Code(code))
            }
            _ => Ok(Made::Not(Box::new(completed))),
        }
    }

    /// Kept code. A limit that is lower than when it was made holds here too.
    fn kept(&self, wanted: Wanted<'_>) -> Option<Arc<Vec<u8>>> {
        let Some(known) = self.compatibility.get() else {
            self.cache.missed();
            return None;
        };
        let key = CodeKey::new(wanted.owner, wanted.module, *known);
        let kept = self.cache.find(&key);
        kept.filter(|code| code.len() as u64 <= wanted.limits.code_bytes_max)
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
