//! What leaves the platform: a released file, and the certificate that goes with it.

use serde_json::json;

use super::certificate::certify;
use super::publish::scenario_id;
use super::read::owner;
use super::rows::{self, ReleaseRow};
use crate::access::{Actor, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::ReleaseId;
use crate::job::state::ReleaseState;
use crate::ledger::{LeafDraft, Log};
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::scenario::{self, ScenarioState};
use crate::storage::Tx;

impl Platform {
    /// The released file. Each download is a leaf; without it there are no bytes.
    ///
    /// # Errors
    /// Not found for other organisations; `release_not_released` (conflict) before it is out,
    /// `release_frozen` (conflict) after a revocation.
    pub async fn download_release(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, Error> {
        let (row, _) = self.release_row(id).await?;
        let authorisation =
            self.authorise(actor, Operation::DownloadRelease, Object::Of(owner(&row)?))?;
        may_be_read(&row)?;
        // Read and checked first: a leaf must not say that something was handed out which was not.
        let bytes = self.objects().get(ObjectArea::Released, &row.id).await?;
        if document::sha256(&bytes) != row.sha256 {
            return Err(Error::internal(
                "download a release",
                "other bytes than were released",
            ));
        }
        self.store()
            .act(authorisation, "download_release", |tx| {
                Box::pin(async move { download(tx, id).await })
            })
            .await?;
        Ok(bytes)
    }

    /// The certificate of a released result, as a file to keep.
    ///
    /// # Errors
    /// Not found; conflict while it is not released.
    pub async fn release_certificate(&self, actor: &Actor, id: ReleaseId) -> Result<String, Error> {
        let (row, _) = self.release_row(id).await?;
        self.authorise(
            actor,
            Operation::ReleaseCertificate,
            Object::Of(owner(&row)?),
        )?;
        if !matches!(row.state, ReleaseState::Released | ReleaseState::Frozen) {
            return Err(not_released(&row));
        }
        if !row.certificate.is_empty() {
            return Ok(row.certificate);
        }
        let index = u64::try_from(row.release_leaf)
            .map_err(|source| Error::internal("certify a release", source))?;
        let leaf = self.leaf_text(index).await?;
        let (proof, checkpoint) = self.log().inclusion(self.store(), index).await?;
        let certificate = certify(
            self.log().signer(),
            &row.statement,
            leaf,
            &proof,
            &checkpoint.note,
        );
        let text = serde_json::to_string_pretty(&certificate)
            .map_err(|source| Error::internal("write a certificate", source))?;
        let (name, kept) = (row.id, text.clone());
        self.store()
            .bookkeep("keep a certificate", move |conn| {
                Box::pin(async move { rows::keep_certificate(conn, &name, &kept).await })
            })
            .await?;
        Ok(text)
    }

    async fn leaf_text(&self, index: u64) -> Result<String, Error> {
        let after = index.checked_sub(1);
        let leaves = Log::leaves(self.store(), after, 1).await?;
        leaves
            .into_iter()
            .find(|leaf| leaf.index == index)
            .map(|leaf| leaf.leaf)
            .ok_or_else(|| Error::internal("certify a release", "the release's leaf is missing"))
    }
}

/// The release as the transaction sees it decides: a revocation in between wins.
async fn download(tx: &mut Tx, id: ReleaseId) -> Result<((), LeafDraft), Error> {
    let row = rows::release(tx.conn(), &id.to_string())
        .await?
        .ok_or_else(|| super::read::unknown(id))?;
    may_be_read(&row)?;
    let found = scenario::version(tx.conn(), scenario_id(&row.scenario)?, None).await?;
    if found.state == ScenarioState::Revoked {
        return Err(frozen());
    }
    let leaf = LeafDraft::new("release.download", json!({ "sha256": row.sha256 }))
        .subject(id)
        .reference(u64::try_from(row.release_leaf).unwrap_or(0));
    Ok(((), leaf))
}

fn may_be_read(row: &ReleaseRow) -> Result<(), Error> {
    match row.state {
        ReleaseState::Released => Ok(()),
        ReleaseState::Frozen => Err(frozen()),
        _ => Err(not_released(row)),
    }
}

fn frozen() -> Error {
    Error::conflict(
        "release_frozen",
        "场景已撤销，结果已冻结，不能下载。",
        "the scenario was revoked; the result is frozen and cannot be downloaded.",
    )
}

fn not_released(row: &ReleaseRow) -> Error {
    Error::conflict(
        "release_not_released",
        format!("该结果处于 {} 状态，尚未放行。", row.state.as_str()),
        format!(
            "the result is {}, it has not been released.",
            row.state.as_str()
        ),
    )
}
