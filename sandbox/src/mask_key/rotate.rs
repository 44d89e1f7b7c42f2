//! New epochs, and the end of old ones.

use masking::CipherSuite;
use serde_json::json;

use super::row;
use super::{KeyOwner, KeyState};
use crate::access::{SystemOperation, system};
use crate::clock::{Clock, Entropy};
use crate::document;
use crate::error::Error;
use crate::id::{MaskKeyId, ScenarioId};
use crate::keys::{Keys, Share};
use crate::ledger::LeafDraft;
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

/// What a new epoch needs that a transaction must not draw itself: it may be repeated.
#[derive(Clone)]
pub(crate) struct FreshKey {
    id: MaskKeyId,
    share: Share,
}

impl FreshKey {
    pub(crate) fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self {
            id: MaskKeyId::new(clock, entropy),
            share: Share::new(entropy),
        }
    }
}

/// A new epoch, as its leaf says it.
pub(crate) struct Begun {
    pub(crate) epoch: u32,
    pub(crate) commitment: String,
}

/// Begins a new epoch of an owner's key and retires the one before; its leaf is the next one.
pub(crate) async fn begin_epoch(
    tx: &mut Tx,
    keys: &Keys,
    owner: KeyOwner,
    fresh: &FreshKey,
) -> Result<Begun, Error> {
    let newest = row::find(tx.conn(), owner, 0).await?;
    let epoch = newest.map_or(0, |key| key.epoch).saturating_add(1);
    retire(tx, owner).await?;
    let name = owner.to_string();
    let root = keys.epoch_root(&fresh.share, &name, epoch);
    let share = keys.seal_share(&name, epoch, &fresh.share)?;
    insert(tx, fresh.id, owner, epoch, (&root, Some(share))).await
}

/// Ends the active epoch of an owner's key, if there is one.
pub(crate) async fn retire(tx: &mut Tx, owner: KeyOwner) -> Result<(), Error> {
    let at = tx.now_micros();
    sqlx::query("UPDATE mask_keys SET state = $1, retired_at = $2 WHERE owner = $3 AND state = $4")
        .bind(KeyState::Retired.as_str())
        .bind(at)
        .bind(owner.to_string())
        .bind(KeyState::Active.as_str())
        .execute(tx.conn())
        .await
        .map_err(|source| storage_error("retire a key", source))?;
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    id: MaskKeyId,
    owner: KeyOwner,
    epoch: u32,
    (root, share): (&masking::RootKey, Option<Vec<u8>>),
) -> Result<Begun, Error> {
    let commitment = hex::encode(root.commitment());
    let (at, leaf) = (tx.now_micros(), document::stored_count(tx.next_leaf())?);
    let suite: CipherSuite = root.suite();
    sqlx::query(
        "INSERT INTO mask_keys (id, owner, epoch, state, suite, shareless, share, commitment, created_at, retired_at, \
         destroyed_at, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10)",
    )
    .bind(id.to_string())
    .bind(owner.to_string())
    .bind(i64::from(epoch))
    .bind(KeyState::Active.as_str())
    .bind(suite.as_str())
    .bind(i64::from(share.is_none()))
    .bind(share.unwrap_or_default())
    .bind(commitment.as_str())
    .bind(at)
    .bind(leaf)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("keep a key", source))?;
    Ok(Begun { epoch, commitment })
}

/// Destroys the key of an epoch: what is left of it is its commitment.
pub(super) async fn destroy(tx: &mut Tx, owner: KeyOwner, epoch: u32) -> Result<(), Error> {
    let at = tx.now_micros();
    sqlx::query(
        "UPDATE mask_keys SET state = $1, share = $2, destroyed_at = $3 WHERE owner = $4 AND epoch = $5",
    )
    .bind(KeyState::Destroyed.as_str())
    .bind(Vec::<u8>::new())
    .bind(at)
    .bind(owner.to_string())
    .bind(i64::from(epoch))
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("destroy a key", source))?;
    Ok(())
}

/// Makes the keys that every owner has: at the first start, and at the first start with a database from before there were epochs.
/// Data that are there keep their intake tokens; a scenario's tokens are made for each run anyway.
pub(crate) async fn complete(platform: &Platform) -> Result<(), Error> {
    for owner in without_key(platform).await? {
        let (keys, fresh) = (
            platform.keys_handle(),
            FreshKey::new(platform.clock(), platform.entropy()),
        );
        platform
            .store()
            .act(system(SystemOperation::Bootstrap), "make a key", |tx| {
                let (keys, fresh) = (keys.clone(), fresh.clone());
                Box::pin(async move {
                    if row::find(tx.conn(), owner, 0).await?.is_some() {
                        return Err(made_already());
                    }
                    let begun = if owner == KeyOwner::Intake && has_tokens(tx).await? {
                        insert(tx, fresh.id, owner, 1, (&keys.mask_root(), None)).await?
                    } else {
                        begin_epoch(tx, &keys, owner, &fresh).await?
                    };
                    Ok(((), leaf("key.create", owner, &begun)))
                })
            })
            .await
            .or_else(|error| match error.code() {
                MADE => Ok(()),
                _ => Err(error),
            })?;
        if let KeyOwner::Scenario(id) = owner {
            // Staged before there were epochs, with tokens that nothing asks for any more.
            platform.forget_staged(id).await;
        }
    }
    Ok(())
}

const MADE: &str = "key_made";

/// Another node that starts at the same time was quicker.
fn made_already() -> Error {
    Error::conflict(MADE, "密钥已由其他节点建立。", "another node made the key.")
}

/// A leaf about the making of a key.
pub(super) fn leaf(kind: &'static str, owner: KeyOwner, begun: &Begun) -> LeafDraft {
    let detail =
        json!({ "owner": owner.to_string(), "epoch": begun.epoch, "commitment": begun.commitment });
    subject(LeafDraft::new(kind, detail), owner)
}

pub(super) fn subject(leaf: LeafDraft, owner: KeyOwner) -> LeafDraft {
    match owner {
        KeyOwner::Intake => leaf,
        KeyOwner::Scenario(id) => leaf.subject(id),
    }
}

async fn without_key(platform: &Platform) -> Result<Vec<KeyOwner>, Error> {
    platform
        .store()
        .read("owners without a key", |conn| {
            Box::pin(async move {
                let mut owners = Vec::new();
                if row::find(&mut *conn, KeyOwner::Intake, 0).await?.is_none() {
                    owners.push(KeyOwner::Intake);
                }
                let rows = sqlx::query(
                    "SELECT s.id FROM scenarios s JOIN scenario_versions v ON v.scenario_id = s.id \
                     WHERE v.state = 'approved' AND NOT EXISTS (SELECT 1 FROM mask_keys k WHERE k.owner = s.id) \
                     ORDER BY s.id",
                )
                .fetch_all(conn)
                .await
                .map_err(|source| storage_error("find scenarios without a key", source))?;
                for row in &rows {
                    let id: ScenarioId = document::id(row, "id")?;
                    owners.push(KeyOwner::Scenario(id));
                }
                Ok(owners)
            })
        })
        .await
}

/// Whether intake tokens are there already: their key is the masking key itself.
async fn has_tokens(tx: &mut Tx) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM dataset_versions) + (SELECT COUNT(*) FROM private_datasets WHERE written_at > 0) AS held",
    )
    .fetch_one(tx.conn())
    .await
    .map_err(|source| storage_error("count versions", source))?;
    Ok(document::integer(&row, "held")? > 0)
}
