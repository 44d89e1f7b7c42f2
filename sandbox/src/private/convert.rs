//! An upload becomes the file that is kept: read, its key column made tokens, written.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use masking::TokenKey;
use review::{Finding, Severity};

use crate::catalogue::{Column, PrivacyUnit, arrow_schema};
use crate::error::Error;
use crate::intake::{DataFormat, IntakeLimits, ObjectSink, ReadError, Reader, both};
use crate::mask_key::EpochKey;
use crate::objects::ObjectFile;

/// Problems that an answer names.
const PROBLEMS_SHOWN: usize = 20;

/// Reads, tokenises and writes; runs on a thread of its own and holds one batch.
pub(super) fn convert(
    file: ObjectFile,
    format: DataFormat,
    columns: &[Column],
    unit: Option<&PrivacyUnit>,
    intake: &EpochKey,
    limits: &IntakeLimits,
    mut sink: ObjectSink,
) -> Result<u64, Error> {
    let schema = kept_schema(columns, unit);
    let key = unit.and_then(|unit| {
        let index = columns
            .iter()
            .position(|column| column.name == unit.column)?;
        Some((index, intake.root.intake(&unit.value_domain, intake.epoch)))
    });
    let failed = |source| Error::internal("write private data", source);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer =
        ArrowWriter::try_new(&mut sink, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    let mut reader = Reader::open(file, format, None, columns, limits).map_err(unreadable)?;
    let (mut rows, mut problems) = (0_u64, Vec::new());
    while let Some(typed) = reader.next_batch().map_err(unreadable)? {
        rows += u64::try_from(typed.batch.num_rows()).unwrap_or(0);
        problems.extend(typed.problems);
        if problems.len() > PROBLEMS_SHOWN {
            break;
        }
        let batch = with_tokens(&typed.batch, &schema, key.as_ref())?;
        writer.write(&batch).map_err(failed)?;
    }
    if !problems.is_empty() {
        return Err(wrong_values(&problems));
    }
    if rows == 0 {
        return Err(Error::invalid(
            "no_rows",
            "数据没有行。",
            "the data have no rows.",
        ));
    }
    writer.close().map_err(failed)?;
    sink.finish()
        .map_err(|source| Error::internal("write private data", source))?;
    Ok(rows)
}

fn with_tokens(
    batch: &RecordBatch,
    schema: &SchemaRef,
    key: Option<&(usize, TokenKey)>,
) -> Result<RecordBatch, Error> {
    let mut columns = batch.columns().to_vec();
    if let Some((index, key)) = key
        && let Some(column) = columns.get_mut(*index)
    {
        *column = key
            .tokenise(column.as_ref())
            .map_err(|source| Error::internal("make tokens of private data", source))?;
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|source| Error::internal("make tokens of private data", source))
}

pub(super) fn kept_schema(columns: &[Column], unit: Option<&PrivacyUnit>) -> SchemaRef {
    let plain = arrow_schema(columns);
    let fields = plain.fields().iter().map(|field| match unit {
        Some(unit) if unit.column == *field.name() => {
            Field::new(&unit.column, DataType::Utf8, true)
        }
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn unreadable(error: ReadError) -> Error {
    match error {
        ReadError::Source(source) => Error::unavailable(
            "objects_unavailable",
            "无法读取上传的数据，请重试。",
            "the upload could not be read back; try again.",
        )
        .with_source(source),
        ReadError::Fault(fault) => {
            let place = place(fault.row, fault.column.as_deref());
            let finding = Finding::new(
                &fault.rule,
                Severity::Refuse,
                place,
                fault.reason,
                fault.remedy,
            );
            invalid_data(vec![finding])
        }
    }
}

/// A tenant's own values that are of another type: named by place, all or the first few.
fn wrong_values(problems: &[masking::Problem]) -> Error {
    let finding = |problem: &masking::Problem| {
        Finding::new(
            &problem.rule,
            Severity::Refuse,
            place(Some(problem.row), problem.column.as_deref()),
            problem.message.clone(),
            both(
                "更正该值，或修改列类型",
                "correct the value, or the column's type",
            ),
        )
    };
    invalid_data(problems.iter().take(PROBLEMS_SHOWN).map(finding).collect())
}

fn place(row: Option<u64>, column: Option<&str>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, {column}"),
        (Some(row), None) => format!("row {row}"),
        (None, Some(column)) => column.to_owned(),
        (None, None) => "data".to_owned(),
    }
}

fn invalid_data(findings: Vec<Finding>) -> Error {
    Error::invalid(
        "private_data_invalid",
        "数据不符合声明，未保存。",
        "the data are not as declared, and were not kept.",
    )
    .with_findings(findings)
}
