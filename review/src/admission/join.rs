//! The rules of joins: everything is joined by equality, units are equated, and no table of the
//! tenant can weigh a row.

use std::collections::BTreeMap;

use datafusion::common::Column;
use datafusion::logical_expr::Expr;

use super::prove::Prover;
use super::query::Equality;
use super::refusal;
use super::source::scan_of;
use crate::contract::ColumnRole;

/// Columns that are equal in every row, by transitivity.
struct Classes {
    parents: BTreeMap<(usize, String), (usize, String)>,
}

impl Classes {
    fn root(&self, node: &(usize, String)) -> (usize, String) {
        let mut at = node.clone();
        while let Some(parent) = self.parents.get(&at) {
            if *parent == at {
                break;
            }
            at = parent.clone();
        }
        at
    }

    fn unite(&mut self, left: (usize, String), right: (usize, String)) {
        for node in [&left, &right] {
            self.parents
                .entry(node.clone())
                .or_insert_with(|| node.clone());
        }
        let (left, right) = (self.root(&left), self.root(&right));
        self.parents.insert(left, right);
    }

    /// The members of each class.
    fn classes(&self) -> Vec<Vec<(usize, String)>> {
        let mut classes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for node in self.parents.keys() {
            classes
                .entry(self.root(node))
                .or_default()
                .push(node.clone());
        }
        classes.into_values().collect()
    }
}

/// Checks all joins of a program together.
pub(super) fn check(prover: &mut Prover<'_>, joins: &[Equality]) {
    let mut classes = Classes {
        parents: BTreeMap::new(),
    };
    for join in joins {
        if let (Some(left), Some(right)) = (node(&join.left.1), node(&join.right.1)) {
            classes.unite(left, right);
        }
    }
    let classes = classes.classes();
    connected(prover, joins);
    if prover.findings.is_empty() {
        units_equated(prover, &classes);
        private_bound(prover, &classes);
    }
}

fn node(expr: &Expr) -> Option<(usize, String)> {
    let column: Column = (*expr.column_refs().into_iter().next()?).clone();
    Some((scan_of(&column)?, column.name))
}

/// No scan stands alone.
fn connected(prover: &mut Prover<'_>, joins: &[Equality]) {
    let mut reached = vec![false; prover.scans()];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let mut grew = true;
    while grew {
        grew = false;
        for join in joins {
            let (left, right) = (join.left.0, join.right.0);
            if reached[left] != reached[right] {
                reached[left] = true;
                reached[right] = true;
                grew = true;
            }
        }
    }
    if let Some(alone) = reached.iter().position(|reached| !reached) {
        let name = prover.table(alone).name.clone();
        let place = prover.survey.place_of_table(&name);
        prover
            .findings
            .push(refusal::form("cross_join", &name, place));
    }
}

/// Tables with units are joined key to key; those of one value domain by the unit's own key.
/// Otherwise a row would pair the units of two people, and a cell could not be told from its pairs.
fn units_equated(prover: &mut Prover<'_>, classes: &[Vec<(usize, String)>]) {
    let with_units: Vec<usize> = (0..prover.scans())
        .filter(|&scan| prover.table(scan).unit.is_some())
        .collect();
    let Some((&first, rest)) = with_units.split_first() else {
        return;
    };
    let mut reached = vec![first];
    let mut waiting: Vec<usize> = rest.to_vec();
    while let Some(next) = waiting.iter().position(|&scan| {
        reached
            .iter()
            .any(|&other| equated(prover, classes, scan, other))
    }) {
        reached.push(waiting.swap_remove(next));
    }
    if let Some(&alone) = waiting.first() {
        let name = prover.table(alone).name.clone();
        let place = prover.survey.place_of_table(&name);
        prover
            .findings
            .push(refusal::form("join_units", &name, place));
    }
}

fn equated(
    prover: &Prover<'_>,
    classes: &[Vec<(usize, String)>],
    left: usize,
    right: usize,
) -> bool {
    let one_domain = prover.table(left).unit == prover.table(right).unit;
    let key_in = |class: &[(usize, String)], scan: usize| {
        class.iter().filter(|(s, _)| *s == scan).any(|(_, name)| {
            prover.table(scan).column(name).is_some_and(|column| {
                column.role == ColumnRole::Key
                    && (!one_domain || prover.table(scan).is_unit_key(column))
            })
        })
    };
    classes
        .iter()
        .any(|class| key_in(class, left) && key_in(class, right))
}

/// Every column that joins a private table equals a column of a table with units. Then a row of that
/// table fixes what it is joined with, and once the private side is made distinct, it is counted
/// once per cell. Otherwise a tenant could repeat one person's rows at will and read the difference.
fn private_bound(prover: &mut Prover<'_>, classes: &[Vec<(usize, String)>]) {
    for class in classes {
        let bound = class
            .iter()
            .any(|(scan, _)| prover.table(*scan).unit.is_some());
        let private = class.iter().find(|(scan, _)| prover.table(*scan).private);
        if let (false, Some((scan, column))) = (bound, private) {
            let table = prover.table(*scan).name.clone();
            let place = prover.survey.place_of_column(None, column);
            let subject = format!("{table}.{column}");
            prover
                .findings
                .push(refusal::form("private_join_chain", &subject, place));
        }
    }
}
