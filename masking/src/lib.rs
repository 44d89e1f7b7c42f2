//! Pure functions on Arrow batches: classify, check quality, mask, measure risk.
//!
//! | To | Use |
//! |---|---|
//! | find out what a column holds | [`Classifier`], [`find_identifiers`] |
//! | go by other number tables (segments, issuers, regions) | [`Tables`] |
//! | check and repair a push | [`QualityRules`], [`QualityChecker`] |
//! | mask a data set | [`Policy`] → [`Policy::compile`] → [`MaskPlan::apply`] |
//! | let all rows share groups and values | [`MaskPlan::survey`] → [`Survey`] → [`MaskPlan::surveyed`] |
//! | make pseudonyms | [`RootKey`], [`TokenKey`], with the algorithms of a [`CipherSuite`] |
//! | measure what is left of the risk | [`RiskMeter`], [`SpecialMeter`] |
//! | coarsen until the risk is low enough | [`Generaliser`] over [`Hierarchy`], [`Mondrian`] |
//! | find a policy that reaches a measure | [`PolicySearch`] |
//! | show a few rows | [`sample_rows`] |
//! | show rows that are nobody's | [`Synthesiser`] |
//!
//! Everything is streaming (a batch at a time), null-preserving and deterministic: the same batch
//! under the same key gives the same bytes. Keys come in as arguments; there is no clock and no
//! randomness here.
//!
//! What this crate does **not** do: it knows no tenants, no files, no SQL and no network, it stores
//! nothing, and it never decides who may see what.
#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "a fault holds two texts in two languages, and is made once a batch at most"
)]

mod classify;
mod date;
mod error;
mod fold;
mod generalise;
mod key;
mod policy;
mod quality;
mod risk;
mod sample;
mod synthesise;
mod text;
mod transform;

pub use classify::{
    Candidate, Class, Classifier, ColumnClass, ColumnHint, Evidence, Hit, Identifier, Meaning,
    TableTexts, Tables, find_identifiers,
};
pub use error::{
    Fault, MaskError, MeasureError, PolicyError, PolicyFault, QualityError, TableError,
};
pub use generalise::{
    DateLevel, Generalised, Generaliser, Goal, Hierarchy, InformationLoss, LocalRecoding, Mondrian,
    Requirement, Solution,
};
pub use key::{CipherSuite, RootKey, TokenKey, ValueDomain, canonical};
pub use policy::{
    ChosenLevel, ColumnPolicy, Policy, PolicyFound, PolicySearch, PolicyWish, RuleTarget,
    UnnamedColumns,
};
pub use quality::{
    Action, Baseline, Checked, Problem, QualityChecker, QualityReport, QualityRules, QualitySurvey,
    Reference, ReferenceRule, RuleCount, RuleNote, Shares, Survivors, schema_drift,
};
pub use risk::{
    ClassCounter, ClosenessDistance, PopulationRisk, RiskMeter, RiskReport, SpecialMeter,
    SpecialScores, SpecialUniques, Suppression, risk_columns,
};
pub use sample::sample_rows;
pub use synthesise::{COMMON_MIN, Synthesiser};
pub use text::{Bilingual, Lang};
pub use transform::{
    BinOutput, DateShift, Datum, Geo, GeoCell, GeoLayout, MaskPlan, Masked, Measure, Noise,
    NoiseShape, Period, Permute, RegionLevel, Surrogate, Survey, Transform, ValueGroups,
};
