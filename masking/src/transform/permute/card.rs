//! Bank card numbers (ISO/IEC 7812-1).

use crate::classify::check::{is_luhn, luhn_check};
use crate::transform::permute::numerals::push_decimal;
use crate::transform::permute::split::Split;

pub(super) fn split(value: &str, keep: usize) -> Option<Split> {
    is_luhn(value).then(|| Split::digits(value, keep, value.len() - 1))?
}

/// All digits alike would be no card, and is where none can come from.
pub(super) fn is_inside(split: &Split, number: u64) -> bool {
    let mut text = String::with_capacity(19);
    join(split, number, &mut text).is_some() && is_luhn(&text)
}

/// Writes a card number into an empty text, or behind others.
pub(super) fn join(split: &Split, number: u64, text: &mut String) -> Option<()> {
    let start = text.len();
    text.push_str(split.kept.as_str());
    push_decimal(text, number, split.free);
    let check = luhn_check(text.as_bytes().get(start..)?)?;
    text.push(char::from(check));
    Some(())
}
