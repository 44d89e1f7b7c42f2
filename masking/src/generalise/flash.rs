//! Finding the node with the least loss: Flash, then branch and bound where Flash alone is no
//! proof.
//!
//! Flash (Kohlmayer and others 2012, "Flash: efficient, stable and optimal k-anonymity") goes
//! through the lattice from below along greedy paths, searches each path by bisection, and tags
//! what a check implies: above a node that is general enough all nodes are, below one that is not
//! none is. Without suppression the least loss is then at a node that was checked. With it, a
//! higher node may lose less, so the others are taken in order of a bound of their loss until the
//! bound reaches the best loss.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::generalise::checker::{Checker, Outcome};
use crate::generalise::lattice::Lattice;
use crate::risk::{count, float};

/// Above this, a lattice is not gone through whole.
const NODES_MAX: u64 = 1 << 22;

/// The best node that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) levels: Vec<usize>,
    pub(crate) loss: f64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) best: Option<Found>,
    /// No node has less loss than `best`; if there is none, no node satisfies the goal.
    pub(crate) is_proved: bool,
    pub(crate) checks: u64,
    /// Nodes that satisfy the goal, if the search had to tell of each.
    pub(crate) satisfying: Option<u64>,
}

/// Searches the lattice of the checker's domains until `is_expired` says so.
pub(crate) fn search(checker: Checker<'_>, is_expired: &mut dyn FnMut() -> bool) -> Verdict {
    let radixes: Vec<usize> = checker.domains.iter().map(|d| d.levels.len()).collect();
    let mut search = Search {
        checker,
        is_expired,
        best: None,
        is_proved: true,
        checks: 0,
    };
    let lattice = Lattice::new(&radixes).filter(|lattice| lattice.nodes() <= NODES_MAX);
    let satisfying = match &lattice {
        Some(lattice) => Flash::new(lattice, &mut search).run(),
        None => {
            search.descend(&radixes);
            None
        }
    };
    Verdict {
        best: search.best,
        is_proved: search.is_proved,
        checks: search.checks,
        satisfying,
    }
}

struct Search<'a, 'b> {
    checker: Checker<'a>,
    is_expired: &'b mut dyn FnMut() -> bool,
    best: Option<Found>,
    is_proved: bool,
    checks: u64,
}

impl Search<'_, '_> {
    /// Checks a node; nothing once the time is over.
    fn check(&mut self, levels: &[usize]) -> Option<Outcome> {
        if !self.is_proved || (self.is_expired)() {
            self.is_proved = false;
            return None;
        }
        self.checks += 1;
        let outcome = self.checker.check(levels);
        if let Some(loss) = outcome.loss.filter(|loss| self.is_better(*loss, levels)) {
            self.best = Some(Found {
                levels: levels.to_vec(),
                loss,
            });
        }
        Some(outcome)
    }

    /// Less loss, or as much at lower levels.
    fn is_better(&self, loss: f64, levels: &[usize]) -> bool {
        let height = |levels: &[usize]| levels.iter().sum::<usize>();
        self.best.as_ref().is_none_or(|best| {
            loss < best.loss || (loss <= best.loss && height(levels) < height(&best.levels))
        })
    }

    fn least(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |best| best.loss)
    }

    /// Goes down from the top to the node below with the least loss while there is one that
    /// satisfies the goal. Nothing is proved.
    fn descend(&mut self, radixes: &[usize]) {
        let mut levels: Vec<usize> = radixes.iter().map(|radix| radix - 1).collect();
        let mut next = self.check(&levels).map(|_| levels.clone());
        while let Some(at) = next.take() {
            levels = at;
            let mut least = f64::INFINITY;
            for column in 0..levels.len() {
                let Some(lower) = levels[column].checked_sub(1) else {
                    continue;
                };
                let mut below = levels.clone();
                below[column] = lower;
                let Some(outcome) = self.check(&below) else {
                    return;
                };
                if let Some(loss) = outcome.loss.filter(|loss| *loss < least) {
                    least = loss;
                    next = Some(below);
                }
            }
        }
        self.is_proved = false;
    }
}

/// A node is general enough for the floor of the goal, as all above it are.
const ENOUGH: u8 = 1;
/// It is not, as none below it is.
const LACKING: u8 = 2;
/// It was checked.
const CHECKED: u8 = 4;
/// Branch and bound has it in its queue, or had.
const QUEUED: u8 = 8;

struct Flash<'l, 's, 'a, 'b> {
    lattice: &'l Lattice,
    search: &'s mut Search<'a, 'b>,
    tags: Vec<u8>,
    /// Nodes in the order in which Flash goes through them, and each one's place in it.
    order: Vec<u64>,
    places: Vec<u64>,
    /// Bounds of class losses that checks found.
    bounds: HashMap<u64, f64>,
}

impl<'l, 's, 'a, 'b> Flash<'l, 's, 'a, 'b> {
    fn new(lattice: &'l Lattice, search: &'s mut Search<'a, 'b>) -> Self {
        let mut order: Vec<(usize, f64, f64, u64)> = (0..lattice.nodes())
            .map(|node| priority(&search.checker, lattice, node))
            .collect();
        order.sort_unstable_by(|a, b| {
            (a.0.cmp(&b.0))
                .then(a.1.total_cmp(&b.1))
                .then(a.2.total_cmp(&b.2))
                .then(a.3.cmp(&b.3))
        });
        let order: Vec<u64> = order.into_iter().map(|(_, _, _, node)| node).collect();
        let mut places = vec![0; order.len()];
        for (place, node) in (0..).zip(&order) {
            places[at(*node)] = place;
        }
        Self {
            lattice,
            search,
            tags: vec![0; order.len()],
            order,
            places,
            bounds: HashMap::new(),
        }
    }

    /// Searches; gives the number of nodes that satisfy the goal where tags tell it.
    fn run(&mut self) -> Option<u64> {
        self.tag_all();
        if !self.search.checker.is_monotone() {
            self.branch_and_bound();
            return None;
        }
        let is_told = |tag: &u8| tag & (ENOUGH | LACKING) != 0;
        let enough = self.tags.iter().filter(|tag| **tag & ENOUGH != 0).count();
        self.tags.iter().all(is_told).then(|| count(enough))
    }

    /// Flash's outer loop: paths from each open node, and from above each lacking node of a path.
    fn tag_all(&mut self) {
        let mut lacking = BinaryHeap::new();
        for place in 0..self.order.len() {
            let start = self.order[place];
            if self.is_open(start) {
                self.bisect(start, &mut lacking);
            }
            while let Some(Reverse(place)) = lacking.pop() {
                for next in self.in_order(self.lattice.above(self.order[at(place)])) {
                    if self.is_open(next) {
                        self.bisect(next, &mut lacking);
                    }
                }
            }
            if !self.search.is_proved {
                return;
            }
        }
    }

    /// Searches the greedy path of open nodes from `start` for its lowest node that is general
    /// enough.
    fn bisect(&mut self, start: u64, lacking: &mut BinaryHeap<Reverse<u64>>) {
        let mut path = vec![start];
        let mut end = start;
        while let Some(next) =
            (self.in_order(self.lattice.above(end)).into_iter()).find(|node| self.is_open(*node))
        {
            path.push(next);
            end = next;
        }
        let (mut low, mut high) = (0, path.len());
        while low < high {
            let middle = low.midpoint(high);
            let node = path[middle];
            let Some(outcome) = self.check(node) else {
                return;
            };
            if outcome.floor {
                self.tag(node, ENOUGH);
                high = middle;
            } else {
                self.tag(node, LACKING);
                lacking.push(Reverse(self.places[at(node)]));
                low = middle + 1;
            }
        }
    }

    /// Takes nodes in order of their bounds from the lowest node upwards until no bound is below
    /// the best loss.
    fn branch_and_bound(&mut self) {
        let mut queue = BinaryHeap::from([Reverse(Bound(0.0, 0))]);
        while let Some(Reverse(Bound(bound, node))) = queue.pop() {
            if bound >= self.search.least() || !self.search.is_proved {
                return;
            }
            if self.tags[at(node)] & (LACKING | CHECKED) == 0 {
                self.check(node);
            }
            let own = self.bounds.get(&node).map_or(bound, |own| own.max(bound));
            for next in self.lattice.above(node) {
                if self.tags[at(next)] & QUEUED == 0 {
                    self.tags[at(next)] |= QUEUED;
                    let known = self.search.checker.bound(self.lattice.levels(next));
                    queue.push(Reverse(Bound(known.unwrap_or(own), next)));
                }
            }
        }
    }

    fn check(&mut self, node: u64) -> Option<Outcome> {
        let levels: Vec<usize> = self.lattice.levels(node).collect();
        let outcome = self.search.check(&levels)?;
        self.tags[at(node)] |= CHECKED;
        self.bounds.insert(node, outcome.bound);
        Some(outcome)
    }

    /// Whether nothing is known of a node, and it may be the best.
    fn is_open(&self, node: u64) -> bool {
        if self.tags[at(node)] != 0 || !self.search.is_proved {
            return false;
        }
        let bound = self.search.checker.bound(self.lattice.levels(node));
        bound.is_none_or(|bound| bound < self.search.least())
    }

    /// Tags a node, and those above that are general enough with it, or those below that are
    /// lacking with it.
    fn tag(&mut self, node: u64, tag: u8) {
        let mut nodes = vec![node];
        while let Some(node) = nodes.pop() {
            if self.tags[at(node)] & tag != 0 {
                continue;
            }
            self.tags[at(node)] |= tag;
            if tag == ENOUGH {
                nodes.extend(self.lattice.above(node));
            } else {
                nodes.extend(self.lattice.below(node));
            }
        }
    }

    fn in_order(&self, nodes: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut nodes: Vec<u64> = nodes.collect();
        nodes.sort_unstable_by_key(|node| self.places[at(*node)]);
        nodes
    }
}

/// Where Flash takes a node: by the sum of levels, then by their mean share of the highest level,
/// then by how few groups are left.
fn priority(checker: &Checker<'_>, lattice: &Lattice, node: u64) -> (usize, f64, f64, u64) {
    let (mut sum, mut height, mut left) = (0, 0.0, 0.0);
    for (level, domain) in lattice.levels(node).zip(checker.domains) {
        let top = domain.levels.len() - 1;
        sum += level;
        height += float(count(level)) / float(count(top).max(1));
        let groups = |level: usize| float(count(domain.levels[level].len()).max(1));
        left += groups(level) / groups(0);
    }
    (sum, height, -left, node)
}

/// A node with a bound of its loss, ordered by the bound.
struct Bound(f64, u64);

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

fn at(node: u64) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}
