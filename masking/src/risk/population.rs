//! What the attacker gains who knows a population that the rows were drawn from.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::risk::float;

/// Re-identification risk of rows against a population table with the same quasi-identifiers.
///
/// F is the number of persons of the population in a row's class. Where the population has fewer
/// than the rows themselves (it does not hold all of them), F is the number of rows, so that no risk
/// is above 1. Sources: k-map (Sweeney 2002), journalist and marketer risk (El Emam 2013),
/// delta-presence (Nergiz and others 2007).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PopulationRisk {
    /// Persons in the population.
    pub rows: u64,
    /// Smallest F of a row; 0 without rows.
    pub k_map: u64,
    /// Highest risk when the attacker does not know who is in the data: 1 over the smallest F.
    pub journalist_max: f64,
    /// Mean of 1/F over rows; it is also the share of rows expected to be re-identified when all
    /// are attacked.
    pub journalist_avg: f64,
    /// Smallest share of a class of the population that is in the data, 0 if some class is not.
    pub delta_presence_min: f64,
    /// Largest share of a class of the population that is in the data.
    pub delta_presence_max: f64,
    /// Rows of classes that the population lacks: it is no table of the population of these.
    pub unmatched: u64,
}

/// Measures the classes of a sample, by key, against those of a population.
pub(crate) fn measure(
    sample: &HashMap<u128, u64>,
    population: &HashMap<u128, u64>,
) -> PopulationRisk {
    let mut classes: Vec<(u128, u64)> = sample.iter().map(|(key, rows)| (*key, *rows)).collect();
    // Sums of floating-point numbers depend on their order.
    classes.sort_unstable();
    let absent = population.keys().any(|key| !sample.contains_key(key));
    let mut risk = PopulationRisk {
        rows: population.values().sum(),
        delta_presence_min: if absent { 0.0 } else { 1.0 },
        ..PopulationRisk::default()
    };
    let (mut rows, mut smallest, mut expected) = (0, u64::MAX, 0.0);
    for (key, own) in &classes {
        let persons = population.get(key).copied();
        if persons.is_none() {
            risk.unmatched += own;
        }
        let persons = persons.unwrap_or(0).max(*own);
        let presence = float(*own) / float(persons);
        risk.delta_presence_min = risk.delta_presence_min.min(presence);
        risk.delta_presence_max = risk.delta_presence_max.max(presence);
        smallest = smallest.min(persons);
        expected += presence;
        rows += own;
    }
    if rows > 0 {
        risk.k_map = smallest;
        risk.journalist_max = 1.0 / float(smallest);
        risk.journalist_avg = expected / float(rows);
    }
    risk
}
