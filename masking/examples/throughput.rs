//! Values a second of each transform on one core: `cargo run --release -p masking --example throughput`.
//!
//! Prints one line per suite and transform: millions of values a second, and the share of values
//! that became null, which must be none.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measuring program prints, and ends where it cannot measure"
)]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray, UInt32Array};
use arrow::record_batch::RecordBatch;
use masking::{CipherSuite, Classifier, ColumnHint, Policy, RootKey};

const ROWS: u32 = 65_536;
const BATCHES: u32 = 8;

/// Column and rule.
const RULES: [(&str, &str); 15] = [
    ("id_card", "transform = 'token'\nvalue_domain = 'person-id'"),
    ("mobile", "transform = 'token'\nvalue_domain = 'mobile'"),
    ("mobile", "transform = 'permute'\nkind = 'mobile'"),
    ("id_card", "transform = 'permute'\nkind = 'resident_id'"),
    ("bank_card", "transform = 'permute'\nkind = 'bank_card'"),
    ("plate", "transform = 'permute'\nkind = 'plate'"),
    (
        "born",
        "transform = 'shift_date'\nsubject = 'id_card'\ndays = 30",
    ),
    (
        "income",
        "transform = 'noise'\nsubject = 'id_card'\namount_max = 100",
    ),
    ("income", "transform = 'microaggregate'"),
    ("income", "transform = 'shuffle'\nwithin = ['sex']"),
    (
        "lon",
        "transform = 'geo'\nlayout = 'longitude'\nlatitude = 'lat'\nfrom = 'wgs84'\nto = 'gcj02'\nwidth_degrees = 0.01",
    ),
    (
        "lon",
        "transform = 'geo'\nlayout = 'longitude'\nlatitude = 'lat'\nfrom = 'gcj02'\nto = 'wgs84'\noutput = 'geohash'\ncharacters = 6",
    ),
    ("name", "transform = 'surrogate'\nkind = 'name'"),
    (
        "address",
        "transform = 'surrogate'\nkind = 'address'\nkeep = 'county'",
    ),
    ("remark", "transform = 'redact'\nstyle = 'text'"),
];

fn main() {
    let batch = people();
    for suite in [CipherSuite::International, CipherSuite::Sm] {
        for (column, rule) in RULES {
            measure(suite, &batch, column, rule);
        }
    }
}

fn people() -> RecordBatch {
    let texts = |value: &dyn Fn(u32) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(value)))
    };
    let places = |origin: f64| -> ArrayRef {
        let values = (0..ROWS).map(|n| Some(origin + f64::from(n) / 1e5));
        Arc::new(values.collect::<Float64Array>())
    };
    let columns: [(&str, ArrayRef); 11] = [
        ("id_card", texts(&resident_id)),
        (
            "mobile",
            texts(&|n| format!("1{}{:08}", 35 + n % 4, n * 1523)),
        ),
        ("bank_card", texts(&bank_card)),
        ("plate", texts(&|n| format!("闽D{n:05}"))),
        (
            "born",
            texts(&|n| format!("19{:02}-0{}-15", 50 + n % 40, n % 9 + 1)),
        ),
        (
            "income",
            Arc::new(UInt32Array::from_iter_values(
                (0..ROWS).map(|n| n * 7919 % 30_000),
            )),
        ),
        (
            "sex",
            texts(&|n| ["男", "女"][usize::from(n % 2 == 0)].to_owned()),
        ),
        ("lon", places(118.0)),
        ("lat", places(24.0)),
        (
            "name",
            texts(&|n| {
                format!(
                    "王{}",
                    ["伟", "芳", "小明", "秀英"][usize::from(n % 4 == 0)]
                )
            }),
        ),
        (
            "address",
            texts(&|n| format!("福建省厦门市思明区湖滨南路{n}号")),
        ),
    ];
    let remark = texts(&|n| format!("第{n}次随访，血压正常，回电1{}{:08}", 35 + n % 4, n * 1523));
    let columns = columns.into_iter().chain([("remark", remark)]);
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// ISO 7064 MOD 11-2 over region, birth date and order number.
fn resident_id(n: u32) -> String {
    let body = format!(
        "350203{}{:02}{:02}{:03}",
        1950 + n % 50,
        n % 12 + 1,
        n % 28 + 1,
        n % 1000
    );
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: usize = body
        .bytes()
        .zip(weights)
        .map(|(byte, weight)| usize::from(byte - b'0') * weight)
        .sum();
    format!("{body}{}", char::from(b"10X98765432"[sum % 11]))
}

/// Luhn over an issuer and a number.
fn bank_card(n: u32) -> String {
    let body = format!("622202{:012}", u64::from(n) * 7919);
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let doubled = u32::from(byte - b'0') * if place % 2 == 0 { 2 } else { 1 };
            doubled / 10 + doubled % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn measure(suite: CipherSuite, batch: &RecordBatch, column: &str, rule: &str) {
    let schema = batch.schema();
    let mut classifier = Classifier::new(&schema, &[] as &[ColumnHint]);
    classifier.observe(&batch.slice(0, 1000)).expect("a batch");
    let policy = format!("version = 1\nunnamed_columns = 'drop'\n[columns.{column}]\n{rule}");
    let plan = Policy::parse(&policy)
        .expect("a policy")
        .compile(&schema, &classifier.finish())
        .expect("a plan");
    let root = RootKey::with_suite([7; 32], suite);
    let begin = Instant::now();
    let mut nulls = 0;
    for _ in 0..BATCHES {
        let masked = plan.apply(&root, 1, batch).expect("a masked batch");
        nulls += masked.column(0).null_count();
    }
    let rows = f64::from(BATCHES) * f64::from(ROWS);
    let millions = rows / begin.elapsed().as_secs_f64() / 1e6;
    let rule = rule.replace('\n', ", ");
    println!(
        "{:13} {millions:6.2} M/s, {nulls} nulls: {column}, {rule}",
        suite.as_str()
    );
}
