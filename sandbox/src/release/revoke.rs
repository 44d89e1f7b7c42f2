//! What a revocation ends: inside its transaction, and in this node's memory after it.

use masking::Bilingual;

use super::rows;
use crate::document;
use crate::error::Error;
use crate::id::{GrantId, ScenarioId};
use crate::job::rows::{self as job_rows, RunRow};
use crate::job::state::{ReleaseState, RunState};
use crate::platform::Platform;
use crate::storage::Tx;

/// Ends everything under a scenario: runs are killed, pending results void, released ones frozen.
/// Call [`Platform::after_revocation`] when the transaction has committed.
pub(crate) async fn revoke_effects(tx: &mut Tx, scenario: ScenarioId) -> Result<(), Error> {
    let name = scenario.to_string();
    let reason = document::write(
        "write a reason",
        &Bilingual::new("场景已撤销。", "the scenario was revoked."),
    )?;
    for run in job_rows::unsettled_of_scenario(tx.conn(), &name).await? {
        kill(tx, &run, &reason).await?;
    }
    for pending in [ReleaseState::Held, ReleaseState::Scheduled] {
        rows::move_all_of_scenario(tx.conn(), &name, pending, ReleaseState::Void).await?;
    }
    rows::move_all_of_scenario(
        tx.conn(),
        &name,
        ReleaseState::Released,
        ReleaseState::Frozen,
    )
    .await?;
    Ok(())
}

/// Ends the runs of a grant that are not settled. Results that wait for votes are void; what was
/// released stays released: the grant ends, not the approval.
pub(crate) async fn revoke_grant_effects(tx: &mut Tx, grant: GrantId) -> Result<(), Error> {
    let reason = document::write(
        "write a reason",
        &Bilingual::new("授权已终止。", "the grant has ended."),
    )?;
    for run in job_rows::unsettled_of_grant(tx.conn(), &grant.to_string()).await? {
        if !run.release.is_empty() {
            for pending in [ReleaseState::Held, ReleaseState::Scheduled] {
                rows::move_release(tx.conn(), &run.release, pending, ReleaseState::Void).await?;
            }
        }
        kill(tx, &run, &reason).await?;
    }
    Ok(())
}

async fn kill(tx: &mut Tx, run: &RunRow, reason: &str) -> Result<(), Error> {
    let (now, at) = (tx.now(), tx.now_micros());
    let timeline = job_rows::timeline(&run.timeline, &[(RunState::Killed, now)])?;
    let moves = (run.state, RunState::Killed);
    job_rows::move_on(tx.conn(), &run.id, moves, reason, &timeline, at).await?;
    Ok(())
}

impl Platform {
    /// Stops what this node is running for a scenario or grant that has ended. Other nodes find out
    /// by themselves.
    pub(crate) fn after_revocation(&self) {
        self.node().check_runs();
    }
}
