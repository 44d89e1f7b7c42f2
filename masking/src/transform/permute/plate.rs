//! Vehicle plates (GA 36).

use crate::classify::{is_energy_body, is_plate};
use crate::transform::permute::numerals::{mixed, push_mixed};
use crate::transform::permute::split::{Kept, Split};

const DIGITS: &[u8] = b"0123456789";
/// Characters of plates after the letter: digits and letters without I and O.
const BODY: &[u8] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Letters of new-energy plates.
const ENERGY: &[u8] = b"ABCDEFGHJK";
/// Small new-energy vehicles have their letter first, large ones last.
const SMALL: [&[u8]; 6] = [ENERGY, BODY, DIGITS, DIGITS, DIGITS, DIGITS];
const LARGE: [&[u8]; 6] = [DIGITS, DIGITS, DIGITS, DIGITS, DIGITS, ENERGY];
const ORDINARY: [&[u8]; 5] = [BODY; 5];

/// Kept is province and letter, then the kind: `n` ordinary, `s` special with its last character,
/// `e` new energy of small, `l` of large vehicles.
pub(super) fn split(plate: &str) -> Option<Split> {
    if !is_plate(plate) {
        return None;
    }
    let body_at = plate.char_indices().nth(2)?.0;
    let (head, body) = plate.split_at(body_at);
    if is_energy_body(body) && body.len() == 6 {
        let is_small = !body.starts_with(|first: char| first.is_ascii_digit());
        let (kind, alphabets) = if is_small {
            ("e", &SMALL)
        } else {
            ("l", &LARGE)
        };
        return numbered(&format!("{head}|{kind}"), body, alphabets);
    }
    let free = body.bytes().filter(u8::is_ascii).count();
    let (free, special) = body.split_at(free);
    let kind = if special.is_empty() { "n" } else { "s" };
    numbered(
        &format!("{head}|{kind}{special}"),
        free,
        ORDINARY.get(..free.len())?,
    )
}

fn numbered(kept: &str, body: &str, alphabets: &[&[u8]]) -> Option<Split> {
    let (number, size) = mixed(body.as_bytes(), alphabets)?;
    Some(Split {
        kept: Kept::new(kept)?,
        size,
        number,
        free: body.len(),
    })
}

pub(super) fn is_inside(split: &Split, number: u64) -> bool {
    let mut text = String::with_capacity(16);
    join(split, number, &mut text).is_some() && is_plate(&text)
}

pub(super) fn join(split: &Split, number: u64, text: &mut String) -> Option<()> {
    let (head, kind) = split.kept.as_str().split_once('|')?;
    text.push_str(head);
    match kind {
        "e" => push_mixed(text, number, &SMALL),
        "l" => push_mixed(text, number, &LARGE),
        _ => push_mixed(text, number, ORDINARY.get(..split.free)?),
    }
    text.push_str(kind.strip_prefix('s').unwrap_or(""));
    Some(())
}
