//! Admission: one SQL text becomes a governed plan, or findings that say what would pass.

mod types;

pub use types::{
    Admission, AggregateColumn, AggregateKind, CellLayout, ColumnLineage, ColumnType, Governed,
    GroupColumn, HoldingsColumn, OutputColumn, PinnedColumn, PostColumn, PostStep, PostSteps,
    SortKey, SqlLimits, TableUse, UniverseColumn,
};
