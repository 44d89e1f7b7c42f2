//! A platform with a data set of invented people, an approved scenario and an active grant.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sandbox::{
    AccountRequest, Actor, Contract, Error, GrantId, JobRequest, JobView, Mode, OrganisationId,
    OrganisationKind, OrganisationRequest, Platform, Program, PushManifest, PushState, Quotas,
    ReleaseId, ReleaseView, Role, RoleSet, RunId, RunView, ScenarioId, Settings, SystemClock,
    SystemEntropy, Vote,
};
use serde_json::json;

use crate::people::{self, Person};

const PASSWORD: &str = "egret-tests-9f2c41";
/// Long for a run of a small table, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The platform, and who acts on it.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) platform: Platform,
    pub(crate) people: Vec<Person>,
    pub(crate) developer: Actor,
    pub(crate) reviewers: [Actor; 2],
    pub(crate) auditor: Actor,
    pub(crate) scenario: ScenarioId,
    pub(crate) grant: GrantId,
}

impl World {
    /// With 600 people and a budget that no test but its own spends.
    pub(crate) async fn new() -> Self {
        Self::with_budget(1_000).await
    }

    /// With a budget of refused results.
    pub(crate) async fn with_budget(refusals_max: u32) -> Self {
        Self::with_both(refusals_max, Quotas::default()).await
    }

    /// With what an organisation may keep.
    pub(crate) async fn with_quotas(quotas: Quotas) -> Self {
        Self::with_both(1_000, quotas).await
    }

    async fn with_both(refusals_max: u32, quotas: Quotas) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            quotas,
            ..settings(folder.path())
        };
        let platform = open_with(settings).await;
        let admin = first_account(&platform, folder.path(), "system-admin").await;
        let security = first_account(&platform, folder.path(), "security-admin").await;
        let auditor = first_account(&platform, folder.path(), "auditor").await;
        let makers = (&platform, &admin, &security);
        let bureau = organisation(makers, "bureau", OrganisationKind::Provider).await;
        let tenant = organisation(makers, "acme", OrganisationKind::Tenant).await;
        let data = organisation(makers, "data-office", OrganisationKind::ReviewBody).await;
        let law = organisation(makers, "law-office", OrganisationKind::ReviewBody).await;
        let delegate = account(makers, "delegate", bureau, Role::ProviderDelegate).await;
        let developer = account(makers, "dev", tenant, Role::Developer).await;
        let reviewers = [
            account(makers, "reviewer-1", data, Role::Reviewer).await,
            account(makers, "reviewer-2", law, Role::Reviewer).await,
        ];
        let people = people::people(600);
        push_residents(makers, bureau, &people).await;
        let scenario = approve(&platform, &developer, &reviewers, refusals_max).await;
        let grant = platform
            .apply(&developer, scenario, "tests", 30)
            .await
            .unwrap()
            .id;
        platform.consent(&delegate, grant, true).await.unwrap();
        Self {
            folder,
            platform,
            people,
            developer,
            reviewers,
            auditor,
            scenario,
            grant,
        }
    }

    /// Submits a program.
    pub(crate) async fn submit(&self, mode: Mode, program: Program) -> Result<JobView, Error> {
        let request = JobRequest {
            grant: self.grant,
            mode,
            program,
        };
        self.platform.submit_job(&self.developer, request).await
    }

    /// Submits SQL on the data.
    pub(crate) async fn submit_sql(&self, sql: &str) -> Result<JobView, Error> {
        self.submit(Mode::Production, Program::sql(sql)).await
    }

    /// Submits SQL that is admitted, and waits for its end.
    pub(crate) async fn sql(&self, sql: &str) -> RunView {
        let job = self.submit_sql(sql).await.unwrap();
        self.settled(job.run).await
    }

    /// The run when it is settled.
    pub(crate) async fn settled(&self, run: RunId) -> RunView {
        let view = self
            .platform
            .wait_run(&self.developer, run, PATIENCE)
            .await
            .unwrap();
        assert!(view.state.is_settled(), "the run hangs: {view:?}");
        view
    }

    /// The release of a run that has one.
    pub(crate) async fn release_of(&self, run: &RunView) -> ReleaseView {
        let release = run.release.unwrap_or_else(|| panic!("no release: {run:?}"));
        self.platform
            .release(&self.developer, release)
            .await
            .unwrap()
    }

    /// The released file as text.
    pub(crate) async fn download(&self, release: ReleaseId) -> String {
        let bytes = self
            .platform
            .download_release(&self.developer, release)
            .await
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Closes the platform with whatever is in hand, and opens it again.
    pub(crate) async fn restart(&mut self) {
        self.platform.clone().close().await;
        // The folder is held until the last handle is gone.
        let unused = tempfile::tempdir().unwrap();
        let stand_in = open_idle(unused.path()).await;
        let closed = std::mem::replace(&mut self.platform, stand_in);
        drop(closed);
        let reopened = open(self.folder.path()).await;
        let stand_in = std::mem::replace(&mut self.platform, reopened);
        stand_in.close().await;
    }

    /// Everything that the platform keeps on disk.
    pub(crate) fn files(&self) -> Vec<std::path::PathBuf> {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    files.push(path)
                }
            }
        }
        files
    }
}

/// A vote on evidence.
pub(crate) fn vote(approve: bool, digest: &str) -> Vote {
    Vote {
        approve,
        evidence_digest: digest.to_owned(),
        comment: "seen".to_owned(),
    }
}

fn settings(folder: &Path) -> Settings {
    let executable = std::env::current_exe().unwrap();
    Settings::new(folder.join("data"), executable, vec!["worker-jail".into()])
}

async fn open(folder: &Path) -> Platform {
    open_with(settings(folder)).await
}

async fn open_with(settings: Settings) -> Platform {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let mut tries = 0;
    loop {
        let opened = Platform::open(settings.clone(), clock.clone(), entropy.clone()).await;
        match opened {
            Ok(platform) => return platform,
            // Tasks of the platform before it let go of the folder when they end.
            Err(error) if tries < 100 => {
                tries += 1;
                assert!(error.to_string().contains("folder") || tries > 1, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("the platform does not open: {error}"),
        }
    }
}

async fn open_idle(folder: &Path) -> Platform {
    let settings = Settings {
        workers: 0,
        ..settings(folder)
    };
    Platform::open(settings, Arc::new(SystemClock), Arc::new(SystemEntropy))
        .await
        .unwrap()
}

async fn first_account(platform: &Platform, folder: &Path, name: &str) -> Actor {
    let file = std::fs::read_to_string(folder.join("data/initial-sign-ins.txt")).unwrap();
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    platform.sign_in(name, line.trim()).await.unwrap().actor
}

type Makers<'a> = (&'a Platform, &'a Actor, &'a Actor);

async fn organisation(
    (platform, admin, _): Makers<'_>,
    name: &str,
    kind: OrganisationKind,
) -> OrganisationId {
    let request = OrganisationRequest {
        name: name.to_owned(),
        title: name.to_owned(),
        kind,
    };
    platform
        .create_organisation(admin, request)
        .await
        .unwrap()
        .id
}

/// An account whose role the security administrator gives.
async fn account(
    (platform, admin, security): Makers<'_>,
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
    let account = platform.create_account(admin, request).await.unwrap();
    platform
        .set_roles(security, account.id, RoleSet::of(&[role]))
        .await
        .unwrap();
    platform.sign_in(name, PASSWORD).await.unwrap().actor
}

async fn push_residents(
    (platform, admin, security): Makers<'_>,
    provider: OrganisationId,
    people: &[Person],
) {
    let entry = json!({
        "name": "residents",
        "title": { "zh": "常住人口", "en": "residents" },
        "provider": "",
        "industry": "社会保障",
        "columns": [
            { "name": "resident_id", "type": "string", "comment": "身份证号", "class": "direct_identifier" },
            { "name": "district", "type": "string", "comment": "区", "class": "quasi_identifier" },
            { "name": "occupation", "type": "string", "comment": "职业", "class": "quasi_identifier" },
            { "name": "income", "type": "int64", "comment": "年收入", "class": "sensitive" },
        ],
        "unit": { "column": "resident_id", "value_domain": "person-id" },
    });
    let mut entry = entry;
    entry["provider"] = json!(provider.to_string());
    platform
        .register_dataset(admin, serde_json::from_value(entry).unwrap())
        .await
        .unwrap();
    platform
        .set_policy(security, "residents", POLICY)
        .await
        .unwrap();
    let manifest: PushManifest = serde_json::from_value(json!({ "format": "csv" })).unwrap();
    let push = platform
        .open_push(admin, "residents", manifest)
        .await
        .unwrap()
        .id;
    let data = futures::stream::iter([Ok(bytes::Bytes::from(people::csv(people)))]);
    platform.write_push_data(admin, push, data).await.unwrap();
    platform.commit_push(admin, push).await.unwrap();
    for _ in 0..1_000 {
        let view = platform.push(admin, push).await.unwrap();
        match view.state {
            PushState::Version => return,
            PushState::Rejected | PushState::Quarantined => panic!("{:?}", view.faults),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("the push does not become a version");
}

async fn approve(
    platform: &Platform,
    developer: &Actor,
    reviewers: &[Actor; 2],
    refusals_max: u32,
) -> ScenarioId {
    let contract = json!({
        "purpose": "statistics of the city",
        "industry": "社会保障",
        "tables": [{
            "name": "residents",
            "dataset": "residents",
            "unit": "person-id",
            "columns": [
                { "name": "resident_id", "role": "key" },
                { "name": "district", "role": "dimension" },
                { "name": "occupation", "role": "dimension" },
                { "name": "income", "role": "measure" },
            ],
        }],
        "operations": { "sql": true, "wasm": true },
        "term_days": 90,
        "refusals_max": refusals_max,
    });
    let contract = Contract::from_json(&contract.to_string()).unwrap();
    let id = platform
        .propose_scenario(developer, "statistics", contract)
        .await
        .unwrap()
        .id;
    platform.submit_scenario(developer, id).await.unwrap();
    for reviewer in reviewers {
        let evidence = platform.scenario_evidence(reviewer, id).await.unwrap();
        platform
            .vote_scenario(reviewer, id, vote(true, &evidence.digest))
            .await
            .unwrap();
    }
    id
}

/// Tokens for the people, the rest as it is.
const POLICY: &str = r#"
version = 1

[columns.resident_id]
transform = "token"
value_domain = "person-id"

[columns.district]
transform = "keep"
class = "public"
reason = "invented people"

[columns.occupation]
transform = "keep"

[columns.income]
transform = "keep"
"#;
