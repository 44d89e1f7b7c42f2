//! Shares: what the key of an epoch is made of beside the root, and what is destroyed with it.

use masking::RootKey;
use zeroize::Zeroizing;

use super::keeper::{NONCE_BYTES, Secret, derived};
use super::{KEY_BYTES, Keys};
use crate::clock::Entropy;
use crate::error::Error;

/// The share of one epoch.
#[derive(Clone)]
pub(crate) struct Share {
    bytes: Secret,
    /// What it is sealed with, drawn beforehand: a transaction that is repeated seals the same thing again.
    nonce: [u8; NONCE_BYTES],
}

impl Share {
    /// A new share.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        Self { bytes, nonce }
    }

    #[cfg(test)]
    pub(super) fn holds(&self, some: &[u8]) -> bool {
        self.bytes.windows(some.len()).any(|part| part == some)
    }
}

impl Keys {
    /// The root that every key of an epoch is derived from.
    pub(crate) fn epoch_root(&self, share: &Share, owner: &str, epoch: u32) -> RootKey {
        self.mask_root().of_epoch(&share.bytes, owner, epoch)
    }

    /// What wraps the data keys of objects that end with an epoch: without the share none of them opens, wherever a copy is.
    ///
    /// # Errors
    /// Never for keys of this length.
    pub(crate) fn epoch_objects(
        &self,
        share: &Share,
        owner: &str,
        epoch: u32,
    ) -> Result<Secret, Error> {
        let purpose = format!("objects of|{owner}|{epoch}");
        derived(&self.objects.bytes, share.bytes.as_slice(), &purpose)
    }

    /// The share as the database keeps it.
    ///
    /// # Errors
    /// A keeper that does not answer.
    pub(crate) fn seal_share(
        &self,
        owner: &str,
        epoch: u32,
        share: &Share,
    ) -> Result<Vec<u8>, Error> {
        let context = context(owner, epoch);
        self.keeper.seal(&context, share.nonce, &share.bytes)
    }

    /// The share of what the database keeps.
    ///
    /// # Errors
    /// A keeper that does not answer, or a share of another epoch.
    pub(crate) fn open_share(
        &self,
        owner: &str,
        epoch: u32,
        sealed: &[u8],
    ) -> Result<Share, Error> {
        let bytes = self.keeper.open(&context(owner, epoch), sealed)?;
        let nonce = sealed.first_chunk().copied().unwrap_or_default();
        Ok(Share { bytes, nonce })
    }
}

fn context(owner: &str, epoch: u32) -> String {
    format!("egret share|{owner}|{epoch}")
}
