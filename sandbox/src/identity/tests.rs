//! Accounts from the first start to the last sign-out, on a whole platform with a clock that stands still.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;

use super::*;
use crate::{
    access::{Actor, OrganisationKind, Role, RoleSet},
    clock::{Clock, SystemEntropy},
    error::ErrorKind,
    id::OrganisationId,
    page::PageRequest,
    platform::Platform,
    settings::Settings,
};

const PASSWORD: &str = "correct horse battery";

/// A clock that moves when it is told to.
struct HandClock(AtomicI64);

impl HandClock {
    fn pass_minutes(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60_000_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

async fn open(folder: &Path) -> (Platform, Arc<HandClock>) {
    let clock = Arc::new(HandClock(AtomicI64::new(1_800_000_000_000_000)));
    let settings = Settings {
        workers: 0,
        ..Settings::new(folder.join("data"), "/nowhere".into(), Vec::new())
    };
    let platform = Platform::open(
        settings,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    (platform, clock)
}

async fn first(platform: &Platform, folder: &Path, account: &str) -> Actor {
    let text = std::fs::read_to_string(folder.join("data/initial-sign-ins.txt")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{account} ")))
        .unwrap();
    platform.sign_in(account, line).await.unwrap().actor
}

/// A tenant with a developer `dev`, made by the administrators.
async fn developer(platform: &Platform, folder: &Path) -> (Account, OrganisationId) {
    let system = first(platform, folder, "system-admin").await;
    let request = OrganisationRequest {
        name: "acme".into(),
        title: "某公司".into(),
        kind: OrganisationKind::Tenant,
    };
    let tenant = platform
        .create_organisation(&system, request)
        .await
        .unwrap()
        .id;
    let request = AccountRequest {
        name: "dev".into(),
        organisation: tenant,
        roles: RoleSet::of(&[Role::Developer]),
        password: PASSWORD.into(),
    };
    (
        platform.create_account(&system, request).await.unwrap(),
        tenant,
    )
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was permitted"),
        Err(error) => error.kind(),
    }
}

#[tokio::test]
async fn the_first_start_makes_three_administrators_and_later_ones_make_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/initial-sign-ins.txt");
    let (platform, _) = open(folder.path()).await;
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let written = std::fs::read_to_string(&file).unwrap();
    for (account, role) in super::account::OPERATOR_ACCOUNTS {
        let actor = first(&platform, folder.path(), account).await;
        assert_eq!(actor.roles, RoleSet::of(&[role]));
        assert_eq!(actor.organisation_kind, OrganisationKind::Operator);
    }
    platform.close().await;
    std::fs::remove_file(&file).unwrap();
    let (platform, _) = open(folder.path()).await;
    assert!(!file.exists(), "a later start wrote passwords again");
    let password = written.lines().next().unwrap().split_once(' ').unwrap().1;
    let auditor = platform
        .sign_in("system-admin", password)
        .await
        .unwrap()
        .actor;
    let organisations = platform
        .organisations(&auditor, PageRequest::default())
        .await
        .unwrap();
    assert_eq!(organisations.items.len(), 1);
}

#[tokio::test]
async fn a_session_ends_by_signing_out_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, clock) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let session = platform.sign_in("dev", PASSWORD).await.unwrap();
    let actor = platform.authenticate(&session.token).await.unwrap();
    assert_eq!(actor, session.actor);
    platform.sign_out(&actor).await.unwrap();
    assert_eq!(
        kind(platform.authenticate(&session.token).await),
        ErrorKind::Unauthenticated
    );

    let session = platform.sign_in("dev", PASSWORD).await.unwrap();
    clock.pass_minutes(12 * 60 - 1);
    platform.authenticate(&session.token).await.unwrap();
    clock.pass_minutes(1);
    assert_eq!(
        kind(platform.authenticate(&session.token).await),
        ErrorKind::Unauthenticated
    );
    for token in ["", "egs_", "egs_00", &session.token.to_uppercase()] {
        assert_eq!(
            kind(platform.authenticate(token).await),
            ErrorKind::Unauthenticated
        );
    }
}

#[tokio::test]
async fn an_administrators_session_ends_when_nobody_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, clock) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let text = std::fs::read_to_string(folder.path().join("data/initial-sign-ins.txt")).unwrap();
    let password = text
        .lines()
        .find_map(|line| line.strip_prefix("auditor "))
        .unwrap();
    let auditor = platform.sign_in("auditor", password).await.unwrap();
    let dev = platform.sign_in("dev", PASSWORD).await.unwrap();
    let tool = platform
        .create_personal_token(&auditor.actor, "nightly", 1)
        .await
        .unwrap()
        .secret
        .unwrap();
    for _ in 0..3 {
        clock.pass_minutes(20);
        platform.authenticate(&auditor.token).await.unwrap();
    }
    clock.pass_minutes(31);
    assert_eq!(
        kind(platform.authenticate(&auditor.token).await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(
        kind(platform.authenticate(&auditor.token).await),
        ErrorKind::Unauthenticated
    );
    platform.authenticate(&dev.token).await.unwrap();
    platform.authenticate(&tool).await.unwrap();
}

#[tokio::test]
async fn five_wrong_passwords_shut_a_name_to_an_address_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, clock) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let unknown = platform
        .sign_in("nobody", "wrong password")
        .await
        .err()
        .unwrap();
    for _ in 0..4 {
        let wrong = platform
            .sign_in("dev", "wrong password")
            .await
            .err()
            .unwrap();
        assert_eq!(
            wrong.message(),
            unknown.message(),
            "an account can be told from none"
        );
    }
    platform.sign_in("dev", PASSWORD).await.unwrap();
    // Known or unknown, from the same address: the same answers to the last.
    let stranger = IpAddr::from([203, 0, 113, 7]);
    for _ in 0..7 {
        let [known, unknown] = ["dev", "nobody-at-all"].map(|name| {
            let platform = platform.clone();
            async move {
                let refused = platform.sign_in_from(name, "wrong password", stranger);
                refused.await.err().unwrap()
            }
        });
        let (known, unknown) = (known.await, unknown.await);
        assert_eq!(known.message(), unknown.message());
        assert_eq!(known.code(), unknown.code());
    }
    let shut = platform.sign_in_from("dev", PASSWORD, stranger).await;
    assert_eq!(kind(shut), ErrorKind::Unauthenticated);
    // Whoever has the account is not shut out by a stranger.
    platform.sign_in("dev", PASSWORD).await.unwrap();
    for _ in 0..5 {
        assert_eq!(
            kind(platform.sign_in("dev", "wrong password").await),
            ErrorKind::Unauthenticated
        );
    }
    assert_eq!(
        kind(platform.sign_in("dev", PASSWORD).await),
        ErrorKind::Unauthenticated
    );
    clock.pass_minutes(14);
    assert_eq!(
        kind(platform.sign_in("dev", PASSWORD).await),
        ErrorKind::Unauthenticated
    );
    clock.pass_minutes(1);
    platform.sign_in("dev", PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_once_count_like_guesses_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let guesses: Vec<_> = (0..8)
        .map(|_| {
            let platform = platform.clone();
            tokio::spawn(async move { platform.sign_in("dev", "wrong password").await.is_err() })
        })
        .collect();
    for guess in guesses {
        assert!(guess.await.unwrap());
    }
    assert_eq!(
        kind(platform.sign_in("dev", PASSWORD).await),
        ErrorKind::Unauthenticated
    );
}

#[tokio::test]
async fn personal_tokens_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, clock) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let dev = platform.sign_in("dev", PASSWORD).await.unwrap().actor;
    let made = platform.create_personal_token(&dev, "ci", 2).await.unwrap();
    let secret = made.secret.unwrap();
    assert_eq!(
        platform.authenticate(&secret).await.unwrap().account,
        dev.account
    );
    let listed = platform
        .personal_tokens(&dev, PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        listed.iter().map(|token| token.id).collect::<Vec<_>>(),
        [made.id]
    );
    assert!(listed[0].secret.is_none());
    let auditor = first(&platform, folder.path(), "auditor").await;
    assert!(
        platform
            .personal_tokens(&auditor, PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        kind(platform.revoke_personal_token(&auditor, made.id).await),
        ErrorKind::NotFound
    );
    platform.authenticate(&secret).await.unwrap();
    platform.revoke_personal_token(&dev, made.id).await.unwrap();
    assert_eq!(
        kind(platform.authenticate(&secret).await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(
        kind(platform.revoke_personal_token(&dev, made.id).await),
        ErrorKind::NotFound
    );

    let short = platform
        .create_personal_token(&dev, "ci", 1)
        .await
        .unwrap()
        .secret
        .unwrap();
    clock.pass_minutes(24 * 60);
    assert_eq!(
        kind(platform.authenticate(&short).await),
        ErrorKind::Unauthenticated
    );
    for (name, days) in [("", 1), ("ci", 0), ("ci", 366), ("a\nb", 1)] {
        assert_eq!(
            kind(platform.create_personal_token(&dev, name, days).await),
            ErrorKind::Invalid
        );
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_a_shut_account_all() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    let (account, _) = developer(&platform, folder.path()).await;
    let other = platform.sign_in("dev", PASSWORD).await.unwrap();
    let own = platform.sign_in("dev", PASSWORD).await.unwrap();
    assert_eq!(
        kind(
            platform
                .change_password(&own.actor, "wrong password", "another long one")
                .await
        ),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(
            platform
                .change_password(&own.actor, PASSWORD, "short")
                .await
        ),
        ErrorKind::Invalid
    );
    platform
        .change_password(&own.actor, PASSWORD, "another long one")
        .await
        .unwrap();
    platform.authenticate(&own.token).await.unwrap();
    assert_eq!(
        kind(platform.authenticate(&other.token).await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(
        kind(platform.sign_in("dev", PASSWORD).await),
        ErrorKind::Unauthenticated
    );
    platform.sign_in("dev", "another long one").await.unwrap();

    let security = first(&platform, folder.path(), "security-admin").await;
    platform
        .disable_account(&security, account.id)
        .await
        .unwrap();
    assert_eq!(
        kind(platform.authenticate(&own.token).await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(
        kind(platform.sign_in("dev", "another long one").await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(
        kind(platform.disable_account(&security, security.account).await),
        ErrorKind::Denied
    );
}

#[tokio::test]
async fn no_administrator_gives_rights_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    let (account, tenant) = developer(&platform, folder.path()).await;
    let system = first(&platform, folder.path(), "system-admin").await;
    let security = first(&platform, folder.path(), "security-admin").await;
    let body = OrganisationRequest {
        name: "law".into(),
        title: "法律事务所".into(),
        kind: OrganisationKind::ReviewBody,
    };
    let law = platform
        .create_organisation(&system, body.clone())
        .await
        .unwrap()
        .id;
    assert_eq!(
        kind(platform.create_organisation(&system, body).await),
        ErrorKind::Conflict
    );
    let request = |name: &str, organisation, roles: &[Role]| AccountRequest {
        name: name.into(),
        organisation,
        roles: RoleSet::of(roles),
        password: PASSWORD.into(),
    };
    // Who makes accounts makes no reviewers, and who makes reviewers makes no accounts.
    let reviewer = request("reviewer", law, &[Role::Reviewer]);
    assert_eq!(
        kind(platform.create_account(&system, reviewer).await),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(
            platform
                .create_account(&security, request("sly", tenant, &[]))
                .await
        ),
        ErrorKind::Denied
    );
    let reviewer = platform
        .create_account(&system, request("reviewer", law, &[]))
        .await
        .unwrap();
    let roles = RoleSet::of(&[Role::Reviewer]);
    assert_eq!(
        kind(platform.set_roles(&system, reviewer.id, roles).await),
        ErrorKind::Denied
    );
    assert_eq!(
        platform
            .set_roles(&security, reviewer.id, roles)
            .await
            .unwrap()
            .roles,
        roles
    );

    // Roles stay in the kind of organisation that they belong to, and the three administrators three people.
    assert_eq!(
        kind(platform.set_roles(&security, account.id, roles).await),
        ErrorKind::Invalid
    );
    let both = RoleSet::of(&[Role::SystemAdmin, Role::Auditor]);
    assert_eq!(
        kind(platform.set_roles(&security, system.account, both).await),
        ErrorKind::Invalid
    );
    let own = RoleSet::of(&[Role::SecurityAdmin]);
    assert_eq!(
        kind(platform.set_roles(&security, security.account, own).await),
        ErrorKind::Denied
    );
    let developer = request("other", tenant, &[Role::Reviewer]);
    assert_eq!(
        kind(platform.create_account(&system, developer).await),
        ErrorKind::Invalid
    );
    let taken = request("dev", tenant, &[Role::Developer]);
    assert_eq!(
        kind(platform.create_account(&system, taken).await),
        ErrorKind::Conflict
    );
}

#[tokio::test]
async fn a_tenants_administrator_reaches_no_other_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    let (dev, tenant) = developer(&platform, folder.path()).await;
    let system = first(&platform, folder.path(), "system-admin").await;
    let request = OrganisationRequest {
        name: "rival".into(),
        title: "对手".into(),
        kind: OrganisationKind::Tenant,
    };
    let rival = platform
        .create_organisation(&system, request)
        .await
        .unwrap()
        .id;
    let request = |name: &str, organisation, role| AccountRequest {
        name: name.into(),
        organisation,
        roles: RoleSet::of(&[role]),
        password: PASSWORD.into(),
    };
    platform
        .create_account(&system, request("boss", rival, Role::TenantAdmin))
        .await
        .unwrap();
    let boss = platform.sign_in("boss", PASSWORD).await.unwrap().actor;
    assert_eq!(
        kind(
            platform
                .create_account(&boss, request("spy", tenant, Role::Developer))
                .await
        ),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(platform.disable_account(&boss, dev.id).await),
        ErrorKind::NotFound
    );
    platform
        .create_account(&boss, request("hand", rival, Role::Developer))
        .await
        .unwrap();
    let seen = platform
        .accounts(&boss, PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        seen.iter()
            .map(|account| account.name.as_str())
            .collect::<Vec<_>>(),
        ["boss", "hand"]
    );
    let page = PageRequest::new(Some(2), None).unwrap();
    let all = platform.accounts(&system, page).await.unwrap();
    assert_eq!(
        (all.items.len(), all.next_cursor.as_deref()),
        (2, Some("boss"))
    );
}

#[tokio::test]
async fn nothing_secret_stands_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    developer(&platform, folder.path()).await;
    let session = platform.sign_in("dev", PASSWORD).await.unwrap();
    let token = platform
        .create_personal_token(&session.actor, "ci", 2)
        .await
        .unwrap()
        .secret
        .unwrap();
    platform.close().await;
    let mut seen = 0;
    for file in ["egret.db", "egret.db-wal"] {
        let Ok(bytes) = std::fs::read(folder.path().join("data").join(file)) else {
            continue;
        };
        seen += bytes.len();
        for secret in [PASSWORD, &session.token, &token] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "a secret stands in {file}");
        }
    }
    assert!(seen > 10_000);
}

#[tokio::test]
async fn a_first_password_is_forgotten_when_it_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, _) = open(folder.path()).await;
    let file = folder.path().join("data/initial-sign-ins.txt");
    let names = ["security-admin", "auditor", "system-admin"];
    for (place, name) in names.iter().enumerate() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), names.len() - place);
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let (_, password) = line.split_once(' ').unwrap();
        let actor = platform.sign_in(name, password).await.unwrap().actor;
        platform
            .change_password(&actor, password, "another long one")
            .await
            .unwrap();
        let left = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(!left.contains(name), "{name} is still there");
    }
    assert!(!file.exists(), "an empty file is left");
}
