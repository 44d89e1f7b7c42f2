//! Error numbers of WASI preview 1 (`witx/typenames.witx`), those that calls here answer.

use crate::outcome::Outcome;

/// An answer other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    /// Permission denied.
    Access = 2,
    /// Bad file descriptor.
    BadDescriptor = 8,
    /// File exists.
    Exists = 20,
    /// Bad address.
    Fault = 21,
    /// Illegal byte sequence.
    IllegalBytes = 25,
    /// Invalid argument.
    Invalid = 28,
    /// Is a directory.
    IsDirectory = 31,
    /// File descriptor value too large.
    TooManyOpen = 33,
    /// File name too long.
    NameTooLong = 37,
    /// No such file or directory.
    NoEntry = 44,
    /// Not a directory.
    NotDirectory = 54,
    /// Not supported.
    NotSupported = 58,
    /// Value too large to be stored in its type.
    Overflow = 61,
    /// Operation not permitted.
    NotPermitted = 63,
    /// Read-only file system.
    ReadOnly = 69,
    /// Invalid seek.
    IllegalSeek = 70,
    /// Capabilities insufficient: a path that leads out of its directory.
    NotCapable = 76,
}

/// Why a call does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The guest is told, and goes on.
    Told(Errno),
    /// The guest ends here.
    Ended(Outcome),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Told(errno)
    }
}

impl From<Outcome> for Refusal {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}
