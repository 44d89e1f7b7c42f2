//! One form per identifier before it is tokenised, so that one thing has one token.

use std::borrow::Cow;

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
    canonical_form(domain, raw).into_owned()
}

/// [`canonical`], without a copy of what is in that form already.
pub(crate) fn canonical_form<'a>(domain: &ValueDomain, raw: &'a str) -> Cow<'a, str> {
    // Digits and capitals are what folding and upper case lead to.
    let is_plain = raw
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    match domain.as_str() {
        "person-id" if is_plain && raw.len() != 15 => Cow::Borrowed(raw),
        "mobile" if is_plain && raw.len() == 11 => Cow::Borrowed(raw),
        "enterprise-id" | "vehicle" | "bank-card" if is_plain => Cow::Borrowed(raw),
        "person-id" => Cow::Owned(person(raw)),
        "mobile" => Cow::Owned(mobile(raw)),
        "enterprise-id" => Cow::Owned(compact(raw).to_uppercase()),
        "vehicle" => Cow::Owned(vehicle(raw)),
        "bank-card" => Cow::Owned(compact(raw)),
        "landline" => Cow::Owned(landline(raw)),
        "email" => Cow::Owned(fold(raw).to_lowercase()),
        _ if is_plain => Cow::Borrowed(raw),
        _ => Cow::Owned(fold(raw)),
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
