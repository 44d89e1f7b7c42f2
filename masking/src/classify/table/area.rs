//! Area codes of land lines.

use crate::classify::table::row::rows;
use crate::error::TableError;

/// For each of the numbers 0 to 999 after the trunk's 0: the lengths of local numbers as bits. Codes
/// of two digits stand at ten times their number and hold for the nine above it.
#[derive(Debug)]
pub(super) struct AreaCodes(Vec<Area>);

#[derive(Clone, Copy, Debug, Default)]
struct Area {
    digits: usize,
    lengths: u32,
}

impl AreaCodes {
    pub(super) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let mut areas = vec![Area::default(); 1000];
        for row in rows(file, text)? {
            let [code, lengths, _] = row.fields()?;
            let digits = row.digits(code, 3..=4)?.len();
            if !code.starts_with('0') {
                return Err(row.fault("区号应以 0 开头", "an area code begins with 0"));
            }
            let lengths = row.lengths(lengths)?;
            let head: usize = code.parse().unwrap_or(0);
            let covered = if digits == 3 {
                head * 10..head * 10 + 10
            } else {
                head..head + 1
            };
            areas[covered].fill(Area { digits, lengths });
        }
        Ok(Self(areas))
    }

    pub(super) fn length(&self, number: &str) -> Option<usize> {
        let head = number.strip_prefix('0')?.get(..3)?;
        let area = self.0.get(head.parse::<usize>().ok()?)?;
        let local = number.len().checked_sub(area.digits)?;
        let fits = local < 32 && area.lengths & (1 << local) != 0;
        fits.then_some(area.digits)
    }
}
