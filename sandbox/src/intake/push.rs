//! Pushes: opened with a manifest, filled with data, committed, looked at.

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use masking::{Problem, QualityReport, RiskReport};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::arrival::{Arrived, bounded, check_arrived, check_manifest};
use super::pieces::{incomplete, take_pieces};
use super::reader::{DataFormat, IntakeFault, TextEncoding};
use super::row::{PushRow, problem_of, push_row};
use crate::access::{Actor, Object, Operation};
use crate::catalogue::{SampleRow, dataset_facts, sample_finding, shortened};
use crate::document;
use crate::error::Error;
use crate::feedback::require_closable;
use crate::id::{FeedbackId, OrganisationId, PushId, VersionId};
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

/// What a push says of itself before its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushManifest {
    /// The format of the data.
    pub format: DataFormat,
    /// The encoding of a text; found by looking at all of it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// SHA-256 of the data in hexadecimal, to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of the data, to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// 样例数据 to go with the version, unmasked; without any, rows of the version are drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<SampleRow>,
    /// Items of the feedback list that this push is to close.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "document::as_texts"
    )]
    pub closes: Vec<FeedbackId>,
}

/// Where a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushState {
    /// Waits for its data, or for the commit.
    Open,
    /// Committed; waits to be processed.
    Received,
    /// Being read, checked and masked.
    Checking,
    /// Became a version.
    Version,
    /// Kept apart, encrypted: the masking policy does not cover what it holds.
    Quarantined,
    /// Not what the entry says, or a blocking quality rule failed.
    Rejected,
}

impl PushState {
    /// Every state.
    pub const ALL: [PushState; 6] = [
        PushState::Open,
        PushState::Received,
        PushState::Checking,
        PushState::Version,
        PushState::Quarantined,
        PushState::Rejected,
    ];

    /// The name in SQL and API.
    pub fn as_str(self) -> &'static str {
        match self {
            PushState::Open => "open",
            PushState::Received => "received",
            PushState::Checking => "checking",
            PushState::Version => "version",
            PushState::Quarantined => "quarantined",
            PushState::Rejected => "rejected",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A push.
#[derive(Clone, Debug, PartialEq)]
pub struct PushView {
    /// Its identifier.
    pub id: PushId,
    /// The data set's name.
    pub dataset: String,
    /// The data set's provider.
    pub provider: OrganisationId,
    /// Where it is.
    pub state: PushState,
    /// What it said of itself.
    pub manifest: PushManifest,
    /// Bytes that arrived.
    pub bytes: u64,
    /// SHA-256 of what arrived, once all of it has.
    pub sha256: Option<String>,
    /// Rows checked so far.
    pub rows_checked: u64,
    /// Rows that were kept.
    pub rows_kept: u64,
    /// Problem records found; at most 10,000 are kept with their place.
    pub problems: u64,
    /// Why it was quarantined or rejected.
    pub faults: Vec<IntakeFault>,
    /// The version it became.
    pub version: Option<VersionId>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was committed last.
    pub committed_at: Option<Timestamp>,
    /// When it was decided.
    pub ended_at: Option<Timestamp>,
}

/// Re-identification risk before and after masking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushRisk {
    /// As pushed.
    pub before: RiskReport,
    /// After masking; none while no policy covers the push.
    pub after: Option<RiskReport>,
    /// Level of GB/T 42460 that the measures support.
    pub deidentification_level: Option<u8>,
    /// Rows left out of the version because too few others agree with them.
    #[serde(default)]
    pub suppressed_rows: u64,
}

impl Platform {
    /// Opens a push into a data set.
    ///
    /// # Errors
    /// Not found, or invalid when the manifest cannot be kept to.
    pub async fn open_push(
        &self,
        actor: &Actor,
        dataset: &str,
        manifest: PushManifest,
    ) -> Result<PushView, Error> {
        let authorisation = self.authorise(actor, Operation::OpenPush, Object::Platform)?;
        check_manifest(&manifest, self.intake().limits().push_bytes_max)?;
        let id = PushId::new(self.clock(), self.entropy());
        let planned = VersionId::new(self.clock(), self.entropy());
        let dataset = shortened(dataset);
        self.store()
            .act(authorisation, "open_push", |tx| {
                let (actor, dataset, manifest) = (actor.clone(), dataset.clone(), manifest.clone());
                Box::pin(async move {
                    let facts = dataset_facts(tx.conn(), &dataset).await?;
                    if let Some(finding) = sample_finding(&manifest.sample, &facts.entry.columns) {
                        return Err(Error::invalid("sample", "样例数据有误。", "the sample has a fault.")
                            .with_findings(vec![finding]));
                    }
                    require_closable(tx.conn(), &manifest.closes, &dataset).await?;
                    let created_at = tx.now_micros();
                    sqlx::query(
                        "INSERT INTO pushes (id, dataset_id, account_id, organisation_id, state, manifest, object_key, \
                         bytes, sha256, planned_version_id, version_id, attempts, rows_checked, rows_kept, problems, \
                         faults, quality, risk, classes, created_at, committed_at, ended_at) \
                         VALUES ($1, $2, $3, $4, 'open', $5, '', 0, '', $6, '', 0, 0, 0, 0, '[]', '', '', '', $7, 0, 0)",
                    )
                    .bind(id.to_string())
                    .bind(facts.id.to_string())
                    .bind(actor.account.to_string())
                    .bind(actor.organisation.to_string())
                    .bind(document::write("open a push", &manifest)?)
                    .bind(planned.to_string())
                    .bind(created_at)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("open a push", source))?;
                    let detail = json!({ "dataset": dataset, "format": manifest.format, "sha256": manifest.sha256 });
                    Ok(((), LeafDraft::new("push.open", detail).subject(id).subject(facts.id)))
                })
            })
            .await?;
        self.push_view(id).await
    }

    /// Takes the data of an open push, encrypted as it arrives; sent again it takes the place of what
    /// was sent before.
    ///
    /// # Errors
    /// Conflict when the push is not open; too large; invalid when size or digest are not those of
    /// the manifest. Nothing is kept then.
    pub async fn write_push_data(
        &self,
        actor: &Actor,
        id: PushId,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<PushView, Error> {
        let push = self.push_view(id).await?;
        let object = Object::Of(push.provider);
        let authorisation = self.authorise(actor, Operation::WritePushData, object)?;
        require_open(push.state)?;
        let most = push
            .manifest
            .bytes
            .unwrap_or(u64::MAX)
            .min(self.intake().limits().push_bytes_max);
        let key = self.raw_key(id);
        let stored = self
            .objects()
            .put_stream(ObjectArea::Raw, &key, bounded(data, most))
            .await?;
        let sha256 = hex::encode(stored.sha256);
        let arrived = Arrived {
            key: key.clone(),
            bytes: stored.bytes,
            sha256,
        };
        let kept = match check_arrived(&push.manifest, &arrived) {
            Err(error) => Err(error),
            Ok(()) => {
                self.store()
                    .act(authorisation, "write_push_data", |tx| {
                        let arrived = arrived.clone();
                        Box::pin(async move { keep(tx, id, &arrived).await })
                    })
                    .await
            }
        };
        match kept {
            Ok(before) => self.erase_all_raw(&before).await,
            Err(error) => {
                self.erase_raw(&key).await;
                return Err(error);
            }
        }
        self.push_view(id).await
    }

    /// Hands a push to be processed: an open one with its data, or a quarantined one again, after the
    /// policy was changed.
    ///
    /// # Errors
    /// Conflict when it has no data or was decided already.
    pub async fn commit_push(&self, actor: &Actor, id: PushId) -> Result<PushView, Error> {
        let push = self.push_view(id).await?;
        let object = Object::Of(push.provider);
        let authorisation = self.authorise(actor, Operation::CommitPush, object)?;
        self.store()
            .act(authorisation, "commit_push", |tx| {
                Box::pin(async move {
                    let row = push_row(tx.conn(), id).await?;
                    if !matches!(row.view.state, PushState::Open | PushState::Quarantined) {
                        return Err(wrong_state(row.view.state));
                    }
                    if row.object_key.is_empty() {
                        return Err(incomplete(tx.conn(), id).await?);
                    }
                    sqlx::query("UPDATE pushes SET state = 'received', committed_at = $1, ended_at = 0 WHERE id = $2")
                        .bind(tx.now_micros())
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("commit a push", source))?;
                    let detail = json!({ "sha256": row.view.sha256, "bytes": row.view.bytes });
                    let leaf = LeafDraft::new("push.commit", detail).subject(id).subject(row.dataset);
                    Ok(((), leaf))
                })
            })
            .await?;
        self.process_soon();
        self.push_view(id).await
    }

    /// One push, with its progress.
    ///
    /// # Errors
    /// Not found.
    pub async fn push(&self, actor: &Actor, id: PushId) -> Result<PushView, Error> {
        let mut push = self.push_view(id).await?;
        self.authorise(actor, Operation::Push, Object::Of(push.provider))?;
        if push.state == PushState::Checking
            && let Some(rows) = self.intake().rows_checked(id)
        {
            push.rows_checked = rows;
        }
        Ok(push)
    }

    /// 问题数据反馈: the problem records of a push, in the order of its rows as they were found.
    ///
    /// # Errors
    /// Not found.
    pub async fn push_problems(
        &self,
        actor: &Actor,
        id: PushId,
        page: PageRequest,
    ) -> Result<Page<Problem>, Error> {
        let push = self.push_view(id).await?;
        self.authorise(actor, Operation::PushProblems, Object::Of(push.provider))?;
        let after: i64 = page
            .cursor
            .as_ref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(-1);
        self.store()
            .read("push_problems", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT ordinal, row_number, column_name, rule, action, masked_value, message_zh, message_en \
                         FROM push_problems WHERE push_id = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3",
                    )
                    .bind(id.to_string())
                    .bind(after)
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list problems", source))?;
                    let problems: Result<Vec<(i64, Problem)>, Error> = rows.iter().map(problem_of).collect();
                    let page = Page::cut(problems?, &page, |(ordinal, _)| ordinal.to_string());
                    let items = page.items.into_iter().map(|(_, problem)| problem).collect();
                    Ok(Page { items, next_cursor: page.next_cursor })
                })
            })
            .await
    }

    /// The quality report of a push.
    ///
    /// # Errors
    /// Not found; conflict while it was not checked.
    pub async fn push_quality(&self, actor: &Actor, id: PushId) -> Result<QualityReport, Error> {
        let row = self.push_stored(id).await?;
        self.authorise(actor, Operation::PushQuality, Object::Of(row.view.provider))?;
        if row.quality.is_empty() {
            return Err(not_checked(row.view.state));
        }
        document::read("read a quality report", &row.quality)
    }

    /// Re-identification risk before and after masking.
    ///
    /// # Errors
    /// Not found; conflict while it was not measured.
    pub async fn push_risk(&self, actor: &Actor, id: PushId) -> Result<PushRisk, Error> {
        let row = self.push_stored(id).await?;
        self.authorise(actor, Operation::PushRisk, Object::Of(row.view.provider))?;
        if row.risk.is_empty() {
            return Err(not_checked(row.view.state));
        }
        document::read("read a risk report", &row.risk)
    }

    pub(crate) async fn push_view(&self, id: PushId) -> Result<PushView, Error> {
        Ok(self.push_stored(id).await?.view)
    }

    async fn push_stored(&self, id: PushId) -> Result<PushRow, Error> {
        self.store()
            .read("push", |conn| {
                Box::pin(async move { push_row(conn, id).await })
            })
            .await
    }

    /// Erases raw bytes; a store that fails is for the next start to clean up.
    pub(crate) async fn erase_raw(&self, key: &str) {
        if !key.is_empty()
            && let Err(error) = self.objects().delete(ObjectArea::Raw, key).await
        {
            tracing::warn!(object.key = key, error = %error, "raw bytes could not be erased yet");
        }
    }
}

/// Makes the arrived data the push's; says the keys of what they replace.
pub(super) async fn keep(
    tx: &mut Tx,
    id: PushId,
    arrived: &Arrived,
) -> Result<(Vec<String>, LeafDraft), Error> {
    let row = push_row(tx.conn(), id).await?;
    require_open(row.view.state)?;
    sqlx::query("UPDATE pushes SET object_key = $1, bytes = $2, sha256 = $3 WHERE id = $4")
        .bind(arrived.key.as_str())
        .bind(document::stored_count(arrived.bytes)?)
        .bind(arrived.sha256.as_str())
        .bind(id.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("keep the data of a push", source))?;
    let detail = json!({ "bytes": arrived.bytes, "sha256": arrived.sha256 });
    let leaf = LeafDraft::new("push.data", detail)
        .subject(id)
        .subject(row.dataset);
    let mut before = take_pieces(tx.conn(), id).await?;
    before.push(row.object_key);
    Ok((before, leaf))
}

pub(super) fn require_open(state: PushState) -> Result<(), Error> {
    if state == PushState::Open {
        Ok(())
    } else {
        Err(wrong_state(state))
    }
}

fn wrong_state(state: PushState) -> Error {
    let state = state.as_str();
    Error::conflict(
        "push_state",
        format!("推送处于 {state} 状态，不能执行此操作。"),
        format!("the push is {state}; this cannot be done."),
    )
}

fn not_checked(state: PushState) -> Error {
    let state = state.as_str();
    Error::conflict(
        "push_not_checked",
        format!("推送处于 {state} 状态，还没有检查结果。"),
        format!("the push is {state}; there is nothing measured yet."),
    )
}
