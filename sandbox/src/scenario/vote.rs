//! Votes on a scenario version, and its approval.

use serde_json::json;

use super::row::ScenarioVersion;
use super::state::{ScenarioEvent, ScenarioState};
use super::{APPROVALS_NEEDED, ScenarioView, evidence, refuse_faults, row, version};
use crate::access::{Actor, Object, Operation};
use crate::catalogue::shortened;
use crate::document;
use crate::error::Error;
use crate::id::ScenarioId;
use crate::keys::Keys;
use crate::ledger::LeafDraft;
use crate::mask_key::{FreshKey, KeyOwner, begin_epoch};
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

const COMMENT_BYTES_MAX: usize = 4096;
const DAY_MICROS: i64 = 86_400_000_000;

/// A vote; it counts only for the evidence it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// For or against.
    pub approve: bool,
    /// The digest of the evidence that was seen.
    pub evidence_digest: String,
    /// Why.
    pub comment: String,
}

impl Platform {
    /// Votes on the newest version of a scenario. The second approving vote, of another review body, puts it in
    /// force; one vote against ends it.
    ///
    /// # Errors
    /// Denied to members of the applicant's organisation; conflict when the evidence is no longer
    /// what the vote names, when the voter voted on it already, or when nothing is to be voted on.
    pub async fn vote_scenario(
        &self,
        actor: &Actor,
        id: ScenarioId,
        vote: Vote,
    ) -> Result<ScenarioView, Error> {
        let authorisation = self.authorise(actor, Operation::VoteScenario, Object::Platform)?;
        if vote.comment.len() > COMMENT_BYTES_MAX {
            return Err(Error::too_large(
                "comment_too_long",
                "意见过长。",
                "the comment is too long.",
            ));
        }
        let fresh = FreshKey::new(self.clock(), self.entropy());
        let (keys, bodies) = (self.keys_handle(), self.settings().review_bodies());
        self.store()
            .act(authorisation, "vote_scenario", |tx| {
                let (actor, vote) = (actor.clone(), vote.clone());
                let (keys, fresh) = (keys.clone(), fresh.clone());
                Box::pin(async move { cast(tx, &actor, id, &vote, (&keys, &fresh), bodies).await })
            })
            .await?;
        self.scenario_view(id).await
    }
}

async fn cast(
    tx: &mut Tx,
    actor: &Actor,
    id: ScenarioId,
    vote: &Vote,
    (keys, fresh): (&Keys, &FreshKey),
    bodies: usize,
) -> Result<((), LeafDraft), Error> {
    let found = version(tx.conn(), id, None).await?;
    if found.organisation == actor.organisation {
        return Err(Error::denied(
            "own_organisation",
            "不能表决本组织提出的场景。",
            "nobody votes on a scenario of the own organisation.",
        ));
    }
    // Refuses a version that is not up for a vote, before anything is said about its evidence.
    found.state.after(ScenarioEvent::Approve { last: false })?;
    let evidence = evidence::document_of(tx.conn(), &found).await?;
    if evidence.digest != vote.evidence_digest {
        return Err(Error::conflict(
            "evidence_stale",
            "证据已变化，或不是您所见的证据。",
            "the evidence has changed, or is not the one that you name.",
        )
        .with_remedy(
            "重新查看证据后再表决。",
            "look at the evidence again, then vote.",
        ));
    }
    let mut votes = row::votes(tx.conn(), id, found.number, &evidence.digest).await?;
    if votes.iter().any(|earlier| earlier.voter == actor.account) {
        return Err(Error::conflict(
            "already_voted",
            "您已就该证据表决过。",
            "you have voted on this evidence already.",
        ));
    }
    if vote.approve {
        refuse_faults(evidence.findings)?;
    }
    votes.retain(|earlier| earlier.approve);
    if vote.approve && bodies > 1 {
        let approved = votes.iter().map(|earlier| earlier.organisation.to_string());
        another_body(approved, &actor.organisation.to_string())?;
    }
    let approvals = u32::try_from(votes.len()).unwrap_or(u32::MAX) + u32::from(vote.approve);
    let event = match vote.approve {
        true => ScenarioEvent::Approve {
            last: approvals >= APPROVALS_NEEDED,
        },
        false => ScenarioEvent::Reject,
    };
    let state = found.state.after(event)?;
    store(tx, actor, &found, vote).await?;
    let mut detail = json!({
        "approve": vote.approve,
        "evidence": evidence.digest,
        "comment": shortened(&vote.comment),
        "state": state.as_str(),
    });
    let epoch = match state {
        ScenarioState::Approved => {
            let begun = begin_epoch(tx, keys, KeyOwner::Scenario(id), fresh).await?;
            detail["key"] = json!({ "epoch": begun.epoch, "commitment": begun.commitment });
            approve(tx, &found).await?
        }
        _ => {
            row::set_state(tx.conn(), id, found.number, state).await?;
            found.epoch
        }
    };
    let kind = if state == ScenarioState::Approved {
        "scenario.approve"
    } else {
        "scenario.vote"
    };
    let mut leaf = LeafDraft::new(kind, detail)
        .subject(id)
        .scenario(id, found.number, epoch);
    for earlier in &votes {
        leaf = leaf.reference(earlier.leaf);
    }
    Ok(((), leaf))
}

/// Two approvals are of two review bodies: colleagues are not independent of each other.
pub(crate) fn another_body(
    mut approved: impl Iterator<Item = String>,
    own: &str,
) -> Result<(), Error> {
    if approved.any(|earlier| earlier == own) {
        return Err(Error::conflict(
            "body_approved",
            "您所在的审查机构已有人赞成；第二票须来自另一审查机构。",
            "somebody of your review body has approved already; the second approval comes from another body.",
        )
        .with_remedy(
            "请另一审查机构的审查员表决；您仍可投反对票。",
            "let a reviewer of another body vote; you may still vote against.",
        ));
    }
    Ok(())
}

async fn store(
    tx: &mut Tx,
    actor: &Actor,
    found: &ScenarioVersion,
    vote: &Vote,
) -> Result<(), Error> {
    let (leaf, at) = (document::stored_count(tx.next_leaf())?, tx.now_micros());
    let number = document::stored_count(found.number)?;
    let failed = |source| storage_error("store a vote", source);
    // A vote on other evidence is void, and gives way to the same person's new one; the ledger has both.
    sqlx::query(
        "DELETE FROM scenario_votes WHERE scenario_id = $1 AND version = $2 AND account_id = $3",
    )
    .bind(found.scenario.to_string())
    .bind(number)
    .bind(actor.account.to_string())
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query(
        "INSERT INTO scenario_votes (scenario_id, version, account_id, organisation_id, approve, evidence_digest, \
         comment, leaf, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(found.scenario.to_string())
    .bind(number)
    .bind(actor.account.to_string())
    .bind(actor.organisation.to_string())
    .bind(i64::from(vote.approve))
    .bind(vote.evidence_digest.as_str())
    .bind(vote.comment.as_str())
    .bind(leaf)
    .bind(at)
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query(
        "UPDATE scenario_versions SET evidence_digest = $1 WHERE scenario_id = $2 AND version = $3",
    )
    .bind(vote.evidence_digest.as_str())
    .bind(found.scenario.to_string())
    .bind(number)
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(())
}

/// Puts a version in force for its term; what was in force before ends, with its grants.
async fn approve(tx: &mut Tx, found: &ScenarioVersion) -> Result<u64, Error> {
    let failed = |source| storage_error("approve a scenario", source);
    let id = found.scenario.to_string();
    let epoch = found.epoch + 1;
    let (now, leaf) = (tx.now_micros(), document::stored_count(tx.next_leaf())?);
    let expires_at = now.saturating_add(i64::from(found.contract.term_days) * DAY_MICROS);
    if found.approved > 0 {
        let before = version(tx.conn(), found.scenario, Some(found.approved)).await?;
        if let Ok(state) = before.state.after(ScenarioEvent::Supersede) {
            row::set_state(tx.conn(), found.scenario, before.number, state).await?;
        }
        crate::application::end_grants(tx.conn(), found.scenario, "superseded").await?;
    }
    sqlx::query(
        "UPDATE scenario_versions SET state = $1, approved_at = $2, expires_at = $3, leaf = $4 \
         WHERE scenario_id = $5 AND version = $6",
    )
    .bind(ScenarioState::Approved.as_str())
    .bind(now)
    .bind(expires_at)
    .bind(leaf)
    .bind(id.as_str())
    .bind(document::stored_count(found.number)?)
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    sqlx::query("UPDATE scenarios SET epoch = $1, approved_version = $2 WHERE id = $3")
        .bind(document::stored_count(epoch)?)
        .bind(document::stored_count(found.number)?)
        .bind(id.as_str())
        .execute(tx.conn())
        .await
        .map_err(failed)?;
    Ok(epoch)
}
