//! Rows a second of the classifier, on one core.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use masking::{Classifier, Identifier};

use crate::draw::Draw;
use crate::kinds::valid;
use crate::texts::{decoys, positives};

const BATCH: usize = 8192;
const BATCHES: usize = 12;
/// Times that the batches are gone through.
const ROUNDS: usize = 10;

/// Twelve columns: eight of identifiers, an order number, an amount, a date, a remark of which one
/// in twenty holds an identifier.
#[test]
#[ignore = "measures; run in release"]
fn mixed_columns() {
    let batches: Vec<RecordBatch> = (0..).take(BATCHES).map(mixed).collect();
    measure("mixed columns", &batches);
    for column in 0..batches[0].num_columns() {
        let alone: Vec<RecordBatch> = batches
            .iter()
            .map(|batch| batch.project(&[column]).unwrap())
            .collect();
        measure(batches[0].schema().field(column).name(), &alone);
    }
}

/// One column of the corpus' texts: most hold identifiers, and nothing settles.
#[test]
#[ignore = "measures; run in release"]
fn free_text() {
    let texts: Vec<String> = positives()
        .into_iter()
        .chain(decoys())
        .map(|sample| sample.text)
        .collect();
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(&texts));
    let batch = RecordBatch::try_from_iter([("remark", column)]).unwrap();
    measure("free text, most with identifiers", &vec![batch; BATCHES]);
}

fn measure(title: &str, batches: &[RecordBatch]) {
    let start = Instant::now();
    let mut classifier = Classifier::new(batches[0].schema_ref(), &[]);
    for _ in 0..ROUNDS {
        for batch in batches {
            classifier.observe(batch).unwrap();
        }
    }
    let found: Vec<Option<Identifier>> = classifier
        .finish()
        .into_iter()
        .map(|class| class.identifier)
        .collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum::<usize>() * ROUNDS;
    let rate = f64::from(u32::try_from(rows).unwrap()) / start.elapsed().as_secs_f64();
    println!("{title:<34}{rate:>12.0} rows/s  {found:?}");
}

fn mixed(seed: u64) -> RecordBatch {
    let mut draw = Draw::new(seed);
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (name, kind) in [
        ("id_card", Identifier::ResidentId),
        ("name", Identifier::Name),
        ("mobile", Identifier::Mobile),
        ("bank_card", Identifier::BankCard),
        ("uscc", Identifier::CreditCode),
        ("plate", Identifier::Plate),
        ("address", Identifier::Address),
        ("email", Identifier::Email),
    ] {
        let values = (0..BATCH).map(|_| valid(kind, &mut draw));
        columns.push((name, Arc::new(StringArray::from_iter_values(values))));
    }
    let orders = (0..BATCH).map(|_| format!("{}{}", draw.day(2020, 2024), draw.digits(10)));
    columns.push(("order_no", Arc::new(StringArray::from_iter_values(orders))));
    let amounts = (0..BATCH).map(|_| draw.digits(7).parse::<f64>().unwrap() / 100.0);
    columns.push(("amount", Arc::new(Float64Array::from_iter_values(amounts))));
    let days = (0..BATCH).map(|_| draw.day(2020, 2024).parse::<i64>().unwrap());
    columns.push(("visited", Arc::new(Int64Array::from_iter_values(days))));
    let remarks = (0..BATCH).map(|_| remark(&mut draw));
    columns.push(("remark", Arc::new(StringArray::from_iter_values(remarks))));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn remark(draw: &mut Draw) -> String {
    let state = draw.of(&[
        "情况良好，按时服药",
        "血压偏高，已建议复查",
        "无不适主诉，继续观察",
    ]);
    let visit = draw.below(30);
    if draw.percent(5) {
        format!(
            "第{visit}次随访，{state}，电话{}",
            valid(Identifier::Mobile, draw)
        )
    } else {
        format!(
            "第{visit}次随访，{state}，下次约{}月{}日",
            draw.between(1, 12),
            draw.between(1, 28)
        )
    }
}
