//! The platform's keys: files of mode 0600, made at the first start, checked at every later one.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ring::{hkdf, hmac};
use sqlx::Row as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    access::{SystemOperation, system},
    clock::Entropy,
    error::Error,
    ledger::LeafDraft,
    storage::{Store, storage_error},
};

/// Offsets of a threshold: none to three.
const OFFSETS: u64 = 4;
/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The keys by name.
pub(crate) struct Keys {
    folder: PathBuf,
    /// Wraps the data key of every object.
    pub(crate) objects: Key,
    /// Root of tokens and masks.
    pub(crate) masking: Key,
    /// Seed of the checkpoint key.
    pub(crate) checkpoint: Key,
    /// Seed of the certificate key.
    pub(crate) certificate: Key,
    /// Turns people into pseudonyms.
    pub(crate) pseudonyms: Key,
}

/// One key; wiped when dropped, never shown.
pub(crate) struct Key {
    name: &'static str,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    made_now: bool,
}

impl Keys {
    /// Reads the keys of a folder; makes those that are missing.
    ///
    /// # Errors
    /// A file that others may read, that is damaged, or that cannot be read or written. Names the file.
    pub(crate) fn open(folder: &Path, entropy: &dyn Entropy) -> Result<Self, Error> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| unreadable(folder, error))?;
        let key = |name| Key::open(folder, name, entropy);
        Ok(Self {
            objects: key("objects")?,
            masking: key("masking")?,
            checkpoint: key("checkpoint")?,
            certificate: key("certificate")?,
            pseudonyms: key("pseudonyms")?,
            folder: folder.to_owned(),
        })
    }

    /// The root of tokens and masks.
    pub(crate) fn mask_root(&self) -> masking::RootKey {
        masking::RootKey::from_bytes(*self.masking.bytes())
    }

    /// What sets of units must have beyond the threshold, by their digests: a key that is derived for this alone says
    /// so, the same for the same set.
    pub(crate) fn threshold_offsets(&self, sets: &[String]) -> BTreeMap<String, u64> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"egret");
        let root = salt.extract(self.masking.bytes.as_slice());
        let Ok(derived) = root.expand(&[b"threshold offsets"], hmac::HMAC_SHA256) else {
            // Not of this length; without an offset a set has to pass with the largest.
            return BTreeMap::new();
        };
        let key = hmac::Key::from(derived);
        sets.iter()
            .map(|set| {
                let tag = hmac::sign(&key, set.as_bytes());
                let first = tag.as_ref().first().copied().unwrap_or(u8::MAX);
                (set.clone(), u64::from(first) % OFFSETS)
            })
            .collect()
    }

    fn all(&self) -> [&Key; 5] {
        [
            &self.objects,
            &self.masking,
            &self.checkpoint,
            &self.certificate,
            &self.pseudonyms,
        ]
    }

    /// Compares the keys with the check values of the database, which tell a wrong file from the right one.
    ///
    /// # Errors
    /// A key that is not the one that this database was written with. Names the file.
    pub(crate) async fn check(&self, store: &Store) -> Result<(), Error> {
        let known = store.read("read the key checks", |conn| {
            Box::pin(async move {
                let failed = |source| storage_error("read the key checks", source);
                let rows = sqlx::query("SELECT name, value FROM key_checks")
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(failed)?;
                rows.iter()
                    .map(|row| {
                        Ok((
                            row.try_get(0).map_err(failed)?,
                            row.try_get(1).map_err(failed)?,
                        ))
                    })
                    .collect::<Result<Vec<(String, String)>, Error>>()
            })
        });
        let known = known.await?;
        for key in self.all() {
            match known.iter().find(|(name, _)| name == key.name) {
                Some((_, value)) if *value == key.check_value() => {}
                Some(_) => return Err(self.not_this_one(key)),
                None if known.is_empty() => {}
                None => return Err(self.not_this_one(key)),
            }
        }
        if known.is_empty() {
            self.remember(store).await
        } else {
            Ok(())
        }
    }

    async fn remember(&self, store: &Store) -> Result<(), Error> {
        let checks: Vec<(&'static str, String)> = self
            .all()
            .iter()
            .map(|key| (key.name, key.check_value()))
            .collect();
        store
            .act(
                system(SystemOperation::Bootstrap),
                "remember the keys",
                move |tx| {
                    let checks = checks.clone();
                    Box::pin(async move {
                        for (name, value) in &checks {
                            sqlx::query("INSERT INTO key_checks (name, value) VALUES ($1, $2)")
                                .bind(*name)
                                .bind(value.as_str())
                                .execute(tx.conn())
                                .await
                                .map_err(|source| storage_error("remember the keys", source))?;
                        }
                        let detail = serde_json::json!({ "checks": checks });
                        Ok(((), LeafDraft::new("key.create", detail)))
                    })
                },
            )
            .await
    }

    fn not_this_one(&self, key: &Key) -> Error {
        let file = file_of(&self.folder, key.name);
        let shown = file.display();
        // What was just made would hide at the next start that the right ones are missing.
        for made in self.all().into_iter().filter(|key| key.made_now) {
            let _ = std::fs::remove_file(file_of(&self.folder, made.name));
        }
        if key.made_now {
            return Error::conflict(
                "key_missing",
                format!("密钥文件 {shown} 缺失，而数据库已用它写入。"),
                format!("the key file {shown} is missing, and the database was written with it."),
            )
            .with_remedy(
                "从密钥备份恢复该文件。",
                "restore the file from the backup of the keys.",
            );
        }
        Error::conflict(
            "wrong_key",
            format!("密钥文件 {shown} 不是写入此数据库时所用的密钥。"),
            format!("the key file {shown} is not the key that this database was written with."),
        )
        .with_remedy("恢复正确的密钥文件。", "restore the right key file.")
    }
}

impl Key {
    /// The key's bytes.
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Reads a key that is no key of a platform.
    ///
    /// # Errors
    /// A file that is missing, damaged, or that others may read. Names the file.
    pub(crate) fn read_file(file: &Path) -> Result<Self, Error> {
        let open = File::open(file).map_err(|error| unreadable(file, error))?;
        Self::read(file, open, "file")
    }

    /// Makes such a key; never over another file.
    ///
    /// # Errors
    /// A file that is there already or cannot be written. Names the file.
    pub(crate) fn make_file(file: &Path, entropy: &dyn Entropy) -> Result<(), Error> {
        if file.exists() {
            let shown = file.display();
            return Err(Error::conflict(
                "key_file_exists",
                format!("{shown} 已存在，不会被覆盖。"),
                format!("{shown} is there already and is not written over."),
            )
            .with_remedy("换一个文件名。", "name another file."));
        }
        Self::make(file, "file", entropy).map(drop)
    }

    fn open(folder: &Path, name: &'static str, entropy: &dyn Entropy) -> Result<Self, Error> {
        let file = file_of(folder, name);
        match File::open(&file) {
            Ok(open) => Self::read(&file, open, name),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::make(&file, name, entropy)
            }
            Err(error) => Err(unreadable(&file, error)),
        }
    }

    fn read(file: &Path, mut open: File, name: &'static str) -> Result<Self, Error> {
        let shown = file.display();
        let facts = open.metadata().map_err(|error| unreadable(file, error))?;
        if facts.mode() & 0o077 != 0 {
            return Err(Error::conflict(
                "key_file_open",
                format!(
                    "密钥文件 {shown} 可被他人读取（权限 {:04o}）。",
                    facts.mode() & 0o7777
                ),
                format!(
                    "others may read the key file {shown} (mode {:04o}).",
                    facts.mode() & 0o7777
                ),
            )
            .with_remedy(format!("chmod 600 {shown}"), format!("chmod 600 {shown}")));
        }
        let mut text = Zeroizing::new(String::new());
        (&mut open)
            .take(4096)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(file, error))?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| {
            Error::conflict(
                "key_file_damaged",
                format!("密钥文件 {shown} 不是 {} 位十六进制数。", KEY_BYTES * 2),
                format!(
                    "the key file {shown} does not hold {} hexadecimal digits.",
                    KEY_BYTES * 2
                ),
            )
            .with_remedy(
                "从密钥备份恢复该文件。",
                "restore the file from the backup of the keys.",
            )
        })?;
        Ok(Self {
            name,
            bytes,
            made_now: false,
        })
    }

    /// Writes the key beside its place and moves it there, so that no half a key is ever found.
    fn make(file: &Path, name: &'static str, entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        let new = file.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut out = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            let mut text = hex::encode(bytes.as_slice());
            let written = writeln!(out, "{text}");
            text.zeroize();
            written?;
            out.sync_all()?;
            std::fs::rename(&new, file)?;
            let folder = file.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(())
        };
        write().map_err(|error| unreadable(file, error))?;
        Ok(Self {
            name,
            bytes,
            made_now: true,
        })
    }

    /// A value that tells keys apart and gives nothing of the key away.
    fn check_value(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes.as_slice());
        let tag = hmac::sign(&key, format!("egret key check|{}", self.name).as_bytes());
        hex::encode(&tag.as_ref()[..8])
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

fn unreadable(file: &Path, error: std::io::Error) -> Error {
    let shown = file.display();
    Error::unavailable(
        "key_file",
        format!("密钥文件 {shown} 无法读写：{error}。"),
        format!("the key file {shown} cannot be read or written: {error}."),
    )
    .with_remedy(
        "检查目录权限与磁盘空间。",
        "look at the folder's permissions and free space.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn offsets_are_the_same_for_the_same_set_and_all_occur() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path(), &SystemEntropy).unwrap();
        let sets: Vec<String> = (0..100).map(|set| format!("set {set}")).collect();
        let offsets = keys.threshold_offsets(&sets);
        assert_eq!(offsets, keys.threshold_offsets(&sets));
        for offset in 0..OFFSETS {
            assert!(offsets.values().any(|of| *of == offset), "{offset} never");
        }
        assert!(offsets.values().all(|offset| *offset < OFFSETS));
        let other = tempfile::tempdir().unwrap();
        let other = Keys::open(other.path(), &SystemEntropy).unwrap();
        assert_ne!(offsets, other.threshold_offsets(&sets));
    }
}
