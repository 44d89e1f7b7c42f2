//! What a database does in the middle of a transaction stays inside it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use serde_json::json;
use sqlx::Row as _;

use super::*;
use crate::{
    access::{SystemOperation, system},
    clock::{SystemClock, SystemEntropy},
    error::ErrorKind,
};

async fn store(folder: &Path) -> Store {
    let database = Database::Sqlite {
        file: folder.join("egret.db"),
    };
    Store::open(
        &database,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        Pseudonyms::new(&[1; 32]),
    )
    .await
    .unwrap()
}

/// An act that keeps a value, with a statement of the test's own before it.
async fn keep(store: &Store, first: &'static str, value: String) -> Result<(), Error> {
    store
        .act(system(SystemOperation::Run), "keep", move |tx| {
            let value = value.clone();
            Box::pin(async move {
                sqlx::query(first).execute(tx.conn()).await.unwrap();
                sqlx::query("INSERT INTO key_checks (name, value) VALUES ('kept', $1)")
                    .bind(value)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("keep", source))?;
                Ok(((), LeafDraft::new("test.keep", json!({}))))
            })
        })
        .await
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    store
        .read("count", move |conn| {
            Box::pin(async move {
                Ok(sqlx::query(sql)
                    .fetch_one(conn)
                    .await
                    .unwrap()
                    .try_get(0)
                    .unwrap())
            })
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_fails_one_act_and_not_those_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    for _ in 0..3 {
        // SQLite ends the transaction on its own when there is no page left.
        let error = keep(&store, "PRAGMA max_page_count = 1", "x".repeat(1 << 20))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unavailable, "disk_full")
        );
        assert_eq!(count(&store, "SELECT COUNT(*) FROM ledger_leaves").await, 0);
    }
    keep(&store, "SELECT 1", "x".repeat(1 << 20)).await.unwrap();
    assert_eq!(count(&store, "SELECT COUNT(*) FROM ledger_leaves").await, 1);
    assert_eq!(count(&store, "SELECT COUNT(*) FROM key_checks").await, 1);
}

#[tokio::test]
async fn an_act_that_is_abandoned_half_way_does_not_hold_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let stuck = store.act(system(SystemOperation::Run), "stuck", |tx| {
        Box::pin(async move {
            sqlx::query("INSERT INTO key_checks (name, value) VALUES ('half', 'made')")
                .execute(tx.conn())
                .await
                .unwrap();
            std::future::pending::<Result<((), LeafDraft), Error>>().await
        })
    });
    assert!(
        tokio::time::timeout(Duration::from_millis(200), stuck)
            .await
            .is_err()
    );
    keep(&store, "SELECT 1", "whole".to_owned()).await.unwrap();
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) FROM key_checks WHERE name = 'half'"
        )
        .await,
        0
    );
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) FROM key_checks WHERE name = 'kept'"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn readers_see_one_moment_and_cannot_write_what_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let other = store.clone();
    store
        .read("two looks", move |conn| {
            Box::pin(async move {
                let sql = "SELECT COUNT(*) FROM key_checks";
                let before: i64 = sqlx::query(sql)
                    .fetch_one(&mut *conn)
                    .await
                    .unwrap()
                    .try_get(0)
                    .unwrap();
                keep(&other, "SELECT 1", "meanwhile".to_owned()).await?;
                let after: i64 = sqlx::query(sql)
                    .fetch_one(&mut *conn)
                    .await
                    .unwrap()
                    .try_get(0)
                    .unwrap();
                assert_eq!(before, after);
                Ok(())
            })
        })
        .await
        .unwrap();
    assert_eq!(count(&store, "SELECT COUNT(*) FROM key_checks").await, 1);
    store
        .read("a reader that writes", |conn| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM key_checks").execute(conn).await;
                assert!(done.is_err() || done.unwrap().rows_affected() == 1);
                Ok(())
            })
        })
        .await
        .unwrap();
    assert_eq!(count(&store, "SELECT COUNT(*) FROM key_checks").await, 1);
}
