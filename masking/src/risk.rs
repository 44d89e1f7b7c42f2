//! How well rows can still be told apart: k-anonymity and its relatives.

mod histogram;
mod keys;
mod meter;
mod population;
mod report;
mod special;
mod spread;
mod suppress;

pub use meter::RiskMeter;
pub use population::PopulationRisk;
pub use report::{ClosenessDistance, RiskReport};
pub use special::{SpecialMeter, SpecialScores, SpecialUniques};
pub use suppress::{ClassCounter, Suppression};

use crate::classify::{Class, ColumnClass};

/// The columns that the risk of a table is measured over: its quasi-identifiers, and the first sensitive one.
pub fn risk_columns(classes: &[ColumnClass]) -> (Vec<String>, Option<String>) {
    let of = |wanted: Class| {
        classes
            .iter()
            .filter(move |class| class.class == wanted)
            .map(|class| class.column.clone())
    };
    (
        of(Class::QuasiIdentifier).collect(),
        of(Class::Sensitive).next(),
    )
}

pub(crate) use histogram::{Cell, Histogram};
pub(crate) use keys::{Keys, Numbering, column, index};
pub(crate) use meter::{first_rows, too_many};
pub(crate) use report::{Scale, measure};
pub(crate) use spread::{Spread, effective, recursion};

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A count as a floating-point number, exact to 2^53.
pub(crate) fn float(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).map_or(0.0, f64::from);
    let low = u32::try_from(count & 0xffff_ffff).map_or(0.0, f64::from);
    high * 4_294_967_296.0 + low
}

#[cfg(test)]
mod tests;
