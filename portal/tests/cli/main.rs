//! The command line as people use it: each with a configuration folder of one's own, against the server that
//! `egret demo --keep` leaves running. What the demonstration showed has ended by then, so everything is made anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod mask;
mod module;
mod upload;
mod world;

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use world::World;

const DEVELOPER: &str = "insurance-developer";
const ADMIN: &str = "insurance-admin";
const REVIEWERS: [&str; 2] = ["data-office-reviewer", "ethics-board-reviewer"];
const DELEGATES: [&str; 3] = [
    "health-bureau-delegate",
    "social-security-bureau-delegate",
    "transport-bureau-delegate",
];

#[test]
fn the_main_job_by_hand() {
    let world = World::new();
    signing_in(&world);
    let scenario = approved_scenario(&world);
    let grant = active_grant(&world, &scenario);
    sql(&world, &grant);
    module(&world, &grant);
    functions(&world, &grant);
    ledger(&world);
    pushes(&world);
    upload::goes_on(&world);
    signing_out(&world);
}

fn signing_in(world: &World) {
    world
        .as_("nobody", &["whoami", "--server", &world.address])
        .fails(3, "egret login");
    world
        .egret(
            "nobody",
            &["login", DEVELOPER, "--server", &world.address],
            "wrong\n",
        )
        .fails(3, "egret: ");
    world
        .egret(
            "nobody",
            &["login", DEVELOPER, "--server", &world.address],
            "\n",
        )
        .fails(1, "password is empty");
    world
        .as_("nobody", &["whoami", "--server", "http://127.0.0.1:1"])
        .fails(8, "http://127.0.0.1:1");
    world
        .as_("nobody", &["whoami", "--server", "127.0.0.1"])
        .fails(1, "no server address");
    for who in [DEVELOPER, ADMIN, "auditor", "system-admin"]
        .into_iter()
        .chain(REVIEWERS)
        .chain(DELEGATES)
    {
        world.sign_in(who);
    }
    let kept = world
        .folder
        .path()
        .join(DEVELOPER)
        .join("egret")
        .join("credentials.json");
    assert_eq!(
        std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let me = world.as_(DEVELOPER, &["whoami", "-o", "json"]).json();
    assert_eq!(me["roles"], json!(["developer"]));
    // The sign-in names its server: from now on nobody has to.
    let table = world.as_(DEVELOPER, &["dataset", "list"]).ok();
    assert!(
        table.contains("health_claims") && table.contains("卫生健康"),
        "{table}"
    );
    let csv = world.as_(DEVELOPER, &["dataset", "list", "-o", "csv"]).ok();
    assert!(
        csv.starts_with("name,title,industry,provider,policy,latest_version\n"),
        "{csv}"
    );
    let token = world
        .as_(
            DEVELOPER,
            &["token", "create", "ci", "--days", "1", "-o", "json"],
        )
        .json();
    let secret = token["token"].as_str().unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["whoami", "-o", "json", "--server", &world.address])
        .env_clear()
        .env("EGRET_TOKEN", secret)
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "a personal token needs no folder and no sign-in"
    );
}

fn contract() -> Value {
    json!({
        "purpose": "yearly visits by district",
        "industry": "卫生健康",
        "tables": [{
            "name": "claims", "dataset": "health_claims", "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key", "value_domain": "person-id" },
                { "name": "district", "role": "dimension" },
                { "name": "year", "role": "dimension" },
                { "name": "visits", "role": "measure" },
                { "name": "medical_cost", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": true },
        "output": {},
        "term_days": 30,
        "refusals_max": 10,
    })
}

fn approved_scenario(world: &World) -> String {
    let file = world.file("contract.json", contract().to_string().as_bytes());
    let file = file.to_str().unwrap();
    world
        .as_(
            DEVELOPER,
            &["scenario", "propose", "by-hand", "/nowhere.json"],
        )
        .fails(1, "/nowhere.json");
    let broken = world.file("broken.json", b"{\"purpose\": 1}");
    world
        .as_(
            DEVELOPER,
            &["scenario", "propose", "by-hand", broken.to_str().unwrap()],
        )
        .fails(7, "broken.json");
    let id = world.id(
        DEVELOPER,
        &[
            "scenario", "propose", "by-hand", file, "--submit", "-o", "json",
        ],
    );
    world
        .as_(
            DEVELOPER,
            &["scenario", "vote", &id, "--approve", "--digest", "00"],
        )
        .fails(4, "403");
    world
        .as_(REVIEWERS[0], &["scenario", "vote", &id, "--digest", "00"])
        .fails(2, "--approve");
    world
        .as_(
            REVIEWERS[0],
            &[
                "scenario",
                "vote",
                &id,
                "--approve",
                "--digest",
                &"0".repeat(64),
            ],
        )
        .fails(7, "409");
    for reviewer in REVIEWERS {
        let seen = world
            .as_(reviewer, &["scenario", "evidence", &id, "-o", "json"])
            .json();
        let digest = seen["digest"].as_str().unwrap();
        world
            .as_(
                reviewer,
                &["scenario", "vote", &id, "--approve", "--digest", digest],
            )
            .ok();
    }
    let shown = world.as_(DEVELOPER, &["scenario", "show", &id]).ok();
    for word in [
        "approved",
        "medical_cost",
        "WASM modules",
        "refusals at most",
        "units per cell at least",
        "person-id",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    id
}

fn active_grant(world: &World, scenario: &str) -> String {
    let apply = [
        "grant",
        "apply",
        scenario,
        "--purpose",
        "by hand",
        "--days",
        "5",
        "-o",
        "json",
    ];
    let grant = world.id(DEVELOPER, &apply);
    world
        .as_(DELEGATES[0], &["grant", "consent", &grant])
        .fails(2, "--yes|--refuse");
    world
        .as_(DELEGATES[0], &["grant", "consent", &grant, "--yes"])
        .ok();
    let shown = world
        .as_(DEVELOPER, &["grant", "show", &grant, "-o", "json"])
        .json();
    assert_eq!(shown["state"], "active", "{shown}");

    let create = [
        "private",
        "create",
        "customers",
        "--grant",
        &grant,
        "--column",
        "resident_id:string",
        "--column",
        "tier:string",
        "--unit",
        "resident_id:person-id",
        "-o",
        "json",
    ];
    let private = world.id(ADMIN, &create);
    let csv = world.file(
        "customers.csv",
        "resident_id,tier\n11010519491231002X,a\n".as_bytes(),
    );
    let sent = world
        .as_(
            ADMIN,
            &[
                "private",
                "upload",
                &private,
                csv.to_str().unwrap(),
                "-o",
                "json",
            ],
        )
        .json();
    assert_eq!(sent["rows"], 1, "{sent}");
    world
        .as_(ADMIN, &["private", "upload", &private, "/nowhere.csv"])
        .fails(1, "/nowhere.csv");
    world.as_(ADMIN, &["private", "delete", &private]).ok();
    world
        .as_(
            ADMIN,
            &["private", "upload", &private, csv.to_str().unwrap()],
        )
        .fails(5, "404");
    grant
}

fn sql(world: &World, grant: &str) {
    let outside = "SELECT district,\n       AVG(age) AS age\nFROM claims GROUP BY district\n";
    let file = world.file("outside.sql", outside.as_bytes());
    for verb in ["check", "run"] {
        let said = world.as_(
            DEVELOPER,
            &["sql", verb, "--grant", grant, file.to_str().unwrap()],
        );
        let err = said.fails(6, "column_outside_scenario");
        let lines: Vec<&str> = err.lines().collect();
        let at = lines
            .iter()
            .position(|line| line.trim_start() == "AVG(age) AS age")
            .unwrap();
        assert_eq!(
            lines[at + 1].find('^').unwrap() - lines[at].find("AVG").unwrap(),
            4,
            "the mark is under the column:\n{err}"
        );
    }
    let select = "SELECT district, COUNT(*) AS n, SUM(visits) AS visits FROM claims WHERE year = 2020 GROUP BY district";
    let shown = world
        .as_(DEVELOPER, &["sql", "check", "--grant", grant, "-c", select])
        .ok();
    assert!(shown.contains("claims.visits"), "lineage: {shown}");
    let csv = world
        .as_(
            DEVELOPER,
            &["sql", "run", "--grant", grant, "-c", select, "-o", "csv"],
        )
        .ok();
    assert!(csv.starts_with("district,n,visits\n"), "{csv}");
    assert_eq!(csv.lines().count(), 7, "six districts: {csv}");
    let table = world
        .as_(DEVELOPER, &["sql", "run", "--grant", grant, "-c", select])
        .ok();
    assert!(table.contains('─') && table.contains("思明区"), "{table}");

    let release = world
        .as_(
            DEVELOPER,
            &["sql", "run", "--grant", grant, "-c", select, "-o", "json"],
        )
        .json();
    let release = release["id"].as_str().unwrap();
    certificate(world, release, &csv);
    let jobs = world.as_(DEVELOPER, &["job", "list", "-o", "json"]).json();
    assert!(jobs["items"].as_array().unwrap().len() >= 3, "{jobs}");
}

fn certificate(world: &World, release: &str, csv: &str) {
    let path = |name: &str| world.folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, keys, result) = (
        path("certificate.json"),
        path("keys.json"),
        path("result.csv"),
    );
    world
        .as_(
            DEVELOPER,
            &["result", "certificate", release, "--to", &certificate],
        )
        .ok();
    world
        .as_(DEVELOPER, &["result", "download", release, "--to", &result])
        .ok();
    world
        .as_(DEVELOPER, &["ledger", "keys", "--to", &keys])
        .ok();
    assert_eq!(
        std::fs::read_to_string(&result).unwrap(),
        csv,
        "the same bytes as were printed"
    );
    let verify = |result: &str, key: &str| {
        world.as_(
            "nobody",
            &[
                "certificate",
                "verify",
                &certificate,
                "--result",
                result,
                "--key",
                key,
            ],
        )
    };
    let said = verify(&result, &keys).ok();
    assert!(
        said.contains("the certificate holds") && said.contains(release),
        "{said}"
    );
    let other = world.file(
        "other.csv",
        csv.replace("2020", "2021").replacen(',', ";", 1).as_bytes(),
    );
    verify(other.to_str().unwrap(), &keys).fails(1, "not the one certified");
    verify(&result, &certificate).fails(1, "holds no public keys");
    verify("/nowhere.csv", &keys).fails(1, "/nowhere.csv");
}

/// SQL that calls a function of a module: admitted by what it reads, held.
fn functions(world: &World, grant: &str) {
    let text = br#"(module (memory (export "memory") 4)
        (func (export "egret_abi_version") (result i32) (i32.const 1))
        (func (export "alloc") (param i32 i32) (result i32) (i32.const 4096))
        (func (export "same") (param i32) (result i32) (local.get 0)))"#;
    let text = world.file("maths.wat", text);
    let manifest = json!({ "name": "maths", "version": "1", "functions": [{ "kind": "scalar", "name": "same",
        "arguments": [{ "name": "x", "data_type": "float64" }], "returns": "float64" }] });
    let manifest = world.file("manifest.json", manifest.to_string().as_bytes());
    let made = world.file("maths.wasm", b"");
    let [text, manifest, made] = [&text, &manifest, &made].map(|path| path.to_str().unwrap());
    world
        .as_(
            "nobody",
            &["module", "manifest", text, manifest, "--to", made],
        )
        .ok();
    let id = world.id(DEVELOPER, &["module", "push", made, "-o", "json"]);
    let module = format!("maths={id}");
    let sql =
        "SELECT district, max(maths.same(medical_cost)) AS most FROM claims GROUP BY district";
    let call = ["--grant", grant, "--module", &module, "-c", sql];
    let checked = world.as_(DEVELOPER, &[&["sql", "check"][..], &call].concat());
    assert!(
        checked.err.contains("maths.same") || checked.out.contains("maths.same"),
        "{}{}",
        checked.out,
        checked.err
    );
    checked.ok();
    let outside = sql.replace("maths.same", "maths.other");
    let call_outside = [
        "sql", "check", "--grant", grant, "--module", &module, "-c", &outside,
    ];
    world.as_(DEVELOPER, &call_outside).fails(6, "maths.same");
    let run = world.as_(DEVELOPER, &[&["sql", "run"][..], &call].concat());
    let release = run.fails(9, "waits for two reviewers");
    assert!(release.contains("egret result download rel_"), "{release}");
}

fn module(world: &World, grant: &str) {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/module.wat");
    let text = text.to_str().unwrap();
    world.as_("nobody", &["module", "inspect", text]).ok();
    let wrong = world.file("wrong.wat", b"(module (func (export \"run\")))");
    world
        .as_("nobody", &["module", "inspect", wrong.to_str().unwrap()])
        .fails(6, "wrong.wat");
    let module = world.id(
        DEVELOPER,
        &["module", "push", text, "--name", "costs", "-o", "json"],
    );
    let program = json!({
        "kind": "wasm", "module": module,
        "inputs": [{ "table": "claims", "columns": ["medical_cost"] }],
        "output": [
            { "name": "from_cost", "data_type": "float64" },
            { "name": "claims", "data_type": "int64" },
            { "name": "mean_cost", "data_type": "float64" },
        ],
    });
    let file = world.file("program.json", program.to_string().as_bytes());
    let submit = [
        "job",
        "submit",
        "--grant",
        grant,
        "--program",
        file.to_str().unwrap(),
        "-o",
        "json",
    ];
    let job = world.as_(DEVELOPER, &submit).json();
    let run = job["run"].as_str().unwrap();
    let watched = world.as_(DEVELOPER, &["run", "watch", run]);
    assert!(watched.out.contains("held"), "{}", watched.out);
    let release = watched.fails(9, "waits for two reviewers");
    assert!(release.contains("egret result download rel_"), "{release}");

    let held = world
        .as_(REVIEWERS[0], &["review", "list", "-o", "json"])
        .json();
    let release = held["items"][0]["id"].as_str().unwrap().to_owned();
    world
        .as_(DEVELOPER, &["result", "preview", &release])
        .fails(7, "409");
    let mut whole = None;
    for reviewer in REVIEWERS {
        let shown = world.as_(reviewer, &["review", "show", &release]).ok();
        assert!(shown.contains("from_cost"), "the preview: {shown}");
        let seen = world
            .as_(reviewer, &["review", "show", &release, "-o", "json"])
            .json();
        let digest = seen["digest"].as_str().unwrap();
        // What is read is what will leave, whatever the form; the option may stand before the noun.
        let read = world
            .as_(reviewer, &["-o", "csv", "review", "rows", &release])
            .ok();
        let rows = world.as_(reviewer, &["review", "rows", &release]).ok();
        assert!(rows.contains("as the evidence says"), "{rows}");
        whole.get_or_insert(read);
        world
            .as_(
                reviewer,
                &["review", "vote", &release, "--approve", "--digest", digest],
            )
            .ok();
    }
    let left = world.as_(DEVELOPER, &["result", "download", &release]).ok();
    assert_eq!(Some(left), whole, "other bytes left than could be read");
    let shown = world.as_(DEVELOPER, &["result", "preview", &release]).ok();
    assert!(shown.contains("mean_cost"), "{shown}");
    let list = world.as_(DEVELOPER, &["result", "list"]).ok();
    assert!(
        list.contains(&release) && list.contains("released"),
        "{list}"
    );
    let one = world.as_(DEVELOPER, &["result", "show", &release]).ok();
    assert!(
        one.contains("released") && one.contains("reviewed_lane"),
        "{one}"
    );
}

fn ledger(world: &World) {
    world.as_(DEVELOPER, &["ledger", "verify"]).fails(4, "403");
    let checkpoint = world.as_("auditor", &["ledger", "checkpoint"]).ok();
    let kept = world.file("checkpoint", checkpoint.as_bytes());
    // Something happens in between, so that there is growth to prove.
    world
        .as_(
            "system-admin",
            &[
                "organisation",
                "create",
                "newcomer",
                "--title",
                "新机构",
                "--kind",
                "tenant",
            ],
        )
        .ok();
    let since = ["ledger", "verify", "--since", kept.to_str().unwrap()];
    let said = world.as_("auditor", &since).ok();
    assert!(said.contains("the ledger holds"), "{said}");
    let forged = checkpoint.replacen(|letter: char| letter.is_ascii_digit(), "9", 1);
    let forged = world.file("forged", forged.as_bytes());
    world
        .as_(
            "auditor",
            &["ledger", "verify", "--since", forged.to_str().unwrap()],
        )
        .fails(1, "signature");
    newcomers(world);
    let leaves = world.as_(
        "auditor",
        &["ledger", "leaves", "--limit", "2", "-o", "csv"],
    );
    assert!(leaves.err.contains("--after"), "{}", leaves.err);
    assert_eq!(leaves.ok().lines().count(), 3);
}

/// An account of a review body: made by the system administrator, given its role by the security administrator.
fn newcomers(world: &World) {
    let body = [
        "organisation",
        "create",
        "jury",
        "--title",
        "评议会",
        "--kind",
        "review-body",
    ];
    world.as_("system-admin", &body).ok();
    let create = |more: &[&str]| {
        let arguments = [
            &["account", "create", "juror", "--organisation", "jury"],
            more,
        ]
        .concat();
        world.egret("system-admin", &arguments, "a long first password\n")
    };
    create(&["--role", "reviewer"]).fails(4, "set-roles");
    let said = create(&["-o", "json"]).json();
    let id = said["id"].as_str().unwrap();
    world
        .as_(
            "system-admin",
            &["account", "set-roles", id, "--role", "reviewer"],
        )
        .fails(4, "security_admin");
    world.sign_in("security-admin");
    let given = ["account", "set-roles", id, "--role", "reviewer"];
    assert!(
        world
            .as_("security-admin", &given)
            .ok()
            .contains("reviewer")
    );
    let nowhere = ["account", "create", "x", "--organisation", "nobody"];
    world
        .egret("system-admin", &nowhere, "a long first password\n")
        .fails(1, "organisation list");
}

fn pushes(world: &World) {
    let push = |file: &Path, more: &[&str]| {
        let arguments = [
            &["dataset", "push", "vehicle_trips", file.to_str().unwrap()],
            more,
        ]
        .concat();
        world.as_("system-admin", &arguments)
    };
    let ragged = world.file("ragged.csv", b"plate,driver_id\nx\n");
    push(&ragged, &[]).fails(6, "became no version");
    feedback(world);
    let history = ["dataset", "quality-history", "health_claims"];
    let said = world.as_(DEVELOPER, &history).ok();
    assert!(
        said.contains("completeness") && said.contains(" %"),
        "{said}"
    );
    let said = world
        .as_(
            DEVELOPER,
            &[&history[..], &["--columns", "-o", "csv"]].concat(),
        )
        .ok();
    assert!(
        said.starts_with("push,version,at,problems,score,"),
        "{said}"
    );
    assert!(said.contains("resident_id"), "{said}");
    let unknown = world.file("data.bin", b"x");
    push(&unknown, &[]).fails(1, "--format");
    let versions = world
        .as_(
            DEVELOPER,
            &["dataset", "versions", "vehicle_trips", "-o", "json"],
        )
        .json();
    assert_eq!(
        versions["items"].as_array().unwrap().len(),
        1,
        "no half-made version"
    );
    let versions = world
        .as_(
            "system-admin",
            &["dataset", "versions", "health_claims", "-o", "json"],
        )
        .json();
    let push = versions["items"][0]["push"].as_str().unwrap_or_default();
    let page = world.as_("system-admin", &["dataset", "report", push]).ok();
    assert!(
        page.contains("<svg") && page.contains("health_claims"),
        "{page}"
    );
    let sample = world
        .as_(DEVELOPER, &["dataset", "sample", "vehicle_trips"])
        .ok();
    assert!(
        sample.starts_with("plate "),
        "in the order of the entry: {sample}"
    );
}

/// What the push with ragged rows ended with: the provider reads and answers it, the operator closes it.
fn feedback(world: &World) {
    let delegate = DELEGATES[2];
    let list = [
        "dataset", "feedback", "list", "--state", "open", "-o", "json",
    ];
    let items = world.as_(delegate, &list).json();
    let id = items["items"][0]["id"].as_str().unwrap();
    let shown = world
        .as_(delegate, &["dataset", "feedback", "show", id])
        .ok();
    for word in ["vehicle_trips", "rejected", "egret dataset problems psh_"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let answer = [
        "dataset",
        "feedback",
        "answer",
        id,
        "--text",
        "cut by the export",
    ];
    let said = world.as_(delegate, &answer).ok();
    assert!(
        said.contains("answered") && said.contains("cut by the export"),
        "{said}"
    );
    let close = ["dataset", "feedback", "close", id, "--reason", "a test"];
    world.as_(delegate, &close).fails(4, "system_admin");
    let said = world.as_("system-admin", &close).ok();
    assert!(said.contains("closed"), "{said}");
    let file = world.file("more.csv", b"plate,driver_id\nx,y\n");
    let push = [
        "dataset",
        "push",
        "vehicle_trips",
        file.to_str().unwrap(),
        "--closes",
        id,
    ];
    world.as_("system-admin", &push).fails(7, "409");
}

fn signing_out(world: &World) {
    accounts(world);
    world.as_(DEVELOPER, &["logout"]).ok();
    world.as_(DEVELOPER, &["whoami"]).fails(3, "egret login");
    for shell in ["bash", "zsh", "fish"] {
        let script = world.as_("nobody", &["completions", shell]).ok();
        assert!(script.contains("scenario"), "{shell}");
    }
}

/// An account by its name: shut, opened, given another password.
fn accounts(world: &World) {
    let admin = "security-admin";
    let reset = ["account", "reset-password", DEVELOPER];
    world
        .egret("system-admin", &reset, "a-password-of-a-test\n")
        .fails(4, "security_admin");
    world.as_(admin, &["account", "disable", DEVELOPER]).ok();
    world.as_(DEVELOPER, &["whoami"]).fails(3, "egret login");
    world.as_(admin, &["account", "enable", DEVELOPER]).ok();
    world.egret(admin, &reset, "a-password-of-a-test\n").ok();
    let login = ["login", "--server", &world.address, DEVELOPER];
    world
        .egret(DEVELOPER, &login, "a-password-of-a-test\n")
        .ok();
    world
        .as_(admin, &["account", "enable", "nobody-here"])
        .fails(1, "there is no account nobody-here");
    let entry = world.as_(DEVELOPER, &["example", "entry"]).ok();
    let entry = world.file("entry.json", entry.as_bytes());
    world
        .as_(DEVELOPER, &["dataset", "register", entry.to_str().unwrap()])
        .fails(4, "system_admin");
    world
        .as_(DEVELOPER, &["dataset", "risk", "nothing-here"])
        .fails(5, "404");
}
