//! The proved program: the small form that is left when every rule holds.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use super::types::{AggregateKind, ColumnType, PinnedColumn};

/// A proved program, ready to be governed.
pub(super) struct Query {
    pub(super) scans: Vec<Scan>,
    pub(super) joins: Vec<Equality>,
    pub(super) groups: Vec<Group>,
    pub(super) aggregates: Vec<Aggregated>,
    pub(super) pinned: Vec<PinnedColumn>,
}

/// One scan with its own filters.
pub(super) struct Scan {
    /// Position in the scope.
    pub(super) table: usize,
    /// Filters over this scan's columns alone.
    pub(super) filters: Vec<Expr>,
}

/// An equality that joins two scans.
pub(super) struct Equality {
    /// Scan and expression of the one side; the expression may widen the column's type.
    pub(super) left: (usize, Expr),
    /// The other side.
    pub(super) right: (usize, Expr),
    /// Whether the categories of either side are sensitive.
    pub(super) sensitive: bool,
}

/// What the cells are grouped by.
pub(super) struct Group {
    pub(super) expr: Expr,
    pub(super) scan: usize,
    pub(super) data_type: ColumnType,
    pub(super) sensitive: bool,
    /// `dataset.column` when the group is that column of the only table with units.
    pub(super) pins: Option<String>,
    /// `table.column` of every column in it.
    pub(super) source: String,
}

/// An aggregate.
pub(super) struct Aggregated {
    pub(super) kind: AggregateKind,
    /// Of the whole population rather than a sample, for deviations and variances.
    pub(super) population: bool,
    pub(super) argument: Option<Argument>,
}

/// The column that an aggregate takes.
pub(super) struct Argument {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
    /// `table.column`
    pub(super) source: String,
    /// Whether it is the key of the privacy unit of its table.
    pub(super) unit_key: bool,
}
