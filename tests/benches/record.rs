//! Where figures go.

use std::{io::Write as _, path::PathBuf};

use serde_json::json;

/// How the bench and what it measures were built: together, so they are the same.
pub(crate) const PROFILE: &str = if cfg!(debug_assertions) {
    "dev profile"
} else {
    "release build"
};

/// A figure of ours, and of a peer where there is one.
pub(crate) struct Figure<'a> {
    pub(crate) name: &'a str,
    pub(crate) ours: f64,
    pub(crate) peer: Option<(&'a str, f64)>,
    pub(crate) unit: &'a str,
    pub(crate) note: &'a str,
}

/// Appends the figure to the results, and shows it.
pub(crate) fn record(figure: &Figure<'_>) {
    let line = json!({
        "name": figure.name,
        "ours": rounded(figure.ours),
        "peer": figure.peer.map(|(_, value)| rounded(value)),
        "peer_name": figure.peer.map(|(name, _)| name),
        "ratio": figure.peer.map(|(_, value)| rounded(figure.ours / value)).filter(|ratio| ratio.is_finite()),
        "unit": figure.unit,
        "note": figure.note,
    });
    println!("{line}");
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("a folder for the results");
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("results.jsonl"))
        .expect("a file for the results");
    writeln!(file, "{line}").expect("a line of results");
}

/// `target/bench` beside the sources, wherever the build itself goes.
pub(crate) fn folder() -> PathBuf {
    root().join("target/bench")
}

/// The folder of the sources.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The value below which the share `q` of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let place = ((sorted.len() as f64 - 1.0) * q).round() as usize;
    sorted[place]
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
