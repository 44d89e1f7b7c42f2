//! Numbers of travel documents and of social and medical insurance: their forms are those of many
//! other numbers, so a word before them must say what they are.

use crate::classify::identifier::Identifier;
use crate::classify::text::{before, is_word};

/// A word and the kind it announces.
const CUES: &[(&str, Identifier)] = &[
    ("护照", Identifier::Passport),
    ("passport", Identifier::Passport),
    ("回乡证", Identifier::HomeReturnPermit),
    ("来往内地通行证", Identifier::HomeReturnPermit),
    ("home return permit", Identifier::HomeReturnPermit),
    ("港澳通行证", Identifier::HkMacauPermit),
    ("往来港澳", Identifier::HkMacauPermit),
    ("台胞证", Identifier::TaiwanPermit),
    ("来往大陆通行证", Identifier::TaiwanPermit),
    ("社保卡", Identifier::SocialSecurityNumber),
    ("社保号", Identifier::SocialSecurityNumber),
    ("社保编号", Identifier::SocialSecurityNumber),
    ("社会保障", Identifier::SocialSecurityNumber),
    ("social security", Identifier::SocialSecurityNumber),
    ("医保卡", Identifier::MedicalInsuranceNumber),
    ("医保号", Identifier::MedicalInsuranceNumber),
    ("医保编号", Identifier::MedicalInsuranceNumber),
    ("医疗保险", Identifier::MedicalInsuranceNumber),
    ("medical insurance", Identifier::MedicalInsuranceNumber),
];
/// Characters that the word before a date has.
const DATES: &[char] = &['期', '日', '年', '限'];

/// The kind that the nearest word before a place announces, if a number has that kind's form and no
/// other number stands between.
pub(super) fn document_before(chars: &[char], at: usize, number: &str) -> Option<Identifier> {
    if at == 0 || !(8..=20).contains(&number.len()) || digits(number) < 6 {
        return None;
    }
    let before = before(chars, at);
    let between = before.rfind(|char: char| char.is_ascii_digit());
    let before = between.map_or(before.as_str(), |last| &before[last + 1..]);
    let (place, cue, identifier) = CUES
        .iter()
        .filter_map(|(cue, identifier)| Some((before.rfind(cue)?, cue, *identifier)))
        .max_by_key(|(place, cue, _)| place + cue.len())?;
    let is_date = before[place + cue.len()..].contains(DATES);
    (!is_date && has_form(identifier, number)).then_some(identifier)
}

/// Whether a number, in upper case and without separators, has the form of a document of a kind.
/// False for kinds that are no such documents.
pub(crate) fn has_form(identifier: Identifier, number: &str) -> bool {
    let bytes = number.as_bytes();
    if !bytes.iter().all(|byte| is_word(char::from(*byte))) {
        return false;
    }
    let all_digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    match (identifier, bytes) {
        // Ordinary (E, with a letter after it since 2018; G before), diplomatic, service and
        // public-affairs passports.
        (Identifier::Passport, [b'E' | b'D' | b'S' | b'P' | b'G', second, rest @ ..]) => {
            rest.len() == 7 && second.is_ascii_alphanumeric() && all_digits(rest)
        }
        (Identifier::HomeReturnPermit, [b'H' | b'M', rest @ ..]) => {
            (8..=10).contains(&rest.len()) && all_digits(rest)
        }
        (Identifier::HkMacauPermit, [b'C' | b'W', second, rest @ ..]) => {
            rest.len() == 7 && second.is_ascii_alphanumeric() && all_digits(rest)
        }
        (Identifier::TaiwanPermit, bytes) => bytes.len() == 8 && all_digits(bytes),
        (Identifier::SocialSecurityNumber | Identifier::MedicalInsuranceNumber, bytes) => {
            let letters = bytes.len() - digits(number);
            (8..=20).contains(&bytes.len()) && letters <= 3 && digits(number) >= 6
        }
        _ => false,
    }
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}
