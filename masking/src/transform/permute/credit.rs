//! Unified social credit codes (GB 32100) with the organisation codes inside them (GB 11714).

use crate::classify::check::{CREDIT_ALPHABET, credit_check, is_credit_code, organisation_check};
use crate::transform::permute::numerals::{mixed, push_mixed};
use crate::transform::permute::split::{Kept, Split};

/// Characters of an organisation code before its check character.
const BODY: [&[u8]; 8] = [CREDIT_ALPHABET; 8];

pub(super) fn split(value: &str) -> Option<Split> {
    if !is_credit_code(value) {
        return None;
    }
    let (number, size) = mixed(value.get(8..16)?.as_bytes(), &BODY)?;
    Some(Split {
        kept: Kept::new(value.get(..8)?)?,
        size,
        number,
        free: BODY.len(),
    })
}

pub(super) fn join(split: &Split, number: u64, text: &mut String) -> Option<()> {
    let start = text.len();
    text.push_str(split.kept.as_str());
    push_mixed(text, number, &BODY);
    let organisation = organisation_check(text.as_bytes().get(start + 8..)?)?;
    text.push(char::from(organisation));
    let check = credit_check(text.as_bytes().get(start..)?)?;
    text.push(char::from(check));
    Some(())
}
