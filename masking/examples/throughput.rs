//! Values a second of each transform on one core: `cargo run --release -p masking --example throughput`.
//!
//! Prints one line per column: name, millions of values a second.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measuring program prints, and ends where it cannot measure"
)]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use masking::{CipherSuite, Classifier, ColumnHint, Policy, RootKey};

const ROWS: u64 = 65_536;
const BATCHES: u32 = 16;

fn main() {
    let mobiles = texts("mobile", |n| format!("1{}{:08}", 35 + n % 4, n * 1523));
    let plates = texts("plate", |n| format!("闽D{n:05}"));
    let token = "transform = 'token'\nvalue_domain = 'mobile'";
    let permute = "transform = 'permute'\nkind = 'mobile'";
    let plate = "transform = 'permute'\nkind = 'plate'";
    for suite in [CipherSuite::International, CipherSuite::Sm] {
        measure("token, mobile", suite, &mobiles, token);
        measure("permute, mobile", suite, &mobiles, permute);
        measure("permute, plate", suite, &plates, plate);
    }
}

fn texts(name: &str, value: impl Fn(u64) -> String) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(value)));
    RecordBatch::try_from_iter([(name, column)]).expect("one column")
}

fn measure(what: &str, suite: CipherSuite, batch: &RecordBatch, rule: &str) {
    let schema = batch.schema();
    let name = schema.field(0).name();
    let mut classifier = Classifier::new(&schema, &[] as &[ColumnHint]);
    classifier.observe(&batch.slice(0, 1000)).expect("a batch");
    let policy = Policy::parse(&format!("version = 1\n[columns.{name}]\n{rule}"));
    let policy = policy.expect("a policy");
    let plan = policy.compile(&schema, &classifier.finish());
    let plan = plan.expect("a plan");
    let root = RootKey::with_suite([7; 32], suite);
    let begin = Instant::now();
    for _ in 0..BATCHES {
        std::hint::black_box(plan.apply(&root, 1, batch).expect("a masked batch"));
    }
    let rows = f64::from(BATCHES) * 65_536.0;
    let millions = rows / begin.elapsed().as_secs_f64() / 1e6;
    println!("{what}, {}: {millions:.2} M/s", suite.as_str());
}
