//! What is left of a key after its end, and what a database from before there were epochs goes on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;

use masking::ValueDomain;

use super::*;
use crate::access::{Role, RoleSet, SystemOperation, system};
use crate::clock::{SystemClock, SystemEntropy};
use crate::error::ErrorKind;
use crate::id::{AccountId, OrganisationId};
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::settings::Settings;

async fn open(folder: &Path) -> Platform {
    let settings = Settings {
        workers: 0,
        ..Settings::new(folder.join("data"), "/nowhere".into(), Vec::new())
    };
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Platform::open(settings, clock, entropy).await.unwrap()
}

fn admin() -> Actor {
    Actor {
        account: AccountId::new(&SystemClock, &SystemEntropy),
        name: "security-admin".to_owned(),
        organisation: OrganisationId::new(&SystemClock, &SystemEntropy),
        organisation_kind: crate::access::OrganisationKind::Operator,
        roles: RoleSet::of(&[Role::SecurityAdmin]),
        credential: String::new(),
    }
}

fn token(key: &EpochKey) -> String {
    let person = ValueDomain::parse("person-id").unwrap();
    key.root
        .intake(&person, key.epoch)
        .token(b"11010119900307765X")
}

async fn act(
    platform: &Platform,
    act: KeyAct,
    epoch: Option<u32>,
) -> Result<KeyRequestView, Error> {
    let request = KeyRequest {
        act,
        owner: KeyOwner::Intake,
        epoch,
        reason: "a test".to_owned(),
    };
    let made = platform.request_key_act(&admin(), request).await?;
    platform.confirm_key_request(&admin(), made.id).await
}

/// The sealed share of an epoch as the database has it.
async fn sealed(platform: &Platform, epoch: u32) -> Vec<u8> {
    let found = platform.store().read("a share", |conn| {
        Box::pin(async move { row::find(conn, KeyOwner::Intake, epoch).await })
    });
    found.await.unwrap().unwrap().share
}

fn database_holds(folder: &Path, bytes: &[u8]) -> bool {
    ["egret.db", "egret.db-wal"].iter().any(|file| {
        let held = std::fs::read(folder.join("data").join(file)).unwrap_or_default();
        held.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn a_destroyed_key_is_nowhere_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path()).await;
    let first = platform.active_key(KeyOwner::Intake).await.unwrap();
    let (old, commitment) = (token(&first), first.commitment().to_owned());
    let vault = first.vault(platform.objects()).unwrap();
    vault.put(ObjectArea::Version, "x", b"rows").await.unwrap();
    assert!(
        platform
            .objects()
            .get(ObjectArea::Version, "x")
            .await
            .is_err(),
        "opens without the share"
    );
    drop(first);

    act(&platform, KeyAct::Rotate, None).await.unwrap();
    let second = platform.active_key(KeyOwner::Intake).await.unwrap();
    assert_eq!(second.epoch, 2);
    assert_ne!(token(&second), old);
    let again = platform.epoch_key(KeyOwner::Intake, 1).await.unwrap();
    assert_eq!(token(&again), old, "a retired key can still be read with");

    let share = sealed(&platform, 1).await;
    assert!(share.len() > 32 && database_holds(folder.path(), &share));
    act(&platform, KeyAct::Destroy, Some(1)).await.unwrap();
    assert!(
        !database_holds(folder.path(), &share),
        "the share is still in the file"
    );
    let gone = platform.epoch_key(KeyOwner::Intake, 1).await.err().unwrap();
    assert_eq!(
        (gone.kind(), gone.code()),
        (ErrorKind::Conflict, "key_destroyed")
    );
    for other in [
        platform.objects().clone(),
        second.vault(platform.objects()).unwrap(),
    ] {
        assert!(other.get(ObjectArea::Version, "x").await.is_err());
    }
    let keys = platform
        .mask_keys(&admin(), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(keys.items[0].state, KeyState::Destroyed);
    assert_eq!(keys.items[0].commitment, commitment);
    platform.close().await;

    let platform = open(folder.path()).await;
    assert_eq!(
        platform.active_key(KeyOwner::Intake).await.unwrap().epoch,
        2
    );
    assert!(platform.epoch_key(KeyOwner::Intake, 1).await.is_err());
    platform.close().await;
}

#[tokio::test]
async fn the_key_in_force_is_not_destroyed_and_one_person_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path()).await;
    let refused = act(&platform, KeyAct::Destroy, None).await.unwrap_err();
    assert_eq!(refused.code(), "key_active");
    let one = admin();
    let request = KeyRequest {
        act: KeyAct::Rotate,
        owner: KeyOwner::Intake,
        epoch: None,
        reason: "a test".to_owned(),
    };
    let unsaid = KeyRequest {
        reason: " ".to_owned(),
        ..request.clone()
    };
    assert_eq!(
        platform
            .request_key_act(&one, unsaid)
            .await
            .unwrap_err()
            .code(),
        "reason_missing"
    );
    let made = platform
        .request_key_act(&one, request.clone())
        .await
        .unwrap();
    let own = platform
        .confirm_key_request(&one, made.id)
        .await
        .unwrap_err();
    assert_eq!(
        (own.kind(), own.code()),
        (ErrorKind::Denied, "second_person")
    );
    let twice = platform
        .request_key_act(&admin(), request.clone())
        .await
        .unwrap_err();
    assert_eq!(twice.code(), "key_act_requested");
    platform
        .confirm_key_request(&admin(), made.id)
        .await
        .unwrap();

    // A request for a key that is not the newest any more is no request for the one that is.
    let stale = platform
        .request_key_act(&one, request.clone())
        .await
        .unwrap();
    let fresh = FreshKey::new(&SystemClock, &SystemEntropy);
    let keys = platform.keys_handle();
    let begun = platform
        .store()
        .act(system(SystemOperation::Bootstrap), "test", |tx| {
            let (keys, fresh) = (keys.clone(), fresh.clone());
            Box::pin(async move {
                begin_epoch(tx, &keys, KeyOwner::Intake, &fresh).await?;
                Ok(((), LeafDraft::new("key.create", serde_json::json!({}))))
            })
        });
    begun.await.unwrap();
    let late = platform
        .confirm_key_request(&admin(), stale.id)
        .await
        .unwrap_err();
    assert_eq!(late.code(), "key_changed");
    platform.close().await;
}

#[tokio::test]
async fn a_database_from_before_goes_on_with_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let platform = open(folder.path()).await;
    let before = "INSERT INTO private_datasets (id, grant_id, organisation_id, account_id, name, columns, unit, object_key, \
                  sha256, bytes, rows_total, created_at, written_at) VALUES ('pds', 'grt', 'org', 'acc', 'n', '[]', 'null', \
                  '', '', 0, 1, 1, 1)";
    let forget = platform.store().bookkeep("as before", |conn| {
        Box::pin(async move {
            for sql in ["DELETE FROM mask_keys", before] {
                sqlx::query(sql).execute(&mut *conn).await.unwrap();
            }
            Ok(())
        })
    });
    forget.await.unwrap();
    let person = ValueDomain::parse("person-id").unwrap();
    let root = platform.keys().mask_root();
    let known = root.intake(&person, 1).token(b"11010119900307765X");
    platform.close().await;

    let platform = open(folder.path()).await;
    let key = platform.active_key(KeyOwner::Intake).await.unwrap();
    assert_eq!((key.epoch, token(&key)), (1, known.clone()));
    act(&platform, KeyAct::Rotate, None).await.unwrap();
    let next = platform.active_key(KeyOwner::Intake).await.unwrap();
    assert_ne!(token(&next), known);
    let refused = act(&platform, KeyAct::Destroy, Some(1)).await.unwrap_err();
    assert_eq!(refused.code(), "key_shareless");
    platform.close().await;
}
