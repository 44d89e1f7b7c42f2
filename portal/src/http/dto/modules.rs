//! WASM modules.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How the module in the body is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModuleQuery {
    /// Short name, unique per organisation and content.
    pub name: String,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModuleView {
    /// The module's identifier.
    pub id: String,
    /// Short name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What it imports, `module.name`.
    pub imports: Vec<String>,
    /// Functions defined in it.
    pub functions: u32,
    /// Linear memory at the start.
    pub memory_bytes_min: u64,
    /// Whether it takes the run's seed.
    pub seeded: bool,
    /// Whether it can be a whole job.
    #[serde(default)]
    pub whole_job: bool,
    /// What it says of itself (`egret.manifest`): name, version, functions, columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<serde_json::Value>,
    /// When it was pushed.
    pub created_at: String,
}
