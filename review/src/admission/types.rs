//! What a governed plan says about itself: types that travel as JSON beside the plan's bytes.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// The types that may leave. Narrower types are widened in the governed plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `Boolean`
    Boolean,
    /// `Int32`
    Int32,
    /// `Int64`
    Int64,
    /// `Float64`
    Float64,
    /// `Utf8`
    Utf8,
    /// `Date32`
    Date32,
    /// `Timestamp(Microsecond, None)`
    TimestampMicros,
}

impl ColumnType {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Utf8 => DataType::Utf8,
            Self::Date32 => DataType::Date32,
            Self::TimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The type that an Arrow type leaves as, or none when it does not leave.
    pub fn releasing(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Int64,
            DataType::UInt64
            | DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _) => Self::Float64,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Utf8,
            DataType::Date32 => Self::Date32,
            DataType::Timestamp(_, None) => Self::TimestampMicros,
            DataType::Dictionary(_, value) => Self::releasing(value)?,
            _ => return None,
        })
    }
}

/// A proved program: what runs, and everything that inspection needs to know about its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Governed {
    /// The plan as `datafusion-proto` bytes; scans are by name (see [`crate::SCAN_PREFIX`]).
    #[serde(with = "crate::hex_bytes")]
    pub plan: Vec<u8>,
    /// SHA-256 of the plan's bytes in hex.
    pub plan_digest: String,
    /// Tables that it reads.
    pub tables: Vec<TableUse>,
    /// Layout of its raw output.
    pub cells: CellLayout,
    /// Steps on the released table.
    pub post: PostSteps,
    /// Columns of the released table.
    pub output: Vec<OutputColumn>,
    /// Where the output columns come from.
    pub lineage: Vec<ColumnLineage>,
}

/// The answer to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// The program is inside the scope.
    Admitted(Box<Governed>),
    /// It is not, or that could not be proved.
    Refused(Vec<Finding>),
}

/// Limits on a program before anything is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqlLimits {
    /// Bytes of the text: what a person writes, with room for long `IN` lists.
    pub sql_bytes: usize,
    /// Tokens without white space and comments: bounds the planner's work and stack.
    pub tokens: usize,
    /// Nesting of brackets and of the parser.
    pub depth: usize,
    /// Tables after views and `WITH` are put in place: joins multiply work.
    pub tables: usize,
    /// Columns of the result.
    pub columns_out: usize,
    /// Nodes of expressions that stand for columns of subqueries and for aliases: a text can name them
    /// so that each layer doubles the last. A text without layers has fewer nodes than tokens.
    pub nodes: usize,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            sql_bytes: 65_536,
            tokens: 4_096,
            depth: 64,
            tables: 8,
            columns_out: 64,
            nodes: 32_768,
        }
    }
}

/// A table that a governed plan reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableUse {
    /// Name of the table in the scope, and of the scan in the plan.
    pub table: String,
    /// Columns that the plan reads, without the control column.
    pub columns: Vec<String>,
    /// Whether the plan reads the control column `__egret_unit` too.
    pub control: bool,
}

/// How the raw output of a governed plan is laid out: group columns, then aggregates, then control
/// columns. Positions count from 0 over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellLayout {
    /// What the cells are grouped by.
    pub groups: Vec<GroupColumn>,
    /// What is computed per cell.
    pub aggregates: Vec<AggregateColumn>,
    /// One per table with a privacy unit: the set of units of the cell.
    pub universes: Vec<UniverseColumn>,
    /// Folded holdings of the cell, one per universe and controlled argument.
    pub holdings: Vec<HoldingsColumn>,
    /// Position of the plain row count of the cell.
    pub rows_position: usize,
    /// Columns that filters pin to literal values: column to its possible values. Two cells whose
    /// values for one column do not meet have no row in common.
    pub pinned: Vec<PinnedColumn>,
    /// Sensitive columns that filters, joins or groups select by, as `dataset.column`.
    #[serde(default)]
    pub sensitive: Vec<String>,
    /// Whether anything else selects rows: a filter on another column, or a join.
    #[serde(default)]
    pub narrowed: bool,
    /// Positions of the units around the cell, one per universe: whom it would hold without its sensitive conditions.
    /// None when nothing sensitive selects rows.
    #[serde(default)]
    pub around: Vec<usize>,
}

/// A column of the only table with units that the filters pin to literal values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedColumn {
    /// `dataset.column`
    pub column: String,
    /// Possible values, as canonical text.
    pub values: Vec<String>,
}

/// A group column of the raw output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupColumn {
    /// `table.column` of the dimension.
    pub source: String,
    /// Its type in the raw output.
    pub data_type: ColumnType,
    /// Whether its categories are sensitive, or follow from sensitive ones by a join.
    pub sensitive: bool,
    /// Whether the column comes from a table of the tenant.
    pub private: bool,
    /// `dataset.column` when a value of this group is that column's value in every row of the cell.
    pub pins: Option<String>,
}

/// What an aggregate computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateKind {
    /// `count(*)`
    CountRows,
    /// `count(x)`
    Count,
    /// `count(distinct key)`
    CountDistinct,
    /// `sum(x)`
    Sum,
    /// `avg(x)`
    Avg,
    /// Standard deviation, of the sample or the population.
    Stddev,
    /// Variance, of the sample or the population.
    Variance,
}

impl AggregateKind {
    /// Whether the result is a count and is rounded to a base.
    pub fn counts(self) -> bool {
        matches!(self, Self::CountRows | Self::Count | Self::CountDistinct)
    }

    /// The type of its column in the raw output.
    pub fn column_type(self) -> ColumnType {
        if self.counts() {
            ColumnType::Int64
        } else {
            ColumnType::Float64
        }
    }
}

/// An aggregate of the raw output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateColumn {
    /// What it computes.
    pub kind: AggregateKind,
    /// `table.column` of its argument, `*` for rows.
    pub argument: String,
    /// Holdings that must pass for it: indices into [`CellLayout::holdings`].
    pub holdings: Vec<usize>,
}

/// The units of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniverseColumn {
    /// Name of the universe: that of the value domain whose units are numbered together.
    pub universe: String,
    /// The data set's name in the catalogue: rows of different data sets are different rows.
    pub dataset: String,
    /// Position of the bitmap in the raw output.
    pub position: usize,
}

/// Folded holdings of one argument in one universe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldingsColumn {
    /// What is held: `rows`, or `known:`, `missing:`, `value:` or `square:` and `table.column`.
    pub held: String,
    /// Index into [`CellLayout::universes`].
    pub universe: usize,
    /// Position in the raw output.
    pub position: usize,
}

/// A column of the released table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputColumn {
    /// Its name, fixed before execution.
    pub name: String,
    /// Its type, fixed before execution.
    pub data_type: ColumnType,
}

/// Where the values of an output column come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnLineage {
    /// Name of the output column.
    pub output: String,
    /// `table.column`, sorted.
    pub inputs: Vec<String>,
}

/// Steps on the released table, in order. They see rounded values of cells that passed, so they
/// can give nothing away that the table does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostSteps {
    /// The steps.
    pub steps: Vec<PostStep>,
}

/// One step. Expressions are encoded DataFusion expressions over columns named `c0`, `c1`, … of the
/// step's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PostStep {
    /// Keeps rows where the predicate is true.
    Filter {
        /// The predicate.
        #[serde(with = "crate::hex_bytes")]
        predicate: Vec<u8>,
    },
    /// Computes new columns.
    Project {
        /// The columns.
        columns: Vec<PostColumn>,
    },
    /// Orders the rows.
    Sort {
        /// The keys, most significant first.
        keys: Vec<SortKey>,
        /// Rows that are kept after sorting.
        fetch: Option<u64>,
    },
    /// Keeps some rows.
    Limit {
        /// Rows that are left out first.
        skip: u64,
        /// Rows that are kept.
        fetch: Option<u64>,
    },
}

/// A computed column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostColumn {
    /// The expression.
    #[serde(with = "crate::hex_bytes")]
    pub expression: Vec<u8>,
    /// Type that the result is cast to.
    pub data_type: ColumnType,
}

/// A sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SortKey {
    /// The expression.
    #[serde(with = "crate::hex_bytes")]
    pub expression: Vec<u8>,
    /// Smallest first.
    pub ascending: bool,
    /// Nulls before all others.
    pub nulls_first: bool,
}
