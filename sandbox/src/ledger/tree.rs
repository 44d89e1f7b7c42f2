//! The Merkle tree of RFC 6962, grown at its right edge.

use ring::digest::{Context, SHA256};

use crate::error::Error;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// The hash of a leaf: SHA-256(0x00 ‖ leaf).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// The hash of two subtrees: SHA-256(0x01 ‖ left ‖ right).
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// SHA-256 of the parts, one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// A full subtree: which, and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) level: u32,
    pub(crate) position: u64,
    pub(crate) hash: Hash,
}

impl Node {
    /// Level and position as they are stored.
    pub(crate) fn place(&self) -> Result<(i64, i64), Error> {
        let position = i64::try_from(self.position)
            .map_err(|source| Error::internal("store a node of the ledger", source))?;
        Ok((i64::from(self.level), position))
    }
}

/// The right edge: the full subtrees that the leaves fall into, the largest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    hashes: Vec<Hash>,
}

impl Edge {
    /// The edge as it was stored.
    pub(crate) fn from_parts(size: i64, bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |what: &'static str| Error::internal("read the ledger's edge", what);
        let size = u64::try_from(size).map_err(|_| damaged("a negative size"))?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != size.count_ones() as usize {
            return Err(damaged("size and edge do not fit together"));
        }
        Ok(Self {
            size,
            hashes: hashes.to_vec(),
        })
    }

    /// The empty tree's edge.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self {
            size: 0,
            hashes: Vec::new(),
        }
    }

    /// Leaves so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The edge as it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// Adds a leaf; answers the subtrees that became full, the leaf itself first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let mut node = Node {
            level: 0,
            position: self.size,
            hash: leaf,
        };
        let mut full = vec![node];
        while node.position % 2 == 1 {
            let Some(left) = self.hashes.pop() else { break };
            node = Node {
                level: node.level + 1,
                position: node.position / 2,
                hash: node_hash(&left, &node.hash),
            };
            full.push(node);
        }
        self.hashes.push(node.hash);
        self.size += 1;
        full
    }

    /// The root; of the empty tree it is the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        let mut hashes = self.hashes.iter().rev();
        let Some(mut root) = hashes.next().copied() else {
            return sha256(&[]);
        };
        for left in hashes {
            root = node_hash(left, &root);
        }
        root
    }
}

/// The full subtrees of the range of leaves `[from, from + count)`, where `from` is a multiple of the power of two at or above
/// `count`: level and position, largest first.
pub(crate) fn subtrees(from: u64, count: u64) -> Vec<(u32, u64)> {
    let (mut from, mut count, mut parts) = (from, count, Vec::new());
    while count > 0 {
        let level = count.ilog2();
        parts.push((level, from >> level));
        from += 1 << level;
        count -= 1 << level;
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    /// The eight leaves of the certificate-transparency test vectors, and their roots by size.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn known_roots() {
        let mut edge = Edge::empty();
        assert_eq!(
            hex::encode(edge.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            edge.push(leaf_hash(&hex::decode(leaf).unwrap()));
            assert_eq!(hex::encode(edge.root()), root);
            let stored = Edge::from_parts(i64::try_from(edge.size()).unwrap(), &edge.to_bytes());
            assert_eq!(stored.unwrap(), edge);
        }
    }

    #[test]
    fn an_edge_that_does_not_fit_is_refused() {
        assert!(Edge::from_parts(3, &[0; 32]).is_err());
        assert!(Edge::from_parts(1, &[0; 31]).is_err());
        assert!(Edge::from_parts(-1, &[]).is_err());
    }
}
