//! The whole of a held result, in pages: what may leave is what could be read.
//!
//! The rows come from the candidate itself, and its digest is compared with the evidence on every
//! page. Its text is inert already (see `review::egress::canonical`), so a record is one line.

use super::quarantine;
use super::read::owner;
use super::view::ReleaseRows;
use crate::access::{Actor, Object, Operation};
use crate::document;
use crate::error::Error;
use crate::id::ReleaseId;
use crate::job::state::ReleaseState;
use crate::page::PageRequest;
use crate::platform::Platform;

impl Platform {
    /// Rows of a held result; the cursor is the number of the row that the page before ended with.
    ///
    /// # Errors
    /// Denied or not found; `release_not_held` (conflict) once it is decided.
    pub async fn release_rows(
        &self,
        actor: &Actor,
        id: ReleaseId,
        page: PageRequest,
    ) -> Result<ReleaseRows, Error> {
        let (row, _) = self.release_row(id).await?;
        self.authorise(actor, Operation::ReleaseRows, Object::Of(owner(&row)?))?;
        if row.state != ReleaseState::Held {
            return Err(Error::conflict(
                "release_not_held",
                format!("该结果处于 {} 状态，不在待审。", row.state.as_str()),
                format!(
                    "the result is {}, it does not wait for votes.",
                    row.state.as_str()
                ),
            ));
        }
        let after = match page.cursor.as_deref().map(str::parse::<usize>) {
            None => 0,
            Some(Ok(after)) => after,
            Some(Err(_)) => {
                return Err(Error::invalid(
                    "cursor_invalid",
                    "cursor 须为上一页的 next_cursor。",
                    "cursor must be the next_cursor of the page before.",
                ));
            }
        };
        let bytes = quarantine::candidate(self, &row.id).await?;
        if document::sha256(&bytes) != row.sha256 {
            return Err(Error::internal(
                "read a held result",
                "not the one that the evidence names",
            ));
        }
        let text = String::from_utf8(bytes)
            .map_err(|source| Error::internal("read a held result", source))?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let cut = cut(&text, after, limit);
        Ok(ReleaseRows {
            release: id,
            columns: cut.columns,
            first: count(after) + 1,
            next_cursor: (cut.total > after.saturating_add(cut.rows.len()))
                .then(|| after.saturating_add(cut.rows.len()).to_string()),
            rows: cut.rows,
            csv: cut.csv,
            rows_total: count(cut.total),
            bytes_total: count(text.len()),
            sha256: row.sha256,
        })
    }
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

struct Cut {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// The page's part of the bytes; the header is in the first.
    csv: String,
    total: usize,
}

/// A page of canonical CSV: header first, one record in each line.
fn cut(text: &str, after: usize, limit: usize) -> Cut {
    let mut lines = text.split_inclusive('\n');
    let header = lines.next().unwrap_or_default();
    let mut cut = Cut {
        columns: record(header),
        rows: Vec::new(),
        csv: if after == 0 {
            header.to_owned()
        } else {
            String::new()
        },
        total: 0,
    };
    for line in lines {
        if cut.total >= after && cut.rows.len() < limit {
            cut.rows.push(record(line));
            cut.csv.push_str(line);
        }
        cut.total += 1;
    }
    cut
}

/// The fields of one line.
fn record(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = line.trim_end_matches('\n').chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_put_together_are_the_bytes() {
        let text = "name,n\n\"a, \"\"b\"\"\",1\n,2\n厦门,3\n\"\"\n";
        let whole = cut(text, 0, 10);
        assert_eq!(whole.columns, ["name", "n"]);
        assert_eq!(whole.total, 4);
        assert_eq!(whole.rows[0], ["a, \"b\"", "1"]);
        assert_eq!(whole.rows[1], ["", "2"]);
        assert_eq!(whole.rows[3], [""]);
        for limit in 1..6 {
            let mut together = String::new();
            let mut after = 0;
            loop {
                let page = cut(text, after, limit);
                assert_eq!(page.total, 4);
                together.push_str(&page.csv);
                after += page.rows.len();
                if after >= page.total {
                    break;
                }
            }
            assert_eq!(together, text, "pages of {limit}");
        }
        let beyond = cut(text, 9, 10);
        assert!(beyond.rows.is_empty() && beyond.csv.is_empty());
    }
}
