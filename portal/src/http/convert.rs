//! From the platform's types to the bodies of the API and back: what several resources share.

use super::dto;
use super::error::Failure;
use std::str::FromStr;

impl From<&sandbox::Bilingual> for dto::Text {
    fn from(text: &sandbox::Bilingual) -> Self {
        Self {
            zh: text.zh.clone(),
            en: text.en.clone(),
        }
    }
}

impl From<dto::Text> for sandbox::Bilingual {
    fn from(text: dto::Text) -> Self {
        Self::new(text.zh, text.en)
    }
}

impl From<&sandbox::Finding> for dto::Finding {
    fn from(finding: &sandbox::Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            severity: finding.severity.into(),
            place: finding.place.map(Into::into),
            subject: finding.subject.clone(),
            reason: (&finding.reason).into(),
            remedy: (&finding.remedy).into(),
        }
    }
}

impl From<sandbox::Span> for dto::Span {
    fn from(span: sandbox::Span) -> Self {
        Self {
            line: span.line,
            column: span.column,
            end_line: span.end_line,
            end_column: span.end_column,
        }
    }
}

impl From<sandbox::Severity> for dto::Severity {
    fn from(severity: sandbox::Severity) -> Self {
        match severity {
            sandbox::Severity::Refuse => Self::Refuse,
            sandbox::Severity::Hold => Self::Hold,
            sandbox::Severity::Suppress => Self::Suppress,
            sandbox::Severity::Note => Self::Note,
        }
    }
}

impl From<&sandbox::LayerReport> for dto::LayerView {
    fn from(report: &sandbox::LayerReport) -> Self {
        let (state, errno) = match report.state {
            sandbox::LayerState::Enforced => (dto::LayerState::Enforced, None),
            sandbox::LayerState::Unavailable { errno } => {
                (dto::LayerState::Unavailable, Some(errno))
            }
            sandbox::LayerState::Off => (dto::LayerState::Off, None),
        };
        Self {
            layer: report.layer.code().to_owned(),
            state,
            required: report.layer.required(),
            errno,
            detail: report.detail.clone(),
        }
    }
}

/// Everything of a list as bodies.
pub(crate) fn each<'a, T: 'a, U: From<&'a T>>(items: &'a [T]) -> Vec<U> {
    items.iter().map(Into::into).collect()
}

/// A time as the API writes it: RFC 3339, UTC, as many digits as it has.
pub(crate) fn time(at: jiff::Timestamp) -> String {
    at.to_string()
}

/// The identifier in a field of a body.
pub(crate) fn identifier<T: FromStr>(field: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_error| {
        Failure::field(field, "不是有效的标识符", "is no identifier of that kind")
    })
}
