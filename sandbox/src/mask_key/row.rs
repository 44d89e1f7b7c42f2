//! Keys of epochs in rows.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{KeyOwner, KeyState, MaskKeyView};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::storage::storage_error;

/// The list of keys, with what still holds tokens of an epoch of the intake key.
pub(super) const VIEW: &str = "SELECT k.id, k.owner, k.epoch, k.state, k.suite, k.commitment, k.created_at, k.retired_at, k.destroyed_at, k.leaf, \
     COALESCE(s.name, '') AS scenario, \
     CASE WHEN k.owner = 'intake' THEN \
     (SELECT COUNT(*) FROM datasets d JOIN dataset_versions v ON v.id = d.version_id WHERE v.intake_epoch = k.epoch) + \
     (SELECT COUNT(*) FROM private_datasets p WHERE p.written_at > 0 AND p.intake_epoch = k.epoch) \
     ELSE 0 END AS in_use \
     FROM mask_keys k LEFT JOIN scenarios s ON s.id = k.owner WHERE k.id > $1 ORDER BY k.id LIMIT $2";

/// A key of an epoch as stored.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) owner: KeyOwner,
    pub(crate) epoch: u32,
    pub(crate) state: KeyState,
    /// Whether it is the masking key itself, from before there were shares.
    pub(crate) shareless: bool,
    pub(super) share: Vec<u8>,
    pub(crate) commitment: String,
    pub(crate) leaf: u64,
}

pub(super) fn view(row: &AnyRow) -> Result<MaskKeyView, Error> {
    let moment = |name: &'static str| -> Result<Option<jiff::Timestamp>, Error> {
        let at = document::integer(row, name)?;
        Ok((at > 0).then(|| timestamp(at)))
    };
    let scenario = document::text(row, "scenario")?;
    Ok(MaskKeyView {
        id: document::id(row, "id")?,
        owner: document::text(row, "owner")?.parse()?,
        scenario: (!scenario.is_empty()).then_some(scenario),
        epoch: epoch(row)?,
        state: state(row)?,
        suite: document::text(row, "suite")?,
        commitment: document::text(row, "commitment")?,
        datasets: document::count(row, "in_use")?,
        created_at: timestamp(document::integer(row, "created_at")?),
        retired_at: moment("retired_at")?,
        destroyed_at: moment("destroyed_at")?,
        leaf: document::count(row, "leaf")?,
    })
}

fn epoch(row: &AnyRow) -> Result<u32, Error> {
    u32::try_from(document::integer(row, "epoch")?)
        .map_err(|source| Error::internal("read an epoch", source))
}

fn state(row: &AnyRow) -> Result<KeyState, Error> {
    KeyState::parse(&document::text(row, "state")?)
        .ok_or_else(|| Error::internal("read a key", "a state that is none"))
}

fn key_row(row: &AnyRow) -> Result<KeyRow, Error> {
    Ok(KeyRow {
        owner: document::text(row, "owner")?.parse()?,
        epoch: epoch(row)?,
        state: state(row)?,
        shareless: document::integer(row, "shareless")? != 0,
        share: row
            .try_get("share")
            .map_err(|source| storage_error("read a key", source))?,
        commitment: document::text(row, "commitment")?,
        leaf: document::count(row, "leaf")?,
    })
}

/// The key of an owner: of an epoch, or with 0 the newest.
pub(super) async fn find(
    conn: &mut AnyConnection,
    owner: KeyOwner,
    epoch: u32,
) -> Result<Option<KeyRow>, Error> {
    let row = sqlx::query(
        "SELECT owner, epoch, state, shareless, share, commitment, leaf FROM mask_keys \
         WHERE owner = $1 AND (epoch = $2 OR $2 = 0) ORDER BY epoch DESC LIMIT 1",
    )
    .bind(owner.to_string())
    .bind(i64::from(epoch))
    .fetch_optional(conn)
    .await
    .map_err(|source| storage_error("read a key", source))?;
    row.as_ref().map(key_row).transpose()
}

/// The newest key of an owner, if it is active.
///
/// # Errors
/// Conflict `key_destroyed` when it was destroyed or has ended, with what would help.
pub(crate) async fn require_active(
    conn: &mut AnyConnection,
    owner: KeyOwner,
) -> Result<KeyRow, Error> {
    match find(conn, owner, 0).await? {
        Some(key) if key.state == KeyState::Active => Ok(key),
        _ => Err(gone(owner, None)),
    }
}

/// What is said where a key is needed that is not there any more.
pub(super) fn gone(owner: KeyOwner, epoch: Option<u32>) -> Error {
    let (zh, en) = match owner {
        KeyOwner::Intake => ("接收密钥".to_owned(), "the intake key".to_owned()),
        KeyOwner::Scenario(id) => (
            format!("场景 {id} 的密钥"),
            format!("the key of scenario {id}"),
        ),
    };
    let (zh, en) = match epoch {
        Some(epoch) => (
            format!("{zh}（周期 {epoch}）"),
            format!("{en}, epoch {epoch},"),
        ),
        None => (zh, en),
    };
    Error::conflict(
        "key_destroyed",
        format!("{zh} 已销毁或已终止，不能再据以生成假名。"),
        format!("{en} was destroyed or has ended; no token can be made with it any more."),
    )
    .with_remedy(
        "由两名安全管理员轮换密钥（egret key rotate），开始新的周期。",
        "two security administrators can begin a new epoch (egret key rotate).",
    )
}
