//! JSON lines and Arrow IPC, well-formed and not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeStringArray, StringViewArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use encoding_rs::GB18030;
use proptest::prelude::*;

use super::tests::{good_columns, read, read_as};
use super::*;

fn rule(text: &str) -> (String, Option<u64>, Option<String>) {
    let fault = read(text.as_bytes(), DataFormat::Jsonl).unwrap_err();
    (fault.rule, fault.row, fault.column)
}

#[test]
fn json_lines_in_any_order_with_gaps_and_chinese_names() {
    let text = "{\"age\": 3, \"id\": \"白鹭\\u0041\", \"cost\": 1.5e2, \"出生日期\": \"2020年1月2日\", \"seen\": null, \"alive\": true}\n\
                \r\n\
                {\"id\": \"\", \"age\": \"４\"}";
    for bytes in [
        text.as_bytes().to_vec(),
        GB18030.encode(text).0.into_owned(),
    ] {
        let (batches, problems) = read(&bytes, DataFormat::Jsonl).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let batch = &batches[0];
        assert_eq!(batch.num_rows(), 2);
        let id = batch.column(0).as_string::<i32>();
        assert_eq!((id.value(0), id.is_valid(1)), ("白鹭A", true));
        let age = batch.column(1).as_primitive::<Int64Type>();
        assert_eq!((age.value(0), age.value(1)), (3, 4));
        let cost = batch.column(2).as_primitive::<Float64Type>();
        assert!((cost.value(0) - 150.0).abs() < 1e-9 && cost.is_null(1));
        assert_eq!(
            batch.column(3).as_primitive::<Date32Type>().value(0),
            18_263
        );
        assert!(batch.column(4).is_null(0));
        assert!(batch.column(5).as_boolean().value(0));
    }
}

const FULL: &str =
    "{\"id\":\"a\",\"age\":1,\"cost\":1,\"born\":null,\"seen\":null,\"alive\":null}\n";

#[test]
fn faults_of_json_lines_name_the_line_and_the_member() {
    let at = |text: &str| rule(&format!("{FULL}{text}"));
    let named =
        |rule: &str, column: Option<&str>| (rule.to_owned(), Some(2), column.map(str::to_owned));
    assert_eq!(at("[1]"), named("not_a_json_object", None));
    assert_eq!(at("{\"id\":\"b\""), named("not_a_json_object", None));
    assert_eq!(at("{\"id\":\"b\"} {}"), named("not_a_json_object", None));
    assert_eq!(
        at("{\"id\":\"b\",\"id\":\"c\"}"),
        named("column_duplicate", Some("id"))
    );
    assert_eq!(
        at("{\"id\":\"b\",\"身份证号\":\"c\"}"),
        named("column_duplicate", Some("id"))
    );
    assert_eq!(at("{\"name\":1}"), named("column_unknown", Some("name")));
    assert_eq!(at("{\"id\":{\"a\":1}}"), named("value_nested", Some("id")));
    assert_eq!(
        at("{\"id\":\"a\\u0000\"}"),
        named("nul_character", Some("id"))
    );
    let missing = rule("{\"id\":\"a\"}\n{\"age\":1}\n");
    assert_eq!(
        (missing.0.as_str(), missing.2.as_deref()),
        ("column_missing", Some("cost"))
    );
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(5 << 20));
    assert_eq!(at(&long), named("row_too_long", None));
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(at(&long), named("cell_too_long", Some("id")));
    let deep = format!("{{\"id\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        at(&deep).1,
        Some(2),
        "a deep value ends nothing but the push"
    );
    let (_, problems) = read(
        format!("{FULL}{{\"age\":\"x\",\"born\":\"2023-02-30\"}}").as_bytes(),
        DataFormat::Jsonl,
    )
    .unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|p| (p.row, p.column.as_deref().unwrap()))
        .collect();
    assert_eq!(places, [(2, "age"), (2, "born")]);
}

fn batch(columns: Vec<(&'static str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn arrow_files_and_streams_are_the_same_rows() {
    let batch = batch(good_columns(9_000));
    for bytes in [stream(&batch), file(&batch)] {
        let (batches, problems) = read(&bytes, DataFormat::Arrow).unwrap();
        assert!(problems.is_empty());
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 18_000);
        assert!(batches.iter().all(|batch| batch.num_rows() <= 9_000));
        let last = batches.last().unwrap();
        let at = last.num_rows() - 1;
        assert_eq!(last.column(0).as_string::<i32>().value(at), "p8999");
        assert_eq!(last.column(1).as_primitive::<Int64Type>().value(at), 8_999);
    }
}

#[test]
fn texts_of_every_layout_are_texts() {
    let texts: [ArrayRef; 2] = [
        Arc::new(LargeStringArray::from(vec![Some("甲"), None])),
        Arc::new(StringViewArray::from(vec![Some("甲"), None])),
    ];
    for text in texts {
        let mut columns = good_columns(2);
        columns[1].1 = text;
        let (batches, _) = read(&stream(&batch(columns)), DataFormat::Arrow).unwrap();
        let id = batches[0].column(0).as_string::<i32>();
        assert_eq!((id.value(0), id.is_null(1)), ("甲", true));
    }
}

#[test]
fn faults_of_arrow_files() {
    let rule = |bytes: &[u8]| read(bytes, DataFormat::Arrow).unwrap_err().rule;
    let good = batch(good_columns(10));
    let (bytes_of_stream, bytes_of_file) = (stream(&good), file(&good));
    assert_eq!(rule(b""), "not_arrow");
    assert_eq!(rule(b"id,age,cost,born"), "not_arrow");
    assert_eq!(
        rule(&bytes_of_stream[..bytes_of_stream.len() - 8]),
        "arrow_truncated"
    );
    assert_eq!(
        rule(&bytes_of_stream[..bytes_of_stream.len() / 2]),
        "arrow_truncated"
    );
    assert_eq!(
        rule(&bytes_of_file[..bytes_of_file.len() - 1]),
        "arrow_truncated"
    );
    let mut columns = good_columns(2);
    columns.pop();
    assert_eq!(rule(&stream(&batch(columns))), "column_missing");
    let mut columns = good_columns(2);
    columns.push(("more", Arc::new(Int64Array::from(vec![1, 2]))));
    assert_eq!(rule(&stream(&batch(columns))), "column_unknown");
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::ZSTD))
        .unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &good.schema(), options).unwrap();
    writer.write(&good).unwrap();
    assert_eq!(rule(&writer.into_inner().unwrap()), "arrow_compressed");
    // A message that says it is longer than all memory is not believed.
    let mut bytes = bytes_of_stream.clone();
    bytes[4..8].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    assert_eq!(rule(&bytes), "message_too_large");
    let limits = IntakeLimits {
        arrow_body_bytes_max: 64,
        ..IntakeLimits::default()
    };
    let fault = read_as(&bytes_of_stream, DataFormat::Arrow, None, &limits).unwrap_err();
    assert_eq!(fault.rule, "batch_too_large");
    let limits = IntakeLimits {
        rows_max: 19,
        ..IntakeLimits::default()
    };
    let fault = read_as(&bytes_of_stream, DataFormat::Arrow, None, &limits).unwrap_err();
    assert_eq!(fault.rule, "too_many_rows");
}

#[test]
fn a_dictionary_is_refused_with_its_column() {
    let mut columns = good_columns(2);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    columns[1].1 = arrow::compute::cast(&columns[1].1, &dictionary).unwrap();
    let fault = read(&stream(&batch(columns)), DataFormat::Arrow).unwrap_err();
    assert_eq!(
        (fault.rule.as_str(), fault.column.as_deref()),
        ("column_type", Some("id"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_to_arrow_panics(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        whole in any::<bool>(),
    ) {
        let good = batch(good_columns(200));
        let mut bytes = if whole { file(&good) } else { stream(&good) };
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(&bytes, DataFormat::Arrow);
    }

    #[test]
    fn no_line_panics(body in "[a1\\\\u0{}\\[\\]:,\"\n\r;.\u{0}年-]{0,200}") {
        let _ = read(body.as_bytes(), DataFormat::Jsonl);
        let _ = read(format!("{FULL}{body}").as_bytes(), DataFormat::Jsonl);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&body, DataFormat::Jsonl);
        let _ = read(&[b"ARROW1\0\0".as_slice(), &body, b"ARROW1"].concat(), DataFormat::Arrow);
        let _ = read(&[[0xff; 4].as_slice(), &body].concat(), DataFormat::Arrow);
    }
}
