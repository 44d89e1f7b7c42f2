//! Transforms of columns, and the plan that applies them to batches.

mod apply;
mod coarsen;
mod deal;
mod ff1;
mod geo;
mod groups;
mod hierarchy;
mod measure;
mod microaggregate;
mod noise;
mod permute;
mod redact;
mod shift;
mod shuffle;
mod surrogate;
mod survey;
mod text;

pub use apply::{MaskPlan, Masked};
pub use coarsen::{BinOutput, Period, RegionLevel};
pub use geo::{Datum, Geo, GeoCell, GeoLayout};
pub use hierarchy::ValueGroups;
pub use measure::Measure;
pub use noise::{Noise, NoiseShape};
pub use permute::Permute;
pub use shift::DateShift;
pub use surrogate::Surrogate;
pub use survey::Survey;

pub(crate) use apply::{Reference, Step, one_by_one, output_type};
pub(crate) use coarsen::is_number;
pub(crate) use ff1::DOMAIN_MIN;
pub(crate) use geo::{CHARACTERS_MAX, WIDTH_DEGREES_MIN};
pub(crate) use hierarchy::HierarchyFault;
pub(crate) use microaggregate::ROWS_MIN as MICROAGGREGATE_ROWS_MIN;
pub(crate) use permute::is_too_small;
pub(crate) use redact::masked;
pub(crate) use shuffle::ROWS_MIN as SHUFFLE_ROWS_MIN;
pub(crate) use text::text_values;

use crate::date::Day;
use crate::key::ValueDomain;

/// What is done to the values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// Left as it is.
    Keep,
    /// Left out.
    Drop,
    /// Replaced by the intake token of its value domain.
    Token {
        /// The value domain.
        value_domain: ValueDomain,
    },
    /// Replaced by another valid identifier of the same kind, one to one under the key.
    Permute {
        /// Kind, and what of it stays.
        permute: Permute,
        /// The value domain of the key.
        value_domain: ValueDomain,
    },
    /// Replaced by one text.
    RedactConstant {
        /// The text.
        text: String,
    },
    /// Stars in place of all characters but the first and last ones.
    RedactMask {
        /// Characters shown at the start.
        first: usize,
        /// Characters shown at the end.
        last: usize,
    },
    /// Identifiers inside running text replaced by their kind.
    RedactText,
    /// Numbers in bins of one width.
    Bin {
        /// Width of a bin.
        width: f64,
        /// Where a bin begins.
        origin: f64,
        /// How a bin is written.
        output: BinOutput,
    },
    /// Numbers beyond a bound replaced by the bound.
    TopBottom {
        /// The lowest number.
        bottom: Option<f64>,
        /// The highest number.
        top: Option<f64>,
    },
    /// Dates replaced by the first day of their period.
    GeneraliseDate {
        /// The period.
        to: Period,
    },
    /// Ages, or birth dates, in bands.
    AgeBand {
        /// Years of a band.
        width: u32,
        /// Age from which all are one band.
        top: u32,
        /// The day on which ages are taken, for birth dates: year, month, day.
        as_of: Option<(i64, i64, i64)>,
    },
    /// Codes, resident numbers or addresses replaced by their region.
    Region {
        /// The level.
        to: RegionLevel,
        /// Names instead of codes.
        as_name: bool,
    },
    /// Dates moved by a number of days that belongs to their subject.
    ShiftDate {
        /// The column that names the subject.
        subject: String,
        /// The value domain of that column.
        value_domain: ValueDomain,
        /// By how many days.
        shift: DateShift,
    },
    /// Numbers with noise that belongs to their subject.
    Noise {
        /// Kind and amount.
        noise: Noise,
        /// The column that names the subject.
        subject: String,
        /// The value domain of that column.
        value_domain: ValueDomain,
    },
    /// Numbers replaced by the mean of their neighbours in the batch.
    Microaggregate {
        /// The fewest rows of a group (k).
        rows_min: u32,
    },
    /// Values exchanged among the rows of a group in the batch.
    Shuffle {
        /// Columns in which rows of a group agree.
        within: Vec<String>,
        /// The fewest rows of a group; smaller ones become null.
        rows_min: u32,
    },
    /// Coordinates in another datum, as coarse as asked.
    Geo {
        /// Layout, datums and cell.
        geo: Geo,
    },
    /// Invented names or addresses.
    Surrogate {
        /// What is invented.
        surrogate: Surrogate,
    },
    /// Values replaced by coarser ones after a table of the policy.
    Hierarchy {
        /// Name of the table.
        hierarchy: String,
        /// Levels to climb.
        levels: u32,
        /// What takes the place of values that the table does not hold; null when none.
        otherwise: Option<String>,
    },
    /// An unkeyed hash: read so that it can be refused with its reason, never applied.
    Hash {
        /// The algorithm that was asked for.
        algorithm: String,
    },
}

impl Transform {
    /// The name in a policy document.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Token { .. } => "token",
            Self::Permute { .. } => "permute",
            Self::RedactConstant { .. } | Self::RedactMask { .. } | Self::RedactText => "redact",
            Self::Bin { .. } => "bin",
            Self::TopBottom { .. } => "top_bottom",
            Self::GeneraliseDate { .. } => "generalise_date",
            Self::AgeBand { .. } => "age_band",
            Self::Region { .. } => "region",
            Self::ShiftDate { .. } => "shift_date",
            Self::Noise { .. } => "noise",
            Self::Microaggregate { .. } => "microaggregate",
            Self::Shuffle { .. } => "shuffle",
            Self::Geo { .. } => "geo",
            Self::Surrogate { .. } => "surrogate",
            Self::Hierarchy { .. } => "hierarchy",
            Self::Hash { .. } => "hash",
        }
    }

    /// Whether values reach the result as they are, in their row or another: what looks for
    /// identifiers left in a masked column has to look there.
    pub fn passes_values(&self) -> bool {
        matches!(self, Self::Keep | Self::Shuffle { .. })
    }

    /// The column that names the subject whose values belong together.
    pub(crate) fn subject(&self) -> Option<&str> {
        match self {
            Self::ShiftDate { subject, .. } | Self::Noise { subject, .. } => Some(subject),
            _ => None,
        }
    }

    /// The columns that are read besides the transform's own, in the order in which it takes them.
    pub(crate) fn others(&self) -> Vec<&str> {
        match self {
            Self::ShiftDate { subject, .. } | Self::Noise { subject, .. } => vec![subject],
            Self::Shuffle { within, .. } => within.iter().map(String::as_str).collect(),
            Self::Geo { geo } => geo.other().into_iter().collect(),
            Self::Surrogate { surrogate } => surrogate.other().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// The day of an `as_of` option.
pub(crate) fn day((year, month, day): (i64, i64, i64)) -> Option<Day> {
    Day::new(year, month, day)
}
