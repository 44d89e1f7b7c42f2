//! The steps of a grant, each inside the transaction that writes its leaf.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;

use super::{Grant, GrantState, ended, not_in_force, read, set_state, unknown};
use crate::access::Actor;
use crate::document;
use crate::error::Error;
use crate::id::{GrantId, ScenarioId};
use crate::ledger::LeafDraft;
use crate::scenario::{ScenarioState, ScenarioVersion, version};
use crate::storage::{Tx, storage_error};

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) async fn apply(
    tx: &mut Tx,
    id: GrantId,
    actor: &Actor,
    scenario: ScenarioId,
    purpose: &str,
    days: u32,
) -> Result<((), LeafDraft), Error> {
    let now = tx.now();
    let found = in_force(tx.conn(), scenario, now).await?;
    let most = found.contract.term_days;
    if !(1..=most).contains(&days) {
        return Err(Error::invalid(
            "grant_days",
            format!("期限须为 1 到 {most} 天。"),
            format!("a grant lasts 1 to {most} days under this scenario."),
        ));
    }
    let mut providers = BTreeSet::new();
    for table in &found.contract.tables {
        let dataset = crate::catalogue::dataset_facts(tx.conn(), &table.dataset).await?;
        providers.insert(dataset.entry.provider);
    }
    let created_at = tx.now_micros();
    sqlx::query(
        "INSERT INTO grants (id, scenario_id, scenario_version, scenario_epoch, organisation_id, account_id, purpose, \
         days, state, reason, created_at, activated_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10, 0, 0)",
    )
    .bind(id.to_string())
    .bind(scenario.to_string())
    .bind(document::stored_count(found.number)?)
    .bind(document::stored_count(found.epoch)?)
    .bind(actor.organisation.to_string())
    .bind(actor.account.to_string())
    .bind(purpose)
    .bind(i64::from(days))
    .bind(GrantState::Requested.as_str())
    .bind(created_at)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("apply for a grant", source))?;
    for provider in &providers {
        sqlx::query(
            "INSERT INTO grant_consents (grant_id, provider_id, consent, account_id, at) VALUES ($1, $2, '', '', 0)",
        )
        .bind(id.to_string())
        .bind(provider.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("apply for a grant", source))?;
    }
    let leaf = LeafDraft::new("grant.apply", json!({ "purpose": purpose, "days": days }))
        .subject(id)
        .subject(actor.organisation)
        .scenario(scenario, found.number, found.epoch)
        .reference(found.leaf);
    Ok(((), leaf))
}

pub(super) async fn answer(
    tx: &mut Tx,
    actor: &Actor,
    id: GrantId,
    consent: bool,
) -> Result<((), LeafDraft), Error> {
    let now = tx.now();
    let grant = read(tx.conn(), id, now).await?;
    let asked = grant
        .consents
        .iter()
        .find(|asked| asked.provider == actor.organisation);
    let Some(asked) = asked else {
        return Err(unknown(id));
    };
    if grant.state != GrantState::Requested {
        return Err(ended(grant.state));
    }
    if asked.consent.is_some() {
        return Err(Error::conflict(
            "already_answered",
            "贵单位已答复过该申请。",
            "your organisation has answered this application already.",
        ));
    }
    let failed = |source| storage_error("answer an application", source);
    sqlx::query(
        "UPDATE grant_consents SET consent = $1, account_id = $2, at = $3 WHERE grant_id = $4 AND provider_id = $5",
    )
    .bind(if consent { "yes" } else { "no" })
    .bind(actor.account.to_string())
    .bind(tx.now_micros())
    .bind(id.to_string())
    .bind(actor.organisation.to_string())
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    let awaited = grant
        .consents
        .iter()
        .filter(|asked| asked.consent.is_none())
        .count();
    let kind = match (consent, awaited) {
        (false, _) => {
            set_state(tx.conn(), id, GrantState::Declined, "").await?;
            "grant.decline"
        }
        (true, 1) => {
            activate(tx, &grant).await?;
            "grant.activate"
        }
        (true, _) => "grant.consent",
    };
    let leaf = LeafDraft::new(kind, json!({ "consent": consent }))
        .subject(id)
        .subject(grant.scenario)
        .subject(actor.organisation);
    Ok(((), leaf))
}

/// Starts the term of a grant, which never outlasts its scenario's.
async fn activate(tx: &mut Tx, grant: &Grant) -> Result<(), Error> {
    let (now, now_micros) = (tx.now(), tx.now_micros());
    let found = in_force(tx.conn(), grant.scenario, now).await?;
    if found.number != grant.scenario_version {
        return Err(not_in_force(grant.scenario));
    }
    let term = now_micros.saturating_add(i64::from(grant.days) * DAY_MICROS);
    let end = found
        .expires_at
        .map_or(term, |end| term.min(end.as_microsecond()));
    sqlx::query("UPDATE grants SET state = $1, activated_at = $2, expires_at = $3 WHERE id = $4")
        .bind(GrantState::Active.as_str())
        .bind(now_micros)
        .bind(end)
        .bind(grant.id.to_string())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("activate a grant", source))?;
    Ok(())
}

/// The version in force of a scenario.
async fn in_force(
    conn: &mut AnyConnection,
    scenario: ScenarioId,
    now: Timestamp,
) -> Result<ScenarioVersion, Error> {
    let newest = version(&mut *conn, scenario, None).await?;
    if newest.approved == 0 {
        return Err(not_in_force(scenario));
    }
    let found = version(conn, scenario, Some(newest.approved)).await?;
    if found.state_at(now) != ScenarioState::Approved {
        return Err(not_in_force(scenario));
    }
    Ok(found)
}
