//! The key file of offline masking: 64 hexadecimal digits, for the owner alone, behind the name of the suite where it is not the
//! international one.

use std::path::Path;

use masking::CipherSuite;

use crate::clock::Entropy;
use crate::error::Error;
use crate::keys::{damaged, make_file, read_file};

/// The root of tokens and permutations.
pub struct MaskKey(pub(super) masking::RootKey);

impl MaskKey {
    /// Reads a key file, which says what suite of algorithms it is for.
    ///
    /// # Errors
    /// A file that is missing, damaged, or that others may read. Names the file.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let (label, key) = read_file(file)?;
        let suite = match label {
            None => CipherSuite::International,
            Some(name) => CipherSuite::parse(&name).ok_or_else(|| damaged(file))?,
        };
        Ok(Self(masking::RootKey::with_suite(*key, suite)))
    }

    /// Makes a new key file of mode 0600 for a suite of algorithms.
    ///
    /// # Errors
    /// A file that is there already, or that cannot be written. Names the file.
    pub fn make(file: &Path, suite: CipherSuite, entropy: &dyn Entropy) -> Result<(), Error> {
        let label = (suite != CipherSuite::International).then_some(suite.as_str());
        make_file(file, label, entropy)
    }

    /// The suite of algorithms that the key is for.
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.0.suite()
    }

    /// What tells keys apart, and gives nothing of the key away.
    #[must_use]
    pub fn commitment(&self) -> String {
        hex::encode(self.0.commitment())
    }
}
