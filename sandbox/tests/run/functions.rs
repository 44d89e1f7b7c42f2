//! SQL that calls functions of modules: admitted by what it reads, held like a module's result, and told apart from a
//! proved one everywhere.

use sandbox::{
    ErrorKind, Mode, ModuleId, OutputColumn, Program, ProgramModule, ReleaseState, ResultType,
    RunState, WasmInput, module_from_text, verify_certificate, with_manifest,
};

use crate::world::{World, vote};

/// `halve` answers half of a whole number, as a whole number; it works in the block that it is given.
const TEXT: &str = r#"(module
  (memory (export "memory") 4)
  (func (export "egret_abi_version") (result i32) (i32.const 1))
  (func (export "alloc") (param i32 i32) (result i32) (i32.const 4096))
  (func (export "halve") (param $batch i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=16 (i32.load offset=8 (local.get $batch))))
    (local.set $end (i32.add (local.get $at) (i32.shl (i32.load (local.get $batch)) (i32.const 3))))
    (block $done (loop $row
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (i64.store (local.get $at) (i64.shr_s (i64.load (local.get $at)) (i64.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br $row)))
    (local.get $batch)))"#;

const MANIFEST: &str = r#"{"name": "maths", "version": "1.0", "functions": [{"kind": "scalar", "name": "halve",
  "arguments": [{"name": "x", "data_type": "int64"}], "returns": "int64"}]}"#;

async fn pushed(world: &World) -> ModuleId {
    let binary = module_from_text(TEXT).unwrap();
    let (module, _) = with_manifest(&binary, MANIFEST.as_bytes()).unwrap();
    let pushed = world
        .platform
        .push_module(&world.developer, "maths", module);
    pushed.await.unwrap().id
}

fn query(sql: &str, module: ModuleId) -> Program {
    Program::Sql {
        sql: sql.to_owned(),
        modules: vec![ProgramModule {
            name: "maths".to_owned(),
            module,
        }],
    }
}

const SQL: &str = "SELECT district, max(maths.halve(income)) AS most, count(*) AS n FROM residents \
                   GROUP BY district ORDER BY district";

pub(crate) async fn a_query_with_functions_is_held_until_two_people_let_its_result_out() {
    let world = World::new().await;
    let module = pushed(&world).await;
    let (platform, developer) = (&world.platform, &world.developer);
    let named = [ProgramModule {
        name: "maths".to_owned(),
        module,
    }];
    let view = platform
        .check_sql(developer, world.grant, SQL, &named)
        .await;
    let view = view.unwrap();
    assert!(view.admitted, "{view:?}");
    assert_eq!(view.functions, ["maths.halve"]);
    assert_eq!(view.tables[0].columns, ["district", "income"]);
    assert!(!view.tables[0].control);

    let job = world
        .submit(Mode::Production, query(SQL, module))
        .await
        .unwrap();
    let run = world.settled(job.run).await;
    assert_eq!(run.state, RunState::Held, "{run:?}");
    let meter = run.meter.unwrap();
    assert_eq!(
        (meter.fuel, meter.wall_us, meter.memory_peak_bytes),
        (0, 0, 0),
        "a module would tell by them"
    );
    assert!(meter.rows_in > 0);
    let seen = platform.run(&world.auditor, job.run).await.unwrap();
    assert!(
        seen.meter.unwrap().fuel > 0,
        "who audits sees what was used"
    );
    let usage = platform.usage(developer).await.unwrap();
    assert_eq!(usage[0].meter.fuel, 0);

    let release = world.release_of(&run).await;
    assert_eq!(release.state, ReleaseState::Held);
    for reviewer in &world.reviewers {
        let evidence = platform
            .release_evidence(reviewer, release.id)
            .await
            .unwrap();
        let preview = evidence.preview.as_ref().unwrap();
        assert_eq!(preview.rows.len(), 4, "{preview:?}");
        let voted = platform.vote_release(reviewer, release.id, vote(true, &evidence.digest));
        voted.await.unwrap();
    }
    let csv = world.download(release.id).await;
    assert!(csv.starts_with("district,most,n\n"), "{csv}");
    let certificate = platform
        .release_certificate(developer, release.id)
        .await
        .unwrap();
    let keys = platform.ledger_public_keys();
    let verified = verify_certificate(certificate.as_bytes(), &keys, Some(csv.as_bytes())).unwrap();
    let program = verified.predicate["program"].to_string();
    assert!(program.contains("sql_with_modules"), "{program}");
}

pub(crate) async fn what_is_not_offered_or_not_declared_is_refused() {
    let world = World::new().await;
    let module = pushed(&world).await;
    let refused = async |program: Program, rule: &str| {
        let error = world.submit(Mode::Production, program).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let rules: Vec<_> = error.findings().iter().map(|f| f.rule.as_str()).collect();
        assert!(rules.contains(&rule), "{rule}: {rules:?}");
    };
    refused(
        query("SELECT district FROM residents", module),
        "module_not_called",
    )
    .await;
    refused(
        query("SELECT maths.third(income) AS x FROM residents", module),
        "function_not_admitted",
    )
    .await;
    refused(
        query("SELECT maths.halve(wage) AS x FROM residents", module),
        "column_outside_scenario",
    )
    .await;
    refused(
        query("SELECT maths.halve(district) AS x FROM residents", module),
        "function_arguments",
    )
    .await;
    let mut twice = query(SQL, module);
    if let Program::Sql { modules, .. } = &mut twice {
        modules.push(modules[0].clone());
    }
    refused(twice, "module_name").await;
    // It has no `run`, and a module that says what it reads is held to it.
    let whole = |module, data_type| Program::Wasm {
        module,
        inputs: vec![WasmInput {
            table: "residents".to_owned(),
            columns: vec!["income".to_owned()],
        }],
        output: vec![OutputColumn {
            name: "n".to_owned(),
            data_type,
        }],
    };
    refused(whole(module, ResultType::Int64), "module_without_job").await;
    let counting = crate::guests::counting();
    let declared = r#"{"name": "counting", "version": "1", "job": {
        "inputs": [{"columns": [{"name": "x", "data_type": "float64"}]}],
        "output": [{"name": "n", "data_type": "int64"}]}}"#;
    let (counting, _) = with_manifest(&counting, declared.as_bytes()).unwrap();
    let counting = world
        .platform
        .push_module(&world.developer, "counting", counting)
        .await
        .unwrap();
    refused(
        whole(counting.id, ResultType::Int64),
        "module_declares_otherwise",
    )
    .await;
    let only_sql = "SELECT count(*) AS n FROM residents";
    let without = world
        .platform
        .push_module(&world.developer, "plain", crate::guests::counting())
        .await
        .unwrap();
    refused(query(only_sql, without.id), "module_without_functions").await;
}

pub(crate) async fn calling_a_held_result_off_costs_a_refusal() {
    let world = World::with_budget(1).await;
    let module = pushed(&world).await;
    let job = world
        .submit(Mode::Production, query(SQL, module))
        .await
        .unwrap();
    assert_eq!(world.settled(job.run).await.state, RunState::Held);
    world
        .platform
        .cancel_run(&world.developer, job.run)
        .await
        .unwrap();
    let again = world.submit(Mode::Production, query(SQL, module)).await;
    assert_eq!(again.unwrap_err().code(), "refusals_exhausted");
    // On samples the figures are exact, and nothing is counted.
    let sample = world
        .submit(Mode::Sample, query(SQL, module))
        .await
        .unwrap();
    let run = world.settled(sample.run).await;
    assert_eq!(run.state, RunState::Finished, "{run:?}");
    assert!(run.meter.unwrap().fuel > 0);
    assert!(run.sample.unwrap().starts_with("district,most,n\n"));
}
