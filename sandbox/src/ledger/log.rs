//! The log as it is published: signed checkpoints, proofs, leaves, and a walk through all of it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{hmac, signature::Ed25519KeyPair};
use sqlx::{AnyConnection, Row as _};

use super::{
    Edge, Hash, InclusionProof, LeafDraft, VerifyingKey,
    leaf::canonical,
    leaf_hash,
    note::NoteSigner,
    tree::{node_hash, sha256, subtrees},
};
use crate::{
    access::{SystemOperation, system},
    error::Error,
    storage::{Store, storage_error},
};

/// Leaves of one page.
const PAGE_MAX: u32 = 200;

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves covered.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

/// The proof that a log only grew between two sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The smaller size.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// The hashes, as RFC 9162 orders them.
    pub path: Vec<Hash>,
}

/// A leaf and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafRecord {
    /// Its position.
    pub index: u64,
    /// What happened.
    pub kind: String,
    /// The canonical text that is hashed.
    pub leaf: String,
    /// The leaf hash.
    pub hash: Hash,
    /// What it commits to, unless erased.
    pub detail: Option<serde_json::Value>,
    /// What the commitment to the detail is keyed with, in hex, unless erased.
    pub salt: Option<String>,
}

/// The public keys that everything can be verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerKeys {
    /// Signs checkpoints; its name is the log's origin.
    pub checkpoint: VerifyingKey,
    /// Signs certificates.
    pub certificate: VerifyingKey,
}

/// Signs checkpoints and certificates.
pub(crate) struct Signer {
    checkpoint: NoteSigner,
    certificate: Ed25519KeyPair,
    certificate_key: VerifyingKey,
}

impl Signer {
    /// Under two seeds of 32 bytes; `origin` names the log.
    pub(crate) fn new(
        origin: &str,
        checkpoint_seed: &[u8; 32],
        certificate_seed: &[u8; 32],
    ) -> Result<Self, Error> {
        let broken = || Error::internal("read the signing keys", "a seed that makes no key");
        let checkpoint = NoteSigner::new(origin, checkpoint_seed).ok_or_else(broken)?;
        let name = format!("{origin}/certificates");
        let certificate_key = NoteSigner::new(&name, certificate_seed)
            .ok_or_else(broken)?
            .verifying()
            .clone();
        let certificate =
            Ed25519KeyPair::from_seed_unchecked(certificate_seed).map_err(|_| broken())?;
        Ok(Self {
            checkpoint,
            certificate,
            certificate_key,
        })
    }

    /// The public halves.
    pub(crate) fn public_keys(&self) -> LedgerKeys {
        LedgerKeys {
            checkpoint: self.checkpoint.verifying().clone(),
            certificate: self.certificate_key.clone(),
        }
    }

    /// The signed checkpoint of a log of this size and root.
    fn note(&self, size: u64, root: &Hash) -> String {
        let origin = self.checkpoint.verifying().name();
        self.checkpoint
            .sign(&format!("{origin}\n{size}\n{}\n", STANDARD.encode(root)))
    }

    /// A checkpoint of a log that a test made up.
    #[cfg(test)]
    pub(crate) fn sign_checkpoint_of_test(&self, size: u64, root: &Hash) -> String {
        self.note(size, root)
    }

    /// Signs bytes with the certificate key.
    pub(crate) fn sign_certificate(&self, bytes: &[u8]) -> Vec<u8> {
        self.certificate.sign(bytes).as_ref().to_vec()
    }
}

/// The log of a store, with the keys that sign it and the anchor that remembers what was signed.
pub(crate) struct Log {
    signer: Signer,
    anchor: Arc<Mutex<Anchor>>,
}

/// The largest checkpoint ever signed, in a file that no backup holds: a database that is older than its anchor was
/// rolled back, and signing it would fork the log.
struct Anchor {
    file: PathBuf,
    size: u64,
    root: Hash,
}

impl Log {
    /// Writes the first anchor, of nothing, beside a database that holds no leaf yet: from then on a database that
    /// has leaves and no anchor was put here from elsewhere.
    ///
    /// # Errors
    /// The anchor cannot be written.
    pub(crate) async fn begin(store: &Store, anchor_file: &Path) -> Result<(), Error> {
        if anchor_file.exists() {
            return Ok(());
        }
        let edge = store
            .read("read the ledger's edge", |conn| Box::pin(edge(conn)))
            .await?;
        if edge.size() > 0 {
            return Ok(());
        }
        Anchor::none(anchor_file)
            .write(0, &sha256(&[]))
            .map_err(|source| unwritable(anchor_file).with_source(source))
    }

    /// Opens the log and compares the database with the anchor.
    ///
    /// # Errors
    /// The database holds less than was signed, or something else; or there is no anchor beside a log that was signed,
    /// and nobody said that it is to be taken as it is.
    pub(crate) async fn open(
        store: &Store,
        signer: Signer,
        anchor_file: &Path,
        take_as_it_is: bool,
    ) -> Result<Self, Error> {
        let anchor = match Anchor::read(anchor_file)? {
            Some(anchor) => anchor,
            None => recovered(store, anchor_file, take_as_it_is).await?,
        };
        let (size, root) = (anchor.size, anchor.root);
        let file = anchor_file.display().to_string();
        store
            .read("compare the ledger with its anchor", move |conn| {
                Box::pin(async move {
                    let edge = edge(conn).await?;
                    let holds = edge.size() >= size
                        && (size == 0 || range_root(conn, 0, size).await? == root);
                    if holds {
                        Ok(())
                    } else {
                        Err(rolled_back(edge.size(), size, &file))
                    }
                })
            })
            .await?;
        Ok(Self {
            signer,
            anchor: Arc::new(Mutex::new(anchor)),
        })
    }

    /// The keys behind the log.
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Signs the log as it stands.
    pub(crate) async fn checkpoint(&self, store: &Store) -> Result<Checkpoint, Error> {
        let edge = store
            .read("read the ledger's edge", |conn| Box::pin(edge(conn)))
            .await?;
        self.sign(edge.size(), edge.root()).await
    }

    async fn sign(&self, size: u64, root: Hash) -> Result<Checkpoint, Error> {
        let anchor = Arc::clone(&self.anchor);
        // The anchor is on the disk before a larger checkpoint is signed, and a disk makes one wait.
        tokio::task::spawn_blocking(move || {
            anchor
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remember(size, root)
        })
        .await
        .map_err(|source| Error::internal("sign a checkpoint", source))??;
        let note = self.signer.note(size, &root);
        let origin = self.signer.checkpoint.verifying().name().to_owned();
        Ok(Checkpoint {
            origin,
            size,
            root,
            note,
        })
    }

    /// The proof that a leaf is in the log as it stands, with the checkpoint that it leads to.
    pub(crate) async fn inclusion(
        &self,
        store: &Store,
        index: u64,
    ) -> Result<(InclusionProof, Checkpoint), Error> {
        let (path, edge) = store
            .read("prove a leaf", move |conn| {
                Box::pin(async move {
                    let edge = edge(conn).await?;
                    if index >= edge.size() {
                        return Err(no_leaf(index));
                    }
                    Ok((inclusion_path(conn, index, edge.size()).await?, edge))
                })
            })
            .await?;
        Ok((
            InclusionProof { index, path },
            self.sign(edge.size(), edge.root()).await?,
        ))
    }

    /// The proof that the log only grew between two sizes.
    pub(crate) async fn consistency(
        &self,
        store: &Store,
        from: u64,
        to: u64,
    ) -> Result<ConsistencyProof, Error> {
        let path = store
            .read("prove consistency", move |conn| {
                Box::pin(async move {
                    let size = edge(conn).await?.size();
                    if from > to || to > size {
                        return Err(Error::invalid(
                            "ledger_sizes",
                            format!("须满足 from ≤ to ≤ {size}。"),
                            format!("from ≤ to ≤ {size} must hold."),
                        ));
                    }
                    if from == 0 || from == to {
                        return Ok(Vec::new());
                    }
                    consistency_path(conn, from, to).await
                })
            })
            .await?;
        Ok(ConsistencyProof { from, to, path })
    }

    /// Leaves behind a position, or from the beginning.
    pub(crate) async fn leaves(
        store: &Store,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<LeafRecord>, Error> {
        let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let limit = i64::from(limit.clamp(1, PAGE_MAX));
        store
            .read("list leaves", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT l.position, l.kind, l.leaf, d.detail, d.salt FROM ledger_leaves l \
                         LEFT JOIN ledger_details d ON d.position = l.position \
                         WHERE l.position > $1 ORDER BY l.position LIMIT $2",
                    )
                    .bind(after)
                    .bind(limit)
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(listed)?;
                    rows.iter().map(record).collect()
                })
            })
            .await
    }

    /// Recomputes the whole log: every leaf's hash, every commitment, the nodes and the root.
    ///
    /// # Errors
    /// Names the first leaf that does not fit.
    pub(crate) async fn verify_all(&self, store: &Store) -> Result<Checkpoint, Error> {
        let anchored = {
            let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
            (anchor.size, anchor.root, anchor.file.display().to_string())
        };
        let edge = store
            .read("verify the ledger", move |conn| {
                Box::pin(async move { walk(conn, &anchored).await })
            })
            .await?;
        self.sign(edge.size(), edge.root()).await
    }
}

impl Anchor {
    fn none(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            size: 0,
            root: sha256(&[]),
        }
    }

    /// The anchor of a file; none where there is no file.
    fn read(file: &Path) -> Result<Option<Self>, Error> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(file).with_source(error)),
        };
        let mut words = text.split_whitespace();
        let size = words.next().and_then(|size| size.parse().ok());
        let root = words
            .next()
            .and_then(|root| hex::decode(root).ok()?.try_into().ok());
        match (size, root) {
            (Some(size), Some(root)) => Ok(Some(Self {
                file: file.to_owned(),
                size,
                root,
            })),
            _ => Err(unreadable(file)),
        }
    }

    /// Remembers the largest checkpoint; refuses another history of the same length.
    fn remember(&mut self, size: u64, root: Hash) -> Result<(), Error> {
        if size == self.size && size > 0 && root != self.root {
            return Err(rolled_back(
                size,
                self.size,
                &self.file.display().to_string(),
            ));
        }
        if size > self.size {
            self.write(size, &root)
                .map_err(|source| unwritable(&self.file).with_source(source))?;
            (self.size, self.root) = (size, root);
        }
        Ok(())
    }

    /// Beside the file and then in its place, so that there is always one whole anchor.
    fn write(&self, size: u64, root: &Hash) -> std::io::Result<()> {
        let new = self.file.with_extension("new");
        let mut out = std::fs::File::create(&new)?;
        writeln!(out, "{size} {}", hex::encode(root))?;
        out.sync_data()?;
        std::fs::rename(&new, &self.file)?;
        match self.file.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// How many leaves were signed, by the anchor in a file; none where there is no anchor that can be read.
pub(crate) fn anchored(file: &Path) -> Option<u64> {
    let anchor = Anchor::read(file).ok().flatten()?;
    Some(anchor.size)
}

/// A log without its anchor: what was signed of it is not known, and signing it again may fork it. Where that is taken,
/// it stands in the log.
async fn recovered(store: &Store, file: &Path, take_as_it_is: bool) -> Result<Anchor, Error> {
    let edge = store
        .read("read the ledger's edge", |conn| Box::pin(edge(conn)))
        .await?;
    if edge.size() > 0 {
        if !take_as_it_is {
            return Err(no_anchor(edge.size(), file));
        }
        let (size, root) = (edge.size(), hex::encode(edge.root()));
        tracing::warn!(
            size,
            "the ledger is taken as it is, without its anchor; this is written into it"
        );
        store
            .act(
                system(SystemOperation::Bootstrap),
                "recover the anchor",
                move |_tx| {
                    let detail = serde_json::json!({ "size": size.to_string(), "root": root });
                    Box::pin(async move { Ok(((), LeafDraft::new("ledger.recover", detail))) })
                },
            )
            .await?;
    }
    let anchor = Anchor::none(file);
    anchor
        .write(0, &sha256(&[]))
        .map_err(|source| unwritable(file).with_source(source))?;
    Ok(anchor)
}

/// The right edge as it stands.
async fn edge(conn: &mut AnyConnection) -> Result<Edge, Error> {
    let row = sqlx::query("SELECT size, edge FROM ledger_state WHERE id = 1")
        .fetch_one(&mut *conn)
        .await
        .map_err(listed)?;
    let bytes: Vec<u8> = row.try_get(1).map_err(listed)?;
    Edge::from_parts(row.try_get(0).map_err(listed)?, &bytes)
}

async fn node(conn: &mut AnyConnection, level: u32, position: u64) -> Result<Hash, Error> {
    let row = sqlx::query("SELECT hash FROM ledger_nodes WHERE level = $1 AND position = $2")
        .bind(i64::from(level))
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .fetch_one(&mut *conn)
        .await
        .map_err(listed)?;
    let bytes: Vec<u8> = row.try_get(0).map_err(listed)?;
    bytes
        .try_into()
        .map_err(|_| Error::internal("read the ledger", "a node that is no hash"))
}

/// The root over the leaves `[from, from + count)`.
async fn range_root(conn: &mut AnyConnection, from: u64, count: u64) -> Result<Hash, Error> {
    let mut root: Option<Hash> = None;
    for (level, position) in subtrees(from, count).into_iter().rev() {
        let left = node(conn, level, position).await?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(root.unwrap_or_else(|| sha256(&[])))
}

/// Largest power of two below `count`, which is at least two.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// RFC 9162, 2.1.3.1, from the leaf upwards.
async fn inclusion_path(
    conn: &mut AnyConnection,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, Error> {
    let (mut from, mut count, mut path) = (0, size, Vec::new());
    while count > 1 {
        let left = split(count);
        if index - from < left {
            path.push(range_root(conn, from + left, count - left).await?);
            count = left;
        } else {
            path.push(range_root(conn, from, left).await?);
            from += left;
            count -= left;
        }
    }
    path.reverse();
    Ok(path)
}

/// RFC 9162, 2.1.4.1.
async fn consistency_path(
    conn: &mut AnyConnection,
    old: u64,
    size: u64,
) -> Result<Vec<Hash>, Error> {
    let (mut from, mut count, mut known, mut path) = (0, size, true, Vec::new());
    let mut rest = old;
    while rest != count {
        let left = split(count);
        if rest <= left {
            path.push(range_root(conn, from + left, count - left).await?);
            count = left;
        } else {
            path.push(range_root(conn, from, left).await?);
            from += left;
            count -= left;
            rest -= left;
            known = false;
        }
    }
    if !known {
        path.push(range_root(conn, from, count).await?);
    }
    path.reverse();
    Ok(path)
}

fn record(row: &sqlx::any::AnyRow) -> Result<LeafRecord, Error> {
    let index: i64 = row.try_get(0).map_err(listed)?;
    let leaf: String = row.try_get(2).map_err(listed)?;
    let detail: Option<String> = row.try_get(3).map_err(listed)?;
    let salt: Option<Vec<u8>> = row.try_get(4).map_err(listed)?;
    Ok(LeafRecord {
        index: u64::try_from(index).unwrap_or(0),
        kind: row.try_get(1).map_err(listed)?,
        hash: leaf_hash(leaf.as_bytes()),
        leaf,
        // What is no JSON any more is shown as it stands, so that it is seen not to fit.
        detail: detail.map(|detail| {
            serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail))
        }),
        salt: salt.map(hex::encode),
    })
}

/// Recomputes leaf by leaf, in pages, and compares the anchored part with the anchor.
async fn walk(
    conn: &mut AnyConnection,
    (anchored, anchored_root, anchor_file): &(u64, Hash, String),
) -> Result<Edge, Error> {
    let stored = edge(conn).await?;
    let mut computed = Edge::from_parts(0, &[])?;
    while computed.size() < stored.size() {
        let rows = sqlx::query(
            "SELECT l.position, l.leaf, d.salt, d.detail FROM ledger_leaves l \
             LEFT JOIN ledger_details d ON d.position = l.position \
             WHERE l.position >= $1 ORDER BY l.position LIMIT 1000",
        )
        .bind(i64::try_from(computed.size()).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await
        .map_err(listed)?;
        if rows.is_empty() {
            return Err(damaged(computed.size()));
        }
        for row in &rows {
            let leaf = fitting_leaf(row, computed.size())?;
            for full in computed.push(leaf_hash(leaf.as_bytes())) {
                if node(conn, full.level, full.position).await.ok() != Some(full.hash) {
                    return Err(damaged(computed.size() - 1));
                }
            }
            if computed.size() == *anchored && computed.root() != *anchored_root {
                return Err(rolled_back(stored.size(), *anchored, anchor_file));
            }
        }
    }
    if stored.size() < *anchored {
        return Err(rolled_back(stored.size(), *anchored, anchor_file));
    }
    let beyond = sqlx::query("SELECT COUNT(*) FROM ledger_leaves WHERE position >= $1")
        .bind(i64::try_from(stored.size()).unwrap_or(i64::MAX))
        .fetch_one(&mut *conn)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map_err(listed)?;
    if computed == stored && beyond == 0 {
        Ok(stored)
    } else {
        Err(damaged(stored.size()))
    }
}

/// The row's leaf, if it is the wanted one and its detail is what it commits to.
fn fitting_leaf(row: &sqlx::any::AnyRow, wanted: u64) -> Result<String, Error> {
    let position: i64 = row.try_get(0).map_err(listed)?;
    let leaf: String = row.try_get(1).map_err(listed)?;
    let salt: Option<Vec<u8>> = row.try_get(2).map_err(listed)?;
    let detail: Option<String> = row.try_get(3).map_err(listed)?;
    let detail_fits = commits(&leaf, salt.as_deref(), detail.as_deref());
    if u64::try_from(position) == Ok(wanted) && detail_fits {
        Ok(leaf)
    } else {
        Err(damaged(wanted))
    }
}

/// Whether a leaf's text commits to a detail under a salt. An erased detail leaves the leaf alone.
fn commits(leaf: &str, salt: Option<&[u8]>, detail: Option<&str>) -> bool {
    let committed = serde_json::from_str::<serde_json::Value>(leaf)
        .ok()
        .and_then(|leaf| hex::decode(leaf.get("detail")?.as_str()?).ok());
    match (committed, salt, detail) {
        (Some(committed), Some(salt), Some(detail)) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
            hmac::verify(&key, detail.as_bytes(), &committed).is_ok()
        }
        (Some(_), None, None) => true,
        _ => false,
    }
}

/// Whether a leaf commits to the detail that is shown beside it, as whoever reads leaves through the API can check: the
/// salt in hex, and the detail as JSON, whose canonical text (RFC 8785) is what was committed to.
#[must_use]
pub fn verify_detail(leaf: &str, salt: Option<&str>, detail: Option<&serde_json::Value>) -> bool {
    let Ok(salt) = salt.map(hex::decode).transpose() else {
        return false;
    };
    let Ok(detail) = detail.map(canonical).transpose() else {
        return false;
    };
    commits(leaf, salt.as_deref(), detail.as_deref())
}

fn listed(source: sqlx::Error) -> Error {
    storage_error("read the ledger", source)
}

fn no_leaf(index: u64) -> Error {
    Error::not_found(
        format!("账本中没有第 {index} 条。"),
        format!("the ledger has no leaf {index}."),
    )
}

fn damaged(position: u64) -> Error {
    Error::conflict(
        "ledger_damaged",
        format!("账本第 {position} 条与其哈希不符。"),
        format!("leaf {position} of the ledger does not fit its hash."),
    )
    .with_remedy(
        "停止写入，用检查点与备份比对。",
        "stop writing, and compare checkpoints with a backup.",
    )
}

fn rolled_back(found: u64, signed: u64, file: &str) -> Error {
    Error::conflict(
        "ledger_rolled_back",
        format!("账本（{found} 条）与已签发的检查点（{signed} 条，{file}）不一致：数据库被回退或篡改。"),
        format!(
            "the ledger ({found} leaves) is not the one that was signed ({signed} leaves, {file}): the \
             database was rolled back or changed."
        ),
    )
    .with_remedy(
        "恢复到不早于该检查点的数据库；不要删除锚文件。",
        "restore a database that is not older than the checkpoint; do not remove the anchor.",
    )
}

fn no_anchor(found: u64, file: &Path) -> Error {
    let shown = file.display();
    Error::conflict(
        "anchor_missing",
        format!("账本有 {found} 条，却没有锚文件 {shown}：数据库可能是旧备份，直接签发会使账本分叉。"),
        format!(
            "the ledger has {found} leaves and its anchor {shown} is missing: the database may be an old \
             backup, and signing it would fork the log."
        ),
    )
    .with_remedy(
        "从原数据目录取回锚文件；若已丢失，且确认数据库为最新，用 egret serve --recover-anchor 启动一次，此举会记入账本。",
        "bring the anchor back from the data folder; if it is lost and the database is known to be the newest, start \
         once with egret serve --recover-anchor, which is written into the ledger.",
    )
}

fn unreadable(file: &Path) -> Error {
    Error::conflict(
        "anchor_unreadable",
        format!("账本锚文件 {} 无法读取。", file.display()),
        format!("the ledger's anchor {} cannot be read.", file.display()),
    )
}

fn unwritable(file: &Path) -> Error {
    Error::unavailable(
        "anchor_unwritable",
        format!("账本锚文件 {} 无法写入。", file.display()),
        format!("the ledger's anchor {} cannot be written.", file.display()),
    )
    .with_remedy(
        "检查磁盘空间与权限。",
        "look at free space and permissions.",
    )
}
