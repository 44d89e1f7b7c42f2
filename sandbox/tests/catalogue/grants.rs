//! A grant is active when every provider consents, and for its term.

use sandbox::{ErrorKind, GrantState, OrganisationKind, PageRequest, Role};

use crate::world::World;

#[tokio::test]
async fn every_provider_is_asked_and_the_term_ends_by_the_clock() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let (other, delegate) = (world.tenant("other").await, world.delegate().await);
    let stranger = world
        .organisation("police", OrganisationKind::Provider)
        .await;
    let stranger = world
        .account("stranger", stranger, Role::ProviderDelegate)
        .await;
    let id = world.approved(&tenant, &reviewers).await;
    let platform = &world.platform;
    for (purpose, days) in [(" ", 30), ("study", 0), ("study", 91)] {
        let error = platform
            .apply(&tenant, id, purpose, days)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let grant = platform.apply(&tenant, id, "study", 30).await.unwrap();
    assert_eq!(
        (grant.state, grant.expires_at),
        (GrantState::Requested, None)
    );
    assert_eq!(grant.consents.len(), 1);
    let error = platform
        .consent(&stranger, grant.id, true)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        platform
            .grants(&stranger, PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        platform
            .grants(&delegate, PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert!(
        platform
            .grants(&other, PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        platform.grant(&other, grant.id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let active = platform.consent(&delegate, grant.id, true).await.unwrap();
    assert_eq!(active.state, GrantState::Active);
    let again = platform
        .consent(&delegate, grant.id, false)
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    world.pass(29);
    assert_eq!(
        platform.grant(&tenant, grant.id).await.unwrap().state,
        GrantState::Active
    );
    world.pass(1);
    assert_eq!(
        platform.grant(&tenant, grant.id).await.unwrap().state,
        GrantState::Expired
    );
    world.platform.close().await;
}

#[tokio::test]
async fn a_grant_never_outlasts_its_scenario() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let delegate = world.delegate().await;
    let id = world.approved(&tenant, &reviewers).await;
    let end = world
        .platform
        .scenario(&tenant, id)
        .await
        .unwrap()
        .expires_at;
    world.pass(60);
    let grant = world
        .platform
        .apply(&tenant, id, "study", 90)
        .await
        .unwrap();
    let grant = world
        .platform
        .consent(&delegate, grant.id, true)
        .await
        .unwrap();
    assert_eq!(grant.expires_at, end);
    world.platform.close().await;
}

#[tokio::test]
async fn a_refusal_and_a_withdrawn_consent_end_it() {
    let world = World::with_version().await;
    let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
    let delegate = world.delegate().await;
    let id = world.approved(&tenant, &reviewers).await;
    let platform = &world.platform;
    let refused = platform.apply(&tenant, id, "study", 30).await.unwrap().id;
    let view = platform.consent(&delegate, refused, false).await.unwrap();
    assert_eq!(view.state, GrantState::Declined);
    let withdrawn = platform.apply(&tenant, id, "study", 30).await.unwrap().id;
    platform.consent(&delegate, withdrawn, true).await.unwrap();
    let view = platform
        .revoke_grant(&delegate, withdrawn, "the data changed")
        .await
        .unwrap();
    assert_eq!(
        (view.state, view.reason.as_deref()),
        (GrantState::Revoked, Some("the data changed"))
    );
    let again = platform
        .revoke_grant(&delegate, withdrawn, "again")
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    world.platform.close().await;
}
