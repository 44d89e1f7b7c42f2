//! Proofs that a leaf is in the log, and that a log only grew (RFC 9162, 2.1.3 and 2.1.4).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::tree::{Hash, node_hash};

/// First line of a proof file.
const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path in a tree of at most 2^63 leaves.
const PATH_HASHES_MAX: usize = 64;

/// Why a proof was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a proof.
    #[error("not a proof of inclusion")]
    Malformed,
    /// The path does not lead to the root.
    #[error("the proof does not lead to the root")]
    Wrong,
}

/// The proof that a leaf is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The leaf's position.
    pub index: u64,
    /// Hashes beside the way to the root, from the leaf upwards.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Checks that the leaf with this hash is in the tree of this size and root.
    ///
    /// # Errors
    /// It does not follow.
    pub fn verify(&self, leaf: &Hash, size: u64, root: &Hash) -> Result<(), ProofError> {
        if self.index >= size {
            return Err(ProofError::Wrong);
        }
        let (mut index, mut last, mut hash) = (self.index, size - 1, *leaf);
        for step in &self.path {
            if last == 0 {
                return Err(ProofError::Wrong);
            }
            if index % 2 == 1 || index == last {
                hash = node_hash(step, &hash);
                while index % 2 == 0 && index != 0 {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(&hash, step);
            }
            index >>= 1;
            last >>= 1;
        }
        if last == 0 && hash == *root {
            Ok(())
        } else {
            Err(ProofError::Wrong)
        }
    }

    /// The proof with its checkpoint as text (C2SP tlog-proof).
    #[must_use]
    pub fn to_text(&self, checkpoint: &str) -> String {
        let mut text = format!("{PROOF_HEADER}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(checkpoint);
        text
    }

    /// Reads such a text; answers the proof and the checkpoint behind it.
    ///
    /// # Errors
    /// Another form.
    pub fn parse(text: &str) -> Result<(Self, &str), ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Malformed)?;
        let mut lines = head.lines();
        if lines.next() != Some(PROOF_HEADER) {
            return Err(ProofError::Malformed);
        }
        let mut line = lines.next();
        if line.is_some_and(|line| line.starts_with("extra ")) {
            line = lines.next();
        }
        let index = line
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|index| index.parse().ok())
            .ok_or(ProofError::Malformed)?;
        let path = lines
            .take(PATH_HASHES_MAX + 1)
            .map(|line| {
                STANDARD
                    .decode(line)
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
            })
            .collect::<Option<Vec<Hash>>>()
            .ok_or(ProofError::Malformed)?;
        if path.len() > PATH_HASHES_MAX {
            return Err(ProofError::Malformed);
        }
        Ok((Self { index, path }, checkpoint))
    }
}

/// Checks that the tree of size `to` with root `new` is the tree of size `from` with root `old`, grown.
///
/// # Errors
/// It does not follow.
pub fn verify_consistency(
    (from, old): (u64, &Hash),
    (to, new): (u64, &Hash),
    path: &[Hash],
) -> Result<(), ProofError> {
    let right = |holds: bool| {
        if holds {
            Ok(())
        } else {
            Err(ProofError::Wrong)
        }
    };
    if from == 0 || from > to {
        return right(from == 0 && path.is_empty());
    }
    if from == to {
        return right(path.is_empty() && old == new);
    }
    let mut steps = path.iter();
    let mut first = if from.is_power_of_two() {
        *old
    } else {
        *steps.next().ok_or(ProofError::Wrong)?
    };
    let (mut index, mut last, mut second) = (from - 1, to - 1, first);
    while index % 2 == 1 {
        index >>= 1;
        last >>= 1;
    }
    for step in steps {
        if last == 0 {
            return Err(ProofError::Wrong);
        }
        if index % 2 == 1 || index == last {
            first = node_hash(step, &first);
            second = node_hash(step, &second);
            while index % 2 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, step);
        }
        index >>= 1;
        last >>= 1;
    }
    right(last == 0 && first == *old && second == *new)
}
