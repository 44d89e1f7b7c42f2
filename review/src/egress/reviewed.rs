//! The reviewed lane: output of a WASM job. Nothing is released by itself; findings and a preview
//! help the people who decide, and the bytes that they approve are the bytes that leave.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use masking::{Bilingual, find_identifiers};

use super::canonical;
use super::inspect::{held, preview, refusal, unreadable};
use super::ipc::{self, Caps};
use super::types::{InspectRequest, Inspection, Preview};
use crate::admission::{ColumnType, OutputColumn};
use crate::contract::OutputRules;
use crate::finding::{Finding, Severity};

/// Bytes of text that are searched for identifiers, over all columns.
const SEARCHED_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Characters from which a text without blanks is measured for entropy.
const ENTROPY_LENGTH_MIN: usize = 16;
/// Bits per character above which such a text looks like an encoding rather than a word.
const ENTROPY_BITS_MIN: f64 = 3.5;

/// Inspects the output of a WASM job: held, or refused when it is not what was fixed.
pub(crate) fn inspect(
    request: &InspectRequest,
    output: &[OutputColumn],
    bytes: &[u8],
) -> Inspection {
    if output.is_empty() {
        return refusal(unreadable());
    }
    let expected: Vec<DataType> = output
        .iter()
        .map(|column| column.data_type.arrow())
        .collect();
    let caps = Caps {
        rows: request.rows_max.min(request.rules.rows_max),
        bytes: request.bytes_max,
    };
    let Ok(table) = ipc::read(bytes, &expected, caps) else {
        return refusal(unreadable());
    };
    let types: Vec<ColumnType> = output.iter().map(|column| column.data_type).collect();
    let Some(rows) = canonical::text_rows(&table, &types) else {
        return refusal(unreadable());
    };
    let csv = canonical::csv(output, &rows);
    let mut aids = Vec::new();
    for (index, column) in output.iter().enumerate() {
        aids.extend(numbers(&table, index, column, &request.rules));
    }
    aids.extend(texts(&rows, output, &types));
    let preview = Preview {
        aids,
        ..preview(output, rows, &csv)
    };
    Inspection {
        findings: vec![always_reviewed()],
        rows: preview.rows_total,
        preview: Some(preview),
        ..held(csv)
    }
}

fn always_reviewed() -> Finding {
    Finding::new(
        "reviewed_lane",
        Severity::Hold,
        "output",
        Bilingual::new(
            "WASM 作业的结果须经两名审核人放行",
            "the output of a WASM job is released by two reviewers",
        ),
        Bilingual::new("等待审核", "wait for the review"),
    )
}

fn aid(rule: &str, column: &str, cells: usize, zh: &str, en: &str) -> Finding {
    Finding::new(
        rule,
        Severity::Hold,
        canonical::inert(column),
        Bilingual::new(
            format!("{zh}（{cells} 个值）"),
            format!("{en} ({cells} values)"),
        ),
        Bilingual::new(
            "请审核人核对；必要时汇总或取整后重新提交",
            "reviewers: check these; where needed, aggregate or round and run again",
        ),
    )
}

/// Small counts, and numbers with more digits than a released statistic has.
fn numbers(
    table: &RecordBatch,
    index: usize,
    column: &OutputColumn,
    rules: &OutputRules,
) -> Vec<Finding> {
    let array = table.column(index);
    let threshold = i64::try_from(rules.threshold).unwrap_or(i64::MAX);
    let whole: Vec<i64> = match column.data_type {
        ColumnType::Int32 => array
            .as_primitive_opt::<Int32Type>()
            .map(|values| values.iter().flatten().map(i64::from).collect())
            .unwrap_or_default(),
        ColumnType::Int64 => array
            .as_primitive_opt::<Int64Type>()
            .map(|values| values.iter().flatten().collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    let real: Vec<f64> = array
        .as_primitive_opt::<Float64Type>()
        .map(|values| values.iter().flatten().collect())
        .unwrap_or_default();
    let small = whole
        .iter()
        .filter(|value| (1..threshold).contains(*value))
        .count()
        + real
            .iter()
            .filter(|v| v.fract() == 0.0 && **v >= 1.0 && **v < as_float(threshold))
            .count();
    let digits = usize::try_from(rules.significant_digits).unwrap_or(4) + 2;
    let precise = real
        .iter()
        .filter(|value| significant_digits(**value) > digits)
        .count()
        + whole
            .iter()
            .filter(|value| significant_digits(as_float(**value)) > digits)
            .count();
    let mut findings = Vec::new();
    if small > 0 {
        let (zh, en) = ("低于阈值的小计数", "counts below the threshold");
        findings.push(aid("small_counts", &column.name, small, zh, en));
    }
    if precise > 0 {
        let (zh, en) = (
            "有效数字过多，可能夹带信息",
            "numbers with many digits can carry data",
        );
        findings.push(aid("precise_numbers", &column.name, precise, zh, en));
    }
    findings
}

/// Integers to floats for looking at digits; the lost ones do not matter here.
#[allow(
    clippy::cast_precision_loss,
    reason = "only the number of digits is looked at"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}

fn significant_digits(value: f64) -> usize {
    if !value.is_finite() {
        return 0;
    }
    let text = format!("{value:e}");
    let mantissa = text.split('e').next().unwrap_or_default();
    mantissa.chars().filter(char::is_ascii_digit).count()
}

/// Identifiers and texts that look like an encoding.
fn texts(rows: &[Vec<String>], output: &[OutputColumn], types: &[ColumnType]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut budget = SEARCHED_BYTES_MAX;
    for (index, column) in output.iter().enumerate() {
        let (mut identifiers, mut dense) = (0usize, 0usize);
        for value in rows.iter().filter_map(|row| row.get(index)) {
            if value.is_empty() {
                continue;
            }
            if budget < value.len() {
                budget = 0;
                continue;
            }
            budget -= value.len();
            identifiers += usize::from(!find_identifiers(value).is_empty());
            dense += usize::from(types[index] == ColumnType::Utf8 && looks_encoded(value));
        }
        if identifiers > 0 {
            let (zh, en) = (
                "疑似个人或单位标识",
                "look like identifiers of persons or enterprises",
            );
            findings.push(aid("identifiers", &column.name, identifiers, zh, en));
        }
        if dense > 0 {
            let (zh, en) = ("高熵文本，可能为编码", "dense text that may be an encoding");
            findings.push(aid("dense_text", &column.name, dense, zh, en));
        }
    }
    if budget == 0 {
        let (zh, en) = ("文本过多，未能全部检查", "more text than is searched");
        findings.push(aid("text_not_searched", "output", rows.len(), zh, en));
    }
    findings
}

fn looks_encoded(value: &str) -> bool {
    let length = value.chars().count();
    if length < ENTROPY_LENGTH_MIN || value.contains(' ') {
        return false;
    }
    let mut counts: HashMap<char, u32> = HashMap::new();
    for character in value.chars() {
        *counts.entry(character).or_default() += 1;
    }
    let total = f64::from(u32::try_from(length).unwrap_or(u32::MAX));
    let bits: f64 = counts
        .values()
        .map(|&count| {
            let share = f64::from(count) / total;
            -share * share.log2()
        })
        .sum();
    bits > ENTROPY_BITS_MIN && value.chars().filter(char::is_ascii).count() * 2 > length
}

#[cfg(test)]
mod tests;
