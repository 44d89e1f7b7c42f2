//! Typed identifiers: UUIDv7 (RFC 9562) behind a prefix that says of what, so that they sort by time and cannot be mixed up.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::clock::{Clock, Entropy};

/// A text that is no identifier of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no identifier of the form {prefix}_<32 hexadecimal digits>")]
pub struct IdError {
    prefix: &'static str,
}

fn uuid_v7(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    let mut random = [0; 10];
    entropy.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let error = IdError { prefix };
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(error)?;
    // Only the one form that is written is read, so that one object has one name.
    let plain = digits.len() == 32
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !plain {
        return Err(error);
    }
    Uuid::try_parse(digits).map_err(|_| error)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier of this moment.
            pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(clock, entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }
    )*};
}

ids! {
    /// An organisation.
    OrganisationId = "org";
    /// An account.
    AccountId = "acc";
    /// A session.
    SessionId = "ses";
    /// A personal token.
    TokenId = "tok";
    /// A data set.
    DatasetId = "set";
    /// A version of a data set.
    VersionId = "ver";
    /// A push.
    PushId = "psh";
    /// An item of the feedback list.
    FeedbackId = "fbk";
    /// A scenario.
    ScenarioId = "scn";
    /// A masking key of one epoch.
    MaskKeyId = "key";
    /// A request for an act on a key.
    KeyRequestId = "krq";
    /// A grant.
    GrantId = "grt";
    /// A private data set.
    PrivateDatasetId = "pds";
    /// A module.
    ModuleId = "mod";
    /// A job.
    JobId = "job";
    /// A run.
    RunId = "run";
    /// A release.
    ReleaseId = "rel";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};

    #[test]
    fn text_and_back_and_nothing_else() {
        let id = RunId::new(&SystemClock, &SystemEntropy);
        let text = id.to_string();
        assert_eq!(text.parse::<RunId>(), Ok(id));
        assert!(text.parse::<JobId>().is_err());
        for wrong in [
            "",
            "run_",
            "run",
            &text.to_uppercase(),
            &text[..text.len() - 1],
            &format!("{text}0"),
        ] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn later_identifiers_sort_behind() {
        struct At(i64);
        impl Clock for At {
            fn now(&self) -> jiff::Timestamp {
                jiff::Timestamp::from_millisecond(self.0).unwrap()
            }
        }
        let early = RunId::new(&At(1_000), &SystemEntropy);
        let late = RunId::new(&At(1_001), &SystemEntropy);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
