//! The catalogue: data sets, their masking policies, versions and samples.
//!
//! - `entry`: what the resource platform registers, and what keeps an entry out.
//! - `dataset`: data sets, versions and samples as they are seen.
//! - `preview`: a policy tried on the provider's sample.
//! - `policy`, `plan`: the policy in force, compiled against what is known of the columns.
//! - `facts`: the manifest of a version.

mod dataset;
mod entry;
mod facts;
mod plan;
mod policy;
mod preview;
mod sample;

pub use self::dataset::{DatasetView, VersionView};
pub(crate) use self::entry::arrow_schema;
pub use self::entry::{
    CatalogueEntry, Column, ColumnType, Level, PrivacyUnit, SampleRow, UpdateCycle,
};
pub use self::facts::{PolicyFacts, SourceFacts, UniverseFacts, VersionColumn, VersionManifest};
pub use self::policy::{PolicySuggestion, PolicyView};
pub use self::preview::PolicyPreview;

pub(crate) use self::dataset::{DatasetFacts, dataset_facts};
pub(crate) use self::entry::{is_name, sample_finding, shortened};
pub(crate) use self::facts::{version_columns, version_schema};
pub(crate) use self::plan::{STANDING_EPOCH, compile as compile_policy, known_classes};
pub(crate) use self::policy::{PolicyInForce, policy_in_force};
pub(crate) use self::sample::{invented_token, masked_rows, rows_of};
