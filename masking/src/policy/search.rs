//! A policy whose quasi-identifiers are as exact as its measure allows.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::record_batch::RecordBatch;

use crate::classify::{Class, ColumnClass, Identifier, Meaning};
use crate::error::{Fault, MeasureError};
use crate::generalise::{Generaliser, Goal, Hierarchy, InformationLoss};
use crate::policy::{ColumnPolicy, Policy, suggest};
use crate::risk::RiskReport;
use crate::text::Bilingual;
use crate::transform::{BinOutput, Measure, Period, RegionLevel, Transform, is_number};

/// Distinct rows of the quasi-identifiers that are kept in memory, about 100 bytes each and as much
/// again while searching.
const COMBINATIONS_MAX: usize = 2_000_000;

/// Searches how far each quasi-identifier has to be coarsened so that a measure holds with the least
/// [`InformationLoss`], and makes the policy of it.
///
/// A column's levels are transforms of a policy, from `keep` upwards to `drop`; what is searched is
/// what those transforms write, so that the policy reaches the measure when it is applied to the rows
/// that were observed.
#[derive(Debug)]
pub struct PolicySearch {
    classes: Vec<ColumnClass>,
    ladders: Vec<(String, Vec<Transform>)>,
    sensitive: Option<String>,
    generaliser: Generaliser,
}

/// What a [`PolicySearch`] is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyWish {
    /// What masked data must reach.
    pub measure: Measure,
    /// What is to be as small as possible.
    pub loss: InformationLoss,
}

/// A policy that reaches its measure on the rows that were observed.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFound {
    /// The policy.
    pub policy: Policy,
    /// The level of each quasi-identifier that was searched.
    pub columns: Vec<ChosenLevel>,
    /// Each measure of information loss; the one that was asked for first.
    pub losses: Vec<(InformationLoss, f64)>,
    /// Combinations of levels that were checked, and that there are.
    pub checks: u64,
    /// See `checks`; `u64::MAX` if there are more.
    pub nodes: u64,
    /// Whether no other combination of levels loses less; false if the time was over before that was
    /// proved, or there are too many combinations to go through.
    pub is_optimal: bool,
    /// Rows that were observed.
    pub rows: u64,
    /// Rows that the policy leaves out.
    pub suppressed: u64,
    /// The measures of the rest.
    pub report: RiskReport,
}

/// The level that was chosen for a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenLevel {
    /// The column.
    pub column: String,
    /// The level: 0 keeps the values, the last leaves the column out.
    pub level: usize,
    /// Levels that there are.
    pub levels: usize,
    /// What is done at that level.
    pub transform: Transform,
}

impl PolicySearch {
    /// Starts a search for data of this schema and these classes; the range of numbers is taken from
    /// their first rows.
    ///
    /// # Errors
    /// `quasi_identifiers_missing` when no column is one that can be coarsened; `columns_count` above
    /// 64 of them.
    pub fn new(
        schema: &Schema,
        classes: &[ColumnClass],
        first: &RecordBatch,
    ) -> Result<Self, MeasureError> {
        let is_searched = |class: &&ColumnClass| {
            class.class == Class::QuasiIdentifier
                && suggest::transform(class) != Transform::Drop
                && schema.index_of(&class.column).is_ok()
        };
        let ladders: Vec<(String, Vec<Transform>)> = (classes.iter().filter(is_searched))
            .map(|class| {
                let values = first.column_by_name(&class.column);
                (class.column.clone(), ladder(class, values))
            })
            .collect();
        if ladders.is_empty() {
            return Err(nothing_to_search());
        }
        let first_sensitive = classes.iter().find(|class| {
            class.class == Class::Sensitive && schema.index_of(&class.column).is_ok()
        });
        let sensitive = first_sensitive.map(|class| class.column.clone());
        let quasi = ladders.iter();
        let quasi = quasi.map(|(name, ladder)| (name.clone(), Hierarchy::ladder(ladder.clone())));
        Ok(Self {
            generaliser: Generaliser::new(quasi.collect(), sensitive.as_deref())?.with_all_losses(),
            classes: classes.to_vec(),
            ladders,
            sensitive,
        })
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, `type_changed` or `value_outside_hierarchy`, naming the column;
    /// `combinations_too_many` above 2,000,000 distinct rows of the quasi-identifiers.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        self.generaliser.observe(batch)?;
        if self.generaliser.combinations_len() > COMBINATIONS_MAX {
            return Err(too_many(&self.ladders));
        }
        Ok(())
    }

    /// The policy with the least loss; when `is_expired` says so, the best one found so far.
    ///
    /// # Errors
    /// `sensitive_missing` when the measure is one of sensitive values and no column is sensitive;
    /// `option_value`; `requirement_unmet` if no policy of these levels reaches it, or none was found
    /// in time.
    pub fn solve(
        self,
        wish: &PolicyWish,
        is_expired: &mut dyn FnMut() -> bool,
    ) -> Result<PolicyFound, MeasureError> {
        let goal = Goal {
            requirement: wish.measure.requirement(true),
            suppression_max: wish.measure.suppress_percent_max.unwrap_or(0.0) / 100.0,
            loss: wish.loss,
        };
        if self.sensitive.is_none() && goal.requirement.is_sensitive_needed() {
            return Err(no_sensitive());
        }
        let mut generaliser = self.generaliser;
        let stay = generaliser.only_coarser();
        let ladders = self
            .ladders
            .into_iter()
            .zip(&stay)
            .map(|((column, ladder), stay)| {
                let stays = stay.iter().filter_map(|place| ladder.get(*place).cloned());
                (column, stays.collect::<Vec<_>>())
            });
        let ladders: Vec<(String, Vec<Transform>)> = ladders.collect();
        let solution = generaliser.solve(&goal, is_expired)?;
        let chosen = ladders.into_iter().zip(solution.levels());
        let columns: Vec<ChosenLevel> = chosen
            .map(|((column, ladder), level)| ChosenLevel {
                column,
                level: *level,
                levels: ladder.len() + 2,
                transform: match level.checked_sub(1) {
                    None => Transform::Keep,
                    Some(above) => ladder.get(above).cloned().unwrap_or(Transform::Drop),
                },
            })
            .collect();
        let mut policy = Policy::suggest(&self.classes);
        for chosen in &columns {
            let rule = ColumnPolicy::new(chosen.transform.clone());
            policy.columns.insert(chosen.column.clone(), rule);
        }
        policy.measure = Some(wish.measure);
        let mut losses = solution.losses().to_vec();
        losses.sort_by_key(|(loss, _)| *loss != wish.loss);
        Ok(PolicyFound {
            policy,
            columns,
            losses,
            checks: solution.checks(),
            nodes: solution.nodes(),
            is_optimal: solution.is_optimal(),
            rows: solution.rows(),
            suppressed: solution.suppressed(),
            report: solution.report().clone(),
        })
    }
}

/// The levels of a column between `keep` and `drop`, each coarser than the one before.
fn ladder(class: &ColumnClass, values: Option<&ArrayRef>) -> Vec<Transform> {
    let data_type = class.evidence.data_type.as_str();
    let is_date = data_type.starts_with("Date") || data_type.starts_with("Timestamp");
    let is_text = data_type.contains("Utf8");
    let is_whole = data_type.starts_with("Int") || data_type.starts_with("UInt");
    let periods = || {
        [Period::Month, Period::Quarter, Period::Year]
            .map(|to| Transform::GeneraliseDate { to })
            .to_vec()
    };
    match (class.identifier, class.evidence.meaning) {
        (Some(Identifier::Coordinates), _) => vec![bin(0.01), bin(0.1), bin(1.0)],
        (_, Some(Meaning::BirthDate | Meaning::EventDate)) if is_date || is_text => periods(),
        (_, Some(Meaning::BirthDate)) => vec![bin(100.0), bin(10_000.0), bin(100_000.0)],
        (_, Some(Meaning::Age)) if is_whole => [5, 10, 20, 40]
            .map(|width| Transform::AgeBand {
                width,
                top: 80,
                as_of: None,
            })
            .to_vec(),
        (_, Some(Meaning::Age)) if data_type.starts_with("Float") => {
            vec![bin(5.0), bin(10.0), bin(20.0), bin(40.0)]
        }
        (_, Some(Meaning::Postcode)) if is_text || is_whole => [4, 3, 2]
            .map(|first| Transform::RedactMask { first, last: 0 })
            .to_vec(),
        (_, Some(Meaning::Region)) if is_text || is_whole => [
            RegionLevel::County,
            RegionLevel::City,
            RegionLevel::Province,
        ]
        .map(|to| Transform::Region { to, as_name: false })
        .to_vec(),
        _ if is_date => periods(),
        _ => values.map_or_else(Vec::new, bins),
    }
}

/// Bins of a column of numbers: of about a hundredth of their range, five, ten, and fifty times as
/// wide.
fn bins(values: &ArrayRef) -> Vec<Transform> {
    if !is_number(values.data_type()) {
        return Vec::new();
    }
    let Ok(numbers) = arrow::compute::cast(values, &DataType::Float64) else {
        return Vec::new();
    };
    let numbers = numbers.as_primitive::<Float64Type>();
    let finite = || numbers.iter().flatten().filter(|number| number.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let width = 10f64.powf(((high - low) / 100.0).log10().ceil());
    let is_whole = values.data_type().is_integer();
    let width = if is_whole { width.max(1.0) } else { width };
    if !(1e-6..=1e12).contains(&width) {
        return Vec::new();
    }
    [1.0, 5.0, 10.0, 50.0]
        .into_iter()
        .map(|times| width * times)
        // Bins of one whole number are the numbers themselves.
        .filter(|width| !is_whole || *width > 1.0)
        .map(bin)
        .collect()
}

fn bin(width: f64) -> Transform {
    Transform::Bin {
        width,
        origin: 0.0,
        output: BinOutput::Lower,
    }
}

fn nothing_to_search() -> MeasureError {
    Fault::general(
        "quasi_identifiers_missing",
        Bilingual::new(
            "没有可概化的准标识符列",
            "no column is a quasi-identifier that can be coarsened",
        ),
        Bilingual::new(
            "数据中没有准标识符时无需搜索；否则给列起一个说明其含义的名字或 comment",
            "without quasi-identifiers there is nothing to search; else give columns names or comments that tell what they are",
        ),
    )
}

fn no_sensitive() -> MeasureError {
    Fault::general(
        "sensitive_missing",
        Bilingual::new(
            "l、t、δ、β 以敏感列度量，而数据中没有敏感列",
            "l, t, δ and β are measures of a sensitive column, and no column is sensitive",
        ),
        Bilingual::new(
            "只写 k，或给敏感列起一个说明其含义的名字或 comment",
            "ask for k alone, or give the sensitive column a name or comment that tells what it is",
        ),
    )
}

fn too_many(ladders: &[(String, Vec<Transform>)]) -> MeasureError {
    let names: Vec<&str> = ladders.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    Fault::general(
        "combinations_too_many",
        Bilingual::new(
            format!("准标识符 {names} 的不同组合超过 {COMBINATIONS_MAX} 个"),
            format!(
                "the quasi-identifiers {names} have more than {COMBINATIONS_MAX} distinct combinations"
            ),
        ),
        Bilingual::new(
            "先去掉其中最精细的一列，或对部分行搜索，再以全部数据度量",
            "leave the most exact of these columns out first, or search over some of the rows and measure over all",
        ),
    )
}

#[cfg(test)]
mod tests;
