//! Scenarios: proposed as a contract, approved once by two reviewers, revoked at any time.
//!
//! - `state`: the states of a version.
//! - `check`: the contract against the catalogue.
//! - `evidence`: what a vote is bound to.
//! - `vote`: votes and what follows from them.
//! - `revoke`: the end, in one transaction.
//! - `row`: scenarios in SQL.

mod check;
mod evidence;
mod revoke;
mod row;
mod state;
mod vote;

use jiff::Timestamp;
use review::{Contract, Finding, Severity};
use serde_json::{Value, json};

pub use self::row::ScenarioVote;
pub(crate) use self::row::{ScenarioVersion, version, votes};
pub use self::state::ScenarioState;
pub use self::vote::Vote;
pub(crate) use self::vote::another_body;

use self::state::ScenarioEvent;
use crate::access::{Actor, Object, Operation, OrganisationKind, Role};
use crate::catalogue::shortened;
use crate::document;
use crate::error::Error;
use crate::id::{OrganisationId, ScenarioId};
use crate::ledger::LeafDraft;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::quota::{self, Kept, Quotas};
use crate::storage::{Tx, storage_error};

/// Approving votes that a scenario version needs, of different people and different review bodies.
pub const APPROVALS_NEEDED: u32 = 2;

/// A scenario, by its newest version.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioView {
    /// Its identifier.
    pub id: ScenarioId,
    /// Unique short name.
    pub name: String,
    /// Counted from 1.
    pub version: u64,
    /// Where the version is.
    pub state: ScenarioState,
    /// The version in force, where there is one; an edit leaves it in force until it is approved.
    pub approved_version: Option<u64>,
    /// What is allowed.
    pub contract: Contract,
    /// SHA-256 of the contract.
    pub sha256: String,
    /// The organisation that proposed it.
    pub proposed_by: OrganisationId,
    /// Approving votes on the evidence as it was at the last vote.
    pub approvals: u32,
    /// Approving votes that are needed.
    pub approvals_needed: u32,
    /// Rises with each approval and revocation.
    pub epoch: u64,
    /// When the version was proposed.
    pub created_at: Timestamp,
    /// When it ends, once approved.
    pub expires_at: Option<Timestamp>,
    /// Why it was revoked.
    pub reason: Option<String>,
}

/// What a reviewer sees before voting.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What a vote has to name.
    pub digest: String,
    /// What is asked for.
    pub contract: Contract,
    /// What the platform found; refusals keep the version from being approved.
    pub findings: Vec<Finding>,
    /// The document that the digest covers.
    pub document: Value,
    /// Votes on this evidence.
    pub votes: Vec<ScenarioVote>,
}

impl Platform {
    /// Proposes a scenario, or a new version of one's own scenario of that name.
    ///
    /// # Errors
    /// Invalid with a finding for each fault of the contract; conflict when the name belongs to
    /// another organisation or the scenario was revoked.
    pub async fn propose_scenario(
        &self,
        actor: &Actor,
        name: &str,
        contract: Contract,
    ) -> Result<ScenarioView, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::ProposeScenario, object)?;
        check_name(name)?;
        let id = ScenarioId::new(self.clock(), self.entropy());
        let (name, actor_) = (name.to_owned(), actor.clone());
        let quotas = self.settings().quotas;
        let id = self
            .store()
            .act(authorisation, "propose_scenario", |tx| {
                let (name, contract, actor) = (name.clone(), contract.clone(), actor_.clone());
                Box::pin(async move { propose(tx, id, &name, contract, (&actor, &quotas)).await })
            })
            .await?;
        self.scenario_view(id).await
    }

    /// Hands the newest version to the reviewers.
    ///
    /// # Errors
    /// Conflict when it is no draft; invalid when the catalogue changed so that it no longer fits.
    pub async fn submit_scenario(
        &self,
        actor: &Actor,
        id: ScenarioId,
    ) -> Result<ScenarioView, Error> {
        let found = self.scenario_version(id).await?;
        let object = Object::Of(found.organisation);
        let authorisation = self.authorise(actor, Operation::SubmitScenario, object)?;
        self.store()
            .act(authorisation, "submit_scenario", |tx| {
                Box::pin(async move {
                    let found = version(tx.conn(), id, None).await?;
                    let state = found.state.after(ScenarioEvent::Submit)?;
                    let evidence = evidence::document_of(tx.conn(), &found).await?;
                    refuse_faults(evidence.findings)?;
                    sqlx::query(
                        "UPDATE scenario_versions SET state = $1, evidence_digest = $2, submitted_at = $3 \
                         WHERE scenario_id = $4 AND version = $5",
                    )
                    .bind(state.as_str())
                    .bind(evidence.digest.as_str())
                    .bind(tx.now_micros())
                    .bind(id.to_string())
                    .bind(document::stored_count(found.number)?)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("submit a scenario", source))?;
                    let detail = json!({ "evidence": evidence.digest, "contract": found.contract_sha256 });
                    let leaf = LeafDraft::new("scenario.submit", detail)
                        .subject(id)
                        .scenario(id, found.number, found.epoch);
                    Ok(((), leaf))
                })
            })
            .await?;
        self.scenario_view(id).await
    }

    /// One scenario.
    ///
    /// # Errors
    /// Not found when there is none, or when it is another's and not published yet.
    pub async fn scenario(&self, actor: &Actor, id: ScenarioId) -> Result<ScenarioView, Error> {
        self.authorise(actor, Operation::Scenario, Object::Platform)?;
        let found = self.scenario_version(id).await?;
        if !visible(actor, &found) {
            return Err(unknown(id));
        }
        self.scenario_view(id).await
    }

    /// The scenario catalogue, oldest first: what is or was in force, and one's own proposals.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn scenarios(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<ScenarioView>, Error> {
        self.authorise(actor, Operation::Scenarios, Object::Platform)?;
        let now = self.clock().now();
        let everything = i64::from(sees_everything(actor));
        let organisation = actor.organisation.to_string();
        self.store()
            .read("scenarios", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT s.id, s.name, s.organisation_id, s.epoch, s.version AS newest, s.approved_version, \
                         s.reason, v.version, v.state, v.contract, v.contract_sha256, v.evidence_digest, \
                         v.created_at, v.expires_at, v.leaf \
                         FROM scenarios s JOIN scenario_versions v \
                         ON v.scenario_id = s.id AND v.version = s.version \
                         WHERE s.id > $1 AND ($2 = 1 OR s.organisation_id = $3 OR s.approved_version > 0) \
                         ORDER BY s.id LIMIT $4",
                    )
                    .bind(page.after())
                    .bind(everything)
                    .bind(organisation)
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(|source| storage_error("list scenarios", source))?;
                    let mut views = Vec::with_capacity(rows.len());
                    for row in &rows {
                        views.push(view(conn, row::version_of(row)?, now).await?);
                    }
                    Ok(Page::cut(views, &page, |view: &ScenarioView| view.id.to_string()))
                })
            })
            .await
    }

    /// What reviewers vote on, made from the catalogue as it is now.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn scenario_evidence(
        &self,
        actor: &Actor,
        id: ScenarioId,
    ) -> Result<Evidence, Error> {
        let found = self.scenario_version(id).await?;
        self.authorise(
            actor,
            Operation::ScenarioEvidence,
            Object::Of(found.organisation),
        )?;
        self.store()
            .read("scenario_evidence", |conn| {
                Box::pin(async move {
                    let found = version(conn, id, None).await?;
                    let document = evidence::document_of(conn, &found).await?;
                    let votes = row::votes(conn, id, found.number, &document.digest).await?;
                    Ok(Evidence {
                        digest: document.digest,
                        contract: found.contract,
                        findings: document.findings,
                        document: document.value,
                        votes,
                    })
                })
            })
            .await
    }

    pub(crate) async fn scenario_version(&self, id: ScenarioId) -> Result<ScenarioVersion, Error> {
        self.store()
            .read("scenario", |conn| {
                Box::pin(async move { version(conn, id, None).await })
            })
            .await
    }

    pub(crate) async fn scenario_view(&self, id: ScenarioId) -> Result<ScenarioView, Error> {
        let now = self.clock().now();
        self.store()
            .read("scenario", |conn| {
                Box::pin(async move {
                    let found = version(conn, id, None).await?;
                    view(conn, found, now).await
                })
            })
            .await
    }
}

async fn propose(
    tx: &mut Tx,
    new: ScenarioId,
    name: &str,
    contract: Contract,
    (actor, quotas): (&Actor, &Quotas),
) -> Result<(ScenarioId, LeafDraft), Error> {
    let facts = evidence::facts_of(tx.conn(), &contract).await?;
    refuse_faults(check::findings(&contract, &facts))?;
    let contract = check::completed(contract, &facts);
    let row = sqlx::query("SELECT id FROM scenarios WHERE name = $1")
        .bind(name)
        .fetch_optional(tx.conn())
        .await
        .map_err(|source| storage_error("propose a scenario", source))?;
    let (id, number, epoch) = match row {
        None => {
            // A draft that is changed is none more.
            let (asked, now) = ((Kept::Proposals, 1), tx.now_micros());
            quota::room(tx.conn(), quotas, actor.organisation, asked, now).await?;
            insert_scenario(tx, new, name, actor).await?;
            (new, 1, 0)
        }
        Some(row) => {
            let id = document::id(&row, "id")?;
            let before = version(tx.conn(), id, None).await?;
            (id, replace(tx, &before, actor).await?, before.epoch)
        }
    };
    let sha256 = hex::encode(contract.digest());
    let created_at = tx.now_micros();
    sqlx::query(
        "INSERT INTO scenario_versions (scenario_id, version, state, account_id, contract, contract_sha256, \
         evidence_digest, created_at, submitted_at, approved_at, expires_at, leaf) \
         VALUES ($1, $2, $3, $4, $5, $6, '', $7, 0, 0, 0, 0)",
    )
    .bind(id.to_string())
    .bind(document::stored_count(number)?)
    .bind(ScenarioState::Draft.as_str())
    .bind(actor.account.to_string())
    .bind(document::write("propose a scenario", &contract)?)
    .bind(sha256.as_str())
    .bind(created_at)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("propose a scenario", source))?;
    let detail = json!({ "name": name, "contract": sha256 });
    let leaf = LeafDraft::new("scenario.propose", detail)
        .subject(id)
        .scenario(id, number, epoch);
    Ok((id, leaf))
}

async fn insert_scenario(
    tx: &mut Tx,
    id: ScenarioId,
    name: &str,
    actor: &Actor,
) -> Result<(), Error> {
    let created_at = tx.now_micros();
    sqlx::query(
        "INSERT INTO scenarios (id, name, organisation_id, account_id, epoch, version, approved_version, reason, created_at) \
         VALUES ($1, $2, $3, $4, 0, 1, 0, '', $5)",
    )
    .bind(id.to_string())
    .bind(name)
    .bind(actor.organisation.to_string())
    .bind(actor.account.to_string())
    .bind(created_at)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("propose a scenario", source))?;
    Ok(())
}

/// Makes room for a new version of one's own scenario; says its number.
async fn replace(tx: &mut Tx, before: &ScenarioVersion, actor: &Actor) -> Result<u64, Error> {
    if before.organisation != actor.organisation {
        return Err(Error::conflict(
            "scenario_exists",
            "已有同名场景。",
            "a scenario of that name exists already.",
        ));
    }
    if before.state == ScenarioState::Revoked {
        return Err(Error::conflict(
            "scenario_revoked",
            "该场景已被撤销，不能再修改。",
            "the scenario was revoked and cannot be edited.",
        )
        .with_remedy(
            "以新名称提出新场景。",
            "propose a new scenario under another name.",
        ));
    }
    // What is in force stays so until the new version is approved.
    if let Ok(state) = before.state.after(ScenarioEvent::Supersede)
        && before.state != ScenarioState::Approved
    {
        row::set_state(tx.conn(), before.scenario, before.number, state).await?;
    }
    let number = before.newest + 1;
    sqlx::query("UPDATE scenarios SET version = $1 WHERE id = $2")
        .bind(document::stored_count(number)?)
        .bind(before.scenario.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("propose a scenario", source))?;
    Ok(number)
}

async fn view(
    conn: &mut sqlx::AnyConnection,
    found: ScenarioVersion,
    now: Timestamp,
) -> Result<ScenarioView, Error> {
    let votes = row::votes(conn, found.scenario, found.number, &found.evidence_digest).await?;
    let approvals = votes.iter().filter(|vote| vote.approve).count();
    Ok(ScenarioView {
        id: found.scenario,
        version: found.number,
        state: found.state_at(now),
        approved_version: (found.approved > 0).then_some(found.approved),
        sha256: found.contract_sha256,
        proposed_by: found.organisation,
        approvals: u32::try_from(approvals).unwrap_or(u32::MAX),
        approvals_needed: APPROVALS_NEEDED,
        epoch: found.epoch,
        created_at: found.created_at,
        expires_at: found.expires_at,
        reason: (!found.reason.is_empty()).then_some(found.reason),
        name: found.name,
        contract: found.contract,
    })
}

/// Whether the scenario catalogue shows it to the actor.
fn visible(actor: &Actor, found: &ScenarioVersion) -> bool {
    found.approved > 0 || found.organisation == actor.organisation || sees_everything(actor)
}

/// Drafts are their proposer's business and that of those who review and run the platform.
fn sees_everything(actor: &Actor) -> bool {
    actor.organisation_kind == OrganisationKind::Operator
        || actor
            .roles
            .iter()
            .any(|role| matches!(role, Role::Reviewer | Role::ProviderDelegate))
}

fn unknown(id: ScenarioId) -> Error {
    Error::not_found(
        format!("没有场景 {id}。"),
        format!("there is no scenario {id}."),
    )
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let valid = (2..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain);
    if valid {
        return Ok(());
    }
    let name = shortened(name);
    Err(Error::invalid(
        "scenario_name",
        format!("场景名 {name} 不合规。"),
        format!("{name} is no name of a scenario."),
    )
    .with_remedy(
        "以小写字母开头，其后为小写字母、数字、下划线或连字符，2 到 63 个字符。",
        "start with a lower-case letter, then lower-case letters, digits, underscores or hyphens, 2 to 63 in all.",
    ))
}

/// Refuses a contract with faults; notes do not stand in its way.
fn refuse_faults(findings: Vec<Finding>) -> Result<(), Error> {
    let refused: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Refuse)
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(
        "contract_invalid",
        "场景文件有误，或与数据目录不符。",
        "the contract has faults, or does not fit the catalogue.",
    )
    .with_findings(refused))
}
