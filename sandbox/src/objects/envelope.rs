//! Encryption at rest: a data key per object under the key-encryption key, and the object in chunks that cannot be
//! reordered, dropped or cut (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015, with AES-256-GCM).
//!
//! `EGRT` ‖ version ‖ nonce ‖ wrapped data key ‖ chunks. A chunk's nonce is its number and whether it is the last; the wrapped key is
//! bound to the object's place, so an object that was moved does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::clock::Entropy;

const MAGIC: &[u8; 5] = b"EGRT\x01";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// Plain bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
/// Encrypted bytes of a full chunk.
pub(crate) const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Bytes before the first chunk.
pub(crate) const HEADER_BYTES: usize = MAGIC.len() + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// An object that does not open: damaged, cut, moved, or under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object is damaged, or not under this key")]
pub(crate) struct Damaged;

/// The key that wraps data keys.
pub(crate) struct KeyEncryptionKey(LessSafeKey);

impl KeyEncryptionKey {
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, Damaged> {
        Ok(Self(aead(bytes)?))
    }
}

/// Encrypts one object, chunk by chunk.
pub(crate) struct Sealer {
    key: LessSafeKey,
    chunk: u64,
}

impl Sealer {
    /// A new data key for the object at `place`; answers the header to write first.
    pub(crate) fn new(
        kek: &KeyEncryptionKey,
        place: &str,
        entropy: &dyn Entropy,
    ) -> Result<(Self, Vec<u8>), Damaged> {
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(data_key.as_mut_slice());
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let key = aead(&data_key)?;
        let mut wrapped = data_key.to_vec();
        kek.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut wrapped,
            )
            .map_err(|_| Damaged)?;
        let header = [MAGIC.as_slice(), &nonce, &wrapped].concat();
        Ok((Self { key, chunk: 0 }, header))
    }

    /// Encrypts the next chunk: [`CHUNK_BYTES`], or what is left when it is the last (which may be empty).
    pub(crate) fn seal(&mut self, plain: &[u8], last: bool) -> Result<Vec<u8>, Damaged> {
        let mut chunk = Vec::with_capacity(plain.len() + TAG_BYTES);
        chunk.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(nonce(self.chunk, last), Aad::empty(), &mut chunk)
            .map_err(|_| Damaged)?;
        self.chunk += 1;
        Ok(chunk)
    }
}

/// Decrypts one object, chunk by chunk.
pub(crate) struct Opener {
    key: LessSafeKey,
    chunk: u64,
}

impl Opener {
    /// Opens the header of the object at `place`.
    pub(crate) fn new(kek: &KeyEncryptionKey, place: &str, header: &[u8]) -> Result<Self, Damaged> {
        let rest = header.strip_prefix(MAGIC.as_slice()).ok_or(Damaged)?;
        let (wrap_nonce, wrapped) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Damaged)?;
        let mut wrapped = Zeroizing::new(wrapped.to_vec());
        let plain = kek
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*wrap_nonce),
                Aad::from(place.as_bytes()),
                wrapped.as_mut_slice(),
            )
            .map_err(|_| Damaged)?;
        let key: &[u8; KEY_BYTES] = (&*plain).try_into().map_err(|_| Damaged)?;
        Ok(Self {
            key: aead(key)?,
            chunk: 0,
        })
    }

    /// Decrypts the next chunk in place and answers its plain bytes.
    pub(crate) fn open<'b>(
        &mut self,
        sealed: &'b mut [u8],
        last: bool,
    ) -> Result<&'b [u8], Damaged> {
        let number = self.chunk;
        self.chunk += 1;
        self.open_at(number, sealed, last)
    }

    /// Decrypts the chunk of a number in place and answers its plain bytes.
    pub(crate) fn open_at<'b>(
        &self,
        number: u64,
        sealed: &'b mut [u8],
        last: bool,
    ) -> Result<&'b [u8], Damaged> {
        let plain = self
            .key
            .open_in_place(nonce(number, last), Aad::empty(), sealed)
            .map_err(|_| Damaged)?;
        Ok(plain)
    }
}

fn aead(bytes: &[u8; KEY_BYTES]) -> Result<LessSafeKey, Damaged> {
    UnboundKey::new(&AES_256_GCM, bytes)
        .map(LessSafeKey::new)
        .map_err(|_| Damaged)
}

/// A data key serves one object, so a counter is a nonce.
fn nonce(chunk: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_BYTES];
    bytes[..8].copy_from_slice(&chunk.to_be_bytes());
    bytes[NONCE_BYTES - 1] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}
