//! Risk of re-identification of a file.

use super::super::failure::{Failure, label};
use super::super::output::{Format, Printer};
use super::input::{Input, of_table, with_progress};
use sandbox::{RiskReport, risk_file};
use std::sync::Arc;

/// Arguments of `egret mask report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    input: Input,
    /// 准标识符列，逗号分隔（默认：自动识别）· quasi-identifiers, by comma [default: found]
    #[arg(long, value_delimiter = ',')]
    quasi: Vec<String>,
    /// 敏感列 · sensitive column
    #[arg(long, requires = "quasi")]
    sensitive: Option<String>,
}

impl Report {
    pub(super) fn run(self, printer: &Printer) -> Result<(), Failure> {
        let table = self.input.open()?;
        let named = (!self.quasi.is_empty()).then_some((self.quasi, self.sensitive));
        let passes = if named.is_some() { 1 } else { 2 };
        let report = with_progress(&table, passes, |read| {
            risk_file(&table, named, Arc::clone(read))
        })
        .map_err(|error| of_table(&self.input.file, error))?;
        if printer.format == Format::Json {
            return printer.json(&report);
        }
        risks(printer, [("值", "value", &report)])
    }
}

/// Measures in lines, a column for each report.
pub(super) fn risks<const N: usize>(
    printer: &Printer,
    reports: [(&str, &str, &RiskReport); N],
) -> Result<(), Failure> {
    let lang = printer.lang;
    let percent = |value: f64| format!("{:.2} %", value * 100.0);
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
    type Measure<'a> = (&'a str, &'a str, Box<dyn Fn(&RiskReport) -> String + 'a>);
    let measures: [Measure<'_>; 11] = [
        (
            "准标识符",
            "quasi-identifiers",
            Box::new(|risk| risk.quasi.join(", ")),
        ),
        ("行数", "rows", Box::new(|risk| risk.rows.to_string())),
        (
            "等价类",
            "equivalence classes",
            Box::new(|risk| risk.classes.to_string()),
        ),
        (
            "k（最小等价类）",
            "k (smallest class)",
            Box::new(|risk| risk.k.to_string()),
        ),
        (
            "唯一的行",
            "unique rows",
            Box::new(|risk| risk.uniques.to_string()),
        ),
        (
            "最高风险（检察官）",
            "highest risk (prosecutor)",
            Box::new(|risk| percent(risk.prosecutor_max)),
        ),
        (
            "平均风险（检察官）",
            "mean risk (prosecutor)",
            Box::new(|risk| percent(risk.prosecutor_avg)),
        ),
        (
            "营销者风险",
            "marketer risk",
            Box::new(|risk| percent(risk.marketer)),
        ),
        (
            "敏感列",
            "sensitive column",
            Box::new(|risk| risk.sensitive.clone().unwrap_or_default()),
        ),
        (
            "l（不同值）",
            "l (distinct)",
            Box::new(|risk| risk.l_distinct.map_or(String::new(), |l| l.to_string())),
        ),
        (
            "t（接近度）",
            "t (closeness)",
            Box::new(|risk| optional(risk.t_closeness)),
        ),
    ];
    let mut headings = vec![label(lang, "指标", "measure").to_owned()];
    headings.extend(
        reports
            .iter()
            .map(|(zh, en, _)| label(lang, zh, en).to_owned()),
    );
    let rows: Vec<Vec<String>> = measures
        .iter()
        .map(|(zh, en, show)| {
            let mut row = vec![label(lang, zh, en).to_owned()];
            row.extend(reports.iter().map(|(_, _, risk)| show(risk)));
            row
        })
        .collect();
    printer.cells(&headings, &rows)
}
