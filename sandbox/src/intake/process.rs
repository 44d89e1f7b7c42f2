//! The background task: one push at a time becomes a version, or is told why not.
//!
//! A push is claimed with a new attempt number and a new planned version. Whatever a crash leaves of
//! an earlier attempt is erased by the next claim, and an attempt that was overtaken finds another
//! number in its last transaction and changes nothing.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use masking::{Policy, RootKey};

use super::baseline::{self, Comparison};
use super::decide::{self, Decided, Decision, Made, Segment};
use super::drift;
use super::limits::IntakeLimits;
use super::pipeline::{self, Batches, Order, PipelineError, Progress, Report, Verdict};
use super::push::PushManifest;
use super::reader::{IntakeFault, ReadError, Reader, TextEncoding, TypedBatch, both};
use super::sink::ObjectSink;
use super::store::{self, Claim};
use super::units::Numbering;
use crate::catalogue::{CatalogueEntry, DatasetFacts, SampleRow, masked_rows, rows_of};
use crate::error::Error;
use crate::id::{PushId, VersionId};
use crate::mask_key::{EpochKey, KeyOwner};
use crate::objects::{ObjectArea, ObjectFile, Stored};
use crate::platform::Platform;

/// Attempts after a commit before a push that the platform cannot process is put aside.
const ATTEMPTS_MAX: u64 = 5;
/// Wait after a failed attempt, times its number since the commit.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// Wait after the database failed under the task itself.
const STORAGE_DELAY: Duration = Duration::from_secs(5);
/// How soon a waiting task notices that the platform closes.
const CLOSING_POLL: Duration = Duration::from_millis(100);

/// What the platform keeps of the intake between calls.
#[derive(Default)]
pub(crate) struct Intake {
    limits: Arc<IntakeLimits>,
    running: Mutex<HashMap<PushId, Arc<Progress>>>,
    /// Held while a push is processed: one at a time bounds the memory, and keeps the numbers of
    /// privacy units free of races inside a node.
    turn: tokio::sync::Mutex<()>,
    closing: std::sync::atomic::AtomicBool,
}

impl Intake {
    /// The bounds.
    pub(crate) fn limits(&self) -> &IntakeLimits {
        &self.limits
    }

    /// The time between two pushes: none is processed while it is held.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Rows checked of a push that is being processed by this node.
    pub(crate) fn rows_checked(&self, push: PushId) -> Option<u64> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .get(&push)
            .map(|progress| progress.rows.load(Ordering::Relaxed))
    }

    fn begin(&self, push: PushId) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        progress.stop.store(self.is_closing(), Ordering::Relaxed);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(push, Arc::clone(&progress));
        progress
    }

    fn end(&self, push: PushId) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&push);
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Waits, but not for longer than the platform is open.
    async fn pause(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_closing() {
            let step = left.min(CLOSING_POLL);
            tokio::time::sleep(step).await;
            left -= step;
        }
    }

    /// Asks what is running to stop, and waits until it has.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let running: Vec<_> = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.values().cloned().collect()
        };
        for progress in running {
            progress.stop.store(true, Ordering::Relaxed);
        }
        drop(self.turn.lock().await);
    }
}

impl Platform {
    /// Takes up what a stop left unfinished: raw bytes that belong to nothing are erased, and pushes
    /// that were being processed are processed again.
    ///
    /// # Errors
    /// Storage that fails.
    pub(crate) async fn resume_intake(&self) -> Result<(), Error> {
        store::requeue(self).await?;
        store::erase_orphans(self).await?;
        self.process_soon();
        Ok(())
    }

    /// Lets the background task look for committed pushes.
    pub(crate) fn process_soon(&self) {
        let platform = self.clone();
        tokio::spawn(async move { platform.process_all().await });
    }

    async fn process_all(&self) {
        let _turn = self.intake().turn.lock().await;
        while !self.intake().is_closing() {
            match self.process_next().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(error = %error, "the intake waits for storage");
                    self.intake().pause(STORAGE_DELAY).await;
                    // What the failure left claimed; this node has nothing else in hand.
                    if let Err(error) = store::requeue(self).await {
                        tracing::error!(error = %error, "pushes could not be put back yet");
                    }
                }
            }
        }
    }

    /// Processes the push that waits longest; false when none waits.
    async fn process_next(&self) -> Result<bool, Error> {
        let Some(push) = store::waiting(self).await? else {
            return Ok(false);
        };
        let Some(claim) = store::claim(self, push).await? else {
            return Ok(true);
        };
        let progress = self.intake().begin(push);
        let done = self.process(&claim, &progress).await;
        self.intake().end(push);
        match done {
            Ok(()) => {}
            Err(Failure::Stopped) => store::give_back(self, &claim).await?,
            Err(Failure::Overtaken) => self.erase_attempt(&claim).await,
            Err(Failure::Failed(reason)) => {
                tracing::error!(push.id = %push, attempt = claim.attempt, error = %reason, "a push could not be processed");
                self.erase_attempt(&claim).await;
                self.retry(&claim).await?;
            }
        }
        Ok(true)
    }

    /// Puts a push back to be tried again; after some attempts it is put aside instead, with its
    /// data, until somebody has looked and commits it again.
    async fn retry(&self, claim: &Claim) -> Result<(), Error> {
        let tried = (claim.attempt - 1) % ATTEMPTS_MAX + 1;
        if tried == ATTEMPTS_MAX {
            let mut report = Report::default();
            report.faults.push(platform_fault());
            let decided = Decided {
                report,
                decision: Decision::Quarantined,
            };
            return match decide::decide(self, claim, Arc::new(decided)).await {
                Ok(()) | Err(Failure::Overtaken | Failure::Stopped) => Ok(()),
                Err(Failure::Failed(error)) => Err(error),
            };
        }
        store::give_back(self, claim).await?;
        let tried = u32::try_from(tried).unwrap_or(u32::MAX);
        self.intake().pause(RETRY_DELAY * tried).await;
        Ok(())
    }

    async fn process(&self, claim: &Claim, progress: &Arc<Progress>) -> Result<(), Failure> {
        let (dataset, policy) = store::dataset_of(self, &claim.row).await?;
        let (numbering, policy_view) = match &policy {
            Some(policy) => (
                store::load_units(self, &dataset).await?,
                Some(policy.view.clone()),
            ),
            None => (Numbering::default(), None),
        };
        let file = self
            .objects()
            .open_file(ObjectArea::Raw, &claim.row.object_key)
            .await?;
        let comparison = baseline::comparison(self, claim, &dataset).await?;
        let key = self.active_key(KeyOwner::Intake).await?;
        let (epoch, commitment) = (key.epoch, key.commitment().to_owned());
        let vault = key.vault(self.objects())?;
        let (sink, pieces) = ObjectSink::new();
        let work = Work {
            file,
            entry: dataset.entry.clone(),
            manifest: claim.row.view.manifest.clone(),
            policy: policy.map(|policy| policy.policy),
            standing: self.keys().mask_root(),
            intake: key,
            limits: Arc::clone(&self.intake().limits),
            version: claim.planned,
            numbering,
            comparison,
            progress: Arc::clone(progress),
        };
        let name = claim.planned.to_string();
        let run = tokio::task::spawn_blocking(move || work.run(sink));
        let (stored, done) =
            tokio::join!(vault.put_stream(ObjectArea::Version, &name, pieces), run);
        let done = done.map_err(|source| Error::internal("process a push", source))??;
        let decision = match done.made {
            Some(rows) => {
                let policy = policy_view.ok_or(Failure::Overtaken)?;
                self.make(
                    &dataset,
                    claim,
                    rows,
                    stored?,
                    (policy, (epoch, commitment)),
                )
                .await?
            }
            None if done.quarantined => Decision::Quarantined,
            None => Decision::Rejected,
        };
        let decided = Arc::new(Decided {
            report: done.report,
            decision,
        });
        decide::decide(self, claim, Arc::clone(&decided)).await?;
        if !matches!(decided.decision, Decision::Quarantined) {
            self.erase_raw(&claim.row.object_key).await;
        }
        Ok(())
    }

    /// Stores the new numbers of privacy units beside the version.
    async fn make(
        &self,
        dataset: &DatasetFacts,
        claim: &Claim,
        rows: MaskedRows,
        stored: Stored,
        (policy, key): (crate::catalogue::PolicyView, (u32, String)),
    ) -> Result<Decision, Failure> {
        let segment = match &dataset.entry.unit {
            Some(unit) if rows.numbering.added() > 0 => {
                let universe = store::universe(&unit.value_domain);
                let key = store::segment_key(claim.planned);
                let bytes = rows.numbering.segment();
                let stored = self.objects().put(ObjectArea::Units, &key, &bytes).await?;
                Some(Segment {
                    universe,
                    key,
                    sha256: hex::encode(stored.sha256),
                })
            }
            _ => None,
        };
        Ok(Decision::Version(Box::new(Made {
            stored,
            policy,
            key,
            level: rows.level,
            sample: rows.sample,
            columns: rows.columns,
            first_unit: rows.numbering.first_added(),
            units_added: u64::try_from(rows.numbering.added()).unwrap_or(u64::MAX),
            segment,
        })))
    }

    async fn erase_attempt(&self, claim: &Claim) {
        let key = claim.planned;
        let version = self
            .objects()
            .delete(ObjectArea::Version, &key.to_string())
            .await;
        let units = self
            .objects()
            .delete(ObjectArea::Units, &store::segment_key(key))
            .await;
        if let Err(error) = version.and(units) {
            tracing::warn!(push.id = %claim.row.view.id, error = %error, "an attempt could not be erased yet");
        }
    }
}

/// Why an attempt did not decide its push.
pub(crate) enum Failure {
    /// Another attempt, or a new policy, came first.
    Overtaken,
    /// The platform is closing.
    Stopped,
    /// Something below failed; another attempt may succeed.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Failed(error)
    }
}

/// All that the blocking thread needs.
struct Work {
    file: ObjectFile,
    entry: CatalogueEntry,
    manifest: PushManifest,
    policy: Option<Policy>,
    /// Numbers, labels and samples.
    standing: RootKey,
    /// Tokens and masks.
    intake: EpochKey,
    limits: Arc<IntakeLimits>,
    version: VersionId,
    numbering: Numbering,
    comparison: Comparison,
    progress: Arc<Progress>,
}

/// What came out of it.
struct Done {
    report: Report,
    made: Option<MaskedRows>,
    quarantined: bool,
}

/// Rows that were written.
struct MaskedRows {
    level: u8,
    sample: Vec<SampleRow>,
    columns: Vec<crate::catalogue::VersionColumn>,
    numbering: Numbering,
}

impl Work {
    fn run(mut self, mut sink: ObjectSink) -> Result<Done, Failure> {
        let baseline = self
            .comparison
            .load(&self.standing, self.limits.reference_tokens_max)?;
        let seed = self.version.to_string();
        let order = Order {
            entry: &self.entry,
            policy: self.policy.as_ref(),
            root: &self.intake.root,
            epoch: self.intake.epoch,
            standing: &self.standing,
            limits: &self.limits,
            seed: seed.as_bytes(),
            baseline: &baseline,
        };
        let (file, manifest) = (&self.file, &self.manifest);
        let open = || {
            let file = file.clone();
            Reader::open(
                file,
                manifest.format,
                manifest.encoding,
                &order.entry.columns,
                order.limits,
            )
        };
        let (verdict, mut report) =
            pipeline::run(&order, open, &mut self.numbering, &mut sink, &self.progress)
                .map_err(failure)?;
        let (level, sample, plan) = match verdict {
            Verdict::Version {
                level,
                sample,
                plan,
            } => (level, sample, plan),
            Verdict::Quarantined => {
                return Ok(Done {
                    report,
                    made: None,
                    quarantined: true,
                });
            }
            Verdict::Rejected => {
                drift::note(
                    &mut report,
                    file.clone(),
                    manifest,
                    &order.entry.columns,
                    order.limits,
                );
                return Ok(Done {
                    report,
                    made: None,
                    quarantined: false,
                });
            }
        };
        sink.finish()
            .map_err(|source| Error::internal("write a version", source))?;
        let tokens = plan.tokens();
        let failed = |source| Error::internal("make a sample", source);
        let mut rows = Vec::new();
        if let Some(policy) = order.policy.filter(|_| !manifest.sample.is_empty()) {
            rows = masked_rows(
                order.entry,
                &manifest.sample,
                (policy, &report.classes),
                &plan.clone().alone(),
                &self.intake.root,
                self.intake.epoch,
            )
            .map_err(failed)?;
        }
        if rows.is_empty() {
            rows = rows_of(&sample).map_err(failed)?;
        }
        let columns = crate::catalogue::version_columns(
            order.entry,
            &plan.output_schema(),
            &tokens,
            &report.classes,
        )
        .map_err(|column| Error::internal("describe a version", format!("the type of {column}")))?;
        let made = MaskedRows {
            level,
            sample: rows,
            columns,
            numbering: self.numbering,
        };
        Ok(Done {
            report,
            made: Some(made),
            quarantined: false,
        })
    }
}

impl Batches for Reader<ObjectFile> {
    fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError> {
        Reader::next_batch(self)
    }

    fn encoding(&self) -> Option<TextEncoding> {
        Reader::encoding(self)
    }
}

fn failure(error: PipelineError) -> Failure {
    match error {
        PipelineError::Stopped => Failure::Stopped,
        other => Failure::Failed(Error::internal("process a push", other)),
    }
}

/// The rule of a push that the platform could not process; its provider has no part in it.
pub(super) const PLATFORM_FAULT: &str = "platform_fault";

fn platform_fault() -> IntakeFault {
    IntakeFault::new(
        PLATFORM_FAULT,
        both(
            format!("平台处理该推送 {ATTEMPTS_MAX} 次均失败"),
            format!("the platform failed to process the push {ATTEMPTS_MAX} times"),
        ),
        both(
            "数据仍加密保存；请运维人员查看日志，排除故障后再次提交该推送",
            "the data are kept, encrypted; have the operator look at the log, then commit the push again",
        ),
    )
}
