//! Numbers with a check digit or an allotment table, written together or in groups.

use crate::classify::check::{
    is_credit_code, is_luhn, is_organisation_code, is_resident_id, is_resident_id_15,
};
use crate::classify::identifier::Identifier;
use crate::classify::table::{has_card_issuer, is_mobile};
use crate::classify::text::{Found, has_cue_before, is_word};

const RESIDENT_CUES: &[&str] = &[
    "身份", "证件", "公民", "id card", "idcard", "identity", "id no", "sfz",
];
const CARD_CUES: &[&str] = &["卡号", "银行卡", "账号", "账户", "card", "account"];
const ORGANISATION_CUES: &[&str] = &["组织机构", "机构代码", "org", "organisation code"];
/// The longest identifier is a card of 19 digits; two more for a country code.
const CHARACTERS_MAX: usize = 21;

/// Finds numbers at every place where a word of letters and digits begins.
pub(super) fn find(chars: &[char], found: &mut Vec<Found>) {
    let mut at = 0;
    while at < chars.len() {
        if !is_word(chars[at]) {
            at += 1;
            continue;
        }
        let end = at
            + chars[at..]
                .iter()
                .take_while(|char| is_word(**char))
                .count();
        if let Some((identifier, end)) = at_word(chars, at, end) {
            // A country code's plus sign belongs to the number.
            let start = if at > 0 && chars[at - 1] == '+' {
                at - 1
            } else {
                at
            };
            found.push((identifier, start..end));
            at = end;
        } else {
            at = end;
        }
    }
}

/// The identifier that begins with the word `start..word_end`, and where it ends.
fn at_word(chars: &[char], start: usize, word_end: usize) -> Option<(Identifier, usize)> {
    if word_end - start > CHARACTERS_MAX {
        return None;
    }
    let word: String = chars[start..word_end]
        .iter()
        .collect::<String>()
        .to_uppercase();
    if let Some(identifier) = whole(&word, chars, start) {
        return Some((identifier, word_end));
    }
    if !word.bytes().all(|byte| byte.is_ascii_digit()) && word.len() >= CHARACTERS_MAX - 3 {
        return None;
    }
    grouped(chars, start)
}

/// What a word is by itself.
fn whole(word: &str, chars: &[char], start: usize) -> Option<Identifier> {
    match word.len() {
        18 if is_resident_id(word) => Some(Identifier::ResidentId),
        18 if is_credit_code(word) => Some(Identifier::CreditCode),
        15 if is_resident_id_15(word) && has_cue_before(chars, start, RESIDENT_CUES) => {
            Some(Identifier::ResidentId)
        }
        9 if is_organisation_code(word) && has_cue_before(chars, start, ORGANISATION_CUES) => {
            Some(Identifier::OrganisationCode)
        }
        11 if is_mobile(word) => Some(Identifier::Mobile),
        13 if word.starts_with("86") && is_mobile(&word[2..]) => Some(Identifier::Mobile),
        15 if word.starts_with("0086") && is_mobile(&word[4..]) => Some(Identifier::Mobile),
        12..=19
            if is_luhn(word)
                && (has_card_issuer(word) || has_cue_before(chars, start, CARD_CUES)) =>
        {
            Some(Identifier::BankCard)
        }
        _ => None,
    }
}

/// An identifier written in groups with one blank or hyphen between: the earliest kind in
/// precedence wins, at equal kind the longest.
fn grouped(chars: &[char], start: usize) -> Option<(Identifier, usize)> {
    let mut word = String::with_capacity(CHARACTERS_MAX);
    let mut groups: Vec<usize> = vec![0];
    let mut best: Option<(Identifier, usize)> = None;
    let mut at = start;
    while let Some(char) = chars.get(at) {
        if is_word(*char) {
            word.push(char.to_ascii_uppercase());
            if let Some(group) = groups.last_mut() {
                *group += 1;
            }
            if word.len() > CHARACTERS_MAX {
                break;
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
            && let Some(identifier) = from_groups(&word, &groups, chars, start)
            && best.is_none_or(|(earlier, _)| identifier <= earlier)
        {
            best = Some((identifier, at));
        }
    }
    best
}

fn from_groups(word: &str, groups: &[usize], chars: &[char], start: usize) -> Option<Identifier> {
    let singles = groups.iter().all(|group| *group == 1);
    match word.len() {
        18 if is_resident_id(word) => Some(Identifier::ResidentId),
        18 if is_credit_code(word) => Some(Identifier::CreditCode),
        9 if groups == [8, 1]
            && is_organisation_code(word)
            && has_cue_before(chars, start, ORGANISATION_CUES) =>
        {
            Some(Identifier::OrganisationCode)
        }
        11 if is_mobile(word) && (singles || groups.len() <= 4) => Some(Identifier::Mobile),
        13 if groups[0] == 2 && word.starts_with("86") && is_mobile(&word[2..]) => {
            Some(Identifier::Mobile)
        }
        15 if groups[0] == 4 && word.starts_with("0086") && is_mobile(&word[4..]) => {
            Some(Identifier::Mobile)
        }
        13..=19
            if (singles || is_card_grouping(groups)) && is_luhn(word) && has_card_issuer(word) =>
        {
            Some(Identifier::BankCard)
        }
        _ => None,
    }
}

/// Cards are printed in fours, or with the issuer's six digits first.
fn is_card_grouping(groups: &[usize]) -> bool {
    let Some((last, heads)) = groups.split_last() else {
        return false;
    };
    (heads.iter().all(|group| *group == 4) && *last <= 4) || (groups[0] == 6 && groups.len() == 2)
}
