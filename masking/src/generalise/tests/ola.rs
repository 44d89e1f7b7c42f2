//! Optimal lattice anonymization (El Emam and others 2009), as a second way to the lowest nodes
//! that satisfy a monotone goal: a lattice is halved by height, and each half searched below the
//! nodes of its middle.

use std::collections::{BTreeMap, BTreeSet};

type Levels = Vec<usize>;

struct Ola<F> {
    is_enough: F,
    known: BTreeMap<Levels, bool>,
    checks: usize,
    found: BTreeSet<Levels>,
}

/// The number of checks, and the nodes that satisfy the goal while none below them does.
pub(super) fn minimal_nodes(
    radixes: &[usize],
    is_enough: impl FnMut(&[usize]) -> bool,
) -> (usize, BTreeSet<Levels>) {
    let mut ola = Ola {
        is_enough,
        known: BTreeMap::new(),
        checks: 0,
        found: BTreeSet::new(),
    };
    let top: Levels = radixes.iter().map(|radix| radix - 1).collect();
    let bottom = vec![0; top.len()];
    if ola.check(&top) {
        ola.search(&bottom, &top);
    }
    let found = ola.found.clone();
    let is_minimal = |node: &Levels| {
        !found
            .iter()
            .any(|other| other != node && lies_below(other, node))
    };
    ola.found.retain(is_minimal);
    (ola.checks, ola.found)
}

impl<F: FnMut(&[usize]) -> bool> Ola<F> {
    /// Searches between two nodes, the upper of which satisfies the goal.
    fn search(&mut self, bottom: &Levels, top: &Levels) {
        let height = top.iter().sum::<usize>() - bottom.iter().sum::<usize>();
        if height <= 1 {
            let lowest = if self.check(bottom) { bottom } else { top };
            self.found.insert(lowest.clone());
            return;
        }
        let middle = bottom.iter().sum::<usize>() + height / 2;
        let mut any = false;
        for node in between(bottom, top)
            .into_iter()
            .filter(|node| node.iter().sum::<usize>() == middle)
        {
            if self.check(&node) {
                any = true;
                self.search(bottom, &node);
            } else {
                self.search(&node, top);
            }
        }
        if !any {
            self.found.insert(top.clone());
        }
    }

    fn check(&mut self, node: &Levels) -> bool {
        let implied = self.known.iter().find(|(other, enough)| {
            if **enough {
                lies_below(other, node)
            } else {
                lies_below(node, other)
            }
        });
        if let Some((_, enough)) = implied {
            return *enough;
        }
        self.checks += 1;
        let enough = (self.is_enough)(node);
        self.known.insert(node.clone(), enough);
        enough
    }
}

fn lies_below(lower: &Levels, upper: &Levels) -> bool {
    lower.iter().zip(upper).all(|(lower, upper)| lower <= upper)
}

fn between(bottom: &Levels, top: &Levels) -> Vec<Levels> {
    let mut nodes = vec![Vec::new()];
    for (low, high) in bottom.iter().zip(top) {
        nodes = nodes
            .iter()
            .flat_map(|node: &Levels| {
                (*low..=*high).map(|level| [node.as_slice(), &[level]].concat())
            })
            .collect();
    }
    nodes
}
