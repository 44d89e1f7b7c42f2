//! What nobody has let out: candidates, previews and what guests logged, sealed until a decision.

use review::{Inspection, Preview};

use crate::error::Error;
use crate::objects::ObjectArea;
use crate::platform::Platform;

/// The parts of a release that are kept in quarantine.
const PARTS: [&str; 4] = ["candidate", "preview", "log", "cells"];

fn key(release: &str, part: &str) -> String {
    format!("{release}/{part}")
}

/// Seals what an inspection left: the bytes that would leave, the preview, and the guest's log.
/// The same release is written again with the same bytes when its run is repeated.
pub(crate) async fn keep(
    platform: &Platform,
    release: &str,
    inspection: &Inspection,
    guest_log: &[u8],
) -> Result<(), Error> {
    let put = async |part: &str, bytes: &[u8]| {
        platform
            .objects()
            .put(ObjectArea::Quarantine, &key(release, part), bytes)
            .await
            .map(drop)
    };
    if let Some(candidate) = &inspection.released {
        put("candidate", candidate).await?;
    }
    if let Some(preview) = &inspection.preview {
        put("preview", &encoded(preview)?).await?;
    }
    if !guest_log.is_empty() {
        put("log", guest_log).await?;
    }
    Ok(())
}

/// Seals the cells of a held result: they become history when people let it out, and go with it when they do not.
pub(crate) async fn keep_cells(
    platform: &Platform,
    release: &str,
    cells: &[u8],
) -> Result<(), Error> {
    platform
        .objects()
        .put(ObjectArea::Quarantine, &key(release, "cells"), cells)
        .await
        .map(drop)
}

/// The cells of a held result; none when it has none.
pub(crate) async fn cells(platform: &Platform, release: &str) -> Result<Option<Vec<u8>>, Error> {
    let (objects, key) = (platform.objects(), key(release, "cells"));
    match objects.exists(ObjectArea::Quarantine, &key).await? {
        true => objects.get(ObjectArea::Quarantine, &key).await.map(Some),
        false => Ok(None),
    }
}

fn encoded(preview: &Preview) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(preview).map_err(|source| Error::internal("write a preview", source))
}

/// The bytes that would leave.
pub(crate) async fn candidate(platform: &Platform, release: &str) -> Result<Vec<u8>, Error> {
    platform
        .objects()
        .get(ObjectArea::Quarantine, &key(release, "candidate"))
        .await
}

/// What reviewers are shown.
pub(crate) async fn preview(platform: &Platform, release: &str) -> Result<Vec<u8>, Error> {
    platform
        .objects()
        .get(ObjectArea::Quarantine, &key(release, "preview"))
        .await
}

/// Removes what is not needed any more; what cannot be removed now is found at the next start.
pub(crate) async fn clear(platform: &Platform, release: &str) {
    for part in PARTS {
        let removed = platform
            .objects()
            .delete(ObjectArea::Quarantine, &key(release, part))
            .await;
        if let Err(error) = removed {
            tracing::warn!(release.id = release, %error, "a quarantined object could not be removed");
        }
    }
}

/// The releases that have something in quarantine.
pub(crate) async fn releases(platform: &Platform) -> Result<Vec<String>, Error> {
    let keys = platform.objects().list(ObjectArea::Quarantine).await?;
    let mut found: Vec<String> = keys
        .iter()
        .filter_map(|key| key.split_once('/').map(|(release, _)| release.to_owned()))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}
