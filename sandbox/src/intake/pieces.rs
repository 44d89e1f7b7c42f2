//! Data that arrive in pieces, each after the one before.
//!
//! A piece is stored as an encrypted object of its own and counts once it is acknowledged; one that breaks off leaves
//! what there was. The last piece makes the whole: it is streamed behind the stored ones into one object, held against
//! the manifest, and the pieces are let go of.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use sqlx::AnyConnection;

use super::arrival::{Arrived, bounded, check_arrived};
use super::push::{PushView, keep, require_open};
use super::row::push_row;
use crate::access::{Actor, Authorisation, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::PushId;
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::storage::{Tx, storage_error};

/// Pieces of one push.
const PIECES_MAX: usize = 10_000;

/// Which bytes of a push a piece is: at least one, all of them inside the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceRange {
    first: u64,
    bytes: u64,
    total: u64,
}

impl PieceRange {
    /// Bytes `first` to `last`, both counted, of `total`; none when they are not inside.
    #[must_use]
    pub fn new(first: u64, last: u64, total: u64) -> Option<Self> {
        let bytes = last.checked_sub(first)?.checked_add(1)?;
        (last < total).then_some(Self {
            first,
            bytes,
            total,
        })
    }

    fn is_last(self) -> bool {
        self.first + self.bytes == self.total
    }
}

/// What there is of a push so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pieces {
    keys: Vec<String>,
    bytes: u64,
    /// Bytes of the whole, as the first piece said.
    total: Option<u64>,
}

impl Platform {
    /// Takes the next piece of an open push's data.
    ///
    /// # Errors
    /// Conflict with `piece_does_not_fit` when the piece does not begin where the stored ones end: the message says
    /// where that is. Invalid when the whole is not what the manifest says: the pieces are erased then.
    pub async fn write_push_piece(
        &self,
        actor: &Actor,
        id: PushId,
        range: PieceRange,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<PushView, Error> {
        let push = self.push_view(id).await?;
        // Looked at once more where the piece is kept.
        self.authorise(actor, Operation::WritePushData, Object::Of(push.provider))?;
        require_open(push.state)?;
        self.check_total(&push, range)?;
        let pieces = self
            .store()
            .read("pieces of a push", |conn| {
                Box::pin(async move { pieces_of(conn, id).await })
            })
            .await?;
        require_fitting(&push, &pieces, range)?;
        if range.is_last() {
            self.complete(actor, &push, &pieces, range, data).await?;
        } else {
            self.append(actor, &push, range, data).await?;
        }
        self.push_view(id).await
    }

    fn check_total(&self, push: &PushView, range: PieceRange) -> Result<(), Error> {
        let most = self.intake().limits().push_bytes_max;
        let (wanted, total) = (push.manifest.bytes, range.total);
        if total > most {
            return Err(Error::too_large(
                "data_too_large",
                format!("一次推送最多 {most} 字节。"),
                format!("a push is at most {most} bytes."),
            ));
        }
        match wanted.filter(|wanted| *wanted != total) {
            None => Ok(()),
            Some(wanted) => Err(Error::invalid(
                "size_mismatch",
                format!("清单声明 {wanted} 字节，本片段声明共 {total} 字节。"),
                format!("the manifest says {wanted} bytes, this piece says {total} in all."),
            )
            .with_remedy(
                "继续传输同一文件，或另开推送。",
                "go on with the same file, or open another push.",
            )),
        }
    }

    /// Stores a piece that is not the last.
    async fn append(
        &self,
        actor: &Actor,
        push: &PushView,
        range: PieceRange,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<(), Error> {
        let id = push.id;
        let authorisation =
            self.authorise(actor, Operation::WritePushData, Object::Of(push.provider))?;
        let key = self.raw_key(id);
        let stored = self
            .objects()
            .put_stream(ObjectArea::Raw, &key, bounded(data, range.bytes))
            .await?;
        let kept = match stored.bytes == range.bytes {
            false => Err(short(range.bytes, stored.bytes)),
            true => {
                let sha256 = hex::encode(stored.sha256);
                self.store()
                    .act(authorisation, "write_push_piece", |tx| {
                        let (key, sha256) = (key.clone(), sha256.clone());
                        Box::pin(async move {
                            insert(tx, id, range, &key).await?;
                            let detail = json!({ "first": range.first, "bytes": range.bytes, "sha256": sha256 });
                            Ok(((), LeafDraft::new("push.piece", detail).subject(id)))
                        })
                    })
                    .await
            }
        };
        if kept.is_err() {
            self.erase_raw(&key).await;
        }
        kept
    }

    /// Makes the whole of the stored pieces and the last one.
    async fn complete(
        &self,
        actor: &Actor,
        push: &PushView,
        pieces: &Pieces,
        range: PieceRange,
        data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<(), Error> {
        let key = self.raw_key(push.id);
        let whole = self.stored(&pieces.keys).chain(bounded(data, range.bytes));
        let stored = self
            .objects()
            .put_stream(ObjectArea::Raw, &key, whole)
            .await?;
        let arrived = Arrived {
            key: key.clone(),
            bytes: stored.bytes,
            sha256: hex::encode(stored.sha256),
        };
        match self.keep_whole(actor, push, pieces, range, arrived).await {
            Ok(before) => self.erase_all_raw(&before).await,
            Err(error) => {
                self.erase_raw(&key).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Holds the whole against range and manifest, and makes it the push's; says the keys of what it replaces.
    async fn keep_whole(
        &self,
        actor: &Actor,
        push: &PushView,
        pieces: &Pieces,
        range: PieceRange,
        arrived: Arrived,
    ) -> Result<Vec<String>, Error> {
        let id = push.id;
        let authorisation =
            self.authorise(actor, Operation::WritePushData, Object::Of(push.provider))?;
        if arrived.bytes != range.total {
            let found = arrived.bytes.saturating_sub(range.first);
            return Err(short(range.bytes, found));
        }
        if let Err(error) = check_arrived(&push.manifest, &arrived) {
            self.discard(authorisation, id).await?;
            return Err(error);
        }
        self.store()
            .act(authorisation, "write_push_data", |tx| {
                let (arrived, pieces) = (arrived.clone(), pieces.clone());
                Box::pin(async move {
                    if pieces_of(tx.conn(), id).await? != pieces {
                        return Err(overtaken());
                    }
                    keep(tx, id, &arrived).await
                })
            })
            .await
    }

    /// Lets go of the pieces of a whole that is not what the manifest says.
    async fn discard(&self, authorisation: Authorisation, id: PushId) -> Result<(), Error> {
        let keys = self
            .store()
            .act(authorisation, "discard_push_pieces", |tx| {
                Box::pin(async move {
                    require_open(push_row(tx.conn(), id).await?.view.state)?;
                    let keys = take_pieces(tx.conn(), id).await?;
                    set_bytes(tx.conn(), id, 0).await?;
                    let detail = json!({ "pieces": keys.len() });
                    Ok((keys, LeafDraft::new("push.discard", detail).subject(id)))
                })
            })
            .await?;
        self.erase_all_raw(&keys).await;
        Ok(())
    }

    /// The bytes of stored pieces, one after the other.
    fn stored(&self, keys: &[String]) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        let keys = futures::stream::iter(keys.to_vec());
        let objects = self.objects().clone();
        let files = keys.then(move |key| {
            let objects = objects.clone();
            async move { objects.open_file(ObjectArea::Raw, &key).await }
        });
        files
            .map_ok(|file| {
                let failed = |source| Error::internal("read a piece", source);
                file.stream().map_err(failed)
            })
            .try_flatten()
    }

    pub(super) async fn erase_all_raw(&self, keys: &[String]) {
        for key in keys {
            self.erase_raw(key).await;
        }
    }

    /// A key of its own for each attempt: what was sent before stays whole until this is.
    pub(super) fn raw_key(&self, id: PushId) -> String {
        format!("{id}/{}", PushId::new(self.clock(), self.entropy()))
    }
}

async fn insert(tx: &mut Tx, id: PushId, range: PieceRange, key: &str) -> Result<(), Error> {
    let push = push_row(tx.conn(), id).await?.view;
    require_open(push.state)?;
    let pieces = pieces_of(tx.conn(), id).await?;
    require_fitting(&push, &pieces, range)?;
    sqlx::query(
        "INSERT INTO push_pieces (push_id, first_byte, bytes, total_bytes, object_key) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.to_string())
    .bind(document::stored_count(range.first)?)
    .bind(document::stored_count(range.bytes)?)
    .bind(document::stored_count(range.total)?)
    .bind(key)
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("keep a piece", source))?;
    set_bytes(tx.conn(), id, range.first + range.bytes).await
}

async fn set_bytes(conn: &mut AnyConnection, id: PushId, bytes: u64) -> Result<(), Error> {
    sqlx::query("UPDATE pushes SET bytes = $1 WHERE id = $2")
        .bind(document::stored_count(bytes)?)
        .bind(id.to_string())
        .execute(conn)
        .await
        .map_err(|source| storage_error("keep a piece", source))?;
    Ok(())
}

async fn pieces_of(conn: &mut AnyConnection, id: PushId) -> Result<Pieces, Error> {
    let rows = sqlx::query(
        "SELECT bytes, total_bytes, object_key FROM push_pieces WHERE push_id = $1 ORDER BY first_byte",
    )
    .bind(id.to_string())
    .fetch_all(conn)
    .await
    .map_err(|source| storage_error("read pieces", source))?;
    let mut pieces = Pieces::default();
    for row in &rows {
        pieces.keys.push(document::text(row, "object_key")?);
        pieces.bytes += document::count(row, "bytes")?;
        pieces.total = Some(document::count(row, "total_bytes")?);
    }
    Ok(pieces)
}

/// Takes the pieces of a push out of the database; says their keys, to be erased.
pub(super) async fn take_pieces(
    conn: &mut AnyConnection,
    id: PushId,
) -> Result<Vec<String>, Error> {
    let pieces = pieces_of(&mut *conn, id).await?;
    sqlx::query("DELETE FROM push_pieces WHERE push_id = $1")
        .bind(id.to_string())
        .execute(conn)
        .await
        .map_err(|source| storage_error("let go of pieces", source))?;
    Ok(pieces.keys)
}

/// Whether an object is a piece of an upload that goes on.
pub(super) async fn is_piece(conn: &mut AnyConnection, key: &str) -> Result<bool, Error> {
    let row = sqlx::query("SELECT push_id FROM push_pieces WHERE object_key = $1")
        .bind(key)
        .fetch_optional(conn)
        .await
        .map_err(|source| storage_error("read pieces", source))?;
    Ok(row.is_some())
}

/// Why a push without whole data cannot be committed.
pub(super) async fn incomplete(conn: &mut AnyConnection, id: PushId) -> Result<Error, Error> {
    let pieces = pieces_of(conn, id).await?;
    let Some(total) = pieces.total else {
        return Ok(Error::conflict(
            "push_without_data",
            "该推送还没有数据。",
            "the push has no data yet.",
        )
        .with_remedy("先上传数据再提交。", "send the data, then commit."));
    };
    let stored = pieces.bytes;
    Ok(Error::conflict(
        "data_incomplete",
        format!("该推送共 {total} 字节，目前收到 {stored} 字节。"),
        format!("{stored} of the push's {total} bytes have arrived."),
    )
    .with_remedy(
        format!("从第 {stored} 字节起续传，再提交。"),
        format!("send the rest, from byte {stored}, then commit."),
    ))
}

fn require_fitting(push: &PushView, pieces: &Pieces, range: PieceRange) -> Result<(), Error> {
    let whole = push.sha256.is_some();
    let stored = push.bytes;
    if pieces.keys.len() >= PIECES_MAX {
        return Err(Error::too_large(
            "pieces_many",
            format!("一次推送最多 {PIECES_MAX} 个片段。"),
            format!("a push has at most {PIECES_MAX} pieces."),
        )
        .with_remedy("用更大的片段重新上传。", "send it again in larger pieces."));
    }
    let same_total = pieces.total.is_none_or(|total| total == range.total);
    if !whole && same_total && range.first == stored {
        return Ok(());
    }
    let (first, total) = (range.first, range.total);
    let known = pieces.total.unwrap_or(total);
    Err(Error::conflict(
        "piece_does_not_fit",
        format!("已收到 {stored} 字节（共 {known} 字节）；本片段从第 {first} 字节起，声明共 {total} 字节。"),
        format!("{stored} bytes of {known} are stored; the piece begins at byte {first} of {total}."),
    )
    .with_remedy(
        format!("从第 {stored} 字节起续传；或不带 Content-Range 重新上传整个文件。"),
        format!("go on from byte {stored}; or send the whole file again, without Content-Range."),
    ))
}

fn short(wanted: u64, found: u64) -> Error {
    Error::invalid(
        "piece_short",
        format!("片段声明 {wanted} 字节，收到 {found} 字节。"),
        format!("the piece says {wanted} bytes, {found} arrived."),
    )
    .with_remedy("重新发送该片段。", "send the piece again.")
}

fn overtaken() -> Error {
    Error::conflict(
        "push_changed",
        "上传期间该推送的数据已被替换。",
        "the data of the push were replaced meanwhile.",
    )
    .with_remedy("查看推送状态后续传。", "look at the push, then go on.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_inside_its_whole() {
        let range = |first, last, total| PieceRange::new(first, last, total);
        assert_eq!(range(0, 9, 10).map(PieceRange::is_last), Some(true));
        assert_eq!(range(0, 8, 10).map(PieceRange::is_last), Some(false));
        for (first, last, total) in [(5, 4, 10), (0, 10, 10), (0, 0, 0), (0, u64::MAX, u64::MAX)] {
            assert_eq!(range(first, last, total), None, "{first}-{last}/{total}");
        }
    }
}
