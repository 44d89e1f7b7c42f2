//! Health, workers, use.

use super::LayerView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether the server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// Always `ok`.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// Workers, queue and isolation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// The server's version.
    pub version: String,
    /// Whether the node takes jobs.
    pub accepting: bool,
    /// Warm workers.
    pub workers_ready: u64,
    /// Workers at work.
    pub workers_busy: u64,
    /// Runs that wait.
    pub queued: u64,
    /// Isolation layers of this host.
    pub layers: Vec<LayerView>,
}

/// What an organisation used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// The organisation.
    pub organisation: String,
    /// Runs.
    pub runs: u64,
    /// Time in workers.
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
}

/// What was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
    /// Per organisation that the asker may see.
    pub items: Vec<UsageRow>,
}
