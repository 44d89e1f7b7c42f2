//! Passwords: argon2id (RFC 9106), a few at a time.

use std::sync::{Arc, LazyLock};

use argon2::{
    Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _, password_hash::SaltString,
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{clock::Entropy, error::Error};

/// Hashes at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
const LENGTH_MIN: usize = 12;
/// Longer ones are no password but an attack on the hash.
const LENGTH_MAX: usize = 256;

/// A hash that no password has: unknown accounts take as long as known ones.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash("nobody at all", &[0; 16]).unwrap_or_default());

/// Hashes and verifies passwords.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// The hash to store of a new password.
    pub(crate) async fn hash(
        &self,
        password: &str,
        entropy: &dyn Entropy,
    ) -> Result<String, Error> {
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&password.chars().count()) {
            return Err(Error::invalid(
                "weak_password",
                format!("口令须为 {LENGTH_MIN} 至 {LENGTH_MAX} 个字符。"),
                format!("a password has {LENGTH_MIN} to {LENGTH_MAX} characters."),
            ));
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let password = Zeroizing::new(password.to_owned());
        let hashed = self.run(move || hash(&password, &salt)).await?;
        hashed.ok_or_else(|| Error::internal("hash a password", "argon2 refused"))
    }

    /// Whether the password has this hash; without a hash it takes as long and answers no.
    pub(crate) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Error> {
        if password.len() > LENGTH_MAX * 4 {
            return Ok(false);
        }
        let password = Zeroizing::new(password.to_owned());
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.clone());
            let fits = PasswordHash::new(&hash)
                .and_then(|hash| Argon2::default().verify_password(password.as_bytes(), &hash))
                .is_ok();
            fits && known
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _turn = self
            .0
            .acquire()
            .await
            .map_err(|source| Error::internal("hash a password", source))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|source| Error::internal("hash a password", source))
    }
}

fn hash(password: &str, salt: &[u8; 16]) -> Option<String> {
    let salt = SaltString::encode_b64(salt).ok()?;
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .ok()
        .map(|hash| hash.to_string())
}
