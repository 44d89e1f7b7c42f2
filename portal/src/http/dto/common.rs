//! What several resources share: bilingual text, findings, problems, pages.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A text in both languages of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A place in a program, counted from one; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// First line.
    pub line: u64,
    /// Column of the first character, in characters.
    pub column: u64,
    /// Last line.
    pub end_line: u64,
    /// Column behind the last character.
    pub end_column: u64,
}

/// What a finding does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The whole is refused.
    Refuse,
    /// People have to decide.
    Hold,
    /// A cell is left out.
    Suppress,
    /// For information.
    Note,
}

/// One rule's outcome: which rule, where, why, and what would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The rule, as a stable name.
    pub rule: String,
    /// What follows from it.
    pub severity: Severity,
    /// The place in the program, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Span>,
    /// What the finding is about: a column, a table, a cell.
    pub subject: String,
    /// Why.
    pub reason: Text,
    /// What would pass.
    pub remedy: Text,
}

/// A problem document (RFC 9457) with the members that Egret adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem: `/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// The kind of problem as a stable name.
    pub code: String,
    /// The kind of problem in the language of the request.
    pub title: String,
    /// The kind of problem in both languages.
    pub titles: Text,
    /// What is wrong with this request, in the language of the request.
    pub detail: String,
    /// What would help, in the language of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Places in the program or body that was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Findings of a review.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The identifier of this request in the server's log.
    pub trace_id: String,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most this many items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
