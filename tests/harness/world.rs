//! A small city on a real server: organisations, accounts, a data set of invented people, an approved scenario, a grant.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::{Answer, Api},
    people::{self, Person},
    server::{Database, Objects, Server},
};

/// The password of every account that a suite makes.
const PASSWORD: &str = "egret-tests-9f2c41";

/// What a world begins with.
pub struct Setup {
    /// Where the server keeps its state.
    pub database: Database,
    /// Where it keeps its objects.
    pub objects: Objects,
    /// Lines of configuration beside the harness's own.
    pub config: &'static str,
    /// The people of the first version of `residents`.
    pub people: Vec<Person>,
    /// Privacy units that a cell must count at least.
    pub threshold: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            objects: Objects::Folder,
            config: "",
            people: people::people(1_200),
            threshold: 10,
        }
    }
}

/// The server and a client for each person that acts.
pub struct World {
    /// The server.
    pub server: Server,
    /// System administrator of the operator.
    pub system_admin: Api,
    /// Security administrator of the operator.
    pub security_admin: Api,
    /// Another security administrator of the operator: what is done to keys takes two.
    pub second_security_admin: Api,
    /// Auditor of the operator.
    pub auditor: Api,
    /// Delegate of the provider.
    pub provider: Api,
    /// Reviewers of two review bodies.
    pub reviewers: [Api; 2],
    /// Developer of the tenant.
    pub developer: Api,
    /// Administrator of the tenant.
    pub tenant_admin: Api,
    /// Developer of another tenant.
    pub stranger: Api,
    /// The approved scenario.
    pub scenario: String,
    /// The tenant's active grant.
    pub grant: String,
}

/// What became of a run.
#[derive(Debug)]
pub struct Ran {
    /// The run as the API shows it.
    pub run: Value,
    /// The release as the API shows it; null when there is none.
    pub release: Value,
    /// The released file.
    pub csv: Option<String>,
}

impl Ran {
    /// The released rows, column → value.
    #[must_use]
    pub fn rows(&self) -> Vec<BTreeMap<String, String>> {
        let Some(csv) = &self.csv else {
            return Vec::new();
        };
        let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned));
        let header: Vec<String> = lines.next().map(Iterator::collect).unwrap_or_default();
        lines
            .map(|line| header.iter().cloned().zip(line).collect())
            .collect()
    }

    /// The value of `column` in the released row where `key` is `value`.
    #[must_use]
    pub fn cell(&self, key: &str, value: &str, column: &str) -> Option<f64> {
        self.rows()
            .into_iter()
            .find(|row| row.get(key).is_some_and(|found| found == value))
            .and_then(|row| row.get(column)?.parse().ok())
    }

    /// The rules that spoke, at the run and at the release.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        [&self.run, &self.release]
            .iter()
            .flat_map(|object| object["findings"].as_array().cloned().unwrap_or_default())
            .filter_map(|finding| finding["rule"].as_str().map(str::to_owned))
            .collect()
    }
}

impl World {
    /// A world with the defaults.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// A world made to measure.
    ///
    /// # Panics
    /// When a step of it does not succeed.
    pub async fn with(setup: Setup) -> Self {
        let server = Server::start_with(setup.database, setup.objects, setup.config).await;
        let api = server.api();
        let sign_in = |account: &'static str| {
            let (api, password) = (api.clone(), server.first_password(account));
            async move { api.sign_in(account, &password).await }
        };
        let system_admin = sign_in("system-admin").await;
        let security_admin = sign_in("security-admin").await;
        let auditor = sign_in("auditor").await;

        let bureau = organisation(&system_admin, "health-bureau", "provider").await;
        let data = organisation(&system_admin, "data-office", "review_body").await;
        let law = organisation(&system_admin, "law-office", "review_body").await;
        let tenant = organisation(&system_admin, "acme", "tenant").await;
        let rival = organisation(&system_admin, "rival", "tenant").await;
        let admins = (&system_admin, &security_admin);
        let operator = operator(&system_admin).await;
        let second_security_admin = account(
            admins,
            &api,
            "security-admin-2",
            &operator,
            "security_admin",
        )
        .await;
        let provider = account(admins, &api, "delegate", &bureau, "provider_delegate").await;
        let first = account(admins, &api, "reviewer-1", &data, "reviewer").await;
        let second = account(admins, &api, "reviewer-2", &law, "reviewer").await;
        let developer = account(admins, &api, "dev", &tenant, "developer").await;
        let tenant_admin = account(admins, &api, "acme-admin", &tenant, "tenant_admin").await;
        let stranger = account(admins, &api, "rival-dev", &rival, "developer").await;

        let mut world = Self {
            server,
            system_admin,
            security_admin,
            second_security_admin,
            auditor,
            provider,
            reviewers: [first, second],
            developer,
            tenant_admin,
            stranger,
            scenario: String::new(),
            grant: String::new(),
        };
        world.register_residents(&bureau).await;
        world.push("residents", people::csv(&setup.people)).await;
        world.scenario = world
            .approve_scenario("city-statistics", &contract(setup.threshold))
            .await;
        world.grant = world.grant(&world.scenario).await;
        world
    }

    /// Registers the data set `residents` with its masking policy.
    async fn register_residents(&self, provider: &str) {
        let entry = json!({
            "name": "residents",
            "title": { "zh": "常住人口", "en": "Residents" },
            "provider": provider,
            "industry": "社会保障",
            "description": "invented people",
            "columns": [
                { "name": "resident_id", "type": "string", "comment": "身份证号", "class": "direct_identifier" },
                { "name": "district", "type": "string", "comment": "区", "class": "quasi_identifier" },
                { "name": "sex", "type": "string", "comment": "性别", "class": "quasi_identifier" },
                { "name": "age_band", "type": "string", "comment": "年龄段", "class": "quasi_identifier" },
                { "name": "occupation", "type": "string", "comment": "职业", "class": "quasi_identifier" },
                { "name": "income", "type": "int64", "comment": "年收入", "class": "sensitive" },
            ],
            "unit": { "column": "resident_id", "value_domain": "person-id" },
        });
        let _ = self.system_admin.post("/datasets", &entry).await.ok();
        let policy = json!({ "toml": RESIDENTS_POLICY });
        let _ = self
            .security_admin
            .put("/datasets/residents/policy", &policy)
            .await
            .ok();
    }

    /// Pushes CSV into a data set and waits until it is a version.
    ///
    /// # Panics
    /// When the push does not become a version.
    pub async fn push(&self, dataset: &str, csv: Vec<u8>) -> Value {
        let push = self
            .try_push(dataset, json!({ "format": "csv" }), csv)
            .await;
        assert_eq!(push["state"], "version", "the push: {push}");
        push
    }

    /// Pushes bytes into a data set and waits for what becomes of them.
    ///
    /// # Panics
    /// When a request is refused.
    pub async fn try_push(&self, dataset: &str, manifest: Value, bytes: Vec<u8>) -> Value {
        let push = self
            .system_admin
            .post(&format!("/datasets/{dataset}/pushes"), &manifest)
            .await
            .ok();
        let id = text(&push["id"]);
        let _ = self
            .system_admin
            .upload(&format!("/pushes/{id}/data"), bytes)
            .await
            .ok();
        let _ = self
            .system_admin
            .post(&format!("/pushes/{id}:commit"), &json!({}))
            .await
            .ok();
        for _ in 0..1_200 {
            let push = self.system_admin.get(&format!("/pushes/{id}")).await.ok();
            if matches!(
                text(&push["state"]).as_str(),
                "version" | "quarantined" | "rejected"
            ) {
                return push;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("push {id} did not end:\n{}", self.server.log());
    }

    /// Proposes a scenario, submits it, and lets both reviewers approve.
    ///
    /// # Panics
    /// When it is not approved.
    pub async fn approve_scenario(&self, name: &str, contract: &Value) -> String {
        let proposal = json!({ "name": name, "contract": contract });
        let scenario = self.developer.post("/scenarios", &proposal).await.ok();
        let id = text(&scenario["id"]);
        let _ = self
            .developer
            .post(&format!("/scenarios/{id}:submit"), &json!({}))
            .await
            .ok();
        for reviewer in &self.reviewers {
            let evidence = reviewer
                .get(&format!("/scenarios/{id}/evidence"))
                .await
                .ok();
            let vote = json!({ "approve": true, "evidence_digest": evidence["digest"] });
            let _ = reviewer
                .post(&format!("/scenarios/{id}/votes"), &vote)
                .await
                .ok();
        }
        let scenario = self.developer.get(&format!("/scenarios/{id}")).await.ok();
        assert_eq!(scenario["state"], "approved", "the scenario: {scenario}");
        id
    }

    /// Applies for a grant and lets the provider consent.
    ///
    /// # Panics
    /// When the grant is not active.
    pub async fn grant(&self, scenario: &str) -> String {
        let application = json!({ "scenario": scenario, "purpose": "tests", "days": 30 });
        let grant = self.developer.post("/grants", &application).await.ok();
        let id = text(&grant["id"]);
        let consent = json!({ "consent": true });
        let _ = self
            .provider
            .post(&format!("/grants/{id}/consents"), &consent)
            .await
            .ok();
        let grant = self.developer.get(&format!("/grants/{id}")).await.ok();
        assert_eq!(grant["state"], "active", "the grant: {grant}");
        id
    }

    /// Submits SQL as the developer; the answer is a run, or a problem.
    pub async fn submit_sql(&self, sql: &str) -> Answer {
        let program = json!({ "kind": "sql", "sql": sql });
        self.developer
            .post("/jobs", &json!({ "grant": self.grant, "program": program }))
            .await
    }

    /// Submits SQL that is admitted, and waits for what becomes of it.
    ///
    /// # Panics
    /// When it is not admitted, or does not end.
    pub async fn sql(&self, sql: &str) -> Ran {
        let job = self.submit_sql(sql).await.ok();
        self.ran(&text(&job["run"])).await
    }

    /// Waits for the end of a run and fetches what it released.
    ///
    /// # Panics
    /// When the run does not end within two minutes.
    pub async fn ran(&self, run: &str) -> Ran {
        for _ in 0..12 {
            let view = self
                .developer
                .get(&format!("/runs/{run}?wait_ms=10000"))
                .await
                .ok();
            let state = text(&view["state"]);
            if !matches!(
                state.as_str(),
                "admitted" | "running" | "inspecting" | "releasing"
            ) {
                return self.fetch(view).await;
            }
        }
        panic!("run {run} did not end:\n{}", self.server.log());
    }

    async fn fetch(&self, run: Value) -> Ran {
        let Some(id) = run["release"].as_str() else {
            return Ran {
                run,
                release: Value::Null,
                csv: None,
            };
        };
        let release = self.developer.get(&format!("/releases/{id}")).await.ok();
        let csv = if release["state"] == "released" {
            let answer = self.developer.get(&format!("/releases/{id}/result")).await;
            assert_eq!(answer.status, 200, "the download: {}", answer.text());
            Some(answer.text())
        } else {
            None
        };
        Ran { run, release, csv }
    }
}

/// Tokens for the people, the rest as it is.
const RESIDENTS_POLICY: &str = r#"
version = 1

[columns.resident_id]
transform = "token"
value_domain = "person-id"

[columns.district]
transform = "keep"
class = "public"
reason = "invented people"

[columns.sex]
transform = "keep"
class = "public"
reason = "invented people"

[columns.age_band]
transform = "keep"
class = "public"
reason = "invented people"

[columns.occupation]
transform = "keep"

[columns.income]
transform = "keep"
"#;

fn contract(threshold: u64) -> Value {
    json!({
        "purpose": "statistics of the city",
        "industry": "社会保障",
        "tables": [{
            "name": "residents",
            "dataset": "residents",
            "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                { "name": "district", "role": "dimension" },
                { "name": "sex", "role": "dimension" },
                { "name": "age_band", "role": "dimension" },
                { "name": "occupation", "role": "dimension" },
                { "name": "income", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": true },
        "output": { "threshold": threshold },
        "term_days": 90,
        "refusals_max": 1000,
    })
}

async fn organisation(admin: &Api, name: &str, kind: &str) -> String {
    let body = json!({ "name": name, "title": name, "kind": kind });
    text(&admin.post("/organisations", &body).await.ok()["id"])
}

/// The operator's own organisation, which the first start made.
async fn operator(admin: &Api) -> String {
    let page = admin.get("/organisations?limit=200").await.ok();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let own = items.iter().find(|each| each["kind"] == "operator");
    text(&own.expect("an operator")["id"])
}

/// An account whose role the security administrator gives, as all roles outside of tenants are given.
async fn account(
    (system, security): (&Api, &Api),
    api: &Api,
    name: &str,
    organisation: &str,
    role: &str,
) -> Api {
    let body = json!({
        "name": name, "organisation": organisation, "roles": [], "password": PASSWORD,
    });
    let made = system.post("/accounts", &body).await.ok();
    let path = format!("/accounts/{}/roles", text(&made["id"]));
    let _ = security.put(&path, &json!({ "roles": [role] })).await.ok();
    api.sign_in(name, PASSWORD).await
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("text was expected, not {value}"))
        .to_owned()
}
