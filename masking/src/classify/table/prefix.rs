//! First digits of numbers.

use crate::classify::table::row::rows;
use crate::error::TableError;

/// Digits that a look-up goes by; shorter prefixes stand for all that begin with them.
const DIGITS: usize = 5;

/// Prefixes of up to five digits, a bit for each head of five.
#[derive(Debug)]
pub(super) struct Prefixes(Vec<bool>);

impl Prefixes {
    pub(super) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let mut heads = vec![false; 10usize.pow(5)];
        for row in rows(file, text)? {
            let digits = row.digits(row.text, 1..=DIGITS)?;
            let missing = DIGITS - digits.len();
            let from = head(format!("{digits}{}", "0".repeat(missing)).as_bytes());
            let to = head(format!("{digits}{}", "9".repeat(missing)).as_bytes());
            heads[from..=to].fill(true);
        }
        Ok(Self(heads))
    }

    /// Whether some digits begin with one of the prefixes.
    pub(super) fn begin(&self, digits: &str) -> bool {
        digits
            .as_bytes()
            .get(..DIGITS)
            .is_some_and(|digits| self.0[head(digits)])
    }
}

/// The number that five digits are.
fn head(digits: &[u8]) -> usize {
    digits
        .iter()
        .fold(0, |head, digit| head * 10 + usize::from(digit - b'0'))
}
