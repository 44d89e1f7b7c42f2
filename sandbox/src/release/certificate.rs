//! The certificate of a release: an in-toto Statement v1 in a DSSE envelope, with the proof that the
//! release's leaf is in the log. The leaf names the statement and the result by their digests, so
//! that neither key alone can make up a release: a forged statement has no leaf, a forged leaf no root.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::document;
use crate::error::Error;
use crate::ledger::{InclusionProof, LedgerKeys, Signer, leaf_hash};

/// Payload type of an in-toto statement in an envelope.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Type of the statement.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Type of what the statement says.
pub(crate) const PREDICATE_TYPE: &str = "https://egret.dev/release/v1";
/// Type of the leaf of a release.
pub(crate) const RELEASE_LEAF: &str = "release.publish";
/// Bytes of a certificate that are looked at.
const CERTIFICATE_BYTES_MAX: usize = 8 << 20;

/// The file that goes with a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The signed statement.
    pub dsse: Envelope,
    /// The release's leaf: the bytes that the log hashes.
    pub leaf: String,
    /// That the leaf is in the log: `c2sp.org/tlog-proof@v1`, with its checkpoint.
    pub proof: String,
}

/// A DSSE envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The statement, base64.
    pub payload: String,
    /// Signatures over both.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// Which key.
    pub keyid: String,
    /// Ed25519, base64.
    pub sig: String,
}

/// What a certificate that holds says.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedCertificate {
    /// The release.
    pub release: String,
    /// SHA-256 of the result, in hex.
    pub sha256: String,
    /// The statement's predicate: scenario, inputs, program, rules, votes.
    pub predicate: Value,
    /// The release's leaf.
    pub leaf: Value,
    /// Its position in the log.
    pub index: u64,
    /// Leaves that the checkpoint covers.
    pub size: u64,
    /// Whether a result was given and is the one certified.
    pub result_checked: bool,
}

/// Why a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate of this platform.
    #[error("the file is no certificate")]
    Malformed,
    /// No signature by the certificate key, or one that does not fit.
    #[error("the statement is not signed by the certificate key")]
    Unsigned,
    /// The checkpoint is not signed by the log's key.
    #[error("the checkpoint is not signed by the log's key")]
    CheckpointUnsigned,
    /// The leaf is not in the log.
    #[error("the release's leaf is not in the log")]
    LeafNotInLog,
    /// The leaf speaks of another statement or result.
    #[error("the leaf is not that of this statement")]
    LeafMismatch,
    /// The result is another one.
    #[error("the result is not the one that was certified")]
    ResultMismatch,
}

/// The statement of a release.
pub(crate) fn statement(release: &str, sha256: &str, predicate: Value) -> Result<String, Error> {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": format!("{release}.csv"), "digest": { "sha256": sha256 } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    });
    document::write("write a statement", &statement)
}

/// How a leaf names a result.
pub(crate) fn result_subject(sha256: &str) -> String {
    format!("sha256:{sha256}")
}

/// How a leaf names a statement.
pub(crate) fn statement_subject(statement: &str) -> String {
    format!(
        "statement:sha256:{}",
        document::sha256(statement.as_bytes())
    )
}

/// Signs a statement and puts the proof of its leaf beside it.
pub(crate) fn certify(
    signer: &Signer,
    statement: &str,
    leaf: String,
    proof: &InclusionProof,
    checkpoint: &str,
) -> Certificate {
    let signature = signer.sign_certificate(&pre_authentication(statement.as_bytes()));
    let key = signer.public_keys().certificate;
    Certificate {
        dsse: Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(statement),
            signatures: vec![EnvelopeSignature {
                keyid: hex::encode(key.id()),
                sig: STANDARD.encode(signature),
            }],
        },
        leaf,
        proof: proof.to_text(checkpoint),
    }
}

/// DSSE's pre-authentication encoding.
fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Verifies a certificate with the public keys alone, and a result against it if one is given.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify_certificate(
    certificate: &[u8],
    keys: &LedgerKeys,
    result: Option<&[u8]>,
) -> Result<VerifiedCertificate, CertificateError> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::Malformed);
    }
    let certificate: Certificate =
        serde_json::from_slice(certificate).map_err(|_| CertificateError::Malformed)?;
    let payload = signed_payload(&certificate.dsse, keys)?;
    let statement = Statement::parse(&payload)?;
    let (index, size) = leaf_in_log(&certificate, keys)?;
    let leaf: Value =
        serde_json::from_str(&certificate.leaf).map_err(|_| CertificateError::Malformed)?;
    leaf_is_of(&leaf, &payload, &statement)?;
    let result_checked = match result {
        None => false,
        Some(result) if document::sha256(result) == statement.sha256 => true,
        Some(_) => return Err(CertificateError::ResultMismatch),
    };
    Ok(VerifiedCertificate {
        release: statement.release,
        sha256: statement.sha256,
        predicate: statement.predicate,
        leaf,
        index,
        size,
        result_checked,
    })
}

fn signed_payload(envelope: &Envelope, keys: &LedgerKeys) -> Result<Vec<u8>, CertificateError> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(CertificateError::Malformed);
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|_| CertificateError::Malformed)?;
    let message = pre_authentication(&payload);
    let key = UnparsedPublicKey::new(&ED25519, keys.certificate.bytes());
    // The key id is a hint that an attacker may write; the signature decides.
    let signed = envelope.signatures.iter().any(|signature| {
        STANDARD
            .decode(&signature.sig)
            .is_ok_and(|signature| key.verify(&message, &signature).is_ok())
    });
    if signed {
        Ok(payload)
    } else {
        Err(CertificateError::Unsigned)
    }
}

/// The parts of a statement that are held against the leaf.
struct Statement {
    release: String,
    sha256: String,
    predicate: Value,
}

impl Statement {
    fn parse(payload: &[u8]) -> Result<Self, CertificateError> {
        let mut value: Value =
            serde_json::from_slice(payload).map_err(|_| CertificateError::Malformed)?;
        let is = |field: &str, expected: &str| value[field].as_str() == Some(expected);
        if !is("_type", STATEMENT_TYPE) || !is("predicateType", PREDICATE_TYPE) {
            return Err(CertificateError::Malformed);
        }
        let [subject] = value["subject"].as_array().map_or(&[][..], Vec::as_slice) else {
            return Err(CertificateError::Malformed);
        };
        let release = subject["name"]
            .as_str()
            .and_then(|name| name.strip_suffix(".csv"));
        let sha256 = subject["digest"]["sha256"].as_str();
        let (Some(release), Some(sha256)) = (release, sha256) else {
            return Err(CertificateError::Malformed);
        };
        let (release, sha256) = (release.to_owned(), sha256.to_owned());
        Ok(Self {
            release,
            sha256,
            predicate: value["predicate"].take(),
        })
    }
}

fn leaf_in_log(
    certificate: &Certificate,
    keys: &LedgerKeys,
) -> Result<(u64, u64), CertificateError> {
    let (proof, note) =
        InclusionProof::parse(&certificate.proof).map_err(|_| CertificateError::Malformed)?;
    let text = keys
        .checkpoint
        .verify(note)
        .map_err(|_| CertificateError::CheckpointUnsigned)?;
    let mut lines = text.lines();
    let origin = lines.next();
    let size = lines.next().and_then(|size| size.parse::<u64>().ok());
    let root = lines
        .next()
        .and_then(|root| STANDARD.decode(root).ok())
        .and_then(|root| <[u8; 32]>::try_from(root).ok());
    let (Some(origin), Some(size), Some(root)) = (origin, size, root) else {
        return Err(CertificateError::Malformed);
    };
    if origin != keys.checkpoint.name() {
        return Err(CertificateError::CheckpointUnsigned);
    }
    proof
        .verify(&leaf_hash(certificate.leaf.as_bytes()), size, &root)
        .map_err(|_| CertificateError::LeafNotInLog)?;
    Ok((proof.index, size))
}

fn leaf_is_of(leaf: &Value, payload: &[u8], statement: &Statement) -> Result<(), CertificateError> {
    let subjects = leaf["subjects"].as_array().map_or(&[][..], Vec::as_slice);
    let names = |wanted: &str| {
        subjects
            .iter()
            .any(|subject| subject.as_str() == Some(wanted))
    };
    let statement_name = format!("statement:sha256:{}", document::sha256(payload));
    let holds = leaf["type"].as_str() == Some(RELEASE_LEAF)
        && names(&statement.release)
        && names(&result_subject(&statement.sha256))
        && names(&statement_name);
    if holds {
        Ok(())
    } else {
        Err(CertificateError::LeafMismatch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::ledger::Hash;

    const RESULT: &[u8] = b"district,n\neast,20\n";

    fn signer(seed: u8) -> Signer {
        Signer::new("egret.test/log", &[seed; 32], &[seed + 1; 32]).unwrap()
    }

    /// A certificate over a log of one leaf.
    fn certificate(signer: &Signer, names: &[String], result: &[u8]) -> Certificate {
        let sha256 = document::sha256(result);
        let statement = statement("rel_1", &sha256, json!({ "rows": 1 })).unwrap();
        let mut subjects = names.to_vec();
        subjects.push(result_subject(&sha256));
        subjects.push(statement_subject(&statement));
        let leaf = json!({ "type": RELEASE_LEAF, "subjects": subjects }).to_string();
        let root: Hash = leaf_hash(leaf.as_bytes());
        let note = signer.sign_checkpoint_of_test(1, &root);
        let proof = InclusionProof {
            index: 0,
            path: Vec::new(),
        };
        certify(signer, &statement, leaf, &proof, &note)
    }

    fn check(
        certificate: &Certificate,
        signer: &Signer,
        result: Option<&[u8]>,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let bytes = serde_json::to_vec(certificate).unwrap();
        verify_certificate(&bytes, &signer.public_keys(), result)
    }

    #[test]
    fn holds_with_the_public_keys_alone_and_says_what_it_certifies() {
        let signer = signer(1);
        let certificate = certificate(&signer, &["rel_1".to_owned()], RESULT);
        let verified = check(&certificate, &signer, Some(RESULT)).unwrap();
        assert_eq!(
            (verified.release.as_str(), verified.index, verified.size),
            ("rel_1", 0, 1)
        );
        assert_eq!(verified.predicate, json!({ "rows": 1 }));
        assert!(verified.result_checked);
        assert!(!check(&certificate, &signer, None).unwrap().result_checked);
    }

    #[test]
    fn one_flipped_bit_of_the_result_is_seen() {
        let signer = signer(1);
        let certificate = certificate(&signer, &["rel_1".to_owned()], RESULT);
        for place in 0..RESULT.len() {
            let mut flipped = RESULT.to_vec();
            flipped[place] ^= 1;
            let answer = check(&certificate, &signer, Some(&flipped));
            assert_eq!(answer.unwrap_err(), CertificateError::ResultMismatch);
        }
    }

    #[test]
    fn no_byte_of_the_certificate_can_be_changed() {
        let signer = signer(1);
        let certificate = certificate(&signer, &["rel_1".to_owned()], RESULT);
        let bytes = serde_json::to_vec(&certificate).unwrap();
        let keyid = certificate.dsse.signatures[0].keyid.as_bytes();
        let hint = bytes
            .windows(keyid.len())
            .position(|window| window == keyid)
            .unwrap();
        for place in 0..bytes.len() {
            if (hint..hint + keyid.len()).contains(&place) {
                continue;
            }
            let mut changed = bytes.clone();
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            let answer = verify_certificate(&changed, &signer.public_keys(), Some(RESULT));
            assert!(answer.is_err(), "byte {place} may be changed");
        }
    }

    #[test]
    fn strangers_keys_and_other_releases_do_not_pass() {
        let (ours, theirs) = (signer(1), signer(7));
        let forged = certificate(&theirs, &["rel_1".to_owned()], RESULT);
        assert_eq!(
            check(&forged, &ours, None).unwrap_err(),
            CertificateError::Unsigned
        );
        let mut grafted = forged;
        grafted.dsse = certificate(&ours, &["rel_1".to_owned()], RESULT).dsse;
        assert_eq!(
            check(&grafted, &ours, None).unwrap_err(),
            CertificateError::CheckpointUnsigned
        );
        let other = certificate(&ours, &["rel_2".to_owned()], RESULT);
        assert_eq!(
            check(&other, &ours, None).unwrap_err(),
            CertificateError::LeafMismatch
        );
        let mut swapped = certificate(&ours, &["rel_1".to_owned()], RESULT);
        swapped.dsse = certificate(&ours, &["rel_1".to_owned()], b"another").dsse;
        assert_eq!(
            check(&swapped, &ours, None).unwrap_err(),
            CertificateError::LeafMismatch
        );
        let garbage = verify_certificate(b"{}", &ours.public_keys(), None);
        assert_eq!(garbage.unwrap_err(), CertificateError::Malformed);
    }
}
