//! Revoking a scenario: in one transaction nothing under it may go on.

use serde_json::json;

use super::state::{ScenarioEvent, ScenarioState};
use super::{ScenarioView, version};
use crate::access::{Actor, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::ScenarioId;
use crate::ledger::LeafDraft;
use crate::mask_key::KeyOwner;
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

const REASON_BYTES_MAX: usize = 4096;

impl Platform {
    /// Ends a scenario: epoch + 1, grants revoked, runs killed, pending egress void, releases frozen.
    ///
    /// # Errors
    /// Invalid without a reason; conflict when it was revoked already or nothing is left to revoke.
    pub async fn revoke_scenario(
        &self,
        actor: &Actor,
        id: ScenarioId,
        reason: &str,
    ) -> Result<ScenarioView, Error> {
        let authorisation = self.authorise(actor, Operation::RevokeScenario, Object::Platform)?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Error::invalid(
                "reason_missing",
                "撤销须写明理由，且不能过长。",
                "a revocation needs a reason, and not an overlong one.",
            ));
        }
        self.store()
            .act(authorisation, "revoke_scenario", |tx| {
                let reason = reason.clone();
                Box::pin(async move { revoke(tx, id, &reason).await })
            })
            .await?;
        self.after_revocation();
        self.forget_staged(id).await;
        self.scenario_view(id).await
    }
}

async fn revoke(tx: &mut Tx, id: ScenarioId, reason: &str) -> Result<((), LeafDraft), Error> {
    let found = version(tx.conn(), id, None).await?;
    let in_force = found.approved > 0 && found.state != ScenarioState::Revoked;
    if !in_force {
        // A version that was never approved can be revoked too; one that ended cannot.
        found.state.after(ScenarioEvent::Revoke)?;
    }
    let epoch = found.epoch + 1;
    let failed = |source| storage_error("revoke a scenario", source);
    sqlx::query(
        "UPDATE scenario_versions SET state = $1 WHERE scenario_id = $2 AND (version = $3 OR state IN \
         ('draft', 'submitted', 'in_review', 'approved'))",
    )
    .bind(ScenarioState::Revoked.as_str())
    .bind(id.to_string())
    .bind(document::stored_count(found.number)?)
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query("UPDATE scenarios SET epoch = $1, reason = $2 WHERE id = $3")
        .bind(document::stored_count(epoch)?)
        .bind(reason)
        .bind(id.to_string())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    crate::mask_key::retire(tx, KeyOwner::Scenario(id)).await?;
    let grants = crate::application::end_grants(tx.conn(), id, reason).await?;
    crate::release::revoke_effects(tx, id).await?;
    let detail = json!({ "reason": reason, "grants": grants });
    let leaf = LeafDraft::new("scenario.revoke", detail).subject(id);
    let leaf = leaf.scenario(id, found.number, epoch);
    Ok((
        (),
        if found.leaf > 0 {
            leaf.reference(found.leaf)
        } else {
            leaf
        },
    ))
}
