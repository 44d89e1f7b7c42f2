//! The masking policy: a document per data set, from column to transform, and what it refuses to
//! be.

mod compile;
mod document;
mod reads;
mod rule;
mod safety;
mod search;
mod soundness;
mod suggest;

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use sha2::{Digest, Sha256};

use crate::classify::{Class, ColumnClass};
use crate::error::{PolicyError, PolicyFault};
use crate::key::CipherSuite;
use crate::transform::{MaskPlan, Measure, Transform, ValueGroups};

pub use rule::RuleTarget;
pub use search::{ChosenLevel, PolicyFound, PolicySearch, PolicyWish};

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
/// Tables of a document:
///
/// | Table | Holds |
/// |---|---|
/// | (top) | `version = 1`, `unnamed_columns` (`refuse`, `drop`), `cipher_suite` (`international`, `sm`; the key's suite must be it) |
/// | `[columns.NAME]` | the rule of one column; it may state `class` with `reason` |
/// | `[rules.TARGET]` | the rule of all columns found to be an identifier (`resident_id`, `mobile`, …), named as something (`birth_date`, `age`, `sex`, `region`, …), or of a class (`direct_identifier`, `quasi_identifier`, `sensitive`, `public`) |
/// | `[hierarchies.NAME]` | coarser values, each with a list of the values that it stands for |
/// | `[measure]` | what masked data must reach: `k_min` rows, `l_min` values, `t_max`, `delta_max`, `beta_max`, `suppress_percent_max` |
///
/// A rule of the column wins over one of its identifier, that over one of its meaning, that over one
/// of its class; what none is for follows `unnamed_columns`.
///
/// | `transform` | Options (defaults) |
/// |---|---|
/// | `keep`, `drop` | |
/// | `token` | `value_domain` |
/// | `permute` | `kind`, `value_domain` (that of the kind); `resident_id`: `keep_region` 2, 4, 6 (6) digits, `birth_band_years` (10), `unassigned_region` (false); `mobile`: `keep` (3) digits; `bank_card`: `keep` (6) digits; `credit_code`; `plate` |
/// | `redact` | `style` (`constant`): `text`; `mask`: `first`, `last` characters; `text`: identifiers in running text |
/// | `bin` | `width`, `origin` (0), `output` `lower`, `middle`, `label` (`lower`) |
/// | `top_bottom` | `bottom`, `top` |
/// | `generalise_date` | `to` `month`, `quarter`, `year` |
/// | `age_band` | `width` (10) years, `top` (90) years, `as_of` date |
/// | `region` | `to` `province`, `city`, `county`, `output` `code`, `name` (`code`) |
/// | `shift_date` | `subject` column, `value_domain` (`person-id`), `days` (180) or `follow_birthday` |
/// | `noise` | `subject` column, `value_domain` (`person-id`), `distribution` `uniform`, `laplace` (`uniform`), `amount_max`, `scale` (laplace), `bottom`, `top` in the column's unit, `decimals` (2) |
/// | `microaggregate` | `rows_min` (5) |
/// | `shuffle` | `within` list of columns (none), `rows_min` (5) |
/// | `geo` | `layout` `longitude` with `latitude` column, `latitude` with `longitude` column, `longitude_latitude`, `latitude_longitude` texts; `from`, `to` `wgs84`, `gcj02` (`to` as `from`); `output` `grid`: `width_degrees`; `geohash`: `characters` |
/// | `surrogate` | `kind` `name`: `keep_surname` (false), `sex` column; `address`: `keep` `province`, `city`, `county` |
/// | `hierarchy` | `hierarchy` name, `levels` (1), `otherwise` text |
///
/// With `cipher_suite = "sm"` permutations are FF1 over SM4, for which no profile of GM/T is
/// published; see [`CipherSuite`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    columns: BTreeMap<String, ColumnPolicy>,
    rules: BTreeMap<RuleTarget, ColumnPolicy>,
    hierarchies: BTreeMap<String, ValueGroups>,
    unnamed: UnnamedColumns,
    cipher_suite: Option<CipherSuite>,
    measure: Option<Measure>,
}

impl Policy {
    /// A policy from rules by column name.
    pub fn new(columns: BTreeMap<String, ColumnPolicy>, unnamed: UnnamedColumns) -> Self {
        Self {
            columns,
            unnamed,
            ..Self::default()
        }
    }

    /// The same with rules for classes of columns; a class that they state is left out, as a
    /// document cannot write it.
    #[must_use]
    pub fn with_rules(mut self, rules: BTreeMap<RuleTarget, Transform>) -> Self {
        self.rules = rules
            .into_iter()
            .map(|(target, transform)| (target, ColumnPolicy::new(transform)))
            .collect();
        self
    }

    /// The same with value hierarchies, by the name that rules use.
    #[must_use]
    pub fn with_hierarchies(mut self, hierarchies: BTreeMap<String, ValueGroups>) -> Self {
        self.hierarchies = hierarchies;
        self
    }

    /// The same for keys of one suite only.
    #[must_use]
    pub fn with_cipher_suite(mut self, suite: CipherSuite) -> Self {
        self.cipher_suite = Some(suite);
        self
    }

    /// The same with what masked data must reach.
    #[must_use]
    pub fn with_measure(mut self, measure: Measure) -> Self {
        self.measure = Some(measure);
        self
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

    /// The rules that name their column. [`Policy::resolved`] adds those of classes.
    pub fn columns(&self) -> &BTreeMap<String, ColumnPolicy> {
        &self.columns
    }

    /// The rules for classes of columns.
    pub fn rules(&self) -> &BTreeMap<RuleTarget, ColumnPolicy> {
        &self.rules
    }

    /// What happens to columns without a rule.
    pub fn unnamed(&self) -> UnnamedColumns {
        self.unnamed
    }

    /// What masked data must reach.
    pub fn measure(&self) -> Option<Measure> {
        self.measure
    }

    /// The classes with those in their place that the policy states, where it may: what a table is measured by before it is
    /// masked, as [`MaskPlan::quasi`] is after.
    #[must_use]
    pub fn restated(&self, classes: &[ColumnClass]) -> Vec<ColumnClass> {
        let mut restated = classes.to_vec();
        for class in &mut restated {
            let rule = self.columns.get(&class.column);
            if let Some(Ok(stated)) = rule.map(|rule| safety::effective_class(class, rule)) {
                class.class = stated;
            }
        }
        restated
    }

    /// The same policy with a rule written out for every classified column that one of its rules is
    /// for. It does the same to these columns, and [`Policy::columns`] of it tells what.
    #[must_use]
    pub fn resolved(&self, classes: &[ColumnClass]) -> Self {
        self.written_out(classes.iter())
    }

    fn written_out<'a>(&self, classes: impl Iterator<Item = &'a ColumnClass>) -> Self {
        let mut resolved = self.clone();
        for class in classes {
            if let Some(rule) = RuleTarget::of(class).find_map(|target| self.rules.get(&target)) {
                resolved
                    .columns
                    .entry(class.column.clone())
                    .or_insert_with(|| rule.clone());
            }
        }
        resolved.rules.clear();
        resolved
    }

    /// Whether a transform takes all rows together, so that data are read once more before they are masked.
    pub fn takes_rows_together(&self, classes: &[ColumnClass]) -> bool {
        let resolved = self.resolved(classes);
        resolved.columns.values().any(|rule| {
            matches!(
                rule.transform,
                Transform::Microaggregate { .. } | Transform::Shuffle { .. }
            )
        })
    }

    /// A policy that is safe for what the classifier found, and compiles for the same data; a
    /// person may then relax or tighten it.
    ///
    /// Identifiers become tokens and not permuted numbers or invented names, which inspection of
    /// results could not tell from real ones.
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
        let measure = classes
            .iter()
            .any(|class| class.class == Class::QuasiIdentifier)
            .then_some(suggest::MEASURE);
        Self {
            columns,
            measure,
            ..Self::default()
        }
    }

    /// Checks the policy against the schema and the classes of its data set.
    ///
    /// # Errors
    /// All reasons why it is unsafe or does not fit, each with its column and a remedy:
    /// `direct_identifier_kept`, `direct_identifier_coarsened`, `mask_shows_too_much`,
    /// `redaction_incomplete`, `domain_too_small`, `unkeyed_hash`, `kind_differs`,
    /// `noise_does_nothing`, `microaggregation_too_small`, `shuffle_too_small`, `geo_too_fine`,
    /// `hierarchy_does_not_coarsen`, `hierarchy_missing`, `quasi_identifiers_unmeasured`,
    /// `class_contradicted`, `unclassified`, `column_missing`, `column_unnamed`,
    /// `column_duplicate`, `type_unfit`, `subject_missing`, `subject_not_permuted`,
    /// `other_column_missing`.
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
