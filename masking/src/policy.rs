//! The masking policy: a document per data set, from column to transform, and what it refuses to be.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;

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
    /// A class that a person states against an unsure classifier; needs a reason.
    pub class: Option<Class>,
    /// Why that class is stated.
    pub reason: Option<String>,
}

/// A masking policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    columns: BTreeMap<String, ColumnPolicy>,
    unnamed: UnnamedColumns,
}

impl Policy {
    /// Reads a policy document (TOML).
    ///
    /// # Errors
    /// Names the column and the option that cannot be read.
    pub fn parse(document: &str) -> Result<Self, PolicyError> {
        let _ = document;
        Ok(Self::default())
    }

    /// The document in its one canonical form.
    pub fn to_toml(&self) -> String {
        String::new()
    }

    /// SHA-256 of the canonical document.
    pub fn digest(&self) -> [u8; 32] {
        [0; 32]
    }

    /// The rules, by column name.
    pub fn columns(&self) -> &BTreeMap<String, ColumnPolicy> {
        &self.columns
    }

    /// A policy that is safe for what the classifier found; a person may then relax or tighten it.
    pub fn suggest(classes: &[ColumnClass]) -> Self {
        let _ = classes;
        Self::default()
    }

    /// Checks the policy against the schema and the classes of its data set.
    ///
    /// # Errors
    /// All reasons why it is unsafe or does not fit, each with its column and a remedy.
    pub fn compile(
        &self,
        schema: &Schema,
        classes: &[ColumnClass],
    ) -> Result<MaskPlan, Vec<PolicyFault>> {
        let _ = (schema, classes);
        Err(Vec::new())
    }
}
