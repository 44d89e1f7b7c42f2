//! The lattice of generalisations: a node states a level for each column.

/// All nodes, numbered: the levels are the digits of the number, the first column's the lowest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lattice {
    /// By column, its number of levels.
    radixes: Vec<usize>,
    strides: Vec<u64>,
    nodes: u64,
}

impl Lattice {
    /// Nothing if there are more nodes than 64 bits count.
    pub(crate) fn new(radixes: &[usize]) -> Option<Self> {
        let mut strides = Vec::with_capacity(radixes.len());
        let mut nodes = 1u64;
        for radix in radixes {
            strides.push(nodes);
            nodes = nodes.checked_mul(crate::risk::count(*radix))?;
        }
        Some(Self {
            radixes: radixes.to_vec(),
            strides,
            nodes,
        })
    }

    pub(crate) fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The level of each column.
    pub(crate) fn levels(&self, node: u64) -> impl Iterator<Item = usize> {
        let digits = self.strides.iter().zip(&self.radixes);
        digits.map(move |(stride, radix)| {
            let digit = node / stride % crate::risk::count(*radix);
            usize::try_from(digit).unwrap_or(0)
        })
    }

    /// Nodes with one column a level higher.
    pub(crate) fn above(&self, node: u64) -> impl Iterator<Item = u64> {
        let digits = self.levels(node).zip(&self.radixes).zip(&self.strides);
        digits
            .filter(|((level, radix), _)| level + 1 < **radix)
            .map(move |(_, stride)| node + stride)
    }

    /// Nodes with one column a level lower.
    pub(crate) fn below(&self, node: u64) -> impl Iterator<Item = u64> {
        self.levels(node)
            .zip(&self.strides)
            .filter(|(level, _)| *level > 0)
            .map(move |(_, stride)| node - stride)
    }
}
