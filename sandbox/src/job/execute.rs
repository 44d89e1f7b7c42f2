//! One run, from staged files to a decision: the program in a jail, its output in another, and what follows in one transaction.

use std::collections::BTreeMap;

use masking::Bilingual;
use review::{Decision, Governed, InspectKind, InspectRequest, Inspection, OutputColumn};
use runtime::{Completed, Fault, Input, InputFormat, Limits, Order, Outcome, OutputField};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::called::CalledQuery;
use super::drive::{Ending, Leased};
use super::memfd::SealedFile;
use super::rows::JobRow;
use super::state::RunState;
use super::view::{Mode, Program};
use super::{result_type, sample};
use crate::document;
use crate::error::Error;
use crate::mask_key::KeyUsed;
use crate::meter::{Meter, Steps};
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::release::{Decided, Histories, SettledBy};
use crate::tasks;

/// How often a result is inspected when other releases come in between.
const INSPECTIONS_MAX: u32 = 8;
/// Bytes of an inspection's request at most: the whole history as hexadecimal text, and the plan.
const REQUEST_BYTES_MAX: u64 = 192 << 20;
/// Bytes of an inspection's answer at most: a canonical result and its cells as hexadecimal text.
const ANSWER_BYTES_MAX: u64 = 512 << 20;

/// How an execution ended.
pub(crate) enum RunEnd {
    /// A result was decided about; its run stands where the decision put it.
    Decided,
    /// The node is closing: the lease ends and the run is taken again.
    LeftForLater,
    /// It ends without a decision about a result.
    Ended(Ending),
}

/// What a run executes, read from its job.
struct Execution {
    mode: Mode,
    program: runtime::Program,
    kind: InspectKind,
    output: Vec<OutputColumn>,
    universes: Vec<String>,
}

impl Execution {
    fn calls_module(&self) -> bool {
        matches!(self.kind, InspectKind::Wasm { .. })
    }
}

/// What ran, and the keys of the tokens that it saw.
#[derive(Clone, Copy)]
struct Ran<'a> {
    execution: &'a Execution,
    completed: &'a Completed,
    keys: &'a [KeyUsed],
}

impl Platform {
    /// Runs what was leased, has the output inspected, and settles what follows.
    pub(crate) async fn execute(
        &self,
        leased: &Leased,
        stop: watch::Receiver<bool>,
    ) -> Result<RunEnd, Error> {
        let begun = Instant::now();
        let execution = self.execution(leased).await?;
        let (inputs, keys) = self.staged_inputs(&leased.job, &leased.inputs).await?;
        let order = Order {
            program: execution.program.clone(),
            inputs,
            limits: Limits::default(),
        };
        let mut completed = self.node().run(order.clone(), stop.clone()).await?;
        if completed.outcome == Outcome::Faulted(Fault::Crashed) {
            // A worker that died without a word may have been killed from outside. A program that does
            // it by itself does it again.
            tracing::warn!(run.id = %leased.run.id, "a worker died; the run is tried once more");
            completed = self.node().run(order, stop.clone()).await?;
        }
        if *self.node().closing().borrow() {
            return Ok(RunEnd::LeftForLater);
        }
        match (completed.outcome, &completed.output) {
            (Outcome::Finished, Some(output)) => {
                let output = SealedFile::new(output)
                    .map_err(|source| Error::internal("seal an output", source))?;
                let ran = Ran {
                    execution: &execution,
                    completed: &completed,
                    keys: &keys,
                };
                self.decide(leased, &ran, output, begun, stop).await
            }
            (outcome, _) => {
                self.whole_step(begun, &execution).await;
                Ok(RunEnd::Ended(without_result(
                    outcome, &execution, &completed,
                )))
            }
        }
    }

    /// Waits until a run has taken as long as runs take: how long a program takes depends on the data, and who
    /// waits for the answer has a clock.
    async fn whole_step(&self, begun: Instant, execution: &Execution) {
        if execution.mode == Mode::Sample {
            return;
        }
        let taken = micros_of(begun.elapsed());
        let left = Steps::of(execution.calls_module())
            .up(taken)
            .saturating_sub(taken);
        tokio::time::sleep(Duration::from_micros(left)).await;
    }

    async fn execution(&self, leased: &Leased) -> Result<Execution, Error> {
        let mode = Mode::parse(&leased.job.mode).unwrap_or_default();
        let program = document::read("read a program", &leased.job.program)?;
        match program {
            Program::Sql { modules, .. } if !modules.is_empty() => self.called(leased, mode).await,
            Program::Sql { .. } => {
                let governed: Governed = document::read("read a plan", &leased.job.governed)?;
                Ok(Execution {
                    mode,
                    program: runtime::Program::sql(governed.plan.clone()),
                    output: governed.output.clone(),
                    universes: governed
                        .cells
                        .universes
                        .iter()
                        .map(|u| u.universe.clone())
                        .collect(),
                    kind: InspectKind::Sql {
                        governed: Box::new(governed),
                    },
                })
            }
            Program::Wasm { module, output, .. } => {
                let kept = leased.scope.module.as_ref();
                let sha256 = kept
                    .map(|module| module.sha256.as_str())
                    .unwrap_or_default();
                let bytes = self.module_bytes(&module.to_string(), sha256).await?;
                let fields = output
                    .iter()
                    .map(|column| OutputField {
                        name: column.name.clone(),
                        data_type: result_type(column.data_type),
                    })
                    .collect();
                Ok(Execution {
                    mode,
                    program: runtime::Program::Wasm {
                        module: bytes,
                        owner: leased.job.organisation.clone(),
                        output: fields,
                        seed: seed(&leased.job),
                    },
                    kind: InspectKind::Wasm {
                        output: output.clone(),
                    },
                    output,
                    universes: Vec::new(),
                })
            }
        }
    }

    /// A query that calls functions of modules: its result is inspected as that of a module.
    async fn called(&self, leased: &Leased, mode: Mode) -> Result<Execution, Error> {
        let called: CalledQuery = document::read("read a plan", &leased.job.governed)?;
        let mut modules = Vec::with_capacity(called.modules.len());
        for module in called.modules {
            modules.push(runtime::SqlModule {
                module: self.module_bytes(&module.id, &module.sha256).await?,
                name: module.name,
                owner: leased.job.organisation.clone(),
                functions: module.functions,
            });
        }
        Ok(Execution {
            mode,
            program: runtime::Program::Sql {
                plan: called.query.plan,
                modules,
                seed: seed(&leased.job),
            },
            kind: InspectKind::Wasm {
                output: called.query.output.clone(),
            },
            output: called.query.output,
            universes: Vec::new(),
        })
    }

    /// The module that was submitted, and no other.
    async fn module_bytes(&self, id: &str, sha256: &str) -> Result<Vec<u8>, Error> {
        let bytes = self.objects().get(ObjectArea::Module, id).await?;
        if document::sha256(&bytes) == sha256 {
            return Ok(bytes);
        }
        Err(Error::internal(
            "run a module",
            "the module is not the one that was submitted",
        ))
    }

    /// Inspects until the decision rests on the history as it is when it is stored.
    async fn decide(
        &self,
        leased: &Leased,
        ran: &Ran<'_>,
        output: SealedFile,
        begun: Instant,
        stop: watch::Receiver<bool>,
    ) -> Result<RunEnd, Error> {
        let Ran {
            execution,
            completed,
            keys,
        } = *ran;
        for _ in 0..INSPECTIONS_MAX {
            let histories = match execution.mode {
                Mode::Production => self.egress_history(&execution.universes).await?,
                Mode::Sample => Histories::new(),
            };
            let mut request = inspect_request(leased, execution, &histories);
            let mut inspected = self.inspect(&request, &output, stop.clone()).await?;
            if let Inspected::Decided(first) = &inspected
                && !first.marginal.is_empty()
            {
                request.offsets = Some(self.keys().threshold_offsets(&first.marginal));
                inspected = self.inspect(&request, &output, stop.clone()).await?;
            }
            let inspection = match inspected {
                Inspected::Decided(inspection) => inspection,
                Inspected::Stopped if *self.node().closing().borrow() => {
                    return Ok(RunEnd::LeftForLater);
                }
                Inspected::Stopped => {
                    return Ok(RunEnd::Ended(without_result(
                        Outcome::Cancelled,
                        execution,
                        completed,
                    )));
                }
            };
            if execution.mode == Mode::Sample {
                return self.end_sample(leased, &inspection, completed).await;
            }
            self.whole_step(begun, execution).await;
            let decided = Decided {
                leased,
                inspection: &inspection,
                output: &execution.output,
                completed,
                keys,
                histories: &histories,
            };
            match self.settle(&decided).await? {
                SettledBy::Decision => {
                    self.node().changed(&leased.run.id);
                    if matches!(
                        inspection.decision,
                        Decision::Release | Decision::PartialRelease
                    ) {
                        // The decision stands whatever happens now; the driver publishes what is left over.
                        let bytes = inspection.released.as_deref();
                        if let Err(error) = self.publish(&leased.run.release, bytes).await {
                            tracing::warn!(release.id = %leased.run.release, %error, "a release could not be published at once");
                        }
                    }
                    return Ok(RunEnd::Decided);
                }
                SettledBy::Refusal => {
                    self.node().changed(&leased.run.id);
                    return Ok(RunEnd::Decided);
                }
                SettledBy::NobodyYet => {}
            }
        }
        Err(Error::unavailable(
            "history_moves",
            "其他结果正在出域，请稍后重试。",
            "other results are leaving at the same time; it is tried again.",
        ))
    }

    /// Has the output inspected in a jail of its own: this process never parses it.
    async fn inspect(
        &self,
        request: &InspectRequest,
        output: &SealedFile,
        stop: watch::Receiver<bool>,
    ) -> Result<Inspected, Error> {
        let order = inspection_order(request, output)?;
        let completed = self.node().run(order, stop).await?;
        match (completed.outcome, completed.output) {
            (Outcome::Finished, Some(answer)) => serde_json::from_slice(&answer)
                .map(|inspection| Inspected::Decided(Box::new(inspection)))
                .map_err(|source| Error::internal("read an inspection", source)),
            (Outcome::Cancelled, _) => Ok(Inspected::Stopped),
            (outcome, _) => Err(Error::internal(
                "inspect a result",
                format!("the inspection ended: {outcome}"),
            )),
        }
    }

    async fn end_sample(
        &self,
        leased: &Leased,
        inspection: &Inspection,
        completed: &Completed,
    ) -> Result<RunEnd, Error> {
        let mut ending = Ending::new(RunState::Finished, completed.outcome.code());
        ending.layers.clone_from(&completed.layers);
        ending.meter = Some(Meter::billed(&completed.meter, Mode::Sample));
        match &inspection.released {
            Some(csv) => sample::keep(self, &leased.run.id, csv).await?,
            None => {
                ending.to = RunState::Failed;
                ending.reason = inspection
                    .findings
                    .first()
                    .map(|finding| finding.reason.clone());
            }
        }
        Ok(RunEnd::Ended(ending))
    }
}

/// The order that has an output inspected.
pub(crate) fn inspection_order(
    request: &InspectRequest,
    output: &SealedFile,
) -> Result<Order, Error> {
    let request = serde_json::to_vec(request)
        .map_err(|source| Error::internal("ask for an inspection", source))?;
    Ok(Order {
        program: runtime::Program::Task {
            name: tasks::INSPECT.to_owned(),
            request,
        },
        inputs: vec![Input {
            name: "output".to_owned(),
            file: output.file.clone(),
            bytes: output.bytes,
            format: InputFormat::Opaque,
        }],
        limits: Limits {
            program_bytes_max: REQUEST_BYTES_MAX,
            output_bytes_max: ANSWER_BYTES_MAX,
            ..Limits::default()
        },
    })
}

fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What came of an inspection.
enum Inspected {
    Decided(Box<Inspection>),
    Stopped,
}

fn inspect_request(
    leased: &Leased,
    execution: &Execution,
    histories: &Histories,
) -> InspectRequest {
    let limits = Limits::default();
    InspectRequest {
        kind: execution.kind.clone(),
        rules: match execution.mode {
            Mode::Production => leased.scope.rules.clone(),
            Mode::Sample => sample::rules(&leased.scope.rules),
        },
        history: histories
            .values()
            .flat_map(|history| history.cells.iter().cloned())
            .collect(),
        offsets: (execution.mode == Mode::Production).then(BTreeMap::new),
        rows_max: limits.output_rows_max,
        bytes_max: limits.output_bytes_max,
    }
}

/// A run that made no result. What went wrong inside may depend on the data, so a production run
/// says the same whatever it was; a sample run, whose rows everybody may see, says more.
fn without_result(outcome: Outcome, execution: &Execution, completed: &Completed) -> Ending {
    let mut ending = match outcome {
        Outcome::Cancelled => {
            let mut ending = Ending::new(RunState::Killed, outcome.code());
            ending.reason = Some(Bilingual::new("运行已被取消。", "the run was called off."));
            // When it had not ended yet is an answer of the module's.
            ending.counted = execution.mode == Mode::Production && execution.calls_module();
            ending
        }
        _ => {
            let mut ending = Ending::new(RunState::Failed, shown(outcome, execution.mode));
            ending.reason = Some(match execution.mode {
                Mode::Production => Bilingual::new(
                    "程序没有产生结果：出错、超出限额或超时。用样例模式运行，可看到原因类别。",
                    "the program made no result: it failed, met a limit or ran out of time. Run it on samples: that tells the class.",
                ),
                Mode::Sample => Bilingual::new(
                    "程序没有产生结果，原因类别见运行。",
                    "the program made no result; the run names the class of the failure.",
                ),
            });
            ending.counted = execution.mode == Mode::Production;
            ending
        }
    };
    ending.layers.clone_from(&completed.layers);
    ending.meter = Some(Meter::billed(&completed.meter, execution.mode));
    ending
}

fn shown(outcome: Outcome, mode: Mode) -> String {
    match (mode, outcome) {
        (Mode::Production, _) => "no_result".to_owned(),
        (Mode::Sample, Outcome::Faulted(fault)) => format!("{}:{}", outcome.code(), fault.code()),
        (Mode::Sample, Outcome::LimitExceeded(limit)) => {
            format!("{}:{}", outcome.code(), limit.code())
        }
        (Mode::Sample, _) => outcome.code().to_owned(),
    }
}

/// The randomness of a guest: the same program on the same data draws the same numbers, so that
/// running it again neither changes a repeated run nor averages anything out.
fn seed(job: &JobRow) -> [u8; 32] {
    let content = format!(
        "egret seed|{}|{}|{}|{}",
        job.scenario, job.scenario_epoch, job.program_digest, job.inputs
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    let mut seed = [0; 32];
    seed.copy_from_slice(digest.as_ref());
    seed
}
