//! 存证账本: leaves, checkpoints, proofs.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The log's name.
    pub origin: String,
    /// Leaves covered.
    pub size: u64,
    /// Root hash, base64.
    pub root: String,
    /// The signed note (C2SP), as it is to be verified.
    pub note: String,
}

/// Which leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeavesQuery {
    /// Only leaves behind this index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// A leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeafView {
    /// Its place in the log, from zero.
    pub index: u64,
    /// What happened.
    pub kind: String,
    /// The leaf in its canonical encoding (RFC 8785): the bytes that are hashed.
    pub leaf: String,
    /// The leaf hash, base64.
    pub hash: String,
    /// What was committed to, where it still exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub detail: Option<serde_json::Value>,
    /// What the leaf's commitment is keyed with, in hex, where the detail still exists: `detail` of the leaf is the
    /// HMAC-SHA-256 under it of the detail's canonical text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// The proof that a leaf is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProofView {
    /// The leaf's index.
    pub index: u64,
    /// `c2sp.org/tlog-proof@v1`: index, path and checkpoint, as it is to be verified.
    pub proof: String,
}

/// Between which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The smaller tree.
    pub from: u64,
    /// The larger tree.
    pub to: u64,
}

/// The proof that a log only grew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyView {
    /// The smaller tree.
    pub from: u64,
    /// The larger tree.
    pub to: u64,
    /// The hashes, base64.
    pub hashes: Vec<String>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerKeyView {
    /// What it signs: `checkpoint` or `certificate`.
    pub purpose: String,
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub key_id: String,
    /// Ed25519 public key, base64.
    pub public_key: String,
    /// In the form of a note verifier (`name+keyid+key`).
    pub verifier: String,
}

/// The public keys to verify certificates and checkpoints with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerKeysView {
    /// The keys.
    pub keys: Vec<LedgerKeyView>,
}
