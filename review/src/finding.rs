//! One rule's outcome: the rule, the place in the program, the reason, and what would pass.

use masking::Bilingual;
use serde::{Deserialize, Serialize};

/// What a finding does to the program or the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something worth knowing; nothing is withheld.
    Note,
    /// Some cells are withheld, the rest may leave.
    Suppress,
    /// People have to decide.
    Hold,
    /// Nothing leaves, or the program is not admitted.
    Refuse,
}

/// A place in a program's text. Lines and columns count from 1, columns in characters; the end is
/// the first column after the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Line of the first character.
    pub line: u64,
    /// Column of the first character.
    pub column: u64,
    /// Line of the end.
    pub end_line: u64,
    /// Column of the end.
    pub end_column: u64,
}

/// One rule's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Stable name of the rule, such as `column_outside_scenario`.
    pub rule: String,
    /// What it does.
    pub severity: Severity,
    /// Where in the program, when it has a place.
    pub place: Option<Span>,
    /// What it is about: a column, a table, a function.
    pub subject: String,
    /// Why.
    pub reason: Bilingual,
    /// What would pass.
    pub remedy: Bilingual,
}

impl Finding {
    /// A finding without a place.
    pub fn new(
        rule: &str,
        severity: Severity,
        subject: impl Into<String>,
        reason: Bilingual,
        remedy: Bilingual,
    ) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            place: None,
            subject: subject.into(),
            reason,
            remedy,
        }
    }

    /// A refusal without a place.
    pub(crate) fn refuse(
        rule: &str,
        subject: impl Into<String>,
        reason: (impl Into<String>, impl Into<String>),
        remedy: (impl Into<String>, impl Into<String>),
    ) -> Self {
        Self::new(
            rule,
            Severity::Refuse,
            subject,
            Bilingual::new(reason.0.into(), reason.1.into()),
            Bilingual::new(remedy.0.into(), remedy.1.into()),
        )
    }

    /// The same finding at a place.
    #[must_use]
    pub fn at(mut self, place: Option<Span>) -> Self {
        self.place = place;
        self
    }
}
