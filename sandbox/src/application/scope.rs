//! What programs under a grant can name, and where the bytes behind each name are.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use masking::ValueDomain;
use review::{PrivateTable, Scope};
use sqlx::AnyConnection;

use super::ActiveGrant;
use crate::catalogue::{dataset_facts, version_schema};
use crate::error::Error;
use crate::id::{DatasetId, PrivateDatasetId, VersionId};
use crate::private;

/// What admission proves against, and what staging reads.
#[derive(Clone, Debug)]
pub(crate) struct GrantScope {
    pub(crate) scope: Scope,
    /// One for each table of the scope, in its order.
    pub(crate) sources: Vec<TableSource>,
}

/// Where a table's rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableSource {
    /// Name in SQL.
    pub(crate) table: String,
    pub(crate) origin: Origin,
    /// The object in the area of versions.
    pub(crate) object_key: String,
    /// SHA-256 of the file before encryption: staging is cached by it.
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// All columns of the file but control columns.
    pub(crate) schema: SchemaRef,
    /// Columns of the file that hold intake tokens, with their value domains.
    pub(crate) tokens: BTreeMap<String, ValueDomain>,
    /// Epoch of the intake key that made the tokens.
    pub(crate) intake_epoch: u32,
    /// Rows for which this is true are staged.
    pub(crate) row_filter: Option<String>,
    /// Value domain of the unit; the file then has the control column.
    pub(crate) unit: Option<ValueDomain>,
}

/// Whose rows they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A version of a data set in the catalogue.
    Dataset {
        /// The data set.
        dataset: DatasetId,
        /// Its name.
        name: String,
        /// The version.
        version: VersionId,
        /// The version's number.
        number: u64,
        /// SHA-256 of the version's manifest.
        manifest_sha256: String,
        /// Position of the version's leaf.
        leaf: u64,
    },
    /// A private data set of the tenant.
    Private {
        /// The private data set.
        id: PrivateDatasetId,
    },
}

/// The scope of a grant with the newest versions of its data sets and the tenant's own data.
///
/// # Errors
/// Conflict when a data set has no version yet; invalid with findings when the newest version does
/// not fit the contract any more.
pub(crate) async fn grant_scope(
    conn: &mut AnyConnection,
    grant: &ActiveGrant,
) -> Result<GrantScope, Error> {
    let mut schemas = BTreeMap::new();
    let mut universes = BTreeMap::new();
    let mut sources = Vec::new();
    for table in &grant.contract.tables {
        let dataset = dataset_facts(&mut *conn, &table.dataset).await?;
        schemas.insert(table.dataset.clone(), dataset.schema());
        let Some(version) = dataset.version else {
            let name = &table.dataset;
            return Err(Error::conflict(
                "dataset_without_version",
                format!("数据集 {name} 还没有版本。"),
                format!("data set {name} has no version yet."),
            ));
        };
        let columns = version.columns.iter();
        let tokens = columns
            .filter_map(|c| Some((c.name.clone(), c.token.clone()?)))
            .collect();
        sources.push(TableSource {
            table: table.name.clone(),
            origin: Origin::Dataset {
                dataset: dataset.id,
                name: dataset.entry.name,
                version: version.id,
                number: version.number,
                manifest_sha256: version.manifest_sha256,
                leaf: version.leaf,
            },
            object_key: version.id.to_string(),
            sha256: version.sha256,
            bytes: version.bytes,
            rows: version.rows,
            schema: version_schema(&version.columns),
            tokens,
            intake_epoch: version.manifest.epoch,
            row_filter: table.row_filter.clone(),
            unit: version.manifest.unit.map(|unit| unit.value_domain),
        });
        if let Some(universe) = version.manifest.universe {
            universes.insert(table.name.clone(), universe.name);
        }
    }
    let mut brought = Vec::new();
    for dataset in private::written(conn, grant.id).await? {
        let schema = dataset.schema();
        let tokens = dataset.tokens();
        brought.push(PrivateTable {
            name: dataset.name.clone(),
            schema: SchemaRef::clone(&schema),
            keys: tokens
                .iter()
                .map(|(name, domain)| (name.clone(), Some(domain.as_str().to_owned())))
                .collect(),
        });
        sources.push(TableSource {
            table: dataset.name,
            origin: Origin::Private { id: dataset.id },
            object_key: dataset.object_key,
            sha256: dataset.sha256,
            bytes: dataset.bytes,
            rows: dataset.rows,
            schema,
            tokens,
            intake_epoch: dataset.intake_epoch,
            row_filter: None,
            unit: None,
        });
    }
    let mut scope = Scope::new(grant.contract.clone(), &schemas, brought).map_err(|findings| {
        Error::invalid(
            "scope_invalid",
            "场景与数据集当前版本不符。",
            "the scenario does not fit the newest versions of its data sets.",
        )
        .with_findings(findings)
    })?;
    for table in scope.tables.iter_mut().filter(|table| table.unit.is_some()) {
        table.universe = universes.remove(&table.name);
    }
    Ok(GrantScope { scope, sources })
}
