//! From a result to a decision.
//!
//! The proved lane, cell by cell: threshold, dominance, distinct values, class disclosure; then what
//! earlier releases reveal, pair by pair and by linear combination; then rounding, the steps of the
//! program on what is left, and the canonical encoding. A refusal says the same words whatever the
//! data were.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Float64Type, Int64Type};
use masking::Bilingual;
use ring::digest::{SHA256, digest};
use roaring::RoaringBitmap;

use super::audit;
use super::canonical;
use super::cells::{self, Cell};
use super::combine::{self, Ask, Part};
use super::history::{self, History, Known};
use super::ipc::{self, Caps};
use super::offset::Offsets;
use super::reviewed;
use super::round;
use super::rules;
use super::steps;
use super::types::{Decision, InspectKind, InspectRequest, Inspection, Preview, ReleasedCell};
use crate::admission::{CellLayout, ColumnType, Governed, OutputColumn};
use crate::contract::OutputRules;
use crate::finding::{Finding, Severity};

/// Rows that a preview shows.
const PREVIEW_ROWS: usize = 100;

/// Decides what of an output may leave. The output is untrusted; whatever it is, it is answered.
pub fn inspect(request: &InspectRequest, output_ipc: &[u8]) -> Inspection {
    // Inspection reads hostile bytes with large libraries. Should one of them panic, nothing leaves.
    let job = std::panic::AssertUnwindSafe(|| match &request.kind {
        InspectKind::Sql { governed } => proved(request, governed, output_ipc),
        InspectKind::Wasm { output } => reviewed::inspect(request, output, output_ipc),
    });
    std::panic::catch_unwind(job).unwrap_or_else(|_| refusal(unreadable()))
}

fn proved(request: &InspectRequest, governed: &Governed, bytes: &[u8]) -> Inspection {
    let layout = &governed.cells;
    if !cells::layout_holds(layout) {
        return refusal(unreadable());
    }
    let caps = Caps {
        rows: request.rows_max,
        bytes: request.bytes_max,
    };
    let Ok(batch) = ipc::read(bytes, &cells::raw_types(layout), caps) else {
        return refusal(unreadable());
    };
    let Some(cells) = cells::cells(&batch, layout) else {
        return refusal(unreadable());
    };
    let Some(checked) = check(request, governed, &batch, &cells) else {
        return refusal(unreadable());
    };
    let kept: Vec<usize> = (0..cells.len())
        .filter(|&index| checked.passing[index])
        .collect();
    let failed = cells.len() - kept.len();
    let labelled = layout.groups.iter().any(|group| group.private);
    // Nothing passes, or little: the words do not tell how many cells there were.
    let few = kept.is_empty() || (request.rules.half_refuses && failed * 2 > cells.len());
    // The tenant chose who is under which labels: which of them leave would tell where people were added.
    let inspection = if labelled && (few || (failed > 0 && overlap(&cells))) {
        refusal(labels_withheld())
    } else if few {
        refusal(too_small())
    } else {
        release(request, governed, &batch, &cells, &kept, checked.audited)
            .unwrap_or_else(|| refusal(unreadable()))
    };
    Inspection {
        // Who is under a label of a private table is the tenant's question, and that it is missing an answer.
        counted: checked.counted
            || (labelled && failed > 0)
            || inspection.decision == Decision::Refuse,
        marginal: marginal(request, layout, &cells),
        ..inspection
    }
}

/// Whether units are in several cells.
fn overlap(cells: &[Cell]) -> bool {
    let Some(first) = cells.first() else {
        return false;
    };
    (0..first.units.len()).any(|universe| {
        let mut seen = RoaringBitmap::new();
        cells.iter().any(|cell| {
            let units = &cell.units[universe];
            let met = !seen.is_disjoint(units);
            seen |= units;
            met
        })
    })
}

/// Sets for which an offset matters that was not given.
fn marginal(request: &InspectRequest, layout: &CellLayout, cells: &[Cell]) -> Vec<String> {
    let offsets = Offsets(request.offsets.as_ref());
    let digests = |sets: &mut dyn Iterator<Item = RoaringBitmap>| -> Vec<String> {
        sets.zip(&layout.universes)
            .filter_map(|(units, column)| {
                offsets.missing(&column.universe, &units, request.rules.threshold)
            })
            .collect()
    };
    let missing: BTreeSet<String> = cells
        .iter()
        .flat_map(|cell| {
            let mut missing = digests(&mut cell.units.iter().cloned());
            missing.extend(digests(&mut cell.left_out()));
            missing.extend(cell.missing(layout).filter_map(|(universe, units)| {
                let universe = &layout.universes.get(universe)?.universe;
                offsets.missing(universe, &units, request.rules.threshold)
            }));
            missing
        })
        .collect();
    missing.into_iter().collect()
}

struct Checked {
    /// Which cells may leave.
    passing: Vec<bool>,
    /// Whether they were compared with all of history; if not, people decide.
    audited: bool,
    /// Whether a cell that passes for itself is withheld for others.
    counted: bool,
}

/// Which cells may leave: by themselves, beside each other, beside everything released before.
fn check(
    request: &InspectRequest,
    governed: &Governed,
    batch: &RecordBatch,
    cells: &[Cell],
) -> Option<Checked> {
    let (layout, rules) = (&governed.cells, &request.rules);
    let disclosed = rules::class_disclosed(batch, cells, layout)?;
    let offsets = Offsets(request.offsets.as_ref());
    let mut passing: Vec<bool> = cells
        .iter()
        .zip(&disclosed)
        .map(|(cell, disclosed)| rules::passes(cell, layout, rules, offsets) && !disclosed)
        .collect();
    let alone = passing.clone();
    let checked = |passing: Vec<bool>, audited: bool| {
        Some(Checked {
            counted: passing != alone,
            passing,
            audited,
        })
    };
    let unaudited = |passing: Vec<bool>| checked(passing, false);
    if request.history.len() > history::CELLS_MAX {
        return unaudited(passing);
    }
    let disjoint = rows_are_in_one_cell(layout);
    // The larger cells first: where one of several has to stay, it is a small one.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    for (universe, column) in layout.universes.iter().enumerate() {
        let mut about = RoaringBitmap::new();
        for (cell, _) in cells.iter().zip(&passing).filter(|(_, passing)| **passing) {
            about |= cell.around.get(universe).unwrap_or(&cell.units[universe]);
        }
        let Some(mut history) = History::of(&column.universe, &request.history, &about) else {
            return unaudited(passing);
        };
        let known: Vec<Known> = cells
            .iter()
            .map(|cell| cell.known(layout, universe))
            .collect();
        // What was told already tells nothing more, whoever asks.
        let repeats: Vec<bool> = known.iter().map(|cell| history.repeats(cell)).collect();
        for (index, Known { units, print, .. }) in known.iter().enumerate() {
            passing[index] = passing[index]
                && (repeats[index]
                    || (!history.differences(units, print, rules.threshold)
                        && !history.leaves_out(&known[index], rules.threshold)
                        && !history.classes(units, print)));
        }
        order.sort_by_key(|&index| (u64::MAX - cells[index].units[universe].len(), index));
        let left: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&index| passing[index] && !repeats[index])
            .collect();
        let told: Vec<usize> = left
            .iter()
            .copied()
            .filter(|&index| known[index].print.tells_set(&known[index].units))
            .collect();
        let new: Vec<_> = told.iter().map(|&index| &known[index].units).collect();
        let Ok(withheld) = audit::withheld(&history.sets(), &new, rules.threshold, disjoint) else {
            return unaudited(passing);
        };
        for (&index, withheld) in told.iter().zip(withheld) {
            passing[index] = !withheld;
        }
        let mut work = audit::WORK_MAX;
        let new: Vec<(usize, &Known)> = left
            .iter()
            .filter(|&&index| passing[index])
            .map(|&index| (index, &known[index]))
            .collect();
        match combined(&history, &new, (rules, disjoint), &mut work) {
            Ok(withheld) => withheld.iter().for_each(|&index| passing[index] = false),
            Err(audit::TooLarge) => return unaudited(passing),
        }
        for index in left {
            let Known { units, print, .. } = &known[index];
            if !passing[index] {
                continue;
            }
            // Cells that may share rows are released one after the other: each is history to the next.
            let beside = history.differences(units, print, rules.threshold)
                || history.leaves_out(&known[index], rules.threshold);
            if !disjoint && beside {
                passing[index] = false;
                continue;
            }
            match audit::rows_exposed(&history.known(), (units, print), &mut work) {
                Ok(exposed) => passing[index] = !exposed,
                Err(audit::TooLarge) => return unaudited(passing),
            }
            if !disjoint && passing[index] {
                history.take(known[index].clone());
            }
        }
    }
    checked(passing, true)
}

/// Cells that tell too much of a few together with others, one argument after the other.
fn combined(
    history: &History,
    new: &[(usize, &Known)],
    (rules, disjoint): (&OutputRules, bool),
    work: &mut u64,
) -> Result<Vec<usize>, audit::TooLarge> {
    let known = history.known();
    let several = |cell: &Known| cell.print.several(&cell.units);
    let held = new.iter().flat_map(|(_, cell)| cell.shares.keys());
    let families: BTreeSet<String> = held.map(|name| history::family(name)).collect();
    let mut withheld = Vec::new();
    for family in families {
        let counts = !family.starts_with("value:") && !family.starts_with("square:");
        // With one row a unit, a count of rows is the set, which was looked at.
        if family == "rows"
            && !known
                .iter()
                .copied()
                .chain(new.iter().map(|(_, cell)| *cell))
                .any(several)
        {
            continue;
        }
        let earlier: Vec<Part<'_>> = known.iter().flat_map(|cell| cell.parts(&family)).collect();
        let of_cells = |(index, cell): &'_ (usize, &Known)| (*index, cell.parts(&family).count());
        let owners: Vec<usize> = new
            .iter()
            .map(of_cells)
            .flat_map(|(index, parts)| std::iter::repeat_n(index, parts))
            .collect();
        let parts: Vec<Part<'_>> = new
            .iter()
            .flat_map(|(_, cell)| cell.parts(&family))
            .collect();
        let ask = Ask {
            rules,
            whole: counts,
            new_alone_is_safe: disjoint && counts,
        };
        let exposing = combine::withheld(&earlier, &parts, ask, work)?;
        withheld.extend(
            owners
                .into_iter()
                .zip(exposing)
                .filter_map(|(index, exposing)| exposing.then_some(index)),
        );
    }
    Ok(withheld)
}

/// Whether each row of a table with units is in one cell at most: the only such table is grouped by its own
/// columns. A group of any other table may put one row, or all rows of a person, into several cells.
fn rows_are_in_one_cell(layout: &CellLayout) -> bool {
    layout.universes.len() == 1
        && layout
            .groups
            .iter()
            .all(|group| !group.private && group.pins.is_some())
}

fn release(
    request: &InspectRequest,
    governed: &Governed,
    batch: &RecordBatch,
    cells: &[Cell],
    kept: &[usize],
    audited: bool,
) -> Option<Inspection> {
    let layout = &governed.cells;
    let table = rounded(batch, governed, cells, kept, &request.rules)?;
    let types: Vec<ColumnType> = layout
        .groups
        .iter()
        .map(|group| group.data_type)
        .chain(
            layout
                .aggregates
                .iter()
                .map(|aggregate| aggregate.kind.column_type()),
        )
        .collect();
    let (table, types) = steps::apply(table, &types, &governed.post).ok()?;
    let declared: Vec<ColumnType> = governed
        .output
        .iter()
        .map(|column| column.data_type)
        .collect();
    if types != declared {
        return None;
    }
    if u64::try_from(table.num_rows()).ok()? > request.rules.rows_max {
        return Some(refusal(too_many_rows(request.rules.rows_max)));
    }
    let rows = canonical::text_rows(&table, &types)?;
    let csv = canonical::csv(&governed.output, &rows);
    let mut released = Vec::new();
    for &index in kept {
        for (universe, column) in layout.universes.iter().enumerate() {
            let units = history::encode(&cells[index].known(layout, universe))?;
            released.push(ReleasedCell {
                universe: column.universe.clone(),
                units,
            });
        }
    }
    // In the order of the sets, not of the engine.
    released.sort_by(|a, b| (&a.universe, &a.units).cmp(&(&b.universe, &b.units)));
    let suppressed = cells.len() - kept.len();
    let decision = match (audited, suppressed) {
        (false, _) => Decision::Hold,
        (true, 0) => Decision::Release,
        (true, _) => Decision::PartialRelease,
    };
    let mut findings = Vec::new();
    if !audited {
        findings.push(not_audited());
    }
    if !layout.groups.is_empty() {
        findings.push(may_be_missing());
    }
    Some(Inspection {
        decision,
        findings,
        rows: u64::try_from(rows.len()).ok()?,
        preview: (!audited).then(|| {
            let mut shown = preview(&governed.output, rows, &csv);
            if suppressed > 0 {
                shown.aids.push(withheld(suppressed));
            }
            shown
        }),
        suppressed: u64::try_from(suppressed).ok()?,
        cells: released,
        ..held(csv)
    })
}

/// Group values and rounded aggregates of the kept cells.
fn rounded(
    batch: &RecordBatch,
    governed: &Governed,
    cells: &[Cell],
    kept: &[usize],
    rules: &OutputRules,
) -> Option<RecordBatch> {
    let layout = &governed.cells;
    let rows: UInt64Array = kept
        .iter()
        .map(|&index| u64::try_from(cells[index].row).unwrap_or(u64::MAX))
        .collect();
    let batch = take_record_batch(batch, &rows).ok()?;
    let groups = layout.groups.len();
    let mut arrays: Vec<ArrayRef> = batch.columns()[..groups].to_vec();
    let mut types: Vec<ColumnType> = layout.groups.iter().map(|group| group.data_type).collect();
    for (index, aggregate) in layout.aggregates.iter().enumerate() {
        let column = batch.column(groups + index);
        arrays.push(if aggregate.kind.counts() {
            let counts = column.as_primitive_opt::<Int64Type>()?;
            let rounded = counts
                .iter()
                .map(|v| v.map(|v| round::count(v, rules.count_base)));
            Arc::new(rounded.collect::<Int64Array>())
        } else {
            let values = column.as_primitive_opt::<Float64Type>()?;
            let digits = rules.significant_digits;
            let rounded = values
                .iter()
                .map(|v| v.and_then(|v| round::significant(v, digits)));
            Arc::new(rounded.collect::<Float64Array>())
        });
        types.push(aggregate.kind.column_type());
    }
    steps::numbered(arrays, &types, batch.num_rows()).ok()
}

/// An inspection that carries bytes; decision and findings are filled in by whoever calls.
pub(super) fn held(csv: Vec<u8>) -> Inspection {
    Inspection {
        decision: Decision::Hold,
        findings: Vec::new(),
        sha256: hex::encode(digest(&SHA256, &csv)),
        released: Some(csv),
        rows: 0,
        suppressed: 0,
        counted: false,
        marginal: Vec::new(),
        cells: Vec::new(),
        preview: None,
    }
}

/// What reviewers are shown of text rows.
pub(super) fn preview(output: &[OutputColumn], rows: Vec<Vec<String>>, csv: &[u8]) -> Preview {
    Preview {
        columns: output
            .iter()
            .map(|column| canonical::inert(&column.name))
            .collect(),
        rows_total: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        bytes_total: u64::try_from(csv.len()).unwrap_or(u64::MAX),
        rows: rows.into_iter().take(PREVIEW_ROWS).collect(),
        aids: Vec::new(),
    }
}

/// For reviewers alone: how many cells are missing.
fn withheld(cells: usize) -> Finding {
    Finding::new(
        "cells_withheld",
        Severity::Suppress,
        "output",
        Bilingual::new(
            format!("{cells} 个单元格不满足出域规则，未列出"),
            format!("{cells} cells do not meet the output rules and are not shown"),
        ),
        Bilingual::new("核对其余单元格", "look at the others"),
    )
}

/// Nothing leaves.
pub(super) fn refusal(finding: Finding) -> Inspection {
    Inspection {
        decision: Decision::Refuse,
        findings: vec![finding],
        released: None,
        sha256: String::new(),
        rows: 0,
        suppressed: 0,
        counted: false,
        marginal: Vec::new(),
        cells: Vec::new(),
        preview: None,
    }
}

/// The history is too large or damaged for the audit: the cells pass by themselves, people decide.
fn not_audited() -> Finding {
    Finding::new(
        "history_not_audited",
        Severity::Hold,
        "history",
        Bilingual::new(
            "历史发布过多，无法自动核对，须人工审核",
            "there is more history than can be audited automatically, so people decide",
        ),
        Bilingual::new("等待审核", "wait for the review"),
    )
}

/// The output is not what the plan or the job fixed.
pub(super) fn unreadable() -> Finding {
    Finding::refuse(
        "output_not_as_fixed",
        "output",
        (
            "输出不符合事先固定的列、类型或大小",
            "the output does not have the columns, types or size that were fixed before the run",
        ),
        (
            "按声明的列输出，并缩小结果",
            "write the declared columns, and a smaller result",
        ),
    )
}

fn too_small() -> Finding {
    Finding::refuse(
        "too_few_per_cell",
        "output",
        (
            "多数单元格不满足出域规则，整表不予放行",
            "most cells do not meet the output rules, so the table stays",
        ),
        (
            "减少分组维度、合并类别或放宽过滤条件；已出域的结果也计入比对：与其合起来只涉及少数人的不予放行，换一种与其相同或相差较多人的分组",
            "group by fewer dimensions, merge categories, or filter less. What left before counts, too: what tells of few people beside it stays, so ask for the same groups again or for groups that differ by many people",
        ),
    )
}

fn labels_withheld() -> Finding {
    Finding::refuse(
        "labels_withheld",
        "output",
        (
            "按非公共数据的列分组：多数单元格不满足出域规则，或标签涉及同一批人而其中有不满足的，整表不予放行",
            "grouped by a column of a private table: most cells do not meet the output rules, or one of several that name the same people does not, so the table stays",
        ),
        (
            "合并标签，使每个标签涉及更多人且互不重叠",
            "merge labels, so that each names more people and none the people of another",
        ),
    )
}

fn too_many_rows(max: u64) -> Finding {
    Finding::refuse(
        "too_many_rows",
        "output",
        (
            format!("结果超过 {max} 行"),
            format!("the result has more than {max} rows"),
        ),
        (
            "减少分组维度或使用 LIMIT",
            "group by fewer dimensions, or use LIMIT",
        ),
    )
}

/// Said of every table with groups, whether or not a cell is missing: which are, tells of the people in them.
fn may_be_missing() -> Finding {
    Finding::new(
        "cells_may_be_missing",
        Severity::Note,
        "output",
        Bilingual::new(
            "不满足出域规则的单元格不列出；是否有此类单元格不作说明",
            "cells that do not meet the output rules are not shown, and whether there are any is not told",
        ),
        Bilingual::new(
            "减少分组维度或合并类别可得到更完整的结果",
            "fewer dimensions or merged categories give a more complete result",
        ),
    )
}
