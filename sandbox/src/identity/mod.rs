//! Organisations, accounts, sessions and personal tokens.

mod account;
mod attempts;
mod bootstrap;
mod idle;
mod organisation;
mod password;
mod session;
mod token;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountRequest};
pub(crate) use attempts::Attempts;
pub(crate) use bootstrap::bootstrap;
pub(crate) use idle::LastUses;
pub use organisation::{Organisation, OrganisationRequest};
pub(crate) use password::Passwords;
pub use session::Session;
pub use token::PersonalToken;

use crate::error::Error;

/// Checks a name to sign in or file with: `[a-z][a-z0-9-]{1,62}`.
pub(crate) fn checked_name(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && (2..=63).contains(&name.len());
    if plain {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_name",
        "名称须以小写字母开头，只含小写字母、数字和连字符，2 至 63 个字符。",
        "a name begins with a lower-case letter and holds 2 to 63 lower-case letters, digits and hyphens.",
    ))
}

/// Checks a text for people: not blank, not overlong, no control characters.
pub(crate) fn checked_title(field: &str, text: &str) -> Result<(), Error> {
    let fits = !text.trim().is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_text",
        format!("{field} 须为 1 至 256 字节且不含控制字符。"),
        format!("{field} must have 1 to 256 bytes and no control characters."),
    ))
}
