//! Votes on held results: two people of two review bodies, neither the applicant's, each on the evidence as it is.

use serde_json::json;

use super::read::{self, owner};
use super::rows::{self, VoteRow};
use super::view::ReleaseView;
use crate::access::{Actor, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::ReleaseId;
use crate::job::rows as job_rows;
use crate::job::state::{ReleaseState, RunState};
use crate::ledger::LeafDraft;
use crate::platform::Platform;
use crate::scenario::{self, Vote};
use crate::storage::Tx;

/// Approving votes that a held result needs.
pub const RELEASE_APPROVALS_NEEDED: u32 = 2;
/// Bytes of a comment.
const COMMENT_BYTES_MAX: usize = 4096;

/// What a vote led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Waiting,
    Scheduled,
    Refused,
}

impl Platform {
    /// Votes on a held result. The second approval releases it, one rejection refuses it.
    ///
    /// # Errors
    /// Denied to the applicant's own organisation; conflict when the evidence is another than the
    /// vote names, when the person has voted, when the release is not held, or when the scenario
    /// has changed meanwhile.
    pub async fn vote_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        vote: Vote,
    ) -> Result<ReleaseView, Error> {
        let (row, _) = self.release_row(id).await?;
        let authorisation =
            self.authorise(actor, Operation::VoteRelease, Object::Of(owner(&row)?))?;
        if vote.comment.len() > COMMENT_BYTES_MAX {
            return Err(Error::too_large(
                "comment_too_long",
                "意见过长。",
                "the comment is too long.",
            ));
        }
        let bodies = self.settings().review_bodies();
        let outcome = self
            .store()
            .act(authorisation, "vote_release", |tx| {
                let (actor, vote) = (actor.clone(), vote.clone());
                Box::pin(async move { cast(tx, &actor, id, &vote, bodies).await })
            })
            .await?;
        match outcome {
            Outcome::Waiting => {}
            Outcome::Scheduled => {
                // The decision stands whatever happens now; the driver publishes what is left over.
                if let Err(error) = self.publish(&id.to_string(), None).await {
                    tracing::warn!(release.id = %id, %error, "a release could not be published at once");
                    self.node().wake();
                }
            }
            Outcome::Refused => super::quarantine::clear(self, &id.to_string()).await,
        }
        self.node().changed(&row.run);
        let (row, votes) = self.release_row(id).await?;
        let approvals = votes.iter().filter(|vote| vote.approve).count();
        read::view(row, i64::try_from(approvals).unwrap_or(i64::MAX))
    }
}

async fn cast(
    tx: &mut Tx,
    actor: &Actor,
    id: ReleaseId,
    vote: &Vote,
    bodies: usize,
) -> Result<(Outcome, LeafDraft), Error> {
    let name = id.to_string();
    let row = rows::release(tx.conn(), &name)
        .await?
        .ok_or_else(|| read::unknown(id))?;
    if row.organisation == actor.organisation.to_string() {
        return Err(Error::denied(
            "own_organisation",
            "不得对本组织的结果投票。",
            "nobody votes on a result of the own organisation.",
        ));
    }
    if row.state != ReleaseState::Held {
        return Err(Error::conflict(
            "release_not_held",
            format!("该结果处于 {} 状态，不在待审。", row.state.as_str()),
            format!(
                "the result is {}, it does not wait for votes.",
                row.state.as_str()
            ),
        ));
    }
    if row.evidence_digest != vote.evidence_digest {
        return Err(Error::conflict(
            "evidence_stale",
            "投票所依据的材料不是当前材料。",
            "the vote names other evidence than the current.",
        )
        .with_remedy(
            "重新查看材料后再投票。",
            "look at the evidence again, then vote.",
        ));
    }
    let scenario = row
        .scenario
        .parse()
        .map_err(|source: crate::id::IdError| Error::internal("read a scenario", source))?;
    let found = scenario::version(tx.conn(), scenario, None).await?;
    if document::stored_count(found.epoch)? != row.epoch_decided {
        return Err(Error::conflict(
            "scenario_changed",
            "场景在此期间已变更，该结果不再可放行。",
            "the scenario has changed meanwhile; the result cannot be released any more.",
        ));
    }
    if vote.approve && bodies > 1 {
        let earlier = rows::votes(tx.conn(), &name).await?;
        let approved = earlier
            .into_iter()
            .filter(|earlier| earlier.approve && earlier.account != actor.account.to_string())
            .map(|earlier| earlier.organisation);
        scenario::another_body(approved, &actor.organisation.to_string())?;
    }
    store_vote(tx, actor, &row, vote).await?;
    let approvals = rows::approvals(tx.conn(), &name).await?;
    let outcome = if !vote.approve {
        Outcome::Refused
    } else if approvals >= i64::from(RELEASE_APPROVALS_NEEDED) {
        Outcome::Scheduled
    } else {
        Outcome::Waiting
    };
    follow(tx, &row, outcome).await?;
    let leaf = LeafDraft::new(
        "release.vote",
        json!({
            "approve": vote.approve,
            "comment": vote.comment,
            "evidence": row.evidence_digest,
            "outcome": format!("{outcome:?}").to_lowercase(),
        }),
    )
    .subject(id)
    .subject(format!("evidence:sha256:{}", row.evidence_digest))
    .reference(u64::try_from(row.decision_leaf).unwrap_or(0));
    Ok((outcome, leaf))
}

async fn store_vote(
    tx: &mut Tx,
    actor: &Actor,
    row: &rows::ReleaseRow,
    vote: &Vote,
) -> Result<(), Error> {
    let stored = VoteRow {
        account: actor.account.to_string(),
        organisation: actor.organisation.to_string(),
        approve: vote.approve,
        evidence_digest: vote.evidence_digest.clone(),
        comment: vote.comment.clone(),
        at: tx.now_micros(),
        leaf: document::stored_count(tx.next_leaf())?,
    };
    if rows::insert_vote(tx.conn(), &row.id, &stored).await? {
        return Ok(());
    }
    Err(Error::conflict(
        "already_voted",
        "您已投过票。",
        "you have voted already.",
    ))
}

/// Moves release and run to where the vote leads.
async fn follow(tx: &mut Tx, row: &rows::ReleaseRow, outcome: Outcome) -> Result<(), Error> {
    let (release, run) = match outcome {
        Outcome::Waiting => return Ok(()),
        Outcome::Scheduled => (ReleaseState::Scheduled, RunState::Releasing),
        Outcome::Refused => (ReleaseState::Refused, RunState::Refused),
    };
    let (now, at) = (tx.now(), tx.now_micros());
    let moved = rows::move_release(tx.conn(), &row.id, ReleaseState::Held, release).await?;
    let held = job_rows::run(tx.conn(), &row.run)
        .await?
        .ok_or_else(|| Error::internal("vote on a release", "a release without a run"))?;
    let timeline = job_rows::timeline(&held.timeline, &[(run, now)])?;
    let moves = (RunState::Held, run);
    let run_moved =
        job_rows::move_on(tx.conn(), &row.run, moves, &held.reason, &timeline, at).await?;
    if moved && run_moved {
        Ok(())
    } else {
        Err(Error::internal(
            "vote on a release",
            "release and run are not in one state",
        ))
    }
}
