//! A platform without workers, a clock that stands still, and the people who act on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sandbox::{
    AccountRequest, Actor, Clock, Contract, Error, OrganisationId, OrganisationKind,
    OrganisationRequest, Platform, PushId, PushManifest, PushState, PushView, Role, RoleSet,
    ScenarioId, Settings, SystemEntropy, Vote,
};
use serde_json::{Value, json};

const PASSWORD: &str = "egret-tests-9f2c41";
pub(crate) const DAY: i64 = 86_400_000_000;

/// A clock that moves when it is told to.
pub(crate) struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// The platform, and who acts on it.
pub(crate) struct World {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    pub(crate) platform: Platform,
    pub(crate) admin: Actor,
    pub(crate) security: Actor,
    pub(crate) bureau: OrganisationId,
}

impl World {
    /// With one provider and the data set `visits`, which has no policy yet.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(1_767_225_600_000_000)));
        let platform = open(folder.path(), &clock).await;
        let admin = first_account(&platform, folder.path(), "system-admin").await;
        let security = first_account(&platform, folder.path(), "security-admin").await;
        let request = OrganisationRequest {
            name: "bureau".to_owned(),
            title: "卫健委".to_owned(),
            kind: OrganisationKind::Provider,
        };
        let bureau = platform
            .create_organisation(&admin, request)
            .await
            .unwrap()
            .id;
        let world = World {
            folder,
            clock,
            platform,
            admin,
            security,
            bureau,
        };
        world.register(entry("visits", "")).await.unwrap();
        world
    }

    /// With the policy in force and a version of a hundred visits.
    pub(crate) async fn with_version() -> Self {
        let world = Self::new().await;
        world.set_policy(&policy("keep")).await.unwrap();
        let push = world.pushed(&visits(0..100)).await;
        assert_eq!(push.state, PushState::Version, "{push:?}");
        world
    }

    pub(crate) async fn register(&self, mut entry: Value) -> Result<(), Error> {
        entry["provider"] = json!(self.bureau.to_string());
        let entry = serde_json::from_value(entry).unwrap();
        self.platform
            .register_dataset(&self.admin, entry)
            .await
            .map(|_| ())
    }

    pub(crate) async fn set_policy(&self, toml: &str) -> Result<(), Error> {
        self.platform
            .set_policy(&self.security, "visits", toml)
            .await
            .map(|_| ())
    }

    /// Opens a push of `visits`.
    pub(crate) async fn open_push(&self, manifest: Value) -> Result<PushId, Error> {
        let manifest: PushManifest = serde_json::from_value(manifest).unwrap();
        let push = self
            .platform
            .open_push(&self.admin, "visits", manifest)
            .await?;
        assert_eq!(push.state, PushState::Open);
        Ok(push.id)
    }

    /// Sends data in pieces.
    pub(crate) async fn send(&self, push: PushId, data: &[u8]) -> Result<PushView, Error> {
        let pieces: Vec<_> = data
            .chunks(100_000)
            .map(|piece| Ok(bytes::Bytes::copy_from_slice(piece)))
            .collect();
        let stream = futures::stream::iter(pieces);
        self.platform
            .write_push_data(&self.admin, push, stream)
            .await
    }

    /// Commits a push and waits until it is decided.
    pub(crate) async fn commit(&self, push: PushId) -> PushView {
        self.platform.commit_push(&self.admin, push).await.unwrap();
        self.decided(push).await
    }

    pub(crate) async fn decided(&self, push: PushId) -> PushView {
        for _ in 0..3_000 {
            let view = self.platform.push(&self.admin, push).await.unwrap();
            match view.state {
                PushState::Version | PushState::Quarantined | PushState::Rejected => return view,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("the push is not decided");
    }

    /// Pushes a CSV text and waits until it is decided.
    pub(crate) async fn pushed(&self, csv: &str) -> PushView {
        let push = self.open_push(json!({ "format": "csv" })).await.unwrap();
        self.send(push, csv.as_bytes()).await.unwrap();
        self.commit(push).await
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, days: i64) {
        self.clock.0.fetch_add(days * DAY, Ordering::SeqCst);
    }

    /// Closes the platform with whatever is in hand, and opens it again.
    pub(crate) async fn restarted(self) -> Self {
        let World {
            folder,
            clock,
            platform,
            admin,
            security,
            bureau,
        } = self;
        platform.close().await;
        let platform = open(folder.path(), &clock).await;
        World {
            folder,
            clock,
            platform,
            admin,
            security,
            bureau,
        }
    }

    pub(crate) async fn organisation(&self, name: &str, kind: OrganisationKind) -> OrganisationId {
        let request = OrganisationRequest {
            name: name.to_owned(),
            title: name.to_owned(),
            kind,
        };
        self.platform
            .create_organisation(&self.admin, request)
            .await
            .unwrap()
            .id
    }

    /// An account whose role the security administrator gives.
    pub(crate) async fn account(
        &self,
        name: &str,
        organisation: OrganisationId,
        role: Role,
    ) -> Actor {
        let request = AccountRequest {
            name: name.to_owned(),
            organisation,
            roles: RoleSet::default(),
            password: PASSWORD.to_owned(),
        };
        let account = self
            .platform
            .create_account(&self.admin, request)
            .await
            .unwrap();
        let roles = RoleSet::of(&[role]);
        self.platform
            .set_roles(&self.security, account.id, roles)
            .await
            .unwrap();
        self.platform.sign_in(name, PASSWORD).await.unwrap().actor
    }

    /// A tenant with its administrator, who may also propose and apply.
    pub(crate) async fn tenant(&self, name: &str) -> Actor {
        let organisation = self.organisation(name, OrganisationKind::Tenant).await;
        self.account(&format!("{name}-admin"), organisation, Role::TenantAdmin)
            .await
    }

    /// Two reviewers of two review bodies.
    pub(crate) async fn reviewers(&self) -> [Actor; 2] {
        let law = self
            .organisation("law-office", OrganisationKind::ReviewBody)
            .await;
        let data = self
            .organisation("data-office", OrganisationKind::ReviewBody)
            .await;
        [
            self.account("reviewer-1", law, Role::Reviewer).await,
            self.account("reviewer-2", data, Role::Reviewer).await,
        ]
    }

    pub(crate) async fn delegate(&self) -> Actor {
        self.account("delegate", self.bureau, Role::ProviderDelegate)
            .await
    }

    /// A scenario of a tenant that both reviewers approved.
    pub(crate) async fn approved(&self, tenant: &Actor, reviewers: &[Actor; 2]) -> ScenarioId {
        let platform = &self.platform;
        let proposed = platform
            .propose_scenario(tenant, "costs", contract())
            .await
            .unwrap();
        platform.submit_scenario(tenant, proposed.id).await.unwrap();
        for reviewer in reviewers {
            self.vote(reviewer, proposed.id, true).await.unwrap();
        }
        proposed.id
    }

    /// Votes on the evidence as it is now.
    pub(crate) async fn vote(
        &self,
        reviewer: &Actor,
        scenario: ScenarioId,
        approve: bool,
    ) -> Result<(), Error> {
        let evidence = self
            .platform
            .scenario_evidence(reviewer, scenario)
            .await
            .unwrap();
        let vote = vote(approve, &evidence.digest);
        self.platform
            .vote_scenario(reviewer, scenario, vote)
            .await
            .map(|_| ())
    }

    /// The folder of an area of the object store.
    pub(crate) fn area(&self, area: &str) -> PathBuf {
        self.folder.path().join("data/objects").join(area)
    }

    /// Files of an area of the object store.
    pub(crate) fn objects(&self, area: &str) -> Vec<PathBuf> {
        files(&self.area(area))
    }

    /// Files of the platform that contain a text as it is.
    pub(crate) fn files_with(&self, text: &[u8]) -> Vec<PathBuf> {
        let holds = |file: &PathBuf| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(text.len()).any(|window| window == text)
        };
        files(&self.folder.path().join("data"))
            .into_iter()
            .filter(holds)
            .collect()
    }
}

pub(crate) fn vote(approve: bool, digest: &str) -> Vote {
    Vote {
        approve,
        evidence_digest: digest.to_owned(),
        comment: "seen".to_owned(),
    }
}

/// A catalogue entry of visits, with quality rules.
pub(crate) fn entry(name: &str, rules: &str) -> Value {
    let rules = if rules.is_empty() { RULES } else { rules };
    json!({
        "name": name,
        "title": { "zh": "门诊记录", "en": "outpatient visits" },
        "provider": "",
        "industry": "卫生健康",
        "update_cycle": "monthly",
        "columns": [
            { "name": "resident_id", "type": "string", "comment": "身份证号", "level": "general-4" },
            { "name": "sex", "type": "string", "comment": "性别" },
            { "name": "born", "type": "date", "comment": "出生日期" },
            { "name": "cost", "type": "float64", "comment": "费用", "class": "sensitive" },
            { "name": "remark", "type": "string", "comment": "备注" },
        ],
        "unit": { "column": "resident_id", "value_domain": "person-id" },
        "quality_rules": rules,
    })
}

const RULES: &str = r#"
version = 1

[[rules]]
name = "id-valid"
kind = "identifier"
column = "resident_id"
identifier = "resident_id"
on_fail = "drop"

[[rules]]
name = "one-row"
kind = "unique"
columns = ["resident_id", "cost"]
on_fail = "drop"

[[rules]]
name = "enough"
kind = "row_count"
min = 10
blocking = true
"#;

/// A policy for visits; what happens to the remark is the argument.
pub(crate) fn policy(remark: &str) -> String {
    format!(
        r#"
version = 1

[columns.resident_id]
transform = "token"
value_domain = "person-id"

[columns.sex]
transform = "keep"
class = "public"
reason = "invented people"

[columns.born]
transform = "generalise_date"
to = "year"

[columns.cost]
transform = "keep"

[columns.remark]
transform = "{remark}"
"#
    )
}

pub(crate) const HEADER: &str = "resident_id,sex,born,cost,remark\n";

/// Visits of the persons of a range as CSV with a header.
pub(crate) fn visits(persons: std::ops::Range<usize>) -> String {
    persons.fold(HEADER.to_owned(), |text, person| {
        text + &visit(person, "复诊")
    })
}

/// One visit of a person.
pub(crate) fn visit(person: usize, remark: &str) -> String {
    let (id, sex) = (resident_id(person), ["男", "女"][person % 2]);
    let (year, cost) = (1980 + person % 3, 100 + person % 50);
    format!(
        "{id},{sex},{year}-03-0{},{cost}.5,{remark}\n",
        1 + person % 9
    )
}

/// A resident identity number (GB 11643) with its check character.
pub(crate) fn resident_id(person: usize) -> String {
    const WEIGHTS: [usize; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let (year, month, day) = (
        1950 + person / 336 % 50,
        1 + person / 28 % 12,
        1 + person % 28,
    );
    let body = format!(
        "350203{year:04}{month:02}{day:02}{:03}",
        person / 16_800 % 1_000
    );
    let digits = body.bytes().map(|digit| usize::from(digit - b'0'));
    let sum: usize = digits
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .sum();
    format!("{body}{}", char::from(b"10X98765432"[sum % 11]))
}

/// A contract about the costs of visits.
pub(crate) fn contract() -> Contract {
    contract_of(&contract_document())
}

pub(crate) fn contract_of(document: &Value) -> Contract {
    Contract::from_json(&document.to_string()).unwrap()
}

pub(crate) fn contract_document() -> Value {
    json!({
        "purpose": "costs of visits",
        "industry": "卫生健康",
        "tables": [{
            "name": "visits",
            "dataset": "visits",
            "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                { "name": "sex", "role": "dimension" },
                { "name": "cost", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": false },
        "term_days": 90,
        "refusals_max": 20,
    })
}

async fn open(folder: &Path, clock: &Arc<HandClock>) -> Platform {
    let settings = Settings {
        workers: 0,
        ..Settings::new(folder.join("data"), "/nowhere".into(), Vec::new())
    };
    for _ in 0..200 {
        let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
        match Platform::open(settings.clone(), clock, Arc::new(SystemEntropy)).await {
            Ok(platform) => return platform,
            // Tasks of the platform before it let go of the folder when they end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("the platform does not open");
}

async fn first_account(platform: &Platform, folder: &Path, name: &str) -> Actor {
    let file = std::fs::read_to_string(folder.join("data/initial-sign-ins.txt")).unwrap();
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    platform.sign_in(name, line.trim()).await.unwrap().actor
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
