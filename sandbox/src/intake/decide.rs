//! The one transaction that decides a push: its state and report, its problems and, when it becomes
//! one, the version, with one leaf.

use std::sync::Arc;

use masking::Problem;
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::baseline::keep_shares;
use super::pipeline::Report;
use super::process::Failure;
use super::push::{PushRisk, PushState};
use super::store::{Claim, TAKEN, taken_already, universe};
use crate::access::{SystemOperation, system};
use crate::catalogue::{
    DatasetFacts, PolicyFacts, PolicyView, SampleRow, SourceFacts, UniverseFacts, VersionColumn,
    VersionManifest, dataset_facts,
};
use crate::document;
use crate::error::Error;
use crate::feedback::{EndedPush, follow};
use crate::id::{FeedbackId, PushId};
use crate::ledger::LeafDraft;
use crate::mask_key::intake_epoch;
use crate::objects::Stored;
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

/// Problem records inserted by one statement.
const PROBLEMS_AT_ONCE: usize = 100;

/// What was found out and what follows.
pub(crate) struct Decided {
    pub(crate) report: Report,
    pub(crate) decision: Decision,
}

/// What becomes of a push.
pub(crate) enum Decision {
    Version(Box<Made>),
    Quarantined,
    Rejected,
}

/// A version that is written and waits to be one.
pub(crate) struct Made {
    pub(crate) stored: Stored,
    pub(crate) policy: PolicyView,
    /// Epoch and commitment of the intake key.
    pub(crate) key: (u32, String),
    pub(crate) level: u8,
    pub(crate) sample: Vec<SampleRow>,
    pub(crate) columns: Vec<VersionColumn>,
    /// The first number that this version gave to a new unit.
    pub(crate) first_unit: u32,
    pub(crate) units_added: u64,
    pub(crate) segment: Option<Segment>,
}

/// New numbers of a universe.
pub(crate) struct Segment {
    pub(crate) universe: String,
    pub(crate) key: String,
    pub(crate) sha256: String,
}

/// Decides a claimed push: state, report, problems and, when it is one, the version, with one leaf.
///
/// Overtaken when another attempt took the push, or when it went back to be processed anew because
/// policy or unit numbers changed meanwhile.
pub(crate) async fn decide(
    platform: &Platform,
    claim: &Claim,
    decided: Arc<Decided>,
) -> Result<(), Failure> {
    let claim = Arc::new(Claim {
        row: claim.row.clone(),
        attempt: claim.attempt,
        planned: claim.planned,
    });
    let root = hex::encode(platform.keys().mask_root().commitment());
    let feedback = FeedbackId::new(platform.clock(), platform.entropy());
    let done = platform
        .store()
        .act(system(SystemOperation::Intake), "decide a push", |tx| {
            let (claim, decided, root) = (Arc::clone(&claim), Arc::clone(&decided), root.clone());
            Box::pin(async move { decide_in(tx, &claim, &decided, &root, feedback).await })
        })
        .await;
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Overtaken),
        Err(error) if error.code() == TAKEN => Err(Failure::Overtaken),
        Err(error) => Err(Failure::Failed(error)),
    }
}

async fn decide_in(
    tx: &mut Tx,
    claim: &Claim,
    decided: &Decided,
    root: &str,
    feedback: FeedbackId,
) -> Result<(bool, LeafDraft), Error> {
    let id = claim.row.view.id;
    let row = sqlx::query("SELECT state, attempts FROM pushes WHERE id = $1")
        .bind(id.to_string())
        .fetch_one(tx.conn())
        .await
        .map_err(|source| storage_error("decide a push", source))?;
    let mine = document::text(&row, "state")? == PushState::Checking.as_str()
        && document::count(&row, "attempts")? == claim.attempt;
    if !mine {
        return Err(taken_already());
    }
    let dataset = dataset_facts(tx.conn(), &claim.row.view.dataset).await?;
    let (state, leaf) = match &decided.decision {
        Decision::Version(made) => {
            // A policy set meanwhile, a key rotated meanwhile, or numbers given meanwhile, make this version one that never was.
            if made.policy.revision != dataset.policy_revision
                || made.key.0 != intake_epoch(tx.conn()).await?
                || !is_next(tx.conn(), &dataset, made).await?
            {
                return requeue_in(tx, id, claim.attempt).await;
            }
            let leaf = insert_version(tx, claim, &dataset, made, &decided.report, root).await?;
            (PushState::Version, leaf)
        }
        Decision::Quarantined => (
            PushState::Quarantined,
            told("push.quarantine", claim, decided),
        ),
        Decision::Rejected => (PushState::Rejected, told("push.reject", claim, decided)),
    };
    update_push(tx, claim, state, decided).await?;
    insert_problems(tx.conn(), id, &decided.report.problems).await?;
    // What a rejected file looked like says little about the data set, but more than nothing.
    let telling = state != PushState::Rejected || dataset.classes.is_empty();
    if telling && !decided.report.classes.is_empty() {
        sqlx::query("UPDATE datasets SET classes = $1 WHERE id = $2")
            .bind(document::write("decide a push", &decided.report.classes)?)
            .bind(dataset.id.to_string())
            .execute(tx.conn())
            .await
            .map_err(|source| storage_error("decide a push", source))?;
    }
    let ended = EndedPush {
        id,
        dataset: dataset.id,
        provider: dataset.entry.provider,
        state,
        causes: decided.report.causes(),
        closes: claim.row.view.manifest.closes.clone(),
    };
    let mut last = leaf;
    for next in follow(tx, &ended, feedback).await? {
        // A version names the position of its own leaf, which is the first.
        tx.append(std::mem::replace(&mut last, next)).await?;
    }
    Ok((true, last))
}

async fn requeue_in(tx: &mut Tx, id: PushId, attempt: u64) -> Result<(bool, LeafDraft), Error> {
    sqlx::query("UPDATE pushes SET state = 'received' WHERE id = $1")
        .bind(id.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("requeue a push", source))?;
    Ok((
        false,
        LeafDraft::new("push.requeue", json!({ "attempt": attempt })).subject(id),
    ))
}

/// Whether the numbers that a version gave to new units are the next ones of its universe.
async fn is_next(
    conn: &mut AnyConnection,
    dataset: &DatasetFacts,
    made: &Made,
) -> Result<bool, Error> {
    let Some(unit) = &dataset.entry.unit else {
        return Ok(true);
    };
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) AS given FROM unit_segments WHERE universe = $1",
    )
    .bind(universe(&unit.value_domain))
    .fetch_one(conn)
    .await
    .map_err(|source| storage_error("read unit numbers", source))?;
    Ok(document::count(&row, "given")? == u64::from(made.first_unit))
}

async fn insert_version(
    tx: &mut Tx,
    claim: &Claim,
    dataset: &DatasetFacts,
    made: &Made,
    report: &Report,
    root: &str,
) -> Result<LeafDraft, Error> {
    let number = dataset.version_number + 1;
    let manifest = manifest(claim, dataset, made, report, number, root)?;
    let text = document::write("make a version", &manifest)?;
    let manifest_sha256 = document::sha256(text.as_bytes());
    let (version, stored_number) = (claim.planned.to_string(), document::stored_count(number)?);
    let (leaf, created_at) = (document::stored_count(tx.next_leaf())?, tx.now_micros());
    let failed = |source| storage_error("make a version", source);
    sqlx::query(
        "INSERT INTO dataset_versions (id, dataset_id, number, push_id, object_key, sha256, bytes, rows_total, \
         policy_revision, level, manifest, manifest_sha256, sample, leaf, created_at, intake_epoch) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(version.as_str())
    .bind(dataset.id.to_string())
    .bind(stored_number)
    .bind(claim.row.view.id.to_string())
    .bind(version.as_str())
    .bind(manifest.sha256.as_str())
    .bind(document::stored_count(manifest.bytes)?)
    .bind(document::stored_count(manifest.rows)?)
    .bind(document::stored_count(made.policy.revision)?)
    .bind(i64::from(made.level))
    .bind(text)
    .bind(manifest_sha256.as_str())
    .bind(document::write("make a version", &made.sample)?)
    .bind(leaf)
    .bind(created_at)
    .bind(i64::from(manifest.epoch))
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query("UPDATE datasets SET version_number = $1, version_id = $2 WHERE id = $3")
        .bind(stored_number)
        .bind(version.as_str())
        .bind(dataset.id.to_string())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    keep_shares(tx.conn(), claim.planned, &report.shares).await?;
    if let Some(segment) = &made.segment {
        sqlx::query(
            "INSERT INTO unit_segments (universe, first_number, units, object_key, sha256, version_id) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(segment.universe.as_str())
        .bind(i64::from(made.first_unit))
        .bind(document::stored_count(made.units_added)?)
        .bind(segment.key.as_str())
        .bind(segment.sha256.as_str())
        .bind(version.as_str())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    }
    let detail = json!({
        "dataset": manifest.dataset,
        "number": number,
        "manifest": manifest_sha256,
        "sha256": manifest.sha256,
        "policy": manifest.policy.sha256,
        "deidentification_level": made.level,
    });
    Ok(LeafDraft::new("version.create", detail)
        .subject(claim.planned)
        .subject(dataset.id)
        .subject(claim.row.view.id))
}

fn manifest(
    claim: &Claim,
    dataset: &DatasetFacts,
    made: &Made,
    report: &Report,
    number: u64,
    root: &str,
) -> Result<VersionManifest, Error> {
    let missing = || Error::internal("make a version", "a report without its measures");
    let push = &claim.row.view;
    let mut key_commitments = std::collections::BTreeMap::new();
    key_commitments.insert("root".to_owned(), root.to_owned());
    key_commitments.insert("intake".to_owned(), made.key.1.clone());
    Ok(VersionManifest {
        dataset: push.dataset.clone(),
        number,
        push: push.id.to_string(),
        source: SourceFacts {
            format: push.manifest.format,
            encoding: report.encoding,
            sha256: push.sha256.clone().ok_or_else(missing)?,
            bytes: push.bytes,
        },
        policy: PolicyFacts {
            revision: made.policy.revision,
            sha256: made.policy.sha256.clone(),
        },
        epoch: made.key.0,
        key_commitments,
        columns: made.columns.clone(),
        unit: dataset.entry.unit.clone(),
        universe: dataset.entry.unit.as_ref().map(|unit| UniverseFacts {
            name: universe(&unit.value_domain),
            units: u64::from(made.first_unit) + made.units_added,
        }),
        rows: report.rows_kept,
        bytes: made.stored.bytes,
        sha256: hex::encode(made.stored.sha256),
        problems: report.problems_total,
        quality: report.quality.clone().ok_or_else(missing)?,
        risk_before: report.risk_before.clone().ok_or_else(missing)?,
        risk_after: report.risk_after.clone().ok_or_else(missing)?,
        deidentification_level: made.level,
    })
}

fn told(kind: &'static str, claim: &Claim, decided: &Decided) -> LeafDraft {
    // Rules alone: a place or a message may come near the data.
    let rules: Vec<&str> = decided
        .report
        .faults
        .iter()
        .map(|fault| fault.rule.as_str())
        .take(32)
        .collect();
    let detail = json!({ "rules": rules, "problems": decided.report.problems_total });
    LeafDraft::new(kind, detail)
        .subject(claim.row.view.id)
        .subject(claim.row.dataset)
}

async fn update_push(
    tx: &mut Tx,
    claim: &Claim,
    state: PushState,
    decided: &Decided,
) -> Result<(), Error> {
    let report = &decided.report;
    let kept = state == PushState::Quarantined;
    let version = if state == PushState::Version {
        claim.planned.to_string()
    } else {
        String::new()
    };
    let quality = match &report.quality {
        Some(quality) => document::write("decide a push", quality)?,
        None => String::new(),
    };
    let level = match &decided.decision {
        Decision::Version(made) => Some(made.level),
        Decision::Quarantined | Decision::Rejected => None,
    };
    let risk = match &report.risk_before {
        Some(before) => document::write(
            "decide a push",
            &PushRisk {
                before: before.clone(),
                after: report.risk_after.clone(),
                suppressed_rows: report.rows_suppressed,
                deidentification_level: level,
            },
        )?,
        None => String::new(),
    };
    let ended_at = tx.now_micros();
    sqlx::query(
        "UPDATE pushes SET state = $1, version_id = $2, object_key = $3, rows_checked = $4, rows_kept = $5, \
         problems = $6, faults = $7, quality = $8, risk = $9, ended_at = $10 WHERE id = $11",
    )
    .bind(state.as_str())
    .bind(version)
    .bind(if kept { claim.row.object_key.as_str() } else { "" })
    .bind(document::stored_count(report.rows_in)?)
    .bind(document::stored_count(report.rows_kept)?)
    .bind(document::stored_count(report.problems_total)?)
    .bind(document::write("decide a push", &report.faults)?)
    .bind(quality)
    .bind(risk)
    .bind(ended_at)
    .bind(claim.row.view.id.to_string())
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("decide a push", source))?;
    Ok(())
}

async fn insert_problems(
    conn: &mut AnyConnection,
    id: PushId,
    problems: &[Problem],
) -> Result<(), Error> {
    let failed = |source| storage_error("keep problems", source);
    // An earlier attempt on a quarantined push has left its own.
    sqlx::query("DELETE FROM push_problems WHERE push_id = $1")
        .bind(id.to_string())
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    let push = id.to_string();
    let mut ordinal = 0_i64;
    for some in problems.chunks(PROBLEMS_AT_ONCE) {
        let rows: Vec<String> = (0..some.len())
            .map(|row| {
                let values: Vec<String> = (1..=9).map(|n| format!("${}", row * 9 + n)).collect();
                format!("({})", values.join(", "))
            })
            .collect();
        let sql = format!(
            "INSERT INTO push_problems (push_id, ordinal, row_number, column_name, rule, action, masked_value, \
             message_zh, message_en) VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for problem in some {
            query = query
                .bind(push.as_str())
                .bind(ordinal)
                .bind(document::stored_count(problem.row)?)
                .bind(problem.column.clone().unwrap_or_default())
                .bind(problem.rule.as_str())
                .bind(document::write("keep problems", &problem.action)?)
                .bind(problem.masked_value.as_str())
                .bind(problem.message.zh.as_str())
                .bind(problem.message.en.as_str());
            ordinal += 1;
        }
        query.execute(&mut *conn).await.map_err(failed)?;
    }
    Ok(())
}
