//! What one whole value could be.

use crate::classify::check::{
    is_credit_code, is_luhn, is_organisation_code, is_resident_id, is_resident_id_15,
    resident_birth,
};
use crate::classify::identifier::Identifier;
use crate::classify::table::{
    ends_no_name, has_card_issuer, is_frequent_surname, is_han, is_mobile, surname_length,
};
use crate::classify::text::{
    is_address, is_coordinates, is_email, is_ipv4, is_land_line, is_plate,
};
use crate::fold::{compact, fold};
use crate::key::{ValueDomain, canonical};

/// The tests that a value passed, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passes(u32);

/// Tests beside those for each identifier.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trait {
    /// Fifteen digits in the form of a resident number.
    ResidentId15 = 16,
    /// A card of a known issuer.
    KnownIssuer = 18,
    /// A name with one of the hundred most frequent surnames.
    FrequentSurname = 19,
    /// An IP address whose four numbers are small, as in a version number.
    SmallOctets = 20,
    /// A decimal number that could be a longitude or latitude of China.
    Degree = 21,
    /// Written with digits alone.
    Digits = 22,
    /// Eighteen characters with a real birth date, whatever the check character.
    ResidentShape = 23,
    /// Eleven digits that begin with 1.
    MobileShape = 24,
}

impl Passes {
    fn set(&mut self, bit: u32, passed: bool) {
        self.0 |= u32::from(passed) << bit;
    }

    /// Whether the test for an identifier passed.
    pub(crate) fn is(self, identifier: Identifier) -> bool {
        self.0 & (1 << bit(identifier)) != 0
    }

    /// Whether a further test passed.
    pub(crate) fn has(self, test: Trait) -> bool {
        self.0 & (1 << test as u32) != 0
    }

    /// Whether the test for any identifier passed.
    pub(crate) fn any(self) -> bool {
        self.0 & 0xffff != 0
    }
}

fn bit(identifier: Identifier) -> u32 {
    identifier as u32
}

/// Values longer than this are texts, not identifiers.
const BYTES_MAX: usize = 400;

/// Whether a whole value is an identifier of a kind, however it is written.
pub(crate) fn is_valid(identifier: Identifier, value: &str) -> bool {
    if value.len() > BYTES_MAX {
        return false;
    }
    let word = || compact(value).to_uppercase();
    let canonical = |domain| canonical(&ValueDomain::known(domain), value);
    match identifier {
        Identifier::ResidentId => {
            let word = word();
            is_resident_id(&word) || is_resident_id_15(&word)
        }
        Identifier::CreditCode => is_credit_code(&word()),
        Identifier::BankCard => is_luhn(&word()),
        Identifier::OrganisationCode => is_organisation_code(&word()),
        Identifier::Mobile => is_mobile(&canonical("mobile")),
        Identifier::Plate => is_plate(&canonical("vehicle")),
        Identifier::LandLine => is_land_line(&canonical("landline")),
        Identifier::Email => is_email(&fold(value)),
        Identifier::Ipv4 => is_ipv4(&fold(value)),
        Identifier::Name | Identifier::Address | Identifier::Coordinates => {
            passes(value).is(identifier)
        }
    }
}

/// Puts a value to every test.
pub(crate) fn passes(value: &str) -> Passes {
    let mut passes = Passes::default();
    if value.len() > BYTES_MAX {
        return passes;
    }
    let word = compact(value).to_uppercase();
    let plain = fold(value);
    numbers(&word, value, &mut passes);
    passes.set(
        bit(Identifier::Plate),
        is_plate(&canonical(&ValueDomain::known("vehicle"), value)),
    );
    passes.set(bit(Identifier::Email), is_email(&plain));
    ip(&plain, &mut passes);
    name(&plain, &mut passes);
    passes.set(bit(Identifier::Address), is_address(&plain));
    passes.set(
        bit(Identifier::Coordinates),
        is_coordinates(plain.trim_matches(['(', ')', '[', ']'])),
    );
    passes.set(Trait::Degree as u32, is_degree(&plain));
    passes
}

fn numbers(word: &str, value: &str, passes: &mut Passes) {
    let resident = is_resident_id(word);
    passes.set(bit(Identifier::ResidentId), resident);
    passes.set(Trait::ResidentId15 as u32, is_resident_id_15(word));
    let birth = word.len() == 18 && word.is_ascii() && resident_birth(word).is_some();
    passes.set(
        Trait::ResidentShape as u32,
        birth && word[..17].bytes().all(|byte| byte.is_ascii_digit()),
    );
    passes.set(bit(Identifier::CreditCode), is_credit_code(word));
    passes.set(bit(Identifier::BankCard), is_luhn(word));
    passes.set(
        Trait::KnownIssuer as u32,
        is_luhn(word) && has_card_issuer(word),
    );
    passes.set(
        bit(Identifier::OrganisationCode),
        is_organisation_code(word),
    );
    let mobile = canonical(&ValueDomain::known("mobile"), value);
    passes.set(bit(Identifier::Mobile), is_mobile(&mobile));
    let eleven = mobile.len() == 11 && mobile.starts_with('1');
    passes.set(
        Trait::MobileShape as u32,
        eleven && mobile.bytes().all(|byte| byte.is_ascii_digit()),
    );
    passes.set(
        bit(Identifier::LandLine),
        is_land_line(&canonical(&ValueDomain::known("landline"), value)),
    );
    let digits = !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    passes.set(Trait::Digits as u32, digits);
}

fn ip(plain: &str, passes: &mut Passes) {
    let valid = is_ipv4(plain);
    passes.set(bit(Identifier::Ipv4), valid);
    let small = valid
        && plain
            .split('.')
            .all(|octet| octet.parse().unwrap_or(0u32) < 32);
    passes.set(Trait::SmallOctets as u32, small);
}

/// Two to four Han characters that begin with a surname and end with nothing that names a place, an
/// organisation, a thing or a disease; the dotted names of other peoples count as well.
fn name(plain: &str, passes: &mut Passes) {
    let chars: Vec<char> = plain.chars().take(20).collect();
    let dotted = chars.contains(&'·')
        && (4..16).contains(&chars.len())
        && chars.iter().all(|char| is_han(*char) || *char == '·')
        && chars.first() != Some(&'·')
        && chars.last() != Some(&'·');
    let han = chars.iter().all(|char| is_han(*char));
    let surname = if han { surname_length(&chars) } else { None };
    let regular = surname.is_some_and(|surname| (1..=2).contains(&(chars.len() - surname)))
        && !chars.last().is_some_and(|last| ends_no_name(*last));
    passes.set(bit(Identifier::Name), dotted || regular);
    let frequent = chars
        .first()
        .is_some_and(|first| is_frequent_surname(*first));
    passes.set(Trait::FrequentSurname as u32, regular && frequent);
}

/// A number with at least three decimals inside China's longitudes or latitudes.
fn is_degree(plain: &str) -> bool {
    let decimals = plain
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    decimals >= 3
        && plain
            .parse::<f64>()
            .is_ok_and(|degree| (3.0..=54.0).contains(&degree) || (73.0..=136.0).contains(&degree))
}
