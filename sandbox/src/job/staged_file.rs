//! From a version's file to the file that a run may see: granted columns, filtered rows, the
//! scenario's tokens. A pure function; its result is a function of its arguments alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{
    SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use bytes::Bytes;
use masking::TokenKey;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use review::UNIT_COLUMN;

/// Rows of a row group: enough to scan fast, few enough that two readers share a small table.
const ROW_GROUP_ROWS: usize = 65_536;

/// What is to be staged from one table.
pub(crate) struct StageOrder {
    /// Columns that the program reads, in this order.
    pub(crate) columns: Vec<String>,
    /// Keys of the columns among them that hold intake tokens.
    pub(crate) tokens: BTreeMap<String, TokenKey>,
    /// Only rows where this predicate is true.
    pub(crate) row_filter: Option<String>,
    /// Whether the unit's number goes along, for the engine alone.
    pub(crate) control: bool,
    /// Rows at most, counted after the filter; samples are short.
    pub(crate) rows_max: Option<usize>,
}

/// Why a table could not be staged. No variant quotes a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// The version's file is not what intake wrote.
    #[error("cannot read the version's file")]
    Read(#[source] ParquetError),
    /// The file has no such column.
    #[error("the version has no column {0:?}")]
    ColumnMissing(String),
    /// A column that should hold tokens does not hold text.
    #[error("cannot make tokens of column {0:?}")]
    Tokens(String),
    /// The scenario's row filter does not apply to this version.
    #[error("the row filter does not apply to this version")]
    RowFilter,
    /// A batch could not be computed.
    #[error("cannot compute a batch")]
    Batch(#[source] ArrowError),
    /// The staged file could not be encoded.
    #[error("cannot encode the staged file")]
    Write(#[source] ParquetError),
}

/// The staged Parquet file of a version's Parquet file.
pub(crate) fn stage_parquet(version: Bytes, order: &StageOrder) -> Result<Vec<u8>, StageError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(version).map_err(StageError::Read)?;
    // Staged once even when the file has no rows, so that the staged file has its columns.
    let none = RecordBatch::new_empty(Arc::clone(builder.schema()));
    let rows = row_filter(order, builder.schema())?;
    let mut batches = vec![stage_batch(&none, order, &rows)?];
    for batch in builder.build().map_err(StageError::Read)? {
        batches.push(stage_batch(
            &batch.map_err(StageError::Batch)?,
            order,
            &rows,
        )?);
    }
    write(batches, order)
}

/// The staged Parquet file of a batch in memory: a sample.
pub(crate) fn stage_batch_of(
    source: &RecordBatch,
    order: &StageOrder,
) -> Result<Vec<u8>, StageError> {
    let rows = row_filter(order, &source.schema())?;
    write(vec![stage_batch(source, order, &rows)?], order)
}

type RowFilter = Box<dyn Fn(&RecordBatch) -> Result<RecordBatch, StageError>>;

/// The filter of an order, bound to the columns that it may name: all but the control column.
fn row_filter(order: &StageOrder, schema: &Schema) -> Result<RowFilter, StageError> {
    let Some(predicate) = &order.row_filter else {
        return Ok(Box::new(|batch| Ok(batch.clone())));
    };
    let fields = schema
        .fields()
        .iter()
        .filter(|field| field.name() != UNIT_COLUMN);
    let named = Schema::new(
        fields
            .map(|field| field.as_ref().clone())
            .collect::<Vec<_>>(),
    );
    let predicate =
        review::parse_row_filter(predicate, &named).map_err(|_| StageError::RowFilter)?;
    Ok(Box::new(move |batch| {
        let mask = review::row_filter_mask(&predicate, batch).map_err(|_| StageError::RowFilter)?;
        filter_record_batch(batch, &mask).map_err(StageError::Batch)
    }))
}

fn stage_batch(
    batch: &RecordBatch,
    order: &StageOrder,
    rows: &RowFilter,
) -> Result<RecordBatch, StageError> {
    let filtered = rows(batch)?;
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for name in &order.columns {
        let column = column(&filtered, name)?;
        let column = match order.tokens.get(name) {
            Some(key) => {
                scenario_tokens(key, &column).ok_or_else(|| StageError::Tokens(name.clone()))?
            }
            None => column,
        };
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    if order.control {
        let units = column(&filtered, UNIT_COLUMN)?;
        if units.data_type() != &DataType::UInt32 || units.null_count() > 0 {
            return Err(StageError::ColumnMissing(UNIT_COLUMN.to_owned()));
        }
        fields.push(Field::new(UNIT_COLUMN, DataType::UInt32, false));
        columns.push(units);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(filtered.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(StageError::Batch)
}

/// The scenario's tokens of intake tokens. They are taken as they are: a token is nobody's number any
/// more, so there is no canonical form to bring it to.
fn scenario_tokens(key: &TokenKey, column: &ArrayRef) -> Option<ArrayRef> {
    let intake = column.as_string_opt::<i32>()?;
    let tokens: StringArray = intake
        .iter()
        .map(|token| token.map(|token| key.token(token.as_bytes())))
        .collect();
    Some(Arc::new(tokens))
}

fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, StageError> {
    batch
        .column_by_name(name)
        .cloned()
        .ok_or_else(|| StageError::ColumnMissing(name.to_owned()))
}

fn write(batches: Vec<RecordBatch>, order: &StageOrder) -> Result<Vec<u8>, StageError> {
    let schema: SchemaRef = match batches.first() {
        Some(batch) => batch.schema(),
        None => {
            return Err(StageError::Batch(ArrowError::SchemaError(
                "no batches".to_owned(),
            )));
        }
    };
    let whole = concat_batches(&schema, &batches).map_err(StageError::Batch)?;
    drop(batches);
    let sorted = sort(&whole, order.control).map_err(StageError::Batch)?;
    let kept = match order.rows_max {
        Some(rows) if rows < sorted.num_rows() => sorted.slice(0, rows),
        _ => sorted,
    };
    let properties = WriterProperties::builder()
        // Read many times from memory, written once: decoding speed counts, not size.
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(StageError::Write)?;
    writer.write(&kept).map_err(StageError::Write)?;
    writer.into_inner().map_err(StageError::Write)
}

/// Orders the rows so that their order says nothing which their content does not: a unit's rows
/// side by side where the engine needs that, by content alone where a guest sees the file. A guest
/// would otherwise read from the neighbourhood which rows speak of one person.
fn sort(batch: &RecordBatch, by_unit: bool) -> Result<RecordBatch, ArrowError> {
    let indices = match batch.column_by_name(UNIT_COLUMN) {
        Some(units) if by_unit => {
            let units = units.as_primitive::<UInt32Type>();
            let mut order: Vec<(u32, u32)> = units.values().iter().copied().zip(0_u32..).collect();
            order.sort_unstable();
            UInt32Array::from_iter_values(order.into_iter().map(|(_, row)| row))
        }
        _ => {
            let columns: Vec<SortColumn> = batch
                .columns()
                .iter()
                .filter(|column| sortable(column.data_type()))
                .map(|column| SortColumn {
                    values: Arc::clone(column),
                    options: None,
                })
                .collect();
            if columns.is_empty() {
                return Ok(batch.clone());
            }
            lexsort_to_indices(&columns, None)?
        }
    };
    take_record_batch(batch, &indices)
}

fn sortable(data_type: &DataType) -> bool {
    data_type.is_primitive()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean
        )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use arrow::array::Int64Array;
    use arrow::datatypes::Int64Type;
    use masking::{RootKey, ValueDomain};

    use super::*;

    fn version() -> RecordBatch {
        let person = ValueDomain::parse("person-id").unwrap();
        let intake = RootKey::from_bytes([1; 32]).intake(&person, 1);
        let token = |name: &str| intake.token(name.as_bytes());
        let tokens = StringArray::from(vec![token("a"), token("b"), token("a"), token("c")]);
        RecordBatch::try_from_iter(vec![
            ("person", Arc::new(tokens) as ArrayRef),
            (
                "cost",
                Arc::new(Int64Array::from(vec![Some(40), Some(10), None, Some(20)])),
            ),
            (
                "secret",
                Arc::new(StringArray::from(vec!["w", "x", "y", "z"])),
            ),
            (UNIT_COLUMN, Arc::new(UInt32Array::from(vec![7, 3, 7, 5]))),
        ])
        .unwrap()
    }

    fn order(columns: &[&str], control: bool) -> StageOrder {
        let person = ValueDomain::parse("person-id").unwrap();
        let key = RootKey::from_bytes([1; 32]).scenario("scenario", &person, 1);
        StageOrder {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            tokens: BTreeMap::from([("person".to_owned(), key)]),
            row_filter: None,
            control,
            rows_max: None,
        }
    }

    fn read(file: Vec<u8>) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
        let schema = Arc::clone(reader.schema());
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    #[test]
    fn the_engine_gets_units_in_order_and_nothing_that_was_not_granted() {
        let staged = read(stage_batch_of(&version(), &order(&["cost", "person"], true)).unwrap());
        let schema = staged.schema();
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(names, ["cost", "person", UNIT_COLUMN]);
        let units = staged.column(2).as_primitive::<UInt32Type>();
        assert_eq!(units.values(), &[3, 5, 7, 7]);
        let costs: Vec<_> = staged
            .column(0)
            .as_primitive::<Int64Type>()
            .iter()
            .collect();
        assert_eq!(costs, [Some(10), Some(20), Some(40), None]);
    }

    #[test]
    fn tokens_are_the_scenarios_own_and_still_join() {
        let raw = version();
        let staged = read(stage_batch_of(&raw, &order(&["person"], true)).unwrap());
        let before = raw.column(0).as_string::<i32>();
        let after = staged.column(0).as_string::<i32>();
        for token in after {
            assert!(
                before.iter().all(|intake| intake != token),
                "an intake token was staged"
            );
        }
        assert_eq!(after.value(2), after.value(3), "one person, two tokens");
        assert_ne!(after.value(0), after.value(1));
    }

    #[test]
    fn a_guest_gets_rows_ordered_by_what_it_sees() {
        let (one, mut other) = (version(), version());
        let reversed = UInt32Array::from(vec![3, 2, 1, 0]);
        other = take_record_batch(&other, &reversed).unwrap();
        let columns = ["cost", "person"];
        let one = stage_batch_of(&one, &order(&columns, false)).unwrap();
        let other = stage_batch_of(&other, &order(&columns, false)).unwrap();
        assert_eq!(one, other, "the order of the source shows through");
        let staged = read(one);
        assert!(staged.column_by_name(UNIT_COLUMN).is_none());
        assert_eq!(staged.num_rows(), 4);
    }

    #[test]
    fn a_missing_column_is_named_and_a_program_without_columns_keeps_its_rows() {
        let missing = stage_batch_of(&version(), &order(&["wage"], true));
        assert!(matches!(missing, Err(StageError::ColumnMissing(name)) if name == "wage"));
        let counted = read(stage_batch_of(&version(), &order(&[], true)).unwrap());
        assert_eq!(counted.num_rows(), 4);
    }

    #[test]
    fn the_row_filter_keeps_rows_that_are_true_and_drops_nulls() {
        let mut filtered = order(&["cost"], true);
        filtered.row_filter = Some("cost > 15".to_owned());
        let staged = read(stage_batch_of(&version(), &filtered).unwrap());
        let costs: Vec<_> = staged
            .column(0)
            .as_primitive::<Int64Type>()
            .iter()
            .collect();
        assert_eq!(costs, [Some(20), Some(40)]);
    }
}
