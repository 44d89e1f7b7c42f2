//! Mobile numbers.

use std::sync::OnceLock;

use crate::classify::table::is_mobile;
use crate::transform::permute::numerals::push_decimal;
use crate::transform::permute::split::Split;

/// Digits by which it is known whether a number is allotted.
const PREFIX: usize = 5;

pub(super) fn split(value: &str, keep: usize) -> Option<Split> {
    let is_number = value.len() == 11 && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || !is_allotted(value.get(..PREFIX)?.parse().ok()?) {
        return None;
    }
    Split::digits(value, keep, value.len())
}

pub(super) fn is_inside(split: &Split, number: u64) -> bool {
    let kept = split.kept.as_bytes();
    let prefix = if kept.len() >= PREFIX {
        value(&kept[..PREFIX])
    } else {
        let free = super::numerals::power(10, 11 - PREFIX);
        value(kept) * super::numerals::power(10, PREFIX - kept.len()) + number / free
    };
    is_allotted(prefix)
}

pub(super) fn join(split: &Split, number: u64, text: &mut String) {
    text.push_str(split.kept.as_str());
    push_decimal(text, number, split.free);
}

fn value(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Whether numbers that begin with these five digits are allotted.
fn is_allotted(prefix: u64) -> bool {
    static ALLOTTED: OnceLock<Vec<bool>> = OnceLock::new();
    let allotted = ALLOTTED.get_or_init(|| {
        (0..100_000)
            .map(|prefix| is_mobile(&format!("{prefix:05}000000")))
            .collect()
    });
    usize::try_from(prefix)
        .ok()
        .and_then(|prefix| allotted.get(prefix).copied())
        .unwrap_or(false)
}
