//! The key file of offline masking: 64 hexadecimal digits, for the owner alone.

use std::path::Path;

use crate::clock::Entropy;
use crate::error::Error;
use crate::keys::Key;

/// The root of tokens and permutations.
pub struct MaskKey(pub(super) masking::RootKey);

impl MaskKey {
    /// Reads a key file.
    ///
    /// # Errors
    /// A file that is missing, damaged, or that others may read. Names the file.
    pub fn read(file: &Path) -> Result<Self, Error> {
        Key::read_file(file).map(|key| Self(masking::RootKey::from_bytes(*key.bytes())))
    }

    /// Makes a new key file of mode 0600.
    ///
    /// # Errors
    /// A file that is there already, or that cannot be written. Names the file.
    pub fn make(file: &Path, entropy: &dyn Entropy) -> Result<(), Error> {
        Key::make_file(file, entropy)
    }

    /// What tells keys apart, and gives nothing of the key away.
    #[must_use]
    pub fn commitment(&self) -> String {
        hex::encode(self.0.commitment())
    }
}
