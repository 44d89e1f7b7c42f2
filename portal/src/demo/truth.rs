//! What the jobs of the demonstration have to find, computed from the embedded measurements without the platform.

use super::claims::{Fault, fault_at};
use super::identities::{Person, mix};
use super::source::Claim;
use std::collections::{BTreeMap, BTreeSet};

/// Lower bounds of the module's buckets (see `module.wat`).
pub(super) const BUCKETS: [f64; 10] = [
    0.0, 0.01, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0,
];

/// Customers of the insurance company: every third of the claims' persons, in three products.
pub(super) fn product(person: &Person) -> Option<&'static str> {
    let mix = mix(u64::from(person.number) | 3 << 40);
    match (person.number % 3, mix % 100) {
        (0, 0..2) => Some("尊享"),
        (0, 2..40) => Some("标准"),
        (0, _) => Some("基础"),
        _ => None,
    }
}

/// The claims that went into the version: those without a fault for which rows are left out.
pub(super) fn kept(claims: &[Claim]) -> impl Iterator<Item = &Claim> {
    let dropped = |place| {
        matches!(
            fault_at(place),
            Some(Fault::CheckCharacter | Fault::NoDistrict)
        )
    };
    claims
        .iter()
        .enumerate()
        .filter(move |(place, _)| !dropped(*place))
        .map(|(_, claim)| claim)
}

/// One cell of the joined table.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) persons: BTreeSet<u32>,
    pub(super) visits: i64,
}

/// Persons and visits by product and district in a year.
pub(super) fn joined(claims: &[Claim], year: i64) -> BTreeMap<(String, String), Cell> {
    let mut cells: BTreeMap<_, Cell> = BTreeMap::new();
    for claim in kept(claims).filter(|claim| claim.year == year) {
        if let Some(product) = product(&claim.person) {
            let cell = cells
                .entry((product.to_owned(), claim.district.clone()))
                .or_default();
            cell.persons.insert(claim.person.number);
            cell.visits += claim.visits;
        }
    }
    cells
}

/// How many claims fall into each bucket, and their mean.
pub(super) fn histogram(claims: &[Claim]) -> Vec<(f64, u64, f64)> {
    let mut sums = [(0_u64, 0.0); BUCKETS.len()];
    for claim in kept(claims) {
        let at = BUCKETS
            .iter()
            .rposition(|bound| claim.medical_cost >= *bound)
            .unwrap_or(0);
        sums[at].0 += 1;
        sums[at].1 += claim.medical_cost;
    }
    let mean = |count: u64, sum: f64| {
        if count == 0 {
            0.0
        } else {
            sum / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
        }
    };
    BUCKETS
        .iter()
        .zip(sums)
        .map(|(bound, (count, sum))| (*bound, count, mean(count, sum)))
        .collect()
}

/// The year of the differencing pairs.
pub(super) const PAIR_YEAR: i64 = 2021;

/// Persons of a district, and of those the ones that are in no family of nine.
pub(super) fn pair(claims: &[Claim], district: &str) -> (usize, usize) {
    let persons = |matches: fn(&Claim) -> bool| {
        kept(claims)
            .filter(|claim| claim.year == PAIR_YEAR && claim.district == district && matches(claim))
            .map(|claim| claim.person.number)
            .collect::<BTreeSet<u32>>()
            .len()
    };
    (
        persons(|_| true),
        persons(|claim| claim.coinsurance_percent != 95 || claim.family_size != 1),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::super::source::{Persons, claims};
    use super::*;

    #[test]
    fn the_data_hold_what_the_demonstration_wants_to_show() {
        let claims = claims(&Persons::read().unwrap()).unwrap();
        let cells = joined(&claims, 2021);
        assert_eq!(cells.len(), 18, "three products in six districts");
        let small = cells
            .values()
            .filter(|cell| cell.persons.len() < 10)
            .count();
        assert!(
            (3..=8).contains(&small),
            "small cells, but not more than half: {small}"
        );
        let apart = |district| {
            let (all, without) = pair(&claims, district);
            all - without
        };
        assert_eq!(apart("同安区"), 7, "fewer than a cell may have");
        assert_eq!(apart("湖里区"), 23, "more than a cell must have");
        assert_eq!(
            histogram(&claims)
                .iter()
                .map(|(_, count, _)| count)
                .sum::<u64>(),
            20_190 - 136 - 32
        );
    }
}
