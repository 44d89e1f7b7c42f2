//! Why a guest gives up.

use core::fmt;

/// Why a guest gives up. The text goes to the guest's log: name the column and the rule, never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(&'static str);

impl Failure {
    /// A failure for this reason.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self(reason)
    }

    /// The reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for Failure {
    fn from(reason: &'static str) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl core::error::Error for Failure {}
