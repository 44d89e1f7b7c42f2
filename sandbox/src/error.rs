//! What the platform answers when it does not do what was asked.

use masking::{Bilingual, Lang};
use review::Finding;

/// The class of an error; only the HTTP layer knows which status belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nobody is signed in, or the sign-in failed.
    Unauthenticated,
    /// The object is visible, the act is not allowed.
    Denied,
    /// There is no such object, or it is not visible.
    NotFound,
    /// The object is not in the state that the act needs.
    Conflict,
    /// The request itself is at fault.
    Invalid,
    /// The request is larger than a stated limit.
    TooLarge,
    /// Something the platform stands on does not answer; trying again may help.
    Unavailable,
    /// A fault of the platform.
    Internal,
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error with an outside message in both languages and an inside source.
///
/// The message may be shown to whoever asked. The source may not: it is for the log of the operator.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    code: &'static str,
    message: Bilingual,
    remedy: Option<Bilingual>,
    findings: Vec<Finding>,
    source: Option<Source>,
}

impl Error {
    /// An error of a kind with a stable code and its message in both languages.
    #[must_use]
    pub fn new(
        kind: ErrorKind,
        code: &'static str,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            message: Bilingual::new(zh, en),
            remedy: None,
            findings: Vec::new(),
            source: None,
        }))
    }

    /// [`ErrorKind::Denied`].
    #[must_use]
    pub fn denied(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, code, zh, en)
    }

    /// [`ErrorKind::NotFound`] of an object named for people.
    #[must_use]
    pub fn not_found(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, "not_found", zh, en)
    }

    /// [`ErrorKind::Conflict`].
    #[must_use]
    pub fn conflict(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, zh, en)
    }

    /// [`ErrorKind::Invalid`].
    #[must_use]
    pub fn invalid(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, code, zh, en)
    }

    /// [`ErrorKind::TooLarge`].
    #[must_use]
    pub fn too_large(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, code, zh, en)
    }

    /// [`ErrorKind::Unavailable`].
    #[must_use]
    pub fn unavailable(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, code, zh, en)
    }

    /// [`ErrorKind::Unauthenticated`].
    #[must_use]
    pub fn unauthenticated(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, "unauthenticated", zh, en)
    }

    /// A fault of the platform during `operation`; the source goes into the log, never to the outside.
    #[must_use]
    pub fn internal(operation: &'static str, source: impl Into<Source>) -> Self {
        let source = source.into();
        tracing::error!(operation, error = %source, "an operation failed inside the platform");
        Self::new(
            ErrorKind::Internal,
            "internal",
            "平台内部错误，已记入日志。",
            "a fault of the platform; it stands in the log.",
        )
        .with_source(source)
    }

    /// Adds what would help.
    #[must_use]
    pub fn with_remedy(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.0.remedy = Some(Bilingual::new(zh, en));
        self
    }

    /// Adds the findings of a review.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.0.findings = findings;
        self
    }

    /// Adds the inside cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Takes the inside cause out when it is of type `S`, else answers the error as it was.
    pub(crate) fn take_source<S: std::error::Error + 'static>(mut self) -> Result<(Self, S), Self> {
        match self.0.source.take().map(|source| source.downcast::<S>()) {
            Some(Ok(source)) => Ok((self, *source)),
            Some(Err(source)) => {
                self.0.source = Some(source);
                Err(self)
            }
            None => Err(self),
        }
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What went wrong, for whoever asked.
    #[must_use]
    pub fn message(&self) -> &Bilingual {
        &self.0.message
    }

    /// What would help.
    #[must_use]
    pub fn remedy(&self) -> Option<&Bilingual> {
        self.0.remedy.as_ref()
    }

    /// Findings of a review.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.message.text(Lang::En))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
