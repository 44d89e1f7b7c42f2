//! Losses and requirements of a node from its rows, by their definitions.

use std::collections::{BTreeMap, BTreeSet};

use arrow::record_batch::RecordBatch;

use crate::generalise::{Goal, Hierarchy, InformationLoss};
use crate::risk::column;

type Row = (Vec<String>, String);

/// The least loss of all nodes that satisfy the goal.
pub(super) fn optimum(
    batch: &RecordBatch,
    quasi: &[(String, Hierarchy)],
    sensitive: &str,
    goal: &Goal,
) -> Option<f64> {
    let mut nodes = vec![Vec::new()];
    for (_, hierarchy) in quasi {
        let wider = nodes.iter().flat_map(|node: &Vec<usize>| {
            (0..hierarchy.levels()).map(|level| [node.as_slice(), &[level]].concat())
        });
        nodes = wider.collect();
    }
    let losses = nodes
        .iter()
        .filter_map(|levels| loss(batch, quasi, sensitive, goal, levels));
    losses.min_by(f64::total_cmp)
}

/// The loss of a node, if it satisfies the goal.
pub(super) fn loss(
    batch: &RecordBatch,
    quasi: &[(String, Hierarchy)],
    sensitive: &str,
    goal: &Goal,
    levels: &[usize],
) -> Option<f64> {
    let raw: Vec<Vec<Vec<String>>> = quasi
        .iter()
        .map(|(name, h)| labels(batch, name, h))
        .collect();
    let words = labels(batch, sensitive, &Hierarchy::suffix(&[1]).unwrap());
    let rows: Vec<Row> = (0..batch.num_rows())
        .map(|row| {
            let cells = raw
                .iter()
                .zip(levels)
                .map(|(column, level)| column[row][*level].clone());
            (cells.collect(), words[row][0].clone())
        })
        .collect();
    let mut classes: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    for (class, word) in &rows {
        classes.entry(class).or_default().push(word);
    }
    let all: Vec<&str> = rows.iter().map(|row| row.1.as_str()).collect();
    classes.retain(|_, words| satisfies(words, &all, goal));
    let kept: Vec<&str> = classes.values().flatten().copied().collect();
    let suppressed = rows.len() - kept.len();
    if kept.is_empty()
        || suppressed as f64 > goal.suppression_max * rows.len() as f64
        || !classes.values().all(|words| satisfies(words, &kept, goal))
    {
        return None;
    }
    let n = rows.len() as f64;
    Some(match goal.loss {
        InformationLoss::Discernibility => {
            let squares = classes
                .values()
                .map(|words| (words.len() * words.len()) as f64);
            squares.sum::<f64>() + suppressed as f64 * n
        }
        InformationLoss::AverageClassSize => {
            let count = classes.len() + usize::from(suppressed > 0);
            n / count as f64 / goal.requirement.k as f64
        }
        _ => {
            let means = (0..quasi.len()).map(|at| {
                let cell = |row: usize| {
                    let kept = classes.contains_key(rows[row].0.as_slice());
                    cell_loss(
                        goal.loss,
                        &raw[at],
                        row,
                        kept.then_some(levels[at]),
                        &quasi[at].1,
                    )
                };
                (0..rows.len()).map(cell).sum::<f64>() / unit(goal.loss, &raw[at])
            });
            let columns = quasi.len() as f64;
            match goal.loss {
                InformationLoss::Generalisation => {
                    means
                        .map(|mean| 1.0 + mean)
                        .product::<f64>()
                        .powf(1.0 / columns)
                        - 1.0
                }
                _ => means.sum::<f64>() / columns,
            }
        }
    })
}

/// By row and level, the label; null as a text that no label is.
fn labels(batch: &RecordBatch, name: &str, hierarchy: &Hierarchy) -> Vec<Vec<String>> {
    let values = column(batch, name).unwrap();
    let texts = arrow::compute::cast(&values, &arrow::datatypes::DataType::Utf8).unwrap();
    let texts = arrow::array::AsArray::as_string::<i32>(&texts).iter();
    let paths = hierarchy.paths(name, &values).unwrap();
    texts
        .zip(paths)
        .map(|(text, path)| match (text, path) {
            (Some(text), Some(path)) => [vec![text.to_owned()], path].concat(),
            _ => {
                let mut path = vec!["null".to_owned(); hierarchy.levels() - 1];
                path.push("*".to_owned());
                path
            }
        })
        .collect()
}

fn satisfies(class: &[&str], table: &[&str], goal: &Goal) -> bool {
    let share = |words: &[&str], word: &str| {
        words.iter().filter(|w| **w == word).count() as f64 / words.len() as f64
    };
    let values: BTreeSet<&str> = table.iter().copied().collect();
    let own: BTreeSet<&str> = class.iter().copied().collect();
    let distance: f64 = values
        .iter()
        .map(|v| (share(class, v) - share(table, v)).abs())
        .sum();
    let entropy: f64 = own
        .iter()
        .map(|v| share(class, v))
        .map(|p| -p * p.ln())
        .sum();
    let requirement = &goal.requirement;
    class.len() as u64 >= requirement.k
        && requirement.l_distinct.is_none_or(|l| own.len() as u64 >= l)
        && requirement
            .l_entropy
            .is_none_or(|l| entropy.exp() >= l - 1e-12)
        && requirement.t_closeness.is_none_or(|t| distance / 2.0 <= t)
}

/// The loss of one cell; without a level it is suppressed.
fn cell_loss(
    loss: InformationLoss,
    column: &[Vec<String>],
    row: usize,
    level: Option<usize>,
    hierarchy: &Hierarchy,
) -> f64 {
    let like = |level: usize| {
        column
            .iter()
            .filter(move |path| path[level] == column[row][level])
    };
    if loss == InformationLoss::NonUniformEntropy {
        let generalised = level.map_or(column.len(), |level| like(level).count());
        return (generalised as f64 / like(0).count() as f64).log2();
    }
    let Some(level) = level else {
        return 1.0;
    };
    let observed: BTreeSet<&String> = column.iter().map(|path| &path[0]).collect();
    let own: BTreeSet<&String> = like(level).map(|path| &path[0]).collect();
    let (all, own) = match hierarchy.leaves(level, &column[row][level]) {
        Some((all, own)) => (all as f64, own as f64),
        None => (observed.len() as f64, own.len() as f64),
    };
    if loss == InformationLoss::Generalisation {
        return if all > 1.0 {
            (own - 1.0) / (all - 1.0)
        } else {
            0.0
        };
    }
    let label = &column[row][level];
    if let (true, Some(width)) = (label != "*" && label != "null", hierarchy.width(level)) {
        let numbers = observed.iter().filter_map(|text| text.parse::<f64>().ok());
        let (low, high) = numbers.fold((f64::MAX, f64::MIN), |(l, h), n| (l.min(n), h.max(n)));
        return if high > low {
            (width / (high - low)).min(1.0)
        } else {
            0.0
        };
    }
    if own > 1.0 { own / all } else { 0.0 }
}

/// What the losses of a column's cells are divided by: the sum at its largest.
fn unit(loss: InformationLoss, column: &[Vec<String>]) -> f64 {
    let n = column.len() as f64;
    if loss != InformationLoss::NonUniformEntropy {
        return n;
    }
    let bits = |path: &Vec<String>| {
        let like = column.iter().filter(|other| other[0] == path[0]).count();
        (n / like as f64).log2()
    };
    let whole: f64 = column.iter().map(bits).sum();
    if whole > 0.0 { whole } else { 1.0 }
}
