//! `egret ledger`: checkpoint, leaves, keys, and the check of the whole log.

use super::certificate::parse_keys;
use super::failure::Failure;
use super::output::{Format, column};
use super::remote::{Remote, Session};
use super::result;
use crate::http::dto::{CheckpointView, LeavesQuery};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sandbox::{Lang, LedgerKeys};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret ledger`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ledger {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 最新检查点（签名便笺）· the newest checkpoint, a signed note
    Checkpoint,
    /// 条目列表 · list leaves
    Leaves {
        /// 从此位置之后开始 · only leaves behind this place
        #[arg(long)]
        after: Option<u64>,
        /// 最多条数 · at most this many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// 公钥，供离线验证 · the public keys, to verify offline
    Keys {
        /// 写入文件（默认：标准输出）· file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// 取回全部条目，重算根哈希并核对检查点签名（审计员）· fetch all leaves, compute the root, check the signature
    Verify {
        /// 公钥文件（默认：由服务器给出）· file of the public keys [default: as the server gives them]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// 先前保存的检查点，核对账本只增不改 · a checkpoint kept from before: the log must only have grown
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
}

impl Ledger {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::Checkpoint => {
                    let checkpoint = client.checkpoint().await?;
                    match printer.format {
                        // The note is what other tools verify: it is printed as it is.
                        Format::Table => result::raw(checkpoint.note.as_bytes()),
                        Format::Json | Format::Csv => printer.json(&checkpoint),
                    }
                }
                Verb::Leaves { after, limit } => {
                    let page = client
                        .leaves(&LeavesQuery {
                            after,
                            limit: Some(limit),
                        })
                        .await?;
                    printer.page_by(
                        "--after",
                        &page,
                        &[
                            column("位置", "index", "/index"),
                            column("类别", "kind", "/kind"),
                            column("条目哈希", "leaf hash", "/hash"),
                            column("内容", "detail", "/detail"),
                        ],
                    )
                }
                Verb::Keys { to } => {
                    result::keep(&session, &client.public_keys().await?, to.as_deref())
                }
                Verb::Verify { key, since } => verify(&session, key, since).await,
            }
        })
    }
}

async fn verify(
    session: &Session,
    key: Option<PathBuf>,
    since: Option<PathBuf>,
) -> Result<(), Failure> {
    let keys = match &key {
        Some(path) => {
            let document =
                std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
            parse_keys(&path.display().to_string(), &document)?
        }
        None => parse_keys("/api/v1/ledger/keys", &session.client.public_keys().await?)?,
    };
    let checkpoint = session.client.checkpoint().await?;
    let (size, root) = signed(&keys, &checkpoint.note)?;
    if size != checkpoint.size {
        return Err(Failure::new(
            "检查点与其签名的内容不符",
            "the checkpoint is not what its signature covers",
        ));
    }
    let computed = root_of(session, size).await?;
    if computed != root {
        return Err(Failure::new(
            "根哈希与检查点不符：账本被改动",
            "the root is not that of the checkpoint: the log was changed",
        ));
    }
    if let Some(path) = since {
        let note =
            std::fs::read_to_string(&path).map_err(|error| Failure::unreadable(&path, &error))?;
        let since = signed(&keys, &note)?;
        if since.0 > size {
            let kept = since.0;
            return Err(Failure::new(
                format!("保存的检查点有 {kept} 条，账本只有 {size} 条：账本被回退"),
                format!(
                    "the checkpoint that was kept covers {kept} leaves and the log has {size}: it was rolled back"
                ),
            ));
        }
        grown(session, since, (size, root)).await?;
    }
    match session.printer.format {
        Format::Table => session.printer.say(
            &format!("账本完整：{size} 条，各条内容与其承诺一致，根哈希与签名一致。"),
            &format!(
                "the ledger holds: {size} leaves, every detail is what its leaf commits to, root and signature agree."
            ),
        ),
        Format::Json | Format::Csv => session.printer.json(&CheckpointView { ..checkpoint }),
    }
}

/// Size and root of a checkpoint whose signature fits.
fn signed(keys: &LedgerKeys, note: &str) -> Result<(u64, [u8; 32]), Failure> {
    let unsigned = || {
        Failure::new(
            "检查点的签名与公钥不符",
            "the checkpoint's signature does not fit the key",
        )
    };
    let text = keys.checkpoint.verify(note).map_err(|_reason| unsigned())?;
    let mut lines = text.lines().skip(1);
    let size = lines.next().and_then(|size| size.parse().ok());
    let root = lines
        .next()
        .and_then(|root| STANDARD.decode(root).ok())
        .and_then(|root| root.try_into().ok());
    size.zip(root).ok_or_else(unsigned)
}

/// The root over the first `size` leaves, as the server gives them.
async fn root_of(session: &Session, size: u64) -> Result<[u8; 32], Failure> {
    let mut tree = Vec::new();
    let mut after = None;
    let mut taken = 0;
    while taken < size {
        let page = session
            .client
            .leaves(&LeavesQuery {
                after,
                limit: Some(200),
            })
            .await?;
        for leaf in &page.items {
            if leaf.index != taken {
                return Err(Failure::new(
                    format!("缺少第 {taken} 条"),
                    format!("leaf {taken} is missing"),
                ));
            }
            let fits =
                sandbox::verify_detail(&leaf.leaf, leaf.salt.as_deref(), leaf.detail.as_ref());
            if !fits {
                return Err(Failure::new(
                    format!("第 {taken} 条的内容与其承诺不符：内容被改动"),
                    format!("the detail of leaf {taken} is not what it commits to: it was changed"),
                ));
            }
            if taken < size {
                merge(&mut tree, leaf_hash(leaf.leaf.as_bytes()));
            }
            taken += 1;
            after = Some(leaf.index);
        }
        if page.items.is_empty() {
            return Err(Failure::new(
                format!("只有 {taken} 条，应有 {size} 条"),
                format!("{taken} leaves of {size}"),
            ));
        }
    }
    Ok(root(tree))
}

/// Full subtrees, each with its height, from the left; the RFC 6962 root is their fold from the right.
type Subtrees = Vec<(u32, [u8; 32])>;

fn merge(tree: &mut Subtrees, leaf: [u8; 32]) {
    let mut top = (0, leaf);
    while let Some((height, left)) = tree.pop() {
        if height != top.0 {
            tree.push((height, left));
            break;
        }
        top = (height + 1, node_hash(&left, &top.1));
    }
    tree.push(top);
}

fn root(mut tree: Subtrees) -> [u8; 32] {
    let Some((_, mut root)) = tree.pop() else {
        return digest(&[]);
    };
    while let Some((_, left)) = tree.pop() {
        root = node_hash(&left, &root);
    }
    root
}

fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    digest(&[&[0], leaf])
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    digest(&[&[1], left, right])
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Whether the log only grew since a checkpoint.
async fn grown(
    session: &Session,
    old: (u64, [u8; 32]),
    new: (u64, [u8; 32]),
) -> Result<(), Failure> {
    let proof = session.client.consistency(old.0, new.0).await?;
    let path: Option<Vec<[u8; 32]>> = proof
        .hashes
        .iter()
        .map(|hash| {
            STANDARD
                .decode(hash)
                .ok()
                .and_then(|hash| hash.try_into().ok())
        })
        .collect();
    let holds = path.is_some_and(|path| {
        sandbox::verify_consistency((old.0, &old.1), (new.0, &new.1), &path).is_ok()
    });
    if holds {
        Ok(())
    } else {
        Err(Failure::new(
            "账本不是由先前的检查点增长而来：历史被改写",
            "the log did not grow from that checkpoint: its history was rewritten",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_rfc_6962() {
        // The test vectors of the certificate-transparency reference implementation.
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Subtrees::new();
        assert_eq!(
            hex::encode(root(tree.clone())),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (leaf, expect) in leaves.iter().zip(roots) {
            merge(&mut tree, leaf_hash(leaf));
            assert_eq!(hex::encode(root(tree.clone())), expect);
        }
    }
}
