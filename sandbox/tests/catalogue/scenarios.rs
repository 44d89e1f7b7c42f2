//! A scenario is approved once, on evidence, by two people of other organisations.

use sandbox::{ErrorKind, PageRequest, PushState, ScenarioState};
use serde_json::json;

use crate::world::{World, contract, contract_document, contract_of, policy, visits, vote};

#[tokio::test]
async fn two_votes_on_the_evidence_put_it_in_force_for_its_term() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let platform = &world.platform;
    let draft = platform
        .propose_scenario(&tenant, "costs", contract())
        .await
        .unwrap();
    assert_eq!(
        (draft.state, draft.version, draft.epoch),
        (ScenarioState::Draft, 1, 0)
    );
    let key = &draft.contract.tables[0].columns[0];
    assert_eq!(
        key.value_domain.as_deref(),
        Some("person-id"),
        "a key without its domain"
    );
    let early = world.vote(&reviewers[0], draft.id, true).await.unwrap_err();
    assert_eq!(early.code(), "scenario_state");
    platform.submit_scenario(&tenant, draft.id).await.unwrap();

    let evidence = platform
        .scenario_evidence(&reviewers[0], draft.id)
        .await
        .unwrap();
    let document = evidence.document.to_string();
    for told in [
        "risk_after",
        "person-id",
        "general-4",
        "deidentification_level",
    ] {
        assert!(
            document.contains(told),
            "the evidence lacks {told}: {document}"
        );
    }
    let wrong = vote(true, &"0".repeat(64));
    let error = platform
        .vote_scenario(&reviewers[0], draft.id, wrong)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "evidence_stale")
    );
    world.vote(&reviewers[0], draft.id, true).await.unwrap();
    let again = world.vote(&reviewers[0], draft.id, true).await.unwrap_err();
    assert_eq!(again.code(), "already_voted");
    let view = platform.scenario(&tenant, draft.id).await.unwrap();
    assert_eq!((view.state, view.approvals), (ScenarioState::InReview, 1));
    let mut colleague = reviewers[1].clone();
    colleague.organisation = reviewers[0].organisation;
    let same = world.vote(&colleague, draft.id, true).await.unwrap_err();
    assert_eq!(same.code(), "body_approved");
    world.vote(&reviewers[1], draft.id, true).await.unwrap();
    let view = platform.scenario(&tenant, draft.id).await.unwrap();
    assert_eq!(
        (view.state, view.epoch, view.approvals),
        (ScenarioState::Approved, 1, 2)
    );

    world.pass(91);
    let view = platform.scenario(&tenant, draft.id).await.unwrap();
    assert_eq!(view.state, ScenarioState::Expired);
    let late = platform
        .apply(&tenant, draft.id, "late", 10)
        .await
        .unwrap_err();
    assert_eq!(late.code(), "scenario_not_in_force");
    world.platform.close().await;
}

#[tokio::test]
async fn a_changed_data_set_voids_the_votes() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let platform = &world.platform;
    let id = platform
        .propose_scenario(&tenant, "costs", contract())
        .await
        .unwrap()
        .id;
    platform.submit_scenario(&tenant, id).await.unwrap();
    let before = platform.scenario_evidence(&reviewers[0], id).await.unwrap();
    world.vote(&reviewers[0], id, true).await.unwrap();
    assert_eq!(
        world.pushed(&visits(0..120)).await.state,
        PushState::Version
    );
    let stale = platform
        .vote_scenario(&reviewers[1], id, vote(true, &before.digest))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), "evidence_stale");
    world.vote(&reviewers[1], id, true).await.unwrap();
    let view = platform.scenario(&tenant, id).await.unwrap();
    assert_eq!(
        (view.state, view.approvals),
        (ScenarioState::InReview, 1),
        "a void vote counts"
    );
    world.vote(&reviewers[0], id, true).await.unwrap();
    assert_eq!(
        platform.scenario(&tenant, id).await.unwrap().state,
        ScenarioState::Approved
    );
    world.platform.close().await;
}

#[tokio::test]
async fn one_vote_against_ends_it_and_an_edit_is_a_new_version() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let platform = &world.platform;
    let id = platform
        .propose_scenario(&tenant, "costs", contract())
        .await
        .unwrap()
        .id;
    platform.submit_scenario(&tenant, id).await.unwrap();
    world.vote(&reviewers[0], id, false).await.unwrap();
    assert_eq!(
        platform.scenario(&tenant, id).await.unwrap().state,
        ScenarioState::Rejected
    );
    assert_eq!(
        world
            .vote(&reviewers[1], id, true)
            .await
            .unwrap_err()
            .code(),
        "scenario_state"
    );
    let mut wider = contract_document();
    wider["term_days"] = json!(30);
    let edited = platform
        .propose_scenario(&tenant, "costs", contract_of(&wider))
        .await
        .unwrap();
    assert_eq!(
        (edited.id, edited.version, edited.state),
        (id, 2, ScenarioState::Draft)
    );
    assert_eq!(edited.approvals, 0);
    let other = world.tenant("other").await;
    let taken = platform
        .propose_scenario(&other, "costs", contract())
        .await
        .unwrap_err();
    assert_eq!(taken.code(), "scenario_exists");
    // A draft is nobody else's business.
    assert_eq!(
        platform.scenario(&other, id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(
        platform
            .scenarios(&other, PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(platform.submit_scenario(&other, id).await.is_err());
    world.platform.close().await;
}

#[tokio::test]
async fn a_contract_may_ask_only_for_what_masking_leaves() {
    let world = World::with_version().await;
    let tenant = world.tenant("acme").await;
    let cases = [
        ("/tables/0/dataset", json!("nonesuch"), "dataset_unknown"),
        ("/tables/0/columns/1/name", json!("wage"), "column_unknown"),
        (
            "/tables/0/columns/0/role",
            json!("dimension"),
            "token_not_key",
        ),
        (
            "/tables/0/columns/1/role",
            json!("key"),
            "key_without_token",
        ),
        (
            "/tables/0/columns/1/role",
            json!("measure"),
            "measure_not_numeric",
        ),
        (
            "/tables/0/columns/0/value_domain",
            json!("mobile"),
            "key_value_domain",
        ),
        ("/tables/0/unit", json!(null), "unit_mismatch"),
        ("/tables/0/unit", json!("vehicle"), "unit_mismatch"),
        ("/term_days", json!(0), "contract_invalid"),
    ];
    for (place, value, rule) in cases {
        let mut document = contract_document();
        match document.pointer_mut(place) {
            Some(field) => *field = value,
            None => document["tables"][0]["columns"][0]["value_domain"] = value,
        }
        let proposed = world
            .platform
            .propose_scenario(&tenant, "costs", contract_of(&document));
        let error = proposed.await.unwrap_err();
        let rules: Vec<_> = error
            .findings()
            .iter()
            .map(|finding| finding.rule.as_str())
            .collect();
        assert!(rules.contains(&rule), "{rule}: {rules:?}");
    }
    world.platform.close().await;
}

#[tokio::test]
async fn a_revocation_needs_a_reason_and_ends_versions_and_grants() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let delegate = world.delegate().await;
    let id = world.approved(&tenant, &reviewers).await;
    let platform = &world.platform;
    let grant = platform.apply(&tenant, id, "study", 30).await.unwrap();
    platform.consent(&delegate, grant.id, true).await.unwrap();
    assert!(
        platform
            .revoke_scenario(&world.security, id, " ")
            .await
            .is_err()
    );
    let denied = platform
        .revoke_scenario(&tenant, id, "mine")
        .await
        .unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    let view = platform
        .revoke_scenario(&world.security, id, "a complaint")
        .await
        .unwrap();
    assert_eq!((view.state, view.epoch), (ScenarioState::Revoked, 2));
    assert_eq!(view.reason.as_deref(), Some("a complaint"));
    let ended = platform.grant(&tenant, grant.id).await.unwrap();
    assert_eq!(ended.state, sandbox::GrantState::Revoked);
    let again = platform
        .revoke_scenario(&world.security, id, "again")
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    let edit = platform
        .propose_scenario(&tenant, "costs", contract())
        .await
        .unwrap_err();
    assert_eq!(edit.code(), "scenario_revoked");
    assert!(platform.apply(&tenant, id, "study", 30).await.is_err());
    world.platform.close().await;
}

#[tokio::test]
async fn a_new_version_takes_the_place_of_the_old_with_its_grants() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let delegate = world.delegate().await;
    let id = world.approved(&tenant, &reviewers).await;
    let platform = &world.platform;
    let grant = platform.apply(&tenant, id, "study", 30).await.unwrap();
    platform.consent(&delegate, grant.id, true).await.unwrap();
    let mut narrower = contract_document();
    narrower["tables"][0]["columns"] =
        json!([{ "name": "resident_id", "role": "key" }, { "name": "sex", "role": "dimension" }]);
    platform
        .propose_scenario(&tenant, "costs", contract_of(&narrower))
        .await
        .unwrap();
    // Until it is approved the version in force stays in force.
    assert_eq!(
        platform.grant(&tenant, grant.id).await.unwrap().state,
        sandbox::GrantState::Active
    );
    let second = platform
        .apply(&tenant, id, "another study", 30)
        .await
        .unwrap();
    assert_eq!(second.scenario_version, 1);
    platform.submit_scenario(&tenant, id).await.unwrap();
    for reviewer in &reviewers {
        world.vote(reviewer, id, true).await.unwrap();
    }
    let view = platform.scenario(&tenant, id).await.unwrap();
    assert_eq!(
        (view.version, view.approved_version, view.epoch),
        (2, Some(2), 2)
    );
    assert_eq!(
        platform.grant(&tenant, grant.id).await.unwrap().state,
        sandbox::GrantState::Revoked
    );
    let third = platform
        .apply(&tenant, id, "a third study", 30)
        .await
        .unwrap();
    assert_eq!(third.scenario_version, 2);
    world.set_policy(&policy("drop")).await.unwrap();
    world.platform.close().await;
}
