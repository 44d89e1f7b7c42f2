//! What a job carries of its scenario: fixed when it was submitted, so that its run, its evidence and
//! its certificate speak of the same approval.

use std::collections::BTreeMap;

use review::OutputRules;
use serde::{Deserialize, Serialize};

use super::view::PinnedInput;

/// The approved scope of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobScope {
    /// The scenario's name; its keys are derived from its identifier.
    pub(crate) scenario_name: String,
    /// Its version.
    pub(crate) scenario_version: u64,
    /// Digest of its contract, in hex.
    pub(crate) scope_digest: String,
    /// What it may be used for.
    pub(crate) purpose: String,
    /// The leaves of the votes that approved it.
    pub(crate) approvals: Vec<u64>,
    /// What results must pass.
    pub(crate) rules: OutputRules,
    /// Refusals that the grant may collect.
    pub(crate) refusals_max: u32,
    /// The module of a WASM job.
    pub(crate) module: Option<ModuleScope>,
    /// The modules that a query calls, by the names that it has for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) modules: BTreeMap<String, ModuleScope>,
}

/// The module as it was when the job was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleScope {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// A table of a job, as its staging needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredInput {
    /// What everybody may know of it.
    #[serde(flatten)]
    pub(crate) pinned: PinnedInput,
    /// The object in the area of versions.
    pub(crate) object_key: String,
    /// The scenario's row filter.
    pub(crate) row_filter: Option<String>,
    /// Columns among those read that hold intake tokens, with their value domains.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Epoch of the intake key that made them, and under which the file is kept.
    #[serde(default = "first_epoch")]
    pub(crate) intake_epoch: u32,
}

/// Jobs from before there were epochs say none.
fn first_epoch() -> u32 {
    1
}

impl StoredInput {
    /// SHA-256 of the file, in hex.
    pub(crate) fn sha256(&self) -> &str {
        &self.pinned.digest
    }
}
