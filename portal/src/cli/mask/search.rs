//! A policy that reaches a measure, searched over the rows of a file.

use super::super::failure::{Failure, label};
use super::super::output::{Format, Printer};
use super::super::progress;
use super::input::{Input, of_table, with_progress};
use super::scan::classes;
use crate::http::dto::RiskView;
use crate::report::measure_rows;
use sandbox::{InformationLoss, Lang, MaskMeasure, PolicyFound, PolicyWish, search_file};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a policy is to reach, and how long may be searched.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// 搜索达到 k 且损失最小的策略：每类至少 k 行 · search a policy with classes of at least k rows that loses as little as possible
    #[arg(long, conflicts_with = "policy", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(super) k: Option<u32>,
    /// 每类至少 l 个不同的敏感值 · distinct sensitive values of a class, at least
    #[arg(long, requires = "k", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    l: Option<u32>,
    /// 敏感值分布与总体的最大距离，0 至 1 · distance of a class's sensitive values from all, at most, 0 to 1
    #[arg(long, requires = "k", value_parser = |text: &str| within(text, 1.0))]
    t: Option<f64>,
    /// 可剔除的行，百分比，0 至 10 · rows that may be left out, in percent, 0 to 10
    #[arg(long, requires = "k", default_value = "1", value_parser = |text: &str| within(text, 10.0))]
    suppress_percent: f64,
    /// 搜索时间（秒），到时给出已找到的最佳方案 · seconds to search; then the best found is given
    #[arg(long, requires = "k", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// 要尽量小的信息损失 · information loss to be made small
    #[arg(long, requires = "k", value_enum, default_value_t = Loss::Generalisation)]
    loss: Loss,
}

/// The measures of information loss as words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Loss {
    /// 标签所代表的取值比例 · share of values that a label stands for
    Generalisation,
    /// 等价类大小的平方和 · squared sizes of classes
    Discernibility,
    /// 平均等价类大小 · mean size of a class
    AverageClassSize,
    /// 非均匀熵 · non-uniform entropy
    NonUniformEntropy,
    /// 归一化确定性损失 · normalised certainty penalty
    CertaintyPenalty,
}

impl From<Loss> for InformationLoss {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Generalisation => Self::Generalisation,
            Loss::Discernibility => Self::Discernibility,
            Loss::AverageClassSize => Self::AverageClassSize,
            Loss::NonUniformEntropy => Self::NonUniformEntropy,
            Loss::CertaintyPenalty => Self::CertaintyPenalty,
        }
    }
}

/// The names of losses in both languages.
fn loss_name(loss: InformationLoss) -> (&'static str, &'static str) {
    match loss {
        InformationLoss::Generalisation => ("泛化损失", "generalisation loss"),
        InformationLoss::Discernibility => ("可区分度", "discernibility"),
        InformationLoss::AverageClassSize => ("平均等价类大小", "average class size"),
        InformationLoss::NonUniformEntropy => ("非均匀熵", "non-uniform entropy"),
        InformationLoss::CertaintyPenalty => ("确定性损失", "certainty penalty"),
    }
}

impl Wish {
    /// Searches and prints the policy, with what was found as comments above it.
    pub(super) fn search(&self, printer: &Printer, input: &Input, k: u32) -> Result<(), Failure> {
        let table = input.open()?;
        let classes = classes(&input.file, &table)?;
        let wish = PolicyWish {
            measure: MaskMeasure {
                k_min: k,
                l_min: self.l,
                t_max: self.t,
                delta_max: None,
                beta_max: None,
                suppress_percent_max: Some(self.suppress_percent),
            },
            loss: self.loss.into(),
        };
        let limit = Duration::from_secs(u64::from(self.seconds));
        let began = Instant::now();
        let searching = label(printer.lang, "已检查方案", "combinations checked");
        let spinner = progress::wait(searching);
        let (mut checked, mut first) = (0u64, None);
        // The time to read the file is not that of the search.
        let mut is_expired = || {
            checked += 1;
            if checked.is_multiple_of(32) {
                spinner.set_message(format!("{searching} {checked}"));
            }
            first.get_or_insert_with(Instant::now).elapsed() >= limit
        };
        let found = with_progress(&table, 1, |read| {
            search_file(&table, &classes, &wish, Arc::clone(read), &mut is_expired)
        });
        spinner.finish_and_clear();
        let found = found.map_err(|error| of_table(&input.file, error))?;
        let took = began.elapsed();
        match printer.format {
            Format::Json => printer.json(&document(&found, took)),
            Format::Table | Format::Csv => {
                printer.text(&comments(&found, took, printer.lang))?;
                printer.text(&found.policy.to_toml())
            }
        }
    }
}

fn document(found: &PolicyFound, took: Duration) -> serde_json::Value {
    let columns = found.columns.iter().map(|chosen| {
        json!({
            "column": chosen.column,
            "level": chosen.level,
            "levels": chosen.levels,
            "transform": chosen.transform.name(),
        })
    });
    let losses = found.losses.iter();
    let losses: serde_json::Map<String, serde_json::Value> = losses
        .map(|(loss, value)| (loss.as_str().to_owned(), json!(value)))
        .collect();
    json!({
        "policy": found.policy.to_toml(),
        "columns": columns.collect::<Vec<_>>(),
        "losses": losses,
        "checked": found.checks,
        "combinations": found.nodes,
        "optimal": found.is_optimal,
        "rows": found.rows,
        "suppressed_rows": found.suppressed,
        "seconds": took.as_secs_f64(),
        "risk": RiskView::from(&found.report),
    })
}

/// What was found, as comments of the policy document.
fn comments(found: &PolicyFound, took: Duration, lang: Lang) -> String {
    let mut lines =
        vec![label(
        lang,
        "各准标识符的级别（0 为原值，末级为删除）",
        "level of each quasi-identifier (0 keeps the values, the last leaves the column out)",
    )
    .to_owned()];
    lines.extend(found.columns.iter().map(|chosen| {
        let last = chosen.levels.saturating_sub(1);
        let name = chosen.transform.name();
        format!("  {}: {} / {last} ({name})", chosen.column, chosen.level)
    }));
    lines.push(label(lang, "信息损失", "information loss").to_owned());
    lines.extend(found.losses.iter().map(|(loss, value)| {
        let (zh, en) = loss_name(*loss);
        format!("  {}: {value:.6}", label(lang, zh, en))
    }));
    let checked = label(lang, "已检查方案", "combinations checked");
    let proof = if found.is_optimal {
        label(lang, "已证明损失最小", "none loses less")
    } else {
        label(
            lang,
            "时间已到或方案过多：已找到的最佳方案",
            "the best found, as the time was over or there are too many",
        )
    };
    let (checks, nodes) = (found.checks, found.nodes);
    lines.push(format!("{checked}: {checks} / {nodes}, {proof}"));
    let left_out = label(lang, "剔除的行", "rows left out");
    lines.push(format!("{left_out}: {} / {}", found.suppressed, found.rows));
    let seconds = label(lang, "用时（秒）", "seconds");
    lines.push(format!("{seconds}: {:.3}", took.as_secs_f64()));
    lines.push(label(lang, "达到的度量", "measures reached").to_owned());
    let risk = RiskView::from(&found.report);
    lines.extend(
        measure_rows(lang, &[&risk])
            .iter()
            .map(|row| format!("  {}", row.join(": "))),
    );
    let lines = lines.iter().map(|line| format!("# {line}\n"));
    lines.collect()
}

fn within(text: &str, most: f64) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (0.0..=most).contains(number))
        .ok_or_else(|| format!("0 … {most}"))
}
