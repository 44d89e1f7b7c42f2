//! What is in the way of a start is named, and what was there before stays as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::*;
use crate::{
    clock::{SystemClock, SystemEntropy},
    error::ErrorKind,
};

async fn open_with(settings: Settings) -> Result<Platform, Error> {
    Platform::open(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
}

fn settings(folder: &Path) -> Settings {
    Settings {
        workers: 0,
        ..Settings::new(folder.join("data"), "/nowhere".into(), Vec::new())
    }
}

async fn open(folder: &Path) -> Result<Platform, Error> {
    open_with(settings(folder)).await
}

async fn refused(folder: &Path) -> Error {
    match open(folder).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

fn names(error: &Error, file: &Path) -> bool {
    let file = file.to_str().unwrap();
    error.message().zh.contains(file) && error.message().en.contains(file)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn only_the_owner_reads_what_a_platform_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path()).await.unwrap();
    let data = folder.path().join("data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode(&data),
            mode(&data.join("keys")),
            mode(&data.join("objects"))
        ),
        (0o700, 0o700, 0o700)
    );
    for file in ["egret.db", "egret.db-wal", "initial-sign-ins.txt", "lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    for key in files(&data.join("keys")) {
        assert_eq!(mode(&key), 0o600, "{}", key.display());
        assert_eq!(
            std::fs::read_to_string(&key).unwrap().trim().len(),
            64,
            "{}",
            key.display()
        );
    }
    platform.close().await;
}

#[tokio::test]
async fn a_second_platform_on_the_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await.unwrap();
    let error = refused(folder.path()).await;
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "data_folder_in_use")
    );
    assert!(names(&error, &folder.path().join("data")));
    let password =
        std::fs::read_to_string(folder.path().join("data/initial-sign-ins.txt")).unwrap();
    let password = password
        .lines()
        .next()
        .unwrap()
        .split_once(' ')
        .unwrap()
        .1
        .to_owned();
    first.sign_in("system-admin", &password).await.unwrap();
    first.close().await;
    open(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_key_that_is_open_wrong_cut_or_gone_is_named_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.unwrap().close().await;
    let keys = folder.path().join("data/keys");
    let all = files(&keys);
    assert_eq!(all.len(), 5);
    for key in &all {
        let kept = std::fs::read(key).unwrap();
        let mode =
            |mode| std::fs::set_permissions(key, std::fs::Permissions::from_mode(mode)).unwrap();
        for open in [0o640, 0o604, 0o666] {
            mode(open);
            let error = refused(folder.path()).await;
            assert!(
                error.code() == "key_file_open" && names(&error, key),
                "{error}"
            );
        }
        mode(0o600);
        for (wrong, code) in [
            (
                &b"0000000000000000000000000000000000000000000000000000000000000000\n"[..],
                "wrong_key",
            ),
            (&kept[..40], "key_file_damaged"),
            (b"", "key_file_damaged"),
            (b"\xff\xfe not text", "key_file"),
        ] {
            std::fs::write(key, wrong).unwrap();
            let error = refused(folder.path()).await;
            assert!(
                error.code() == code && names(&error, key),
                "{}: {error}",
                error.code()
            );
            assert_eq!(std::fs::read(key).unwrap(), wrong, "the file was changed");
        }
        std::fs::remove_file(key).unwrap();
        let error = refused(folder.path()).await;
        assert!(
            error.code() == "key_missing" && names(&error, key),
            "{error}"
        );
        assert!(
            !key.exists(),
            "a new key would hide that the right one is missing"
        );
        std::fs::write(key, &kept).unwrap();
        mode(0o600);
    }
    for key in &all {
        std::fs::rename(key, key.with_extension("kept")).unwrap();
    }
    assert_eq!(refused(folder.path()).await.code(), "key_missing");
    for key in &all {
        assert!(!key.exists(), "{} was made anew", key.display());
        std::fs::rename(key.with_extension("kept"), key).unwrap();
    }
    open(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_database_file_that_is_none_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/egret.db");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let garbage = b"this is no database, it is somebody's letter. ".repeat(100);
    std::fs::write(&file, &garbage).unwrap();
    let error = refused(folder.path()).await;
    assert_eq!(error.code(), "database_damaged", "{error}");
    assert!(names(&error, &file), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), garbage);
}

#[tokio::test]
async fn a_database_that_was_lost_is_not_replaced_by_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.unwrap().close().await;
    let data = folder.path().join("data");
    for file in files(&data) {
        if file
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("egret.db")
        {
            std::fs::remove_file(file).unwrap();
        }
    }
    let error = refused(folder.path()).await;
    assert_eq!(error.code(), "database_lost");
    assert!(names(&error, &data.join("egret.db")), "{error}");
    assert!(!data.join("egret.db").exists(), "a new one was left behind");
}

#[tokio::test]
async fn a_ledger_without_its_anchor_is_not_signed_unless_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.unwrap().close().await;
    let data = folder.path().join("data");
    let anchor = data.join("anchor");
    std::fs::remove_file(&anchor).unwrap();
    let error = refused(folder.path()).await;
    assert_eq!(error.code(), "anchor_missing");
    assert!(names(&error, &anchor), "{error}");
    assert!(
        !anchor.exists(),
        "the fork would be signed at the next start"
    );
    let told = Settings {
        recover_anchor: true,
        ..settings(folder.path())
    };
    let recovered = open_with(told).await.unwrap();
    let leaves = Log::leaves(recovered.store(), None, 100).await.unwrap();
    let last = leaves.last().unwrap();
    assert_eq!(last.kind, "ledger.recover");
    assert_eq!(last.detail.as_ref().unwrap()["size"], "6");
    recovered.close().await;
    open(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_first_start_without_its_database_leaves_nothing_behind() {
    for (url, code) in [
        ("postgres://egret@127.0.0.1:1/egret", "database_unavailable"),
        ("mysql://egret@127.0.0.1/egret", "database_url"),
        ("a line of something", "database_url"),
        ("postgres://host:not-a-port/egret", "database_url"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            database: Database::Postgres {
                url: url.to_owned(),
            },
            ..settings(folder.path())
        };
        let refused = open_with(settings).await.err().unwrap();
        assert_eq!(refused.code(), code, "{url}: {refused}");
        assert!(
            files(folder.path()).is_empty(),
            "{:?}",
            files(folder.path())
        );
    }
}

#[tokio::test]
async fn a_missing_postgres_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://egret:secret-word@127.0.0.1:{port}/egret");
    let database = Database::Postgres { url };
    let error = match open_with(Settings {
        database,
        ..settings(folder.path())
    })
    .await
    {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    };
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "database_unavailable")
    );
    for text in [&error.message().zh, &error.message().en] {
        assert!(text.contains(&format!("127.0.0.1:{port}/egret")), "{text}");
        assert!(!text.contains("secret-word"), "{text}");
    }
    // The same folder serves once the database is there.
    open(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_ledger_is_anchored_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path()).await.unwrap();
    let anchor = folder.path().join("data/anchor");
    let anchored = async {
        while std::fs::read_to_string(&anchor).is_ok_and(|text| text.starts_with("0 ")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), anchored)
        .await
        .unwrap();
    platform.close().await;
    let size = std::fs::read_to_string(&anchor).unwrap();
    let size: u64 = size.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(
        size, 6,
        "keys, organisation, three accounts, the first epoch of the intake key"
    );
}
