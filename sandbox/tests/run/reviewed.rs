//! What people decide, and what a revocation ends.

use sandbox::{
    ErrorKind, Mode, ModuleId, OutputColumn, PageRequest, Program, Quotas, ReleaseState,
    ResultType, RunState, RunView, WasmInput, verify_certificate,
};

use crate::guests::{self, GUEST_TEXT};
use crate::world::{World, vote};

async fn push(world: &World, name: &str, module: Vec<u8>) -> ModuleId {
    world
        .platform
        .push_module(&world.developer, name, module)
        .await
        .unwrap()
        .id
}

fn program(module: ModuleId, columns: &[&str]) -> Program {
    Program::Wasm {
        module,
        inputs: vec![WasmInput {
            table: "residents".to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        }],
        output: vec![OutputColumn {
            name: "n".to_owned(),
            data_type: ResultType::Int64,
        }],
    }
}

/// A run of the counting module, held.
async fn held(world: &World) -> RunView {
    let module = push(world, "counting", guests::counting()).await;
    let job = world
        .submit(Mode::Production, program(module, &["income"]))
        .await
        .unwrap();
    let run = world.settled(job.run).await;
    assert_eq!(run.state, RunState::Held, "{run:?}");
    run
}

pub(crate) async fn a_module_is_held_until_two_people_let_its_result_out() {
    let world = World::new().await;
    let run = held(&world).await;
    let release = world.release_of(&run).await;
    assert_eq!(release.state, ReleaseState::Held);
    let early = world
        .platform
        .download_release(&world.developer, release.id)
        .await;
    assert_eq!(early.unwrap_err().code(), "release_not_released");

    let [first, second] = &world.reviewers;
    let stale = world
        .platform
        .vote_release(first, release.id, vote(true, &"0".repeat(64)))
        .await;
    assert_eq!(stale.unwrap_err().code(), "evidence_stale");
    let evidence = world
        .platform
        .release_evidence(first, release.id)
        .await
        .unwrap();
    assert_eq!(evidence.preview.as_ref().unwrap().rows, [["600"]]);
    // A reviewer who belongs to the applicant's organisation is no independent one.
    let mut insider = first.clone();
    insider.organisation = world.developer.organisation;
    let own = world
        .platform
        .vote_release(&insider, release.id, vote(true, &evidence.digest))
        .await;
    assert_eq!(own.unwrap_err().code(), "own_organisation");

    let one = world
        .platform
        .vote_release(first, release.id, vote(true, &evidence.digest))
        .await;
    assert_eq!(one.unwrap().state, ReleaseState::Held);
    let twice = world
        .platform
        .vote_release(first, release.id, vote(true, &evidence.digest))
        .await;
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Conflict);
    let blind = world
        .platform
        .release_evidence(second, release.id)
        .await
        .unwrap();
    assert!(
        blind.votes.is_empty(),
        "a vote is shown to somebody who has not voted"
    );
    let view = world
        .platform
        .release(&world.developer, release.id)
        .await
        .unwrap();
    assert_eq!(view.approvals, 0, "a count of votes is a vote shown");

    let done = world
        .platform
        .vote_release(second, release.id, vote(true, &blind.digest))
        .await;
    assert_eq!(done.unwrap().state, ReleaseState::Released);
    let csv = world.download(release.id).await;
    assert_eq!(csv, "n\n600\n");
    let certificate = world
        .platform
        .release_certificate(&world.developer, release.id)
        .await
        .unwrap();
    let keys = world.platform.ledger_public_keys();
    let verified = verify_certificate(certificate.as_bytes(), &keys, Some(csv.as_bytes())).unwrap();
    assert_eq!(verified.predicate["votes"].as_array().unwrap().len(), 2);
    let settled = world.settled(run.id).await;
    assert_eq!(settled.state, RunState::Released);
    world.platform.close().await;
}

pub(crate) async fn reviewers_read_every_row_that_would_leave() {
    let world = World::new().await;
    let module = push(&world, "copying", guests::copying()).await;
    let job = world
        .submit(Mode::Production, program(module, &["income"]))
        .await
        .unwrap();
    let run = world.settled(job.run).await;
    assert_eq!(run.state, RunState::Held, "{run:?}");
    let release = world.release_of(&run).await.id;
    let (platform, [first, second]) = (&world.platform, &world.reviewers);
    let evidence = platform.release_evidence(first, release).await.unwrap();
    let preview = evidence.preview.as_ref().unwrap();
    assert_eq!((preview.rows.len(), preview.rows_total), (100, 600));
    let rules: Vec<&str> = evidence.findings.iter().map(|f| f.rule.as_str()).collect();
    for rule in ["rows_beyond_preview", "one_row_for_each_input_row"] {
        assert!(rules.contains(&rule), "no {rule} in {rules:?}");
    }
    let told = &platform.release(&world.developer, release).await.unwrap();
    assert!(
        !told
            .findings
            .iter()
            .any(|f| f.rule == "rows_beyond_preview"),
        "an aid depends on the data and is told to the tenant"
    );

    let refused = platform
        .release_rows(&world.developer, release, PageRequest::default())
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Denied);
    let (mut together, mut rows, mut cursor) = (String::new(), 0, None);
    loop {
        let page = PageRequest::new(Some(170), cursor).unwrap();
        let page = platform.release_rows(first, release, page).await.unwrap();
        assert_eq!((page.first, page.rows_total), (rows + 1, 600));
        assert_eq!(evidence.document["output"]["sha256"], page.sha256);
        rows += page.rows.len() as u64;
        together.push_str(&page.csv);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(rows, 600);
    let beyond = PageRequest::new(None, Some("no-number".to_owned())).unwrap();
    let beyond = platform.release_rows(first, release, beyond).await;
    assert_eq!(beyond.unwrap_err().code(), "cursor_invalid");

    for reviewer in [first, second] {
        platform
            .vote_release(reviewer, release, vote(true, &evidence.digest))
            .await
            .unwrap();
    }
    assert_eq!(
        world.download(release).await,
        together,
        "other bytes left than could be read"
    );
    let late = platform
        .release_rows(first, release, PageRequest::default())
        .await;
    assert_eq!(late.unwrap_err().code(), "release_not_held");
}

pub(crate) async fn two_people_of_one_body_are_one_vote() {
    let world = World::new().await;
    let run = held(&world).await;
    let release = world.release_of(&run).await.id;
    let (platform, [first, second]) = (&world.platform, &world.reviewers);
    let digest = platform
        .release_evidence(first, release)
        .await
        .unwrap()
        .digest;
    platform
        .vote_release(first, release, vote(true, &digest))
        .await
        .unwrap();
    // The second reviewer as a colleague of the first.
    let mut colleague = second.clone();
    colleague.organisation = first.organisation;
    let same = platform
        .vote_release(&colleague, release, vote(true, &digest))
        .await;
    assert_eq!(same.unwrap_err().code(), "body_approved");
    let state = platform
        .release(&world.auditor, release)
        .await
        .unwrap()
        .state;
    assert_eq!(state, ReleaseState::Held);
    let against = platform
        .vote_release(&colleague, release, vote(false, &digest))
        .await;
    assert_eq!(against.unwrap().state, ReleaseState::Refused);
}

pub(crate) async fn an_organisation_fills_its_quota_and_no_more() {
    let quotas = Quotas {
        modules_max: 2,
        tokens_max: 1,
        proposals_max: 1,
        ..Quotas::default()
    };
    let world = World::with_quotas(quotas).await;
    let (platform, developer) = (&world.platform, &world.developer);
    push(&world, "one", guests::counting()).await;
    push(&world, "two", guests::counting()).await;
    push(&world, "two", guests::counting()).await;
    let third = platform
        .push_module(developer, "three", guests::counting())
        .await;
    let third = third.unwrap_err();
    assert_eq!(third.code(), "quota_exceeded");
    assert!(
        third.message().en.contains("at most 2 WASM modules"),
        "{third}"
    );

    platform
        .create_personal_token(developer, "one", 1)
        .await
        .unwrap();
    let second = platform.create_personal_token(developer, "two", 1).await;
    assert_eq!(second.err().unwrap().code(), "quota_exceeded");
    let tokens = platform
        .personal_tokens(developer, PageRequest::default())
        .await
        .unwrap();
    platform
        .revoke_personal_token(developer, tokens.items[0].id)
        .await
        .unwrap();
    platform
        .create_personal_token(developer, "two", 1)
        .await
        .unwrap();

    let contract = platform
        .scenario(developer, world.scenario)
        .await
        .unwrap()
        .contract;
    let propose = async |name: &str| {
        platform
            .propose_scenario(developer, name, contract.clone())
            .await
    };
    propose("first-draft").await.unwrap();
    propose("first-draft").await.unwrap();
    assert_eq!(
        propose("second-draft").await.unwrap_err().code(),
        "quota_exceeded"
    );
}

pub(crate) async fn one_vote_against_ends_it() {
    let world = World::new().await;
    let run = held(&world).await;
    let release = run.release.unwrap();
    let [first, second] = &world.reviewers;
    let evidence = world
        .platform
        .release_evidence(first, release)
        .await
        .unwrap();
    let against = world
        .platform
        .vote_release(first, release, vote(false, &evidence.digest))
        .await;
    assert_eq!(against.unwrap().state, ReleaseState::Refused);
    let late = world
        .platform
        .vote_release(second, release, vote(true, &evidence.digest))
        .await;
    assert_eq!(late.unwrap_err().code(), "release_not_held");
    assert_eq!(world.settled(run.id).await.state, RunState::Refused);
    assert!(
        world
            .platform
            .download_release(&world.developer, release)
            .await
            .is_err()
    );
    world.platform.close().await;
}

pub(crate) async fn a_module_gets_what_is_granted_and_never_the_unit() {
    let world = World::new().await;
    let module = push(&world, "counting", guests::counting()).await;
    for columns in [
        &["__egret_unit"][..],
        &["income", "wage"],
        &[],
        &["income", "income"],
    ] {
        let refused = world
            .submit(Mode::Production, program(module, columns))
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "not_admitted", "{columns:?}");
        assert!(!error.findings().is_empty());
    }
    let garbage = world
        .platform
        .push_module(&world.developer, "garbage", b"\0asm?".to_vec())
        .await;
    assert_eq!(garbage.unwrap_err().code(), "invalid_module");
    let large = vec![0; sandbox::MODULE_BYTES_MAX + 1];
    let large = world
        .platform
        .push_module(&world.developer, "large", large)
        .await;
    assert_eq!(large.unwrap_err().kind(), ErrorKind::TooLarge);
    world.platform.close().await;
}

pub(crate) async fn what_a_guest_says_stays_inside() {
    let world = World::new().await;
    let module = push(&world, "trapping", guests::trapping()).await;
    let job = world
        .submit(Mode::Production, program(module, &["income"]))
        .await
        .unwrap();
    let failed = world.settled(job.run).await;
    assert_eq!(failed.state, RunState::Failed);
    assert_eq!(
        (failed.outcome.as_deref(), &failed.fault),
        (Some("no_result"), &None)
    );
    let job = world
        .submit(Mode::Sample, program(module, &["income"]))
        .await
        .unwrap();
    let sample = world.settled(job.run).await;
    assert_eq!(sample.outcome.as_deref(), Some("faulted"));
    assert_eq!(sample.fault.as_deref(), Some("guest_trapped"));
    let held = held(&world).await;
    for view in [failed, sample, held] {
        assert!(!format!("{view:?}").contains(GUEST_TEXT));
    }
    let leaves = world
        .platform
        .ledger_leaves(&world.auditor, None, 200)
        .await
        .unwrap();
    assert!(!format!("{leaves:?}").contains(GUEST_TEXT));
    for file in world.files() {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let said = bytes
            .windows(GUEST_TEXT.len())
            .any(|part| part == GUEST_TEXT.as_bytes());
        assert!(!said, "{} holds what a guest said", file.display());
    }
    world.platform.close().await;
}

pub(crate) async fn a_revocation_ends_everything() {
    let world = World::new().await;
    let released = world
        .sql("select district, count(*) as n from residents group by district")
        .await;
    let released = world.release_of(&released).await;
    assert_eq!(released.state, ReleaseState::Released);
    let held = held(&world).await;
    let queued: Vec<_> = futures::future::join_all((0..6).map(|_| {
        world.submit_sql(
            "select occupation, sum(income) as total from residents group by occupation",
        )
    }))
    .await;
    let revoked = world
        .platform
        .revoke_scenario(&world.reviewers[0], world.scenario, "misuse")
        .await;
    revoked.unwrap();

    let download = world
        .platform
        .download_release(&world.developer, released.id)
        .await;
    assert_eq!(download.unwrap_err().code(), "release_frozen");
    let void = world
        .platform
        .release(&world.developer, held.release.unwrap())
        .await
        .unwrap();
    assert_eq!(void.state, ReleaseState::Void);
    for job in queued {
        let run = world.settled(job.unwrap().run).await;
        assert!(
            matches!(run.state, RunState::Killed | RunState::Released),
            "{run:?}"
        );
        if let Some(release) = run.release {
            assert!(
                world
                    .platform
                    .download_release(&world.developer, release)
                    .await
                    .is_err()
            );
        }
    }
    let evidence = world
        .platform
        .release_evidence(&world.reviewers[0], void.id)
        .await
        .unwrap();
    let late = vote(true, &evidence.digest);
    let late = world
        .platform
        .vote_release(&world.reviewers[0], void.id, late)
        .await;
    assert_eq!(late.unwrap_err().code(), "release_not_held");
    let next = world
        .submit_sql("select count(*) as n from residents")
        .await;
    assert_eq!(next.unwrap_err().kind(), ErrorKind::Conflict);
    let staged = || {
        let files = world.files().into_iter();
        files
            .filter(|file| file.to_string_lossy().contains("/staged/"))
            .count()
    };
    // A run that was being prepared takes back what it staged.
    for _ in 0..500 {
        if staged() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(staged(), 0, "tokens of an epoch that is over");
    world.platform.close().await;
}
