//! What is allowed: the scenario as an executable contract, admission of a program, inspection of a
//! result.
//!
//! ```text
//! Contract ──► Scope ──► admit_sql ──► Governed ──(runs in the jail)──► inspect ──► Permit
//! ```
//!
//! - [`Contract`] is what reviewers approve once: tables, columns with a role each, output rules.
//! - [`Scope`] is a contract with real column types and the tenant's private tables.
//! - [`admit_sql`] proves that one SQL text lies inside the scope and answers a [`Governed`] plan,
//!   which carries the control columns that egress needs, or findings that say what would pass.
//! - `inspect` reads the untrusted output of a run and decides cell by cell what may leave.
//! - [`Permit`] is the right to write released bytes; it is only ever derived from stored decisions.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use arrow::datatypes::{DataType, Field, Schema};
//! use review::{Admission, Contract, Scope, SqlLimits, admit_sql};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let contract = Contract::from_toml(r#"
//!     purpose = "charges by plan"
//!     industry = "卫生健康"
//!     term_days = 90
//!     refusals_max = 20
//!     operations = { sql = true, wasm = false }
//!     [[tables]]
//!     name = "claims"
//!     dataset = "health_claims"
//!     unit = "person-id"
//!     columns = [
//!         { name = "person", role = "key", value_domain = "person-id" },
//!         { name = "plan", role = "dimension" },
//!         { name = "charges", role = "measure" },
//!     ]
//! "#)?;
//! let claims = Schema::new(vec![
//!     Field::new("person", DataType::Utf8, false),
//!     Field::new("plan", DataType::Utf8, true),
//!     Field::new("charges", DataType::Float64, true),
//!     Field::new("salary", DataType::Float64, true),
//! ]);
//! let datasets = BTreeMap::from([("health_claims".to_owned(), Arc::new(claims))]);
//! let scope = Scope::new(contract, &datasets, Vec::new()).map_err(|f| format!("{f:?}"))?;
//! let limits = SqlLimits::default();
//!
//! let admitted = admit_sql("select plan, avg(charges) from claims group by plan", &scope, &limits);
//! assert!(matches!(admitted, Admission::Admitted(_)));
//!
//! let refused = admit_sql("select avg(salary) from claims", &scope, &limits);
//! let Admission::Refused(findings) = refused else { return Err("admitted".into()) };
//! assert_eq!(findings[0].rule, "column_outside_scenario");
//! assert_eq!(findings[0].place.map(|place| place.column), Some(12));
//! # Ok(())
//! # }
//! ```
//!
//! What this crate does **not** do: it stores nothing, starts no process, opens no file, knows no
//! clock and no key. A refusal depends on the program and the scenario, never on the data.

mod admission;
mod contract;
mod egress;
mod expression;
mod finding;
mod hex_bytes;
mod names;
mod permit;
mod row_filter;
#[cfg(test)]
mod sample;
mod scope;
mod text;

pub use admission::{
    Admission, AggregateColumn, AggregateKind, CellLayout, ColumnLineage, ColumnType, Governed,
    GroupColumn, HoldingsColumn, OutputColumn, PinnedColumn, PostColumn, PostStep, PostSteps,
    QueryFunction, QueryModule, ReviewedAdmission, ReviewedQuery, SortKey, SqlLimits, TableUse,
    UniverseColumn, admit_reviewed, admit_sql,
};
pub use contract::{
    ColumnRole, ColumnScope, Contract, ContractError, Operations, OutputRules, TableScope,
};
pub use egress::{
    Decision, EarlierCell, InspectKind, InspectRequest, Inspection, Preview, ReleasedCell, inspect,
};
pub use finding::{Finding, Severity, Span};
pub use permit::{Basis, NoPermit, Permit, StoredDecision, Vote};
pub use row_filter::{RowFilterError, parse_row_filter, row_filter_mask};
pub use scope::{PrivateTable, Scope, Table};

/// Name of the control column of a staged file: the dense number of the privacy unit, `UInt32`,
/// never null. No program can name it.
pub const UNIT_COLUMN: &str = "__egret_unit";
/// Control aggregate: the set of distinct units of a cell, as a portable Roaring bitmap.
pub const UNITS_FUNCTION: &str = "egret_units";
/// Control aggregate: the folded holdings of a cell.
pub const HOLDINGS_FUNCTION: &str = "egret_holdings";
/// What precedes the table name in the encoded scan of a governed plan.
pub const SCAN_PREFIX: &str = "egret-scan:";
/// What precedes the call of a module's table function in a plan, a JSON document.
pub const CALL_PREFIX: &str = "egret-call:";
