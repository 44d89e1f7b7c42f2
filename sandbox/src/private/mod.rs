//! 非公共数据: what a tenant brings under a grant, for its own jobs alone.
//!
//! The key column becomes intake tokens while the upload is read; the raw upload is encrypted while
//! it is there and erased before the answer. Other columns are kept as they are: they are the
//! tenant's own.

mod convert;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use masking::ValueDomain;
use review::{Finding, Severity};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use self::convert::{convert, kept_schema};
use crate::access::{Actor, Object, Operation};
use crate::application::active_grant;
use crate::catalogue::{Column, ColumnType, PrivacyUnit, is_name, shortened};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{GrantId, OrganisationId, PrivateDatasetId};
use crate::intake::{DataFormat, ObjectSink, both, bounded};
use crate::ledger::LeafDraft;
use crate::mask_key::{KeyOwner, intake_epoch};
use crate::objects::{ObjectArea, Stored};
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::quota::{self, Kept};
use crate::storage::{is_unique_violation, storage_error};

const COLUMNS_MAX: usize = 256;
/// Bytes of one upload: private data are looked up against public data, not the other way round.
const UPLOAD_BYTES_MAX: u64 = 1 << 30;
/// Private data sets under one grant.
const DATASETS_MAX: i64 = 32;

/// A private data set to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateDatasetRequest {
    /// The grant that it serves.
    pub grant: GrantId,
    /// Name in SQL.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The column to join public data by.
    pub unit: Option<PrivacyUnit>,
}

/// A private data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateDatasetView {
    /// Its identifier.
    pub id: PrivateDatasetId,
    /// The grant that it serves.
    pub grant: GrantId,
    /// The tenant.
    pub organisation: OrganisationId,
    /// Name in SQL.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The column to join public data by.
    pub unit: Option<PrivacyUnit>,
    /// Rows; none until data arrive.
    pub rows: Option<u64>,
    /// SHA-256 of the file as kept, before encryption.
    pub sha256: Option<String>,
    /// Epoch of the intake key that made its tokens.
    pub intake_epoch: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its data arrived.
    pub written_at: Option<Timestamp>,
}

/// A private data set as stored.
#[derive(Clone, Debug)]
pub(crate) struct PrivateDataset {
    pub(crate) id: PrivateDatasetId,
    pub(crate) name: String,
    pub(crate) object_key: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// Epoch of the intake key that made its tokens.
    pub(crate) intake_epoch: u32,
    view: PrivateDatasetView,
}

impl PrivateDataset {
    /// The schema of the file: the key column holds tokens, which are text.
    pub(crate) fn schema(&self) -> SchemaRef {
        kept_schema(&self.view.columns, self.view.unit.as_ref())
    }

    /// The columns that hold intake tokens.
    pub(crate) fn tokens(&self) -> BTreeMap<String, ValueDomain> {
        let unit = self.view.unit.iter();
        unit.map(|unit| (unit.column.clone(), unit.value_domain.clone()))
            .collect()
    }
}

impl Platform {
    /// Describes a private data set, before its data.
    ///
    /// # Errors
    /// Conflict when the grant is not active or the name is taken; invalid with findings.
    pub async fn create_private_dataset(
        &self,
        actor: &Actor,
        request: PrivateDatasetRequest,
    ) -> Result<PrivateDatasetView, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::CreatePrivateDataset, object)?;
        let faults = faults(&request);
        if !faults.is_empty() {
            return Err(Error::invalid(
                "private_dataset_invalid",
                "非公共数据集的描述有误。",
                "the description of the private data set has faults.",
            )
            .with_findings(faults));
        }
        let id = PrivateDatasetId::new(self.clock(), self.entropy());
        self.store()
            .act(authorisation, "create_private_dataset", |tx| {
                let (actor, request) = (actor.clone(), request.clone());
                Box::pin(async move {
                    let now = tx.now();
                    let grant = active_grant(tx.conn(), actor.organisation, request.grant, now).await?;
                    if grant.contract.tables.iter().any(|table| table.name == request.name) {
                        return Err(name_taken());
                    }
                    let held = written_or_not(tx.conn(), request.grant).await?;
                    if held >= DATASETS_MAX {
                        return Err(Error::conflict(
                            "private_datasets_max",
                            format!("一个授权下最多 {DATASETS_MAX} 个非公共数据集。"),
                            format!("a grant has at most {DATASETS_MAX} private data sets."),
                        ));
                    }
                    let created_at = tx.now_micros();
                    sqlx::query(
                        "INSERT INTO private_datasets (id, grant_id, organisation_id, account_id, name, columns, unit, \
                         object_key, sha256, bytes, rows_total, created_at, written_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', 0, 0, $8, 0)",
                    )
                    .bind(id.to_string())
                    .bind(request.grant.to_string())
                    .bind(actor.organisation.to_string())
                    .bind(actor.account.to_string())
                    .bind(request.name.as_str())
                    .bind(document::write("bring a private data set", &request.columns)?)
                    .bind(document::write("bring a private data set", &request.unit)?)
                    .bind(created_at)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| match is_unique_violation(&source) {
                        true => name_taken(),
                        false => storage_error("bring a private data set", source),
                    })?;
                    let leaf = LeafDraft::new("private.create", json!({ "columns": request.columns.len() }))
                        .subject(id)
                        .subject(request.grant);
                    Ok(((), leaf))
                })
            })
            .await?;
        Ok(self.private_dataset(id).await?.view)
    }

    /// Takes the data: the key column becomes tokens on the way, and what was there before is
    /// replaced as a whole.
    ///
    /// # Errors
    /// Invalid with the place when the data cannot be read or a value is not of its column's type;
    /// conflict when the grant is not active any more. Nothing is kept then.
    pub async fn write_private_data(
        &self,
        actor: &Actor,
        id: PrivateDatasetId,
        format: DataFormat,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<PrivateDatasetView, Error> {
        let dataset = self.private_dataset(id).await?;
        let object = Object::Of(dataset.view.organisation);
        let authorisation = self.authorise(actor, Operation::WritePrivateData, object)?;
        let (quotas, organisation) = (self.settings().quotas, dataset.view.organisation);
        // Asked here so that nothing is sent for nothing; what counts is asked again below.
        self.store()
            .read("private data quota", move |conn| {
                let asked = (Kept::PrivateBytes, 1);
                Box::pin(async move { quota::room(conn, &quotas, organisation, asked, 0).await })
            })
            .await?;
        let attempt = PrivateDatasetId::new(self.clock(), self.entropy());
        let key = format!("{id}/{attempt}");
        let raw = self
            .objects()
            .put_stream(ObjectArea::Raw, &key, bounded(data, UPLOAD_BYTES_MAX))
            .await;
        let written = match raw {
            Ok(_) => self.tokenised(&dataset, &key, format).await,
            Err(error) => Err(error),
        };
        self.erase_raw(&key).await;
        let (stored, rows, epoch) = written?;
        let grant = dataset.view.grant;
        let kept = self
            .store()
            .act(authorisation, "write_private_data", |tx| {
                let (actor, key, stored) = (actor.clone(), key.clone(), stored.clone());
                Box::pin(async move {
                    let now = tx.now();
                    active_grant(tx.conn(), actor.organisation, grant, now).await?;
                    if intake_epoch(tx.conn()).await? != epoch {
                        return Err(key_rotated());
                    }
                    // Read again: a delete or another upload may have come first.
                    let replaced = by_id(tx.conn(), id).await?;
                    let (before, freed) = (replaced.object_key, replaced.bytes);
                    let asked = (Kept::PrivateBytes, stored.bytes.saturating_sub(freed));
                    let at = tx.now_micros();
                    quota::room(tx.conn(), &quotas, organisation, asked, at).await?;
                    let sha256 = hex::encode(stored.sha256);
                    sqlx::query(
                        "UPDATE private_datasets SET object_key = $1, sha256 = $2, bytes = $3, rows_total = $4, \
                         written_at = $5, intake_epoch = $6 WHERE id = $7",
                    )
                    .bind(key.as_str())
                    .bind(sha256.as_str())
                    .bind(document::stored_count(stored.bytes)?)
                    .bind(document::stored_count(rows)?)
                    .bind(tx.now_micros())
                    .bind(i64::from(epoch))
                    .bind(id.to_string())
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("keep private data", source))?;
                    let detail = json!({ "rows": rows, "sha256": sha256 });
                    Ok((before, LeafDraft::new("private.write", detail).subject(id).subject(grant)))
                })
            })
            .await;
        match kept {
            Ok(before) => self.erase_private(&before).await,
            Err(error) => {
                self.erase_private(&key).await;
                return Err(error);
            }
        }
        Ok(self.private_dataset(id).await?.view)
    }

    /// The tenant's private data sets, oldest first.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn private_datasets(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<PrivateDatasetView>, Error> {
        let object = Object::Of(actor.organisation);
        self.authorise(actor, Operation::PrivateDatasets, object)?;
        let organisation = actor.organisation.to_string();
        self.store()
            .read("private_datasets", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT * FROM private_datasets WHERE organisation_id = $1 AND id > $2 ORDER BY id LIMIT $3",
                    )
                    .bind(organisation)
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list private data sets", source))?;
                    let views: Result<Vec<_>, Error> =
                        rows.iter().map(|row| Ok(stored_row(row)?.view)).collect();
                    Ok(Page::cut(views?, &page, |view: &PrivateDatasetView| view.id.to_string()))
                })
            })
            .await
    }

    /// Deletes a private data set with its data.
    ///
    /// # Errors
    /// Not found when there is none of the tenant's.
    pub async fn delete_private_dataset(
        &self,
        actor: &Actor,
        id: PrivateDatasetId,
    ) -> Result<(), Error> {
        let dataset = self.private_dataset(id).await?;
        let object = Object::Of(dataset.view.organisation);
        let authorisation = self.authorise(actor, Operation::DeletePrivateDataset, object)?;
        let key = self
            .store()
            .act(authorisation, "delete_private_dataset", |tx| {
                Box::pin(async move {
                    let found = by_id(tx.conn(), id).await?;
                    sqlx::query("DELETE FROM private_datasets WHERE id = $1")
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("delete private data", source))?;
                    let leaf = LeafDraft::new("private.delete", json!({ "sha256": found.sha256 }))
                        .subject(id);
                    Ok((found.object_key, leaf))
                })
            })
            .await?;
        self.erase_private(&key).await;
        Ok(())
    }

    async fn private_dataset(&self, id: PrivateDatasetId) -> Result<PrivateDataset, Error> {
        self.store()
            .read("private_dataset", |conn| {
                Box::pin(async move { by_id(conn, id).await })
            })
            .await
    }

    /// Reads the raw upload and writes what is kept; says how many rows, and the epoch of the key that made the tokens.
    async fn tokenised(
        &self,
        dataset: &PrivateDataset,
        key: &str,
        format: DataFormat,
    ) -> Result<(Stored, u64, u32), Error> {
        let file = self.objects().open_file(ObjectArea::Raw, key).await?;
        let (sink, pieces) = ObjectSink::new();
        let (columns, unit) = (dataset.view.columns.clone(), dataset.view.unit.clone());
        let intake = self.active_key(KeyOwner::Intake).await?;
        let (vault, epoch) = (intake.vault(self.objects())?, intake.epoch);
        let limits = self.intake().limits().clone();
        let work = move || {
            convert(
                file,
                format,
                &columns,
                unit.as_ref(),
                &intake,
                &limits,
                sink,
            )
        };
        let run = tokio::task::spawn_blocking(work);
        let (stored, rows) = tokio::join!(vault.put_stream(ObjectArea::Version, key, pieces), run);
        let rows = rows.map_err(|source| Error::internal("read private data", source))??;
        Ok((stored?, rows, epoch))
    }

    async fn erase_private(&self, key: &str) {
        if !key.is_empty()
            && let Err(error) = self.objects().delete(ObjectArea::Version, key).await
        {
            tracing::warn!(object.key = key, error = %error, "private data could not be erased yet");
        }
    }
}

/// The private data sets of a grant that have data, by name.
pub(crate) async fn written(
    conn: &mut AnyConnection,
    grant: GrantId,
) -> Result<Vec<PrivateDataset>, Error> {
    let rows = sqlx::query(
        "SELECT * FROM private_datasets WHERE grant_id = $1 AND written_at > 0 ORDER BY name",
    )
    .bind(grant.to_string())
    .fetch_all(conn)
    .await
    .map_err(|source| storage_error("read private data sets", source))?;
    rows.iter().map(stored_row).collect()
}

async fn written_or_not(conn: &mut AnyConnection, grant: GrantId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) AS held FROM private_datasets WHERE grant_id = $1")
        .bind(grant.to_string())
        .fetch_one(conn)
        .await
        .map_err(|source| storage_error("count private data sets", source))?;
    document::integer(&row, "held")
}

async fn by_id(conn: &mut AnyConnection, id: PrivateDatasetId) -> Result<PrivateDataset, Error> {
    let row = sqlx::query("SELECT * FROM private_datasets WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .map_err(|source| storage_error("read a private data set", source))?;
    match row {
        Some(row) => stored_row(&row),
        None => Err(Error::not_found(
            "没有这个对象，或您无权看到它。",
            "there is no such object, or you may not see it.",
        )),
    }
}

fn stored_row(row: &AnyRow) -> Result<PrivateDataset, Error> {
    let written_at = document::integer(row, "written_at")?;
    let written = written_at > 0;
    let (sha256, rows) = (
        document::text(row, "sha256")?,
        document::count(row, "rows_total")?,
    );
    let intake_epoch = u32::try_from(document::integer(row, "intake_epoch")?)
        .map_err(|source| Error::internal("read a private data set", source))?;
    let view = PrivateDatasetView {
        id: document::id(row, "id")?,
        grant: document::id(row, "grant_id")?,
        organisation: document::id(row, "organisation_id")?,
        name: document::text(row, "name")?,
        columns: document::column(row, "columns")?,
        unit: document::column(row, "unit")?,
        rows: written.then_some(rows),
        sha256: written.then(|| sha256.clone()),
        intake_epoch: written.then_some(intake_epoch),
        created_at: timestamp(document::integer(row, "created_at")?),
        written_at: written.then(|| timestamp(written_at)),
    };
    Ok(PrivateDataset {
        id: view.id,
        name: view.name.clone(),
        object_key: document::text(row, "object_key")?,
        sha256,
        bytes: document::count(row, "bytes")?,
        rows,
        intake_epoch,
        view,
    })
}

fn key_rotated() -> Error {
    Error::conflict(
        "key_rotated",
        "上传期间接收密钥已轮换，数据未保存。",
        "the intake key was rotated during the upload; the data were not kept.",
    )
    .with_remedy("重新上传。", "upload them again.")
}

fn name_taken() -> Error {
    Error::conflict(
        "table_exists",
        "该授权下已有同名的表。",
        "there is a table of that name under the grant already.",
    )
}

fn faults(request: &PrivateDatasetRequest) -> Vec<Finding> {
    let fault = |rule: &str, subject: &str, zh: &str, en: &str| {
        let remedy = both("更正后重试", "correct it and try again");
        Finding::new(
            rule,
            Severity::Refuse,
            shortened(subject),
            both(zh, en),
            remedy,
        )
    };
    let mut faults = Vec::new();
    if !is_name(&request.name) {
        let zh = "名称以小写字母开头，由小写字母、数字、下划线组成，最多 63 个字符";
        let en = "a name starts with a lower-case letter and has at most 63 lower-case letters, digits or underscores";
        faults.push(fault("table_name", "name", zh, en));
    }
    if request.columns.is_empty() || request.columns.len() > COLUMNS_MAX {
        faults.push(fault(
            "columns",
            "columns",
            "须有 1 到 256 列",
            "there must be 1 to 256 columns",
        ));
    }
    let mut names = BTreeSet::new();
    for column in &request.columns {
        if !is_name(&column.name) {
            faults.push(fault(
                "column_name",
                &column.name,
                "列名不合规",
                "is no name of a column",
            ));
        }
        if !names.insert(&column.name) {
            faults.push(fault(
                "column_duplicate",
                &column.name,
                "列名重复",
                "the name is taken by another column",
            ));
        }
    }
    if let Some(unit) = &request.unit {
        let column = request
            .columns
            .iter()
            .find(|column| column.name == unit.column);
        let joins =
            column.is_some_and(|c| matches!(c.kind, ColumnType::String | ColumnType::Int64));
        if !joins {
            let zh = "连接列须在列清单中，且为 string 或 int64";
            let en = "the join column must be among the columns, and string or int64";
            faults.push(fault("unit_column", &unit.column, zh, en));
        }
    }
    faults
}
