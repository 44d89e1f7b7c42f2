//! The walk of a run through the API: push, scenario, grant, SQL and WASM, votes, certificate, revocation.

use std::io::Write as _;

use harness::{World, run_egret};
use serde_json::{Value, json};

/// Counts the rows of one batch after the other and emits one row (ABI 1).
const COUNT_ROWS: &str = r#"
(module
  (import "egret" "next_batch" (func $next_batch (param i32) (result i32)))
  (import "egret" "emit" (func $emit (param i32) (result i32)))
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 4096))
  (func (export "egret_abi_version") (result i32) (i32.const 1))
  (func (export "alloc") (param $size i32) (param $align i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.xor (i32.sub (local.get $align) (i32.const 1)) (i32.const -1))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.const 64))))
    (local.get $at))
  (func (export "run") (result i32)
    (local $batch i32) (local $rows i64)
    (block $end
      (loop $more
        (local.set $batch (call $next_batch (i32.const 0)))
        (br_if $end (i32.eqz (local.get $batch)))
        (local.set $rows
          (i64.add (local.get $rows) (i64.extend_i32_u (i32.load (local.get $batch)))))
        (br $more)))
    (i64.store (i32.const 1024) (local.get $rows))
    ;; column: type 3 (i64), no nulls, no validity, no offsets, data, bytes
    (i32.store (i32.const 512) (i32.const 3))
    (i32.store (i32.const 516) (i32.const 0))
    (i32.store (i32.const 520) (i32.const 0))
    (i32.store (i32.const 524) (i32.const 0))
    (i32.store (i32.const 528) (i32.const 1024))
    (i32.store (i32.const 532) (i32.const 8))
    ;; batch: one row, one column
    (i32.store (i32.const 256) (i32.const 1))
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 264) (i32.const 512))
    (drop (call $emit (i32.const 256)))
    (i32.const 0)))
"#;

#[tokio::test]
async fn a_module_is_held_voted_on_released_and_proved() {
    let world = World::new().await;
    let module = push_module(&world, "count-rows", COUNT_ROWS).await;
    let program = json!({
        "kind": "wasm",
        "module": module,
        "inputs": [{ "table": "residents", "columns": ["income"] }],
        "output": [{ "name": "rows", "data_type": "int64" }],
    });
    let job = world
        .developer
        .post(
            "/jobs",
            &json!({ "grant": world.grant, "program": program }),
        )
        .await
        .ok();
    let ran = world.ran(job["run"].as_str().unwrap()).await;
    assert_eq!(
        ran.release["state"], "held",
        "run {} release {}",
        ran.run, ran.release
    );
    let release = ran.release["id"].as_str().unwrap().to_owned();

    let early = world
        .developer
        .get(&format!("/releases/{release}/result"))
        .await;
    assert!(early.status >= 400, "a held result was handed out");

    vote_on_release(&world, &release).await;
    let released = world
        .developer
        .get(&format!("/releases/{release}"))
        .await
        .ok();
    assert_eq!(released["state"], "released", "{released}");
    let result = world
        .developer
        .get(&format!("/releases/{release}/result"))
        .await;
    assert_eq!(result.text(), "rows\n1200\n");

    certificate_proves(&world, &release, &result.bytes).await;
    revocation_ends_everything(&world, &release).await;
}

/// A vote counts only for the evidence that was shown, once for a person, and never at home.
async fn vote_on_release(world: &World, release: &str) {
    let votes = format!("/releases/{release}/votes");
    let stale = json!({ "approve": true, "evidence_digest": "0".repeat(64) });
    assert_eq!(world.reviewers[0].post(&votes, &stale).await.status, 409);
    let mut digest = Value::Null;
    for (place, reviewer) in world.reviewers.iter().enumerate() {
        let evidence = reviewer
            .get(&format!("/releases/{release}/evidence"))
            .await
            .ok();
        digest = evidence["digest"].clone();
        let vote = json!({ "approve": true, "evidence_digest": digest, "comment": "seen" });
        let _ = reviewer.post(&votes, &vote).await.ok();
        if place == 0 {
            let twice = reviewer.post(&votes, &vote).await;
            assert_eq!(
                twice.status,
                409,
                "a second vote of one person: {}",
                twice.text()
            );
        }
    }
    let own = json!({ "approve": true, "evidence_digest": digest });
    for nobody in [
        &world.developer,
        &world.tenant_admin,
        &world.system_admin,
        &world.auditor,
    ] {
        assert_eq!(
            nobody.post(&votes, &own).await.status,
            403,
            "who is no reviewer may not vote"
        );
    }
}

async fn certificate_proves(world: &World, release: &str, result: &[u8]) {
    let certificate = world
        .developer
        .get(&format!("/releases/{release}/certificate"))
        .await;
    assert_eq!(certificate.status, 200, "{}", certificate.text());
    let keys = world.developer.anonymous().get("/ledger/keys").await;
    assert_eq!(keys.status, 200, "the public keys are public");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificate_file = file("certificate.json", &certificate.bytes);
    let keys_file = file("keys.json", &keys.bytes);
    let result_file = file("result.csv", result);
    let verify = |certificate: &str, result: &str| {
        run_egret(&[
            "certificate",
            "verify",
            certificate,
            "--key",
            &keys_file,
            "--result",
            result,
        ])
    };
    let (code, output, errors) = verify(&certificate_file, &result_file);
    assert_eq!(code, 0, "{output}{errors}");

    for place in 0..result.len() {
        let mut flipped = result.to_vec();
        flipped[place] ^= 1;
        let flipped_file = file("flipped.csv", &flipped);
        let (code, ..) = verify(&certificate_file, &flipped_file);
        assert_ne!(code, 0, "byte {place} of the result may be flipped");
    }
    let mut envelope: Value = serde_json::from_slice(&certificate.bytes).unwrap();
    let forged = forge_payload(&mut envelope);
    assert!(forged, "the certificate holds a DSSE payload: {envelope}");
    let forged_file = file("forged.json", envelope.to_string().as_bytes());
    let (code, ..) = verify(&forged_file, &result_file);
    assert_ne!(code, 0, "a changed payload still verifies");
}

/// Changes one character of the first DSSE payload found.
fn forge_payload(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(payload)) = members.get_mut("payload") {
                let changed = if payload.starts_with('e') { "f" } else { "e" };
                payload.replace_range(0..1, changed);
                return true;
            }
            members.values_mut().any(forge_payload)
        }
        Value::Array(items) => items.iter_mut().any(forge_payload),
        _ => false,
    }
}

async fn revocation_ends_everything(world: &World, release: &str) {
    let path = format!("/scenarios/{}:revoke", world.scenario);
    let answer = world
        .developer
        .post(&path, &json!({ "reason": "no" }))
        .await;
    assert_eq!(answer.status, 403, "a developer revoked a scenario");
    let _ = world.reviewers[0]
        .post(&path, &json!({ "reason": "misuse" }))
        .await
        .ok();
    let job = world
        .submit_sql("select count(*) as n from residents")
        .await;
    assert!(
        job.status >= 400,
        "a job under a revoked scenario: {}",
        job.text()
    );
    let result = world
        .developer
        .get(&format!("/releases/{release}/result"))
        .await;
    assert!(
        (400..500).contains(&result.status),
        "a download after revocation: {}",
        result.status
    );
}

#[tokio::test]
async fn small_cells_are_left_out_and_the_rest_is_right() {
    let mut residents = harness::people::people(1_200);
    for person in residents.iter_mut().take(4) {
        "法官".clone_into(&mut person.occupation);
    }
    let expected: i64 = residents
        .iter()
        .filter(|p| p.occupation == "医生")
        .map(|p| p.income)
        .sum();
    let doctors = residents.iter().filter(|p| p.occupation == "医生").count();
    let world = World::with(harness::Setup {
        people: residents,
        ..harness::Setup::default()
    })
    .await;
    let ran = world
        .sql("select occupation, count(*) as n, sum(income) as total from residents group by occupation")
        .await;
    assert!(ran.csv.is_some(), "run {} release {}", ran.run, ran.release);
    assert_eq!(
        ran.rows().len(),
        5,
        "five common occupations, no judges: {:?}",
        ran.csv
    );
    let counted = ran.cell("occupation", "医生", "n").unwrap();
    assert!(
        (counted - f64::from(u32::try_from(doctors).unwrap())).abs() <= 5.0,
        "{counted} of {doctors}"
    );
    let total = ran.cell("occupation", "医生", "total").unwrap();
    #[allow(clippy::cast_precision_loss, reason = "incomes are far below 2^53")]
    let expected = expected as f64;
    assert!(
        (total - expected).abs() <= expected * 1e-3,
        "{total} of {expected}"
    );
    // That a cell is missing is told nowhere: it would say something of the people in it.
    let told = format!("{} {}", ran.run, ran.release);
    assert!(
        !told.contains("suppressed") && !told.contains("partial"),
        "{told}"
    );
}

#[tokio::test]
async fn a_private_data_set_joins_by_people_nobody_can_see() {
    let world = World::new().await;
    let people = harness::people::people(1_200);
    let set = json!({
        "grant": world.grant,
        "name": "customers",
        "columns": [
            { "name": "id_number", "type": "string" },
            { "name": "segment", "type": "string" },
        ],
        "unit": { "column": "id_number", "value_domain": "person-id" },
    });
    let created = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let id = created["id"].as_str().unwrap();
    let mut csv = String::from("id_number,segment\n");
    for (place, person) in people
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 2 == 0)
    {
        let segment = if place % 4 == 0 { "gold" } else { "blue" };
        // Lower-case check characters and spaces are the same person.
        csv.push_str(&format!(
            "{} ,{segment}\n",
            person.resident_id.to_lowercase()
        ));
    }
    let answer = world
        .tenant_admin
        .upload(
            &format!("/private-datasets/{id}/data?format=csv"),
            csv.into_bytes(),
        )
        .await
        .ok();
    assert_eq!(answer["rows"], 600, "{answer}");
    let ran = world
        .sql(
            "select c.segment, count(*) as n, sum(r.income) as total \
             from residents r join customers c on r.resident_id = c.id_number group by c.segment",
        )
        .await;
    assert!(ran.csv.is_some(), "run {} release {}", ran.run, ran.release);
    assert_eq!(
        ran.cell("segment", "gold", "n"),
        Some(300.0),
        "{:?}",
        ran.csv
    );
    assert_eq!(
        ran.cell("segment", "blue", "n"),
        Some(300.0),
        "{:?}",
        ran.csv
    );

    let seen = world.stranger.get("/private-datasets").await.ok();
    assert_eq!(
        seen["items"].as_array().map(Vec::len),
        Some(0),
        "another tenant sees it: {seen}"
    );
}

async fn push_module(world: &World, name: &str, text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap();
    let answer = world
        .developer
        .send(
            "POST",
            &format!("/modules?name={name}"),
            "application/wasm",
            bytes,
        )
        .await
        .ok();
    answer["id"].as_str().unwrap().to_owned()
}
