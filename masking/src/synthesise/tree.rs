//! Which columns hang together: the tree of pairs that share most information.

use super::COMMON_MIN;
use super::coded::{CODES_MAX, Coded, UNCOMMON};
use super::reservoir::Draws;

/// Columns that are tied; more are drawn one by one.
const TIED_MAX: usize = 64;

/// A column's place, the column that it is drawn after, and how often their codes met.
#[derive(Debug)]
struct Node {
    column: usize,
    parent: Option<usize>,
    /// Rows of each code, by the parent's code; one row of it where there is no parent.
    counts: Vec<Vec<u32>>,
    /// Rows of each code, whatever the parent's is.
    marginal: Vec<u32>,
}

/// The order in which columns are drawn.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    columns: usize,
}

impl Tree {
    /// Ties each column to the one before it in the tree that says most about it (Prim's algorithm over mutual information).
    pub(super) fn grow(columns: &[Coded]) -> Self {
        let mut left: Vec<usize> = (0..columns.len())
            .filter(|&place| columns.get(place).is_some_and(Coded::is_learnt))
            .collect();
        let mut nodes: Vec<Node> = Vec::with_capacity(left.len());
        let mut best: Vec<(f64, Option<usize>)> = vec![(0.0, None); columns.len()];
        while let Some(next) = left
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| best[**a].0.total_cmp(&best[**b].0).then(b.cmp(a)))
            .map(|(at, _)| at)
        {
            let column = left.remove(next);
            let parent = best[column].1;
            nodes.push(Node::new(columns, column, parent));
            if nodes.len() > TIED_MAX {
                continue;
            }
            for &other in &left {
                let shared = information(&columns[column], &columns[other]);
                if shared > best[other].0 {
                    best[other] = (shared, Some(column));
                }
            }
        }
        Self {
            nodes,
            columns: columns.len(),
        }
    }

    /// A row: a code for each column.
    pub(super) fn draw(&self, draws: &mut Draws) -> Vec<usize> {
        let mut row = vec![0; self.columns];
        for node in &self.nodes {
            let known = node.parent.map_or(0, |parent| row[parent]);
            row[node.column] = node.draw(known, draws);
        }
        row
    }
}

impl Node {
    fn new(columns: &[Coded], column: usize, parent: Option<usize>) -> Self {
        let coded = &columns[column];
        let mut counts = vec![vec![0_u32; CODES_MAX]; parent.map_or(1, |_| CODES_MAX)];
        match parent {
            None => counts[0].clone_from(&coded.counts),
            Some(parent) => {
                for (before, code) in columns[parent].codes.iter().zip(&coded.codes) {
                    counts[usize::from(*before)][usize::from(*code)] += 1;
                }
            }
        }
        for count in counts.iter_mut().flatten() {
            // A pair that few rows had could be one person's.
            if *count < COMMON_MIN {
                *count = 0;
            }
        }
        let rare = |count: &u32| if *count < COMMON_MIN { 0 } else { *count };
        Self {
            column,
            parent,
            counts,
            marginal: coded.counts.iter().map(rare).collect(),
        }
    }

    fn draw(&self, known: usize, draws: &mut Draws) -> usize {
        let given = self
            .counts
            .get(known)
            .map(Vec::as_slice)
            .unwrap_or_default();
        draws
            .weighted(given.iter().copied())
            .or_else(|| draws.weighted(self.marginal.iter().copied()))
            .unwrap_or(UNCOMMON)
    }
}

/// Mutual information of two columns of codes, in nats.
fn information(a: &Coded, b: &Coded) -> f64 {
    let mut joint = vec![0_u32; CODES_MAX * CODES_MAX];
    for (x, y) in a.codes.iter().zip(&b.codes) {
        joint[usize::from(*x) * CODES_MAX + usize::from(*y)] += 1;
    }
    #[allow(clippy::cast_precision_loss, reason = "thousands of rows")]
    let rows = a.codes.len() as f64;
    let mut sum = 0.0;
    for (place, &count) in joint.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (x, y) = (a.counts[place / CODES_MAX], b.counts[place % CODES_MAX]);
        let (count, x, y) = (f64::from(count), f64::from(x), f64::from(y));
        sum += count / rows * (count * rows / (x * y)).ln();
    }
    sum
}
