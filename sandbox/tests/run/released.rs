//! What leaves by itself, and what the rules keep.

use std::collections::BTreeSet;

use sandbox::{CertificateError, Decision, ReleaseState, RunState, verify_certificate};

use crate::people::{DISTRICTS, RARE};
use crate::world::World;

/// Rows of a canonical result without quotes.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    csv.lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect()
}

pub(crate) async fn a_result_leaves_with_a_certificate_that_one_flipped_byte_breaks() {
    let world = World::new().await;
    let run = world
        .sql(
            "select district, count(*) as n, sum(income) as total from residents group by district",
        )
        .await;
    assert_eq!(run.state, RunState::Released, "{run:?}");
    let states: Vec<_> = run.timeline.iter().map(|moment| moment.state).collect();
    assert_eq!(
        states,
        [
            RunState::Admitted,
            RunState::Running,
            RunState::Inspecting,
            RunState::Releasing,
            RunState::Released
        ]
    );
    let meter = run.meter.unwrap();
    assert_eq!(
        (meter.wall_us % 1_000_000, meter.rows_out),
        (0, 0),
        "a fine meter is a way out"
    );
    let release = world.release_of(&run).await;
    assert_eq!(
        (release.state, release.decision),
        (ReleaseState::Released, Decision::Release)
    );

    let csv = world.download(release.id).await;
    let rows = rows(&csv);
    assert_eq!(rows.len(), DISTRICTS.len(), "{csv}");
    for row in rows {
        let (count, total): (f64, f64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let there = world
            .people
            .iter()
            .filter(|person| person.district == row[0]);
        let expected: i64 = there.map(|person| person.income).sum();
        assert!((count - 150.0).abs() <= 5.0, "{row:?}");
        let expected = f64::from(i32::try_from(expected).unwrap());
        assert!(
            (total - expected).abs() <= expected * 1e-3,
            "{row:?} of {expected}"
        );
    }

    let keys = world.platform.ledger_public_keys();
    let certificate = world
        .platform
        .release_certificate(&world.developer, release.id)
        .await
        .unwrap();
    let verify = |result: &[u8]| verify_certificate(certificate.as_bytes(), &keys, Some(result));
    let verified = verify(csv.as_bytes()).unwrap();
    assert_eq!(verified.release, release.id.to_string());
    assert_eq!(verified.predicate["inputs"][0]["dataset"], "residents");
    assert_eq!(verified.predicate["decision"], "release");
    assert_eq!(
        verified.predicate["scenario"]["approvals"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let enforced = verified.predicate["node"].as_object().unwrap();
    assert_eq!(enforced["seccomp"], "enforced", "{enforced:?}");
    let mut flipped = csv.into_bytes();
    flipped[7] ^= 1;
    assert_eq!(
        verify(&flipped).unwrap_err(),
        CertificateError::ResultMismatch
    );

    let kinds: BTreeSet<String> = leaf_kinds(&world).await.into_iter().collect();
    for kind in [
        "job.submit",
        "run.start",
        "release.decide",
        "release.publish",
        "release.download",
    ] {
        assert!(kinds.contains(kind), "{kind} has no leaf: {kinds:?}");
    }
    let usage = world.platform.usage(&world.developer).await.unwrap();
    assert_eq!(
        (usage.len(), usage[0].runs, usage[0].meter.wall_us),
        (1, 1, meter.wall_us)
    );
    world.platform.close().await;
}

async fn leaf_kinds(world: &World) -> Vec<String> {
    let (mut kinds, mut after) = (Vec::new(), None);
    loop {
        let page = world
            .platform
            .ledger_leaves(&world.auditor, after, 200)
            .await
            .unwrap();
        let Some(last) = page.last() else {
            return kinds;
        };
        after = Some(last.index);
        kinds.extend(page.into_iter().map(|leaf| leaf.kind));
    }
}

pub(crate) async fn small_cells_are_withheld_and_the_rest_leaves() {
    let world = World::new().await;
    let run = world
        .sql("select district, occupation, count(*) as n from residents group by district, occupation")
        .await;
    let release = world.release_of(&run).await;
    // One cell of judges in each district is missing, and nothing says so.
    assert_eq!(release.decision, Decision::Release);
    let csv = world.download(release.id).await;
    assert!(!csv.contains(RARE), "{csv}");
    assert_eq!(rows(&csv).len(), 12, "{csv}");
    world.platform.close().await;
}

pub(crate) async fn a_program_outside_the_scenario_is_refused_with_its_place() {
    let world = World::new().await;
    let refused = world
        .submit_sql("select district,\n       wage from residents")
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.code(), "not_admitted");
    let place = error
        .findings()
        .iter()
        .find_map(|finding| finding.place)
        .expect("a place");
    assert_eq!((place.line, place.column), (2, 8), "{:?}", error.findings());
    let reason = &error.findings()[0];
    assert!(!reason.reason.zh.is_empty() && !reason.remedy.en.is_empty());
    for sql in [
        "select resident_id from residents",
        "select * from residents",
        "drop table residents",
    ] {
        let error = world.submit_sql(sql).await.unwrap_err();
        assert_eq!(error.code(), "not_admitted", "{sql}");
        let view = world
            .platform
            .check_sql(&world.developer, world.grant, sql, &[])
            .await
            .unwrap();
        assert_eq!((view.admitted, view.plan_digest), (false, None), "{sql}");
        assert_eq!(
            view.findings,
            error.findings(),
            "checking and submitting say the same"
        );
    }
    let runs = world
        .platform
        .runs(&world.developer, sandbox::PageRequest::default());
    assert!(
        runs.await.unwrap().items.is_empty(),
        "what is not admitted does not run"
    );
    assert!(
        leaf_kinds(&world)
            .await
            .iter()
            .filter(|kind| *kind == "job.refuse")
            .count()
            == 4
    );
    world.platform.close().await;
}

pub(crate) async fn the_second_of_a_differencing_pair_is_refused() {
    let world = World::new().await;
    let first = world.sql("select count(*) as n from residents").await;
    assert_eq!(first.state, RunState::Released, "{first:?}");
    let district = DISTRICTS[0];
    let all = format!("select count(*) as n from residents where district = '{district}'");
    assert_eq!(world.sql(&all).await.state, RunState::Released);
    let without_four = format!("{all} and occupation <> '{RARE}'");
    let second = world.sql(&without_four).await;
    assert_eq!(second.state, RunState::Refused, "{second:?}");
    assert!(!second.findings.is_empty());
    let released = world.platform.releases(
        &world.developer,
        Some(ReleaseState::Released),
        sandbox::PageRequest::default(),
    );
    assert_eq!(released.await.unwrap().items.len(), 2);
    world.platform.close().await;
}

pub(crate) async fn of_two_that_differ_by_a_few_one_leaves_however_they_race() {
    let world = World::new().await;
    for district in DISTRICTS {
        let all = format!("select count(*) as n from residents where district = '{district}'");
        let without = format!("{all} and occupation <> '{RARE}'");
        let (one, other) = tokio::join!(world.sql(&all), world.sql(&without));
        let left = [&one, &other]
            .iter()
            .filter(|run| run.state == RunState::Released)
            .count();
        assert_eq!(left, 1, "{one:?}\n{other:?}");
        let kept = [&one, &other]
            .iter()
            .filter(|run| run.state == RunState::Refused)
            .count();
        assert_eq!(kept, 1, "{one:?}\n{other:?}");
    }
    world.platform.close().await;
}

pub(crate) async fn the_same_question_has_the_same_answer() {
    let world = World::new().await;
    let sql = "select occupation, avg(income) as mean from residents where district = '思明' group by occupation";
    let mut digests = BTreeSet::new();
    let mut plans = BTreeSet::new();
    for _ in 0..3 {
        let job = world.submit_sql(sql).await.unwrap();
        plans.insert(job.plan_digest.clone().unwrap());
        let run = world.settled(job.run).await;
        assert_eq!(run.state, RunState::Released, "{run:?}");
        digests.insert(world.release_of(&run).await.sha256.unwrap());
    }
    assert_eq!((plans.len(), digests.len()), (1, 1));
    world.platform.close().await;
}

pub(crate) async fn twenty_at_once_all_come_to_an_end() {
    let world = World::new().await;
    let groups = ["district", "occupation"];
    let asked = (0..20).map(|number| {
        let by = groups[number % groups.len()];
        let sql = format!(
            "select {by}, count(*) as n, sum(income) as total from residents group by {by}"
        );
        let world = &world;
        async move { world.sql(&sql).await }
    });
    let runs = futures::future::join_all(asked).await;
    let mut results = BTreeSet::new();
    for run in &runs {
        assert_eq!(run.state, RunState::Released, "{run:?}");
        results.insert(world.release_of(run).await.sha256.unwrap());
    }
    assert_eq!(
        results.len(),
        groups.len(),
        "the same question, the same bytes"
    );
    let releases: BTreeSet<_> = runs.iter().map(|run| run.release.unwrap()).collect();
    assert_eq!(releases.len(), 20);
    world.platform.verify_ledger(&world.auditor).await.unwrap();
    world.platform.close().await;
}
