//! A policy that reaches a measure, searched over a push that waits in quarantine: the only raw rows that the platform keeps.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use masking::{ColumnClass, PolicyFound, PolicySearch, PolicyWish};
use tokio::sync::Semaphore;

use super::pipeline::{self, Order, PipelineError, Progress, Stop};
use super::push::PushManifest;
use super::reader::{Reader, both};
use super::row::{PushRow, push_row};
use super::{IntakeFault, IntakeLimits};
use crate::access::{Actor, Object, Operation};
use crate::catalogue::{CatalogueEntry, STANDING_EPOCH, compile_policy, known_classes};
use crate::document;
use crate::error::Error;
use crate::id::{DatasetId, PushId};
use crate::objects::{ObjectArea, ObjectFile};
use crate::platform::Platform;
use crate::storage::storage_error;

/// The longest search, in seconds; reading the rows may take as long again.
pub const SEARCH_SECONDS_MAX: u32 = 12;
/// A search keeps the distinct rows of its columns in memory, so there is one at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// A policy that was searched.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySearched {
    /// The push whose rows were searched.
    pub push: PushId,
    /// What the columns are.
    pub classes: Vec<ColumnClass>,
    /// The policy, and what it reaches.
    pub found: PolicyFound,
}

impl Platform {
    /// A policy that reaches a measure on the rows of the data set's newest push in quarantine, and loses as little as possible;
    /// nothing is stored. After so many seconds it is the best found until then.
    ///
    /// # Errors
    /// Denied, not found; a conflict when no push waits in quarantine or its rows are too many to search here; unavailable while
    /// another search goes on; invalid when no policy reaches the measure.
    pub async fn search_policy(
        &self,
        actor: &Actor,
        dataset: &str,
        wish: PolicyWish,
        seconds: u32,
    ) -> Result<PolicySearched, Error> {
        self.authorise(actor, Operation::SuggestPolicy, Object::Platform)?;
        let facts = self.dataset_row(dataset).await?;
        let row = self
            .newest_quarantined(facts.id)
            .await?
            .ok_or_else(no_rows)?;
        let _turn = TURN.try_acquire().map_err(|_| busy())?;
        let classes = known_classes(&facts);
        let search = Search {
            file: (self.objects())
                .open_file(ObjectArea::Raw, &row.object_key)
                .await?,
            entry: facts.entry.clone(),
            manifest: row.view.manifest.clone(),
            root: self.keys().mask_root(),
            limits: self.intake().limits().clone(),
            classes: classes.clone(),
            wish,
            time: Duration::from_secs(u64::from(seconds.min(SEARCH_SECONDS_MAX))),
        };
        let found = tokio::task::spawn_blocking(move || search.run())
            .await
            .map_err(|source| Error::internal("search a policy", source))??;
        let compiled = compile_policy(&facts, &found.policy);
        compiled.map_err(|faults| refused(faults.into_iter().map(pipeline::masking_fault)))?;
        Ok(PolicySearched {
            push: row.view.id,
            classes,
            found,
        })
    }

    async fn newest_quarantined(&self, dataset: DatasetId) -> Result<Option<PushRow>, Error> {
        self.store()
            .read("newest push in quarantine", |conn| {
                Box::pin(async move {
                    let found = sqlx::query(
                        "SELECT id FROM pushes WHERE dataset_id = $1 AND state = 'quarantined' AND object_key <> '' \
                         ORDER BY created_at DESC, id DESC LIMIT 1",
                    )
                    .bind(dataset.to_string())
                    .fetch_optional(&mut *conn)
                    .await
                    .map_err(|source| storage_error("find a push", source))?;
                    let Some(found) = found else { return Ok(None) };
                    push_row(conn, document::id(&found, "id")?).await.map(Some)
                })
            })
            .await
    }
}

/// All that the blocking thread needs.
struct Search {
    file: ObjectFile,
    entry: CatalogueEntry,
    manifest: PushManifest,
    root: masking::RootKey,
    limits: IntakeLimits,
    classes: Vec<ColumnClass>,
    wish: PolicyWish,
    time: Duration,
}

impl Search {
    fn run(self) -> Result<PolicyFound, Error> {
        let baseline = masking::Baseline::default();
        let order = Order {
            entry: &self.entry,
            policy: None,
            root: &self.root,
            epoch: STANDING_EPOCH,
            standing: &self.root,
            limits: &self.limits,
            seed: b"",
            baseline: &baseline,
        };
        let mut open = || {
            Reader::open(
                self.file.clone(),
                self.manifest.format,
                self.manifest.encoding,
                &self.entry.columns,
                &self.limits,
            )
        };
        let schema = self.entry.schema();
        let began = Instant::now();
        let progress = Progress::default();
        let mut search: Option<PolicySearch> = None;
        let read = pipeline::each_kept(&order, &mut open, &progress, |batch| {
            let search = match &mut search {
                Some(search) => search,
                empty => empty.insert(PolicySearch::new(&schema, &self.classes, batch)?),
            };
            search.observe(batch)?;
            // Whoever waits for the answer waits no longer.
            progress
                .stop
                .store(began.elapsed() > self.time, Ordering::Relaxed);
            Ok(())
        });
        match read {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => return Err(refused([*fault])),
            Err(Stop::Failed(PipelineError::Stopped)) => return Err(too_many_rows()),
            Err(Stop::Failed(error)) => return Err(Error::internal("search a policy", error)),
        }
        let search = search.ok_or_else(no_rows)?;
        let began = Instant::now();
        let found = search.solve(&self.wish, &mut || began.elapsed() > self.time);
        found.map_err(|fault| refused([pipeline::masking_fault(fault)]))
    }
}

fn refused(faults: impl IntoIterator<Item = IntakeFault>) -> Error {
    let findings = faults.into_iter().map(|fault| {
        let subject = fault.column.unwrap_or_else(|| "policy".to_owned());
        let severity = review::Severity::Refuse;
        review::Finding::new(&fault.rule, severity, subject, fault.reason, fault.remedy)
    });
    Error::invalid(
        "policy_not_found",
        "没有找到达到要求的脱敏策略。",
        "no masking policy was found that reaches what was asked for.",
    )
    .with_findings(findings.collect())
}

fn no_rows() -> Error {
    let remedy = both(
        "先推送数据：没有可用的策略时推送会留在隔离区，可供搜索；或对文件使用 egret mask plan --k",
        "push data first: without a policy that fits they wait in quarantine and can be searched; or use egret mask plan --k on the file",
    );
    Error::conflict(
        "no_rows_to_search",
        "该数据集没有隔离中的推送；成为版本的数据只以脱敏后的形式保存，不能搜索。",
        "no push of the data set waits in quarantine; what became a version is kept masked alone and cannot be searched.",
    )
    .with_remedy(remedy.zh, remedy.en)
}

fn too_many_rows() -> Error {
    Error::conflict(
        "search_too_long",
        "数据过多，不能在此搜索。",
        "the rows are too many to be searched here.",
    )
    .with_remedy(
        "对文件使用 egret mask plan --k。",
        "use egret mask plan --k on the file.",
    )
}

fn busy() -> Error {
    Error::unavailable(
        "search_busy",
        "另一次策略搜索正在进行。",
        "another search for a policy goes on.",
    )
    .with_remedy("稍后重试。", "try again soon.")
}
