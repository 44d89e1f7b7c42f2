//! Finding identifiers: how many are found, how many are invented, and how fast, beside presidio-analyzer on the same rows.

use std::{fmt::Write as _, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, StringArray},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use masking::{Classifier, Identifier};
use serde_json::{Value, json};

use super::{number, shortest};
use crate::{
    corpus::{
        columns,
        draw::Draw,
        kinds::valid,
        score::Score,
        texts::{self, Sample, decoys, positives},
    },
    record::{Figure, folder, record},
};

/// Rows of the mixed table, and texts at most: the peer takes half a minute for them.
const ROWS: usize = 2_000;
const TEXTS: usize = 2_000;
const PEER: &str = "presidio-analyzer 2.2.366";

pub(super) fn run() {
    let samples: Vec<Sample> = positives().into_iter().chain(decoys()).collect();
    let step = samples.len() / TEXTS;
    let texts: Vec<&str> = samples
        .iter()
        .step_by(step)
        .map(|s| s.text.as_str())
        .collect();
    let mixed = mixed();
    let peer = presidio(&samples, step, &mixed);
    rates(&peer);
    speed(&mixed, &texts, &peer);
}

/// The lowest recall and precision of any kind, over values in texts and over columns.
fn rates(peer: &Result<Value, String>) {
    let (mut in_texts, mut of_columns) = (Score::default(), Score::default());
    texts::judge(&mut in_texts);
    columns::judge(&mut of_columns);
    let all = in_texts.rates().chain(of_columns.rates());
    let (mut recall, mut precision) = ((1.0, ""), (1.0, ""));
    for (kind, recalled, precise) in all {
        if recalled < recall.0 {
            recall = (recalled, kind.as_str());
        }
        if precise < precision.0 {
            precision = (precise, kind.as_str());
        }
    }
    let (ours, lowest) = recall;
    let beside = match peer {
        Ok(peer) => format!(
            "; the peer has recognisers for {} of {} kinds",
            peer["kinds"],
            Identifier::ALL.len()
        ),
        Err(why) => format!("; no peer: {why}"),
    };
    record(&Figure {
        name: "detect_recall_min",
        ours,
        peer: peer
            .as_ref()
            .ok()
            .map(|peer| (PEER, of(peer, "recall_min"))),
        unit: "share",
        note: &format!(
            "over {} kinds, texts and columns; lowest: {lowest}{beside}, and its lowest is over those",
            Identifier::ALL.len()
        ),
    });
    let (ours, lowest) = precision;
    record(&Figure {
        name: "detect_precision_min",
        ours,
        peer: peer.as_ref().ok().map(|peer| (PEER, of(peer, "precision"))),
        unit: "share",
        note: &format!(
            "texts and columns with decoys; lowest: {lowest}; the peer's is that of all its kinds together"
        ),
    });
}

/// Rows a second on one core, of the peer and of ours on the very same rows.
fn speed(mixed: &RecordBatch, texts: &[&str], peer: &Result<Value, String>) {
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let free = RecordBatch::try_from_iter([("remark", column)]).expect("a batch");
    // One batch each, and a classifier that has not seen them: every cell is looked into, as the peer does.
    let of_mixed = shortest(5, || classify(mixed));
    let of_free = shortest(5, || classify(&free));
    let rate = number(ROWS + texts.len()) / (of_mixed + of_free);
    let part = |rows: usize, seconds: f64| (number(rows) / seconds).round();
    let mut note = format!(
        "rows/s on one core, best of 5; {} rows of 12 columns ({}/s) and {} texts, most with identifiers ({}/s), every cell looked into",
        ROWS,
        part(ROWS, of_mixed),
        texts.len(),
        part(texts.len(), of_free),
    );
    let peer = match peer {
        Ok(peer) => {
            let (rows, seconds) = (of(peer, "rows_s"), of(peer, "texts_s"));
            let _ = write!(
                note,
                "; the peer, with a blank tokeniser and no model: {}/s and {}/s",
                part(ROWS, rows),
                part(texts.len(), seconds)
            );
            Some((PEER, number(ROWS + texts.len()) / (rows + seconds)))
        }
        Err(why) => {
            let _ = write!(note, "; no peer: {why}");
            None
        }
    };
    record(&Figure {
        name: "detect_rows_per_s",
        ours: rate,
        peer,
        unit: "1/s",
        note: &note,
    });
    if let Some((name, theirs)) = peer {
        record(&Figure {
            name: "detect_vs_presidio_ratio",
            ours: rate / theirs,
            peer: Some((name, 1.0)),
            unit: "times",
            note: &note,
        });
    }
}

fn classify(batch: &RecordBatch) {
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    classifier.observe(batch).expect("a batch of its schema");
    assert_eq!(classifier.finish().len(), batch.num_columns());
}

/// What the peer's script says of the same texts and rows.
fn presidio(samples: &[Sample], step: usize, mixed: &RecordBatch) -> Result<Value, String> {
    let python = harness::python("bench")?;
    let (corpus, rows) = (folder().join("corpus.jsonl"), folder().join("mixed.jsonl"));
    std::fs::create_dir_all(folder()).expect("a folder for the results");
    write_lines(&corpus, samples.iter().map(line));
    write_lines(&rows, (0..mixed.num_rows()).map(|row| cells(mixed, row)));
    let path = |path: &Path| path.display().to_string();
    let said = harness::run_script(
        &python,
        "presidio.py",
        &[&path(&corpus), &step.to_string(), &path(&rows)],
    )?;
    serde_json::from_str(&said).map_err(|error| error.to_string())
}

/// A text and what is in it, places in characters.
fn line(sample: &Sample) -> Value {
    let place = |byte: usize| sample.text[..byte].chars().count();
    let spans = sample.spans.iter().map(|(kind, range)| {
        json!({"kind": kind.as_str(), "start": place(range.start), "end": place(range.end)})
    });
    json!({"text": sample.text, "spans": spans.collect::<Vec<Value>>()})
}

fn cells(batch: &RecordBatch, row: usize) -> Value {
    let options = FormatOptions::default();
    let cells = batch.columns().iter().map(|column| {
        let column = ArrayFormatter::try_new(column.as_ref(), &options).expect("a column");
        column.value(row).to_string()
    });
    cells.collect::<Vec<String>>().into()
}

fn write_lines(path: &Path, lines: impl Iterator<Item = Value>) {
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(path, text).expect("a file for the peer");
}

fn of(peer: &Value, name: &str) -> f64 {
    peer[name].as_f64().unwrap_or(f64::NAN)
}

/// Eight columns of identifiers, an order number, an amount, a date, a remark of which one in twenty holds an identifier.
fn mixed() -> RecordBatch {
    let mut draw = Draw::new(0);
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
        let values = (0..ROWS).map(|_| valid(kind, &mut draw));
        columns.push((name, Arc::new(StringArray::from_iter_values(values))));
    }
    let orders = (0..ROWS).map(|_| format!("{}{}", draw.day(2020, 2024), draw.digits(10)));
    columns.push(("order_no", Arc::new(StringArray::from_iter_values(orders))));
    let amounts = (0..ROWS).map(|_| draw.digits(7).parse::<f64>().expect("a number") / 100.0);
    columns.push(("amount", Arc::new(Float64Array::from_iter_values(amounts))));
    let days = (0..ROWS).map(|_| draw.day(2020, 2024).parse::<i64>().expect("a number"));
    columns.push(("visited", Arc::new(Int64Array::from_iter_values(days))));
    let remarks = (0..ROWS).map(|_| remark(&mut draw));
    columns.push(("remark", Arc::new(StringArray::from_iter_values(remarks))));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

pub(super) fn remark(draw: &mut Draw) -> String {
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
