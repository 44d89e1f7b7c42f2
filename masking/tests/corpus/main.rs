//! Recall and precision of detection on a corpus that is made here, with decoys.
//!
//! The identifiers are made by their standards, not by the crate under test. The benches read this
//! corpus as well, to measure the speed and to show it to a peer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their tables"
)]

mod brands;
mod columns;
mod draw;
mod kinds;
mod places;
mod score;
mod texts;

use score::Score;

#[test]
fn values_in_texts_are_found_and_decoys_are_not() {
    let mut score = Score::default();
    texts::judge(&mut score);
    score.check("values in texts");
}

#[test]
fn columns_are_told_and_decoys_are_not() {
    let mut score = Score::default();
    columns::judge(&mut score);
    score.check("columns");
}
