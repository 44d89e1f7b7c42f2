//! 存证账本: checkpoints, leaves, proofs, keys.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::each;
use super::dto::{
    CheckpointView, ConsistencyQuery, ConsistencyView, LeafView, LeavesQuery, LedgerKeyView,
    LedgerKeysView, Page, ProofView,
};
use super::extract::{Id, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(ledger_checkpoint))
        .add(routes!(ledger_leaves))
        .add(routes!(ledger_proof))
        .add(routes!(ledger_consistency))
        .add(routes!(verify_ledger))
        .add(routes!(ledger_keys))
}

/// The newest signed checkpoint.
#[utoipa::path(get, path = "/ledger/checkpoint", tag = "ledger",
    responses((status = 200, description = "the checkpoint", body = CheckpointView)))]
async fn ledger_checkpoint(State(portal): State<Portal>, Signed(actor): Signed) -> Answer {
    answer::ok(&CheckpointView::from(
        &portal.platform.ledger_checkpoint(&actor).await?,
    ))
}

/// Leaves, oldest first.
#[utoipa::path(get, path = "/ledger/leaves", tag = "ledger", params(LeavesQuery),
    responses((status = 200, description = "a page of leaves", body = Page<LeafView>)))]
async fn ledger_leaves(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(query): Query<LeavesQuery>,
) -> Answer {
    let limit = paging::bounded(query.limit, None)?.limit;
    let leaves = portal
        .platform
        .ledger_leaves(&actor, query.after, limit)
        .await?;
    let is_full = u32::try_from(leaves.len()).is_ok_and(|found| found == limit);
    let next_cursor = leaves
        .last()
        .filter(|_last| is_full)
        .map(|last| last.index.to_string());
    answer::ok(&Page {
        items: each::<_, LeafView>(&leaves),
        next_cursor,
    })
}

/// The proof that a leaf is in the log.
#[utoipa::path(get, path = "/ledger/proofs/{index}", tag = "ledger",
    params(("index" = u64, Path, description = "the leaf's index")),
    responses((status = 200, description = "the proof", body = ProofView)))]
async fn ledger_proof(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(index): Id<u64>,
) -> Answer {
    let proof = portal.platform.ledger_proof(&actor, index).await?;
    answer::ok(&ProofView { index, proof })
}

/// The proof that the log only grew between two sizes.
#[utoipa::path(get, path = "/ledger/consistency", tag = "ledger", params(ConsistencyQuery),
    responses((status = 200, description = "the proof", body = ConsistencyView)))]
async fn ledger_consistency(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(query): Query<ConsistencyQuery>,
) -> Answer {
    let proof = portal
        .platform
        .ledger_consistency(&actor, query.from, query.to)
        .await?;
    answer::ok(&ConsistencyView::from(&proof))
}

/// Recomputes the whole log and compares it with what is stored.
#[utoipa::path(post, path = "/ledger:verify", tag = "ledger",
    responses((status = 200, description = "it fits; the checkpoint it fits to", body = CheckpointView)))]
async fn verify_ledger(State(portal): State<Portal>, Signed(actor): Signed) -> Answer {
    answer::ok(&CheckpointView::from(
        &portal.platform.verify_ledger(&actor).await?,
    ))
}

/// The public keys to verify checkpoints and certificates with; no sign-in needed.
#[utoipa::path(get, path = "/ledger/keys", tag = "ledger", security(()),
    responses((status = 200, description = "the keys", body = LedgerKeysView)))]
async fn ledger_keys(State(portal): State<Portal>) -> Answer {
    let keys = portal.platform.ledger_public_keys();
    let keys = [
        ("checkpoint", &keys.checkpoint),
        ("certificate", &keys.certificate),
    ];
    let view = |(purpose, key): (&str, &sandbox::VerifyingKey)| LedgerKeyView {
        purpose: purpose.to_owned(),
        name: key.name().to_owned(),
        key_id: hex::encode(key.id()),
        public_key: BASE64.encode(key.bytes()),
        verifier: key.verifier(),
    };
    answer::ok(&LedgerKeysView {
        keys: keys.map(view).into(),
    })
}

impl From<&sandbox::Checkpoint> for CheckpointView {
    fn from(checkpoint: &sandbox::Checkpoint) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: BASE64.encode(checkpoint.root),
            note: checkpoint.note.clone(),
        }
    }
}

impl From<&sandbox::LeafRecord> for LeafView {
    fn from(record: &sandbox::LeafRecord) -> Self {
        Self {
            index: record.index,
            kind: record.kind.clone(),
            leaf: record.leaf.clone(),
            hash: BASE64.encode(record.hash),
            detail: record.detail.clone(),
            salt: record.salt.clone(),
        }
    }
}

impl From<&sandbox::ConsistencyProof> for ConsistencyView {
    fn from(proof: &sandbox::ConsistencyProof) -> Self {
        Self {
            from: proof.from,
            to: proof.to,
            hashes: proof.path.iter().map(|hash| BASE64.encode(hash)).collect(),
        }
    }
}
