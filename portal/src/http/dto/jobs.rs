//! Admission, jobs and runs.

use super::{Finding, Text};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// SQL to check without running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlCheck {
    /// The grant's identifier.
    pub grant: String,
    /// One SELECT.
    pub sql: String,
    /// Modules whose functions it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ProgramModule>,
}

/// A module whose functions SQL calls as `name.function`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramModule {
    /// What stands before the dot.
    pub name: String,
    /// The module's identifier.
    pub module: String,
}

/// The type of a column that may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultType {
    /// Truth value.
    Boolean,
    /// Whole number of 32 bit.
    Int32,
    /// Whole number of 64 bit.
    Int64,
    /// Floating point number of 64 bit.
    Float64,
    /// Text.
    Utf8,
    /// Calendar day.
    Date32,
    /// Point in time, microseconds.
    TimestampMicros,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputColumn {
    /// The column's name.
    pub name: String,
    /// Its type.
    pub data_type: ResultType,
}

/// What an output column is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnLineage {
    /// The output column.
    pub output: String,
    /// `table.column` of each input.
    pub inputs: Vec<String>,
}

/// The columns that a program reads from a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableUse {
    /// The table's name in SQL.
    pub table: String,
    /// The columns read.
    pub columns: Vec<String>,
}

/// Whether a program would be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdmissionView {
    /// Inside the scenario or not.
    pub admitted: bool,
    /// Why not, and what to know.
    pub findings: Vec<Finding>,
    /// Digest of the plan that would run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// What it reads.
    #[serde(default)]
    pub tables: Vec<TableUse>,
    /// What it would return.
    #[serde(default)]
    pub output: Vec<OutputColumn>,
    /// What its columns are made of.
    #[serde(default)]
    pub lineage: Vec<ColumnLineage>,
    /// Functions of modules that it calls; with any, its result waits for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
}

/// On which data a job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The data sets.
    #[default]
    Production,
    /// Their samples.
    Sample,
}

/// A table given to a WASM module, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WasmInput {
    /// The table's name in the scenario.
    pub table: String,
    /// The columns, in this order.
    pub columns: Vec<String>,
}

/// The program of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
        /// The module's identifier.
        module: String,
        /// What it reads.
        inputs: Vec<WasmInput>,
        /// What it writes.
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

/// A job to submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobCreate {
    /// The grant's identifier.
    pub grant: String,
    /// On which data.
    #[serde(default)]
    pub mode: Mode,
    /// What to run.
    pub program: Program,
}

/// One table of a job, as it was when the job was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinnedInput {
    /// The table's name in the program.
    pub table: String,
    /// The data set, or the tenant's private data set.
    pub dataset: String,
    /// The version; a private data set has none.
    pub version: String,
    /// SHA-256 of the version's content.
    pub sha256: String,
    /// SHA-256 of the masking policy; empty for private data sets.
    pub policy_sha256: String,
    /// De-identification level of GB/T 42460; 0 for private data sets.
    pub deidentification_level: u8,
    /// Whether the tenant brought it.
    pub private: bool,
    /// The columns that the program reads.
    pub columns: Vec<String>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The job's identifier.
    pub id: String,
    /// The grant's identifier.
    pub grant: String,
    /// The tenant.
    pub organisation: String,
    /// Who submitted it.
    pub account: String,
    /// The scenario.
    pub scenario: String,
    /// On which data.
    pub mode: Mode,
    /// What runs.
    pub program: Program,
    /// SHA-256 of the program.
    pub program_digest: String,
    /// SHA-256 of the plan that runs; none for modules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// The data it runs on.
    pub inputs: Vec<PinnedInput>,
    /// Its run.
    pub run: String,
    /// When it was submitted.
    pub created_at: String,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Inside the scenario, waits for a worker.
    Admitted,
    /// A node holds it: its files are made, its program runs.
    Running,
    /// The program has ended; its output is inspected.
    Inspecting,
    /// The decision to release is stored; the bytes are being written.
    Releasing,
    /// People have to decide; see the release.
    Held,
    /// The result may be downloaded; see the release.
    Released,
    /// No result leaves: by rule, by vote, or because the refusal budget is spent.
    Refused,
    /// A sample run is done; its result is in the run's view.
    Finished,
    /// The program failed or passed a limit.
    Failed,
    /// Stopped by a person or by a revocation.
    Killed,
}

impl RunState {
    /// Whether the machine has nothing more to do; a held run still waits for people.
    #[must_use]
    pub fn is_settled(self) -> bool {
        !matches!(
            self,
            Self::Admitted | Self::Running | Self::Inspecting | Self::Releasing
        )
    }
}

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeterView {
    /// Time in the worker.
    pub wall_us: u64,
    /// Processor time.
    pub cpu_us: u64,
    /// WASM fuel.
    pub fuel: u64,
    /// Rows read.
    pub rows_in: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Most memory at once.
    pub memory_peak_bytes: u64,
    /// Most bytes at once of what did not fit into memory.
    #[serde(default)]
    pub spill_bytes: u64,
}

/// Whether an isolation layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// It holds.
    Enforced,
    /// The host does not have it.
    Unavailable,
    /// Switched off by configuration.
    Off,
}

/// One isolation layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LayerView {
    /// The layer's name.
    pub layer: String,
    /// Whether it holds.
    pub state: LayerState,
    /// Whether a node without it takes no jobs.
    pub required: bool,
    /// The host's error number, when unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// Details.
    pub detail: String,
}

/// How long to wait for a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// Answer when the run has ended, or after this time.
    #[serde(default)]
    #[param(maximum = 30_000)]
    pub wait_ms: u64,
}

/// A state and when the run came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moment {
    /// The state.
    pub state: RunState,
    /// When, to the next tenth of a second.
    pub at: String,
}

/// Why a run has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// Runs that are before it.
    pub before: u64,
    /// The same as a sentence.
    pub reason: Text,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// The run's identifier.
    pub id: String,
    /// The job's identifier.
    pub job: String,
    /// The grant.
    pub grant: String,
    /// The tenant.
    pub organisation: String,
    /// On which data.
    pub mode: Mode,
    /// Where it is.
    pub state: RunState,
    /// Why it has not begun, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// How the program ended: `finished`, `faulted`, `limit_exceeded`, `timed_out`, `cancelled`. A production run says
    /// `faulted` of every failure, since which one it was may depend on the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The class of a failure; sample runs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Why it failed, was refused or stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// What the inspection found.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What it used; a production run's figures are rounded up coarsely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<MeterView>,
    /// Which isolation layers held.
    #[serde(default)]
    pub layers: Vec<LayerView>,
    /// The release of its result, once there is a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The result of a sample run, CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The states it came through.
    pub timeline: Vec<Moment>,
    /// How often a node took it.
    pub attempts: u64,
    /// When it was submitted.
    pub submitted_at: String,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}
