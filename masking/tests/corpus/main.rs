//! Recall and precision of detection on a corpus that is made here, with decoys.
//!
//! The identifiers are made by their standards, not by the crate under test. `cargo test -p masking
//! --release --test corpus -- --ignored --nocapture` measures the speed and writes the files that
//! the scripts under `tests/peers` read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their tables"
)]

mod columns;
mod draw;
mod export;
mod kinds;
mod score;
mod speed;
mod texts;

use masking::find_identifiers;

use crate::score::Score;
use crate::texts::{Sample, decoys, positives};

#[test]
fn values_in_texts_are_found_and_decoys_are_not() {
    let mut score = Score::default();
    for sample in positives().iter().chain(&decoys()) {
        judge(sample, &mut score);
    }
    score.check("values in texts");
}

/// A find counts when kind and range are exactly right.
fn judge(sample: &Sample, score: &mut Score) {
    let hits = find_identifiers(&sample.text);
    let case = format!("[{}] {}", sample.made_as, sample.text);
    for (kind, range) in &sample.spans {
        let found = hits
            .iter()
            .any(|hit| hit.identifier == *kind && hit.range == *range);
        if found {
            score.right(*kind);
        } else {
            score.missed(*kind, &case);
        }
    }
    for hit in &hits {
        let expected = sample
            .spans
            .iter()
            .any(|(kind, range)| *kind == hit.identifier && *range == hit.range);
        if !expected {
            score.invented(
                hit.identifier,
                &format!("{} in {case}", &sample.text[hit.range.clone()]),
            );
        }
    }
}
