//! The corpus as a file for the script `tests/peers/presidio.py`, which runs another program on it.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use masking::find_identifiers;
use serde_json::json;

use crate::texts::{Sample, decoys, positives};

/// Where the file goes: the folder `EGRET_PEERS`, or Cargo's folder for tests.
fn folder() -> PathBuf {
    let folder = std::env::var_os("EGRET_PEERS")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes `corpus.jsonl`: `{"text", "spans": [{"kind", "start", "end"}]}`, places in characters.
#[test]
#[ignore = "writes a file for tests/peers/presidio.py"]
fn corpus_for_presidio() {
    let path = folder().join("corpus.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    let samples: Vec<Sample> = positives().into_iter().chain(decoys()).collect();
    for sample in &samples {
        let place = |byte: usize| sample.text[..byte].chars().count();
        let spans: Vec<_> = sample
            .spans
            .iter()
            .map(|(kind, range)| {
                json!({"kind": kind.as_str(), "start": place(range.start), "end": place(range.end)})
            })
            .collect();
        writeln!(file, "{}", json!({"text": sample.text, "spans": spans})).unwrap();
    }
    let start = Instant::now();
    let hits: usize = samples
        .iter()
        .map(|sample| find_identifiers(&sample.text).len())
        .sum();
    let rate = f64::from(u32::try_from(samples.len()).unwrap()) / start.elapsed().as_secs_f64();
    println!(
        "{}: {} texts, {hits} finds, {rate:.0} texts/s here",
        path.display(),
        samples.len()
    );
}
