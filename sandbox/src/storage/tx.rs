//! A writing transaction, and the leaves that commit with it.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row as _};

use super::transaction::Transaction;
use crate::{
    access::Authorisation,
    clock::{Entropy, micros},
    error::Error,
    ledger::{Edge, LeafDraft, Pseudonyms, leaf_hash},
    storage::storage_error,
};

/// A writing transaction; only [`crate::storage::Store::act`] makes one.
pub(crate) struct Tx {
    inner: Transaction,
    actor: String,
    pseudonyms: Arc<Pseudonyms>,
    entropy: Arc<dyn Entropy>,
    now: Timestamp,
    edge: Edge,
}

impl Tx {
    pub(super) async fn begin(
        mut inner: Transaction,
        authorisation: &Authorisation,
        pseudonyms: Arc<Pseudonyms>,
        now: Timestamp,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        // Takes the row's lock: leaves get their positions in the order of commit, and one writer is at work at a time.
        let row =
            sqlx::query("UPDATE ledger_state SET size = size WHERE id = 1 RETURNING size, edge")
                .fetch_one(inner.connection())
                .await
                .map_err(|source| storage_error("lock the ledger", source))?;
        let size: i64 = row
            .try_get(0)
            .map_err(|source| storage_error("lock the ledger", source))?;
        let edge: Vec<u8> = row
            .try_get(1)
            .map_err(|source| storage_error("lock the ledger", source))?;
        let edge = Edge::from_parts(size, &edge)?;
        Ok(Self {
            inner,
            actor: authorisation.actor_name(),
            pseudonyms,
            entropy,
            now,
            edge,
        })
    }

    /// The connection to run statements on.
    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        self.inner.connection()
    }

    /// The moment of this transaction, the same for all that it writes.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The moment of this transaction as it is stored.
    #[must_use]
    pub(crate) fn now_micros(&self) -> i64 {
        micros(self.now)
    }

    /// The position of the next leaf: what the leaf that the closure answers will have, if nothing more is appended.
    #[must_use]
    pub(crate) fn next_leaf(&self) -> u64 {
        self.edge.size()
    }

    /// Appends a leaf besides the one that the closure answers; says its position.
    ///
    /// # Errors
    /// Storage that fails, or a draft that makes a leaf of a kibibyte or more.
    pub(crate) async fn append(&mut self, draft: LeafDraft) -> Result<u64, Error> {
        let position = self.edge.size();
        let mut salt = [0; 32];
        self.entropy.fill(&mut salt);
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let millis = u64::try_from(self.now.as_millisecond()).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let leaf = draft.seal(&self.pseudonyms, &self.actor, self.now, &salt, id)?;
        let stored = |source| storage_error("append a leaf", source);
        let at =
            i64::try_from(position).map_err(|source| Error::internal("append a leaf", source))?;
        sqlx::query("INSERT INTO ledger_leaves (position, kind, leaf) VALUES ($1, $2, $3)")
            .bind(at)
            .bind(leaf.kind)
            .bind(leaf.text.as_str())
            .execute(self.inner.connection())
            .await
            .map_err(stored)?;
        sqlx::query("INSERT INTO ledger_details (position, salt, detail) VALUES ($1, $2, $3)")
            .bind(at)
            .bind(salt.to_vec())
            .bind(leaf.detail.as_str())
            .execute(self.inner.connection())
            .await
            .map_err(stored)?;
        for node in self.edge.push(leaf_hash(leaf.text.as_bytes())) {
            let (level, position) = node.place()?;
            sqlx::query("INSERT INTO ledger_nodes (level, position, hash) VALUES ($1, $2, $3)")
                .bind(level)
                .bind(position)
                .bind(node.hash.to_vec())
                .execute(self.inner.connection())
                .await
                .map_err(stored)?;
        }
        sqlx::query("UPDATE ledger_state SET size = $1, edge = $2 WHERE id = 1")
            .bind(at + 1)
            .bind(self.edge.to_bytes())
            .execute(self.inner.connection())
            .await
            .map_err(stored)?;
        Ok(position)
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }

    pub(super) async fn rollback(self) {
        self.inner.rollback().await;
    }
}
