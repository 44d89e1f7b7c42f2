//! Access: every operation of the API has a row in the matrix, and the server keeps to every cell of it.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Api, World, people};
use serde_json::{Value, json};

/// The matrix as it is reviewed.
const MATRIX: &str = include_str!("../../sandbox/src/access/matrix.txt");
/// Operations that need no sign-in.
const PUBLIC: [&str; 5] = ["sign_in", "health", "openapi", "ledger_keys", "root"];
/// Operations whose success would take the ground from under the others; the walk tries them.
const ENDS_THINGS: [&str; 10] = [
    "reset_password",
    "sign_out",
    "change_password",
    "disable_account",
    "set_roles",
    "confirm_key_request",
    "revoke_scenario",
    "revoke_grant",
    "delete_private_dataset",
    "write_private_data",
];

/// One operation as the API describes it.
struct Operation {
    name: String,
    method: String,
    path: String,
}

#[tokio::test]
async fn every_operation_has_a_row_and_every_cell_holds() {
    let world = World::new().await;
    let operations = operations(&world).await;
    let (roles, rows) = matrix();
    let named: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    for name in &named {
        assert!(
            rows.contains_key(name) || PUBLIC.contains(name),
            "{name} has no row in the matrix"
        );
    }
    let objects = objects(&world).await;
    let mut wrong = Vec::new();
    for wanted in ["-", "any"] {
        for operation in &operations {
            let Some(row) = rows.get(operation.name.as_str()) else {
                continue;
            };
            for (role, reach) in roles.iter().zip(row) {
                let forbidden = *reach == "-";
                if forbidden != (wanted == "-")
                    || (!forbidden && ENDS_THINGS.contains(&operation.name.as_str()))
                {
                    continue;
                }
                let status = call(client(&world, role), operation, &objects).await;
                let holds = if forbidden {
                    matches!(status, 403 | 404)
                } else {
                    !matches!(status, 401 | 403) && status < 500
                };
                if !holds {
                    wrong.push(format!(
                        "{} as {role}: {reach}, but {status}",
                        operation.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn nothing_but_the_public_is_answered_without_a_sign_in() {
    let world = World::new().await;
    let objects = objects(&world).await;
    let nobody = world.server.api();
    let forged = nobody.with_token(&format!("egs_{}", "0".repeat(64)));
    for operation in operations(&world).await {
        if PUBLIC.contains(&operation.name.as_str()) {
            continue;
        }
        for api in [&nobody, &forged] {
            let status = call(api, &operation, &objects).await;
            assert_eq!(status, 401, "{} {}", operation.method, operation.path);
        }
    }
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_it() {
    let world = World::new().await;
    let objects = objects(&world).await;
    for name in ["job", "run", "release", "module", "grant"] {
        let path = format!("/{name}s/{}", objects[name]);
        assert_eq!(world.stranger.get(&path).await.status, 404, "{path}");
        assert_eq!(world.developer.get(&path).await.status, 200, "{path}");
    }
    for path in ["result", "certificate"] {
        let path = format!("/releases/{}/{path}", objects["release"]);
        assert_eq!(world.stranger.get(&path).await.status, 404, "{path}");
    }
    for list in ["/jobs", "/runs", "/releases", "/modules", "/grants"] {
        let page = world.stranger.get(list).await.ok();
        assert_eq!(
            page["items"].as_array().map(Vec::len),
            Some(0),
            "{list}: {page}"
        );
    }
    let program = json!({ "kind": "sql", "sql": "select count(*) as n from residents" });
    let answer = world
        .stranger
        .post(
            "/jobs",
            &json!({ "grant": world.grant, "program": program }),
        )
        .await;
    assert_eq!(
        answer.status,
        404,
        "a job under another tenant's grant: {}",
        answer.text()
    );
}

#[tokio::test]
async fn five_wrong_passwords_shut_the_name_to_the_address_and_say_the_same_as_for_nobody() {
    let world = World::new().await;
    let api = world.server.api();
    let attempt = |account: &'static str, password: &'static str| {
        let api = api.clone();
        async move {
            api.post(
                "/sessions",
                &json!({ "account": account, "password": password }),
            )
            .await
        }
    };
    let nobody = attempt("nobody-here", "a-wrong-password").await;
    let nobody = nobody.problem(401, "unauthenticated")["detail"].clone();
    for _ in 0..5 {
        let wrong = attempt("dev", "a-wrong-password").await;
        assert_eq!(wrong.problem(401, "unauthenticated")["detail"], nobody);
    }
    for _ in 0..4 {
        attempt("nobody-here", "a-wrong-password").await;
    }
    let shut = attempt("nobody-here", "a-wrong-password").await;
    let locked = attempt("dev", "egret-tests-9f2c41").await;
    assert_eq!(
        locked.problem(401, "unauthenticated")["detail"],
        shut.problem(401, "unauthenticated")["detail"],
        "a shut account can be told from none"
    );
    assert_eq!(
        locked.status, 401,
        "the right password opened a locked account"
    );
    assert_eq!(
        world.developer.get("/me").await.status,
        200,
        "the open session goes on"
    );
}

#[tokio::test]
async fn a_system_administrator_cannot_make_a_reviewer() {
    let world = World::new().await;
    let body = json!({ "name": "law-office-2", "title": "x", "kind": "review_body" });
    let organisation = world.system_admin.post("/organisations", &body).await.ok();
    let account = |roles: Value| {
        json!({ "name": "puppet", "organisation": organisation["id"], "roles": roles,
            "password": "egret-tests-9f2c41" })
    };
    let answer = world
        .system_admin
        .post("/accounts", &account(json!(["reviewer"])))
        .await;
    answer.problem(403, "role_by_security_admin");
    let made = world
        .system_admin
        .post("/accounts", &account(json!([])))
        .await
        .ok();
    let path = format!("/accounts/{}/roles", made["id"].as_str().unwrap());
    let roles = json!({ "roles": ["reviewer"] });
    assert_eq!(world.system_admin.put(&path, &roles).await.status, 403);
    assert_eq!(world.security_admin.put(&path, &roles).await.status, 200);
}

/// The operations of the API's own description.
async fn operations(world: &World) -> Vec<Operation> {
    let document = world.server.api().get("/openapi.json").await.ok();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Some(name) = operation["operationId"].as_str() else {
                continue;
            };
            found.push(Operation {
                name: name.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
            });
        }
    }
    assert!(
        found.len() > 50,
        "the description has {} operations",
        found.len()
    );
    found
}

fn matrix() -> (Vec<&'static str>, BTreeMap<&'static str, Vec<&'static str>>) {
    let mut lines = MATRIX
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let roles = lines.next().unwrap().split_whitespace().skip(1).collect();
    let rows = lines
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.collect())
        })
        .collect();
    (roles, rows)
}

fn client<'w>(world: &'w World, role: &str) -> &'w Api {
    match role {
        "developer" => &world.developer,
        "tenant_admin" => &world.tenant_admin,
        "reviewer" => &world.reviewers[0],
        "provider_delegate" => &world.provider,
        "system_admin" => &world.system_admin,
        "security_admin" => &world.security_admin,
        "auditor" => &world.auditor,
        other => panic!("the suite knows no role {other}"),
    }
}

/// One real object of each kind, by the name of its collection.
async fn objects(world: &World) -> BTreeMap<&'static str, String> {
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let ran = world
        .sql("select district, count(*) as n from residents group by district")
        .await;
    let module = world
        .developer
        .send(
            "POST",
            "/modules?name=tiny",
            "application/wasm",
            wat::parse_str(TINY).unwrap(),
        )
        .await
        .ok();
    let set = json!({ "grant": world.grant, "name": "own_rows",
        "columns": [{ "name": "a", "type": "string" }] });
    let private = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let csv = people::csv(&people::people(40));
    let push = world
        .try_push("residents", json!({ "format": "csv" }), csv)
        .await;
    let broken = json!({ "format": "csv" });
    let _ = world.try_push("residents", broken, b"1,2\n".to_vec()).await;
    let feedback = world.system_admin.get("/feedback?limit=1").await.ok();
    let rotation = json!({ "act": "rotate", "owner": world.scenario, "reason": "r" });
    let request = world
        .second_security_admin
        .post("/key-requests", &rotation)
        .await
        .ok();
    let token = world
        .developer
        .post("/tokens", &json!({ "name": "x", "days": 1 }))
        .await
        .ok();
    let accounts = world.system_admin.get("/accounts?limit=200").await.ok();
    let stranger = accounts["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|account| account["name"] == "rival-dev")
        .expect("the stranger's account");
    let organisations = world
        .system_admin
        .get("/organisations?limit=200")
        .await
        .ok();
    let acme = organisations["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|organisation| organisation["name"] == "acme")
        .expect("the tenant");
    BTreeMap::from([
        ("job", ran.run["job"].as_str().unwrap().to_owned()),
        ("run", id(&ran.run)),
        ("release", id(&ran.release)),
        ("module", id(&module)),
        ("private-dataset", id(&private)),
        ("pushe", id(&push)),
        ("push", id(&push)),
        ("feedback", id(&feedback["items"][0])),
        ("key-request", id(&request)),
        ("token", id(&token)),
        ("account", id(stranger)),
        ("organisation", id(acme)),
        ("scenario", world.scenario.clone()),
        ("grant", world.grant.clone()),
    ])
}

/// A module that does nothing, properly.
const TINY: &str = r#"(module
  (import "egret" "next_batch" (func (param i32) (result i32)))
  (import "egret" "emit" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "egret_abi_version") (result i32) (i32.const 1))
  (func (export "alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "run") (result i32) (i32.const 0)))"#;

/// Calls an operation on the real objects with a body that fits.
async fn call(api: &Api, operation: &Operation, objects: &BTreeMap<&str, String>) -> u16 {
    let collection = operation
        .path
        .split('/')
        .find(|part| objects.contains_key(&part.trim_end_matches('s')));
    let id = collection.map_or("none", |part| objects[part.trim_end_matches('s')].as_str());
    let id = if operation.path.starts_with("/api/v1/pushes") {
        objects["push"].as_str()
    } else {
        id
    };
    let path = operation
        .path
        .replace("{id}", id)
        .replace("{name}", "residents")
        .replace("{index}", "0");
    let path = match operation.name.as_str() {
        "push_module" => format!("{path}?name=tiny"),
        "write_private_data" => format!("{path}?format=csv"),
        "ledger_consistency" => format!("{path}?from=1&to=2"),
        _ => path,
    };
    let (content_type, body) = body(&operation.name, objects);
    api.send(&operation.method, &path, content_type, body)
        .await
        .status
}

fn body(operation: &str, objects: &BTreeMap<&str, String>) -> (&'static str, Vec<u8>) {
    let digest = "0".repeat(64);
    let column = json!({ "name": "a", "type": "string" });
    let value = match operation {
        "change_password" => json!({ "current": "x", "new": "egret-tests-9f2c42" }),
        "create_personal_token" => json!({ "name": "t", "days": 1 }),
        "create_organisation" => json!({ "name": "o1", "title": "o", "kind": "tenant" }),
        "create_account" => json!({ "name": "a1", "organisation": objects["organisation"],
            "roles": ["developer"], "password": "egret-tests-9f2c41" }),
        "reset_password" => json!({ "password": "egret-tests-9f2c43" }),
        "set_roles" => json!({ "roles": ["developer"] }),
        "set_weight" => json!({ "weight": 2 }),
        "register_dataset" => {
            json!({ "name": "other", "title": { "zh": "t", "en": "t" }, "provider": objects["organisation"],
            "industry": "i", "columns": [column] })
        }
        "set_policy" | "preview_policy" => json!({ "toml": "version = 1\n" }),
        "open_push" => json!({ "format": "csv" }),
        "propose_scenario" => json!({ "name": "another", "contract": { "purpose": "p",
            "industry": "i", "tables": [], "operations": { "sql": true, "wasm": false },
            "term_days": 1, "refusals_max": 1 } }),
        "vote_scenario" | "vote_release" => json!({ "approve": true, "evidence_digest": digest }),
        "answer_feedback" => json!({ "text": "corrected at the source" }),
        "request_key_act" => json!({ "act": "rotate", "owner": "intake", "reason": "r" }),
        "revoke_scenario" | "revoke_grant" | "close_feedback" => json!({ "reason": "r" }),
        "apply" => json!({ "scenario": objects["scenario"], "purpose": "p", "days": 1 }),
        "consent" => json!({ "consent": true }),
        "create_private_dataset" => {
            json!({ "grant": objects["grant"], "name": "more", "columns": [column] })
        }
        "check_sql" => {
            json!({ "grant": objects["grant"], "sql": "select count(*) as n from residents" })
        }
        "submit_job" => json!({ "grant": objects["grant"],
            "program": { "kind": "sql", "sql": "select count(*) as n from residents" } }),
        "push_module" => return ("application/wasm", wat::parse_str(TINY).unwrap()),
        "write_push_data" | "write_private_data" => {
            return ("application/octet-stream", b"a\n1\n".to_vec());
        }
        "suggest_policy"
        | "confirm_key_request"
        | "withdraw_key_request"
        | "commit_push"
        | "submit_scenario"
        | "disable_account"
        | "enable_account"
        | "cancel_run"
        | "verify_ledger" => json!({}),
        _ => return ("", Vec::new()),
    };
    ("application/json", value.to_string().into_bytes())
}
