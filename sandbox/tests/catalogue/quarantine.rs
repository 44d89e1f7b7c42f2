//! What the policy does not cover waits, encrypted, until it does.

use sandbox::{ErrorKind, InformationLoss, MaskMeasure, PageRequest, PolicyWish, PushState};

use crate::world::{World, policy, resident_id, visit, visits};

#[tokio::test]
async fn without_a_policy_a_push_waits_and_suggests_one() {
    let world = World::new().await;
    let view = world.pushed(&visits(0..100)).await;
    assert_eq!(view.state, PushState::Quarantined);
    assert_eq!(view.faults[0].rule, "policy_missing");
    assert_eq!(world.objects("raw").len(), 1);
    assert!(world.objects("version").is_empty());
    assert!(
        world
            .platform
            .dataset_sample(&world.admin, "visits")
            .await
            .unwrap()
            .is_empty()
    );
    let suggestion = world
        .platform
        .suggest_policy(&world.security, "visits")
        .await
        .unwrap();
    let found = suggestion
        .classes
        .iter()
        .find(|class| class.column == "resident_id")
        .unwrap();
    assert_eq!(found.identifier, Some(sandbox::Identifier::ResidentId));
    world.set_policy(&suggestion.toml).await.unwrap();
    let view = world.commit(view.id).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    assert!(view.faults.is_empty() && world.objects("raw").is_empty());
    world.platform.close().await;
}

#[tokio::test]
async fn one_identifier_in_one_remark_is_found() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let mut text = visits(0..3_000);
    text += &visit(3_001, &format!("陪同人{}已登记", resident_id(9)));
    let view = world.pushed(&text).await;
    assert_eq!(view.state, PushState::Quarantined, "{view:?}");
    let fault = view
        .faults
        .iter()
        .find(|fault| fault.rule == "residual_identifier")
        .unwrap();
    assert_eq!(
        (fault.row, fault.column.as_deref()),
        (Some(3_001), Some("remark"))
    );
    let problems = world
        .platform
        .push_problems(&world.admin, view.id, PageRequest::default())
        .await
        .unwrap();
    let told = problems
        .items
        .iter()
        .find(|problem| problem.rule == "residual_identifier")
        .unwrap();
    assert_eq!(told.row, 3_001);
    assert!(!told.masked_value.contains(&resident_id(9)));
    assert!(
        world.objects("version").is_empty(),
        "a version of a quarantined push"
    );

    world.set_policy(&policy("redact")).await.unwrap();
    let view = world.commit(view.id).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    let problems = world
        .platform
        .push_problems(&world.admin, view.id, PageRequest::default())
        .await
        .unwrap();
    assert!(
        problems
            .items
            .iter()
            .all(|problem| problem.rule != "residual_identifier")
    );
    world.platform.close().await;
}

#[tokio::test]
async fn a_telephone_number_alone_in_a_remark_is_found_and_a_serial_number_is_not() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let mut text = visits(0..500);
    text += &visit(600, "13860100001");
    let view = world.pushed(&text).await;
    assert_eq!(view.state, PushState::Quarantined, "{view:?}");

    let mut text = visits(0..0);
    for person in 0..500 {
        // Eleven digits that are no numbers of telephones, but for one by chance.
        let serial = if person == 7 {
            "13860100001".to_owned()
        } else {
            format!("2024{person:07}")
        };
        text += &visit(person, &serial);
    }
    let view = world.pushed(&text).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    world.platform.close().await;
}

#[tokio::test]
async fn an_unsafe_policy_is_refused_with_the_column() {
    let world = World::with_version().await;
    let unsafe_one = policy("keep").replace(
        "[columns.resident_id]\ntransform = \"token\"\nvalue_domain = \"person-id\"",
        "[columns.resident_id]\ntransform = \"keep\"",
    );
    let error = world.set_policy(&unsafe_one).await.unwrap_err();
    assert_eq!(error.code(), "policy_refused");
    assert!(
        error
            .findings()
            .iter()
            .any(|finding| finding.subject == "resident_id"),
        "{error:?}"
    );
    let error = world
        .set_policy("version = 1\n[columns.nonesuch]\ntransform = \"keep\"\n")
        .await
        .unwrap_err();
    assert!(!error.findings().is_empty());
    assert!(world.set_policy("not toml at all [").await.is_err());
    let view = world
        .platform
        .policy(&world.security, "visits")
        .await
        .unwrap();
    assert_eq!(view.revision, 1, "a refused policy is in force");
    let denied = world
        .platform
        .set_policy(&world.admin, "visits", &policy("keep"))
        .await
        .unwrap_err();
    assert_eq!(denied.kind(), sandbox::ErrorKind::Denied);
    world.platform.close().await;
}

#[tokio::test]
async fn rows_that_can_be_told_apart_after_masking_wait_for_a_coarser_policy() {
    let world = World::new().await;
    let measured =
        |policy: String| policy.replace("version = 1\n", "version = 1\n\n[measure]\nk_min = 5\n");
    world.set_policy(&measured(policy("keep"))).await.unwrap();
    // One visitor was born in a year of her own.
    let odd = format!("{},女,1921-03-04,7.5,复诊\n", resident_id(500));
    let view = world.pushed(&(visits(0..100) + &odd)).await;
    assert_eq!(view.state, PushState::Quarantined, "{view:?}");
    assert_eq!(view.faults[0].rule, "k_below");
    let risk = world
        .platform
        .push_risk(&world.admin, view.id)
        .await
        .unwrap();
    assert_eq!(risk.after.unwrap().k, 1);
    // Where the policy lets a few rows be left out, the odd one is.
    let lenient =
        measured(policy("keep")).replace("k_min = 5", "k_min = 5\nsuppress_percent_max = 1");
    world.set_policy(&lenient).await.unwrap();
    let view = world.commit(view.id).await;
    assert_eq!(
        (view.state, view.rows_kept),
        (PushState::Version, 100),
        "{view:?}"
    );
    let risk = world
        .platform
        .push_risk(&world.admin, view.id)
        .await
        .unwrap();
    assert_eq!(risk.suppressed_rows, 1);
    let after = risk.after.unwrap();
    assert_eq!(after.rows, 100);
    assert!(after.k >= 5, "{after:?}");

    let view = world.pushed(&(visits(0..100) + &odd)).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    world.set_policy(&measured(policy("keep"))).await.unwrap();
    let view = world.pushed(&(visits(0..100) + &odd)).await;
    assert_eq!(view.state, PushState::Quarantined, "{view:?}");
    let coarser = policy("keep").replace(
        "transform = \"generalise_date\"\nto = \"year\"",
        "transform = \"drop\"",
    );
    world.set_policy(&measured(coarser)).await.unwrap();
    let view = world.commit(view.id).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    world.platform.close().await;
}

fn wish(k_min: u32, l_min: Option<u32>) -> PolicyWish {
    PolicyWish {
        measure: MaskMeasure {
            k_min,
            l_min,
            t_max: None,
            delta_max: None,
            beta_max: None,
            suppress_percent_max: Some(2.0),
        },
        loss: InformationLoss::Generalisation,
    }
}

#[tokio::test]
async fn a_policy_is_searched_over_the_push_that_waits() {
    let world = World::new().await;
    let search = async |wish| {
        let platform = &world.platform;
        platform
            .search_policy(&world.security, "visits", wish, 10)
            .await
    };
    let error = search(wish(5, None)).await.unwrap_err();
    assert_eq!(error.code(), "no_rows_to_search");
    let pushed = world.pushed(&visits(0..600)).await;
    let stranger = world.tenant("makers").await;
    assert_eq!(pushed.state, PushState::Quarantined);
    let error = world
        .platform
        .search_policy(&stranger, "visits", wish(5, None), 10)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = search(wish(601, None)).await.unwrap_err();
    assert_eq!(error.findings()[0].rule, "requirement_unmet", "{error:?}");
    let searched = search(wish(5, Some(2))).await.unwrap();
    let found = &searched.found;
    assert_eq!(searched.push, pushed.id);
    assert!(found.is_optimal && found.rows == 600, "{found:?}");
    world.set_policy(&found.policy.to_toml()).await.unwrap();
    let view = world.commit(pushed.id).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    let risk = world
        .platform
        .push_risk(&world.admin, view.id)
        .await
        .unwrap();
    let after = risk.after.unwrap();
    assert!(after.k >= 5 && after.l_distinct >= Some(2), "{after:?}");
    assert_eq!(
        after.k, found.report.k,
        "what was searched is what was made"
    );
    assert_eq!(risk.suppressed_rows, found.suppressed);
    assert!(after.special.is_some() && after.beta_basic.is_some());
    let error = search(wish(5, None)).await.unwrap_err();
    assert_eq!(error.code(), "no_rows_to_search", "raw rows are gone");
    world.platform.close().await;
}
