//! The platform's keys: made at the first start, checked at every later one. Who keeps them is behind [`KeyKeeper`].

mod keeper;
mod share;

use std::collections::BTreeMap;

use masking::CipherSuite;
use ring::{hkdf, hmac};
use sqlx::Row as _;

use crate::{
    access::{SystemOperation, system},
    clock::Entropy,
    error::Error,
    ledger::LeafDraft,
    storage::{Store, storage_error},
};

pub(crate) use keeper::{KeyFolder, KeyKeeper, damaged, make_file, read_file};
pub(crate) use share::Share;

use keeper::Secret;

/// Offsets of a threshold: none to three.
const OFFSETS: u64 = 4;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// The name under which the database remembers the suite, among the checks of the keys.
const SUITE: &str = "suite";

/// The keys by name.
pub(crate) struct Keys {
    keeper: Box<dyn KeyKeeper>,
    suite: CipherSuite,
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
    bytes: Secret,
    made_now: bool,
}

impl Keys {
    /// Takes the keys from their keeper; has those made that are missing.
    ///
    /// # Errors
    /// A keeper that does not answer, or a key that is damaged or that others may read. Names the key's place.
    pub(crate) fn open(
        keeper: Box<dyn KeyKeeper>,
        suite: CipherSuite,
        entropy: &dyn Entropy,
    ) -> Result<Self, Error> {
        let key = |name| Key::open(&*keeper, name, entropy);
        Ok(Self {
            objects: key("objects")?,
            masking: key("masking")?,
            checkpoint: key("checkpoint")?,
            certificate: key("certificate")?,
            pseudonyms: key("pseudonyms")?,
            suite,
            keeper,
        })
    }

    /// The algorithms of tokens and masks.
    pub(crate) fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// The root of tokens and masks. By itself it makes what has no epoch: the numbers of privacy units, the labels of
    /// categories, the tokens of samples.
    pub(crate) fn mask_root(&self) -> masking::RootKey {
        masking::RootKey::with_suite(*self.masking.bytes(), self.suite)
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

    /// Compares the keys with the check values of the database, which tell a wrong key from the right one, and the suite with the
    /// one that the database was made for.
    ///
    /// # Errors
    /// A key that is not the one that this database was written with, or another suite. Names the key's place.
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
            return self.remember(store).await;
        }
        // A database from before there was a choice says nothing, and is of the suite that there was.
        let suite = known.iter().find(|(name, _)| name == SUITE);
        let suite = suite.map_or(CipherSuite::International.as_str(), |(_, value)| value);
        if suite == self.suite.as_str() {
            Ok(())
        } else {
            Err(another_suite(suite, self.suite))
        }
    }

    async fn remember(&self, store: &Store) -> Result<(), Error> {
        let mut checks: Vec<(&'static str, String)> = self
            .all()
            .iter()
            .map(|key| (key.name, key.check_value()))
            .collect();
        checks.push((SUITE, self.suite.as_str().to_owned()));
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
        let shown = self.keeper.place(key.name);
        // What was just made would hide at the next start that the right ones are missing.
        for made in self.all().into_iter().filter(|key| key.made_now) {
            self.keeper.take_back(made.name);
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

fn another_suite(remembered: &str, asked: CipherSuite) -> Error {
    let asked = asked.as_str();
    Error::conflict(
        "another_suite",
        format!("此数据库的密码套件为 {remembered}，配置要求 {asked}；改换套件会改变所有令牌。"),
        format!(
            "this database was made for the suite {remembered}, and the configuration says {asked}; another suite would change \
             every token."
        ),
    )
    .with_remedy(
        format!("配置 [keys] suite = \"{remembered}\"；改用 {asked} 须新建数据目录与数据库，并重新推送数据。"),
        format!(
            "say suite = \"{remembered}\" under [keys]; for {asked} begin with a new data folder and database, and push the data again."
        ),
    )
}

impl Key {
    /// The key's bytes.
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    fn open(
        keeper: &dyn KeyKeeper,
        name: &'static str,
        entropy: &dyn Entropy,
    ) -> Result<Self, Error> {
        let found = keeper.find(name)?;
        let made_now = found.is_none();
        let bytes = match found {
            Some(bytes) => bytes,
            None => keeper.make(name, entropy)?,
        };
        Ok(Self {
            name,
            bytes,
            made_now,
        })
    }

    /// A value that tells keys apart and gives nothing of the key away.
    fn check_value(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes.as_slice());
        let tag = hmac::sign(&key, format!("egret key check|{}", self.name).as_bytes());
        hex::encode(&tag.as_ref()[..8])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::clock::SystemEntropy;

    fn keys(folder: &std::path::Path) -> Keys {
        let keeper = Box::new(KeyFolder::open(folder).unwrap());
        Keys::open(keeper, CipherSuite::International, &SystemEntropy).unwrap()
    }

    #[test]
    fn offsets_are_the_same_for_the_same_set_and_all_occur() {
        let folder = tempfile::tempdir().unwrap();
        let keys_here = keys(folder.path());
        let sets: Vec<String> = (0..100).map(|set| format!("set {set}")).collect();
        let offsets = keys_here.threshold_offsets(&sets);
        assert_eq!(offsets, keys_here.threshold_offsets(&sets));
        for offset in 0..OFFSETS {
            assert!(offsets.values().any(|of| *of == offset), "{offset} never");
        }
        assert!(offsets.values().all(|offset| *offset < OFFSETS));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(offsets, keys(other.path()).threshold_offsets(&sets));
    }

    #[test]
    fn a_share_opens_in_its_own_context_and_under_its_own_key_alone() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mine, others) = (keys(here.path()), keys(there.path()));
        let share = Share::new(&SystemEntropy);
        let sealed = mine.seal_share("intake", 1, &share).unwrap();
        let opened = mine.open_share("intake", 1, &sealed).unwrap();
        let commitment = |share: &Share| mine.epoch_root(share, "intake", 1).commitment();
        assert_eq!(commitment(&opened), commitment(&share));
        for wrong in [
            mine.open_share("intake", 2, &sealed),
            mine.open_share("scn_1", 1, &sealed),
            mine.open_share("intake", 1, &sealed[1..]),
            mine.open_share("intake", 1, &[]),
            others.open_share("intake", 1, &sealed),
        ] {
            assert!(wrong.is_err());
        }
        assert!(!sealed.windows(8).any(|some| share.holds(some)));
    }
}
