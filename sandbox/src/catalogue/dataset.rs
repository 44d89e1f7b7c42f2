//! Data sets in the catalogue: registering, listing, versions and samples.

use jiff::Timestamp;
use masking::ColumnClass;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::entry::{CatalogueEntry, Column, PrivacyUnit, SampleRow, UpdateCycle, shortened};
use super::facts::{VersionColumn, VersionManifest, version_schema};
use super::policy::policy_in_force;
use super::{plan, sample};
use crate::access::{Actor, Object, Operation};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{DatasetId, OrganisationId, PushId, VersionId};
use crate::ledger::LeafDraft;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::{is_unique_violation, storage_error};

/// Rows of a sample that are shown; jobs on samples see all of them.
const SHOWN_ROWS: usize = 20;

/// A data set as the catalogue shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetView {
    /// Its identifier.
    pub id: DatasetId,
    /// Unique name.
    pub name: String,
    /// The name people read.
    pub title: masking::Bilingual,
    /// The organisation that provides it.
    pub provider: OrganisationId,
    /// The industry it belongs to.
    pub industry: String,
    /// What it holds.
    pub description: String,
    /// How often it is renewed.
    pub update_cycle: UpdateCycle,
    /// Its columns as they are pushed, in order.
    pub columns: Vec<Column>,
    /// Whom a row speaks of.
    pub unit: Option<PrivacyUnit>,
    /// Revision of the masking policy in force.
    pub policy_revision: Option<u64>,
    /// Number of the newest version.
    pub latest_version: Option<u64>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// One immutable version of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionView {
    /// Its identifier.
    pub id: VersionId,
    /// The data set's name.
    pub dataset: String,
    /// Counted from 1.
    pub number: u64,
    /// The push it came by.
    pub push: PushId,
    /// SHA-256 of the version's file before encryption.
    pub sha256: String,
    /// Bytes of the file before encryption.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// Measured level of GB/T 42460, 1 to 4.
    pub deidentification_level: u8,
    /// Columns after masking.
    pub columns: Vec<VersionColumn>,
    /// SHA-256 of the manifest, as the ledger leaf has it.
    pub manifest_sha256: String,
    /// What it was made of and how.
    pub manifest: VersionManifest,
    /// Position of its ledger leaf.
    pub leaf: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is known of a data set inside the platform.
#[derive(Clone, Debug)]
pub(crate) struct DatasetFacts {
    pub(crate) id: DatasetId,
    pub(crate) entry: CatalogueEntry,
    pub(crate) policy_revision: u64,
    pub(crate) version_number: u64,
    /// Columns after masking: of the newest version, or as the policy in force would make them;
    /// none while there is neither.
    pub(crate) columns: Vec<VersionColumn>,
    pub(crate) classes: Vec<ColumnClass>,
    pub(crate) version: Option<VersionView>,
    pub(crate) created_at: Timestamp,
}

impl DatasetFacts {
    /// A column after masking.
    pub(crate) fn column(&self, name: &str) -> Option<&VersionColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The schema after masking, without control columns.
    pub(crate) fn schema(&self) -> arrow::datatypes::SchemaRef {
        version_schema(&self.columns)
    }

    fn view(&self) -> DatasetView {
        let entry = self.entry.clone();
        DatasetView {
            id: self.id,
            name: entry.name,
            title: entry.title,
            provider: entry.provider,
            industry: entry.industry,
            description: entry.description,
            update_cycle: entry.update_cycle,
            columns: entry.columns,
            unit: entry.unit,
            policy_revision: (self.policy_revision > 0).then_some(self.policy_revision),
            latest_version: (self.version_number > 0).then_some(self.version_number),
            created_at: self.created_at,
        }
    }
}

impl Platform {
    /// Registers a catalogue entry, as the resource platform pushes it.
    ///
    /// # Errors
    /// Invalid with a finding for each fault of the entry; conflict when the name is taken; not
    /// found when the provider is no organisation.
    pub async fn register_dataset(
        &self,
        actor: &Actor,
        entry: CatalogueEntry,
    ) -> Result<DatasetView, Error> {
        let authorisation = self.authorise(actor, Operation::RegisterDataset, Object::Platform)?;
        let faults = entry.faults();
        if !faults.is_empty() {
            return Err(Error::invalid(
                "entry_invalid",
                "目录条目有误，未登记。",
                "the catalogue entry has faults and was not registered.",
            )
            .with_findings(faults));
        }
        let id = DatasetId::new(self.clock(), self.entropy());
        let account = actor.account;
        let text = document::write("register a data set", &entry)?;
        self.store()
            .act(authorisation, "register_dataset", |tx| {
                let (entry, text) = (entry.clone(), text.clone());
                Box::pin(async move {
                    require_provider(tx.conn(), entry.provider).await?;
                    let created_at = tx.now_micros();
                    sqlx::query(
                        "INSERT INTO datasets (id, name, provider_id, account_id, entry, policy_revision, \
                         version_number, version_id, classes, created_at) \
                         VALUES ($1, $2, $3, $4, $5, 0, 0, '', '', $6)",
                    )
                    .bind(id.to_string())
                    .bind(entry.name.as_str())
                    .bind(entry.provider.to_string())
                    .bind(account.to_string())
                    .bind(text.as_str())
                    .bind(created_at)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| taken_or("register a data set", source))?;
                    let leaf = LeafDraft::new(
                        "dataset.register",
                        serde_json::json!({ "name": entry.name, "sha256": document::sha256(text.as_bytes()) }),
                    )
                    .subject(id)
                    .subject(entry.provider);
                    Ok(((), leaf))
                })
            })
            .await?;
        self.dataset(actor, &entry.name).await
    }

    /// The catalogue, oldest entry first.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn datasets(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<DatasetView>, Error> {
        self.authorise(actor, Operation::Datasets, Object::Platform)?;
        self.store()
            .read("datasets", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "SELECT id, name, entry, policy_revision, version_number, version_id, classes, created_at ",
                        "FROM datasets WHERE id > $1 ORDER BY id LIMIT $2"
                    ))
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list data sets", source))?;
                    let facts: Result<Vec<_>, Error> = rows.iter().map(stored).collect();
                    let views = facts?.iter().map(|facts| facts.view()).collect();
                    Ok(Page::cut(views, &page, |view: &DatasetView| view.id.to_string()))
                })
            })
            .await
    }

    /// One data set by its name.
    ///
    /// # Errors
    /// Denied, not found, or storage that fails.
    pub async fn dataset(&self, actor: &Actor, name: &str) -> Result<DatasetView, Error> {
        self.authorise(actor, Operation::Dataset, Object::Platform)?;
        Ok(self.dataset_row(name).await?.view())
    }

    /// The versions of a data set, newest first.
    ///
    /// # Errors
    /// Denied, not found, or storage that fails.
    pub async fn dataset_versions(
        &self,
        actor: &Actor,
        name: &str,
        page: PageRequest,
    ) -> Result<Page<VersionView>, Error> {
        self.authorise(actor, Operation::DatasetVersions, Object::Platform)?;
        let dataset = self.dataset_row(name).await?;
        let before: i64 = page
            .cursor
            .as_ref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(i64::MAX);
        self.store()
            .read("dataset_versions", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT * FROM dataset_versions WHERE dataset_id = $1 AND number < $2 \
                         ORDER BY number DESC LIMIT $3",
                    )
                    .bind(dataset.id.to_string())
                    .bind(before)
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list versions", source))?;
                    let views: Result<Vec<_>, Error> = rows.iter().map(version_view).collect();
                    Ok(Page::cut(views?, &page, |view: &VersionView| {
                        view.number.to_string()
                    }))
                })
            })
            .await
    }

    /// 样例数据: masked rows, from the newest version or else from what the provider sent.
    ///
    /// # Errors
    /// Denied, not found, or storage that fails.
    pub async fn dataset_sample(&self, actor: &Actor, name: &str) -> Result<Vec<SampleRow>, Error> {
        self.authorise(actor, Operation::DatasetSample, Object::Platform)?;
        let name = shortened(name);
        let root = self.keys().mask_root();
        self.store()
            .read("dataset_sample", |conn| {
                Box::pin(async move {
                    let dataset = dataset_facts(conn, &name).await?;
                    if dataset.version_number > 0 {
                        let mut rows = newest_sample(conn, dataset.id).await?;
                        rows.truncate(SHOWN_ROWS);
                        return Ok(shown(rows, &dataset, &root));
                    }
                    // Before the first version only what went through the policy may be shown.
                    let Some(policy) = policy_in_force(conn, &dataset).await? else {
                        return Ok(Vec::new());
                    };
                    let Ok(plan) = plan::compile(&dataset, &policy.policy) else {
                        return Ok(Vec::new());
                    };
                    let rows = &dataset.entry.sample;
                    sample::masked_rows(
                        &dataset.entry,
                        rows,
                        (&policy.policy, &plan::known_classes(&dataset)),
                        &plan,
                        &root,
                        plan::STANDING_EPOCH,
                    )
                    .map(|rows| shown(rows, &dataset, &root))
                    .map_err(|source| Error::internal("mask a sample", source))
                })
            })
            .await
    }

    pub(crate) async fn dataset_row(&self, name: &str) -> Result<DatasetFacts, Error> {
        let name = shortened(name);
        self.store()
            .read("dataset", |conn| {
                Box::pin(async move { dataset_facts(conn, &name).await })
            })
            .await
    }
}

/// A data set with its masked columns and newest version.
pub(crate) async fn dataset_facts(
    conn: &mut AnyConnection,
    name: &str,
) -> Result<DatasetFacts, Error> {
    let row = sqlx::query("SELECT * FROM datasets WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *conn)
        .await
        .map_err(|source| storage_error("read a data set", source))?;
    let Some(row) = row else {
        return Err(Error::not_found(
            format!("目录中没有数据集 {name}。"),
            format!("the catalogue has no data set {name}."),
        ));
    };
    let mut facts = stored(&row)?;
    facts.version = newest_version(conn, facts.id).await?;
    match &facts.version {
        Some(version) => facts.columns = version.columns.clone(),
        None => {
            if let Some(policy) = policy_in_force(conn, &facts).await? {
                facts.columns = plan::masked_columns(&facts, &policy.policy);
            }
        }
    }
    Ok(facts)
}

async fn newest_version(
    conn: &mut AnyConnection,
    dataset: DatasetId,
) -> Result<Option<VersionView>, Error> {
    let row = sqlx::query(
        "SELECT * FROM dataset_versions WHERE dataset_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(dataset.to_string())
    .fetch_optional(conn)
    .await
    .map_err(|source| storage_error("read a version", source))?;
    row.as_ref().map(version_view).transpose()
}

/// Sample rows as everybody sees them. Intake tokens are the same in all data sets, so what is shown has tokens of this data
/// set's sample alone: neither two samples nor a sample and a scenario can be linked by them.
fn shown(
    mut rows: Vec<SampleRow>,
    dataset: &DatasetFacts,
    root: &masking::RootKey,
) -> Vec<SampleRow> {
    let purpose = format!("sample of {}", dataset.id);
    for column in &dataset.columns {
        let Some(domain) = &column.token else {
            continue;
        };
        let key = root.scenario(&purpose, domain, plan::STANDING_EPOCH);
        for row in &mut rows {
            if let Some(serde_json::Value::String(token)) = row.get_mut(&column.name) {
                *token = key.token(token.as_bytes());
            }
        }
    }
    rows
}

async fn newest_sample(
    conn: &mut AnyConnection,
    dataset: DatasetId,
) -> Result<Vec<SampleRow>, Error> {
    let row = sqlx::query(
        "SELECT sample FROM dataset_versions WHERE dataset_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(dataset.to_string())
    .fetch_one(conn)
    .await
    .map_err(|source| storage_error("read a sample", source))?;
    document::column(&row, "sample")
}

async fn require_provider(conn: &mut AnyConnection, provider: OrganisationId) -> Result<(), Error> {
    let row = sqlx::query("SELECT kind FROM organisations WHERE id = $1")
        .bind(provider.to_string())
        .fetch_optional(conn)
        .await
        .map_err(|source| storage_error("read an organisation", source))?;
    let kind: Option<String> = row
        .map(|row| row.try_get("kind"))
        .transpose()
        .map_err(|source| storage_error("read an organisation", source))?;
    match kind.as_deref() {
        Some("provider") => Ok(()),
        Some(_) => Err(Error::invalid(
            "provider_kind",
            "该组织不是数据提供方。",
            "the organisation is no provider.",
        )),
        None => Err(Error::not_found(
            "没有该提供方组织。",
            "there is no such provider organisation.",
        )),
    }
}

fn stored(row: &AnyRow) -> Result<DatasetFacts, Error> {
    let classes: String = document::text(row, "classes")?;
    Ok(DatasetFacts {
        id: document::id(row, "id")?,
        entry: document::column(row, "entry")?,
        policy_revision: document::count(row, "policy_revision")?,
        version_number: document::count(row, "version_number")?,
        columns: Vec::new(),
        classes: if classes.is_empty() {
            Vec::new()
        } else {
            document::read("read a data set", &classes)?
        },
        version: None,
        created_at: timestamp(document::integer(row, "created_at")?),
    })
}

pub(crate) fn version_view(row: &AnyRow) -> Result<VersionView, Error> {
    let manifest: VersionManifest = document::column(row, "manifest")?;
    Ok(VersionView {
        id: document::id(row, "id")?,
        dataset: manifest.dataset.clone(),
        number: document::count(row, "number")?,
        push: document::id(row, "push_id")?,
        sha256: document::text(row, "sha256")?,
        bytes: document::count(row, "bytes")?,
        rows: document::count(row, "rows_total")?,
        deidentification_level: manifest.deidentification_level,
        columns: manifest.columns.clone(),
        manifest_sha256: document::text(row, "manifest_sha256")?,
        leaf: document::count(row, "leaf")?,
        created_at: timestamp(document::integer(row, "created_at")?),
        manifest,
    })
}

fn taken_or(operation: &'static str, source: sqlx::Error) -> Error {
    if is_unique_violation(&source) {
        return Error::conflict(
            "dataset_exists",
            "目录中已有同名数据集。",
            "the catalogue already has a data set of that name.",
        );
    }
    storage_error(operation, source)
}
