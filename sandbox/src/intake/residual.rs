//! Identifiers left in the columns that a policy keeps as they are.
//!
//! The classifier decides about columns; one resident number in one remark among a hundred
//! thousand does not make the column an identifier, and still names somebody. So every kept text
//! is looked through, and what is found keeps the push in quarantine until the policy covers it.

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use masking::{Action, Class, Identifier, Policy, Problem, Transform, find_identifiers};

use super::reader::{IntakeFault, both, shape};

/// Hits of one column that are remembered with their row.
const HITS_KEPT_MAX: usize = 1000;

/// What was found in one kept column.
struct KeptColumn {
    name: String,
    index: usize,
    /// Cells in which an identifier stands inside other text, or is one that no random text forms.
    hits: u64,
    /// Cells that are all digits, and those of them that pass as a mobile or card number; one
    /// random number in ten does.
    digits: u64,
    digit_hits: u64,
    problems: Vec<Problem>,
    digit_problems: Vec<Problem>,
}

/// Looks through the kept text columns of masked batches.
pub(crate) struct ResidualScan {
    columns: Vec<KeptColumn>,
}

impl ResidualScan {
    /// A scan of the columns that `policy` keeps, unless a person stated with a reason that a
    /// column is public.
    pub(crate) fn new(policy: &Policy, schema: &arrow::datatypes::Schema) -> Self {
        let mut columns = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            let Some(rule) = policy.columns().get(field.name()) else {
                continue;
            };
            let stated_public = rule.class == Some(Class::Public) && rule.reason.is_some();
            let text = *field.data_type() == DataType::Utf8;
            if text && rule.transform == Transform::Keep && !stated_public {
                columns.push(KeptColumn {
                    name: field.name().clone(),
                    index,
                    hits: 0,
                    digits: 0,
                    digit_hits: 0,
                    problems: Vec::new(),
                    digit_problems: Vec::new(),
                });
            }
        }
        ResidualScan { columns }
    }

    /// Looks through one batch; `rows` are its rows' numbers in the push.
    pub(crate) fn observe(&mut self, batch: &RecordBatch, rows: &[u64]) {
        for column in &mut self.columns {
            let Some(texts) = batch
                .columns()
                .get(column.index)
                .and_then(|c| c.as_string_opt::<i32>())
            else {
                continue;
            };
            // Repeated values are the rule in kept columns; the one before is often the same.
            let mut before = ("", Vec::new());
            for (row, text) in rows.iter().zip(texts) {
                let Some(text) = text.filter(|text| could_hold(text)) else {
                    continue;
                };
                if text != before.0 {
                    before = (text, kinds(text));
                }
                column.take(*row, text, &before.1);
            }
        }
    }

    /// The findings, and the problem records of the cells that they are about.
    pub(crate) fn finish(self) -> (Vec<IntakeFault>, Vec<Problem>) {
        let (mut faults, mut problems) = (Vec::new(), Vec::new());
        for column in self.columns {
            let digits_are_identifiers = column.digit_hits * 2 > column.digits;
            let count = column.hits
                + if digits_are_identifiers {
                    column.digit_hits
                } else {
                    0
                };
            if count == 0 {
                continue;
            }
            let mut cells = column.problems;
            if digits_are_identifiers {
                cells.extend(column.digit_problems);
                cells.sort_by_key(|problem| problem.row);
            }
            let first = cells.first().map_or(0, |problem| problem.row);
            faults.push(left(&column.name, count, first));
            problems.extend(cells);
        }
        (faults, problems)
    }
}

impl KeptColumn {
    fn take(&mut self, row: u64, text: &str, kinds: &[(Identifier, bool)]) {
        let all_digits = text.len() >= 11 && text.bytes().all(|b| b.is_ascii_digit());
        self.digits += u64::from(all_digits);
        // One record for a cell is enough.
        let Some(&(identifier, whole)) = kinds.first() else {
            return;
        };
        let by_chance = whole && matches!(identifier, Identifier::Mobile | Identifier::BankCard);
        let (count, kept) = if by_chance {
            (&mut self.digit_hits, &mut self.digit_problems)
        } else {
            (&mut self.hits, &mut self.problems)
        };
        *count += 1;
        if kept.len() < HITS_KEPT_MAX {
            kept.push(problem(row, &self.name, identifier, text));
        }
    }
}

/// A cheap look before the patterns: every identifier looked for has digits or an `@`.
fn could_hold(text: &str) -> bool {
    let mut digits = 0_usize;
    for c in text.chars() {
        digits += usize::from(c.is_numeric());
        if digits >= 4 || c == '@' || c == '＠' {
            return true;
        }
    }
    false
}

/// The kinds found, each with whether it is the whole text.
fn kinds(text: &str) -> Vec<(Identifier, bool)> {
    let trimmed = text.trim();
    find_identifiers(text)
        .into_iter()
        .filter_map(|hit| {
            let whole = text
                .get(hit.range.clone())
                .is_some_and(|found| found.trim() == trimmed);
            let telling = match hit.identifier {
                Identifier::ResidentId
                | Identifier::CreditCode
                | Identifier::BankCard
                | Identifier::Mobile
                | Identifier::Plate
                | Identifier::Email
                | Identifier::Ipv4 => true,
                Identifier::LandLine => !whole,
                // Nine characters with a check digit are met by one random text in eleven; names
                // and addresses are the classifier's to decide, by column.
                _ => false,
            };
            telling.then_some((hit.identifier, whole))
        })
        .collect()
}

fn problem(row: u64, column: &str, identifier: Identifier, text: &str) -> Problem {
    let kind = format!("{identifier:?}");
    Problem {
        row,
        column: Some(column.to_owned()),
        rule: "residual_identifier".to_owned(),
        action: Action::Kept,
        masked_value: shape(text),
        message: both(
            format!("第 {row} 行 {column} 列的文本中含有标识符（{kind}）"),
            format!("row {row}, column {column}: the text contains an identifier ({kind})"),
        ),
    }
}

fn left(column: &str, count: u64, first: u64) -> IntakeFault {
    IntakeFault::new(
        "residual_identifier",
        both(
            format!("按策略保留的 {column} 列中有 {count} 个单元格含有标识符，首个在第 {first} 行"),
            format!("column {column}, which the policy keeps, has identifiers in {count} cells, the first in row {first}"),
        ),
        both(
            format!("把 {column} 列的策略改为 redact 或 drop 后重新提交该推送，或由数据提供方更正"),
            format!("let the policy redact or drop column {column} and commit the push again, or have the provider correct the data"),
        ),
    )
    .at_row(first)
    .at_column(column)
}
