//! Who keeps the platform's secrets. Files now; a KMS or an HSM takes their place by keeping to [`KeyKeeper`].

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use zeroize::{Zeroize as _, Zeroizing};

use super::KEY_BYTES;
use crate::clock::Entropy;
use crate::error::Error;

/// A secret; wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// Bytes of a nonce of AES-GCM.
pub(crate) const NONCE_BYTES: usize = 12;
/// The key whose file the sealing key of shares is derived from.
const SEALING: &str = "masking";

/// What the platform asks of whoever keeps its secrets.
///
/// Secrets with a name are read once, at the start. Shares of key epochs are sealed by the keeper and kept by the database:
/// a KMS seals under a key that never leaves it, and none of this platform's files alone opens a share then.
pub(crate) trait KeyKeeper: Send + Sync {
    /// The secret of a name; none when it was never made.
    fn find(&self, name: &'static str) -> Result<Option<Secret>, Error>;

    /// Makes the secret of a name.
    fn make(&self, name: &'static str, entropy: &dyn Entropy) -> Result<Secret, Error>;

    /// Takes back a secret that was just made and that nothing was written with.
    fn take_back(&self, name: &'static str);

    /// Where a person finds the secret of a name.
    fn place(&self, name: &'static str) -> String;

    /// Seals a share, bound to its context. Called inside a transaction: it answers at once, or fails.
    fn seal(
        &self,
        context: &str,
        nonce: [u8; NONCE_BYTES],
        share: &Secret,
    ) -> Result<Vec<u8>, Error>;

    /// Opens a share; fails when it was sealed in another context or by another keeper.
    fn open(&self, context: &str, sealed: &[u8]) -> Result<Secret, Error>;
}

/// A folder of files of mode 0600, one for each secret.
pub(crate) struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    /// The folder, made with mode 0700 when missing.
    ///
    /// # Errors
    /// A folder that cannot be made. Names it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| unreadable(folder, error))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// The key that seals shares, derived from the masking key's file. Read anew each time: it is needed seldom, and what is not in
    /// memory cannot leak from there.
    fn sealing(&self) -> Result<LessSafeKey, Error> {
        let Some(secret) = self.find(SEALING)? else {
            let file = self.file(SEALING);
            return Err(unreadable(&file, std::io::ErrorKind::NotFound.into()));
        };
        let key = derived(&secret, b"egret", "seal of shares")?;
        UnboundKey::new(&AES_256_GCM, key.as_slice())
            .map(LessSafeKey::new)
            .map_err(|_| Error::internal("seal a share", "a key of another length"))
    }
}

impl KeyKeeper for KeyFolder {
    fn find(&self, name: &'static str) -> Result<Option<Secret>, Error> {
        let file = self.file(name);
        match File::open(&file) {
            Ok(open) => match read(&file, open)? {
                (None, secret) => Ok(Some(secret)),
                (Some(_), _) => Err(damaged(&file)),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&file, error)),
        }
    }

    fn make(&self, name: &'static str, entropy: &dyn Entropy) -> Result<Secret, Error> {
        make(&self.file(name), None, entropy)
    }

    fn take_back(&self, name: &'static str) {
        let _ = std::fs::remove_file(self.file(name));
    }

    fn place(&self, name: &'static str) -> String {
        self.file(name).display().to_string()
    }

    fn seal(
        &self,
        context: &str,
        nonce: [u8; NONCE_BYTES],
        share: &Secret,
    ) -> Result<Vec<u8>, Error> {
        let mut sealed = share.to_vec();
        let done = self.sealing()?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context.as_bytes()),
            &mut sealed,
        );
        if done.is_err() {
            sealed.zeroize();
            return Err(Error::internal("seal a share", "a share that is too long"));
        }
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, context: &str, sealed: &[u8]) -> Result<Secret, Error> {
        let strange = || Error::internal("open a share", "a share of another key or context");
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(strange)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let plain = self
            .sealing()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context.as_bytes()),
                bytes.as_mut_slice(),
            )
            .map_err(|_| strange())?;
        let plain: &[u8; KEY_BYTES] = (&*plain).try_into().map_err(|_| strange())?;
        Ok(Zeroizing::new(*plain))
    }
}

/// A secret that is derived from another for one purpose (HKDF-SHA256).
pub(super) fn derived(secret: &Secret, salt: &[u8], purpose: &str) -> Result<Secret, Error> {
    let root = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.as_slice());
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let info = [purpose.as_bytes()];
    root.expand(&info, hkdf::HKDF_SHA256)
        .and_then(|made| made.fill(key.as_mut_slice()))
        .map_err(|_| Error::internal("derive a key", "a key of another length"))?;
    Ok(key)
}

/// Reads a key file: 64 hexadecimal digits, perhaps behind a label and a blank.
///
/// # Errors
/// A file that is missing, damaged, or that others may read. Names the file.
pub(crate) fn read_file(file: &Path) -> Result<(Option<String>, Secret), Error> {
    let open = File::open(file).map_err(|error| unreadable(file, error))?;
    read(file, open)
}

/// Makes a key file of mode 0600; never over another file.
///
/// # Errors
/// A file that is there already or cannot be written. Names the file.
pub(crate) fn make_file(
    file: &Path,
    label: Option<&str>,
    entropy: &dyn Entropy,
) -> Result<(), Error> {
    if file.exists() {
        let shown = file.display();
        return Err(Error::conflict(
            "key_file_exists",
            format!("{shown} 已存在，不会被覆盖。"),
            format!("{shown} is there already and is not written over."),
        )
        .with_remedy("换一个文件名。", "name another file."));
    }
    make(file, label, entropy).map(drop)
}

fn read(file: &Path, mut open: File) -> Result<(Option<String>, Secret), Error> {
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
    let (label, digits) = match text.trim().split_once(' ') {
        Some((label, digits)) => (Some(label.to_owned()), digits),
        None => (None, text.trim()),
    };
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| damaged(file))?;
    Ok((label, bytes))
}

/// Writes the key beside its place and moves it there, so that no half a key is ever found.
fn make(file: &Path, label: Option<&str>, entropy: &dyn Entropy) -> Result<Secret, Error> {
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
        let written = match label {
            Some(label) => writeln!(out, "{label} {text}"),
            None => writeln!(out, "{text}"),
        };
        text.zeroize();
        written?;
        out.sync_all()?;
        std::fs::rename(&new, file)?;
        let folder = file.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    };
    write().map_err(|error| unreadable(file, error))?;
    Ok(bytes)
}

/// A key file that does not hold what a key file holds.
pub(crate) fn damaged(file: &Path) -> Error {
    let shown = file.display();
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
