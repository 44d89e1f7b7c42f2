//! Objects: encrypted files in a local folder or an S3 store, in areas that do not mix.

mod envelope;
mod file;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::{
    ObjectStore, ObjectStoreExt as _, RetryConfig, aws::AmazonS3Builder, buffered::BufWriter,
    local::LocalFileSystem, path::Path as Key,
};
use review::Permit;
use ring::digest::{Context, SHA256};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{clock::Entropy, error::Error};
pub(crate) use file::ObjectFile;

use envelope::{CHUNK_BYTES, HEADER_BYTES, KeyEncryptionKey, Opener, SEALED_CHUNK_BYTES, Sealer};

/// Bytes that are gathered before a part is uploaded; S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// A remote store is asked again this often and this long: a request that waits longer is answered with an error, and
/// what runs in the background comes back to it.
const RETRIES_MAX: usize = 4;
const RETRIES_TIME: Duration = Duration::from_secs(15);
/// The object that the start writes and deletes.
const PROBE: &str = "egret-probe";

/// What an object is for. An object of one area is never found in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectArea {
    /// Pushes as they arrived, until they are a version.
    Raw,
    /// Masked versions and private data sets.
    Version,
    /// Numbers of privacy units.
    Units,
    /// Files that runs may see.
    Staged,
    /// Results that nobody has let out.
    Quarantine,
    /// Results that left.
    Released,
    /// WASM modules.
    Module,
}

impl ObjectArea {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Version => "version",
            Self::Units => "units",
            Self::Staged => "staged",
            Self::Quarantine => "quarantine",
            Self::Released => "released",
            Self::Module => "module",
        }
    }
}

/// Where objects are kept.
#[derive(Clone)]
pub enum ObjectBackend {
    /// A folder `objects` in the data folder.
    Local,
    /// A store with the S3 interface.
    S3 {
        /// Its address, `https://…`.
        endpoint: String,
        /// The bucket.
        bucket: String,
        /// The region.
        region: String,
        /// Who signs in.
        access_key_id: String,
        /// With which secret; never logged.
        secret_access_key: String,
    },
}

impl std::fmt::Debug for ObjectBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("Local"),
            Self::S3 {
                endpoint, bucket, ..
            } => f
                .debug_struct("S3")
                .field("endpoint", endpoint)
                .field("bucket", bucket)
                .finish_non_exhaustive(),
        }
    }
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Plain bytes.
    pub bytes: u64,
    /// SHA-256 of the plain bytes.
    pub sha256: [u8; 32],
}

/// The object store, which encrypts what it takes.
#[derive(Clone)]
pub(crate) struct ObjectVault {
    store: Arc<dyn ObjectStore>,
    /// The local folder, whose files are put on the disk before they count as stored.
    folder: Option<Arc<Path>>,
    kek: Arc<KeyEncryptionKey>,
    entropy: Arc<dyn Entropy>,
}

impl ObjectVault {
    /// Opens the store.
    ///
    /// # Errors
    /// The folder cannot be made, or the store's address is none.
    pub(crate) fn open(
        backend: &ObjectBackend,
        data_dir: &Path,
        key: &[u8; 32],
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let folder = data_dir.join("objects");
        let store: Arc<dyn ObjectStore> = match backend {
            ObjectBackend::Local => Arc::new(local(&folder)?),
            ObjectBackend::S3 {
                endpoint,
                bucket,
                region,
                access_key_id,
                secret_access_key,
            } => {
                let store = AmazonS3Builder::new()
                    .with_endpoint(endpoint)
                    .with_bucket_name(bucket)
                    .with_region(region)
                    .with_access_key_id(access_key_id)
                    .with_secret_access_key(secret_access_key)
                    .with_allow_http(endpoint.starts_with("http://"))
                    .with_retry(RetryConfig {
                        max_retries: RETRIES_MAX,
                        retry_timeout: RETRIES_TIME,
                        ..RetryConfig::default()
                    })
                    .build()
                    .map_err(|source| unavailable(&format!("{endpoint}/{bucket}"), source))?;
                Arc::new(store)
            }
        };
        let kek = KeyEncryptionKey::new(key)
            .map_err(|source| Error::internal("read the objects' key", source))?;
        let folder = matches!(backend, ObjectBackend::Local).then(|| Arc::from(folder));
        Ok(Self {
            store,
            folder,
            kek: Arc::new(kek),
            entropy,
        })
    }

    /// The same store, with data keys that another key wraps: what is written there opens under that key alone.
    ///
    /// # Errors
    /// Never for a key of this length.
    pub(crate) fn under(&self, key: &[u8; 32]) -> Result<Self, Error> {
        let kek = KeyEncryptionKey::new(key)
            .map_err(|source| Error::internal("read the objects' key", source))?;
        Ok(Self {
            kek: Arc::new(kek),
            ..self.clone()
        })
    }

    /// Whether a remote store lets the platform write and delete, before anything depends on it.
    ///
    /// # Errors
    /// The store does not answer, has no such bucket, or does not let in; the message names what to look at.
    pub(crate) async fn check(&self, backend: &ObjectBackend) -> Result<(), Error> {
        let ObjectBackend::S3 {
            endpoint, bucket, ..
        } = backend
        else {
            return Ok(());
        };
        let key = path(PROBE)?;
        let tried = match self
            .store
            .put(&key, Bytes::from_static(b"egret").into())
            .await
        {
            Ok(_) => self.store.delete(&key).await,
            Err(source) => Err(source),
        };
        tried.map_err(|source| closed(endpoint, bucket, source))
    }

    /// Stores bytes; an object that is there is replaced at once or not at all.
    ///
    /// # Errors
    /// The store fails, or the area is `Released`, which takes a permit.
    pub(crate) async fn put(
        &self,
        area: ObjectArea,
        key: &str,
        bytes: &[u8],
    ) -> Result<Stored, Error> {
        let whole =
            futures::stream::once(futures::future::ready(Ok(Bytes::copy_from_slice(bytes))));
        self.put_stream(area, key, whole).await
    }

    /// Stores a stream in bounded memory. When the stream fails, nothing is stored.
    ///
    /// # Errors
    /// The stream or the store fails, or the area is `Released`, which takes a permit.
    pub(crate) async fn put_stream(
        &self,
        area: ObjectArea,
        key: &str,
        stream: impl Stream<Item = Result<Bytes, Error>> + Send,
    ) -> Result<Stored, Error> {
        if area == ObjectArea::Released {
            return Err(Error::internal(
                "store an object",
                "a release without a permit",
            ));
        }
        self.write(area, key, stream).await
    }

    /// Stores a result that may leave: the permit names the bytes.
    ///
    /// # Errors
    /// The bytes are not those of the permit, or the store fails.
    pub(crate) async fn put_released(
        &self,
        permit: &Permit,
        bytes: &[u8],
    ) -> Result<Stored, Error> {
        let digest = ring::digest::digest(&SHA256, bytes);
        if digest.as_ref() != permit.digest().as_slice() {
            return Err(Error::internal(
                "release a result",
                "the bytes are not those of the permit",
            ));
        }
        let whole =
            futures::stream::once(futures::future::ready(Ok(Bytes::copy_from_slice(bytes))));
        self.write(ObjectArea::Released, permit.release(), whole)
            .await
    }

    async fn write(
        &self,
        area: ObjectArea,
        key: &str,
        stream: impl Stream<Item = Result<Bytes, Error>> + Send,
    ) -> Result<Stored, Error> {
        let place = place(area, key);
        let mut out = BufWriter::with_capacity(Arc::clone(&self.store), path(&place)?, PART_BYTES);
        match self.seal_into(&place, &mut out, stream).await {
            Ok(stored) => match out.shutdown().await {
                Ok(()) => self.settle(&place).await.map(|()| stored),
                Err(source) => Err(failed(&place, source)),
            },
            Err(error) => {
                // Parts that went up are dropped; nothing half-made stays.
                let _ = out.abort().await;
                Err(error)
            }
        }
    }

    /// Puts a local object and its name on the disk; a remote store has done so when it answers.
    async fn settle(&self, place: &str) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let file = folder.join(place);
        let synced = tokio::task::spawn_blocking(move || {
            std::fs::File::open(&file)?.sync_all()?;
            // A new key may have made folders on its way; each is a name in the one above.
            for above in file.ancestors().skip(1) {
                std::fs::File::open(above)?.sync_all()?;
                if above == &*folder {
                    break;
                }
            }
            Ok(())
        });
        match synced.await {
            Ok(done) => done.map_err(|source| failed(place, source)),
            Err(source) => Err(Error::internal("store an object", source)),
        }
    }

    async fn seal_into(
        &self,
        place: &str,
        out: &mut (impl AsyncWrite + Unpin),
        stream: impl Stream<Item = Result<Bytes, Error>> + Send,
    ) -> Result<Stored, Error> {
        let sealing = |source| Error::internal("encrypt an object", source);
        let (mut sealer, header) =
            Sealer::new(&self.kek, place, &*self.entropy).map_err(sealing)?;
        out.write_all(&header)
            .await
            .map_err(|source| failed(place, source))?;
        let (mut digest, mut total, mut rest) = (Context::new(&SHA256), 0_u64, BytesMut::new());
        let mut stream = std::pin::pin!(stream);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            digest.update(&bytes);
            total += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            rest.extend_from_slice(&bytes);
            // A full chunk waits until it is known whether it is the last.
            while rest.len() > CHUNK_BYTES {
                let chunk = rest.split_to(CHUNK_BYTES);
                let sealed = sealer.seal(&chunk, false).map_err(sealing)?;
                out.write_all(&sealed)
                    .await
                    .map_err(|source| failed(place, source))?;
            }
        }
        let sealed = sealer.seal(&rest, true).map_err(sealing)?;
        out.write_all(&sealed)
            .await
            .map_err(|source| failed(place, source))?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest.finish().as_ref());
        Ok(Stored {
            bytes: total,
            sha256,
        })
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// No such object, a damaged one, or the store fails.
    pub(crate) async fn get(&self, area: ObjectArea, key: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.get_to(area, key, &mut bytes).await?;
        Ok(bytes)
    }

    /// Reads an object into a writer in bounded memory. What was written before an error is not to be used.
    ///
    /// # Errors
    /// No such object, a damaged one, or the store or the writer fails.
    pub(crate) async fn get_to(
        &self,
        area: ObjectArea,
        key: &str,
        out: &mut (impl std::io::Write + Send),
    ) -> Result<u64, Error> {
        let place = place(area, key);
        let damaged = |source| {
            tracing::error!(object = %place, "an object does not open");
            Error::internal("decrypt an object", source)
        };
        let got = self
            .store
            .get(&path(&place)?)
            .await
            .map_err(|source| of_store(&place, source))?;
        let stream = got.into_stream().map_err(std::io::Error::other);
        let mut input = tokio_util::io::StreamReader::new(stream);
        let mut header = [0; HEADER_BYTES];
        input
            .read_exact(&mut header)
            .await
            .map_err(|source| failed(&place, source))?;
        let mut opener = Opener::new(&self.kek, &place, &header).map_err(damaged)?;
        let mut chunk = Vec::new();
        let mut total = 0;
        loop {
            // One byte more than a chunk tells whether another follows.
            let wanted = SEALED_CHUNK_BYTES + 1 - chunk.len();
            (&mut input)
                .take(u64::try_from(wanted).unwrap_or(u64::MAX))
                .read_to_end(&mut chunk)
                .await
                .map_err(|source| failed(&place, source))?;
            let last = chunk.len() <= SEALED_CHUNK_BYTES;
            let next = if last {
                Vec::new()
            } else {
                chunk.split_off(SEALED_CHUNK_BYTES)
            };
            let plain = opener.open(&mut chunk, last).map_err(damaged)?;
            out.write_all(plain)
                .map_err(|source| failed(&place, source))?;
            total += u64::try_from(plain.len()).unwrap_or(u64::MAX);
            if last {
                return Ok(total);
            }
            chunk = next;
        }
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn exists(&self, area: ObjectArea, key: &str) -> Result<bool, Error> {
        let place = place(area, key);
        match self.store.head(&path(&place)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(of_store(&place, source)),
        }
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn delete(&self, area: ObjectArea, key: &str) -> Result<(), Error> {
        let place = place(area, key);
        match self.store.delete(&path(&place)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(of_store(&place, source)),
        }
    }

    /// The keys of an area.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn list(&self, area: ObjectArea) -> Result<Vec<String>, Error> {
        let prefix = Key::from(area.name());
        let found: Vec<_> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|source| of_store(area.name(), source))?;
        Ok(found
            .into_iter()
            .filter_map(|object| {
                let key = object.location.prefix_match(&prefix)?;
                Some(
                    key.map(|part| part.as_ref().to_owned())
                        .collect::<Vec<_>>()
                        .join("/"),
                )
            })
            .collect())
    }
}

fn local(folder: &Path) -> Result<LocalFileSystem, Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let shown = folder.display().to_string();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| failed(&shown, source))?;
    sweep(folder).map_err(|source| failed(&shown, source))?;
    LocalFileSystem::new_with_prefix(folder)
        .map(|store| store.with_automatic_cleanup(true))
        .map_err(|source| unavailable(&shown, source))
}

/// Removes what a server that was killed had not finished writing: the store writes to `<key>#<number>` and renames.
fn sweep(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
            continue;
        }
        let name = entry.file_name();
        let unfinished = name
            .to_str()
            .and_then(|name| name.rsplit_once('#'))
            .is_some_and(|(_, number)| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
        if unfinished {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn place(area: ObjectArea, key: &str) -> String {
    format!("{}/{key}", area.name())
}

fn path(place: &str) -> Result<Key, Error> {
    Key::parse(place).map_err(|source| Error::internal("name an object", source))
}

fn of_store(place: &str, source: object_store::Error) -> Error {
    if matches!(source, object_store::Error::NotFound { .. }) {
        return Error::internal("read an object", format!("{place} is missing"));
    }
    unavailable(place, source)
}

/// Why a remote store cannot be used at all.
fn closed(endpoint: &str, bucket: &str, source: object_store::Error) -> Error {
    use object_store::Error as Store;
    let (zh, en, remedy_zh, remedy_en) = match &source {
        Store::NotFound { .. } => (
            format!("对象存储 {endpoint} 没有存储桶 {bucket}。"),
            format!("the object store {endpoint} has no bucket {bucket}."),
            "创建该存储桶，或更正 [objects] 的 bucket。",
            "make the bucket, or correct bucket in [objects].",
        ),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => (
            format!("对象存储 {endpoint} 不允许写入存储桶 {bucket}。"),
            format!(
                "the object store {endpoint} does not let the platform write to the bucket {bucket}."
            ),
            "检查 access_key_id_file 与 secret_access_key_file 的内容，以及该密钥的读、写、删权限。",
            "look at what access_key_id_file and secret_access_key_file hold, and whether that key may read, write and delete.",
        ),
        _ => (
            format!("无法使用对象存储 {endpoint}（存储桶 {bucket}）。"),
            format!("the object store {endpoint} cannot be used (bucket {bucket})."),
            "检查 [objects] 的 endpoint、region 与网络。",
            "look at endpoint and region in [objects], and at the network.",
        ),
    };
    Error::unavailable("objects_unavailable", zh, en)
        .with_remedy(remedy_zh, remedy_en)
        .with_source(source)
}

fn failed(place: &str, source: std::io::Error) -> Error {
    let full = matches!(source.raw_os_error(), Some(28 | 122))
        || source.to_string().contains("No space left");
    if full {
        tracing::error!(object = place, "the disk of the object store is full");
        return Error::unavailable(
            "disk_full",
            "对象存储所在磁盘已满，操作未执行。",
            "the disk of the object store is full; nothing was done.",
        )
        .with_remedy(
            "请运维人员释放空间后重试。",
            "the operator has to free space; then try again.",
        )
        .with_source(source);
    }
    unavailable(place, source)
}

fn unavailable(place: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    tracing::error!(object = place, error = %source, "the object store failed");
    Error::unavailable(
        "objects_unavailable",
        "对象存储无响应，操作未执行。",
        "the object store does not answer; nothing was done.",
    )
    .with_remedy(
        "请运维人员检查对象存储的地址与权限后重试。",
        "the operator has to look at the store's address and permissions; then try again.",
    )
    .with_source(source)
}

#[cfg(test)]
mod tests;
