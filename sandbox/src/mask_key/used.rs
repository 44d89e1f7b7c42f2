//! The key of an epoch in use: opened when it is needed, dropped behind it.

use std::collections::BTreeSet;

use masking::RootKey;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use zeroize::Zeroizing;

use super::row::{self, KeyRow, gone};
use super::{KeyOwner, KeyState};
use crate::error::Error;
use crate::keys::{KEY_BYTES, Keys};
use crate::objects::ObjectVault;
use crate::platform::Platform;

/// The key of one epoch.
pub(crate) struct EpochKey {
    pub(crate) epoch: u32,
    /// What every token and mask of the epoch is made with.
    pub(crate) root: RootKey,
    commitment: String,
    /// Wraps the data keys of objects that end with the epoch; none for an epoch without a share.
    objects: Option<Zeroizing<[u8; KEY_BYTES]>>,
}

/// Which key made the tokens that a run saw, as a certificate says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUsed {
    /// `intake`, or the scenario's identifier.
    pub owner: String,
    /// Counted from 1.
    pub epoch: u32,
    /// The key's commitment, in hexadecimal.
    pub commitment: String,
}

impl EpochKey {
    pub(super) fn open(keys: &Keys, row: &KeyRow) -> Result<Self, Error> {
        if row.state == KeyState::Destroyed {
            return Err(gone(row.owner, Some(row.epoch)));
        }
        if row.shareless {
            return Ok(Self {
                epoch: row.epoch,
                root: keys.mask_root(),
                commitment: row.commitment.clone(),
                objects: None,
            });
        }
        let owner = row.owner.to_string();
        let share = keys.open_share(&owner, row.epoch, &row.share)?;
        Ok(Self {
            epoch: row.epoch,
            root: keys.epoch_root(&share, &owner, row.epoch),
            commitment: row.commitment.clone(),
            objects: Some(keys.epoch_objects(&share, &owner, row.epoch)?),
        })
    }

    /// What the key commits to, in hexadecimal.
    pub(crate) fn commitment(&self) -> &str {
        &self.commitment
    }

    /// The objects that end with this epoch.
    ///
    /// # Errors
    /// Never for keys of this length.
    pub(crate) fn vault(&self, objects: &ObjectVault) -> Result<ObjectVault, Error> {
        match &self.objects {
            Some(key) => objects.under(key),
            None => Ok(objects.clone()),
        }
    }
}

impl Platform {
    /// The key that an owner makes tokens with now.
    ///
    /// # Errors
    /// Conflict `key_destroyed` when it has none.
    pub(crate) async fn active_key(&self, owner: KeyOwner) -> Result<EpochKey, Error> {
        let row = self.store().read("active key", |conn| {
            Box::pin(async move { row::require_active(conn, owner).await })
        });
        EpochKey::open(self.keys(), &row.await?)
    }

    /// The key of an epoch, active or retired.
    ///
    /// # Errors
    /// Conflict `key_destroyed` when it is no more.
    pub(crate) async fn epoch_key(&self, owner: KeyOwner, epoch: u32) -> Result<EpochKey, Error> {
        let row = self.store().read("key of an epoch", |conn| {
            Box::pin(async move { row::find(conn, owner, epoch).await })
        });
        let row = row.await?.ok_or_else(|| gone(owner, Some(epoch)))?;
        EpochKey::open(self.keys(), &row)
    }
}

/// The epoch of the intake key as it is now, for a transaction that keeps what was made with it.
pub(crate) async fn intake_epoch(conn: &mut AnyConnection) -> Result<u32, Error> {
    row::require_active(conn, KeyOwner::Intake)
        .await
        .map(|key| key.epoch)
}

/// The commitments of keys, for a certificate.
pub(crate) async fn used(
    conn: &mut AnyConnection,
    keys: BTreeSet<(KeyOwner, u32)>,
) -> Result<Vec<KeyUsed>, Error> {
    let mut used = Vec::with_capacity(keys.len());
    for (owner, epoch) in keys {
        let row = row::find(&mut *conn, owner, epoch)
            .await?
            .ok_or_else(|| gone(owner, Some(epoch)))?;
        used.push(KeyUsed {
            owner: owner.to_string(),
            epoch: row.epoch,
            commitment: row.commitment,
        });
    }
    Ok(used)
}
