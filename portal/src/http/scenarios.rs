//! Scenarios: proposed, reviewed, approved once, revoked.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, time};
use super::dto::{
    self, Page, PageQuery, Reason, ScenarioCreate, ScenarioEvidence, ScenarioView, VoteCast,
    VoteView,
};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::ScenarioId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(scenarios, propose_scenario))
        .add(routes!(scenario))
        .add(routes!(submit_scenario))
        .add(routes!(scenario_evidence))
        .add(routes!(vote_scenario))
        .add(routes!(revoke_scenario))
}

/// The scenario catalogue.
#[utoipa::path(get, path = "/scenarios", tag = "scenarios", params(PageQuery),
    responses((status = 200, description = "a page of scenarios", body = Page<ScenarioView>)))]
async fn scenarios(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .scenarios(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, ScenarioView>(&page))
}

/// Proposes a scenario as a draft.
#[utoipa::path(post, path = "/scenarios", tag = "scenarios", request_body = ScenarioCreate,
    responses((status = 201, description = "the draft", body = ScenarioView)))]
async fn propose_scenario(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<ScenarioCreate>,
) -> Answer {
    let made = portal
        .platform
        .propose_scenario(&actor, &body.name, body.contract.into())
        .await?;
    let made = ScenarioView::from(&made);
    answer::created(&format!("/scenarios/{}", made.id), &made)
}

/// A scenario.
#[utoipa::path(get, path = "/scenarios/{id}", tag = "scenarios", params(("id" = String, Path, description = "the scenario")),
    responses((status = 200, description = "the scenario", body = ScenarioView)))]
async fn scenario(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ScenarioId>,
) -> Answer {
    answer::ok(&ScenarioView::from(
        &portal.platform.scenario(&actor, id).await?,
    ))
}

/// Hands a draft to the reviewers.
#[utoipa::path(post, path = "/scenarios/{id}:submit", tag = "scenarios",
    params(("id" = String, Path, description = "the scenario")),
    responses((status = 200, description = "the scenario", body = ScenarioView)))]
async fn submit_scenario(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ScenarioId>,
) -> Answer {
    answer::ok(&ScenarioView::from(
        &portal.platform.submit_scenario(&actor, id).await?,
    ))
}

/// What a reviewer sees before voting.
#[utoipa::path(get, path = "/scenarios/{id}/evidence", tag = "scenarios",
    params(("id" = String, Path, description = "the scenario")),
    responses((status = 200, description = "the evidence and its digest", body = ScenarioEvidence)))]
async fn scenario_evidence(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ScenarioId>,
) -> Answer {
    answer::ok(&ScenarioEvidence::from(
        &portal.platform.scenario_evidence(&actor, id).await?,
    ))
}

/// Votes on a scenario; the vote holds for the evidence it names.
#[utoipa::path(post, path = "/scenarios/{id}/votes", tag = "scenarios",
    params(("id" = String, Path, description = "the scenario")), request_body = VoteCast,
    responses((status = 200, description = "the scenario", body = ScenarioView)))]
async fn vote_scenario(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ScenarioId>,
    Json(body): Json<VoteCast>,
) -> Answer {
    answer::ok(&ScenarioView::from(
        &portal
            .platform
            .vote_scenario(&actor, id, body.into())
            .await?,
    ))
}

/// Ends a scenario for cause: grants, runs, pending results and downloads end with it.
#[utoipa::path(post, path = "/scenarios/{id}:revoke", tag = "scenarios",
    params(("id" = String, Path, description = "the scenario")), request_body = Reason,
    responses((status = 200, description = "the scenario", body = ScenarioView)))]
async fn revoke_scenario(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ScenarioId>,
    Json(body): Json<Reason>,
) -> Answer {
    answer::ok(&ScenarioView::from(
        &portal
            .platform
            .revoke_scenario(&actor, id, &body.reason)
            .await?,
    ))
}

impl From<VoteCast> for sandbox::Vote {
    fn from(vote: VoteCast) -> Self {
        Self {
            approve: vote.approve,
            evidence_digest: vote.evidence_digest,
            comment: vote.comment,
        }
    }
}

impl From<dto::Contract> for sandbox::Contract {
    fn from(contract: dto::Contract) -> Self {
        Self {
            purpose: contract.purpose,
            industry: contract.industry,
            tables: contract.tables.into_iter().map(Into::into).collect(),
            operations: sandbox::Operations {
                sql: contract.operations.sql,
                wasm: contract.operations.wasm,
            },
            output: contract.output.into(),
            term_days: contract.term_days,
            refusals_max: contract.refusals_max,
        }
    }
}

impl From<&sandbox::Contract> for dto::Contract {
    fn from(contract: &sandbox::Contract) -> Self {
        Self {
            purpose: contract.purpose.clone(),
            industry: contract.industry.clone(),
            tables: each(&contract.tables),
            operations: dto::Operations {
                sql: contract.operations.sql,
                wasm: contract.operations.wasm,
            },
            output: (&contract.output).into(),
            term_days: contract.term_days,
            refusals_max: contract.refusals_max,
        }
    }
}

impl From<dto::TableScope> for sandbox::TableScope {
    fn from(table: dto::TableScope) -> Self {
        Self {
            name: table.name,
            dataset: table.dataset,
            columns: table.columns.into_iter().map(Into::into).collect(),
            row_filter: table.row_filter,
            unit: table.unit,
        }
    }
}

impl From<&sandbox::TableScope> for dto::TableScope {
    fn from(table: &sandbox::TableScope) -> Self {
        Self {
            name: table.name.clone(),
            dataset: table.dataset.clone(),
            columns: each(&table.columns),
            row_filter: table.row_filter.clone(),
            unit: table.unit.clone(),
        }
    }
}

impl From<dto::ColumnScope> for sandbox::ColumnScope {
    fn from(column: dto::ColumnScope) -> Self {
        Self {
            name: column.name,
            role: match column.role {
                dto::ColumnRole::Key => sandbox::ColumnRole::Key,
                dto::ColumnRole::Dimension => sandbox::ColumnRole::Dimension,
                dto::ColumnRole::Measure => sandbox::ColumnRole::Measure,
            },
            value_domain: column.value_domain,
            sensitive: column.sensitive,
        }
    }
}

impl From<&sandbox::ColumnScope> for dto::ColumnScope {
    fn from(column: &sandbox::ColumnScope) -> Self {
        Self {
            name: column.name.clone(),
            role: match column.role {
                sandbox::ColumnRole::Key => dto::ColumnRole::Key,
                sandbox::ColumnRole::Dimension => dto::ColumnRole::Dimension,
                sandbox::ColumnRole::Measure => dto::ColumnRole::Measure,
            },
            value_domain: column.value_domain.clone(),
            sensitive: column.sensitive,
        }
    }
}

impl From<dto::OutputRules> for sandbox::OutputRules {
    /// What the body leaves out takes the platform's default.
    fn from(rules: dto::OutputRules) -> Self {
        let default = Self::default();
        Self {
            threshold: rules.threshold.unwrap_or(default.threshold),
            dominance_1_percent: rules
                .dominance_1_percent
                .unwrap_or(default.dominance_1_percent),
            dominance_2_percent: rules
                .dominance_2_percent
                .unwrap_or(default.dominance_2_percent),
            p_percent: rules.p_percent.unwrap_or(default.p_percent),
            count_base: rules.count_base.unwrap_or(default.count_base),
            significant_digits: rules
                .significant_digits
                .unwrap_or(default.significant_digits),
            rows_max: rules.rows_max.unwrap_or(default.rows_max),
            half_refuses: rules.half_refuses.unwrap_or(default.half_refuses),
        }
    }
}

impl From<&sandbox::OutputRules> for dto::OutputRules {
    fn from(rules: &sandbox::OutputRules) -> Self {
        Self {
            threshold: Some(rules.threshold),
            dominance_1_percent: Some(rules.dominance_1_percent),
            dominance_2_percent: Some(rules.dominance_2_percent),
            p_percent: Some(rules.p_percent),
            count_base: Some(rules.count_base),
            significant_digits: Some(rules.significant_digits),
            rows_max: Some(rules.rows_max),
            half_refuses: Some(rules.half_refuses),
        }
    }
}

impl From<sandbox::ScenarioState> for dto::ScenarioState {
    fn from(state: sandbox::ScenarioState) -> Self {
        match state {
            sandbox::ScenarioState::Draft => Self::Draft,
            sandbox::ScenarioState::Submitted => Self::Submitted,
            sandbox::ScenarioState::InReview => Self::InReview,
            sandbox::ScenarioState::Rejected => Self::Rejected,
            sandbox::ScenarioState::Approved => Self::Approved,
            sandbox::ScenarioState::Expired => Self::Expired,
            sandbox::ScenarioState::Superseded => Self::Superseded,
            sandbox::ScenarioState::Revoked => Self::Revoked,
        }
    }
}

impl From<&sandbox::ScenarioView> for ScenarioView {
    fn from(view: &sandbox::ScenarioView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            version: view.version,
            state: view.state.into(),
            approved_version: view.approved_version,
            contract: (&view.contract).into(),
            sha256: view.sha256.clone(),
            proposed_by: view.proposed_by.to_string(),
            approvals: view.approvals,
            approvals_needed: view.approvals_needed,
            epoch: view.epoch,
            created_at: time(view.created_at),
            expires_at: view.expires_at.map(time),
            reason: view.reason.clone(),
        }
    }
}

impl From<&sandbox::ScenarioVote> for VoteView {
    fn from(vote: &sandbox::ScenarioVote) -> Self {
        Self {
            voter: vote.voter.to_string(),
            organisation: vote.organisation.to_string(),
            approve: vote.approve,
            evidence_digest: vote.evidence_digest.clone(),
            comment: vote.comment.clone(),
            created_at: time(vote.created_at),
        }
    }
}

impl From<&sandbox::Evidence> for ScenarioEvidence {
    fn from(evidence: &sandbox::Evidence) -> Self {
        Self {
            digest: evidence.digest.clone(),
            contract: (&evidence.contract).into(),
            findings: each(&evidence.findings),
            document: evidence.document.clone(),
            votes: each(&evidence.votes),
        }
    }
}
