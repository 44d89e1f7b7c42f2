//! The measures, from the histogram of equivalence classes.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::generalise::{Path, groups};
use crate::risk::histogram::Histogram;
use crate::risk::keys::index;
use crate::risk::population::PopulationRisk;
use crate::risk::special::SpecialUniques;
use crate::risk::spread::{Distance, Spread, Tree, effective, recursion};
use crate::risk::{count, float};

/// Recursive diversity is reported up to this l.
const RECURSIVE_L_MAX: usize = 10;

/// Re-identification and disclosure risk of a table, measured over its quasi-identifiers. Null is a
/// category of its own.
///
/// Sources: k-anonymity (Sweeney 2002), l-diversity (Machanavajjhala and others 2007), t-closeness
/// (Li and others 2007), delta-disclosure privacy (Brickell and Shmatikov 2008), beta-likeness (Cao
/// and Karras 2012), prosecutor and marketer risk (El Emam 2013), special uniques (Elliot, Manning and
/// Ford 2002).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// The quasi-identifiers.
    pub quasi: Vec<String>,
    /// The sensitive column, if one was named.
    pub sensitive: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Equivalence classes: distinct combinations of the quasi-identifiers.
    pub classes: u64,
    /// Rows in the smallest class; 0 for an empty table.
    pub k: u64,
    /// Rows that are alone in their class.
    pub uniques: u64,
    /// Highest risk of a row when the attacker knows that the person is in the data: 1/k.
    pub prosecutor_max: f64,
    /// Mean of 1/class size over rows.
    pub prosecutor_avg: f64,
    /// Expected share of rows that are re-identified when all are attacked: classes/rows.
    pub marketer: f64,
    /// Smallest number of distinct sensitive values in a class.
    pub l_distinct: Option<u64>,
    /// Smallest exponential of a class's entropy of sensitive values.
    pub l_entropy: Option<f64>,
    /// For each l from 2 up to `l_distinct` (10 at most), the c above which recursive
    /// (c, l)-diversity holds: the largest r1 / (r_l + ... + r_m) of a class.
    #[serde(default)]
    pub l_recursive: BTreeMap<u64, f64>,
    /// Largest distance between the sensitive values of a class and of the table, 0 to 1.
    pub t_closeness: Option<f64>,
    /// The distance that `t_closeness` was taken by.
    #[serde(default)]
    pub t_distance: Option<ClosenessDistance>,
    /// Largest absolute logarithm of a value's share of its class over its share of the table. A
    /// value that a class lacks is not counted: it would make the measure infinite.
    #[serde(default)]
    pub delta_disclosure: Option<f64>,
    /// Largest relative gain of a value's share of its class over its share of the table: the
    /// smallest beta of basic beta-likeness.
    #[serde(default)]
    pub beta_basic: Option<f64>,
    /// The smallest beta of enhanced beta-likeness, which wants gains below -ln p too; absent if
    /// some gain is above that, so that it holds for no beta.
    #[serde(default)]
    pub beta_enhanced: Option<f64>,
    /// Measures against a population table, if one was observed.
    #[serde(default)]
    pub population: Option<PopulationRisk>,
    /// Rows that are unique by few of the quasi-identifiers; absent where that was not searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special: Option<SpecialUniques>,
    /// Number of classes by size: `1`, `2`, `3-4`, `5-9`, `10-19`, `20-49`, `50-99`, `100+`.
    pub histogram: BTreeMap<String, u64>,
}

/// How far two sensitive values are apart (Li and others 2007, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosenessDistance {
    /// Every two values equally far: half the sum of differences. Of words.
    Equal,
    /// By the difference of their ranks. Of numbers and dates.
    Ordered,
    /// By the height of their lowest common ancestor in a hierarchy.
    Hierarchical,
}

/// The distance with what it needs: for the hierarchical one, by level from the leaves upwards the
/// group of each value by rank.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scale {
    Equal,
    Ordered,
    Hierarchical(Vec<Vec<u32>>),
}

impl Scale {
    /// Of a column by its type: words are equally far apart, numbers and dates ordered.
    pub(crate) fn of(data_type: Option<&DataType>) -> Self {
        match data_type {
            Some(data_type) if data_type.is_numeric() || data_type.is_temporal() => Self::Ordered,
            _ => Self::Equal,
        }
    }

    /// By the places in a hierarchy of values numbered in any order, of which the ranks are given.
    pub(crate) fn hierarchical(ranks: &[u32], paths: &[Path]) -> Self {
        let mut ranked: Vec<Option<&[String]>> = vec![None; ranks.len()];
        for (path, rank) in paths.iter().zip(ranks) {
            ranked[index(*rank)] = path.as_deref();
        }
        Self::Hierarchical(groups(&ranked))
    }

    /// The spread of a table with so many rows of each value, where those in `kept` remain of all.
    pub(crate) fn spread(&self, totals: Vec<u64>, kept: &[u32]) -> Spread {
        let distance = match self {
            Self::Equal => Distance::Equal,
            Self::Ordered => Distance::Ordered,
            Self::Hierarchical(levels) => {
                let of_kept = |groups: &Vec<u32>| kept.iter().map(|v| groups[index(*v)]).collect();
                let levels: Vec<Vec<u32>> = levels.iter().map(of_kept).collect();
                Distance::Hierarchical(Tree::new(&levels, &totals))
            }
        };
        Spread::new(totals, distance)
    }

    fn name(&self) -> ClosenessDistance {
        match self {
            Self::Equal => ClosenessDistance::Equal,
            Self::Ordered => ClosenessDistance::Ordered,
            Self::Hierarchical(_) => ClosenessDistance::Hierarchical,
        }
    }
}

/// The measures of classes; those of sensitive values only if a sensitive column is named and there
/// are rows.
pub(crate) fn measure(
    quasi: Vec<String>,
    sensitive: Option<String>,
    mut histogram: Histogram,
    scale: &Scale,
) -> RiskReport {
    let mut report = of_sizes(histogram.sizes());
    if sensitive.is_some() && report.rows > 0 {
        let ranked = histogram.close_ranks();
        let spread = scale.spread(ranked.totals, &ranked.kept);
        of_values(&mut report, &histogram, &spread);
        report.t_distance = Some(scale.name());
    }
    RiskReport {
        quasi,
        sensitive,
        ..report
    }
}

fn of_sizes(sizes: &[u64]) -> RiskReport {
    let rows: u64 = sizes.iter().sum();
    let classes = count(sizes.len());
    let k = sizes.iter().copied().min().unwrap_or(0);
    let mut histogram = BTreeMap::new();
    for size in sizes {
        *histogram.entry(bucket(*size).to_owned()).or_default() += 1;
    }
    // A class of f rows adds f times 1/f to the mean over rows.
    let mean = if rows == 0 {
        0.0
    } else {
        float(classes) / float(rows)
    };
    RiskReport {
        rows,
        classes,
        k,
        uniques: count(sizes.iter().filter(|size| **size == 1).count()),
        prosecutor_max: if k == 0 { 0.0 } else { 1.0 / float(k) },
        prosecutor_avg: mean,
        marketer: mean,
        histogram,
        ..RiskReport::default()
    }
}

fn of_values(report: &mut RiskReport, histogram: &Histogram, spread: &Spread) {
    let mut distinct = u64::MAX;
    let mut entropy = f64::INFINITY;
    let mut bounded = true;
    let (mut closeness, mut disclosure, mut gain) = (0.0f64, 0.0f64, 0.0f64);
    for class in histogram.classes() {
        distinct = distinct.min(count(class.len()));
        entropy = entropy.min(effective(class));
        closeness = closeness.max(spread.closeness(class));
        disclosure = disclosure.max(spread.disclosure(class));
        gain = gain.max(spread.gain(class));
        bounded &= spread.gains_are_bounded(class);
    }
    let l_max = usize::try_from(distinct).map_or(RECURSIVE_L_MAX, |l| l.min(RECURSIVE_L_MAX));
    for class in histogram.classes() {
        for (l, ratio) in (2..).zip(recursion(class, l_max)) {
            let largest = report.l_recursive.entry(l).or_insert(ratio);
            *largest = largest.max(ratio);
        }
    }
    report.l_distinct = Some(distinct);
    report.l_entropy = Some(entropy);
    report.t_closeness = Some(closeness);
    report.delta_disclosure = Some(disclosure);
    report.beta_basic = Some(gain);
    report.beta_enhanced = bounded.then_some(gain);
}

fn bucket(size: u64) -> &'static str {
    match size {
        0 | 1 => "1",
        2 => "2",
        3..=4 => "3-4",
        5..=9 => "5-9",
        10..=19 => "10-19",
        20..=49 => "20-49",
        50..=99 => "50-99",
        _ => "100+",
    }
}
