//! Budgets, samples, calling off, and requests that are sent twice.

use sandbox::{ErrorKind, Idempotency, KeptAnswer, Mode, Program, RunState};

use crate::people::{DISTRICTS, RARE};
use crate::world::World;

pub(crate) async fn the_refusal_budget_is_kept() {
    let world = World::with_budget(1).await;
    let all = format!(
        "select count(*) as n from residents where district = '{}'",
        DISTRICTS[0]
    );
    assert_eq!(world.sql(&all).await.state, RunState::Released);
    let probe = format!("{all} and occupation <> '{RARE}'");
    let probes = (0..4).map(|_| world.sql(&probe));
    let runs = futures::future::join_all(probes).await;
    for run in &runs {
        assert_eq!(run.state, RunState::Refused, "{run:?}");
    }
    let inspected = runs.iter().filter(|run| !run.findings.is_empty()).count();
    assert_eq!(
        inspected, 1,
        "a budget of one answers one probe, however many are sent at once"
    );
    let more = world.submit_sql(&probe).await.unwrap_err();
    assert_eq!(
        (more.kind(), more.code()),
        (ErrorKind::Conflict, "refusals_exhausted")
    );
    let sample = Program::sql(all);
    let sample = world.submit(Mode::Sample, sample).await.unwrap();
    assert_eq!(
        world.settled(sample.run).await.state,
        RunState::Finished,
        "samples stay possible"
    );
    world.platform.close().await;
}

pub(crate) async fn samples_are_seen_at_once_and_never_released() {
    let world = World::new().await;
    let sql = "select occupation, count(*) as n from residents group by occupation".to_owned();
    let job = world.submit(Mode::Sample, Program::sql(sql)).await.unwrap();
    let run = world.settled(job.run).await;
    assert_eq!(
        (run.state, run.release),
        (RunState::Finished, None),
        "{run:?}"
    );
    let csv = run.sample.expect("a result");
    assert!(csv.starts_with("occupation,n\n"), "{csv}");
    let counted: u64 = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(counted, 200, "the sample has two hundred rows: {csv}");
    let releases = world
        .platform
        .releases(&world.developer, None, sandbox::PageRequest::default());
    assert!(releases.await.unwrap().items.is_empty());
    world.platform.close().await;
}

pub(crate) async fn a_run_that_waits_can_be_called_off() {
    let world = World::new().await;
    let sql = "select district, count(*) as n from residents group by district";
    let jobs = futures::future::join_all((0..8).map(|_| world.submit_sql(sql))).await;
    let last = jobs.last().unwrap().as_ref().unwrap().run;
    let called_off = world.platform.cancel_run(&world.developer, last).await;
    let run = world.settled(last).await;
    match called_off {
        Ok(_) => assert!(
            matches!(run.state, RunState::Killed | RunState::Released),
            "{run:?}"
        ),
        Err(error) => assert_eq!(error.code(), "run_settled"),
    }
    let again = world.platform.cancel_run(&world.developer, last).await;
    assert_eq!(again.unwrap_err().code(), "run_settled");
    for job in jobs {
        assert!(world.settled(job.unwrap().run).await.state.is_settled());
    }
    world.platform.close().await;
}

pub(crate) async fn a_request_sent_twice_is_done_once() {
    let world = World::new().await;
    let ask = |body: &'static [u8]| world.platform.idempotency(&world.developer, "key-1", body);
    let Idempotency::Fresh(claim) = ask(b"POST /jobs {}").await.unwrap() else {
        panic!("a key that nobody used")
    };
    let meanwhile = ask(b"POST /jobs {}").await.unwrap_err();
    assert_eq!(
        (meanwhile.kind(), meanwhile.code()),
        (ErrorKind::Conflict, "idempotency_in_progress")
    );
    let answer = KeptAnswer {
        status: 202,
        body: "{\"id\":1}".to_owned(),
    };
    world
        .platform
        .idempotency_complete(claim, answer.clone())
        .await
        .unwrap();
    let Idempotency::Done(kept) = ask(b"POST /jobs {}").await.unwrap() else {
        panic!("a request that was done")
    };
    assert_eq!(kept, answer);
    let other = ask(b"POST /jobs {\"mode\":\"sample\"}").await.unwrap_err();
    assert_eq!(
        (other.kind(), other.code()),
        (ErrorKind::Invalid, "idempotency_reused")
    );
    // The key of one person is nobody else's.
    let theirs = world
        .platform
        .idempotency(&world.reviewers[0], "key-1", b"x")
        .await
        .unwrap();
    assert!(matches!(theirs, Idempotency::Fresh(_)));
    let overlong = "k".repeat(200);
    let overlong = world
        .platform
        .idempotency(&world.developer, &overlong, b"x")
        .await;
    assert_eq!(overlong.unwrap_err().code(), "idempotency_key");
    world.platform.close().await;
}
