//! The data of a push, sent in pieces: after a broken connection the upload goes on where the server says it ended.

use super::failure::Failure;
use super::progress;
use super::remote::{Session, unsent};
use crate::client::{Client, ClientError, Upload};
use indicatif::ProgressBar;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Failures in a row, without a byte gained, before it gives up: about a minute.
const FAILURES_MAX: u32 = 9;
/// The wait after the first of them; it doubles up to the longest.
const DELAY: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(10);
/// Bytes that are read at once to make a digest.
const READ_BYTES: usize = 1 << 20;

/// A file to be pushed, as it was when it was looked at.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl<'a> Source<'a> {
    /// Reads a file once, so that what arrives can be held against it.
    pub(super) async fn of(path: &'a Path) -> Result<Self, Failure> {
        let (bytes, sha256) = digest(path).await.map_err(|error| unsent(path, &error))?;
        Ok(Self {
            path,
            bytes,
            sha256,
        })
    }
}

/// Sends what the server does not have yet.
pub(super) async fn send(
    session: &Session,
    push: &str,
    source: &Source<'_>,
    piece_bytes: u64,
) -> Result<(), Failure> {
    let client = &session.client;
    let bar = progress::bytes(source.bytes);
    if source.bytes == 0 {
        client.send_push_data(push, Vec::new().into()).await?;
        return Ok(());
    }
    let mut stored = client.push(push).await?.bytes;
    let mut failures = 0;
    while stored < source.bytes {
        bar.set_position(stored);
        let bytes = piece_bytes.min(source.bytes - stored);
        let before = stored;
        match piece(client, push, source, (stored, bytes), &bar).await {
            Ok(length) => stored = length,
            Err(failure) if failures < FAILURES_MAX && passes(&failure) => {
                tokio::time::sleep(delay(failures)).await;
                stored = stored_at(client, push, before).await?;
            }
            Err(failure) => return Err(failure),
        }
        failures = if stored > before { 0 } else { failures + 1 };
    }
    bar.finish_and_clear();
    Ok(())
}

/// Sends one piece; says how much is stored then.
async fn piece(
    client: &Client,
    push: &str,
    source: &Source<'_>,
    (first, bytes): (u64, u64),
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let drawn = bar.clone();
    let part = Upload::part(source.path, first, bytes, move |bytes| drawn.inc(bytes))
        .await
        .map_err(|error| unsent(source.path, &error))?;
    Ok(client.send_push_data(push, part).await?.bytes)
}

/// What the server has, or what it had when it does not answer either.
async fn stored_at(client: &Client, push: &str, before: u64) -> Result<u64, Failure> {
    match client.push(push).await.map_err(Failure::from) {
        Ok(view) => Ok(view.bytes),
        Err(failure) if passes(&failure) => Ok(before),
        Err(failure) => Err(failure),
    }
}

/// Whether another attempt may succeed: the connection broke, the server is away, or it has other bytes than we think.
fn passes(failure: &Failure) -> bool {
    let Failure::Client(error, _) = failure else {
        return false;
    };
    match &**error {
        ClientError::Unreachable { .. } | ClientError::Unreadable { .. } => true,
        ClientError::Refused(problem) => {
            let codes = ["incomplete_body", "upload_broken", "piece_does_not_fit"];
            matches!(problem.status, 408 | 429 | 503) || codes.contains(&problem.code.as_str())
        }
        ClientError::Local(_) => false,
    }
}

fn delay(failures: u32) -> Duration {
    DELAY
        .saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX))
        .min(DELAY_MAX)
}

async fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = tokio::fs::File::open(path).await?;
    if !file.metadata().await?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let (mut piece, mut bytes) = (vec![0; READ_BYTES], 0_u64);
    loop {
        let length = file.read(&mut piece).await?;
        if length == 0 {
            return Ok((bytes, hex::encode(context.finish())));
        }
        context.update(piece.get(..length).unwrap_or_default());
        bytes += u64::try_from(length).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        assert_eq!(delay(0), DELAY);
        assert_eq!(delay(3), DELAY * 8);
        assert_eq!(delay(40), DELAY_MAX);
    }
}
