//! What is done to keys: asked for by one security administrator, confirmed by another.

use jiff::Timestamp;
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::rotate::{self, FreshKey, begin_epoch};
use super::row::{self, KeyRow};
use super::{KeyOwner, KeyState};
use crate::access::{Actor, Object, Operation};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{AccountId, KeyRequestId};
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

const REASON_BYTES_MAX: usize = 4096;
/// How long a request waits for the second person.
const DAYS: i64 = 7;
const DAY_MICROS: i64 = 86_400_000_000;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAct {
    /// A new epoch begins.
    Rotate,
    /// The key of an epoch is destroyed.
    Destroy,
}

impl KeyAct {
    /// The name in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Destroy => "destroy",
        }
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRequestState {
    /// Waits for another security administrator.
    Requested,
    /// Done.
    Confirmed,
    /// Taken back, or refused by another.
    Withdrawn,
    /// Nobody confirmed it in time.
    Expired,
}

impl KeyRequestState {
    /// The name in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Confirmed => "confirmed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// A request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// What is to be done.
    pub act: KeyAct,
    /// To whose key.
    pub owner: KeyOwner,
    /// The epoch to destroy; without one the newest. A rotation is always away from the newest.
    pub epoch: Option<u32>,
    /// Why.
    pub reason: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequestView {
    /// Its identifier.
    pub id: KeyRequestId,
    /// What is to be done.
    pub act: KeyAct,
    /// To whose key.
    pub owner: KeyOwner,
    /// The epoch that is rotated away from or destroyed.
    pub epoch: u32,
    /// The commitment of that epoch's key, in hexadecimal.
    pub commitment: String,
    /// Why.
    pub reason: String,
    /// Where it is.
    pub state: KeyRequestState,
    /// Who asked.
    pub requested_by: AccountId,
    /// Who confirmed or withdrew it.
    pub decided_by: Option<AccountId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Position of its leaf.
    leaf: u64,
}

/// What follows a destruction outside of the transaction.
enum Erasure {
    None,
    Scenario(crate::id::ScenarioId),
    Objects(Vec<String>),
}

impl Platform {
    /// Asks for a rotation or a destruction; another security administrator has to confirm it.
    ///
    /// # Errors
    /// Denied; not found when there is no such key; invalid without a reason; conflict when the act is not possible now, or the
    /// same is asked for already.
    pub async fn request_key_act(
        &self,
        actor: &Actor,
        request: KeyRequest,
    ) -> Result<KeyRequestView, Error> {
        let authorisation = self.authorise(actor, Operation::RequestKeyAct, Object::Platform)?;
        let reason = request.reason.trim().to_owned();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Error::invalid(
                "reason_missing",
                "对密钥的操作须写明理由，且不能过长。",
                "an act on a key needs a reason, and not an overlong one.",
            ));
        }
        let id = KeyRequestId::new(self.clock(), self.entropy());
        let account = actor.account;
        self.store()
            .act(authorisation, "request_key_act", |tx| {
                let (request, reason) = (request.clone(), reason.clone());
                Box::pin(async move { store(tx, id, account, &request, &reason).await })
            })
            .await?;
        self.request_view(id).await
    }

    /// Requests, newest first.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn key_requests(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<KeyRequestView>, Error> {
        self.authorise(actor, Operation::KeyRequests, Object::Platform)?;
        let now = self.clock().now();
        self.store()
            .read("key_requests", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT * FROM key_requests WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2",
                    )
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(conn)
                    .await
                    .map_err(|source| storage_error("list key requests", source))?;
                    let views: Result<Vec<_>, Error> =
                        rows.iter().map(|row| view(row, now)).collect();
                    Ok(Page::cut(views?, &page, |view: &KeyRequestView| {
                        view.id.to_string()
                    }))
                })
            })
            .await
    }

    /// One request.
    ///
    /// # Errors
    /// Denied, or not found.
    pub async fn key_request(
        &self,
        actor: &Actor,
        id: KeyRequestId,
    ) -> Result<KeyRequestView, Error> {
        self.authorise(actor, Operation::KeyRequest, Object::Platform)?;
        self.request_view(id).await
    }

    /// Does what was asked for, as the second person.
    ///
    /// # Errors
    /// Denied, also to whoever asked; not found; conflict when the request was decided, has expired, or the key is not as it was.
    pub async fn confirm_key_request(
        &self,
        actor: &Actor,
        id: KeyRequestId,
    ) -> Result<KeyRequestView, Error> {
        let authorisation =
            self.authorise(actor, Operation::ConfirmKeyRequest, Object::Platform)?;
        let fresh = FreshKey::new(self.clock(), self.entropy());
        let (keys, account) = (self.keys_handle(), actor.account);
        let erasure = self
            .store()
            .act(authorisation, "confirm_key_request", |tx| {
                let (keys, fresh) = (keys.clone(), fresh.clone());
                Box::pin(async move {
                    let request = waiting(tx, id).await?;
                    if request.requested_by == account {
                        return Err(same_person());
                    }
                    let key = as_it_was(tx, &request).await?;
                    decide(tx, &request, KeyRequestState::Confirmed, account).await?;
                    match request.act {
                        KeyAct::Rotate => {
                            let begun = begin_epoch(tx, &keys, request.owner, &fresh).await?;
                            let leaf = rotate::leaf("key.rotate", request.owner, &begun);
                            // What was staged under the old epoch is of no use to anybody any more.
                            let erasure = match request.owner {
                                KeyOwner::Scenario(id) => Erasure::Scenario(id),
                                KeyOwner::Intake => Erasure::None,
                            };
                            Ok((erasure, told(leaf, &request, &key)))
                        }
                        KeyAct::Destroy => {
                            let erasure = destroy(tx, &request).await?;
                            let detail = json!({
                                "owner": request.owner.to_string(),
                                "epoch": request.epoch,
                                "commitment": request.commitment,
                                "reason": request.reason,
                            });
                            let leaf = LeafDraft::new("key.destroy", detail);
                            let leaf = rotate::subject(leaf, request.owner);
                            Ok((erasure, told(leaf, &request, &key)))
                        }
                    }
                })
            })
            .await?;
        self.erase(erasure).await;
        self.request_view(id).await
    }

    /// Takes a request back, or refuses that of another.
    ///
    /// # Errors
    /// Denied, not found, or conflict when it was decided already.
    pub async fn withdraw_key_request(
        &self,
        actor: &Actor,
        id: KeyRequestId,
    ) -> Result<KeyRequestView, Error> {
        let authorisation =
            self.authorise(actor, Operation::WithdrawKeyRequest, Object::Platform)?;
        let account = actor.account;
        self.store()
            .act(authorisation, "withdraw_key_request", |tx| {
                Box::pin(async move {
                    let request = waiting(tx, id).await?;
                    decide(tx, &request, KeyRequestState::Withdrawn, account).await?;
                    let detail =
                        json!({ "act": request.act.as_str(), "owner": request.owner.to_string() });
                    let leaf = LeafDraft::new("key.withdraw", detail)
                        .subject(id)
                        .reference(request.leaf);
                    Ok(((), leaf))
                })
            })
            .await?;
        self.request_view(id).await
    }

    async fn request_view(&self, id: KeyRequestId) -> Result<KeyRequestView, Error> {
        let now = self.clock().now();
        self.store()
            .read("key request", |conn| {
                Box::pin(async move { by_id(conn, id, now).await })
            })
            .await
    }

    /// Erases what ended with a key. Nobody can open it any more, so what cannot be erased now is none the worse for it.
    async fn erase(&self, erasure: Erasure) {
        match erasure {
            Erasure::None => {}
            Erasure::Scenario(id) => self.forget_staged(id).await,
            Erasure::Objects(keys) => {
                for key in keys {
                    if let Err(error) = self.objects().delete(ObjectArea::Version, &key).await {
                        tracing::warn!(object.key = %key, %error, "an object could not be erased yet; its key is destroyed");
                    }
                }
            }
        }
        self.store().forget_deleted("mask_keys").await;
    }
}

async fn store(
    tx: &mut Tx,
    id: KeyRequestId,
    account: AccountId,
    request: &KeyRequest,
    reason: &str,
) -> Result<((), LeafDraft), Error> {
    let wanted = match request.act {
        KeyAct::Rotate => 0,
        KeyAct::Destroy => request.epoch.unwrap_or(0),
    };
    let key = row::find(tx.conn(), request.owner, wanted).await?;
    let key = key.ok_or_else(|| {
        Error::not_found("没有这样的密钥或周期。", "there is no such key or epoch.")
    })?;
    possible(tx, request.act, &key).await?;
    let (at, leaf_at) = (tx.now_micros(), document::stored_count(tx.next_leaf())?);
    let same = sqlx::query(
        "SELECT id FROM key_requests WHERE state = 'requested' AND act = $1 AND owner = $2 AND epoch = $3 AND expires_at > $4",
    )
    .bind(request.act.as_str())
    .bind(request.owner.to_string())
    .bind(i64::from(key.epoch))
    .bind(at)
    .fetch_optional(tx.conn())
    .await
    .map_err(|source| storage_error("ask for an act on a key", source))?;
    if let Some(same) = same {
        let same = document::text(&same, "id")?;
        return Err(Error::conflict(
            "key_act_requested",
            format!("同样的申请 {same} 已在等待确认。"),
            format!("request {same} asks for the same and waits to be confirmed."),
        ));
    }
    sqlx::query(
        "INSERT INTO key_requests (id, act, owner, epoch, commitment, reason, state, requested_by, decided_by, created_at, \
         expires_at, decided_at, leaf) VALUES ($1, $2, $3, $4, $5, $6, 'requested', $7, '', $8, $9, 0, $10)",
    )
    .bind(id.to_string())
    .bind(request.act.as_str())
    .bind(request.owner.to_string())
    .bind(i64::from(key.epoch))
    .bind(key.commitment.as_str())
    .bind(reason)
    .bind(account.to_string())
    .bind(at)
    .bind(at.saturating_add(DAYS * DAY_MICROS))
    .bind(leaf_at)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("ask for an act on a key", source))?;
    let detail = json!({
        "act": request.act.as_str(),
        "owner": request.owner.to_string(),
        "epoch": key.epoch,
        "commitment": key.commitment,
        "reason": reason,
    });
    let leaf = LeafDraft::new("key.request", detail).subject(id);
    Ok(((), rotate::subject(leaf, request.owner).reference(key.leaf)))
}

/// Whether the act can be done to the key as it is.
async fn possible(tx: &mut Tx, act: KeyAct, key: &KeyRow) -> Result<(), Error> {
    if act == KeyAct::Rotate {
        return rotatable(tx, key.owner).await;
    }
    if key.state == KeyState::Destroyed {
        return Err(Error::conflict(
            "key_destroyed",
            "该周期的密钥已销毁。",
            "the key of that epoch is destroyed already.",
        ));
    }
    if key.owner != KeyOwner::Intake {
        return Ok(());
    }
    if key.state == KeyState::Active {
        return Err(Error::conflict(
            "key_active",
            "当前周期的接收密钥不能销毁，否则不能再接收数据。",
            "the intake key of the epoch in force cannot be destroyed: no data could be taken in.",
        )
        .with_remedy("先轮换接收密钥。", "rotate the intake key first."));
    }
    if key.shareless {
        return Err(Error::conflict(
            "key_shareless",
            "该周期由旧版本建立，其密钥就是 masking.key 本身，不能单独销毁。",
            "that epoch was begun by an earlier release: its key is masking.key itself and cannot be destroyed alone.",
        )
        .with_remedy(
            "重新推送全部数据集后，旧假名即不再使用；该密钥随 masking.key 一同销毁。",
            "push every data set again, and its tokens are used no more; the key ends with masking.key.",
        ));
    }
    unused(tx, key.epoch).await
}

/// A scenario that has ended takes no new epoch: no run can ask for one.
async fn rotatable(tx: &mut Tx, owner: KeyOwner) -> Result<(), Error> {
    let KeyOwner::Scenario(id) = owner else {
        return Ok(());
    };
    let now = tx.now();
    let found = crate::scenario::version(tx.conn(), id, None).await?;
    if found.approved > 0 {
        let approved = crate::scenario::version(tx.conn(), id, Some(found.approved)).await?;
        if approved.state_at(now) == crate::scenario::ScenarioState::Approved {
            return Ok(());
        }
    }
    Err(Error::conflict(
        "scenario_ended",
        "场景未生效或已终止，无需新的密钥周期；批准新版本时会自动开始。",
        "the scenario is not in force; a new epoch begins by itself when a version is approved.",
    ))
}

/// No data set's newest version may hold tokens of the epoch.
async fn unused(tx: &mut Tx, epoch: u32) -> Result<(), Error> {
    let rows = sqlx::query(
        "SELECT d.name FROM datasets d JOIN dataset_versions v ON v.id = d.version_id WHERE v.intake_epoch = $1 \
         ORDER BY d.name LIMIT 8",
    )
    .bind(i64::from(epoch))
    .fetch_all(tx.conn())
    .await
    .map_err(|source| storage_error("find data sets of an epoch", source))?;
    if rows.is_empty() {
        return Ok(());
    }
    let names: Result<Vec<String>, Error> =
        rows.iter().map(|row| document::text(row, "name")).collect();
    let names = names?.join(", ");
    Err(Error::conflict(
        "key_in_use",
        format!("这些数据集的最新版本仍使用该周期的假名：{names}。"),
        format!("the newest versions of these data sets hold tokens of that epoch: {names}."),
    )
    .with_remedy(
        "在新周期下重新推送这些数据集，再销毁旧密钥。",
        "push them again under the new epoch, then destroy the old key.",
    ))
}

/// The request, if it still waits.
async fn waiting(tx: &mut Tx, id: KeyRequestId) -> Result<KeyRequestView, Error> {
    let now = tx.now();
    let request = by_id(tx.conn(), id, now).await?;
    if request.state != KeyRequestState::Requested {
        let state = request.state.as_str();
        return Err(Error::conflict(
            "key_request_decided",
            format!("申请 {id} 已不在等待（{state}）。"),
            format!("request {id} waits no more: it is {state}."),
        ));
    }
    Ok(request)
}

/// The key that a request was made for, as long as the act is still possible and the key the same.
async fn as_it_was(tx: &mut Tx, request: &KeyRequestView) -> Result<KeyRow, Error> {
    let newest = match request.act {
        KeyAct::Rotate => 0,
        KeyAct::Destroy => request.epoch,
    };
    let key = row::find(tx.conn(), request.owner, newest).await?;
    let Some(key) =
        key.filter(|key| key.epoch == request.epoch && key.commitment == request.commitment)
    else {
        return Err(Error::conflict(
            "key_changed",
            "申请之后密钥已变化。",
            "the key is not the one that the request was made for any more.",
        )
        .with_remedy("撤回后重新申请。", "withdraw the request and make another."));
    };
    possible(tx, request.act, &key).await?;
    Ok(key)
}

/// Destroys, and says what has to be erased behind it.
async fn destroy(tx: &mut Tx, request: &KeyRequestView) -> Result<Erasure, Error> {
    rotate::destroy(tx, request.owner, request.epoch).await?;
    let KeyOwner::Scenario(id) = request.owner else {
        return ended_objects(tx, request.epoch).await.map(Erasure::Objects);
    };
    Ok(Erasure::Scenario(id))
}

/// The files whose tokens were of a destroyed epoch of the intake key; private data sets are without data then.
async fn ended_objects(tx: &mut Tx, epoch: u32) -> Result<Vec<String>, Error> {
    let failed = |source| storage_error("end an epoch's files", source);
    let mut keys = Vec::new();
    for sql in [
        "SELECT id AS object FROM dataset_versions WHERE intake_epoch = $1",
        "SELECT object_key AS object FROM private_datasets WHERE intake_epoch = $1 AND written_at > 0",
    ] {
        let rows = sqlx::query(sql)
            .bind(i64::from(epoch))
            .fetch_all(tx.conn())
            .await
            .map_err(failed)?;
        for row in &rows {
            keys.push(document::text(row, "object")?);
        }
    }
    sqlx::query(
        "UPDATE private_datasets SET object_key = '', sha256 = '', bytes = 0, rows_total = 0, written_at = 0 \
         WHERE intake_epoch = $1",
    )
    .bind(i64::from(epoch))
    .execute(tx.conn())
    .await
    .map_err(failed)?;
    Ok(keys)
}

async fn decide(
    tx: &mut Tx,
    request: &KeyRequestView,
    to: KeyRequestState,
    by: AccountId,
) -> Result<(), Error> {
    let at = tx.now_micros();
    sqlx::query(
        "UPDATE key_requests SET state = $1, decided_by = $2, decided_at = $3 WHERE id = $4",
    )
    .bind(to.as_str())
    .bind(by.to_string())
    .bind(at)
    .bind(request.id.to_string())
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("decide a key request", source))?;
    Ok(())
}

fn told(leaf: LeafDraft, request: &KeyRequestView, key: &KeyRow) -> LeafDraft {
    leaf.subject(request.id)
        .reference(request.leaf)
        .reference(key.leaf)
}

fn same_person() -> Error {
    Error::denied(
        "second_person",
        "对密钥的操作须由另一名安全管理员确认。",
        "an act on a key is confirmed by another security administrator than the one who asked for it.",
    )
}

async fn by_id(
    conn: &mut AnyConnection,
    id: KeyRequestId,
    now: Timestamp,
) -> Result<KeyRequestView, Error> {
    let row = sqlx::query("SELECT * FROM key_requests WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .map_err(|source| storage_error("read a key request", source))?;
    match row {
        Some(row) => view(&row, now),
        None => Err(Error::not_found(
            format!("没有密钥申请 {id}。"),
            format!("there is no key request {id}."),
        )),
    }
}

fn view(row: &AnyRow, now: Timestamp) -> Result<KeyRequestView, Error> {
    let strange = |source: &'static str| Error::internal("read a key request", source);
    let expires_at = timestamp(document::integer(row, "expires_at")?);
    let decided_at = document::integer(row, "decided_at")?;
    let decided_by = document::text(row, "decided_by")?;
    let state = document::text(row, "state")?;
    let state = [
        KeyRequestState::Requested,
        KeyRequestState::Confirmed,
        KeyRequestState::Withdrawn,
    ]
    .into_iter()
    .find(|known| known.as_str() == state)
    .ok_or_else(|| strange("a state that is none"))?;
    let act = document::text(row, "act")?;
    let act = [KeyAct::Rotate, KeyAct::Destroy]
        .into_iter()
        .find(|known| known.as_str() == act)
        .ok_or_else(|| strange("an act that is none"))?;
    Ok(KeyRequestView {
        id: document::id(row, "id")?,
        act,
        owner: document::text(row, "owner")?.parse()?,
        epoch: u32::try_from(document::integer(row, "epoch")?)
            .map_err(|_| strange("an epoch that is none"))?,
        commitment: document::text(row, "commitment")?,
        reason: document::text(row, "reason")?,
        state: match state {
            KeyRequestState::Requested if expires_at <= now => KeyRequestState::Expired,
            known => known,
        },
        requested_by: document::id(row, "requested_by")?,
        decided_by: decided_by.parse().ok(),
        created_at: timestamp(document::integer(row, "created_at")?),
        expires_at,
        decided_at: (decided_at > 0).then(|| timestamp(decided_at)),
        leaf: document::count(row, "leaf")?,
    })
}
