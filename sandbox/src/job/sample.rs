//! The result of a sample run: made of rows that everybody may see, so it is shown at once, as text
//! of at most a thousand rows, and never released.

use review::OutputRules;

use crate::error::Error;
use crate::objects::ObjectArea;
use crate::platform::Platform;

/// Rows of a sample result at most.
const ROWS_MAX: usize = 1_000;

/// The rules of a sample: every cell is one row's, so thresholds would leave nothing; and nothing is
/// protected by them, since the rows themselves are public.
pub(crate) fn rules(production: &OutputRules) -> OutputRules {
    OutputRules {
        threshold: 1,
        dominance_1_percent: 100,
        dominance_2_percent: 100,
        p_percent: 0,
        count_base: 1,
        significant_digits: 15,
        rows_max: production.rows_max,
        half_refuses: false,
    }
}

fn key(run: &str) -> String {
    format!("{run}/sample")
}

/// Keeps a result, cut to the rows that are shown.
pub(crate) async fn keep(platform: &Platform, run: &str, csv: &[u8]) -> Result<(), Error> {
    let shown = cut(csv, ROWS_MAX);
    platform
        .objects()
        .put(ObjectArea::Quarantine, &key(run), shown)
        .await
        .map(drop)
}

/// The result as it is shown.
pub(crate) async fn result(platform: &Platform, run: &str) -> Result<String, Error> {
    let bytes = platform
        .objects()
        .get(ObjectArea::Quarantine, &key(run))
        .await?;
    String::from_utf8(bytes).map_err(|source| Error::internal("read a sample result", source))
}

/// Header and the first rows of CSV; a line feed inside quotes ends no row.
fn cut(csv: &[u8], rows: usize) -> &[u8] {
    let (mut quoted, mut lines) = (false, 0);
    for (place, byte) in csv.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                lines += 1;
                if lines > rows {
                    return csv.get(..=place).unwrap_or(csv);
                }
            }
            _ => {}
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_where_they_end() {
        let csv = b"a,b\n1,\"x\ny\"\n2,\"say \"\"hi\"\"\"\n3,z\n";
        assert_eq!(cut(csv, 1), b"a,b\n1,\"x\ny\"\n");
        assert_eq!(cut(csv, 2), b"a,b\n1,\"x\ny\"\n2,\"say \"\"hi\"\"\"\n");
        assert_eq!(cut(csv, 3), csv);
        assert_eq!(cut(csv, 9), csv);
        assert_eq!(cut(b"", 1), b"");
    }
}
