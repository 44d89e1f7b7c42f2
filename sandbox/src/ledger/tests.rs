//! The log against a second reading of RFC 6962, and against somebody who changes the database behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    access::{SystemOperation, system},
    clock::{SystemClock, SystemEntropy},
    error::Error,
    storage::{Database, Store},
};

async fn store(folder: &Path) -> Store {
    let database = Database::Sqlite {
        file: folder.join("egret.db"),
    };
    let store = Store::open(
        &database,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        Pseudonyms::new(&[1; 32]),
    )
    .await
    .unwrap();
    Log::begin(&store, &folder.join("anchor")).await.unwrap();
    store
}

async fn log(store: &Store, folder: &Path) -> Result<Log, Error> {
    let signer = Signer::new("egret.test/log", &[2; 32], &[3; 32]).unwrap();
    Log::open(store, signer, &folder.join("anchor"), false).await
}

/// Appends leaves in one act.
async fn append(store: &Store, count: u64) {
    store
        .act(system(SystemOperation::Run), "append", move |tx| {
            Box::pin(async move {
                for number in 1..count {
                    tx.append(LeafDraft::new("test.leaf", json!({ "number": number })))
                        .await?;
                }
                Ok(((), LeafDraft::new("test.leaf", json!({ "number": 0 }))))
            })
        })
        .await
        .unwrap();
}

/// Does to the database what no code of the platform does.
async fn tamper(store: &Store, sql: &'static str) {
    store
        .bookkeep("tamper", move |conn| {
            Box::pin(async move {
                let done = sqlx::query(sql).execute(conn).await.unwrap();
                assert!(done.rows_affected() > 0, "{sql} changed nothing");
                Ok(())
            })
        })
        .await
        .unwrap();
}

async fn hashes(store: &Store) -> Vec<Hash> {
    let mut hashes: Vec<Hash> = Vec::new();
    loop {
        let after = u64::try_from(hashes.len()).unwrap().checked_sub(1);
        let page = Log::leaves(store, after, 200).await.unwrap();
        if page.is_empty() {
            return hashes;
        }
        for record in page {
            assert_eq!(record.index, u64::try_from(hashes.len()).unwrap());
            hashes.push(record.hash);
        }
    }
}

/// RFC 6962, 2.1: the largest power of two below the number of leaves divides them.
fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    let mut middle = 1;
    while middle * 2 < leaves.len() {
        middle *= 2;
    }
    leaves.split_at(middle)
}

fn sha256_of(parts: &[&[u8]]) -> Hash {
    ring::digest::digest(&ring::digest::SHA256, &parts.concat())
        .as_ref()
        .try_into()
        .unwrap()
}

/// RFC 6962, 2.1.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256_of(&[]),
        [one] => *one,
        _ => {
            let (left, right) = halves(leaves);
            sha256_of(&[&[1], &root(left), &root(right)])
        }
    }
}

/// RFC 6962, 2.1.1.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = halves(leaves);
    let (mut path, beside) = if index < left.len() {
        (path(index, left), root(right))
    } else {
        (path(index - left.len(), right), root(left))
    };
    path.push(beside);
    path
}

/// RFC 6962, 2.1.2: SUBPROOF.
fn subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let (left, right) = halves(leaves);
    let (mut proof, beside) = if old <= left.len() {
        (subproof(old, left, known), root(right))
    } else {
        (subproof(old - left.len(), right, false), root(left))
    };
    proof.push(beside);
    proof
}

/// Every proof of the log as it stands, against the second reading.
async fn check_all(store: &Store, log: &Log, indexes: impl Iterator<Item = usize>) {
    let leaves = hashes(store).await;
    let size = u64::try_from(leaves.len()).unwrap();
    let now = root(&leaves);
    for index in indexes {
        let number = u64::try_from(index).unwrap();
        let (proof, checkpoint) = log.inclusion(store, number).await.unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (size, now));
        assert_eq!(proof.path, path(index, &leaves), "leaf {index} of {size}");
        proof.verify(&leaves[index], size, &now).unwrap();
        let other = leaves[(index + 1) % leaves.len()];
        assert!(leaves.len() == 1 || proof.verify(&other, size, &now).is_err());
        assert!(proof.verify(&leaves[index], size, &[0; 32]).is_err());
        let (read, note) = (proof.to_text(&checkpoint.note), checkpoint.note);
        assert_eq!(
            InclusionProof::parse(&read).unwrap(),
            (proof, note.as_str())
        );

        // A tree of `index + 1` leaves grew into this one.
        let old = index + 1;
        let consistency = log.consistency(store, number + 1, size).await.unwrap();
        assert_eq!(
            consistency.path,
            subproof(old, &leaves, true),
            "{old} to {size}"
        );
        let before = root(&leaves[..old]);
        verify_consistency((number + 1, &before), (size, &now), &consistency.path).unwrap();
        if old < leaves.len() {
            let forked = verify_consistency((number + 1, &now), (size, &now), &consistency.path);
            assert!(forked.is_err(), "{old} to {size} from another root");
        }
    }
}

#[tokio::test]
async fn every_proof_of_every_small_log_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let log = log(&store, folder.path()).await.unwrap();
    let empty = log.checkpoint(&store).await.unwrap();
    assert_eq!((empty.size, empty.root), (0, root(&[])));
    for size in 1..=34 {
        append(&store, 1).await;
        check_all(&store, &log, 0..size).await;
    }
    append(&store, 200 - 34).await;
    check_all(
        &store,
        &log,
        (0..200).step_by(7).chain([127, 128, 191, 192, 199]),
    )
    .await;
    assert!(log.inclusion(&store, 200).await.is_err());
    assert!(log.consistency(&store, 5, 201).await.is_err());
    assert!(log.consistency(&store, 6, 5).await.is_err());
    assert_eq!(log.verify_all(&store).await.unwrap().size, 200);
}

#[tokio::test]
async fn a_checkpoint_is_a_note_that_the_key_signed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let log = log(&store, folder.path()).await.unwrap();
    append(&store, 3).await;
    let checkpoint = log.checkpoint(&store).await.unwrap();
    let keys = log.signer().public_keys();
    let text = keys.checkpoint.verify(&checkpoint.note).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["egret.test/log", "3"]);
    assert!(keys.certificate.verify(&checkpoint.note).is_err());
}

#[tokio::test]
async fn the_first_leaf_that_does_not_fit_is_named() {
    for (sql, named) in [
        (
            "UPDATE ledger_leaves SET leaf = replace(leaf, 'test.leaf', 'test.lead') WHERE position = 5",
            "5",
        ),
        (
            "UPDATE ledger_details SET detail = '{}' WHERE position = 6",
            "6",
        ),
        (
            "UPDATE ledger_details SET salt = zeroblob(32) WHERE position = 7",
            "7",
        ),
        ("DELETE FROM ledger_leaves WHERE position = 8", "8"),
        ("DELETE FROM ledger_leaves WHERE position = 19", "19"),
        (
            "UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 0 AND position = 9",
            "9",
        ),
        // The subtree of leaves 12 to 15 became full with leaf 15.
        (
            "UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 2 AND position = 3",
            "15",
        ),
        ("UPDATE ledger_state SET edge = zeroblob(64)", "20"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let log = log(&store, folder.path()).await.unwrap();
        append(&store, 20).await;
        log.verify_all(&store).await.unwrap();
        tamper(&store, sql).await;
        let error = log.verify_all(&store).await.unwrap_err();
        assert_eq!(error.code(), "ledger_damaged", "{sql}: {error}");
        let words: Vec<&str> = error.message().en.split(' ').collect();
        assert!(words.contains(&named), "{sql}: {error}");
        store.close().await;
    }
}

#[tokio::test]
async fn an_erased_detail_leaves_the_log_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let log = log(&store, folder.path()).await.unwrap();
    append(&store, 9).await;
    let before = log.checkpoint(&store).await.unwrap();
    tamper(&store, "DELETE FROM ledger_details WHERE position = 4").await;
    assert_eq!(log.verify_all(&store).await.unwrap().root, before.root);
    let leaves = Log::leaves(&store, Some(3), 1).await.unwrap();
    assert_eq!((leaves[0].index, &leaves[0].detail), (4, &None));
}

#[tokio::test]
async fn a_database_that_was_rolled_back_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    std::fs::create_dir(&before).unwrap();
    {
        let store = store(folder.path()).await;
        append(&store, 5).await;
        store.close().await;
    }
    std::fs::copy(folder.path().join("egret.db"), before.join("egret.db")).unwrap();
    {
        let store = store(folder.path()).await;
        let log = log(&store, folder.path()).await.unwrap();
        append(&store, 4).await;
        assert_eq!(log.checkpoint(&store).await.unwrap().size, 9);
        store.close().await;
    }
    // The backup comes back; the anchor, which is in no backup, stays.
    std::fs::copy(before.join("egret.db"), folder.path().join("egret.db")).unwrap();
    let store = store(folder.path()).await;
    let refused = log(&store, folder.path()).await.err().unwrap();
    assert_eq!(refused.code(), "ledger_rolled_back");
    // Another history of the same length is no better.
    append(&store, 4).await;
    let refused = log(&store, folder.path()).await.err().unwrap();
    assert_eq!(refused.code(), "ledger_rolled_back");
}

#[tokio::test]
async fn an_act_that_fails_leaves_neither_change_nor_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    append(&store, 2).await;
    let refused: Result<(), Error> = store
        .act(system(SystemOperation::Run), "refused", |tx| {
            Box::pin(async move {
                tx.append(LeafDraft::new("test.leaf", json!({}))).await?;
                sqlx::query("INSERT INTO key_checks (name, value) VALUES ('half', 'made')")
                    .execute(tx.conn())
                    .await
                    .unwrap();
                Err(Error::conflict("no", "否", "no"))
            })
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), "no");
    assert_eq!(hashes(&store).await.len(), 2);
    let left: i64 = store
        .read("count", |conn| {
            Box::pin(async move {
                use sqlx::Row as _;
                let row = sqlx::query("SELECT COUNT(*) FROM key_checks")
                    .fetch_one(conn)
                    .await
                    .unwrap();
                Ok(row.try_get(0).unwrap())
            })
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acts_at_once_get_one_position_each() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let acts: Vec<_> = (0..40)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { append(&store, 2).await })
        })
        .collect();
    for act in acts {
        act.await.unwrap();
    }
    let log = log(&store, folder.path()).await.unwrap();
    assert_eq!(hashes(&store).await.len(), 80);
    assert_eq!(log.verify_all(&store).await.unwrap().size, 80);
}

#[test]
fn a_detail_is_held_against_its_leaf() {
    let salt = [7; 32];
    let draft = LeafDraft::new("job.submit", json!({ "b": 1, "a": u64::MAX }));
    let pseudonyms = Pseudonyms::new(&[1; 32]);
    let at = jiff::Timestamp::UNIX_EPOCH;
    let sealed = draft
        .seal(&pseudonyms, "actor", at, &salt, uuid::Uuid::nil())
        .unwrap();
    let detail: serde_json::Value = serde_json::from_str(&sealed.detail).unwrap();
    let salt = hex::encode(salt);
    let fits = |salt: Option<&str>, detail: Option<&serde_json::Value>| {
        verify_detail(&sealed.text, salt, detail)
    };
    assert!(fits(Some(&salt), Some(&detail)));
    assert!(fits(None, None), "erased");
    let mut forged = detail.clone();
    forged["b"] = json!(2);
    assert!(!fits(Some(&salt), Some(&forged)));
    assert!(!fits(Some(&salt), None));
    assert!(!fits(None, Some(&detail)));
    assert!(!fits(Some("zz"), Some(&detail)));
    assert!(!fits(Some(&hex::encode([8; 32])), Some(&detail)));
}
