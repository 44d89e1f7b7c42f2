//! Valid identifiers in place of valid identifiers: permutations that keep form, check digit and
//! stated parts.
//!
//! A value is split into what is kept and a number inside the exact domain of what is not; the
//! number is permuted by FF1 under a tweak that is the digest of what is kept, and the check digits
//! are computed anew. So the map is one to one, and the same under one key wherever the value
//! stands.

use std::collections::HashMap;

use aes::Aes256;
use aes::cipher::KeyInit;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::classify::check::{
    CREDIT_ALPHABET, calendar_date, credit_check, credit_index, is_credit_code, is_luhn,
    is_resident_id, luhn_check, organisation_check, resident_check,
};
use crate::classify::region::regions;
use crate::classify::table::is_mobile;
use crate::classify::{is_energy_body, is_plate};
use crate::date::Day;
use crate::key::{ValueDomain, canonical};
use crate::transform::ff1::{DOMAIN_MIN, Ff1, Permutation};

/// Which identifiers are permuted, and what of them stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permute {
    /// Resident numbers keep region, birth band and sex.
    ResidentId {
        /// Digits of the region code that stay: 2, 4 or 6.
        keep_region: usize,
        /// Years of a birth band; the band stays, the date inside it does not.
        birth_band_years: u32,
        /// Whether the region code is replaced by one that no region has, so that the number can be
        /// nobody's; numbers with a code outside the table (historic ones) then become null.
        unassigned_region: bool,
    },
    /// Mobile numbers keep their first digits (3 to 5) and stay allotted.
    Mobile {
        /// Digits that stay.
        keep: usize,
    },
    /// Bank cards keep the issuer's digits and their length.
    BankCard {
        /// Digits that stay.
        keep: usize,
    },
    /// Credit codes keep registration authority, kind and region: eight characters.
    CreditCode,
    /// Plates keep province, letter and kind.
    Plate,
}

/// Version of the tables and rules that a tweak is bound to: another version is another
/// permutation.
const TABLES_VERSION: &str = "2023-06";
/// Characters of plates after the letter: digits and letters without I and O.
const PLATE_ALPHABET: &[u8; 34] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Letters of new-energy plates.
const ENERGY_ALPHABET: &[u8; 10] = b"ABCDEFGHJK";
/// Permutations that are kept ready, one per different kept part.
const READY_MAX: usize = 8192;

impl Permute {
    /// The value domain that its key is derived for unless the policy names another.
    pub(crate) fn value_domain(self) -> ValueDomain {
        ValueDomain::known(match self {
            Self::ResidentId { .. } => "person-id",
            Self::Mobile { .. } => "mobile",
            Self::BankCard { .. } => "bank-card",
            Self::CreditCode => "enterprise-id",
            Self::Plate => "vehicle",
        })
    }

    /// The name in a policy document.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ResidentId { .. } => "resident_id",
            Self::Mobile { .. } => "mobile",
            Self::BankCard { .. } => "bank_card",
            Self::CreditCode => "credit_code",
            Self::Plate => "plate",
        }
    }

    /// The smallest number of values that one kept part stands for, over all parts that occur in
    /// practice (cards of 16 digits; shorter ones that would fall below the limit become null).
    pub(crate) fn domain_min(self) -> u128 {
        match self {
            Self::ResidentId {
                birth_band_years, ..
            } => (1800..2100)
                .filter_map(|year| band(year, birth_band_years))
                .map(|(_, days)| 500 * u128::try_from(days).unwrap_or(0))
                .min()
                .unwrap_or(0),
            // 161 and 174 are allotted in part: 1619 alone has ten million numbers.
            Self::Mobile { keep } => {
                if keep <= 4 {
                    10_000_000
                } else {
                    power(10, 11usize.saturating_sub(keep))
                }
            }
            Self::BankCard { keep } => power(10, 15usize.saturating_sub(keep)),
            Self::CreditCode => power(31, 8),
            // Large new-energy vehicles: five digits and one of ten letters.
            Self::Plate => 1_000_000,
        }
    }

    /// Splits a value into what stays and the number to permute. `None` when it is no valid
    /// identifier of the kind.
    fn split(self, value: &str) -> Option<Split> {
        let value = canonical(&self.value_domain(), value);
        match self {
            Self::ResidentId {
                keep_region,
                birth_band_years,
                unassigned_region,
            } => split_resident(&value, keep_region, birth_band_years, unassigned_region),
            Self::Mobile { keep } => {
                is_mobile(&value).then(|| Split::digits(&value, keep, value.len()))?
            }
            Self::BankCard { keep } => {
                is_luhn(&value).then(|| Split::digits(&value, keep, value.len() - 1))?
            }
            Self::CreditCode => is_credit_code(&value).then(|| split_credit(&value))?,
            Self::Plate => is_plate(&value).then(|| split_plate(&value))?,
        }
    }

    /// Puts a permuted number back among what stays. `None` for numbers outside the kind (a mobile
    /// number that is not allotted); the permutation walks on over them.
    fn join(self, split: &Split, number: u128) -> Option<String> {
        match self {
            Self::ResidentId {
                unassigned_region, ..
            } => join_resident(split, number, unassigned_region),
            Self::Mobile { .. } => Some(format!("{}{}", split.kept, decimal(number, split.free)))
                .filter(|value| is_mobile(value)),
            Self::BankCard { .. } => {
                let body = format!("{}{}", split.kept, decimal(number, split.free));
                let check = luhn_check(body.as_bytes())?;
                // All digits alike would be no card, and is where none can come from.
                Some(format!("{body}{}", char::from(check))).filter(|value| is_luhn(value))
            }
            Self::CreditCode => {
                let body = encode(number, CREDIT_ALPHABET, 8);
                let organisation = char::from(organisation_check(body.as_bytes())?);
                let head = format!("{}{body}{organisation}", split.kept);
                let check = char::from(credit_check(head.as_bytes())?);
                Some(format!("{head}{check}"))
            }
            Self::Plate => join_plate(split, number).filter(|plate| is_plate(plate)),
        }
    }
}

/// A value without what is permuted.
#[derive(Debug)]
struct Split {
    /// What stays, exactly as `join` needs it; also what the tweak is made from.
    kept: String,
    /// Numbers that could stand in place of the permuted one.
    size: u128,
    number: u128,
    /// Characters that are free.
    free: usize,
}

impl Split {
    /// Decimal digits `keep..end` are free.
    fn digits(value: &str, keep: usize, end: usize) -> Option<Self> {
        let free = end.checked_sub(keep)?;
        Some(Self {
            kept: value.get(..keep)?.to_owned(),
            size: power(10, free),
            number: value.get(keep..end)?.parse().ok()?,
            free,
        })
    }
}

/// First day and number of days of the band of births that a year lies in, between 1800 and 2099.
fn band(year: i64, years: u32) -> Option<(i64, i64)> {
    let years = i64::from(years.max(1));
    let first = year.div_euclid(years) * years;
    let from = Day::new(first.max(1800), 1, 1)?.to_epoch();
    let to = Day::new((first + years).min(2100), 1, 1)?.to_epoch();
    (to > from).then_some((from, to - from))
}

/// Kept is `<region>|<first day of the band>|<days of the band>|<0 female, 1 male>`; the number
/// counts region (when free), day and half the order number.
fn split_resident(value: &str, keep_region: usize, years: u32, unassigned: bool) -> Option<Split> {
    if !is_resident_id(value) {
        return None;
    }
    let region = value.get(..6)?;
    // Codes outside the table have no image of their own among the unassigned ones.
    if unassigned && !regions().is_assigned(region) {
        return None;
    }
    let birth = calendar_date(value.get(6..14)?)?;
    let (from, days) = band(i64::from(birth.year()), years)?;
    let day = Day::new(
        birth.year().into(),
        birth.month().into(),
        birth.day().into(),
    )?
    .to_epoch()
        - from;
    let order: u128 = value.get(14..17)?.parse().ok()?;
    // A region that is not in the table has no number in it, and stays whole.
    let counties = if keep_region < 6 {
        counties(region.get(..keep_region)?)
    } else {
        Vec::new()
    };
    let (kept_region, regions, place) = match counties.iter().position(|county| *county == region) {
        Some(place) => (region.get(..keep_region)?, counties.len(), place),
        None => (region, 1, 0),
    };
    let days = u128::try_from(days).ok()?;
    let place = u128::try_from(place).ok()?;
    Some(Split {
        kept: format!("{kept_region}|{from}|{days}|{}", order % 2),
        size: u128::try_from(regions).ok()? * days * 500,
        number: (place * days + u128::try_from(day).ok()?) * 500 + order / 2,
        free: 0,
    })
}

fn join_resident(split: &Split, number: u128, unassigned: bool) -> Option<String> {
    let mut kept = split.kept.split('|');
    let (region, from, days, sex) = (kept.next()?, kept.next()?, kept.next()?, kept.next()?);
    let days: u128 = days.parse().ok()?;
    let order = number % 500 * 2 + sex.parse::<u128>().ok()?;
    let day = Day::from_epoch(from.parse::<i64>().ok()? + i64::try_from(number / 500 % days).ok()?);
    let region = if region.len() < 6 {
        counties(region)
            .get(usize::try_from(number / 500 / days).ok()?)
            .copied()?
    } else {
        region
    };
    let region = if unassigned {
        unassigned_image(region)?
    } else {
        region.to_owned()
    };
    let body = format!(
        "{region}{:04}{:02}{:02}{order:03}",
        day.year, day.month, day.day
    );
    let check = resident_check(body.as_bytes())?;
    Some(format!("{body}{}", char::from(check)))
}

/// The counties whose codes begin with some digits.
fn counties(head: &str) -> Vec<&'static str> {
    regions()
        .assigned(head.get(..2).unwrap_or(""))
        .iter()
        .copied()
        .filter(|code| code.starts_with(head) && !code.ends_with("00"))
        .collect()
}

/// A code that no region has, a different one for each code of the table: the province's codes are
/// numbered through the cities 71 to 80, digits that GB/T 2260 has never given.
fn unassigned_image(region: &str) -> Option<String> {
    let province = region.get(..2)?;
    let place = regions()
        .assigned(province)
        .iter()
        .position(|code| *code == region)?;
    (place < 1000).then(|| format!("{province}{:04}", 7100 + place))
}

fn split_credit(value: &str) -> Option<Split> {
    let body = value.get(8..16)?;
    let mut number = 0;
    for byte in body.bytes() {
        number = number * 31 + u128::try_from(credit_index(byte)?).ok()?;
    }
    Some(Split {
        kept: value.get(..8)?.to_owned(),
        size: power(31, 8),
        number,
        free: 8,
    })
}

/// Kept is province and letter, then the kind: `n` ordinary, `s` special with its last character,
/// `e` new energy of small, `l` of large vehicles.
fn split_plate(plate: &str) -> Option<Split> {
    let chars: Vec<char> = plate.chars().collect();
    let head: String = chars.get(..2)?.iter().collect();
    let body: String = chars.get(2..)?.iter().collect();
    if is_energy_body(&body) && body.len() == 6 {
        let small = !body.starts_with(|first: char| first.is_ascii_digit());
        let alphabets = energy_alphabets(small);
        let (number, size) = mixed(body.as_bytes(), &alphabets)?;
        return Some(Split {
            kept: format!("{head}|{}", if small { "e" } else { "l" }),
            size,
            number,
            free: 6,
        });
    }
    let special = chars.last().copied().filter(|last| !last.is_ascii());
    let free = body.bytes().filter(u8::is_ascii).count();
    let (number, size) = mixed(
        &body.as_bytes()[..free],
        &vec![PLATE_ALPHABET.as_slice(); free],
    )?;
    let kind = special.map_or_else(|| "n".to_owned(), |last| format!("s{last}"));
    Some(Split {
        kept: format!("{head}|{kind}"),
        size,
        number,
        free,
    })
}

fn join_plate(split: &Split, number: u128) -> Option<String> {
    let (head, kind) = split.kept.split_once('|')?;
    let body = match kind {
        "e" | "l" => unmixed(number, &energy_alphabets(kind == "e")),
        _ => unmixed(number, &vec![PLATE_ALPHABET.as_slice(); split.free]),
    };
    let special = kind.strip_prefix('s').unwrap_or("");
    Some(format!("{head}{body}{special}"))
}

fn energy_alphabets(small: bool) -> Vec<&'static [u8]> {
    let digits: &[u8] = b"0123456789";
    let energy: &[u8] = ENERGY_ALPHABET;
    if small {
        vec![energy, PLATE_ALPHABET, digits, digits, digits, digits]
    } else {
        vec![digits, digits, digits, digits, digits, energy]
    }
}

/// The number of a text whose characters each have an alphabet of their own, and how many such
/// texts there are.
fn mixed(text: &[u8], alphabets: &[&[u8]]) -> Option<(u128, u128)> {
    let (mut number, mut size) = (0u128, 1u128);
    for (byte, alphabet) in text.iter().zip(alphabets) {
        let place = alphabet.iter().position(|known| known == byte)?;
        let length = u128::try_from(alphabet.len()).ok()?;
        number = number * length + u128::try_from(place).ok()?;
        size *= length;
    }
    (text.len() == alphabets.len()).then_some((number, size))
}

fn unmixed(mut number: u128, alphabets: &[&[u8]]) -> String {
    let mut text: Vec<char> = Vec::with_capacity(alphabets.len());
    for alphabet in alphabets.iter().rev() {
        let length = u128::try_from(alphabet.len()).unwrap_or(1);
        let place = usize::try_from(number % length).unwrap_or(0);
        text.push(char::from(alphabet[place]));
        number /= length;
    }
    text.iter().rev().collect()
}

fn encode(number: u128, alphabet: &[u8], length: usize) -> String {
    unmixed(number, &vec![alphabet; length])
}

fn decimal(number: u128, width: usize) -> String {
    format!("{number:0width$}")
}

fn power(base: u128, exponent: usize) -> u128 {
    u32::try_from(exponent)
        .ok()
        .and_then(|exponent| base.checked_pow(exponent))
        .unwrap_or(u128::MAX)
}

/// Permutes the values of one column under one key.
pub(crate) struct Permuter {
    permute: Permute,
    ff1: Ff1<Aes256>,
    ready: HashMap<(String, u128), Option<Permutation>>,
}

impl Permuter {
    pub(crate) fn new(permute: Permute, mut key: [u8; 32]) -> Self {
        let ff1 = Ff1::new(Aes256::new(&key.into()));
        key.zeroize();
        Self {
            permute,
            ff1,
            ready: HashMap::new(),
        }
    }

    /// The identifier in place of a valid one; `None` in place of any other value, and of a card so
    /// short that fewer than 10⁶ could stand in its place.
    pub(crate) fn permuted(&mut self, value: &str) -> Option<String> {
        let permute = self.permute;
        let split = permute.split(value)?;
        if self.ready.len() >= READY_MAX {
            self.ready.clear();
        }
        let ff1 = &self.ff1;
        let permutation = self
            .ready
            .entry((split.kept.clone(), split.size))
            .or_insert_with(|| Permutation::new(ff1, split.size, &tweak(permute, &split)))
            .as_ref()?;
        let inside = |number| permute.join(&split, number).is_some();
        let image = match permute {
            // Every number is an identifier here; trying is not needed.
            Permute::ResidentId { .. } | Permute::CreditCode => {
                permutation.of(ff1, split.number, |_| true)?
            }
            _ => permutation.of(ff1, split.number, inside)?,
        };
        permute.join(&split, image)
    }
}

/// The digest of kind, table version and what is kept, cut to one block.
fn tweak(permute: Permute, split: &Split) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"egret permute v1|")
        .chain_update(permute.name())
        .chain_update(b"|")
        .chain_update(TABLES_VERSION)
        .chain_update(b"|")
        .chain_update(&split.kept)
        .finalize()
        .into();
    let mut tweak = [0; 16];
    tweak.copy_from_slice(&digest[..16]);
    tweak
}

/// Why a permutation is refused: too few values.
pub(crate) fn is_too_small(permute: Permute) -> bool {
    permute.domain_min() < DOMAIN_MIN
}

#[cfg(test)]
mod tests;
