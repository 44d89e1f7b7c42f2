//! What is stored comes back as it was, and nothing else opens.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use super::*;
use crate::clock::SystemEntropy;

fn vault(folder: &Path, key: u8) -> ObjectVault {
    ObjectVault::open(
        &ObjectBackend::Local,
        folder,
        &[key; 32],
        Arc::new(SystemEntropy),
    )
    .unwrap()
}

fn file(folder: &Path, area: &str, key: &str) -> std::path::PathBuf {
    folder.join("objects").join(area).join(key)
}

#[tokio::test]
async fn every_size_around_a_chunk_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1);
    for size in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
        10_000_000,
    ] {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let stored = vault.put(ObjectArea::Version, "a", &bytes).await.unwrap();
        assert_eq!(stored.bytes, u64::try_from(size).unwrap());
        assert_eq!(
            vault.get(ObjectArea::Version, "a").await.unwrap(),
            bytes,
            "{size} bytes"
        );
    }
    assert_eq!(vault.list(ObjectArea::Version).await.unwrap(), ["a"]);
    vault.delete(ObjectArea::Version, "a").await.unwrap();
    vault.delete(ObjectArea::Version, "a").await.unwrap();
    assert!(!vault.exists(ObjectArea::Version, "a").await.unwrap());
}

#[tokio::test]
async fn nothing_damaged_cut_moved_or_of_another_key_opens() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1);
    let bytes = vec![7; 3 * CHUNK_BYTES];
    vault.put(ObjectArea::Version, "a", &bytes).await.unwrap();
    let path = file(folder.path(), "version", "a");
    let whole = std::fs::read(&path).unwrap();
    assert!(
        !whole.windows(64).any(|window| window == [7; 64]),
        "it is not encrypted"
    );

    for cut in [
        0,
        10,
        HEADER_BYTES,
        HEADER_BYTES + SEALED_CHUNK_BYTES,
        whole.len() - 1,
    ] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(
            vault.get(ObjectArea::Version, "a").await.is_err(),
            "cut at {cut}"
        );
    }
    for place in [0, 6, 30, HEADER_BYTES, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(
            vault.get(ObjectArea::Version, "a").await.is_err(),
            "flipped at {place}"
        );
    }
    let (head, body) = whole.split_at(HEADER_BYTES);
    let (first, rest) = body.split_at(SEALED_CHUNK_BYTES);
    let (second, third) = rest.split_at(SEALED_CHUNK_BYTES);
    std::fs::write(&path, [head, second, first, third].concat()).unwrap();
    assert!(
        vault.get(ObjectArea::Version, "a").await.is_err(),
        "chunks in another order"
    );
    std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(
        vault.get(ObjectArea::Version, "a").await.is_err(),
        "a byte more"
    );

    std::fs::write(file(folder.path(), "version", "b"), &whole).unwrap();
    assert!(
        vault.get(ObjectArea::Version, "b").await.is_err(),
        "an object in another's place"
    );
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(vault.get(ObjectArea::Version, "a").await.unwrap(), bytes);
    assert!(
        self::vault(folder.path(), 2)
            .get(ObjectArea::Version, "a")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_stream_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1);
    vault.put(ObjectArea::Raw, "a", b"before").await.unwrap();
    let parts = futures::stream::iter(vec![
        Ok(Bytes::from(vec![1; 20_000_000])),
        Err(Error::invalid("cut", "断开", "cut")),
    ]);
    assert!(vault.put_stream(ObjectArea::Raw, "a", parts).await.is_err());
    assert_eq!(vault.get(ObjectArea::Raw, "a").await.unwrap(), b"before");
    assert_eq!(vault.list(ObjectArea::Raw).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn nothing_is_released_without_a_permit() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1);
    assert!(
        vault
            .put(ObjectArea::Released, "rel_1", b"x")
            .await
            .is_err()
    );
    assert!(vault.list(ObjectArea::Released).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_killed_server_left_unfinished_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let first = vault(folder.path(), 1);
    first
        .put(ObjectArea::Version, "set/a", b"whole")
        .await
        .unwrap();
    let unfinished = file(folder.path(), "version", "set/b#1");
    std::fs::write(&unfinished, b"half").unwrap();
    let second = vault(folder.path(), 1);
    assert!(!unfinished.exists());
    assert_eq!(
        second.get(ObjectArea::Version, "set/a").await.unwrap(),
        b"whole"
    );
}

#[tokio::test]
async fn a_release_is_the_bytes_of_its_permit_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), 1);
    let digest = ring::digest::digest(&SHA256, b"result")
        .as_ref()
        .try_into()
        .unwrap();
    let permit = Permit::derive(&review::StoredDecision {
        release: "rel_1".to_owned(),
        digest,
        epoch_decided: 1,
        epoch_now: 1,
        basis: review::Basis::Automatic {
            decision: review::Decision::Release,
        },
        bodies_min: 2,
        applicant_organisation: "org_1".to_owned(),
        evidence_digest: [0; 32],
    })
    .unwrap();
    assert!(vault.put_released(&permit, b"result!").await.is_err());
    assert!(!vault.exists(ObjectArea::Released, "rel_1").await.unwrap());
    for _ in 0..2 {
        assert_eq!(
            vault.put_released(&permit, b"result").await.unwrap().sha256,
            digest
        );
        assert_eq!(
            vault.get(ObjectArea::Released, "rel_1").await.unwrap(),
            b"result"
        );
    }
}
