//! One form per identifier before it is tokenised, so that one thing has one token.

use crate::classify::check::{is_resident_id_15, resident_id_15_to_18};
use crate::fold::{compact, fold};
use crate::key::ValueDomain;

/// The form of an identifier from which its token is made.
///
/// Full-width characters, blanks and invisible characters are folded in every domain. Beyond that:
/// `person-id` turns 15 digits into 18 and `x` into `X`; `mobile` drops `+86` and `0086`;
/// `enterprise-id` and `vehicle` are upper case, a plate without its dot; `email` is lower case;
/// `bank-card` and `landline` are digits without separators. A value of any other domain keeps its
/// letters as they are.
pub fn canonical(domain: &ValueDomain, raw: &str) -> String {
    match domain.as_str() {
        "person-id" => person(raw),
        "mobile" => mobile(raw),
        "enterprise-id" => compact(raw).to_uppercase(),
        "vehicle" => vehicle(raw),
        "bank-card" => compact(raw),
        "landline" => landline(raw),
        "email" => fold(raw).to_lowercase(),
        _ => fold(raw),
    }
}

fn person(raw: &str) -> String {
    let id = compact(raw).to_uppercase();
    if is_resident_id_15(&id) {
        resident_id_15_to_18(&id).unwrap_or(id)
    } else {
        id
    }
}

fn mobile(raw: &str) -> String {
    let number = compact(raw);
    for prefix in ["+86", "0086", "86", "(+86)", "+(86)"] {
        if let Some(rest) = number.strip_prefix(prefix)
            && is_mobile_shape(rest)
        {
            return rest.to_owned();
        }
    }
    number
}

fn is_mobile_shape(number: &str) -> bool {
    number.len() == 11
        && number.starts_with('1')
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn vehicle(raw: &str) -> String {
    compact(raw)
        .chars()
        .filter(|char| !matches!(char, '·' | '•' | '.' | '・' | '‧'))
        .collect::<String>()
        .to_uppercase()
}

fn landline(raw: &str) -> String {
    let number: String = compact(raw)
        .chars()
        .filter(|char| !matches!(char, '(' | ')'))
        .collect();
    for prefix in ["+86", "0086"] {
        if let Some(rest) = number.strip_prefix(prefix) {
            return if rest.starts_with('0') {
                rest.to_owned()
            } else {
                format!("0{rest}")
            };
        }
    }
    number
}
