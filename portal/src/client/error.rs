//! Why a call did not succeed: what the server said, or why it could not be heard.

use crate::http::dto::{Finding, Problem, Span};
use sandbox::{Bilingual, Lang};

/// Why a call did not succeed.
#[derive(Debug)]
pub enum ClientError {
    /// The server answered with a problem document; its spans and findings are kept.
    Refused(Box<Problem>),
    /// The server did not answer.
    Unreachable {
        /// Where it was expected.
        server: String,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// What answered is not this API, or breaks off.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A local file could not be read while it was being sent, or something else on this side failed.
    Local(Bilingual),
}

impl ClientError {
    /// A failure on this side.
    pub(crate) fn local(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Local(Bilingual::new(zh, en))
    }

    /// The problem document, where the server sent one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The findings of a review, where the server sent any.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.problem().map_or(&[], |problem| &problem.findings)
    }

    /// The places in what was sent, where the server named any.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        self.problem().map_or(&[], |problem| &problem.spans)
    }

    /// Whether the server answered with this status and this code.
    #[must_use]
    pub fn is(&self, status: u16, code: &str) -> bool {
        self.problem()
            .is_some_and(|problem| problem.status == status && problem.code == code)
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Unreachable { .. } | Self::Local(_) => None,
        }
    }

    /// One sentence for the person who asked.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::Refused(problem) if problem.detail.is_empty() => problem.title.clone(),
            Self::Refused(problem) => problem.detail.clone(),
            Self::Unreachable { server, source } => {
                let cause = innermost(source);
                Bilingual::new(
                    format!("无法连接服务器 {server}：{cause}"),
                    format!("the server {server} cannot be reached: {cause}"),
                )
                .text(lang)
                .to_owned()
            }
            Self::Unreadable { status, detail } => Bilingual::new(
                format!("服务器的应答无法识别（HTTP {status}）：{detail}"),
                format!("the server's answer cannot be read (HTTP {status}): {detail}"),
            )
            .text(lang)
            .to_owned(),
            Self::Local(message) => message.text(lang).to_owned(),
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}

impl std::error::Error for ClientError {}

/// The innermost cause: the outer ones only repeat the address.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
