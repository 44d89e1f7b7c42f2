#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;

use super::*;
use crate::egress::{Decision, InspectKind, inspect};

fn output() -> Vec<OutputColumn> {
    [
        ("region", ColumnType::Utf8),
        ("people", ColumnType::Int64),
        ("mean", ColumnType::Float64),
    ]
    .into_iter()
    .map(|(name, data_type)| OutputColumn {
        name: name.to_owned(),
        data_type,
    })
    .collect()
}

fn stream(regions: Vec<&str>, people: Vec<i64>, means: Vec<f64>) -> Vec<u8> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ignored", Arc::new(StringArray::from(regions))),
        ("names", Arc::new(Int64Array::from(people))),
        ("here", Arc::new(Float64Array::from(means))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn request(output: Vec<OutputColumn>) -> InspectRequest {
    InspectRequest {
        kind: InspectKind::Wasm { output },
        rules: OutputRules::default(),
        history: Vec::new(),
        offsets: None,
        rows_max: 1_000,
        bytes_max: 1 << 20,
    }
}

fn aids(inspection: &Inspection) -> Vec<(String, String)> {
    let preview = inspection.preview.as_ref().unwrap();
    preview
        .aids
        .iter()
        .map(|aid| (aid.rule.clone(), aid.subject.clone()))
        .collect()
}

fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(rule, subject)| ((*rule).to_owned(), (*subject).to_owned()))
        .collect()
}

#[test]
fn harmless_output_is_held_too() {
    let bytes = stream(vec!["思明", "湖里"], vec![120, 85], vec![12.5, 13.0]);
    let answer = inspect(&request(output()), &bytes);
    assert_eq!(answer.decision, Decision::Hold);
    assert_eq!(
        answer.released.as_deref(),
        Some("region,people,mean\n思明,120,12.5\n湖里,85,13\n".as_bytes())
    );
    assert_eq!(aids(&answer), []);
    assert_eq!(answer.findings.len(), 1);
    assert_eq!(answer.findings[0].rule, "reviewed_lane");
    assert_eq!(answer.rows, 2);
}

#[test]
fn what_the_tenant_reads_does_not_depend_on_the_output() {
    let plain = stream(vec!["思明"], vec![120], vec![12.5]);
    let loaded = stream(
        vec!["13812345678", "9f86d081884c7d659a2feaa0c55ad015"],
        vec![3, 1_234_567_891],
        vec![12.345_678_912, 2.0],
    );
    let plain = inspect(&request(output()), &plain);
    let loaded = inspect(&request(output()), &loaded);
    assert_eq!(plain.findings, loaded.findings);
    assert_eq!(
        aids(&loaded),
        named(&[
            ("small_counts", "people"),
            ("precise_numbers", "people"),
            ("small_counts", "mean"),
            ("precise_numbers", "mean"),
            ("identifiers", "region"),
            ("dense_text", "region"),
        ])
    );
}

#[test]
fn a_preview_is_short_and_inert() {
    let mut regions = vec![
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "\u{1b}]0;x\u{7}ok",
    ];
    regions.extend(std::iter::repeat_n("思明", 200));
    let rows = regions.len();
    let bytes = stream(regions, vec![50; rows], vec![0.5; rows]);
    let answer = inspect(&request(output()), &bytes);
    let preview = answer.preview.unwrap();
    assert_eq!((preview.rows.len(), preview.rows_total), (100, 203));
    assert_eq!(preview.columns, ["region", "people", "mean"]);
    assert_eq!(preview.rows[0][0], "< script>alert(1)< /script>");
    assert_eq!(preview.rows[1][0], "'=cmd|' /C calc'!A0");
    assert_eq!(preview.rows[2][0], "]0;xok");
    // What is approved is what was shown, row for row.
    let text = String::from_utf8(answer.released.unwrap()).unwrap();
    assert!(!text.contains("<script") && !text.contains('\u{1b}'));
    assert_eq!(u64::try_from(text.len()).unwrap(), preview.bytes_total);
}

#[test]
fn other_than_the_fixed_output_is_refused() {
    let bytes = stream(vec!["a"], vec![1], vec![1.0]);
    let mut fewer = output();
    fewer.pop();
    let mut other = output();
    other[1].data_type = ColumnType::Int32;
    for request in [
        request(fewer),
        request(other),
        request(Vec::new()),
        InspectRequest {
            rows_max: 0,
            ..request(output())
        },
        InspectRequest {
            bytes_max: 3,
            ..request(output())
        },
    ] {
        let answer = inspect(&request, &bytes);
        assert_eq!(answer.decision, Decision::Refuse);
        assert_eq!(answer.findings[0].rule, "output_not_as_fixed");
        assert_eq!(answer.released, None);
    }
}

#[test]
fn encodings_are_told_from_words() {
    assert!(looks_encoded("aGVsbG8gd29ybGQhIQ=="));
    assert!(looks_encoded("9f86d081884c7d659a2feaa0c55ad015"));
    assert!(!looks_encoded("厦门市思明区嘉莲街道办事处公共卫生服务"));
    assert!(!looks_encoded("plan"));
    assert!(!looks_encoded("a sentence with blanks in it"));
    assert!(!looks_encoded("aaaaaaaaaaaaaaaaaaaaaaaa"));
}

#[test]
fn digits_are_counted() {
    assert_eq!(significant_digits(1200.0), 2);
    assert_eq!(significant_digits(0.001_234), 4);
    assert_eq!(significant_digits(123_456_789.123), 12);
    assert_eq!(significant_digits(0.0), 1);
}
