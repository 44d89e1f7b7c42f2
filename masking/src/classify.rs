//! What a column holds: identifiers by pattern and check digit, columns by likelihood.

pub(crate) mod check;
mod column;
mod decide;
mod hint;
mod identifier;
pub(crate) mod region;
mod sketch;
pub(crate) mod table;
mod text;
mod value;

pub use column::{Candidate, Class, Classifier, ColumnClass, ColumnHint, Evidence};
pub use hint::Meaning;
pub use identifier::{Hit, Identifier};
pub use table::{TableTexts, Tables};
pub use text::find_identifiers;
pub(crate) use text::{is_energy_body, is_plate};
pub(crate) use value::is_valid;
