//! What is sent to submit a job, and what is seen of jobs and runs.

use jiff::Timestamp;
use masking::Bilingual;
use review::{ColumnLineage, Finding, OutputColumn, TableUse};
use runtime::LayerReport;
use serde::{Deserialize, Serialize};

use crate::id::{
    AccountId, GrantId, JobId, ModuleId, OrganisationId, ReleaseId, RunId, ScenarioId,
};
use crate::job::state::RunState;
use crate::meter::Meter;

/// On which data a job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The data sets, through egress.
    #[default]
    Production,
    /// Their samples; the result is seen at once and never released.
    Sample,
}

impl Mode {
    /// The name in SQL, API and ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sample => "sample",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Production, Self::Sample]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// A table given to a WASM module; the module counts its inputs from 0 in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WasmInput {
    /// The table's name in the scenario.
    pub table: String,
    /// The columns, in this order.
    pub columns: Vec<String>,
}

/// The program of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// One SELECT.
    Sql {
        /// Its text.
        sql: String,
        /// Modules whose functions it calls; with any, its result waits for people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        modules: Vec<ProgramModule>,
    },
    /// A module that reads tables and writes one.
    Wasm {
        /// The module.
        #[serde(with = "crate::document::as_text")]
        module: ModuleId,
        /// What it reads.
        inputs: Vec<WasmInput>,
        /// What it writes, fixed before it runs.
        output: Vec<OutputColumn>,
    },
}

impl Program {
    /// One SELECT that calls no module.
    pub fn sql(sql: impl Into<String>) -> Self {
        Self::Sql {
            sql: sql.into(),
            modules: Vec::new(),
        }
    }
}

/// A module whose functions SQL calls as `name.function`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramModule {
    /// What stands before the dot.
    pub name: String,
    /// The module.
    #[serde(with = "crate::document::as_text")]
    pub module: ModuleId,
}

/// A job to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// The grant under which it runs.
    pub grant: GrantId,
    /// On which data.
    pub mode: Mode,
    /// What runs.
    pub program: Program,
}

/// Whether a program would be admitted; nothing is stored by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionView {
    /// Inside the scenario or not.
    pub admitted: bool,
    /// Why not.
    pub findings: Vec<Finding>,
    /// Digest of the plan that would run, in hex.
    pub plan_digest: Option<String>,
    /// What it reads.
    pub tables: Vec<TableUse>,
    /// What it returns.
    pub output: Vec<OutputColumn>,
    /// What its columns are made of; nothing is said of what a module makes.
    pub lineage: Vec<ColumnLineage>,
    /// Functions of modules that it calls: with any, its result waits for people.
    pub functions: Vec<String>,
}

/// One table of a job, as it was when the job was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedInput {
    /// The table's name in the program.
    pub table: String,
    /// The data set, or the tenant's private data set.
    pub dataset: String,
    /// The version; a private data set has none.
    pub version: String,
    /// SHA-256 of the version's content, in hex.
    pub digest: String,
    /// Digest of the masking policy, in hex; empty for private data sets.
    pub policy_digest: String,
    /// De-identification level of GB/T 42460; 0 for private data sets.
    pub level: u8,
    /// Whether the tenant brought it.
    pub private: bool,
    /// The columns that the program reads, in the order in which they are staged.
    pub columns: Vec<String>,
    /// Whether the engine gets the unit's number too.
    pub control: bool,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Its identifier.
    pub id: JobId,
    /// The grant.
    pub grant: GrantId,
    /// The tenant.
    pub organisation: OrganisationId,
    /// Who submitted it.
    pub account: AccountId,
    /// The scenario.
    pub scenario: ScenarioId,
    /// On which data.
    pub mode: Mode,
    /// What runs.
    pub program: Program,
    /// SHA-256 of the program, in hex.
    pub program_digest: String,
    /// SHA-256 of the plan that runs, in hex; none for modules.
    pub plan_digest: Option<String>,
    /// The data it runs on.
    pub inputs: Vec<PinnedInput>,
    /// Its run.
    pub run: RunId,
    /// When it was submitted.
    pub created_at: Timestamp,
}

/// A state and when the run came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The state.
    pub state: RunState,
    /// When, to the next tenth of a second.
    pub at: Timestamp,
}

/// Why a run has not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Runs that are before it.
    pub before: u64,
    /// The same as a sentence.
    pub reason: Bilingual,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Its identifier.
    pub id: RunId,
    /// Its job.
    pub job: JobId,
    /// The grant.
    pub grant: GrantId,
    /// The tenant.
    pub organisation: OrganisationId,
    /// On which data.
    pub mode: Mode,
    /// Where it is.
    pub state: RunState,
    /// Why it has not begun, while it waits.
    pub waiting: Option<Waiting>,
    /// How the program ended: `finished`, `faulted`, `limit_exceeded`, `timed_out`, `cancelled`.
    /// A production run says `faulted` for all of the last four but the last.
    pub outcome: Option<String>,
    /// The class of a failure; sample runs only, since it may depend on the data.
    pub fault: Option<String>,
    /// Why it failed, was refused or stopped.
    pub reason: Option<Bilingual>,
    /// What the inspection found.
    pub findings: Vec<Finding>,
    /// What it used.
    pub meter: Option<Meter>,
    /// Which isolation layers held.
    pub layers: Vec<LayerReport>,
    /// The release of its result; present once there is a decision.
    pub release: Option<ReleaseId>,
    /// The result of a sample run: CSV of at most a thousand rows, made of samples alone.
    pub sample: Option<String>,
    /// The states it came through.
    pub timeline: Vec<Moment>,
    /// How often a node took it.
    pub attempts: u64,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it was settled.
    pub ended_at: Option<Timestamp>,
}
