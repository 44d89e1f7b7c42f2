//! Open descriptors as an object store: the engine reads by position, and there is nothing else to
//! read from.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use url::Url;

use crate::staged_file::StagedFile;

type Result<T> = object_store::Result<T>;

/// The one address that resolves.
const ADDRESS: &str = "egret://inputs";
const STORE: &str = "staged files";

/// The staged files of a run, by position.
#[derive(Debug)]
pub(super) struct StagedFiles {
    files: Vec<StagedFile>,
}

impl StagedFiles {
    pub(super) fn new(files: Vec<StagedFile>) -> Self {
        Self { files }
    }

    /// Where the file at this position is found.
    pub(super) fn location(position: usize) -> Path {
        Path::from(position.to_string())
    }

    /// Where this store is found.
    pub(super) fn address() -> datafusion::common::Result<ObjectStoreUrl> {
        ObjectStoreUrl::parse(ADDRESS)
    }

    fn file(&self, location: &Path) -> Result<&StagedFile> {
        let position: Option<usize> = location.as_ref().parse().ok();
        position
            .and_then(|position| self.files.get(position))
            .ok_or_else(|| object_store::Error::NotFound {
                path: location.to_string(),
                source: "no input of this position".into(),
            })
    }
}

impl fmt::Display for StagedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

fn refused<T>(operation: &str) -> Result<T> {
    Err(object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    })
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

#[async_trait]
impl ObjectStore for StagedFiles {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.file(location)?;
        let range = match &options.range {
            Some(range) => range.as_range(file.bytes()).map_err(failed)?,
            None => 0..file.bytes(),
        };
        let bytes = if options.head {
            Bytes::new()
        } else {
            file.read(range.clone()).map_err(failed)?
        };
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: Default::default(),
            size: file.bytes(),
            e_tag: None,
            version: None,
        };
        let stream = futures::stream::once(futures::future::ready(Ok(bytes))).boxed();
        let payload = GetResultPayload::Stream(stream);
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let file = self.file(location)?;
        ranges
            .iter()
            .map(|range| file.read(range.clone()).map_err(failed))
            .collect()
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        refused("put")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        refused("put")
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| refused("delete")).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::once(futures::future::ready(refused("list"))).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        refused("list")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        refused("copy")
    }
}

/// Knows the staged files alone: no `file://`, nothing found by name, nothing added later.
#[derive(Debug)]
pub(super) struct OneStore(pub(super) Arc<StagedFiles>);

impl ObjectStoreRegistry for OneStore {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> datafusion::common::Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "egret" && url.host_str() == Some("inputs") {
            return Ok(Arc::clone(&self.0) as Arc<dyn ObjectStore>);
        }
        Err(DataFusionError::Plan("there is no such store".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use object_store::ObjectStoreExt;
    use std::io::Write;

    fn store(content: &[u8]) -> Arc<StagedFiles> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(StagedFiles::new(vec![StagedFile::new(
            file,
            content.len() as u64,
        )]))
    }

    #[tokio::test]
    async fn ranges_are_read_by_position_and_the_rest_is_refused() {
        let store = store(b"0123456789");
        let location = StagedFiles::location(0);
        assert_eq!(&store.get_range(&location, 2..5).await.unwrap()[..], b"234");
        let parts = store.get_ranges(&location, &[0..1, 9..10]).await.unwrap();
        assert_eq!(parts, ["0", "9"]);
        assert!(store.get(&StagedFiles::location(1)).await.is_err());
        assert!(store.get(&Path::from("../etc/passwd")).await.is_err());
        assert!(store.put(&location, "x".into()).await.is_err());
        assert!(store.delete(&location).await.is_err());
        assert!(store.list(None).next().await.unwrap().is_err());
    }

    #[test]
    fn the_registry_knows_one_address() {
        let registry = OneStore(store(b""));
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(registry.get_store(&url("egret://inputs")).is_ok());
        for other in [
            "file:///",
            "file:///etc/passwd",
            "egret://other",
            "http://inputs/",
            "s3://inputs",
        ] {
            assert!(registry.get_store(&url(other)).is_err(), "{other}");
        }
        let local = Arc::new(StagedFiles::new(vec![]));
        registry.register_store(&url("file:///"), local);
        assert!(
            registry.get_store(&url("file:///")).is_err(),
            "nothing can be added"
        );
    }
}
