//! Pushes in rows.

use jiff::Timestamp;
use masking::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::push::{PushState, PushView};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{DatasetId, PushId, VersionId};
use crate::storage::storage_error;

/// A push as stored.
#[derive(Clone, Debug)]
pub(crate) struct PushRow {
    pub(crate) view: PushView,
    pub(crate) dataset: DatasetId,
    pub(crate) object_key: String,
    pub(crate) planned_version: VersionId,
    pub(crate) quality: String,
    pub(crate) risk: String,
}

/// A push by its identifier.
pub(crate) async fn push_row(conn: &mut AnyConnection, id: PushId) -> Result<PushRow, Error> {
    let row = sqlx::query(
        "SELECT p.*, d.name AS dataset_name, d.provider_id FROM pushes p JOIN datasets d ON d.id = p.dataset_id \
         WHERE p.id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await
    .map_err(|source| storage_error("read a push", source))?;
    match row {
        Some(row) => row_of(&row),
        None => Err(Error::not_found(
            format!("没有推送 {id}。"),
            format!("there is no push {id}."),
        )),
    }
}

fn row_of(row: &AnyRow) -> Result<PushRow, Error> {
    let sha256 = document::text(row, "sha256")?;
    let version = document::text(row, "version_id")?;
    let moment = |name| -> Result<Option<Timestamp>, Error> {
        let at = document::integer(row, name)?;
        Ok((at > 0).then(|| timestamp(at)))
    };
    Ok(PushRow {
        dataset: document::id(row, "dataset_id")?,
        object_key: document::text(row, "object_key")?,
        planned_version: document::id(row, "planned_version_id")?,
        quality: document::text(row, "quality")?,
        risk: document::text(row, "risk")?,
        view: PushView {
            id: document::id(row, "id")?,
            dataset: document::text(row, "dataset_name")?,
            provider: document::id(row, "provider_id")?,
            state: PushState::parse(&document::text(row, "state")?)
                .ok_or_else(|| Error::internal("read a push", "an unknown state"))?,
            manifest: document::column(row, "manifest")?,
            bytes: document::count(row, "bytes")?,
            sha256: (!sha256.is_empty()).then_some(sha256),
            rows_checked: document::count(row, "rows_checked")?,
            rows_kept: document::count(row, "rows_kept")?,
            problems: document::count(row, "problems")?,
            faults: document::column(row, "faults")?,
            version: (!version.is_empty())
                .then(|| document::id(row, "version_id"))
                .transpose()?,
            created_at: timestamp(document::integer(row, "created_at")?),
            committed_at: moment("committed_at")?,
            ended_at: moment("ended_at")?,
        },
    })
}

pub(super) fn problem_of(row: &AnyRow) -> Result<(i64, Problem), Error> {
    let failed = |source| storage_error("read a problem", source);
    let column: String = row.try_get("column_name").map_err(failed)?;
    let action: String = row.try_get("action").map_err(failed)?;
    let problem = Problem {
        row: document::count(row, "row_number")?,
        column: (!column.is_empty()).then_some(column),
        rule: document::text(row, "rule")?,
        action: document::read("read a problem", &action)?,
        masked_value: document::text(row, "masked_value")?,
        message: super::both(
            document::text(row, "message_zh")?,
            document::text(row, "message_en")?,
        ),
    };
    Ok((document::integer(row, "ordinal")?, problem))
}
