//! Quality of a data set over time: the scores of its pushes, newest first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use masking::QualityReport;
use sqlx::any::AnyRow;

use super::push::PushState;
use crate::access::{Actor, Object, Operation};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::PushId;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::storage_error;

/// The scores of one push.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityPoint {
    /// The push.
    pub push: PushId,
    /// What became of it.
    pub state: PushState,
    /// Number of the version that it became.
    pub version: Option<u64>,
    /// When it was decided.
    pub at: Timestamp,
    /// Rows that stayed.
    pub rows_kept: u64,
    /// Problem records found.
    pub problems: u64,
    /// Mean of the dimensions' scores, 0 to 1.
    pub score: f64,
    /// Score per dimension, 0 to 1.
    pub dimensions: BTreeMap<String, f64>,
    /// Score per column, 0 to 1.
    pub columns: BTreeMap<String, f64>,
    /// Blocking rules that were broken.
    pub blocking: Vec<String>,
}

impl Platform {
    /// The scores of a data set's pushes, newest first: of all of them for those who may read their reports, and of
    /// those that became versions for everybody who sees the catalogue.
    ///
    /// # Errors
    /// Denied, not found, or storage that fails.
    pub async fn dataset_quality(
        &self,
        actor: &Actor,
        name: &str,
        page: PageRequest,
    ) -> Result<Page<QualityPoint>, Error> {
        self.authorise(actor, Operation::DatasetQuality, Object::Platform)?;
        let dataset = self.dataset_row(name).await?;
        let provider = Object::Of(dataset.entry.provider);
        let all = self
            .authorise(actor, Operation::PushQuality, provider)
            .is_ok();
        self.store()
            .read("dataset_quality", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT p.id, p.state, p.quality, p.problems, p.ended_at, \
                         CAST(COALESCE(v.number, 0) AS BIGINT) AS version_number \
                         FROM pushes p LEFT JOIN dataset_versions v ON v.push_id = p.id \
                         WHERE p.dataset_id = $1 AND p.quality <> '' AND p.ended_at > 0 AND ($2 = '' OR p.id < $3) \
                         AND ($4 = 1 OR p.state = 'version') ORDER BY p.id DESC LIMIT $5",
                    )
                    .bind(dataset.id.to_string())
                    .bind(page.after())
                    .bind(page.after())
                    .bind(i64::from(all))
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list scores", source))?;
                    let points: Result<Vec<_>, Error> = rows.iter().map(point).collect();
                    Ok(Page::cut(points?, &page, |point| point.push.to_string()))
                })
            })
            .await
    }
}

fn point(row: &AnyRow) -> Result<QualityPoint, Error> {
    let quality: QualityReport = document::column(row, "quality")?;
    let version = document::count(row, "version_number")?;
    Ok(QualityPoint {
        push: document::id(row, "id")?,
        state: PushState::parse(&document::text(row, "state")?)
            .ok_or_else(|| Error::internal("list scores", "an unknown state"))?,
        version: (version > 0).then_some(version),
        at: timestamp(document::integer(row, "ended_at")?),
        rows_kept: quality.rows_kept,
        problems: document::count(row, "problems")?,
        score: quality.score,
        dimensions: quality.dimensions,
        columns: quality.columns,
        blocking: quality.blocking,
    })
}
