//! What reviewers should look at that only the platform knows: how the size of a result compares with
//! its inputs. Aids depend on the data, so they go to reviewers alone.

use review::{Finding, Preview, Severity};
use sqlx::{AnyConnection, Row};

use super::rows::ReleaseRow;
use crate::catalogue::VersionManifest;
use crate::document;
use crate::error::Error;
use crate::job::view::PinnedInput;
use crate::storage::storage_error;
use masking::Bilingual;

/// Rows of a result from which its size is compared: a few rows are as many as a small input's by chance.
const ROWS_MIN: u64 = 2;

/// An input as large as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    table: String,
    rows: u64,
    /// Units that are numbered in its universe; none where rows speak of nobody.
    units: Option<u64>,
}

/// The sizes of the public inputs that the evidence names.
pub(super) async fn sizes(
    conn: &mut AnyConnection,
    evidence: &serde_json::Value,
) -> Result<Vec<Size>, Error> {
    let inputs: Vec<PinnedInput> = serde_json::from_value(evidence["inputs"].clone())
        .map_err(|source| Error::internal("read the inputs of an evidence pack", source))?;
    let failed = |source| storage_error("read the sizes of inputs", source);
    let mut sizes = Vec::new();
    for input in inputs.into_iter().filter(|input| !input.private) {
        let found = sqlx::query("SELECT manifest FROM dataset_versions WHERE id = $1")
            .bind(input.version.as_str())
            .fetch_optional(&mut *conn)
            .await
            .map_err(failed)?;
        let Some(found) = found else { continue };
        let manifest: VersionManifest = document::read(
            "read a version",
            &found.try_get::<String, _>(0).map_err(failed)?,
        )?;
        sizes.push(Size {
            table: input.table,
            rows: manifest.rows,
            units: manifest.universe.map(|universe| universe.units),
        });
    }
    Ok(sizes)
}

/// The aids of a held result.
pub(super) fn aids(
    row: &ReleaseRow,
    preview: &Preview,
    sizes: &[Size],
    threshold: u64,
) -> Vec<Finding> {
    let mut aids = Vec::new();
    let total = preview.rows_total;
    let shown = u64::try_from(preview.rows.len()).unwrap_or(u64::MAX);
    if shown < total {
        let id = &row.id;
        aids.push(Finding::new(
            "rows_beyond_preview",
            Severity::Hold,
            "output",
            Bilingual::new(
                format!("此处只显示 {total} 行中的前 {shown} 行，放行的是全部 {total} 行"),
                format!("only {shown} of {total} rows are shown here, and all {total} would leave"),
            ),
            Bilingual::new(
                format!("表决前阅读全部：egret review rows {id}"),
                format!("read all of them before voting: egret review rows {id}"),
            ),
        ));
    }
    if total < ROWS_MIN {
        return aids;
    }
    for size in sizes {
        aids.extend(size_aid(size, total, threshold));
    }
    aids
}

fn size_aid(size: &Size, total: u64, threshold: u64) -> Option<Finding> {
    let Size { table, rows, units } = size;
    let (rule, zh, en) = if total >= *rows {
        (
            "one_row_for_each_input_row",
            format!("结果有 {total} 行，不少于输入 {table} 的 {rows} 行：可能是逐行输出"),
            format!(
                "the result has {total} rows, as many as the input {table} ({rows}) or more: it may be row by row"
            ),
        )
    } else if units.is_some_and(|units| units == total) {
        (
            "one_row_for_each_unit",
            format!("结果有 {total} 行，与输入 {table} 的隐私单元一样多：可能每个单元一行"),
            format!(
                "the result has {total} rows, as many as there are units behind the input {table}: it may be one row for each"
            ),
        )
    } else if units.is_some() && total.saturating_mul(threshold) > *rows {
        (
            "rows_too_many_for_groups",
            format!(
                "结果有 {total} 行，输入 {table} 只有 {rows} 行：不可能每行都来自至少 {threshold} 个单元"
            ),
            format!(
                "the result has {total} rows and the input {table} {rows}: not every one can come from {threshold} units or more"
            ),
        )
    } else {
        return None;
    };
    Some(Finding::new(
        rule,
        Severity::Hold,
        table.clone(),
        Bilingual::new(zh, en),
        Bilingual::new(
            "请审核人核对结果是否为汇总",
            "reviewers: see whether the result is an aggregate",
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(total: u64, rows: u64, units: Option<u64>) -> Option<String> {
        let size = Size {
            table: "t".to_owned(),
            rows,
            units,
        };
        size_aid(&size, total, 10).map(|finding| finding.rule)
    }

    #[test]
    fn the_size_of_a_result_is_held_against_its_inputs() {
        for (total, rows, units, expect) in [
            (600, 600, Some(600), Some("one_row_for_each_input_row")),
            (601, 600, None, Some("one_row_for_each_input_row")),
            (600, 9_000, Some(600), Some("one_row_for_each_unit")),
            (599, 5_980, Some(600), Some("rows_too_many_for_groups")),
            (599, 5_990, Some(600), None),
            (599, 600, None, None),
            (6, 600, Some(600), None),
        ] {
            assert_eq!(
                rule(total, rows, units).as_deref(),
                expect,
                "{total} of {rows}, {units:?}"
            );
        }
    }
}
