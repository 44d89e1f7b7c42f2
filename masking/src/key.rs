//! Keys, value domains and tokens.
//!
//! One root key per platform; every other key is derived from it (HKDF, RFC 5869) for one purpose,
//! one value domain and one epoch. A token is HMAC (RFC 2104) of an identifier's canonical form,
//! cut to 128 bits and written in base32. The algorithms are those of the root key's
//! [`CipherSuite`]. Two scenarios have two keys, so their tokens have nothing in common; two data
//! sets of one scenario share the key of a value domain, so their tokens join.

use std::borrow::Cow;
use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Fault, MaskError};
use crate::text::Bilingual;
use crate::transform::text_values;

mod canonical;
mod suite;

pub use canonical::canonical;
pub(crate) use canonical::canonical_form;
pub use suite::CipherSuite;
pub(crate) use suite::PermutationKey;

use suite::KeyedMac;

/// What kind of thing an identifier names: `person-id`, `mobile`, `enterprise-id`, `vehicle`,
/// `bank-card`.
///
/// Tokens of one value domain join across data sets, whatever their columns are called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValueDomain(String);

impl ValueDomain {
    /// Reads a name of 2 to 32 characters: a lower-case letter, then lower-case letters, digits,
    /// hyphens.
    ///
    /// # Errors
    /// `value_domain_name` when the name has another form.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        let mut chars = name.chars();
        let valid = chars.next().is_some_and(|first| first.is_ascii_lowercase())
            && chars.all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
            && (2..=32).contains(&name.len());
        if valid {
            return Ok(Self(name.to_owned()));
        }
        let shown: String = name.chars().take(40).collect();
        Err(Fault::general(
            "value_domain_name",
            Bilingual::new(
                format!("值域名称 {shown:?} 不合规"),
                format!("{shown:?} is no name of a value domain"),
            ),
            Bilingual::new(
                "以小写字母开头，其后为小写字母、数字或连字符，共 2 至 32 个字符，例如 person-id",
                "start with a lower-case letter, then lower-case letters, digits or hyphens, 2 to 32 in all, \
                 for example person-id",
            ),
        ))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that this crate itself writes.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for ValueDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for ValueDomain {
    type Error = Fault;

    fn try_from(name: String) -> Result<Self, Fault> {
        Self::parse(&name)
    }
}

impl From<ValueDomain> for String {
    fn from(domain: ValueDomain) -> Self {
        domain.0
    }
}

/// The platform's root of all masking keys: 32 secret bytes, wiped when dropped, never shown, and
/// the suite of algorithms that all keys below it are used with.
pub struct RootKey {
    secret: Zeroizing<[u8; 32]>,
    suite: CipherSuite,
}

impl RootKey {
    /// Takes 32 bytes that must come from a cryptographic source, for the international suite.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::with_suite(bytes, CipherSuite::International)
    }

    /// Takes 32 bytes that must come from a cryptographic source, for a suite of algorithms.
    /// Another suite gives other tokens.
    pub fn with_suite(bytes: [u8; 32], suite: CipherSuite) -> Self {
        Self {
            secret: Zeroizing::new(bytes),
            suite,
        }
    }

    /// The suite of algorithms.
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// A public value that tells two root keys apart and reveals neither.
    pub fn commitment(&self) -> [u8; 32] {
        self.suite
            .digest(&[b"egret root key commitment v1", self.secret.as_slice()])
    }

    /// The root of one epoch of one owner of keys. Both this root and the share are needed to make it, so whoever destroys the
    /// share has destroyed every key of that epoch. The suite is part of what it is derived from.
    pub fn of_epoch(&self, share: &[u8; 32], owner: &str, epoch: u32) -> Self {
        // Suite and epoch hold no '|', so reading from both ends makes this text unambiguous.
        let info = format!("epoch root|{}|{owner}|{epoch}", self.suite.as_str());
        let secret = self
            .suite
            .expand(Some(share), self.secret.as_slice(), info.as_bytes());
        Self::with_suite(secret, self.suite)
    }

    /// The key of the tokens that intake writes into a data set version.
    pub fn intake(&self, domain: &ValueDomain, epoch: u32) -> TokenKey {
        self.token_key("intake", domain, epoch)
    }

    /// The key of the tokens that a run of one scenario may see. A new epoch severs all earlier
    /// tokens.
    pub fn scenario(&self, scenario: &str, domain: &ValueDomain, epoch: u32) -> TokenKey {
        // The prefix keeps a scenario that is called "intake" apart from intake itself.
        self.token_key(&format!("scenario/{scenario}"), domain, epoch)
    }

    /// The key of format-preserving permutations in a value domain.
    pub(crate) fn permutation(&self, domain: &ValueDomain, epoch: u32) -> PermutationKey {
        PermutationKey::new(self.suite, self.derive("permute", domain, epoch))
    }

    /// The key from which a subject's date shift is drawn.
    pub(crate) fn date_shift(&self, domain: &ValueDomain, epoch: u32) -> TokenKey {
        self.token_key("shift", domain, epoch)
    }

    /// The key from which a subject's noise is drawn.
    pub(crate) fn noise(&self, domain: &ValueDomain, epoch: u32) -> TokenKey {
        self.token_key("noise", domain, epoch)
    }

    /// The key by which surrogates of one kind (`name`, `address`) are chosen.
    pub(crate) fn surrogate(&self, kind: &'static str, epoch: u32) -> TokenKey {
        self.token_key("surrogate", &ValueDomain::known(kind), epoch)
    }

    /// The key by which rows are shuffled.
    pub(crate) fn shuffle(&self, epoch: u32) -> TokenKey {
        self.token_key("shuffle", &ValueDomain::known("row"), epoch)
    }

    fn token_key(&self, purpose: &str, domain: &ValueDomain, epoch: u32) -> TokenKey {
        let key = self.derive(purpose, domain, epoch);
        TokenKey::new(self.suite, key, domain.clone())
    }

    fn derive(&self, purpose: &str, domain: &ValueDomain, epoch: u32) -> [u8; 32] {
        // Domain and epoch hold no '|', so reading from the right makes this text unambiguous.
        let info = format!("mask|{purpose}|{domain}|{epoch}");
        self.suite
            .expand(None, self.secret.as_slice(), info.as_bytes())
    }
}

/// Makes the tokens of one purpose, value domain and epoch.
#[derive(Clone)]
pub struct TokenKey {
    mac: KeyedMac,
    commitment: [u8; 32],
    domain: ValueDomain,
    suite: CipherSuite,
}

impl TokenKey {
    fn new(suite: CipherSuite, mut key: [u8; 32], domain: ValueDomain) -> Self {
        let commitment = suite.digest(&[b"egret token key commitment v1", &key]);
        let mac = KeyedMac::new(suite, &key);
        key.zeroize();
        Self {
            mac,
            commitment,
            domain,
            suite,
        }
    }

    /// The suite of algorithms that the tokens are made with.
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// The token of one canonical identifier: 26 characters `a-z2-7`, 128 bits.
    pub fn token(&self, canonical: &[u8]) -> String {
        let mut text = String::with_capacity(26);
        base32(self.digest(canonical), &mut text);
        text
    }

    /// The tokens of a column, as `Utf8`. Each value is first brought to the canonical form of the
    /// key's value domain; nulls stay null, and a blank value, which names nobody, becomes null.
    ///
    /// # Errors
    /// `not_text` when the column's type has no text form (lists, structures).
    pub fn tokenise(&self, values: &dyn Array) -> Result<ArrayRef, MaskError> {
        let texts = text_values(values)?;
        let texts = texts.as_string::<i32>();
        let mut tokens = StringBuilder::with_capacity(texts.len(), texts.len().saturating_mul(26));
        let mut token = String::with_capacity(26);
        for value in texts {
            let canonical = value.map_or(Cow::Borrowed(""), |value| {
                canonical_form(&self.domain, value)
            });
            if canonical.is_empty() {
                tokens.append_null();
            } else {
                token.clear();
                base32(self.digest(canonical.as_bytes()), &mut token);
                tokens.append_value(&token);
            }
        }
        Ok(Arc::new(tokens.finish()))
    }

    /// A public value that tells two keys apart and reveals neither.
    pub fn commitment(&self) -> [u8; 32] {
        self.commitment
    }

    /// The value domain whose canonical form the tokens are made from.
    pub fn value_domain(&self) -> &ValueDomain {
        &self.domain
    }

    /// The first 128 bits of the keyed digest.
    pub(crate) fn digest(&self, message: &[u8]) -> u128 {
        let mut head = [0; 16];
        head.copy_from_slice(&self.mac.digest(message)[..16]);
        u128::from_be_bytes(head)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenKey({})", self.domain)
    }
}

/// Base32 of RFC 4648 in lower case, without padding: 26 characters for 128 bits.
fn base32(bits: u128, text: &mut String) {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    for position in 0..26u32 {
        // Five bits at a time from the left; the last character holds three bits and two zeros.
        let shifted = if position < 25 {
            bits >> (123 - 5 * position)
        } else {
            bits << 2
        };
        let index = usize::try_from(shifted & 31).unwrap_or(0);
        text.push(char::from(ALPHABET[index]));
    }
}

#[cfg(test)]
mod tests;
