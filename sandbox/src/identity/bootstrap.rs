//! The first start: the operator, its three administrators, and their first passwords in a file of mode 0600.

use std::{fmt::Write as _, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use serde_json::json;
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{
    Passwords,
    account::{OPERATOR_ACCOUNTS, created, insert},
};
use crate::{
    access::{RoleSet, SystemOperation, system},
    clock::{Clock, Entropy},
    error::Error,
    id::{AccountId, OrganisationId},
    ledger::LeafDraft,
    storage::{Store, storage_error},
};

/// The file with the first passwords.
const FILE: &str = "initial-sign-ins.txt";
/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567892";
const PASSWORD_LETTERS: usize = 24;

/// Makes the operator and its administrators unless they are there.
pub(crate) async fn bootstrap(
    store: &Store,
    passwords: &Passwords,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    data_dir: &Path,
) -> Result<(), Error> {
    if has_organisations(store).await? {
        return Ok(());
    }
    let organisation = OrganisationId::new(clock, entropy);
    let mut accounts = Vec::new();
    let mut text = Zeroizing::new(String::new());
    for (name, role) in OPERATOR_ACCOUNTS {
        let password = random_password(entropy);
        let hash = passwords.hash(&password, entropy).await?;
        let _ = writeln!(text, "{name} {}", password.as_str());
        accounts.push((
            AccountId::new(clock, entropy),
            name,
            RoleSet::of(&[role]),
            hash,
        ));
    }
    // The file first: an account whose password nobody knows would be worse than a file without an account, which the next
    // start replaces.
    write_sign_ins(&data_dir.join(FILE), &text)?;
    store
        .act(system(SystemOperation::Bootstrap), "bootstrap", move |tx| {
            let accounts = accounts.clone();
            Box::pin(async move {
                let at = tx.now_micros();
                sqlx::query(
                    "INSERT INTO organisations (id, name, title, kind, created_at) \
                     VALUES ($1, 'operator', '一级开发主体', 'operator', $2)",
                )
                .bind(organisation.to_string())
                .bind(at)
                .execute(tx.conn())
                .await
                .map_err(|source| storage_error("make the operator", source))?;
                for (id, name, roles, hash) in &accounts {
                    insert(tx, *id, name, organisation, *roles, hash).await?;
                    tx.append(created(*id, name, organisation, *roles)).await?;
                }
                let detail = json!({ "name": "operator", "kind": "operator" });
                Ok((
                    (),
                    LeafDraft::new("organisation.create", detail).subject(organisation),
                ))
            })
        })
        .await
}

/// Takes an account out of the file of first passwords, once its password is another; the file goes with its last line.
/// Where that fails the password in it is dead all the same.
pub(super) fn forget_sign_in(data_dir: &Path, account: &str) {
    let file = data_dir.join(FILE);
    let Ok(text) = std::fs::read_to_string(&file).map(Zeroizing::new) else {
        return;
    };
    let is_of = |line: &&str| line.split(' ').next() != Some(account);
    let left: Vec<&str> = text.lines().filter(is_of).collect();
    if left.len() == text.lines().count() {
        return;
    }
    let done = if left.is_empty() {
        std::fs::remove_file(&file)
    } else {
        let left = Zeroizing::new(format!("{}\n", left.join("\n")));
        replace(&file, &left)
    };
    if let Err(error) = done {
        tracing::warn!(%error, "the file of first passwords still names an account whose password is another");
    }
}

/// Beside the file and then in its place, so that no line is lost halfway.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&new, file)
}

async fn has_organisations(store: &Store) -> Result<bool, Error> {
    store
        .read("has_organisations", |conn| {
            Box::pin(async move {
                let failed = |source| storage_error("count organisations", source);
                let row = sqlx::query("SELECT COUNT(*) FROM organisations")
                    .fetch_one(&mut *conn)
                    .await
                    .map_err(failed)?;
                Ok(row.try_get::<i64, _>(0).map_err(failed)? > 0)
            })
        })
        .await
}

fn random_password(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = [0; PASSWORD_LETTERS];
    entropy.fill(&mut bytes);
    Zeroizing::new(
        bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect(),
    )
}

fn write_sign_ins(file: &Path, text: &str) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()
    };
    write().map_err(|source| {
        let shown = file.display();
        Error::unavailable(
            "sign_ins_file",
            format!("无法写入 {shown}。"),
            format!("{shown} cannot be written."),
        )
        .with_remedy(
            "检查目录权限与磁盘空间。",
            "look at the folder's permissions and free space.",
        )
        .with_source(source)
    })
}
