//! Both readers on whole files, well-formed and not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array,
    Int64Array, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use encoding_rs::GB18030;
use proptest::prelude::*;

use super::*;
use crate::catalogue::ColumnType;

fn columns() -> Vec<Column> {
    [
        ("id", ColumnType::String, "身份证号"),
        ("age", ColumnType::Int64, "年龄"),
        ("cost", ColumnType::Float64, "费用"),
        ("born", ColumnType::Date, "出生日期"),
        ("seen", ColumnType::Timestamp, "就诊时间"),
        ("alive", ColumnType::Bool, "在世"),
    ]
    .into_iter()
    .map(|(name, kind, comment)| Column {
        name: name.to_owned(),
        kind,
        comment: comment.to_owned(),
        class: None,
        level: None,
    })
    .collect()
}

pub(super) fn read_as(
    bytes: &[u8],
    format: DataFormat,
    encoding: Option<TextEncoding>,
    limits: &IntakeLimits,
) -> Result<(Vec<RecordBatch>, Vec<Problem>), IntakeFault> {
    let run = || -> Result<_, ReadError> {
        let file = Bytes::copy_from_slice(bytes);
        let mut reader = Reader::open(file, format, encoding, &columns(), limits)?;
        let (mut batches, mut problems, mut next) = (Vec::new(), Vec::new(), 1);
        while let Some(typed) = reader.next_batch()? {
            assert_eq!(typed.first_row, next);
            next += typed.batch.num_rows() as u64;
            batches.push(typed.batch);
            problems.extend(typed.problems);
        }
        Ok((batches, problems))
    };
    match run() {
        Ok(read) => Ok(read),
        Err(ReadError::Fault(fault)) => Err(*fault),
        Err(ReadError::Source(error)) => panic!("{error}"),
    }
}

pub(super) fn read(
    bytes: &[u8],
    format: DataFormat,
) -> Result<(Vec<RecordBatch>, Vec<Problem>), IntakeFault> {
    read_as(bytes, format, None, &IntakeLimits::default())
}

const HEADER: &str = "id,age,cost,born,seen,alive\n";

#[test]
fn a_gb18030_file_with_chinese_headers_in_any_order() {
    let text = "年龄;身份证号;费用;出生日期;就诊时间;在世\n\
                3;白鹭;1.5;2020年1月2日;2023-01-01 08:00;是\n\
                ;\"\";;;;\n";
    let (bytes, _, _) = GB18030.encode(text);
    let (batches, problems) = read(&bytes, DataFormat::Csv).unwrap();
    assert!(problems.is_empty());
    let batch = &batches[0];
    assert_eq!(batch.num_rows(), 2);
    let id = batch.column(0).as_string::<i32>();
    assert_eq!(
        (id.value(0), id.is_valid(1), id.value(1)),
        ("白鹭", true, "")
    );
    let age = batch.column(1).as_primitive::<Int64Type>();
    assert_eq!((age.value(0), age.is_null(1)), (3, true));
    assert_eq!(
        batch.column(3).as_primitive::<Date32Type>().value(0),
        18_263
    );
    assert_eq!(
        batch
            .column(4)
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        1_672_560_000_000_000
    );
    assert!(batch.column(5).as_boolean().value(0));
}

#[test]
fn cells_of_another_type_become_problems_with_row_and_column() {
    let text = format!("{HEADER}a,x,1,2023-02-30,,\nb,2,inf,2023-02-28,2023-02-28 25:00,maybe\n");
    let (batches, problems) = read(text.as_bytes(), DataFormat::Csv).unwrap();
    assert_eq!(
        batches[0]
            .column(1)
            .as_primitive::<Int64Type>()
            .iter()
            .collect::<Vec<_>>(),
        [None, Some(2)]
    );
    let places: Vec<_> = problems
        .iter()
        .map(|p| (p.row, p.column.as_deref().unwrap(), p.masked_value.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (1, "age", "a"),
            (1, "born", "9999-99-99"),
            (2, "cost", "aaa"),
            (2, "seen", "9999-99-99 99:99"),
            (2, "alive", "aaaaa"),
        ]
    );
}

#[test]
fn a_column_of_mostly_other_values_rejects_the_file() {
    let mut text = HEADER.to_owned();
    for row in 0..1000 {
        text.push_str(if row % 4 == 0 {
            "a,x,1,,,\n"
        } else {
            "a,1,1,,,\n"
        });
    }
    let fault = read(text.as_bytes(), DataFormat::Csv).unwrap_err();
    assert_eq!(
        (fault.rule.as_str(), fault.column.as_deref()),
        ("type_failures", Some("age"))
    );
}

#[test]
fn faults_of_csv_files() {
    for (text, rule, row, column) in [
        ("", "file_empty", None, None),
        ("\n\n", "file_empty", None, None),
        ("1,2,3,4,5,6\n", "header_mismatch", Some(0), None),
        (
            "id,age,cost,born,seen\n",
            "column_missing",
            None,
            Some("alive"),
        ),
        (
            "id,age,cost,born,seen,alive,extra\n",
            "column_unknown",
            Some(0),
            Some("extra"),
        ),
        (
            "id,age,cost,born,seen,alive,11010519491231002X\n",
            "column_unknown",
            Some(0),
            Some("99999999999999999a"),
        ),
        (
            "id,age,cost,born,seen,alive,ID\n",
            "column_duplicate",
            Some(0),
            Some("id"),
        ),
        (
            &format!("{HEADER}a,1,1,,,\nb,2\n"),
            "row_ragged",
            Some(2),
            Some("#3"),
        ),
        (
            &format!("{HEADER}a,1,1,,,,\n"),
            "row_ragged",
            Some(1),
            Some("#7"),
        ),
        (
            &format!("{HEADER}a,1,1,,,\n\"b,2,,,,\n"),
            "quote_unclosed",
            Some(2),
            Some("#1"),
        ),
        (
            &format!("{HEADER}a\0,1,1,,,\n"),
            "nul_character",
            Some(1),
            Some("#1"),
        ),
        (
            &format!("{HEADER}{},1,1,,,\n", "x".repeat(1_100_000)),
            "cell_too_long",
            Some(1),
            Some("#1"),
        ),
    ] {
        let fault = read(text.as_bytes(), DataFormat::Csv).unwrap_err();
        assert_eq!(
            (fault.rule.as_str(), fault.row, fault.column.as_deref()),
            (rule, row, column),
            "{fault:?}"
        );
        assert!(!fault.reason.zh.is_empty() && !fault.remedy.en.is_empty());
    }
}

#[test]
fn bytes_outside_the_declared_encoding_name_row_and_offset() {
    let text = format!("{HEADER}a,1,1,,,\n白鹭,2,1,,,\n");
    let limits = IntakeLimits::default();
    let (gb, _, _) = GB18030.encode(&text);
    let fault = read_as(&gb, DataFormat::Csv, Some(TextEncoding::Utf8), &limits).unwrap_err();
    assert_eq!((fault.rule.as_str(), fault.row), ("encoding", Some(2)));
    assert_eq!(fault.offset, Some((HEADER.len() + 9) as u64));
}

#[test]
fn batches_are_short_when_rows_are_wide() {
    let limits = IntakeLimits {
        batch_rows: 100,
        batch_bytes: 1000,
        ..IntakeLimits::default()
    };
    let mut text = HEADER.to_owned();
    for _ in 0..250 {
        text.push_str("a,1,1,,,\n");
    }
    let rows = |text: &str| -> Vec<usize> {
        let (batches, _) = read_as(text.as_bytes(), DataFormat::Csv, None, &limits).unwrap();
        batches.iter().map(RecordBatch::num_rows).collect()
    };
    assert_eq!(rows(&text), [100, 100, 50]);
    let wide = format!(
        "{HEADER}{}",
        format!("{},1,1,,,\n", "x".repeat(600)).repeat(5)
    );
    assert_eq!(rows(&wide), [2, 2, 1]);
}

fn write(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
            .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub(super) fn good_columns(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let n = i32::try_from(rows).unwrap();
    vec![
        (
            "age",
            Arc::new(Int32Array::from_iter_values(0..n)) as ArrayRef,
        ),
        (
            "id",
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|i| format!("p{i}")),
            )),
        ),
        (
            "cost",
            Arc::new(Float32Array::from_iter_values((0..rows).map(|_| 0.5))),
        ),
        ("born", Arc::new(Date32Array::from_iter_values(0..n))),
        (
            "seen",
            Arc::new(
                TimestampMillisecondArray::from_iter_values((0..rows).map(|_| 0))
                    .with_timezone("UTC"),
            ),
        ),
        (
            "alive",
            Arc::new(BooleanArray::from_iter((0..rows).map(|i| Some(i % 2 == 0)))),
        ),
    ]
}

fn zstd() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build()
}

#[test]
fn parquet_columns_are_matched_and_converted() {
    let (batches, problems) =
        read(&write(good_columns(20_000), zstd()), DataFormat::Parquet).unwrap();
    assert!(problems.is_empty());
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        20_000
    );
    let last = batches.last().unwrap();
    let at = last.num_rows() - 1;
    assert_eq!(last.column(0).as_string::<i32>().value(at), "p19999");
    assert_eq!(last.column(1).as_primitive::<Int64Type>().value(at), 19_999);
    assert!((last.column(2).as_primitive::<Float64Type>().value(at) - 0.5).abs() < 1e-12);
    // An instant is moved to the wall clock of China.
    assert_eq!(
        last.column(4)
            .as_primitive::<TimestampMicrosecondType>()
            .value(at),
        28_800_000_000
    );
}

#[test]
fn impossible_dates_in_a_text_column_of_parquet() {
    let mut columns = good_columns(3);
    columns[3] = (
        "born",
        Arc::new(StringArray::from(vec![
            Some("2023-02-30"),
            Some("19491231"),
            None,
        ])),
    );
    columns[2] = (
        "cost",
        Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.0])),
    );
    let (batches, problems) = read(&write(columns, zstd()), DataFormat::Parquet).unwrap();
    let born = batches[0].column(3).as_primitive::<Date32Type>();
    assert_eq!(born.iter().collect::<Vec<_>>(), [None, Some(-7306), None]);
    let places: Vec<_> = problems
        .iter()
        .map(|p| (p.row, p.column.clone().unwrap()))
        .collect();
    assert_eq!(places, [(1, "cost".to_owned()), (1, "born".to_owned())]);
}

#[test]
fn faults_of_parquet_files() {
    let good = write(good_columns(100), zstd());
    let with = |index: usize, name: &'static str, array: ArrayRef| {
        let mut columns = good_columns(100);
        if index < columns.len() {
            columns[index] = (name, array);
        } else {
            columns.push((name, array));
        }
        write(columns, zstd())
    };
    let numbers = || Arc::new(Int64Array::from_iter_values(0..100)) as ArrayRef;
    let words =
        |text: &str| Arc::new(StringArray::from_iter_values((0..100).map(|_| text))) as ArrayRef;
    for (bytes, rule, column) in [
        (b"id,age\n".to_vec(), "not_parquet", None),
        (good[..good.len() - 3].to_vec(), "not_parquet", None),
        ([&good[..4], &good[500..]].concat(), "parquet_damaged", None),
        (with(1, "id", numbers()), "column_type", Some("id")),
        (
            with(0, "age", Arc::new(Float64Array::from(vec![0.5; 100]))),
            "column_type",
            Some("age"),
        ),
        (with(0, "years", numbers()), "column_missing", Some("age")),
        (with(9, "more", numbers()), "column_unknown", Some("more")),
        (with(9, "AGE", numbers()), "column_duplicate", Some("age")),
        (with(1, "id", words("a\0b")), "nul_character", Some("id")),
        (
            with(1, "id", words(&"x".repeat(1_100_000))),
            "cell_too_long",
            None,
        ),
    ] {
        let fault = read(&bytes, DataFormat::Parquet).unwrap_err();
        assert_eq!(
            (fault.rule.as_str(), fault.column.as_deref()),
            (rule, column),
            "{fault:?}"
        );
    }
}

#[test]
fn a_small_file_that_unpacks_to_much_is_refused_before_it_does() {
    let mut columns = good_columns(200);
    columns[1] = (
        "id",
        Arc::new(StringArray::from_iter_values(
            (0..200).map(|_| "0".repeat(1 << 20)),
        )),
    );
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(1 << 20)
        .build();
    let bytes = write(columns, properties);
    assert!(bytes.len() < 1 << 20);
    let fault = read(&bytes, DataFormat::Parquet).unwrap_err();
    assert_eq!(
        (fault.rule.as_str(), fault.column.as_deref()),
        ("page_too_large", Some("id"))
    );

    let mut columns = good_columns(200);
    columns[1] = (
        "id",
        Arc::new(StringArray::from_iter_values(
            (0..200).map(|_| "0".repeat(1 << 18)),
        )),
    );
    let limits = IntakeLimits {
        row_group_bytes_max: 20 << 20,
        ..IntakeLimits::default()
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .build();
    let fault = read_as(
        &write(columns, properties),
        DataFormat::Parquet,
        None,
        &limits,
    )
    .unwrap_err();
    assert_eq!(fault.rule, "row_group_too_large");
}

#[test]
fn texts_that_repeat_in_a_dictionary_or_share_prefixes_stay_in_small_batches() {
    let long = "长".repeat(100_000);
    for encoding in [None, Some(Encoding::DELTA_BYTE_ARRAY)] {
        let mut columns = good_columns(500);
        columns[1] = (
            "id",
            Arc::new(StringArray::from_iter_values(
                (0..500).map(|_| long.as_str()),
            )),
        );
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        if let Some(encoding) = encoding {
            let text = ::parquet::schema::types::ColumnPath::from("id");
            properties = properties
                .set_dictionary_enabled(false)
                .set_column_encoding(text, encoding);
        }
        let (batches, _) = read(&write(columns, properties.build()), DataFormat::Parquet).unwrap();
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            500
        );
        for batch in &batches {
            assert!(
                batch.num_rows() * long.len() <= (16 << 20) + long.len(),
                "{}",
                batch.num_rows()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_a_parquet_file_panics(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = write(good_columns(200), zstd());
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(&bytes, DataFormat::Parquet);
    }

    #[test]
    fn no_text_panics(body in "[a1,\"\n\r;.:\u{0}年-]{0,200}") {
        let _ = read(format!("{HEADER}{body}").as_bytes(), DataFormat::Csv);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[HEADER.as_bytes(), &body].concat(), DataFormat::Csv);
        let _ = read(&[b"PAR1", body.as_slice(), b"PAR1"].concat(), DataFormat::Parquet);
    }
}
