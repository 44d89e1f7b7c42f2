//! The parts of a report.

use super::html::Page;
use super::plot::{Bars, bars};
use super::{ColumnLine, Report};
use crate::cli::chinese;
use crate::http::dto::{PopulationRiskView, QualityView, RiskView};
use sandbox::Lang;

/// Sizes of classes in the order of the histogram.
const SIZES: [&str; 8] = ["1", "2", "3-4", "5-9", "10-19", "20-49", "50-99", "100+"];

pub(super) fn facts(page: &mut Page, report: &Report<'_>) {
    page.heading(("概要", "summary"));
    let mut rows: Vec<Vec<String>> = report
        .facts
        .iter()
        .map(|(name, value)| vec![page.word(*name).to_owned(), value.clone()])
        .collect();
    if let Some(level) = report.level {
        let name = page.word((
            "去标识级别（GB/T 42460）",
            "level of de-identification (GB/T 42460)",
        ));
        rows.push(vec![name.to_owned(), level.to_string()]);
    }
    page.table(&[], &rows);
}

pub(super) fn columns(page: &mut Page, columns: &[ColumnLine]) {
    if columns.is_empty() {
        return;
    }
    page.heading(("各列含有什么", "what the columns give away"));
    let rows: Vec<Vec<String>> = columns
        .iter()
        .map(|line| {
            vec![
                line.column.clone(),
                named(page.lang, &line.class),
                percent(line.confidence),
                line.reason.clone(),
            ]
        })
        .collect();
    let headings = [
        ("列", "column"),
        ("类别", "class"),
        ("把握", "confidence"),
        ("依据", "why"),
    ]
    .map(|word| page.word(word).to_owned());
    page.table(&headings.each_ref().map(String::as_str), &rows);
}

pub(super) fn quality(page: &mut Page, quality: &QualityView) {
    page.heading(("质量", "quality"));
    let counts = [
        (("读入行", "rows read"), quality.rows_in),
        (("保留行", "rows kept"), quality.rows_kept),
        (("修复的值", "values repaired"), quality.repaired),
    ];
    let mut rows: Vec<Vec<String>> = counts
        .iter()
        .map(|(name, count)| vec![page.word(*name).to_owned(), count.to_string()])
        .collect();
    rows.extend(quality.rules.iter().map(|rule| {
        vec![
            format!("{} ({})", rule.rule, rule.columns.join(", ")),
            format!("{} / {}", rule.count, rule.checked),
        ]
    }));
    rows.extend(quality.notes.iter().map(|note| {
        let message = page.word((&note.message.zh, &note.message.en)).to_owned();
        vec![note.rule.clone(), message]
    }));
    let blocking = page.word(("阻断", "blocking"));
    rows.extend(
        quality
            .blocking
            .iter()
            .map(|rule| vec![rule.clone(), blocking.to_owned()]),
    );
    page.table(&[], &rows);
    let dimensions = quality
        .dimensions
        .iter()
        .map(|each| (named(page.lang, &each.dimension), each.score));
    let columns = quality
        .columns
        .iter()
        .map(|each| (each.column.clone(), each.score));
    let groups: Vec<Bars> = dimensions
        .chain(columns)
        .map(|(name, score)| Bars {
            name,
            values: vec![(score, "after", percent(score))],
        })
        .collect();
    let caption = page.word(("各维度与各列的得分", "score of each dimension and column"));
    let plot = bars(&groups, Some(1.0), caption);
    page.raw(&plot);
}

pub(super) fn risk(page: &mut Page, report: &Report<'_>) {
    page.heading(("重识别风险", "risk of re-identification"));
    let risks: Vec<&RiskView> = std::iter::once(report.before).chain(report.after).collect();
    let quasi = page.word(("准标识符：", "quasi-identifiers: ")).to_owned()
        + &report.before.quasi_identifiers.join(", ");
    page.note((&quasi, &quasi));
    let mut headings = vec![
        page.word(("指标", "measure")).to_owned(),
        page.word(("脱敏前", "before")).to_owned(),
    ];
    if report.after.is_some() {
        headings.push(page.word(("脱敏后", "after")).to_owned());
    }
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows = measure_rows(page.lang, &risks);
    page.table(&headings, &rows);
    let caption = page.word((
        "等价类按大小的数目（上：脱敏前，下：脱敏后）",
        "classes by size (above: before masking, below: after)",
    ));
    let plot = bars(&sizes(&risks), None, caption);
    page.raw(&plot);
    let caption = page.word((
        "攻击者的成功率（上：脱敏前，下：脱敏后）",
        "success of an attacker (above: before masking, below: after)",
    ));
    let plot = bars(&attackers(page, &risks), Some(1.0), caption);
    page.raw(&plot);
}

type Show = fn(&RiskView) -> String;
type Share = fn(&RiskView) -> f64;

/// A line for each measure that one of the risks has: its name, then its value in each.
pub(crate) fn measure_rows(lang: Lang, risks: &[&RiskView]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for ((zh, en), show) in MEASURES {
        let values: Vec<String> = risks.iter().map(|risk| show(risk)).collect();
        if values.iter().any(|value| !value.is_empty()) {
            let name = match lang {
                Lang::Zh => zh,
                Lang::En => en,
            };
            rows.push(std::iter::once((*name).to_owned()).chain(values).collect());
        }
    }
    rows
}

/// The measures of a risk, by name; one that a risk lacks shows nothing.
const MEASURES: &[((&str, &str), Show)] = &[
    (("行数", "rows"), |risk| risk.rows.to_string()),
    (("等价类", "equivalence classes"), |risk| {
        risk.classes.to_string()
    }),
    (("k（最小等价类）", "k (smallest class)"), |risk| {
        risk.k.to_string()
    }),
    (("唯一的行", "unique rows"), |risk| {
        risk.uniques.to_string()
    }),
    (
        ("最高风险（检察官）", "highest risk (prosecutor)"),
        |risk| percent(risk.prosecutor_max),
    ),
    (
        ("平均风险（检察官）", "mean risk (prosecutor)"),
        |risk| percent(risk.prosecutor_avg),
    ),
    (("营销者风险", "marketer risk"), |risk| {
        percent(risk.marketer)
    }),
    (("敏感列", "sensitive column"), |risk| {
        risk.sensitive.clone().unwrap_or_default()
    }),
    (("l（不同值）", "l (distinct)"), |risk| {
        optional(risk.l_distinct)
    }),
    (("l（熵）", "l (entropy)"), |risk| {
        decimals(risk.l_entropy)
    }),
    (
        ("l（递归，l：c 的下界）", "l (recursive, l: c above)"),
        |risk| {
            let each = risk.l_recursive.iter();
            let each: Vec<String> = each.map(|(l, c)| format!("{l}: {c:.4}")).collect();
            each.join("  ")
        },
    ),
    (("t（接近度）", "t (closeness)"), |risk| {
        decimals(risk.t_closeness)
    }),
    (("δ（披露）", "δ (disclosure)"), |risk| {
        decimals(risk.delta_disclosure)
    }),
    (("β（相似）", "β (likeness)"), |risk| {
        decimals(risk.beta_basic)
    }),
    (("β（增强相似）", "β (enhanced likeness)"), |risk| {
        decimals(risk.beta_enhanced)
    }),
    (("特殊唯一的行", "special unique rows"), |risk| {
        optional(risk.special.as_ref().map(|special| special.rows))
    }),
    (
        (
            "最小样本唯一（列数：个数）",
            "minimal sample uniques (columns: number)",
        ),
        |risk| {
            let special = risk.special.iter();
            let each = special.flat_map(|special| &special.by_size);
            let each: Vec<String> = each.map(|(size, sets)| format!("{size}: {sets}")).collect();
            each.join("  ")
        },
    ),
    (
        ("各列所占（特殊唯一）", "share of columns (special uniques)"),
        |risk| {
            let special = risk.special.iter().filter(|special| special.rows > 0);
            let each = special.flat_map(|special| &special.contributions);
            let each: Vec<String> = each
                .map(|each| format!("{} {}", each.column, percent(each.share)))
                .collect();
            each.join("  ")
        },
    ),
    (
        ("特殊唯一最高分", "highest special unique score"),
        |risk| optional(risk.special.as_ref().map(|special| special.score_max)),
    ),
    (
        (
            "特殊唯一命中概率，最高",
            "chance that a special unique is matched, highest",
        ),
        |risk| {
            let special = risk.special.as_ref();
            optional(
                special
                    .and_then(|special| special.intrusion_max)
                    .map(percent),
            )
        },
    ),
    (("总体行数", "rows of the population"), |risk| {
        optional(risk.population.as_ref().map(|all| all.rows))
    }),
    (("k-map", "k-map"), |risk| {
        optional(risk.population.as_ref().map(|all| all.k_map))
    }),
    (
        ("最高风险（记者）", "highest risk (journalist)"),
        |risk| {
            optional(
                risk.population
                    .as_ref()
                    .map(|all| percent(all.journalist_max)),
            )
        },
    ),
    (
        ("平均风险（记者）", "mean risk (journalist)"),
        |risk| {
            optional(
                risk.population
                    .as_ref()
                    .map(|all| percent(all.journalist_avg)),
            )
        },
    ),
    (("δ（在场）", "δ (presence)"), |risk| {
        let shown = |all: &PopulationRiskView| {
            format!(
                "{:.4} … {:.4}",
                all.delta_presence_min, all.delta_presence_max
            )
        };
        optional(risk.population.as_ref().map(shown))
    }),
    (
        ("总体中没有的行", "rows that the population lacks"),
        |risk| optional(risk.population.as_ref().map(|all| all.unmatched)),
    ),
];

fn sizes(risks: &[&RiskView]) -> Vec<Bars> {
    #[allow(clippy::cast_precision_loss, reason = "the length of a bar")]
    let value = |count: u64| count as f64;
    SIZES
        .iter()
        .map(|size| Bars {
            name: (*size).to_owned(),
            values: risks
                .iter()
                .zip(["before", "after"])
                .map(|(risk, class)| {
                    let count = risk.histogram.get(*size).copied().unwrap_or(0);
                    (value(count), class, count.to_string())
                })
                .collect(),
        })
        .collect()
}

fn attackers(page: &Page, risks: &[&RiskView]) -> Vec<Bars> {
    let attackers: [((&str, &str), Share); 3] = [
        (("检察官，最高", "prosecutor, highest"), |risk| {
            risk.prosecutor_max
        }),
        (("检察官，平均", "prosecutor, mean"), |risk| {
            risk.prosecutor_avg
        }),
        (("营销者", "marketer"), |risk| risk.marketer),
    ];
    attackers
        .iter()
        .map(|(name, of)| Bars {
            name: page.word(*name).to_owned(),
            values: risks
                .iter()
                .zip(["before", "after"])
                .map(|(risk, class)| (of(risk), class, percent(of(risk))))
                .collect(),
        })
        .collect()
}

fn named(lang: Lang, name: &str) -> String {
    match lang {
        Lang::Zh => chinese(name).unwrap_or(name).to_owned(),
        Lang::En => name.replace('_', "-"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn decimals(value: Option<f64>) -> String {
    optional(value.map(|value| format!("{value:.4}")))
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
