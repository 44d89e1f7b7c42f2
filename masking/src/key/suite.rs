//! The two suites of algorithms, and what each is made of.

use hkdf::Hkdf;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use zeroize::{Zeroize, Zeroizing};

use crate::text::Bilingual;

/// Which algorithms keys, tokens and permutations are made with.
///
/// | | International | Sm |
/// |---|---|---|
/// | derivation | HKDF-SHA256 (RFC 5869) | HKDF with SM3 |
/// | tokens | HMAC-SHA256 (RFC 2104) | HMAC-SM3 (GB/T 32905, GB/T 15852.2) |
/// | permutations | FF1 over AES-256 (NIST SP 800-38G) | FF1 over SM4 (GB/T 32907) |
///
/// No profile of GM/T is published for FF1 over SM4: the mode is NIST's, the cipher SM4. Where a
/// certified algorithm is asked for, use tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CipherSuite {
    /// SHA-256 and AES-256.
    #[default]
    International,
    /// SM3 and SM4, Chinese commercial cryptography.
    Sm,
}

impl CipherSuite {
    /// The name in documents: `international` or `sm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::International => "international",
            Self::Sm => "sm",
        }
    }

    /// Reads a name as documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::International, Self::Sm]
            .into_iter()
            .find(|suite| suite.as_str() == name)
    }

    /// What must be said wherever a permutation of this suite is described.
    pub fn permutation_note(self) -> Option<Bilingual> {
        match self {
            Self::International => None,
            Self::Sm => Some(Bilingual::new(
                "FF1 采用 SM4 分组密码，目前没有已发布的 GM/T 规范",
                "FF1 over SM4 has no published GM/T profile",
            )),
        }
    }

    /// HKDF (RFC 5869) to one block of 32 bytes.
    pub(super) fn expand(self, salt: Option<&[u8]>, secret: &[u8], info: &[u8]) -> [u8; 32] {
        let mut key = [0; 32];
        let expanded = match self {
            Self::International => Hkdf::<Sha256>::new(salt, secret).expand(info, &mut key),
            Self::Sm => Hkdf::<Sm3>::new(salt, secret).expand(info, &mut key),
        };
        #[expect(
            clippy::expect_used,
            reason = "32 bytes are one block; HKDF gives up to 255 blocks"
        )]
        expanded.expect("one block of HKDF");
        key
    }

    /// The digest of the parts of a message.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> [u8; 32] {
        match self {
            Self::International => chained::<Sha256>(parts),
            Self::Sm => chained::<Sm3>(parts),
        }
    }
}

fn chained<D>(parts: &[&[u8]]) -> [u8; 32]
where
    D: Digest,
    hmac::digest::Output<D>: Into<[u8; 32]>,
{
    let digest = parts.iter().fold(D::new(), D::chain_update);
    digest.finalize().into()
}

/// HMAC (RFC 2104) of a suite under a key of 32 bytes.
#[derive(Clone)]
pub(super) enum KeyedMac {
    Sha256(Hmac<Sha256>),
    Sm3(Hmac<Sm3>),
}

impl KeyedMac {
    pub(super) fn new(suite: CipherSuite, key: &[u8; 32]) -> Self {
        // A key shorter than a block is padded with zeros (RFC 2104), so this is the same key,
        // infallibly.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        let mac = match suite {
            CipherSuite::International => Self::Sha256(Hmac::new(&block.into())),
            CipherSuite::Sm => Self::Sm3(Hmac::new(&block.into())),
        };
        block.zeroize();
        mac
    }

    /// All 256 bits of a message's code.
    pub(super) fn digest(&self, message: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256(mac) => finished(mac.clone(), message),
            Self::Sm3(mac) => finished(mac.clone(), message),
        }
    }
}

fn finished<M>(mut mac: M, message: &[u8]) -> [u8; 32]
where
    M: Mac,
    hmac::digest::Output<M>: Into<[u8; 32]>,
{
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The key of a format-preserving permutation.
pub(crate) enum PermutationKey {
    Aes256(Zeroizing<[u8; 32]>),
    Sm4(Zeroizing<[u8; 16]>),
}

impl PermutationKey {
    /// SM4 has keys of 128 bits: the first half of what was derived, as HKDF itself would give for
    /// that length.
    pub(super) fn new(suite: CipherSuite, derived: [u8; 32]) -> Self {
        let derived = Zeroizing::new(derived);
        match suite {
            CipherSuite::International => Self::Aes256(derived),
            CipherSuite::Sm => {
                let mut key = Zeroizing::new([0; 16]);
                key.copy_from_slice(&derived[..16]);
                Self::Sm4(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Examples 1 and 2 of appendix A of GB/T 32905-2016.
    #[test]
    fn sm3_gives_the_vectors_of_gb_t_32905() {
        assert_eq!(
            hex(&CipherSuite::Sm.digest(&[b"a", b"bc"])),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            hex(&CipherSuite::Sm.digest(&[&b"abcd".repeat(16)])),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    /// HMAC written out after RFC 2104, against the library's.
    #[test]
    fn hmac_of_both_suites_is_that_of_rfc_2104() {
        let key = [0x5a; 32];
        let pad = |with: u8| -> Vec<u8> {
            (0..64)
                .map(|place| key.get(place).copied().unwrap_or(0) ^ with)
                .collect()
        };
        for suite in [CipherSuite::International, CipherSuite::Sm] {
            let inner = suite.digest(&[&pad(0x36), b"message"]);
            let outer = suite.digest(&[&pad(0x5c), &inner]);
            assert_eq!(KeyedMac::new(suite, &key).digest(b"message"), outer);
        }
    }

    /// HKDF of one block, written out after RFC 5869.
    #[test]
    fn hkdf_of_both_suites_is_that_of_rfc_5869() {
        for suite in [CipherSuite::International, CipherSuite::Sm] {
            let extracted = KeyedMac::new(suite, &[0; 32]).digest(b"secret");
            let expanded = KeyedMac::new(suite, &extracted).digest(b"info\x01");
            assert_eq!(suite.expand(None, b"secret", b"info"), expanded);
        }
    }

    #[test]
    fn names_are_read_back() {
        for suite in [CipherSuite::International, CipherSuite::Sm] {
            assert_eq!(CipherSuite::parse(suite.as_str()), Some(suite));
        }
        assert_eq!(CipherSuite::parse("SM"), None);
        assert!(CipherSuite::Sm.permutation_note().is_some());
    }
}
