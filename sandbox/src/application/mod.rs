//! Applications and the grants they become: requested → every provider's consent → active.
//!
//! - `active`: the one place that decides whether a grant may be worked under.
//! - `scope`: what programs under a grant can name, and where its bytes are.

mod active;
mod scope;
mod steps;

use jiff::Timestamp;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

pub(crate) use self::active::{ActiveGrant, active_grant};
pub(crate) use self::scope::{GrantScope, Origin, TableSource, grant_scope};
use self::steps::{answer, apply};

use crate::access::{self, Actor, Object, Operation, Role};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{GrantId, OrganisationId, ScenarioId};
use crate::ledger::LeafDraft;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::storage_error;

const PURPOSE_BYTES_MAX: usize = 4096;

/// Where a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Waits for the providers' consent.
    Requested,
    /// May be worked under.
    Active,
    /// Past its term.
    Expired,
    /// A provider said no.
    Declined,
    /// Ended for cause.
    Revoked,
}

impl GrantState {
    /// Every state.
    pub const ALL: [GrantState; 5] = [
        GrantState::Requested,
        GrantState::Active,
        GrantState::Expired,
        GrantState::Declined,
        GrantState::Revoked,
    ];

    /// The name in SQL and API.
    pub fn as_str(self) -> &'static str {
        match self {
            GrantState::Requested => "requested",
            GrantState::Active => "active",
            GrantState::Expired => "expired",
            GrantState::Declined => "declined",
            GrantState::Revoked => "revoked",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What one provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The provider.
    pub provider: OrganisationId,
    /// Its answer; none while it is awaited.
    pub consent: Option<bool>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantId,
    /// The scenario.
    pub scenario: ScenarioId,
    /// The scenario's name.
    pub scenario_name: String,
    /// The version that was applied for.
    pub scenario_version: u64,
    /// The tenant.
    pub organisation: OrganisationId,
    /// What for.
    pub purpose: String,
    /// For how many days, once active.
    pub days: u32,
    /// Where it is.
    pub state: GrantState,
    /// Why it ended.
    pub reason: Option<String>,
    /// The providers asked.
    pub consents: Vec<Consent>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ends, once active.
    pub expires_at: Option<Timestamp>,
}

impl Platform {
    /// 开发利用申请: asks to work under a scenario's version in force.
    ///
    /// # Errors
    /// Not found or conflict when the scenario is not in force; invalid when the purpose is missing
    /// or the term longer than the scenario's.
    pub async fn apply(
        &self,
        actor: &Actor,
        scenario: ScenarioId,
        purpose: &str,
        days: u32,
    ) -> Result<Grant, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::Apply, object)?;
        let purpose = purpose.trim().to_owned();
        if purpose.is_empty() || purpose.len() > PURPOSE_BYTES_MAX {
            return Err(Error::invalid(
                "purpose",
                "须写明用途，且不能过长。",
                "an application states its purpose, and not at excessive length.",
            ));
        }
        let id = GrantId::new(self.clock(), self.entropy());
        self.store()
            .act(authorisation, "apply", |tx| {
                let (actor, purpose) = (actor.clone(), purpose.clone());
                Box::pin(async move { apply(tx, id, &actor, scenario, &purpose, days).await })
            })
            .await?;
        self.grant_view(id).await
    }

    /// A provider's answer to an application. The last consent makes it active; a refusal ends it.
    ///
    /// # Errors
    /// Not found when the actor's organisation is not asked; conflict when it answered already or
    /// the scenario is not in force any more.
    pub async fn consent(
        &self,
        actor: &Actor,
        grant: GrantId,
        consent: bool,
    ) -> Result<Grant, Error> {
        let authorisation = self.authorise(actor, Operation::Consent, Object::Platform)?;
        self.store()
            .act(authorisation, "consent", |tx| {
                let actor = actor.clone();
                Box::pin(async move { answer(tx, &actor, grant, consent).await })
            })
            .await?;
        self.grant_view(grant).await
    }

    /// One grant.
    ///
    /// # Errors
    /// Not found when there is none that the actor may see.
    pub async fn grant(&self, actor: &Actor, id: GrantId) -> Result<Grant, Error> {
        let grant = self.grant_view(id).await?;
        self.authorise(actor, Operation::Grant, Object::Of(grant.organisation))?;
        if !concerns(actor, &grant) {
            return Err(unknown(id));
        }
        Ok(grant)
    }

    /// Grants, oldest first: a tenant's own, those that a provider is asked about, or all.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn grants(&self, actor: &Actor, page: PageRequest) -> Result<Page<Grant>, Error> {
        let own = access::scope(actor, Operation::Grants)?;
        let tenant = own
            .map(|organisation| organisation.to_string())
            .unwrap_or_default();
        let provider = if only_provider(actor) {
            actor.organisation.to_string()
        } else {
            String::new()
        };
        let now = self.clock().now();
        self.store()
            .read("grants", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT g.*, s.name AS scenario_name FROM grants g JOIN scenarios s ON s.id = g.scenario_id \
                         WHERE g.id > $1 AND ($2 = '' OR g.organisation_id = $3) AND ($4 = '' OR EXISTS \
                         (SELECT 1 FROM grant_consents c WHERE c.grant_id = g.id AND c.provider_id = $5)) \
                         ORDER BY g.id LIMIT $6",
                    )
                    .bind(page.after())
                    .bind(tenant.as_str())
                    .bind(tenant.as_str())
                    .bind(provider.as_str())
                    .bind(provider.as_str())
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(|source| storage_error("list grants", source))?;
                    let mut grants = Vec::with_capacity(rows.len());
                    for row in &rows {
                        grants.push(grant_of(conn, row, now).await?);
                    }
                    Ok(Page::cut(grants, &page, |grant: &Grant| grant.id.to_string()))
                })
            })
            .await
    }

    /// Ends a grant: by the tenant itself, by a provider that takes its consent back, or by the
    /// security admin. Runs under it are refused from then on.
    ///
    /// # Errors
    /// Not found when it does not concern the actor; conflict when it has ended already.
    pub async fn revoke_grant(
        &self,
        actor: &Actor,
        id: GrantId,
        reason: &str,
    ) -> Result<Grant, Error> {
        let grant = self.grant_view(id).await?;
        let object = Object::Of(grant.organisation);
        let authorisation = self.authorise(actor, Operation::RevokeGrant, object)?;
        if !concerns(actor, &grant) {
            return Err(unknown(id));
        }
        let reason: String = reason.trim().chars().take(1000).collect();
        self.store()
            .act(authorisation, "revoke_grant", |tx| {
                let reason = reason.clone();
                Box::pin(async move {
                    let now = tx.now();
                    let grant = read(tx.conn(), id, now).await?;
                    if !matches!(grant.state, GrantState::Requested | GrantState::Active) {
                        return Err(ended(grant.state));
                    }
                    set_state(tx.conn(), id, GrantState::Revoked, &reason).await?;
                    crate::release::revoke_grant_effects(tx, id).await?;
                    let leaf = LeafDraft::new("grant.revoke", json!({ "reason": reason }))
                        .subject(id)
                        .subject(grant.scenario);
                    Ok(((), leaf))
                })
            })
            .await?;
        self.after_revocation();
        self.grant_view(id).await
    }

    pub(crate) async fn grant_view(&self, id: GrantId) -> Result<Grant, Error> {
        let now = self.clock().now();
        self.store()
            .read("grant", |conn| {
                Box::pin(async move { read(conn, id, now).await })
            })
            .await
    }
}

/// Ends every grant of a scenario that has not ended; says how many.
pub(crate) async fn end_grants(
    conn: &mut AnyConnection,
    scenario: ScenarioId,
    reason: &str,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "UPDATE grants SET state = $1, reason = $2 WHERE scenario_id = $3 AND state IN ('requested', 'active')",
    )
    .bind(GrantState::Revoked.as_str())
    .bind(reason)
    .bind(scenario.to_string())
    .execute(conn)
    .await
    .map_err(|source| storage_error("end the grants of a scenario", source))?;
    Ok(done.rows_affected())
}

async fn set_state(
    conn: &mut AnyConnection,
    id: GrantId,
    state: GrantState,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE grants SET state = $1, reason = $2 WHERE id = $3")
        .bind(state.as_str())
        .bind(reason)
        .bind(id.to_string())
        .execute(conn)
        .await
        .map_err(|source| storage_error("move a grant", source))?;
    Ok(())
}

/// A grant by its identifier.
pub(crate) async fn read(
    conn: &mut AnyConnection,
    id: GrantId,
    now: Timestamp,
) -> Result<Grant, Error> {
    let row = sqlx::query(
        "SELECT g.*, s.name AS scenario_name FROM grants g JOIN scenarios s ON s.id = g.scenario_id WHERE g.id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(&mut *conn)
    .await
    .map_err(|source| storage_error("read a grant", source))?;
    match row {
        Some(row) => grant_of(conn, &row, now).await,
        None => Err(unknown(id)),
    }
}

async fn grant_of(conn: &mut AnyConnection, row: &AnyRow, now: Timestamp) -> Result<Grant, Error> {
    let id: GrantId = document::id(row, "id")?;
    let stored = GrantState::parse(&document::text(row, "state")?)
        .ok_or_else(|| Error::internal("read a grant", "an unknown state"))?;
    let expires_at = document::integer(row, "expires_at")?;
    let expires_at = (expires_at > 0).then(|| timestamp(expires_at));
    let over = stored == GrantState::Active && expires_at.is_some_and(|end| end <= now);
    let reason = document::text(row, "reason")?;
    let answers = sqlx::query(
        "SELECT provider_id, consent FROM grant_consents WHERE grant_id = $1 ORDER BY provider_id",
    )
    .bind(id.to_string())
    .fetch_all(conn)
    .await
    .map_err(|source| storage_error("read consents", source))?;
    let consents: Result<Vec<Consent>, Error> = answers.iter().map(consent_of).collect();
    Ok(Grant {
        id,
        scenario: document::id(row, "scenario_id")?,
        scenario_name: document::text(row, "scenario_name")?,
        scenario_version: document::count(row, "scenario_version")?,
        organisation: document::id(row, "organisation_id")?,
        purpose: document::text(row, "purpose")?,
        days: u32::try_from(document::integer(row, "days")?)
            .map_err(|source| Error::internal("read a grant", source))?,
        state: if over { GrantState::Expired } else { stored },
        reason: (!reason.is_empty()).then_some(reason),
        consents: consents?,
        created_at: timestamp(document::integer(row, "created_at")?),
        expires_at,
    })
}

fn consent_of(row: &AnyRow) -> Result<Consent, Error> {
    let consent: String = row
        .try_get("consent")
        .map_err(|source| storage_error("read consents", source))?;
    Ok(Consent {
        provider: document::id(row, "provider_id")?,
        consent: match consent.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
    })
}

/// A provider sees what it is asked about; others see what the matrix lets them.
fn concerns(actor: &Actor, grant: &Grant) -> bool {
    !only_provider(actor)
        || grant
            .consents
            .iter()
            .any(|asked| asked.provider == actor.organisation)
}

fn only_provider(actor: &Actor) -> bool {
    actor
        .roles
        .iter()
        .all(|role| role == Role::ProviderDelegate)
}

fn unknown(id: GrantId) -> Error {
    Error::not_found(
        format!("没有授权 {id}。"),
        format!("there is no grant {id}."),
    )
}

fn ended(state: GrantState) -> Error {
    let state = state.as_str();
    Error::conflict(
        "grant_state",
        format!("授权处于 {state} 状态，不能执行此操作。"),
        format!("the grant is {state}; this cannot be done."),
    )
}

fn not_in_force(scenario: ScenarioId) -> Error {
    Error::conflict(
        "scenario_not_in_force",
        format!("场景 {scenario} 未生效，或已到期、被取代、被撤销。"),
        format!(
            "scenario {scenario} is not in force: not approved, expired, superseded or revoked."
        ),
    )
}
