#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::access::{SystemOperation, system};
use crate::clock::{SystemClock, SystemEntropy};
use crate::job::rows::insert_run;
use crate::job::state::RunState;
use crate::ledger::{LeafDraft, Pseudonyms};
use crate::storage::{Database, Store};

/// A store with a queue of runs in it.
struct Queue {
    store: Store,
    submitted: i64,
    _folder: tempfile::TempDir,
}

impl Queue {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("egret.db");
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let names = Pseudonyms::new(&[1; 32]);
        let store = Store::open(&Database::Sqlite { file }, clock, entropy, names).await;
        Self {
            store: store.unwrap(),
            submitted: 0,
            _folder: folder,
        }
    }

    /// Runs of a tenant's grant, one after the other.
    async fn submit(&mut self, tenant: &str, grant: &str, count: usize) {
        for _ in 0..count {
            self.submitted += 1;
            let run = run(tenant, grant, self.submitted);
            self.store
                .act(system(SystemOperation::Run), "submit", |tx| {
                    let run = run.clone();
                    Box::pin(async move {
                        join(tx.conn(), &run.organisation).await?;
                        insert_run(tx.conn(), &run).await?;
                        Ok(((), LeafDraft::new("test.submit", json!({}))))
                    })
                })
                .await
                .unwrap();
        }
    }

    /// Takes the next run as the driver does, and answers its tenant.
    async fn take(&self) -> String {
        let next = self.next().await.into_iter().next().unwrap();
        let tenant = next.organisation.clone();
        self.store
            .act(system(SystemOperation::Run), "take", |tx| {
                let next = next.clone();
                Box::pin(async move {
                    sqlx::query("UPDATE runs SET state = 'finished' WHERE id = $1")
                        .bind(next.id.as_str())
                        .execute(tx.conn())
                        .await
                        .unwrap();
                    charge(tx.conn(), &next.organisation).await?;
                    Ok(((), LeafDraft::new("test.take", json!({}))))
                })
            })
            .await
            .unwrap();
        tenant
    }

    async fn takes(&self, count: usize) -> String {
        let mut taken = String::new();
        for _ in 0..count {
            taken.push_str(&self.take().await);
        }
        taken
    }

    async fn next(&self) -> Vec<RunRow> {
        let read = self.store.read("next", |conn| {
            Box::pin(async move { takeable(conn, 0, 32).await })
        });
        read.await.unwrap()
    }

    async fn weigh(&self, tenant: &'static str, weight: i64) {
        self.store
            .act(system(SystemOperation::Run), "weigh", |tx| {
                Box::pin(async move {
                    set_weight(tx.conn(), tenant, weight).await?;
                    Ok(((), LeafDraft::new("test.weigh", json!({}))))
                })
            })
            .await
            .unwrap();
    }
}

fn run(tenant: &str, grant: &str, submitted_at: i64) -> RunRow {
    RunRow {
        id: format!("run_{submitted_at:06}"),
        job: String::new(),
        organisation: tenant.to_owned(),
        account: String::new(),
        grant: grant.to_owned(),
        scenario: String::new(),
        mode: "production".to_owned(),
        state: RunState::Admitted,
        submitted_at,
        ended_at: 0,
        fence: 0,
        attempts: 0,
        cancel_requested: false,
        outcome: String::new(),
        reason: String::new(),
        findings: "[]".to_owned(),
        layers: "[]".to_owned(),
        timeline: "[]".to_owned(),
        release: String::new(),
    }
}

#[tokio::test]
async fn a_flood_of_one_tenant_does_not_hold_up_another() {
    let mut queue = Queue::new().await;
    queue.submit("a", "g", 60).await;
    assert_eq!(queue.takes(5).await, "aaaaa");
    queue.submit("b", "h", 3).await;
    queue.submit("c", "i", 1).await;
    assert_eq!(queue.takes(8).await, "bcababaa");
}

#[tokio::test]
async fn who_was_away_saves_up_no_turns() {
    let mut queue = Queue::new().await;
    queue.submit("a", "g", 30).await;
    queue.submit("b", "h", 1).await;
    assert_eq!(queue.takes(20).await, format!("ab{}", "a".repeat(18)));
    queue.submit("b", "h", 10).await;
    assert_eq!(queue.takes(6).await, "bababa");
}

#[tokio::test]
async fn weights_are_turns_and_nobody_starves() {
    let mut queue = Queue::new().await;
    queue.weigh("a", 3).await;
    queue.submit("a", "g", 90).await;
    queue.submit("b", "h", 30).await;
    let taken = queue.takes(40).await;
    assert_eq!(taken.matches('b').count(), 10, "{taken}");
    assert!(!taken.contains("aaaa"), "{taken}");
}

#[tokio::test]
async fn grants_of_a_tenant_take_turns() {
    let mut queue = Queue::new().await;
    queue.submit("a", "waits", 60).await;
    queue.submit("a", "other", 1).await;
    let candidates = queue.next().await;
    assert_eq!(candidates[1].grant, "other");
}

#[tokio::test]
async fn a_run_knows_how_many_are_before_it() {
    let mut queue = Queue::new().await;
    queue.submit("a", "g", 5).await;
    queue.submit("b", "h", 2).await;
    // a1 b1 a2 b2 a3 a4 a5
    for (run, place) in [(1, 0), (6, 1), (2, 2), (7, 3), (3, 4), (4, 5), (5, 6)] {
        let name = format!("run_{run:06}");
        let read = queue.store.read("before", |conn| {
            Box::pin(async move { before(conn, 0, &name).await })
        });
        assert_eq!(read.await.unwrap(), place, "{run}");
    }
}
