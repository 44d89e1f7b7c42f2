//! Held results before their reviewers.

use crate::client::Client;
use crate::demo::story::{Broken, expect};
use crate::http::dto::{ReleaseState, ReleaseView, VoteCast};
use std::time::Duration;

/// How long the bytes may take to be written after the decision.
const WRITE_TRIES: u32 = 200;
const WRITE_POLL: Duration = Duration::from_millis(25);

/// Each reviewer votes on the evidence that it is shown; the digest, and how many rows the preview has.
pub(super) async fn approve(
    reviewers: &[Client],
    release: &str,
) -> Result<(String, usize), Broken> {
    let mut seen = (String::new(), 0);
    for (place, reviewer) in reviewers.iter().enumerate() {
        let before = reviewer.release(release).await?;
        expect(
            before.state == ReleaseState::Held,
            format!("第 {} 票之前已不在待审查状态", place + 1),
            format!("no longer held before vote {}", place + 1),
        )?;
        let evidence = reviewer.release_evidence(release).await?;
        let rows = evidence
            .preview
            .as_ref()
            .map_or(0, |preview| preview.rows.len());
        expect(rows > 0, "审查依据没有预览", "the evidence has no preview")?;
        let vote = VoteCast {
            approve: true,
            evidence_digest: evidence.digest.clone(),
            comment: "仅有汇总，无个体".to_owned(),
        };
        reviewer.vote_release(release, &vote).await?;
        seen = (evidence.digest, rows);
    }
    Ok(seen)
}

/// The release once its bytes are written.
pub(super) async fn released(developer: &Client, release: &str) -> Result<ReleaseView, Broken> {
    for _ in 0..WRITE_TRIES {
        let view = developer.release(release).await?;
        if !matches!(view.state, ReleaseState::Held | ReleaseState::Scheduled) {
            return Ok(view);
        }
        tokio::time::sleep(WRITE_POLL).await;
    }
    Ok(developer.release(release).await?)
}
