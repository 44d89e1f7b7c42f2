//! Releases: what was decided about a result, the votes on it, and the act of letting it leave.
//!
//! [`decide`] stores what an inspection said, [`table`] shows it to them in pages, [`vote`] what people say, [`publish`] lets a decided result out with a permit,
//! [`download`] hands it over, [`revoke`] ends what a revocation ends, [`certificate`] proves it to anybody.

mod aids;
pub(crate) mod certificate;
mod decide;
mod download;
mod evidence;
mod history;
mod publish;
mod quarantine;
mod read;
mod revoke;
pub(crate) mod rows;
mod table;
mod view;
mod vote;

pub use certificate::{
    Certificate, CertificateError, Envelope, EnvelopeSignature, VerifiedCertificate,
    verify_certificate,
};
pub(crate) use decide::{Decided, Histories, SettledBy};
pub(crate) use history::HistoryCache;
pub(crate) use revoke::{revoke_effects, revoke_grant_effects};
pub use view::{ReleaseEvidence, ReleaseRows, ReleaseView, ReleaseVote};
pub use vote::RELEASE_APPROVALS_NEEDED;

use crate::error::Error;
use crate::job::state::{ReleaseState, RunState};
use crate::platform::Platform;

/// Removes a release's objects from quarantine.
pub(crate) async fn clear_quarantine(platform: &Platform, release: &str) {
    quarantine::clear(platform, release).await;
}

/// Removes from quarantine what no result waits for: left by runs that died, or whose decision is over.
pub(crate) async fn clear_dead(platform: &Platform) -> Result<(), Error> {
    for name in quarantine::releases(platform).await? {
        let release = name.clone();
        let needed = platform
            .store()
            .read("quarantine", move |conn| {
                Box::pin(async move { is_needed(conn, &release).await })
            })
            .await?;
        if !needed {
            quarantine::clear(platform, &name).await;
        }
    }
    Ok(())
}

/// Whether something in quarantine may still be asked for: a held or scheduled release, a run of another node that is about to
/// decide, or the result of a sample run.
async fn is_needed(conn: &mut sqlx::AnyConnection, name: &str) -> Result<bool, Error> {
    if let Some(row) = rows::release(&mut *conn, name).await? {
        return Ok(matches!(
            row.state,
            ReleaseState::Held | ReleaseState::Scheduled
        ));
    }
    if crate::job::rows::state_by_release(&mut *conn, name).await? == Some(RunState::Running) {
        return Ok(true);
    }
    let run = crate::job::rows::run(conn, name).await?;
    Ok(run.is_some_and(|run| matches!(run.state, RunState::Finished | RunState::Running)))
}
