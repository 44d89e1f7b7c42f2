//! Identifiers left in the columns that a policy keeps as they are.
//!
//! The classifier decides about columns; one resident number in one remark among a hundred
//! thousand does not make the column an identifier, and still names somebody. So every kept text
//! is looked through, and what is found keeps the push in quarantine until the policy covers it.

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use masking::{Action, Class, ColumnClass, Identifier, Policy, Problem, find_identifiers};

use super::reader::{IntakeFault, both, shape};

/// Hits of one column that are remembered with their row.
const HITS_KEPT_MAX: usize = 1000;
/// The smallest number of eleven digits, which a mobile number has.
const ELEVEN_DIGITS: i64 = 10_000_000_000;

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

/// Looks through the kept columns of texts and whole numbers.
pub(crate) struct ResidualScan {
    columns: Vec<KeptColumn>,
}

impl ResidualScan {
    /// A scan of the columns whose values `policy` lets through for columns of these classes, unless a person stated with a
    /// reason that a column is public.
    pub(crate) fn new(
        policy: &Policy,
        schema: &arrow::datatypes::Schema,
        classes: &[ColumnClass],
    ) -> Self {
        let policy = policy.resolved(classes);
        let mut columns = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            let Some(rule) = policy.columns().get(field.name()) else {
                continue;
            };
            let stated_public = rule.class == Some(Class::Public) && rule.reason.is_some();
            let scanned = matches!(field.data_type(), DataType::Utf8 | DataType::Int64);
            if scanned && rule.transform.passes_values() && !stated_public {
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
            let Some(cells) = batch.columns().get(column.index) else {
                continue;
            };
            if let Some(texts) = cells.as_string_opt::<i32>() {
                column.take_texts(texts, rows);
            } else if let Some(numbers) = cells.as_primitive_opt::<Int64Type>() {
                column.take_numbers(numbers, rows);
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
    fn take_texts(&mut self, texts: &StringArray, rows: &[u64]) {
        // Repeated values are the rule in kept columns; the one before is often the same.
        let mut before = ("", Vec::new());
        for (row, text) in rows.iter().zip(texts) {
            let Some(text) = text.filter(|text| could_hold(text)) else {
                continue;
            };
            if text != before.0 {
                before = (text, kinds(text));
            }
            self.take(*row, text, &before.1);
        }
    }

    /// Numbers that are long enough to be one of a telephone, a card or a person.
    fn take_numbers(&mut self, numbers: &Int64Array, rows: &[u64]) {
        for (row, number) in rows.iter().zip(numbers) {
            if let Some(number) = number.filter(|number| *number >= ELEVEN_DIGITS) {
                let text = number.to_string();
                self.take(*row, &text, &kinds(&text));
            }
        }
    }

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

/// A cheap look before the patterns: every identifier looked for has digits, an `@`, a letter
/// behind a Han character, as a plate has, or the separators of an address of the network.
fn could_hold(text: &str) -> bool {
    let (mut digits, mut separators, mut before) = (0_usize, 0_usize, ' ');
    for c in text.chars() {
        digits += usize::from(c.is_numeric());
        separators += usize::from(matches!(c, ':' | '：' | '-' | '－'));
        let plate = c.is_ascii_uppercase() && !before.is_ascii() && before.is_alphabetic();
        if digits >= 4 || separators >= 2 || plate || c == '@' || c == '＠' {
            return true;
        }
        before = c;
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
                | Identifier::Ipv4
                | Identifier::Ipv6
                | Identifier::Mac
                // Found only beside words that say what they are.
                | Identifier::Passport
                | Identifier::HomeReturnPermit
                | Identifier::HkMacauPermit
                | Identifier::TaiwanPermit
                | Identifier::SocialSecurityNumber
                | Identifier::MedicalInsuranceNumber
                | Identifier::MachineNumber => true,
                // Nine characters with a check digit are met by one random text in eleven.
                Identifier::LandLine | Identifier::OrganisationCode => !whole,
                // The classifier's to decide, by column.
                Identifier::Name | Identifier::Address | Identifier::Coordinates => false,
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use std::sync::Arc;

    use arrow::array::ArrayRef;

    use super::*;

    fn scan(policy: &str, cells: ArrayRef) -> Vec<(Option<u64>, u64)> {
        let batch = RecordBatch::try_from_iter_with_nullable([("c", cells, true)]).unwrap();
        let policy = Policy::parse(policy).unwrap();
        let mut scan = ResidualScan::new(&policy, &batch.schema(), &[]);
        let rows: Vec<u64> = (1..).take(batch.num_rows()).collect();
        scan.observe(&batch, &rows);
        let (faults, problems) = scan.finish();
        let found = u64::try_from(problems.len()).unwrap();
        faults.into_iter().map(|fault| (fault.row, found)).collect()
    }

    const KEEP: &str = "version = 1\n[columns.c]\ntransform = \"keep\"\n";

    fn texts(texts: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn identifiers_inside_texts_and_alone_are_found() {
        for text in [
            "陪同人11010519491231002X已登记",
            "11010519491231002X",
            "电话13860100001，下午",
            "13860100001",
            "mail to li@example.com",
            "车牌闽DA1B2C停在门口",
            "护照E12345678已核",
            "社保号350200123456",
            "网卡 aa:bb:cc:dd:ee:ff",
            "fe80::a",
            "组织机构代码12345678-8",
        ] {
            let found = scan(KEEP, texts(&["复诊", "2024年3月", text, "110105"]));
            assert_eq!(found, [(Some(3), 1)], "{text}");
        }
        let numbers = Int64Array::from(vec![Some(3), None, Some(13_860_100_001), Some(2024)]);
        assert_eq!(scan(KEEP, Arc::new(numbers)), [(Some(3), 1)]);
    }

    #[test]
    fn chance_and_a_stated_class_are_no_findings() {
        let mut serials: Vec<String> = (0..50).map(|n| format!("20240000{n:03}")).collect();
        serials.push("13860100001".to_owned());
        let serials: Vec<&str> = serials.iter().map(String::as_str).collect();
        assert_eq!(scan(KEEP, texts(&serials)), []);
        let stated = format!("{KEEP}class = \"public\"\nreason = \"hotlines\"\n");
        assert_eq!(scan(&stated, texts(&["13860100001"])), []);
        let redacted = KEEP.replace("keep", "redact");
        assert_eq!(scan(&redacted, texts(&["13860100001"])), []);
        assert_eq!(
            scan(
                KEEP,
                texts(&[
                    "复诊",
                    "第 3 次",
                    "A 栋 1203",
                    "E12345678",
                    "a-b-c",
                    "12:30:05"
                ])
            ),
            []
        );
    }
}
