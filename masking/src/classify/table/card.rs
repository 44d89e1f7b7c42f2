//! Issuers of bank cards.

use std::collections::HashMap;

use crate::classify::table::row::{Row, rows};
use crate::error::TableError;

/// How closely a card's first digits are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Issuer {
    /// A network's range, which is wide.
    Network,
    /// The digits of one bank of China.
    Bank,
}

/// Ranges of first digits. Ranges of one bank are small and are kept number by number.
#[derive(Debug, Default)]
pub(super) struct Cards {
    networks: Vec<Network>,
    /// Number of digits and the digits, to the lengths as bits.
    banks: HashMap<(usize, u64), u32>,
    /// How many digits banks are known by.
    digits: Vec<usize>,
}

#[derive(Debug)]
struct Network {
    from: u64,
    to: u64,
    digits: usize,
    lengths: u32,
}

/// No range of one bank holds more numbers.
const RANGE_MAX: u64 = 10_000;

impl Cards {
    pub(super) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let mut cards = Self::default();
        for row in rows(file, text)? {
            cards.add(row)?;
        }
        Ok(cards)
    }

    fn add(&mut self, row: Row<'_>) -> Result<(), TableError> {
        let [from, to, lengths, tells] = row.fields()?;
        let digits = row.digits(from, 1..=12)?.len();
        let (from, to): (u64, u64) = (number(from), number(row.digits(to, digits..=digits)?));
        let lengths = row.lengths(lengths)?;
        if from > to {
            return Err(row.fault("起始大于终止", "from is above to"));
        }
        match tells {
            "network" => self.networks.push(Network {
                from,
                to,
                digits,
                lengths,
            }),
            "bank" if to - from < RANGE_MAX => {
                for head in from..=to {
                    *self.banks.entry((digits, head)).or_default() |= lengths;
                }
                if !self.digits.contains(&digits) {
                    self.digits.push(digits);
                }
            }
            "bank" => return Err(row.fault("号段过宽", "the range is too wide for one bank")),
            _ => {
                return Err(row.fault(
                    "末字段应为 bank 或 network",
                    "the last field must be bank or network",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn issuer(&self, digits: &str) -> Option<Issuer> {
        let length = 1u32.checked_shl(u32::try_from(digits.len()).ok()?)?;
        let head = |count: usize| digits.get(..count).map(number);
        let bank = self.digits.iter().any(|count| {
            head(*count)
                .and_then(|head| self.banks.get(&(*count, head)))
                .is_some_and(|lengths| lengths & length != 0)
        });
        if bank {
            return Some(Issuer::Bank);
        }
        let network = self.networks.iter().any(|network| {
            network.lengths & length != 0
                && head(network.digits)
                    .is_some_and(|head| (network.from..=network.to).contains(&head))
        });
        network.then_some(Issuer::Network)
    }
}

/// The number that at most 19 digits are.
fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}
