//! Numbers with a check digit, an allotment table or a word before them, written together or in
//! groups.

use crate::classify::check::{
    is_credit_code, is_luhn, is_organisation_code, is_resident_id, is_resident_id_15,
};
use crate::classify::identifier::Identifier;
use crate::classify::table::{Issuer, Tables};
use crate::classify::text::document::document_before;
use crate::classify::text::latin::is_land_line;
use crate::classify::text::{Found, has_cue_before, is_word};

const RESIDENT_CUES: &[&str] = &[
    "身份", "证件", "公民", "id card", "idcard", "identity", "id no", "sfz",
];
const CARD_CUES: &[&str] = &[
    "卡号",
    "银行卡",
    "信用卡",
    "储蓄卡",
    "账号",
    "账户",
    "card",
    "account",
    "visa",
    "mastercard",
];
const ORGANISATION_CUES: &[&str] = &["组织机构", "机构代码", "org", "organisation code"];
const MACHINE_CUES: &[&str] = &["物联", "iot", "m2m", "sim"];
/// The longest identifier is a card of 19 digits; two more for a country code.
const CHARACTERS_MAX: usize = 21;

/// Letters and digits in upper case, on the stack.
struct Word {
    bytes: [u8; CHARACTERS_MAX + 1],
    length: usize,
    digits: usize,
}

impl Word {
    fn new() -> Self {
        Self {
            bytes: [0; CHARACTERS_MAX + 1],
            length: 0,
            digits: 0,
        }
    }

    /// Adds a letter or digit of ASCII; says whether it still fits.
    fn push(&mut self, char: char) -> bool {
        if self.length == CHARACTERS_MAX {
            return false;
        }
        self.bytes[self.length] = u8::try_from(char).unwrap_or(0).to_ascii_uppercase();
        self.length += 1;
        self.digits += usize::from(char.is_ascii_digit());
        true
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }

    fn is_digits(&self) -> bool {
        self.digits == self.length
    }
}

/// Finds numbers at every place where a word of letters and digits begins.
pub(super) fn find(tables: &Tables, chars: &[char], found: &mut Vec<Found>) {
    let mut at = 0;
    while at < chars.len() {
        if !is_word(chars[at]) {
            at += 1;
            continue;
        }
        let mut word = Word::new();
        let start = at;
        let mut fits = true;
        while let Some(char) = chars.get(at).filter(|char| is_word(**char)) {
            fits &= word.push(*char);
            at += 1;
        }
        if !fits || word.digits == 0 && word.length < 8 {
            continue;
        }
        if let Some((identifier, end)) = at_word(tables, chars, start, &word) {
            // A country code's plus sign belongs to the number.
            let has_plus = start > 0 && chars[start - 1] == '+';
            found.push((identifier, start - usize::from(has_plus)..end));
            at = end;
        }
    }
}

/// The identifier that begins with a word, and where it ends.
fn at_word(
    tables: &Tables,
    chars: &[char],
    start: usize,
    word: &Word,
) -> Option<(Identifier, usize)> {
    let end = start + word.length;
    if let Some(identifier) = whole(tables, word, chars, start) {
        return Some((identifier, end));
    }
    if !word.is_digits() && word.length >= CHARACTERS_MAX - 3 {
        return None;
    }
    let goes_on = matches!(chars.get(end), Some(' ' | '-'))
        && chars.get(end + 1).is_some_and(|next| is_word(*next));
    if goes_on {
        grouped(tables, chars, start)
    } else {
        None
    }
}

/// What a word is by itself, or by the words before it.
fn whole(tables: &Tables, word: &Word, chars: &[char], start: usize) -> Option<Identifier> {
    let text = word.text();
    let cued = |cues| has_cue_before(chars, start, cues);
    let by_itself = match text.len() {
        18 if is_resident_id(text) => Some(Identifier::ResidentId),
        18 if is_credit_code(text) && has_credit_head(tables, text) => Some(Identifier::CreditCode),
        15 if is_resident_id_15(text) && cued(RESIDENT_CUES) => Some(Identifier::ResidentId),
        9 if is_organisation_code(text) && cued(ORGANISATION_CUES) => {
            Some(Identifier::OrganisationCode)
        }
        11 if tables.is_mobile(text) => Some(Identifier::Mobile),
        13 if text.starts_with("86") && tables.is_mobile(&text[2..]) => Some(Identifier::Mobile),
        15 if text.starts_with("0086") && tables.is_mobile(&text[4..]) => Some(Identifier::Mobile),
        13 if tables.is_machine_number(text) && cued(MACHINE_CUES) => {
            Some(Identifier::MachineNumber)
        }
        _ => None,
    };
    by_itself
        .or_else(|| document_before(chars, start, text))
        .or_else(|| is_card(tables, word, || cued(CARD_CUES)).then_some(Identifier::BankCard))
}

/// Whether a credit code begins with an authority that registers (GB 32100: civil, party and army
/// ones by digit, `A`, `N`, `Y`) and with the region of a province, of the whole country (10) or of
/// the Xinjiang corps (66): by chance few numbers do.
fn has_credit_head(tables: &Tables, code: &str) -> bool {
    let authority = code.starts_with(|first: char| matches!(first, '1'..='9' | 'A' | 'N' | 'Y'));
    let region = code.get(2..4).unwrap_or("");
    authority && (matches!(region, "10" | "66") || tables.regions.has_province(region))
}

/// Luhn's check passes by chance, so a bank's digits or a word must be before it.
fn is_card(tables: &Tables, word: &Word, cued: impl Fn() -> bool) -> bool {
    let text = word.text();
    (12..=19).contains(&text.len())
        && word.is_digits()
        && is_luhn(text)
        && (tables.card_issuer(text) == Some(Issuer::Bank) || cued())
}

/// An identifier written in groups with one blank or hyphen between: the earliest kind in
/// precedence wins, at equal kind the longest.
fn grouped(tables: &Tables, chars: &[char], start: usize) -> Option<(Identifier, usize)> {
    let mut word = Word::new();
    let mut groups: Vec<usize> = vec![0];
    let mut best: Option<(Identifier, usize)> = None;
    let mut at = start;
    while let Some(char) = chars.get(at) {
        if is_word(*char) {
            if !word.push(*char) {
                break;
            }
            if let Some(group) = groups.last_mut() {
                *group += 1;
            }
        } else if matches!(char, ' ' | '-') && chars.get(at + 1).is_some_and(|next| is_word(*next))
        {
            groups.push(0);
        } else {
            break;
        }
        at += 1;
        let ends_here = chars.get(at).is_none_or(|next| !is_word(*next));
        if ends_here
            && groups.len() > 1
            && let Some(identifier) = from_groups(tables, &word, &groups, chars, start)
            && best.is_none_or(|(earlier, _)| identifier <= earlier)
        {
            best = Some((identifier, at));
        }
    }
    best
}

fn from_groups(
    tables: &Tables,
    word: &Word,
    groups: &[usize],
    chars: &[char],
    start: usize,
) -> Option<Identifier> {
    let singles = groups.iter().all(|group| *group == 1);
    let text = word.text();
    let cued = |cues| has_cue_before(chars, start, cues);
    let from_abroad = start > 0 && chars[start - 1] == '+' && groups[0] == 2;
    if from_abroad && is_abroad_land_line(tables, text) {
        return Some(Identifier::LandLine);
    }
    match text.len() {
        18 if is_resident_id(text) => Some(Identifier::ResidentId),
        18 if is_credit_code(text) && has_credit_head(tables, text) => Some(Identifier::CreditCode),
        9 if groups == [8, 1] && is_organisation_code(text) && cued(ORGANISATION_CUES) => {
            Some(Identifier::OrganisationCode)
        }
        11 if tables.is_mobile(text) && (singles || groups.len() <= 4) => Some(Identifier::Mobile),
        13 if groups[0] == 2 && text.starts_with("86") && tables.is_mobile(&text[2..]) => {
            Some(Identifier::Mobile)
        }
        15 if groups[0] == 4 && text.starts_with("0086") && tables.is_mobile(&text[4..]) => {
            Some(Identifier::Mobile)
        }
        13..=19
            if (singles || is_card_grouping(groups))
                && word.is_digits()
                && is_luhn(text)
                && tables.card_issuer(text).is_some() =>
        {
            Some(Identifier::BankCard)
        }
        _ => None,
    }
}

/// A land line as it is dialled from abroad: 86, the area code without its 0, the local number.
fn is_abroad_land_line(tables: &Tables, text: &str) -> bool {
    text.strip_prefix("86")
        .is_some_and(|rest| is_land_line(tables, &format!("0{rest}")))
}

/// Cards are printed in fours, or with the issuer's six digits first.
fn is_card_grouping(groups: &[usize]) -> bool {
    let Some((last, heads)) = groups.split_last() else {
        return false;
    };
    (heads.iter().all(|group| *group == 4) && *last <= 4) || (groups[0] == 6 && groups.len() == 2)
}
