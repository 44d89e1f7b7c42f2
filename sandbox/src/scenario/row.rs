//! Scenarios in rows.

use jiff::Timestamp;
use review::Contract;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::state::ScenarioState;
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{AccountId, OrganisationId, ScenarioId};
use crate::storage::storage_error;

/// One version of a scenario, with what is true of the scenario as a whole.
#[derive(Clone, Debug)]
pub(crate) struct ScenarioVersion {
    pub(crate) scenario: ScenarioId,
    pub(crate) name: String,
    pub(crate) organisation: OrganisationId,
    pub(crate) epoch: u64,
    pub(crate) newest: u64,
    pub(crate) approved: u64,
    pub(crate) reason: String,
    pub(crate) number: u64,
    pub(crate) state: ScenarioState,
    pub(crate) contract: Contract,
    pub(crate) contract_sha256: String,
    pub(crate) evidence_digest: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) leaf: u64,
}

impl ScenarioVersion {
    /// The state at a moment: the term ends by the clock, without anybody acting.
    pub(crate) fn state_at(&self, now: Timestamp) -> ScenarioState {
        let over = self.expires_at.is_some_and(|end| end <= now);
        if self.state == ScenarioState::Approved && over {
            ScenarioState::Expired
        } else {
            self.state
        }
    }
}

/// A vote that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioVote {
    /// Who voted.
    pub voter: AccountId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// For or against.
    pub approve: bool,
    /// The evidence that was voted on.
    pub evidence_digest: String,
    /// Why.
    pub comment: String,
    /// Position of its ledger leaf.
    pub leaf: u64,
    /// When.
    pub created_at: Timestamp,
}

/// A version of a scenario; without a number the newest.
pub(crate) async fn version(
    conn: &mut AnyConnection,
    scenario: ScenarioId,
    number: Option<u64>,
) -> Result<ScenarioVersion, Error> {
    let number = number.map(document::stored_count).transpose()?.unwrap_or(0);
    let row = sqlx::query(
        "SELECT s.id, s.name, s.organisation_id, s.epoch, s.version AS newest, s.approved_version, s.reason, \
         v.version, v.state, v.contract, v.contract_sha256, v.evidence_digest, v.created_at, v.expires_at, v.leaf \
         FROM scenarios s JOIN scenario_versions v ON v.scenario_id = s.id \
         WHERE s.id = $1 AND (v.version = $2 OR ($2 = 0 AND v.version = s.version))",
    )
    .bind(scenario.to_string())
    .bind(number)
    .fetch_optional(conn)
    .await
    .map_err(|source| storage_error("read a scenario", source))?;
    match row {
        Some(row) => version_of(&row),
        None => Err(Error::not_found(
            format!("没有场景 {scenario}。"),
            format!("there is no scenario {scenario}."),
        )),
    }
}

pub(crate) fn version_of(row: &AnyRow) -> Result<ScenarioVersion, Error> {
    let state = document::text(row, "state")?;
    let expires_at = document::integer(row, "expires_at")?;
    Ok(ScenarioVersion {
        scenario: document::id(row, "id")?,
        name: document::text(row, "name")?,
        organisation: document::id(row, "organisation_id")?,
        epoch: document::count(row, "epoch")?,
        newest: document::count(row, "newest")?,
        approved: document::count(row, "approved_version")?,
        reason: document::text(row, "reason")?,
        number: document::count(row, "version")?,
        state: ScenarioState::parse(&state)
            .ok_or_else(|| Error::internal("read a scenario", "an unknown state"))?,
        contract: document::column(row, "contract")?,
        contract_sha256: document::text(row, "contract_sha256")?,
        evidence_digest: document::text(row, "evidence_digest")?,
        created_at: timestamp(document::integer(row, "created_at")?),
        expires_at: (expires_at > 0).then(|| timestamp(expires_at)),
        leaf: document::count(row, "leaf")?,
    })
}

/// The votes of a version that were cast on this evidence, in their order.
pub(crate) async fn votes(
    conn: &mut AnyConnection,
    scenario: ScenarioId,
    number: u64,
    evidence_digest: &str,
) -> Result<Vec<ScenarioVote>, Error> {
    let rows = sqlx::query(
        "SELECT account_id, organisation_id, approve, evidence_digest, comment, leaf, at FROM scenario_votes \
         WHERE scenario_id = $1 AND version = $2 AND evidence_digest = $3 ORDER BY at, account_id",
    )
    .bind(scenario.to_string())
    .bind(document::stored_count(number)?)
    .bind(evidence_digest)
    .fetch_all(conn)
    .await
    .map_err(|source| storage_error("read votes", source))?;
    rows.iter()
        .map(|row| {
            Ok(ScenarioVote {
                voter: document::id(row, "account_id")?,
                organisation: document::id(row, "organisation_id")?,
                approve: document::integer(row, "approve")? != 0,
                evidence_digest: document::text(row, "evidence_digest")?,
                comment: document::text(row, "comment")?,
                leaf: document::count(row, "leaf")?,
                created_at: timestamp(document::integer(row, "at")?),
            })
        })
        .collect()
}

/// Moves a version to a state.
pub(crate) async fn set_state(
    conn: &mut AnyConnection,
    scenario: ScenarioId,
    number: u64,
    state: ScenarioState,
) -> Result<(), Error> {
    sqlx::query("UPDATE scenario_versions SET state = $1 WHERE scenario_id = $2 AND version = $3")
        .bind(state.as_str())
        .bind(scenario.to_string())
        .bind(document::stored_count(number)?)
        .execute(conn)
        .await
        .map_err(|source| storage_error("move a scenario", source))?;
    Ok(())
}
