//! Generalisation hierarchies: what a value becomes at each level, as data.

mod ladder;
mod rule;
mod table;

use arrow::array::ArrayRef;

pub use rule::DateLevel;

use crate::error::{Fault, MeasureError};
use crate::generalise::hierarchy::ladder::Ladder;
use crate::generalise::hierarchy::rule::Rule;
use crate::generalise::hierarchy::table::Table;
use crate::text::Bilingual;
use crate::transform::{RegionLevel, Transform};

/// Levels above the values themselves.
const LEVELS_MAX: usize = 31;

/// The label that stands for every value, null too.
pub(crate) const ANY: &str = "*";

/// What one value becomes at the levels from 1 upwards; null has no path and stays null, except
/// where the label is `*`.
pub(crate) type Path = Option<Vec<String>>;

/// A generalisation hierarchy of one column: level 0 is the values themselves, and each level is
/// coarser than the one below: values with one label there have one label everywhere above.
///
/// ```
/// use masking::Hierarchy;
/// let sex = Hierarchy::table("female;*\nmale;*\n")?;
/// let age = Hierarchy::intervals(0.0, &[5.0, 10.0, 20.0])?;
/// assert_eq!((sex.levels(), age.levels()), (2, 5));
/// # Ok::<(), masking::MeasureError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Table(Table),
    Rule(Rule),
    Ladder(Ladder),
}

impl Hierarchy {
    /// Reads a table: one value a line, then its labels from level 1 upwards, separated by `;`, tab
    /// or `,` (the first of these that the first line has); `"` quotes a field. Every value of the
    /// column must be there; without labels it stays as it is. The label `*` stands for every value
    /// and for null.
    ///
    /// # Errors
    /// `hierarchy_too_large` above 16 MiB, 1,000,000 lines or 31 levels; `hierarchy_unreadable`,
    /// `hierarchy_value_twice` or `hierarchy_not_coarser`, naming the line.
    pub fn table(text: &str) -> Result<Self, MeasureError> {
        Table::parse(text).map(|table| Self {
            kind: Kind::Table(table),
        })
    }

    /// Half-open intervals of numbers that begin at `origin`, one level for each width, then `*`.
    ///
    /// # Errors
    /// `hierarchy_option` if a width is not a whole multiple, above 1, of the width below it, or
    /// a number is not finite; `hierarchy_too_large` above 31 levels.
    pub fn intervals(origin: f64, widths: &[f64]) -> Result<Self, MeasureError> {
        Self::rule(Rule::intervals(origin, widths)?)
    }

    /// Periods that dates and times lie in, then `*`.
    ///
    /// # Errors
    /// `hierarchy_option` if the periods do not grow.
    pub fn dates(levels: &[DateLevel]) -> Result<Self, MeasureError> {
        Self::rule(Rule::dates(levels)?)
    }

    /// Texts with so many of their last characters replaced by `*`, one level for each number, then
    /// `*` alone.
    ///
    /// # Errors
    /// `hierarchy_option` if the numbers do not grow; `hierarchy_too_large` above 31 levels.
    pub fn suffix(masked: &[usize]) -> Result<Self, MeasureError> {
        Self::rule(Rule::suffix(masked)?)
    }

    /// Regions of codes that begin with the six digits of GB/T 2260, from the level that is named
    /// up to the province, then `*`.
    pub fn region(from: RegionLevel) -> Self {
        Self {
            kind: Kind::Rule(Rule::region(from)),
        }
    }

    /// What transforms write that take one value at a time, each coarser than the one before, then
    /// `*`.
    pub(crate) fn ladder(transforms: Vec<Transform>) -> Self {
        Self {
            kind: Kind::Ladder(Ladder(transforms)),
        }
    }

    /// The same ladder with the levels at these places; other hierarchies stay as they are.
    pub(crate) fn only(&self, places: &[usize]) -> Self {
        let Kind::Ladder(Ladder(transforms)) = &self.kind else {
            return self.clone();
        };
        let stay = places.iter().filter_map(|place| transforms.get(*place));
        Self::ladder(stay.cloned().collect())
    }

    /// Number of levels, level 0 included.
    pub fn levels(&self) -> usize {
        1 + match &self.kind {
            Kind::Table(table) => table.height(),
            Kind::Rule(rule) => rule.height(),
            Kind::Ladder(ladder) => ladder.height(),
        }
    }

    /// The path of each value.
    ///
    /// # Errors
    /// `value_outside_hierarchy`, naming the column and how many values have no path.
    pub(crate) fn paths(&self, column: &str, values: &ArrayRef) -> Result<Vec<Path>, Fault> {
        let paths = match &self.kind {
            Kind::Table(table) => table.paths(values),
            Kind::Rule(rule) => rule.paths(values),
            Kind::Ladder(ladder) => ladder.paths(values),
        };
        let known = |path: &Placed| !matches!(path, Placed::Outside);
        let outside = paths.as_ref().map_or(values.len(), |paths| {
            paths.iter().filter(|path| !known(path)).count()
        });
        match paths {
            Some(paths) if outside == 0 => Ok(paths.into_iter().map(Placed::path).collect()),
            _ => Err(outside_fault(column, outside)),
        }
    }

    /// The number of values of the whole table, and of those with a label at a level from 1
    /// upwards; nothing if the hierarchy is a rule without a list of values.
    pub(crate) fn leaves(&self, level: usize, label: &str) -> Option<(u64, u64)> {
        match &self.kind {
            Kind::Table(table) => Some(table.leaves(level, label)),
            Kind::Rule(_) | Kind::Ladder(_) => None,
        }
    }

    /// The width of the intervals of a level, if it has intervals.
    pub(crate) fn width(&self, level: usize) -> Option<f64> {
        match &self.kind {
            Kind::Table(_) | Kind::Ladder(_) => None,
            Kind::Rule(rule) => rule.width(level),
        }
    }

    fn rule(rule: Rule) -> Result<Self, MeasureError> {
        check_height(rule.height())?;
        Ok(Self {
            kind: Kind::Rule(rule),
        })
    }
}

/// Where a value is in a hierarchy.
enum Placed {
    Null,
    At(Vec<String>),
    Outside,
}

impl Placed {
    fn of(path: Option<Vec<String>>) -> Self {
        path.map_or(Self::Outside, Self::At)
    }

    fn path(self) -> Path {
        match self {
            Self::At(labels) => Some(labels),
            Self::Null | Self::Outside => None,
        }
    }
}

fn check_height(height: usize) -> Result<(), MeasureError> {
    if height <= LEVELS_MAX {
        return Ok(());
    }
    Err(Fault::general(
        "hierarchy_too_large",
        Bilingual::new(
            format!("泛化层次有 {height} 级，超过 {LEVELS_MAX} 级"),
            format!("the hierarchy has {height} levels, more than {LEVELS_MAX}"),
        ),
        Bilingual::new("减少层级", "leave some levels out"),
    ))
}

fn outside_fault(column: &str, outside: usize) -> Fault {
    Fault::column(
        "value_outside_hierarchy",
        column,
        Bilingual::new(
            format!("该列有 {outside} 个不同的值不在泛化层次中"),
            format!("{outside} distinct values of the column are not in its hierarchy"),
        ),
        Bilingual::new(
            "在层次中补上这些值，或换用适合该列类型的层次",
            "add the values to the hierarchy, or use one that fits the column's type",
        ),
    )
}

#[cfg(test)]
mod tests;
