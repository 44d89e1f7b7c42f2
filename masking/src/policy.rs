//! The masking policy: a document per data set, from column to transform, and what it refuses to
//! be.

mod compile;
mod document;
mod safety;
mod suggest;

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use sha2::{Digest, Sha256};

use crate::classify::{Class, ColumnClass};
use crate::error::{PolicyError, PolicyFault};
use crate::transform::{MaskPlan, Transform};

/// What happens to a column that the policy does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnnamedColumns {
    /// The policy is refused: every column needs a decision.
    #[default]
    Refuse,
    /// The column is dropped.
    Drop,
}

/// The rule for one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPolicy {
    /// What is done to the values.
    pub transform: Transform,
    /// A class that a person states, against an unsure classifier or stricter than it; needs a
    /// reason.
    pub class: Option<Class>,
    /// Why that class is stated.
    pub reason: Option<String>,
}

impl ColumnPolicy {
    /// A rule without a stated class.
    pub fn new(transform: Transform) -> Self {
        Self {
            transform,
            class: None,
            reason: None,
        }
    }
}

/// A masking policy: which transform each column of a data set goes through.
///
/// ```
/// let policy = masking::Policy::parse(
///     r#"
///     version = 1
///     [columns.id_card]
///     transform = "token"
///     value_domain = "person-id"
///     [columns.income]
///     transform = "bin"
///     width = 1000
///     "#,
/// )?;
/// assert_eq!(policy.columns().len(), 2);
/// # Ok::<(), masking::PolicyError>(())
/// ```
///
/// Options by transform: `token` value_domain · `permute` kind (`resident_id` keep_region,
/// birth_band_years, unassigned_region; `mobile` keep; `bank_card` keep; `credit_code`; `plate`),
/// value_domain · `redact` style (`constant` text; `mask` first, last; `text`) · `bin` width,
/// origin, output (`lower`, `middle`, `label`) · `top_bottom` bottom, top · `generalise_date` to
/// (`month`, `quarter`, `year`) · `age_band` width, top, as_of · `region` to (`province`, `city`,
/// `county`), output (`code`, `name`) · `shift_date` subject, value_domain, days · `keep` · `drop`.
/// Every column may state `class` with `reason`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    columns: BTreeMap<String, ColumnPolicy>,
    unnamed: UnnamedColumns,
}

impl Policy {
    /// A policy from rules by column name.
    pub fn new(columns: BTreeMap<String, ColumnPolicy>, unnamed: UnnamedColumns) -> Self {
        Self { columns, unnamed }
    }

    /// Reads a policy document (TOML).
    ///
    /// # Errors
    /// Names the line, or the column and the option, that cannot be read, and what would do.
    pub fn parse(document: &str) -> Result<Self, PolicyError> {
        document::parse(document)
    }

    /// The document in its one canonical form; reading it gives the same policy.
    pub fn to_toml(&self) -> String {
        document::write(self)
    }

    /// SHA-256 of the canonical document.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_toml().as_bytes()).into()
    }

    /// The rules, by column name.
    pub fn columns(&self) -> &BTreeMap<String, ColumnPolicy> {
        &self.columns
    }

    /// What happens to columns without a rule.
    pub fn unnamed(&self) -> UnnamedColumns {
        self.unnamed
    }

    /// A policy that is safe for what the classifier found, and compiles for the same data; a
    /// person may then relax or tighten it.
    pub fn suggest(classes: &[ColumnClass]) -> Self {
        let columns = classes
            .iter()
            .map(|class| {
                (
                    class.column.clone(),
                    ColumnPolicy::new(suggest::transform(class)),
                )
            })
            .collect();
        Self {
            columns,
            unnamed: UnnamedColumns::Refuse,
        }
    }

    /// Checks the policy against the schema and the classes of its data set.
    ///
    /// # Errors
    /// All reasons why it is unsafe or does not fit, each with its column and a remedy:
    /// `direct_identifier_kept`, `direct_identifier_coarsened`, `mask_shows_too_much`,
    /// `redaction_incomplete`, `domain_too_small`, `unkeyed_hash`, `kind_differs`,
    /// `class_contradicted`, `unclassified`, `column_missing`, `column_unnamed`,
    /// `column_duplicate`, `type_unfit`, `subject_missing`.
    pub fn compile(
        &self,
        schema: &Schema,
        classes: &[ColumnClass],
    ) -> Result<MaskPlan, Vec<PolicyFault>> {
        compile::compile(self, schema, classes)
    }
}

#[cfg(test)]
mod tests;
