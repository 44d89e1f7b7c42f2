//! Valid identifiers in place of valid identifiers: permutations that keep form, check digit and
//! stated parts.
//!
//! A value is split into what is kept and a number inside the exact domain of what is not; the
//! number is permuted by FF1 under a tweak that is the digest of what is kept, and the check digits
//! are computed anew. So the map is one to one, and the same under one key wherever the value
//! stands.

mod card;
mod column;
mod credit;
mod mobile;
mod numerals;
mod plate;
mod resident;
mod split;

pub(crate) use column::Permuter;
pub(crate) use resident::birthday;

use crate::key::{ValueDomain, canonical_form};
use crate::transform::ff1::DOMAIN_MIN;
use split::Split;

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
    pub(crate) fn domain_min(self) -> u64 {
        match self {
            Self::ResidentId {
                birth_band_years, ..
            } => resident::domain_min(birth_band_years),
            // 161 and 174 are allotted in part: 1619 alone has ten million numbers.
            Self::Mobile { keep } => {
                if keep <= 4 {
                    10_000_000
                } else {
                    numerals::power(10, 11usize.saturating_sub(keep))
                }
            }
            Self::BankCard { keep } => numerals::power(10, 15usize.saturating_sub(keep)),
            Self::CreditCode => numerals::power(31, 8),
            // Large new-energy vehicles: five digits and one of ten letters.
            Self::Plate => 1_000_000,
        }
    }

    /// Splits a value into what stays and the number to permute. `None` when it is no valid
    /// identifier of the kind.
    fn split(self, domain: &ValueDomain, value: &str) -> Option<Split> {
        let value = canonical_form(domain, value);
        match self {
            Self::ResidentId {
                keep_region,
                birth_band_years,
                unassigned_region,
            } => resident::split(&value, keep_region, birth_band_years, unassigned_region),
            Self::Mobile { keep } => mobile::split(&value, keep),
            Self::BankCard { keep } => card::split(&value, keep),
            Self::CreditCode => credit::split(&value),
            Self::Plate => plate::split(&value),
        }
    }

    /// Whether a number stands for an identifier of the kind; the permutation walks on over those
    /// that do not (mobile numbers that are not allotted).
    fn is_inside(self, split: &Split, number: u64) -> bool {
        match self {
            Self::ResidentId { .. } | Self::CreditCode => true,
            Self::Mobile { .. } => mobile::is_inside(split, number),
            Self::BankCard { .. } => card::is_inside(split, number),
            Self::Plate => plate::is_inside(split, number),
        }
    }

    /// Writes the identifier that a number stands for behind a text. `None`, with the text in any
    /// state, when it stands for none.
    fn join(self, split: &Split, number: u64, text: &mut String) -> Option<()> {
        match self {
            Self::ResidentId {
                unassigned_region, ..
            } => resident::join(split, number, unassigned_region, text),
            Self::Mobile { .. } => {
                mobile::join(split, number, text);
                Some(())
            }
            Self::BankCard { .. } => card::join(split, number, text),
            Self::CreditCode => credit::join(split, number, text),
            Self::Plate => plate::join(split, number, text),
        }
    }
}

/// Why a permutation is refused: too few values.
pub(crate) fn is_too_small(permute: Permute) -> bool {
    permute.domain_min() < DOMAIN_MIN
}

#[cfg(test)]
mod tests;
