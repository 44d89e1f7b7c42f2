//! One run on one worker: hand over, wait, classify the end.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::files::{self, Returned};
use super::handle::{Heard, Worker};
use super::{WorkerError, cancelled};
use crate::jail::process::Ended;
use crate::layer::{self, LayerReport};
use crate::limits::Limits;
use crate::order::{Input, Order, Program};
use crate::outcome::{Completed, Fault, Limit, Meter, Outcome};
use crate::protocol::{
    Done, FromWorker, InputHeader, ModuleHeader, ProgramKind, RunHeader, ToWorker,
};

/// A guest that the clock inside the worker ends can still tell its fuel; this long is waited.
const GUEST_GRACE: Duration = Duration::from_millis(250);
/// How a process ends that made a killing call.
const ENDED_BY_SIGSYS: i32 = 128 + libc::SIGSYS;
/// How a process ends that used up its CPU time, or whose cgroup its memory.
const ENDED_BY_SIGKILL: i32 = 128 + libc::SIGKILL;
/// The limit counts ticks, the account does not: on a busy node they differ by this much.
const CPU_SLACK_US: u64 = 300_000;
/// What the library prints when memory is refused; the only text of a worker that is looked at.
const REFUSED_MEMORY: &[u8] = b"memory allocation of ";
const FAULT_TEXT_BYTES_MAX: u64 = 4096;
/// Beside private memory a worker's cgroup holds page cache and the output.
const CGROUP_SLACK_BYTES: u64 = 64 * 1024 * 1024;

/// What failed where a worker was gone before it had its order.
pub(super) const HAND_OVER: &str = "hand the run over";

/// What a worker is to do.
pub(super) struct Work<'a> {
    pub(super) program: ProgramKind,
    /// The program, as this kind takes it.
    pub(super) bytes: &'a [u8],
    /// Machine code of the modules that a plan calls.
    pub(super) modules: Vec<&'a [u8]>,
    pub(super) inputs: &'a [Input],
    /// For what does not fit into the memory of a query.
    pub(super) scratch: Option<File>,
    pub(super) limits: Limits,
}

impl<'a> Work<'a> {
    /// The work of an order, with the machine code of its modules; for a query with a scratch file in this folder.
    pub(super) fn of(
        order: &'a Order,
        codes: &'a [Arc<Vec<u8>>],
        spill: Option<&Path>,
    ) -> Result<Self, WorkerError> {
        let mut limits = order.limits.clone();
        let scratch = match (&order.program, spill) {
            (Program::Sql { .. }, Some(folder)) if limits.spill_bytes_max > 0 => {
                let host = |source| WorkerError::Host {
                    action: "make a scratch file",
                    source,
                };
                Some(files::scratch(folder).map_err(host)?)
            }
            _ => None,
        };
        if scratch.is_none() {
            // The size of every file that the worker writes is limited by it.
            limits.spill_bytes_max = 0;
        }
        let (program, bytes) = match &order.program {
            Program::Sql {
                plan,
                modules,
                seed,
            } => {
                let modules = modules.iter().map(ModuleHeader::of).collect();
                (
                    ProgramKind::Sql {
                        modules,
                        seed: *seed,
                    },
                    &plan[..],
                )
            }
            Program::Wasm { output, seed, .. } => {
                let (output, seed) = (output.clone(), *seed);
                let code = codes.first().map(|code| &code[..]);
                (ProgramKind::Wasm { output, seed }, code.unwrap_or_default())
            }
            Program::Task { name, request } => {
                let name = name.clone();
                (ProgramKind::Task { name }, &request[..])
            }
        };
        let modules = match order.program {
            Program::Sql { .. } => codes.iter().map(|code| &code[..]).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            program,
            bytes,
            modules,
            inputs: &order.inputs,
            scratch,
            limits,
        })
    }

    fn bytes_in(&self) -> u64 {
        self.inputs
            .iter()
            .map(|input| input.bytes)
            .fold(0, u64::saturating_add)
    }
}

/// The files that go with a run.
struct Handed {
    program: OwnedFd,
    output: Returned,
    log: Returned,
}

/// How the waiting ended.
enum Verdict {
    Done(Done),
    /// The worker's socket closed before an answer.
    Gone,
    Broken,
    TimedOut,
    Cancelled,
    /// The last layer does not hold.
    Open(Vec<LayerReport>),
}

/// Does a work on a worker, which ends with it.
pub(super) async fn run(
    mut worker: Worker,
    work: &Work<'_>,
    cancel: watch::Receiver<bool>,
    allow_degraded: bool,
) -> Result<Completed, WorkerError> {
    let started = Instant::now();
    let handed = hand_over(&mut worker, work).await?;
    let verdict = wait(&mut worker, work, cancel, allow_degraded).await;
    if !matches!(verdict, Verdict::Done(_) | Verdict::Gone) {
        worker.kill();
    }
    let ended = worker.reap().await.unwrap_or_default();
    if let Verdict::Open(layers) = verdict {
        return Err(WorkerError::LayersMissing(layers));
    }
    Ok(complete(&worker, work, &handed, &verdict, ended, started))
}

async fn hand_over(worker: &mut Worker, work: &Work<'_>) -> Result<Handed, WorkerError> {
    let host = |action| move |source| WorkerError::Host { action, source };
    let limits = &work.limits;
    if let Some(cgroup) = worker.cgroup() {
        let bytes = limits
            .memory_bytes
            .saturating_add(limits.output_bytes_max)
            .saturating_add(CGROUP_SLACK_BYTES);
        cgroup
            .limit(bytes)
            .map_err(host("limit the worker's memory"))?;
    }
    let in_memory = host("make a file in memory");
    let program = files::sealed(work.bytes)
        .map_err(host("make a file in memory"))?
        .into();
    let output = Returned::new().map_err(host("make a file in memory"))?;
    let log = Returned::new().map_err(host("make a file in memory"))?;
    let output_writer = output.writer().map_err(host("make a file in memory"))?;
    let log_writer = log.writer().map_err(host("make a file in memory"))?;
    let handed = Handed {
        program,
        output,
        log,
    };
    let mut descriptors = vec![
        handed.program.as_fd(),
        output_writer.as_fd(),
        log_writer.as_fd(),
    ];
    let modules = work.modules.iter().map(|code| files::sealed(code));
    let modules = modules.collect::<Result<Vec<_>, _>>().map_err(in_memory)?;
    let inputs = work.inputs.iter().map(|input| files::reopened(&input.file));
    let inputs = inputs
        .collect::<Result<Vec<_>, _>>()
        .map_err(host("open an input once more"))?;
    descriptors.extend(modules.iter().map(AsFd::as_fd));
    descriptors.extend(inputs.iter().map(AsFd::as_fd));
    descriptors.extend(work.scratch.iter().map(AsFd::as_fd));
    let message = ToWorker::Run(Box::new(header(work)));
    worker
        .send(&message, &descriptors)
        .await
        .map_err(host(HAND_OVER))?;
    drop(descriptors);
    Ok(handed)
}

fn header(work: &Work<'_>) -> RunHeader {
    let inputs = work.inputs.iter().map(|input| InputHeader {
        name: input.name.clone(),
        bytes: input.bytes,
        format: input.format,
    });
    RunHeader {
        program: work.program.clone(),
        inputs: inputs.collect(),
        scratch: work.scratch.is_some(),
        limits: work.limits.clone(),
    }
}

async fn wait(
    worker: &mut Worker,
    work: &Work<'_>,
    mut cancel: watch::Receiver<bool>,
    allow_degraded: bool,
) -> Verdict {
    let wall = Duration::from_millis(work.limits.wall_ms);
    let grace = match &work.program {
        ProgramKind::Wasm { .. } => GUEST_GRACE,
        ProgramKind::Sql { modules, .. } if !modules.is_empty() => GUEST_GRACE,
        ProgramKind::Sql { .. } | ProgramKind::Task { .. } | ProgramKind::Compile => Duration::ZERO,
    };
    let answer = async {
        let mut sealed = false;
        loop {
            match worker.hear().await {
                Heard::Message(FromWorker::Sealed { layers }) if !sealed => {
                    sealed = true;
                    worker
                        .layers
                        .retain(|report| !layers.iter().any(|newer| newer.layer == report.layer));
                    worker.layers.extend(layers);
                    let missing = layer::missing(&worker.layers);
                    if !missing.is_empty() && !allow_degraded {
                        return Verdict::Open(missing);
                    }
                }
                Heard::Message(FromWorker::Done(done)) if sealed || is_fault(done) => {
                    return Verdict::Done(done);
                }
                Heard::End => return Verdict::Gone,
                Heard::Message(_) | Heard::Broken => return Verdict::Broken,
            }
        }
    };
    tokio::select! {
        // An answer that is there counts, even when the time is just up.
        biased;
        verdict = answer => verdict,
        () = cancelled(&mut cancel) => Verdict::Cancelled,
        () = tokio::time::sleep(wall + grace) => Verdict::TimedOut,
    }
}

/// How far the scratch file grew.
fn spilled(work: &Work<'_>) -> u64 {
    let metadata = work.scratch.as_ref().map(File::metadata);
    metadata.map_or(0, |metadata| metadata.map_or(0, |metadata| metadata.len()))
}

fn is_fault(done: Done) -> bool {
    matches!(done.outcome, Outcome::Faulted(_))
}

fn complete(
    worker: &Worker,
    work: &Work<'_>,
    handed: &Handed,
    verdict: &Verdict,
    ended: Ended,
    started: Instant,
) -> Completed {
    let limits = &work.limits;
    let bytes_out = handed.output.bytes().unwrap_or(0);
    let mut outcome = match verdict {
        Verdict::Done(done) => done.outcome,
        Verdict::Gone => classify(worker, work, ended),
        Verdict::Broken | Verdict::Open(_) => Outcome::Faulted(Fault::ProtocolViolated),
        Verdict::TimedOut => Outcome::TimedOut,
        Verdict::Cancelled => Outcome::Cancelled,
    };
    // What the worker says it kept to is looked at again.
    if outcome == Outcome::Finished && bytes_out > limits.output_bytes_max {
        outcome = Outcome::LimitExceeded(Limit::OutputBytes);
    }
    let output = match outcome {
        Outcome::Finished => handed.output.read(limits.output_bytes_max).ok(),
        _ => None,
    };
    if outcome == Outcome::Finished && output.is_none() {
        outcome = Outcome::Faulted(Fault::Crashed);
    }
    let told = match verdict {
        Verdict::Done(done) => *done,
        _ => Done {
            outcome,
            fuel: 0,
            rows_in: 0,
            rows_out: 0,
        },
    };
    let peak = worker.cgroup().and_then(|cgroup| cgroup.peak_bytes());
    let meter = Meter {
        wall_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        cpu_us: ended.cpu_us.saturating_sub(worker.ready_cpu_us),
        fuel: told.fuel.min(limits.fuel),
        rows_in: told.rows_in,
        bytes_in: work.bytes_in(),
        rows_out: if output.is_some() {
            told.rows_out.min(limits.output_rows_max)
        } else {
            0
        },
        bytes_out: output.as_ref().map_or(0, |output| output.len() as u64),
        spill_bytes: spilled(work),
        memory_peak_bytes: peak.unwrap_or(ended.resident_peak_bytes),
    };
    let guest_log = handed.log.read(limits.guest_log_bytes).unwrap_or_default();
    Completed {
        outcome,
        output,
        guest_log,
        meter,
        layers: worker.layers.clone(),
    }
}

/// Why a worker ended without an answer.
fn classify(worker: &Worker, work: &Work<'_>, ended: Ended) -> Outcome {
    if ended.code == ENDED_BY_SIGSYS {
        return Outcome::Faulted(Fault::ForbiddenCall);
    }
    let cpu_us_max = work.limits.cpu_s.saturating_mul(1_000_000);
    if ended.code == ENDED_BY_SIGKILL && ended.cpu_us.saturating_add(CPU_SLACK_US) >= cpu_us_max {
        return Outcome::LimitExceeded(Limit::Cpu);
    }
    let text = worker
        .fault_text
        .read(FAULT_TEXT_BYTES_MAX)
        .unwrap_or_default();
    let refused = text
        .windows(REFUSED_MEMORY.len())
        .any(|part| part == REFUSED_MEMORY);
    if refused
        || worker
            .cgroup()
            .is_some_and(|cgroup| cgroup.killed_for_memory())
    {
        return Outcome::LimitExceeded(Limit::Memory);
    }
    Outcome::Faulted(Fault::Crashed)
}
