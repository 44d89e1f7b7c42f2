//! What the platform answers about its ledger.

use super::{Checkpoint, ConsistencyProof, LeafRecord, LedgerKeys, Log};
use crate::{
    access::{Actor, Object, Operation},
    error::Error,
    platform::Platform,
};

impl Platform {
    /// The log as it stands, signed.
    ///
    /// # Errors
    /// Storage that fails, or a database that was rolled back.
    pub async fn ledger_checkpoint(&self, actor: &Actor) -> Result<Checkpoint, Error> {
        self.authorise(actor, Operation::LedgerCheckpoint, Object::Platform)?;
        self.log().checkpoint(self.store()).await
    }

    /// Leaves behind a position (none: from the beginning), at most 200.
    ///
    /// # Errors
    /// Not permitted.
    pub async fn ledger_leaves(
        &self,
        actor: &Actor,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<LeafRecord>, Error> {
        self.authorise(actor, Operation::LedgerLeaves, Object::Platform)?;
        Log::leaves(self.store(), after, limit).await
    }

    /// The proof that a leaf is in the log, with its checkpoint, as `c2sp.org/tlog-proof@v1`.
    ///
    /// # Errors
    /// There is no such leaf.
    pub async fn ledger_proof(&self, actor: &Actor, index: u64) -> Result<String, Error> {
        self.authorise(actor, Operation::LedgerProof, Object::Platform)?;
        let (proof, checkpoint) = self.log().inclusion(self.store(), index).await?;
        Ok(proof.to_text(&checkpoint.note))
    }

    /// The proof that the log only grew from one size to another.
    ///
    /// # Errors
    /// Sizes that are none of this log.
    pub async fn ledger_consistency(
        &self,
        actor: &Actor,
        from: u64,
        to: u64,
    ) -> Result<ConsistencyProof, Error> {
        self.authorise(actor, Operation::LedgerConsistency, Object::Platform)?;
        self.log().consistency(self.store(), from, to).await
    }

    /// Recomputes the whole log and compares it with what is stored.
    ///
    /// # Errors
    /// Names the first leaf that does not fit.
    pub async fn verify_ledger(&self, actor: &Actor) -> Result<Checkpoint, Error> {
        self.authorise(actor, Operation::VerifyLedger, Object::Platform)?;
        self.log().verify_all(self.store()).await
    }

    /// The public keys that checkpoints and certificates are verified with.
    #[must_use]
    pub fn ledger_public_keys(&self) -> LedgerKeys {
        self.log().signer().public_keys()
    }
}
