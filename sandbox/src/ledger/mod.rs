//! The ledger: a transparency log (RFC 6962) of every act, with signed checkpoints that anybody can verify.
//!
//! A leaf is a short canonical JSON (RFC 8785) that commits to its detail by HMAC under a salt of its own, so that a detail can
//! be erased without touching the log. It names people by keyed pseudonyms alone.

mod leaf;
mod log;
mod note;
mod proof;
mod service;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use leaf::LeafDraft;
pub(crate) use leaf::Pseudonyms;
pub use log::{Checkpoint, ConsistencyProof, LeafRecord, LedgerKeys, verify_detail};
pub(crate) use log::{Log, Signer, anchored};
pub use note::{NoteError, VerifyingKey};
pub use proof::{InclusionProof, ProofError, verify_consistency};
pub(crate) use tree::Edge;
pub(crate) use tree::Hash;
pub use tree::leaf_hash;
