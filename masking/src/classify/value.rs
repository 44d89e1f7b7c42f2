//! What one whole value could be.

use crate::classify::check::{
    is_credit_code, is_luhn, is_organisation_code, is_resident_id, is_resident_id_15,
    resident_birth,
};
use crate::classify::identifier::Identifier;
use crate::classify::table::{
    Issuer, NAME_SCORE_MIN, PLATE_PROVINCES, Tables, ends_no_name, is_given_name, is_han,
    name_score,
};
use crate::classify::text::{
    has_form, is_address, is_coordinates, is_email, is_ipv4, is_ipv6, is_land_line, is_mac,
    is_plate,
};
use crate::fold::{compact, fold};
use crate::key::{ValueDomain, canonical};

/// The tests that a value passed, a bit each: identifiers first, then traits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passes(u64);

/// Tests beside those for each identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trait {
    /// Fifteen digits in the form of a resident number.
    ResidentId15,
    /// Eighteen characters with a real birth date, whatever the check character.
    ResidentShape,
    /// A resident number whose region code is or was in force.
    KnownRegion,
    /// A card of a known network or bank.
    KnownIssuer,
    /// A card with a bank's first digits.
    KnownBank,
    /// A name with one of the hundred most frequent surnames.
    FrequentSurname,
    /// A name that ends with a character frequent in given names.
    GivenName,
    /// A name that begins with a surname, and so has a score.
    Scored,
    /// An IP address whose four numbers are small, as in a version number.
    SmallOctets,
    /// A decimal number that could be a longitude of China.
    Longitude,
    /// A decimal number that could be a latitude of China.
    Latitude,
    /// Written with digits alone.
    Digits,
    /// Eleven digits that begin with 1.
    MobileShape,
    /// Seven or eight digits that could be a land line without its area code.
    LocalNumber,
    /// Twelve hexadecimal digits that could be a hardware address without separators.
    BareMac,
}

impl Trait {
    pub(crate) const ALL: [Self; 15] = [
        Self::ResidentId15,
        Self::ResidentShape,
        Self::KnownRegion,
        Self::KnownIssuer,
        Self::KnownBank,
        Self::FrequentSurname,
        Self::GivenName,
        Self::Scored,
        Self::SmallOctets,
        Self::Longitude,
        Self::Latitude,
        Self::Digits,
        Self::MobileShape,
        Self::LocalNumber,
        Self::BareMac,
    ];
}

/// Traits' bits come after those of the identifiers.
const TRAITS_FROM: u32 = 32;
/// The score of a name comes after the traits.
const SCORE_FROM: u32 = 56;

impl Passes {
    fn set(&mut self, identifier: Identifier, passed: bool) {
        self.0 |= u64::from(passed) << (identifier as u32);
    }

    fn note(&mut self, test: Trait, passed: bool) {
        self.0 |= u64::from(passed) << (TRAITS_FROM + test as u32);
    }

    fn score_name(&mut self, score: i64) {
        self.0 |= u64::try_from(score - NAME_SCORE_MIN).unwrap_or(0) << SCORE_FROM;
    }

    /// How much likelier the value is a name than another word that begins with a surname, in halves
    /// of natural logs; 0 when it begins with none.
    pub(crate) fn name_score(self) -> i64 {
        if !self.has(Trait::Scored) {
            return 0;
        }
        i64::try_from(self.0 >> SCORE_FROM).unwrap_or(0) + NAME_SCORE_MIN
    }

    /// Whether the test for an identifier passed.
    pub(crate) fn is(self, identifier: Identifier) -> bool {
        self.0 & (1 << (identifier as u32)) != 0
    }

    /// Whether a further test passed.
    pub(crate) fn has(self, test: Trait) -> bool {
        self.0 & (1 << (TRAITS_FROM + test as u32)) != 0
    }
}

/// Values longer than this are texts, not identifiers.
const BYTES_MAX: usize = 400;

/// Whether a whole value is an identifier of a kind, however it is written.
pub(crate) fn is_valid(identifier: Identifier, value: &str) -> bool {
    if value.len() > BYTES_MAX {
        return false;
    }
    let tables = Tables::in_use();
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
        Identifier::Mobile => tables.is_mobile(&canonical("mobile")),
        Identifier::MachineNumber => tables.is_machine_number(&word()),
        Identifier::Plate => is_plate(&canonical("vehicle")),
        Identifier::LandLine => is_land_line(tables, &canonical("landline")),
        Identifier::Email => is_email(&fold(value)),
        Identifier::Ipv4 => is_ipv4(&fold(value)),
        Identifier::Ipv6 => is_ipv6(&fold(value)),
        Identifier::Mac => is_mac(&fold(value)) || is_bare_mac(&word()),
        Identifier::Passport
        | Identifier::HomeReturnPermit
        | Identifier::HkMacauPermit
        | Identifier::TaiwanPermit
        | Identifier::SocialSecurityNumber
        | Identifier::MedicalInsuranceNumber => has_form(identifier, &word()),
        Identifier::Name | Identifier::Address | Identifier::Coordinates => {
            passes(tables, value).is(identifier)
        }
    }
}

/// Puts a value to every test.
pub(crate) fn passes(tables: &Tables, value: &str) -> Passes {
    let mut passes = Passes::default();
    if value.len() > BYTES_MAX {
        return passes;
    }
    let plain = fold(value);
    let word = compact(&plain).to_uppercase();
    if word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        words(tables, &word, &mut passes);
    }
    if plain.bytes().any(|byte| byte.is_ascii_digit()) {
        phones(tables, &word, value, &mut passes);
    }
    if plain.is_ascii() {
        passes.set(Identifier::Email, is_email(&plain));
        networks(&plain, &mut passes);
        let pair = plain.trim_matches(['(', ')', '[', ']']);
        passes.set(Identifier::Coordinates, is_coordinates(pair));
        degrees(&plain, &mut passes);
        return passes;
    }
    if plain.starts_with(|first: char| PLATE_PROVINCES.contains(first)) {
        let plate = canonical(&ValueDomain::known("vehicle"), value);
        passes.set(Identifier::Plate, is_plate(&plate));
    }
    name(tables, &plain, &mut passes);
    passes.set(Identifier::Address, is_address(tables, &plain));
    passes
}

/// Tests for letters and digits in upper case without separators.
fn words(tables: &Tables, word: &str, passes: &mut Passes) {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    passes.note(Trait::Digits, digits);
    if word.len() == 18 {
        let resident = is_resident_id(word);
        let body = word[..17].bytes().all(|byte| byte.is_ascii_digit());
        passes.set(Identifier::ResidentId, resident);
        let known = resident && tables.regions.was_assigned(&word[..6]);
        passes.note(Trait::KnownRegion, known);
        passes.note(Trait::ResidentShape, body && resident_birth(word).is_some());
        passes.set(Identifier::CreditCode, is_credit_code(word));
    }
    passes.note(Trait::ResidentId15, is_resident_id_15(word));
    if digits && is_luhn(word) {
        let issuer = tables.card_issuer(word);
        passes.set(Identifier::BankCard, true);
        passes.note(Trait::KnownIssuer, issuer.is_some());
        passes.note(Trait::KnownBank, issuer == Some(Issuer::Bank));
    }
    passes.set(Identifier::OrganisationCode, is_organisation_code(word));
    passes.set(Identifier::MachineNumber, tables.is_machine_number(word));
    passes.note(Trait::BareMac, is_bare_mac(word));
    for document in Identifier::ALL {
        if document.needs_context() {
            passes.set(document, passes.is(document) || has_form(document, word));
        }
    }
}

/// Tests for numbers of telephones, which may be written with a country code and brackets.
fn phones(tables: &Tables, word: &str, value: &str, passes: &mut Passes) {
    const LENGTHS: std::ops::RangeInclusive<usize> = 7..=18;
    let written = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'(' | b')');
    if !LENGTHS.contains(&word.len()) || !word.bytes().all(written) {
        return;
    }
    let mobile = canonical(&ValueDomain::known("mobile"), value);
    passes.set(Identifier::Mobile, tables.is_mobile(&mobile));
    let eleven = mobile.len() == 11 && mobile.starts_with('1');
    let digits = mobile.bytes().all(|byte| byte.is_ascii_digit());
    passes.note(Trait::MobileShape, eleven && digits);
    let line = canonical(&ValueDomain::known("landline"), value);
    passes.set(Identifier::LandLine, is_land_line(tables, &line));
    let local = matches!(line.len(), 7 | 8) && matches!(line.as_bytes()[0], b'2'..=b'8');
    passes.note(Trait::LocalNumber, local && digits);
}

fn networks(plain: &str, passes: &mut Passes) {
    let valid = is_ipv4(plain);
    passes.set(Identifier::Ipv4, valid);
    let small = valid
        && plain
            .split('.')
            .all(|octet| octet.parse().unwrap_or(0u32) < 32);
    passes.note(Trait::SmallOctets, small);
    passes.set(Identifier::Ipv6, is_ipv6(plain));
    passes.set(Identifier::Mac, is_mac(plain));
}

fn is_bare_mac(word: &str) -> bool {
    word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Two to four Han characters that begin with a surname and end with nothing that names a place, an
/// organisation, a thing or a disease; the dotted names of other peoples count as well.
fn name(tables: &Tables, plain: &str, passes: &mut Passes) {
    let chars: Vec<char> = plain.chars().filter(|char| *char != ' ').take(20).collect();
    let dotted = chars.contains(&'·')
        && (4..16).contains(&chars.len())
        && chars.iter().all(|char| is_han(*char) || *char == '·')
        && chars.first() != Some(&'·')
        && chars.last() != Some(&'·');
    let han = chars.iter().all(|char| is_han(*char));
    let surname = if han {
        tables.surname_length(&chars)
    } else {
        None
    };
    let last = chars.last().copied().unwrap_or(' ');
    let regular = surname.is_some_and(|surname| (1..=2).contains(&(chars.len() - surname)))
        && !ends_no_name(last);
    passes.set(Identifier::Name, dotted || regular);
    let frequent = chars
        .first()
        .is_some_and(|first| tables.is_frequent_surname(*first));
    passes.note(Trait::FrequentSurname, regular && frequent);
    if let Some(surname) = surname.filter(|_| regular) {
        passes.note(Trait::Scored, true);
        passes.score_name(name_score(&chars, surname, frequent));
    }
    passes.note(Trait::GivenName, dotted || (regular && is_given_name(last)));
}

/// A number with at least three decimals inside China's longitudes or latitudes.
fn degrees(plain: &str, passes: &mut Passes) {
    let decimals = plain
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let Some(degree) = plain.parse::<f64>().ok().filter(|_| decimals >= 3) else {
        return;
    };
    passes.note(Trait::Longitude, (73.0..=136.0).contains(&degree));
    passes.note(Trait::Latitude, (3.0..=54.0).contains(&degree));
}
