//! Pushes in SQL as the background task sees them: what waits, claiming it, putting it back, and
//! what an earlier life left behind.

use masking::ValueDomain;
use serde_json::json;

use super::pieces::is_piece;
use super::process::Failure;
use super::push::PushState;
use super::row::{PushRow, push_row};
use super::units::Numbering;
use crate::access::{SystemOperation, system};
use crate::catalogue::{
    DatasetFacts, PolicyInForce, STANDING_EPOCH, dataset_facts, policy_in_force,
};
use crate::document;
use crate::error::Error;
use crate::id::{PushId, VersionId};
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::settings::Objects;
use crate::storage::storage_error;

/// The right to process a push, as long as no later attempt takes it.
pub(crate) struct Claim {
    pub(crate) row: PushRow,
    pub(crate) attempt: u64,
    pub(crate) planned: VersionId,
}

/// The universe that units of a value domain are numbered in. It outlives every epoch of the intake key, for what left is compared
/// with what left before.
pub(crate) fn universe(domain: &ValueDomain) -> String {
    format!("{domain}@{STANDING_EPOCH}")
}

/// The object of a version's new unit numbers.
pub(crate) fn segment_key(version: VersionId) -> String {
    version.to_string()
}

/// The committed push that waits longest.
pub(crate) async fn waiting(platform: &Platform) -> Result<Option<PushId>, Error> {
    platform
        .store()
        .read("waiting push", |conn| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT id FROM pushes WHERE state = 'received' ORDER BY committed_at, id LIMIT 1",
                )
                .fetch_optional(conn)
                .await
                .map_err(|source| storage_error("find a push", source))?;
                row.map(|row| document::id(&row, "id")).transpose()
            })
        })
        .await
}

/// Takes a push; none when another node took it first.
pub(crate) async fn claim(platform: &Platform, id: PushId) -> Result<Option<Claim>, Error> {
    let planned = VersionId::new(platform.clock(), platform.entropy());
    let claimed = platform
        .store()
        .act(system(SystemOperation::Intake), "claim a push", |tx| {
            Box::pin(async move {
                let row = push_row(tx.conn(), id).await?;
                let taken = sqlx::query(
                    "UPDATE pushes SET state = 'checking', attempts = attempts + 1, planned_version_id = $1 \
                     WHERE id = $2 AND state = 'received' RETURNING attempts",
                )
                .bind(planned.to_string())
                .bind(id.to_string())
                .fetch_optional(tx.conn())
                .await
                .map_err(|source| storage_error("claim a push", source))?;
                let Some(taken) = taken else { return Err(taken_already()) };
                let attempt = document::count(&taken, "attempts")?;
                let leaf = LeafDraft::new("push.check", json!({ "attempt": attempt })).subject(id);
                Ok(((row, attempt), leaf))
            })
        })
        .await;
    match claimed {
        Ok((row, attempt)) => {
            let before = row.planned_version;
            let claim = Claim {
                row,
                attempt,
                planned,
            };
            // What a crash left of the attempt before; it was never a version.
            platform
                .objects()
                .delete(ObjectArea::Version, &before.to_string())
                .await?;
            platform
                .objects()
                .delete(ObjectArea::Units, &segment_key(before))
                .await?;
            Ok(Some(claim))
        }
        Err(error) if error.code() == TAKEN => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) const TAKEN: &str = "push_taken";

pub(super) fn taken_already() -> Error {
    Error::conflict(
        TAKEN,
        "该推送已由其他节点处理。",
        "another node processes the push.",
    )
}

/// Puts a claimed push back.
pub(crate) async fn give_back(platform: &Platform, claim: &Claim) -> Result<(), Error> {
    let (id, attempt) = (claim.row.view.id, document::stored_count(claim.attempt)?);
    platform
        .store()
        .act(system(SystemOperation::Intake), "give a push back", |tx| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE pushes SET state = 'received' WHERE id = $1 AND state = 'checking' AND attempts = $2",
                )
                .bind(id.to_string())
                .bind(attempt)
                .execute(tx.conn())
                .await
                .map_err(|source| storage_error("give a push back", source))?;
                let leaf = LeafDraft::new("push.requeue", json!({ "attempt": attempt })).subject(id);
                Ok(((), leaf))
            })
        })
        .await
}

/// Puts back what was being processed when the platform stopped.
pub(crate) async fn requeue(platform: &Platform) -> Result<(), Error> {
    let unfinished = platform
        .store()
        .read("unfinished pushes", |conn| {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT id FROM pushes WHERE state = 'checking' ORDER BY id")
                        .fetch_all(conn)
                        .await
                        .map_err(|source| storage_error("find unfinished pushes", source))?;
                rows.iter()
                    .map(|row| document::id(row, "id"))
                    .collect::<Result<Vec<PushId>, Error>>()
            })
        })
        .await?;
    if unfinished.is_empty() {
        return Ok(());
    }
    platform
        .store()
        .act(system(SystemOperation::Intake), "requeue pushes", |tx| {
            let unfinished = unfinished.clone();
            Box::pin(async move {
                let mut leaf =
                    LeafDraft::new("push.requeue", json!({ "pushes": unfinished.len() }));
                for id in unfinished.iter().take(16) {
                    leaf = leaf.subject(id);
                }
                sqlx::query("UPDATE pushes SET state = 'received' WHERE state = 'checking'")
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("requeue pushes", source))?;
                Ok(((), leaf))
            })
        })
        .await
}

/// Erases raw bytes that no undecided push refers to: of decided pushes, and of uploads that broke off.
pub(crate) async fn erase_orphans(platform: &Platform) -> Result<(), Error> {
    let keys = platform.objects().list(ObjectArea::Raw).await?;
    // Another node that shares the store may be taking an upload; alone in a folder nobody can.
    let alone = matches!(platform.settings().objects, Objects::Local);
    for key in keys {
        let push = key
            .split('/')
            .next()
            .and_then(|push| push.parse::<PushId>().ok());
        let row = match push {
            Some(push) => platform
                .store()
                .read("raw bytes", |conn| {
                    Box::pin(async move { push_row(conn, push).await })
                })
                .await
                .ok(),
            None => None,
        };
        let orphan = match row {
            Some(row) => {
                let decided = matches!(row.view.state, PushState::Version | PushState::Rejected);
                decided || (alone && row.object_key != key && !is_part(platform, &key).await?)
            }
            None => alone,
        };
        if orphan {
            platform.erase_raw(&key).await;
        }
    }
    Ok(())
}

async fn is_part(platform: &Platform, key: &str) -> Result<bool, Error> {
    let key = key.to_owned();
    platform
        .store()
        .read("raw bytes", |conn| {
            Box::pin(async move { is_piece(conn, &key).await })
        })
        .await
}

/// The data set of a push, and its policy in force.
pub(crate) async fn dataset_of(
    platform: &Platform,
    row: &PushRow,
) -> Result<(DatasetFacts, Option<PolicyInForce>), Error> {
    let name = row.view.dataset.clone();
    platform
        .store()
        .read("data set of a push", |conn| {
            Box::pin(async move {
                let facts = dataset_facts(&mut *conn, &name).await?;
                let policy = policy_in_force(conn, &facts).await?;
                Ok((facts, policy))
            })
        })
        .await
}

/// The numbers that the data set's universe has given so far.
pub(crate) async fn load_units(
    platform: &Platform,
    dataset: &DatasetFacts,
) -> Result<Numbering, Failure> {
    let mut numbering = Numbering::default();
    let Some(unit) = &dataset.entry.unit else {
        return Ok(numbering);
    };
    let name = universe(&unit.value_domain);
    let segments = platform
        .store()
        .read("unit numbers", |conn| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT first_number, object_key FROM unit_segments WHERE universe = $1 ORDER BY first_number",
                )
                .bind(name)
                .fetch_all(conn)
                .await
                .map_err(|source| storage_error("read unit numbers", source))?;
                rows.iter()
                    .map(|row| Ok((document::count(row, "first_number")?, document::text(row, "object_key")?)))
                    .collect::<Result<Vec<(u64, String)>, Error>>()
            })
        })
        .await?;
    for (first, key) in segments {
        let bytes = platform.objects().get(ObjectArea::Units, &key).await?;
        let first =
            u32::try_from(first).map_err(|source| Error::internal("read unit numbers", source))?;
        numbering
            .load_segment(first, &bytes)
            .map_err(|source| Error::internal("read unit numbers", source))?;
    }
    Ok(numbering)
}
