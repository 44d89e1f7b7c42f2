//! A push with other columns than its entry: which are too many, which are missing, as a line of its report.

use ::parquet::file::reader::ChunkReader;
use masking::{QualityReport, schema_drift};

use super::limits::IntakeLimits;
use super::pipeline::Report;
use super::push::PushManifest;
use super::reader::{columns_of, find_column, shown_name};
use crate::catalogue::Column;

/// Faults that say the columns are others.
const RULES: [&str; 3] = ["column_missing", "column_unknown", "header_mismatch"];

/// Adds the line to the report of a push that was rejected for its columns; such a push has no other report.
pub(crate) fn note<R: ChunkReader + 'static>(
    report: &mut Report,
    file: R,
    manifest: &PushManifest,
    columns: &[Column],
    limits: &IntakeLimits,
) {
    let fault = report
        .faults
        .iter()
        .find(|fault| RULES.contains(&fault.rule.as_str()));
    let (Some(fault), None) = (fault, &report.quality) else {
        return;
    };
    // The file was opened before; where it cannot be opened now, the fault says enough.
    let Ok(found) = columns_of(file, manifest.format, manifest.encoding, limits) else {
        return;
    };
    let place = |name: &str| find_column(columns, name.trim());
    let there: Vec<usize> = found
        .columns
        .iter()
        .filter_map(|(name, _)| place(name))
        .collect();
    let unknown = found
        .columns
        .iter()
        .filter(|(name, _)| place(name).is_none());
    let mut added: Vec<String> = unknown.map(|(name, _)| shown_name(name)).collect();
    // A member of a later line of JSON is in no header.
    let later = fault
        .column
        .iter()
        .filter(|_| fault.rule == "column_unknown");
    added.extend(
        later
            .filter(|name| !added.contains(name))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let missing: Vec<String> = (0..columns.len())
        .filter(|place| !there.contains(place))
        .filter_map(|place| columns.get(place).map(|column| column.name.clone()))
        .collect();
    report.quality = schema_drift(&added, &missing).map(|note| QualityReport {
        notes: vec![note],
        ..QualityReport::default()
    });
}
