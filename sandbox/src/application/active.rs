//! Whether a grant may be worked under: asked at admission, at staging, at egress and at release.

use jiff::Timestamp;
use review::Contract;
use sqlx::AnyConnection;

use super::{GrantState, read, unknown};
use crate::error::Error;
use crate::id::{GrantId, OrganisationId, ScenarioId};
use crate::scenario::{ScenarioState, version, votes};

/// A grant that may be worked under at the moment it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct ActiveGrant {
    pub(crate) id: GrantId,
    /// The tenant.
    pub(crate) organisation: OrganisationId,
    pub(crate) scenario: ScenarioId,
    pub(crate) scenario_name: String,
    pub(crate) scenario_version: u64,
    pub(crate) contract: Contract,
    pub(crate) contract_sha256: String,
    /// The scenario's epoch: what is decided under it is void under the next one.
    pub(crate) epoch: u64,
    /// Leaf of the vote that put the scenario's version in force.
    pub(crate) approving_leaf: u64,
    /// Leaves of all votes that approved it, in their order.
    pub(crate) approvals: Vec<u64>,
}

/// The grant, if it is this organisation's and active: its own state, its term, the state and term
/// of its scenario's version, and the scenario's epoch are all looked at here and nowhere else.
///
/// # Errors
/// Not found when it is another's; conflict with the reason when it may not be worked under.
pub(crate) async fn active_grant(
    conn: &mut AnyConnection,
    organisation: OrganisationId,
    id: GrantId,
    now: Timestamp,
) -> Result<ActiveGrant, Error> {
    let grant = read(&mut *conn, id, now).await?;
    if grant.organisation != organisation {
        return Err(unknown(id));
    }
    let found = version(&mut *conn, grant.scenario, Some(grant.scenario_version)).await?;
    let votes = votes(conn, grant.scenario, found.number, &found.evidence_digest).await?;
    match found.state_at(now) {
        ScenarioState::Approved if found.approved == found.number => {}
        ScenarioState::Revoked => {
            return Err(Error::conflict(
                "scenario_revoked",
                "该场景已被撤销，其下的授权全部失效。",
                "the scenario was revoked; every grant under it has ended.",
            ));
        }
        ScenarioState::Expired => {
            return Err(Error::conflict(
                "scenario_expired",
                "该场景已到期。",
                "the scenario's term is over.",
            )
            .with_remedy(
                "申请新的场景版本。",
                "have a new version of the scenario approved.",
            ));
        }
        _ => {
            return Err(Error::conflict(
                "scenario_superseded",
                "该场景版本已被新版本取代。",
                "a newer version took the place of this version of the scenario.",
            )
            .with_remedy("按新版本重新申请。", "apply again under the new version."));
        }
    }
    match (grant.state, grant.expires_at) {
        (GrantState::Active, Some(_)) => Ok(ActiveGrant {
            id,
            organisation,
            scenario: grant.scenario,
            scenario_name: grant.scenario_name,
            scenario_version: found.number,
            contract: found.contract,
            contract_sha256: found.contract_sha256,
            epoch: found.epoch,
            approving_leaf: found.leaf,
            approvals: votes
                .iter()
                .filter(|vote| vote.approve)
                .map(|vote| vote.leaf)
                .collect(),
        }),
        (GrantState::Expired, _) => {
            Err(
                Error::conflict("grant_expired", "授权已到期。", "the grant's term is over.")
                    .with_remedy("重新申请。", "apply again."),
            )
        }
        (GrantState::Requested, _) => Err(Error::conflict(
            "grant_requested",
            "授权尚待数据提供方同意。",
            "the grant still waits for the providers' consent.",
        )),
        _ => Err(Error::conflict(
            "grant_ended",
            "授权已终止。",
            "the grant has ended.",
        )),
    }
}
