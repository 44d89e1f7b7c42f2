//! How the sensitive values of a class differ from those of the table.

use std::collections::BTreeMap;

use crate::risk::histogram::Cell;
use crate::risk::keys::index;
use crate::risk::{count, float};

/// The sensitive values of a table, against which classes are measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    totals: Vec<u64>,
    /// Rows with a value of this rank or a lower one, and the running sum of these.
    below: Vec<u64>,
    below_sums: Vec<i128>,
    rows: u64,
    distance: Distance,
}

/// How far two sensitive values are apart (Li and others 2007, section 5).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Distance {
    /// Every two values equally far.
    Equal,
    /// By the difference of their ranks.
    Ordered,
    /// By the height of their lowest common ancestor.
    Hierarchical(Tree),
}

/// A generalisation hierarchy over the values, from the leaves to one root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    levels: Vec<TreeLevel>,
}

/// One level above another: the parent of each node below, and rows of the table by parent.
#[derive(Clone, Debug, PartialEq)]
struct TreeLevel {
    parents: Vec<u32>,
    totals: Vec<u64>,
}

impl Spread {
    /// The spread of a table with so many rows of each value, by rank.
    pub(crate) fn new(totals: Vec<u64>, distance: Distance) -> Self {
        let (mut rows, mut sum) = (0u64, 0i128);
        let mut below = Vec::with_capacity(totals.len());
        let mut below_sums = Vec::with_capacity(totals.len() + 1);
        below_sums.push(0);
        for total in &totals {
            rows += total;
            sum += i128::from(rows);
            below.push(rows);
            below_sums.push(sum);
        }
        Self {
            totals,
            below,
            below_sums,
            rows,
            distance,
        }
    }

    /// The earth mover's distance between a class and the table, 0 to 1.
    pub(crate) fn closeness(&self, class: &[Cell]) -> f64 {
        match &self.distance {
            Distance::Equal => self.equal(class),
            Distance::Ordered => self.ordered(class),
            Distance::Hierarchical(tree) => self.hierarchical(class, tree),
        }
    }

    /// Largest absolute logarithm of a value's share of the class over its share of the table,
    /// over the values of the class (Brickell and Shmatikov 2008).
    pub(crate) fn disclosure(&self, class: &[Cell]) -> f64 {
        let logs = self.ratios(class).map(|(ratio, _)| ratio.ln().abs());
        logs.fold(0.0, f64::max)
    }

    /// Largest relative gain of a value's share over its share of the table (Cao and Karras 2012).
    pub(crate) fn gain(&self, class: &[Cell]) -> f64 {
        let gains = self.ratios(class).map(|(ratio, _)| ratio - 1.0);
        gains.fold(0.0, f64::max)
    }

    /// Whether no gain is above the bound -ln p that enhanced likeness sets whatever its beta.
    pub(crate) fn gains_are_bounded(&self, class: &[Cell]) -> bool {
        self.ratios(class)
            .all(|(ratio, share)| ratio - 1.0 <= -share.ln())
    }

    /// For each value of the class: its share there over its share of the table, and the latter.
    fn ratios(&self, class: &[Cell]) -> impl Iterator<Item = (f64, f64)> {
        let size = float(size(class));
        let rows = float(self.rows);
        class.iter().map(move |cell| {
            let total = float(self.totals[index(cell.value)]);
            ((float(cell.rows) * rows) / (total * size), total / rows)
        })
    }

    /// Half the sum of absolute differences of shares. A value that the class lacks adds its share
    /// of the table.
    fn equal(&self, class: &[Cell]) -> f64 {
        let size = size(class);
        let mut seen = 0;
        let mut difference = 0;
        for cell in class {
            let total = self.totals[index(cell.value)];
            difference += self.excess(cell.rows, total, size).abs();
            seen += total;
        }
        difference += self.excess(0, self.rows - seen, size).abs();
        self.scaled(difference, size) / 2.0
    }

    /// The mean over ranks of the absolute difference of cumulative shares. Between two values of
    /// the class its cumulative share stands still, so each stretch is summed at once.
    fn ordered(&self, class: &[Cell]) -> f64 {
        let values = self.totals.len();
        if values < 2 {
            return 0.0;
        }
        let size = size(class);
        let (mut from, mut cumulative, mut distance) = (0, 0, 0);
        for cell in class {
            let upto = index(cell.value);
            distance += self.stretch(from, upto, cumulative, size);
            cumulative += cell.rows;
            from = upto;
        }
        distance += self.stretch(from, values, cumulative, size);
        self.scaled(distance, size) / float(count(values - 1))
    }

    /// Sum over the ranks `from..upto` of |`cumulative` x rows - rows below x `size`|.
    fn stretch(&self, from: usize, upto: usize, cumulative: u64, size: u64) -> i128 {
        let own = i128::from(cumulative) * i128::from(self.rows);
        let size = i128::from(size);
        let lower = self.below[from..upto].partition_point(|below| i128::from(*below) * size < own);
        let middle = from + lower;
        let part = |from: usize, upto: usize| {
            let table = self.below_sums[upto] - self.below_sums[from];
            own * i128::from(count(upto - from)) - table * size
        };
        part(from, middle) - part(middle, upto)
    }

    /// Sum over inner nodes of their height over the root's, times the rows that must move between
    /// their children: the lesser of what some have too much and what others lack.
    fn hierarchical(&self, class: &[Cell], tree: &Tree) -> f64 {
        let size = size(class);
        // Nodes that hold rows of the class: the rows there, and those of the table.
        let mut nodes: Vec<(u32, u64, u64)> = class
            .iter()
            .map(|cell| (cell.value, cell.rows, self.totals[index(cell.value)]))
            .collect();
        let mut moved = 0;
        for (height, level) in (1..).zip(&tree.levels) {
            let mut parents: BTreeMap<u32, Parent> = BTreeMap::new();
            for (node, own, total) in nodes {
                let excess = self.excess(own, total, size);
                let parent = parents.entry(level.parents[index(node)]).or_default();
                parent.own += own;
                parent.seen += total;
                parent.more += excess.max(0);
                parent.less -= excess.min(0);
            }
            nodes = Vec::with_capacity(parents.len());
            for (node, parent) in parents {
                let total = level.totals[index(node)];
                // The children without rows of the class lack all that the table has there.
                let less = parent.less - self.excess(0, total - parent.seen, size);
                moved += parent.more.min(less) * height;
                nodes.push((node, parent.own, total));
            }
        }
        self.scaled(moved, size) / float(count(tree.levels.len()).max(1))
    }

    /// The difference of a share of the class and one of the table, in units of one over `size` x
    /// rows: whole numbers, so that equal shares differ by nothing.
    fn excess(&self, own: u64, total: u64, size: u64) -> i128 {
        i128::from(own) * i128::from(self.rows) - i128::from(total) * i128::from(size)
    }

    fn scaled(&self, difference: i128, size: u64) -> f64 {
        difference as f64 / (float(size) * float(self.rows))
    }
}

#[derive(Default)]
struct Parent {
    own: u64,
    seen: u64,
    more: i128,
    less: i128,
}

impl Tree {
    /// A tree over values by rank: for each level from the leaves upwards the group of each value,
    /// numbered from 0, each level coarser than the one below. The root is added where they do not
    /// end in it.
    pub(crate) fn new(groups: &[Vec<u32>], totals: &[u64]) -> Self {
        let root = vec![0; totals.len()];
        let mut lower: Vec<u32> = (0..).take(totals.len()).collect();
        let mut levels = Vec::with_capacity(groups.len() + 1);
        let is_root = |groups: &&Vec<u32>| groups.iter().all(|group| *group == 0);
        let below_root = groups.iter().take_while(|groups| !is_root(groups));
        for upper in below_root.chain([&root]) {
            let nodes = lower.iter().max().map_or(0, |node| index(*node) + 1);
            let tops = upper.iter().max().map_or(0, |node| index(*node) + 1);
            let mut level = TreeLevel {
                parents: vec![0; nodes],
                totals: vec![0; tops],
            };
            for ((node, parent), rows) in lower.iter().zip(upper).zip(totals) {
                level.parents[index(*node)] = *parent;
                level.totals[index(*parent)] += rows;
            }
            levels.push(level);
            lower.clone_from(upper);
        }
        Self { levels }
    }
}

/// Exponential of the entropy: the number of equally frequent values that would be as mixed
/// (Machanavajjhala and others 2007).
pub(crate) fn effective(class: &[Cell]) -> f64 {
    let size = float(size(class));
    let entropy: f64 = class
        .iter()
        .map(|cell| float(cell.rows) / size)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

/// For each l from 2 up to `l_max`, the ratio r1 / (r_l + ... + r_m) of the class's counts in
/// descending order, which recursive (c, l)-diversity wants below c.
pub(crate) fn recursion(class: &[Cell], l_max: usize) -> Vec<f64> {
    let mut rows: Vec<u64> = class.iter().map(|cell| cell.rows).collect();
    rows.sort_unstable_by(|a, b| b.cmp(a));
    let first = rows.first().copied().unwrap_or(0);
    let mut rest: u64 = rows.iter().skip(1).sum();
    let mut ratios = Vec::new();
    for held in rows.iter().skip(1).take(l_max.saturating_sub(1)) {
        ratios.push(float(first) / float(rest));
        rest -= held;
    }
    ratios
}

fn size(class: &[Cell]) -> u64 {
    class.iter().map(|cell| cell.rows).sum()
}
