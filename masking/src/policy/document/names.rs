//! The words that choices are written with, for reading and writing alike.

use crate::key::CipherSuite;
use crate::policy::UnnamedColumns;
use crate::transform::{BinOutput, Datum, Period, RegionLevel};

pub(super) const UNNAMED: &[(&str, UnnamedColumns)] = &[
    ("refuse", UnnamedColumns::Refuse),
    ("drop", UnnamedColumns::Drop),
];
pub(super) const SUITES: &[(&str, CipherSuite)] = &[
    ("international", CipherSuite::International),
    ("sm", CipherSuite::Sm),
];
pub(super) const BIN_OUTPUTS: &[(&str, BinOutput)] = &[
    ("lower", BinOutput::Lower),
    ("middle", BinOutput::Middle),
    ("label", BinOutput::Label),
];
pub(super) const PERIODS: &[(&str, Period)] = &[
    ("month", Period::Month),
    ("quarter", Period::Quarter),
    ("year", Period::Year),
];
pub(super) const LEVELS: &[(&str, RegionLevel)] = &[
    ("province", RegionLevel::Province),
    ("city", RegionLevel::City),
    ("county", RegionLevel::County),
];
pub(super) const DATUMS: &[(&str, Datum)] = &[("wgs84", Datum::Wgs84), ("gcj02", Datum::Gcj02)];

/// The word of a choice.
pub(super) fn name_of<T: PartialEq>(names: &[(&'static str, T)], choice: &T) -> &'static str {
    names
        .iter()
        .find(|(_, known)| known == choice)
        .map_or("", |(name, _)| name)
}
