//! What modules offer to a query, and what came of admission.

use serde::{Deserialize, Serialize};

use crate::admission::types::{ColumnType, OutputColumn, TableUse};
use crate::finding::Finding;

/// A module whose functions a query may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryModule {
    /// What stands before the dot.
    pub name: String,
    /// What it offers.
    pub functions: Vec<QueryFunction>,
}

/// A function of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryFunction {
    /// One value for each row.
    Scalar {
        /// Its name.
        name: String,
        /// What it takes.
        arguments: Vec<ColumnType>,
        /// What it answers.
        returns: ColumnType,
    },
    /// One value for each group.
    Aggregate {
        /// Its name.
        name: String,
        /// What it takes.
        arguments: Vec<ColumnType>,
        /// What it answers.
        returns: ColumnType,
    },
    /// Rows.
    Table {
        /// Its name.
        name: String,
        /// The columns of each table that it reads; a call names the tables first.
        inputs: Vec<Vec<OutputColumn>>,
        /// The constants that it takes after them.
        arguments: Vec<ColumnType>,
        /// What it answers.
        columns: Vec<OutputColumn>,
    },
}

impl QueryFunction {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar { name, .. } | Self::Aggregate { name, .. } | Self::Table { name, .. } => {
                name
            }
        }
    }
}

impl QueryModule {
    /// Its functions as a query calls them.
    pub(super) fn qualified(&self) -> impl Iterator<Item = String> {
        let named = self.functions.iter();
        named.map(|function| format!("{}.{}", self.name, function.name()))
    }
}

/// A query with functions of modules: what runs, what it reads and what comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewedQuery {
    /// The plan as `datafusion-proto` bytes; scans and calls of table functions are by name.
    #[serde(with = "crate::hex_bytes")]
    pub plan: Vec<u8>,
    /// SHA-256 of the plan's bytes in hex.
    pub plan_digest: String,
    /// Tables that it reads, without control columns.
    pub tables: Vec<TableUse>,
    /// The functions that it calls, `module.function`.
    pub functions: Vec<String>,
    /// Columns of its result.
    pub output: Vec<OutputColumn>,
}

/// The answer to such a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewedAdmission {
    /// It may run; people decide about its result.
    Admitted(Box<ReviewedQuery>),
    /// It may not.
    Refused(Vec<Finding>),
}
