//! Signed notes (C2SP): text, a blank line, and a line per signature, as checkpoints are signed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::tree::sha256;

/// The type of an Ed25519 signature in a note.
const ED25519_TYPE: u8 = 0x01;
/// Bytes of a note that are looked at.
const NOTE_BYTES_MAX: usize = 1 << 20;

/// Why a note was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("not a signed note")]
    Malformed,
    /// No signature by the key asked for.
    #[error("no signature by this key")]
    Unsigned,
    /// The signature does not fit the text.
    #[error("the signature does not fit the text")]
    Forged,
}

/// The public half of a note key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: [u8; 32],
}

/// A key that signs notes.
pub(crate) struct NoteSigner {
    verifying: VerifyingKey,
    pair: Ed25519KeyPair,
}

impl VerifyingKey {
    /// A key by its name and bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, key: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            key,
        }
    }

    /// Reads `name+hexid+base64`, the form that note verifiers take.
    ///
    /// # Errors
    /// Another form, another type of key, or an identifier that is not the key's.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Malformed);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Malformed)?;
        let [ED25519_TYPE, key @ ..] = bytes.as_slice() else {
            return Err(NoteError::Malformed);
        };
        let key = key.try_into().map_err(|_| NoteError::Malformed)?;
        let found = Self::new(name, key);
        let plain = !name.is_empty() && !name.contains(char::is_whitespace);
        if plain && hex::encode(found.id()) == id {
            Ok(found)
        } else {
            Err(NoteError::Malformed)
        }
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// The identifier: SHA-256(name ‖ 0x0A ‖ type ‖ key), first four bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.key]);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The form that note verifiers take: `name+hexid+base64`.
    #[must_use]
    pub fn verifier(&self) -> String {
        let mut bytes = vec![ED25519_TYPE];
        bytes.extend(self.key);
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.id()),
            STANDARD.encode(bytes)
        )
    }

    /// Checks a note and answers its text.
    ///
    /// # Errors
    /// No note, no signature by this key, or one that does not fit.
    pub fn verify<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed);
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
        for line in signatures.lines() {
            let rest = line.strip_prefix("— ").ok_or(NoteError::Malformed)?;
            let (name, value) = rest.split_once(' ').ok_or(NoteError::Malformed)?;
            let value = STANDARD.decode(value).map_err(|_| NoteError::Malformed)?;
            let Some((id, signature)) = value.split_first_chunk::<4>() else {
                return Err(NoteError::Malformed);
            };
            if name == self.name && *id == self.id() {
                return UnparsedPublicKey::new(&ED25519, &self.key)
                    .verify(text.as_bytes(), signature)
                    .map(|()| text)
                    .map_err(|_| NoteError::Forged);
            }
        }
        Err(NoteError::Unsigned)
    }
}

impl NoteSigner {
    /// A signer of this name under a seed of 32 bytes.
    pub(crate) fn new(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        Some(Self {
            verifying: VerifyingKey::new(name, key),
            pair,
        })
    }

    /// The public half.
    pub(crate) fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs a text that ends with a line feed.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut value = self.verifying.id().to_vec();
        value.extend(self.pair.sign(text.as_bytes()).as_ref());
        format!(
            "{text}\n— {} {}\n",
            self.verifying.name,
            STANDARD.encode(value)
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn the_go_example_key_is_read() {
        // The example of golang.org/x/mod/sumdb/note.
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\
                    \n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key_read = VerifyingKey::parse(key).unwrap();
        assert_eq!(key_read.verifier(), key);
        assert!(key_read.verify(note).unwrap().ends_with("problem is.\n"));
        assert_eq!(
            key_read.verify(&note.replace("answer", "problem")),
            Err(NoteError::Forged)
        );
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let signer = NoteSigner::new("egret.example/log", &[3; 32]).unwrap();
        let note = signer.sign("egret.example/log\n3\nAAAA\n");
        assert!(signer.verifying().verify(&note).is_ok());
        let other = NoteSigner::new("egret.example/log", &[4; 32]).unwrap();
        assert_eq!(other.verifying().verify(&note), Err(NoteError::Unsigned));
        assert_eq!(
            signer.verifying().verify("no note"),
            Err(NoteError::Malformed)
        );
        assert!(VerifyingKey::parse("a+00000000+AQ==").is_err());
    }
}
