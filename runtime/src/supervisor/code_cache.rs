//! Machine code of modules, kept in memory: made once, verified each time it is handed out.
//!
//! Code is kept for an owner, a module and a compiler; two owners of the same module share nothing,
//! since a module that took its compile worker over could have put anything into the answer. Each
//! entry carries an HMAC-SHA256 (RFC 2104) under a key that this process draws at its start and
//! passes to nobody; what does not verify is dropped and compiled again. Keeping code over restarts,
//! in a folder, is not done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

/// What an entry takes beside its code.
const ENTRY_BYTES: usize = 512;

/// What code is kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CodeKey {
    owner: String,
    module: [u8; 32],
    compatibility: [u8; 32],
}

impl CodeKey {
    /// For an owner's module, compiled by a compiler of this compatibility.
    pub(super) fn new(owner: &str, module: &[u8], compatibility: [u8; 32]) -> Self {
        Self {
            owner: owner.to_owned(),
            module: sha256(module),
            compatibility,
        }
    }

    /// What the MAC of an entry is made of: each part of a fixed length, or after its length.
    fn bound_to(&self, code: &[u8]) -> Vec<u8> {
        let mut message = b"egret machine code 1|".to_vec();
        message.extend((self.owner.len() as u64).to_le_bytes());
        message.extend(self.owner.as_bytes());
        message.extend(self.module);
        message.extend(self.compatibility);
        message.extend(sha256(code));
        message
    }
}

/// The cache at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeCacheView {
    /// Modules that are kept.
    pub entries: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Runs that found their code.
    pub hits: u64,
    /// Runs that did not.
    pub misses: u64,
    /// Entries that did not verify and were dropped.
    pub refused: u64,
}

/// Kept code, least recently used first to go.
#[derive(Debug)]
pub(super) struct CodeCache {
    key: hmac::Key,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<CodeKey, Entry>,
    /// Counts uses, so that the oldest one is known.
    uses: u64,
    view: CodeCacheView,
}

#[derive(Debug)]
struct Entry {
    code: Arc<Vec<u8>>,
    tag: hmac::Tag,
    used: u64,
}

impl CodeCache {
    /// None where the host gives no randomness for a key.
    pub(super) fn new(bytes_max: usize) -> Option<Self> {
        Some(Self {
            key: hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).ok()?,
            bytes_max,
            kept: Mutex::default(),
        })
    }

    /// Kept code that verifies and has at most so many bytes, or new code, which is kept.
    pub(super) async fn find_or_make<E>(
        &self,
        key: CodeKey,
        bytes_max: u64,
        make: impl Future<Output = Result<Vec<u8>, E>>,
    ) -> Result<Arc<Vec<u8>>, E> {
        // A limit that is lower than when the code was made holds here too.
        let kept = self.find(&key);
        if let Some(code) = kept.filter(|code| code.len() as u64 <= bytes_max) {
            return Ok(code);
        }
        let code = Arc::new(make.await?);
        self.keep(key, Arc::clone(&code));
        Ok(code)
    }

    /// Code that verifies.
    fn find(&self, key: &CodeKey) -> Option<Arc<Vec<u8>>> {
        let found = self.kept().touch(key);
        let verified = found.filter(|(code, tag)| {
            let intact = hmac::verify(&self.key, &key.bound_to(code), tag.as_ref()).is_ok();
            if !intact {
                tracing::error!("kept machine code is not what was kept; it is compiled again");
                self.kept().remove(key);
                self.kept().view.refused += 1;
            }
            intact
        });
        let mut kept = self.kept();
        match &verified {
            Some(_) => kept.view.hits += 1,
            None => kept.view.misses += 1,
        }
        verified.map(|(code, _)| code)
    }

    /// Keeps code, where it fits, in the place of what was used least recently.
    fn keep(&self, key: CodeKey, code: Arc<Vec<u8>>) {
        let tag = hmac::sign(&self.key, &key.bound_to(&code));
        let bytes = code.len().saturating_add(ENTRY_BYTES);
        let mut kept = self.kept();
        kept.remove(&key);
        if bytes > self.bytes_max {
            return;
        }
        while kept.view.bytes > self.bytes_max - bytes {
            let Some(oldest) = kept.oldest() else { break };
            kept.remove(&oldest);
        }
        let used = kept.next_use();
        kept.view.bytes += bytes;
        kept.entries.insert(key, Entry { code, tag, used });
        kept.view.entries = kept.entries.len();
    }

    pub(super) fn view(&self) -> CodeCacheView {
        self.kept().view
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can leave the entries half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn touch(&mut self, key: &CodeKey) -> Option<(Arc<Vec<u8>>, hmac::Tag)> {
        let used = self.next_use();
        let entry = self.entries.get_mut(key)?;
        entry.used = used;
        Some((Arc::clone(&entry.code), entry.tag))
    }

    fn oldest(&self) -> Option<CodeKey> {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used)?;
        Some(oldest.0.clone())
    }

    fn remove(&mut self, key: &CodeKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.view.bytes -= entry.code.len() + ENTRY_BYTES;
            self.view.entries = self.entries.len();
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut result = [0; 32];
    result.copy_from_slice(digest(&SHA256, bytes).as_ref());
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn code(byte: u8, bytes: usize) -> Arc<Vec<u8>> {
        Arc::new(vec![byte; bytes])
    }

    fn code_of(byte: u8) -> Arc<Vec<u8>> {
        code(byte, 100)
    }

    fn key(owner: &str, module: &[u8]) -> CodeKey {
        CodeKey::new(owner, module, [0; 32])
    }

    #[test]
    fn owners_modules_and_compilers_share_nothing() {
        let cache = CodeCache::new(100_000).unwrap();
        cache.keep(key("a", b"m"), code(1, 100));
        assert_eq!(cache.find(&key("a", b"m")), Some(code(1, 100)));
        for other in [
            key("b", b"m"),
            key("a", b"n"),
            CodeKey::new("a", b"m", [1; 32]),
            key("am", b""),
        ] {
            assert_eq!(cache.find(&other), None);
        }
        let view = cache.view();
        assert_eq!((view.entries, view.hits, view.misses), (1, 1, 4));
    }

    #[test]
    fn what_was_tampered_with_is_dropped() {
        let cache = CodeCache::new(100_000).unwrap();
        let (a, b) = (key("a", b"m"), key("b", b"m"));
        for tamper in [0, 1, 2] {
            cache.keep(a.clone(), code(1, 100));
            cache.keep(b.clone(), code(2, 100));
            {
                let mut kept = cache.kept();
                let other = kept.entries[&b].tag;
                let stolen = Arc::clone(&kept.entries[&b].code);
                let entry = kept.entries.get_mut(&a).unwrap();
                match tamper {
                    0 => Arc::make_mut(&mut entry.code)[50] ^= 1,
                    1 => entry.tag = other,
                    // Another owner's code with its tag: bound to that owner.
                    _ => (entry.code, entry.tag) = (stolen, other),
                }
            }
            let refused = cache.view().refused;
            assert_eq!(cache.find(&a), None, "{tamper}");
            assert_eq!(cache.view().refused, refused + 1);
            assert_eq!(cache.find(&a), None, "it is gone");
            assert_eq!(cache.view().refused, refused + 1);
            assert!(cache.find(&b).is_some());
        }
        // Another process has another key.
        let other = CodeCache::new(100_000).unwrap();
        let entry = cache.kept().entries.remove(&b).unwrap();
        other.kept().entries.insert(b.clone(), entry);
        other.kept().view.bytes = 100 + ENTRY_BYTES;
        assert_eq!(other.find(&b), None);
        assert_eq!(other.view().bytes, 0);
    }

    #[tokio::test]
    async fn what_was_tampered_with_is_made_again() {
        let cache = CodeCache::new(100_000).unwrap();
        let made = std::cell::Cell::new(0);
        let wanted = async |bytes_max| {
            let make = async {
                made.set(made.get() + 1);
                Ok::<_, ()>(vec![7; 100])
            };
            let code = cache.find_or_make(key("a", b"m"), bytes_max, make).await;
            assert_eq!(code, Ok(code_of(7)));
            made.get()
        };
        assert_eq!(wanted(100).await, 1);
        assert_eq!(wanted(100).await, 1);
        let tamper = |entry: &mut Entry| Arc::make_mut(&mut entry.code)[0] ^= 1;
        cache.kept().entries.values_mut().for_each(tamper);
        assert_eq!(wanted(100).await, 2);
        assert_eq!(wanted(100).await, 2);
        // Larger than this run may have: asked for again, so that its own end can be told.
        assert_eq!(wanted(99).await, 3);
        let failed = async { Err::<Vec<u8>, _>("no code") };
        let other = cache.find_or_make(key("b", b"m"), 100, failed).await;
        assert_eq!(other, Err("no code"));
        assert_eq!(cache.view().entries, 1);
        assert_eq!(cache.view().refused, 1);
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let cache = CodeCache::new(3 * (1_000 + ENTRY_BYTES)).unwrap();
        for module in 0..3u8 {
            cache.keep(key("a", &[module]), code(module, 1_000));
        }
        assert!(cache.find(&key("a", &[0])).is_some());
        cache.keep(key("a", &[3]), code(3, 1_000));
        let kept = |module| cache.find(&key("a", &[module])).is_some();
        assert_eq!(
            [kept(0), kept(1), kept(2), kept(3)],
            [true, false, true, true]
        );
        // Larger than everything: not kept, and nothing has to go for it.
        cache.keep(key("a", &[4]), code(4, 1 << 20));
        assert_eq!(cache.view().entries, 3);
        // The same key again takes no further room.
        let bytes = cache.view().bytes;
        cache.keep(key("a", &[3]), code(3, 1_000));
        assert_eq!(cache.view().bytes, bytes);
        cache.keep(key("a", &[5]), code(5, 3 * 1_000 + 2 * ENTRY_BYTES));
        assert_eq!(cache.view().entries, 1);
    }
}
