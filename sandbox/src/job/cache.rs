//! Staged files in this node's memory, so that a second run costs nothing: bounded, least recently
//! used first out, and made once however many runs ask at the same time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::memfd::SealedFile;
use crate::error::Error;

/// The cache of one node.
#[derive(Debug)]
pub(crate) struct StagedCache {
    inner: Mutex<Inner>,
    bytes_max: u64,
}

#[derive(Debug, Default)]
struct Inner {
    files: HashMap<String, Entry>,
    /// One lock for each file that is being made.
    making: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
    bytes: u64,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    file: SealedFile,
    used: u64,
}

impl StagedCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            inner: Mutex::default(),
            bytes_max,
        }
    }

    /// The file of a key; made by `make` when it is not here.
    pub(crate) async fn file<F, M>(&self, key: &str, make: M) -> Result<SealedFile, Error>
    where
        M: FnOnce() -> F,
        F: Future<Output = Result<SealedFile, Error>>,
    {
        if let Some(file) = self.find(key) {
            return Ok(file);
        }
        let making = Arc::clone(self.lock().making.entry(key.to_owned()).or_default());
        let _turn = making.lock().await;
        if let Some(file) = self.find(key) {
            return Ok(file);
        }
        let made = make().await;
        let mut inner = self.lock();
        inner.making.remove(key);
        let file = made?;
        inner.keep(key, file.clone(), self.bytes_max);
        Ok(file)
    }

    /// Lets go of every file whose key begins so.
    pub(crate) fn forget(&self, prefix: &str) {
        let mut inner = self.lock();
        let gone: Vec<String> = inner
            .files
            .keys()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        for key in gone {
            if let Some(entry) = inner.files.remove(&key) {
                inner.bytes -= entry.file.bytes;
            }
        }
    }

    fn find(&self, key: &str) -> Option<SealedFile> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let entry = inner.files.get_mut(key)?;
        entry.used = now;
        Some(entry.file.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock was held leaves counts at worst too high: the cache then keeps less.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, key: &str, file: SealedFile, bytes_max: u64) {
        if file.bytes > bytes_max {
            return;
        }
        while self.bytes + file.bytes > bytes_max {
            let Some(oldest) = self
                .files
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(key, _)| key.clone())
            else {
                break;
            };
            if let Some(entry) = self.files.remove(&oldest) {
                self.bytes -= entry.file.bytes;
            }
        }
        self.clock += 1;
        self.bytes += file.bytes;
        let used = self.clock;
        if let Some(before) = self.files.insert(key.to_owned(), Entry { file, used }) {
            self.bytes -= before.file.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn fill(cache: &StagedCache, key: &str, bytes: usize, made: &AtomicU32) {
        let file = cache
            .file(key, || async {
                made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(SealedFile::new(&vec![0; bytes]).unwrap())
            })
            .await
            .unwrap();
        assert_eq!(file.bytes, u64::try_from(bytes).unwrap());
    }

    #[tokio::test]
    async fn a_file_is_made_once_however_many_ask() {
        let (cache, made) = (StagedCache::new(100), AtomicU32::new(0));
        let asking = (0..8).map(|_| fill(&cache, "a", 10, &made));
        futures::future::join_all(asking).await;
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first_and_the_bound_holds() {
        let (cache, made) = (StagedCache::new(100), AtomicU32::new(0));
        for key in ["a", "b", "a", "c"] {
            fill(&cache, key, 40, &made).await;
        }
        assert_eq!(made.load(Ordering::Relaxed), 3);
        fill(&cache, "a", 40, &made).await;
        assert_eq!(
            made.load(Ordering::Relaxed),
            3,
            "a was used last and should be here"
        );
        fill(&cache, "b", 40, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 4, "b should have gone");
        fill(&cache, "large", 101, &made).await;
        assert!(cache.lock().bytes <= 100);
        assert!(cache.find("large").is_none(), "larger than the cache");
    }

    #[tokio::test]
    async fn what_begins_with_a_prefix_is_let_go_of() {
        let (cache, made) = (StagedCache::new(100), AtomicU32::new(0));
        for key in ["scn_1/a", "scn_1/b", "scn_2/a"] {
            fill(&cache, key, 10, &made).await;
        }
        cache.forget("scn_1/");
        assert_eq!(cache.lock().bytes, 10);
        assert!(cache.find("scn_1/a").is_none() && cache.find("scn_1/b").is_none());
        assert!(cache.find("scn_2/a").is_some());
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let cache = StagedCache::new(100);
        let failed = cache
            .file("a", || async { Err(Error::unavailable("x", "x", "x")) })
            .await;
        assert!(failed.is_err());
        let made = AtomicU32::new(0);
        fill(&cache, "a", 1, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}
