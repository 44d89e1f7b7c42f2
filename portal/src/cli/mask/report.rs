//! Risk of re-identification of a file.

use super::super::failure::{Failure, label};
use super::super::output::{Format, Printer};
use super::input::{Input, of_table, with_progress};
use crate::http::dto::RiskView;
use crate::report::measures;
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
    let views = reports.map(|(zh, en, report)| (label(lang, zh, en), RiskView::from(report)));
    let mut headings = vec![label(lang, "指标", "measure").to_owned()];
    headings.extend(views.iter().map(|(name, _)| (*name).to_owned()));
    let quasi = label(lang, "准标识符", "quasi-identifiers").to_owned();
    let quasi = std::iter::once(quasi).chain(
        views
            .iter()
            .map(|(_, view)| view.quasi_identifiers.join(", ")),
    );
    let mut rows = vec![quasi.collect::<Vec<String>>()];
    rows.extend(measures().iter().map(|((zh, en), show)| {
        let name = std::iter::once(label(lang, zh, en).to_owned());
        name.chain(views.iter().map(|(_, view)| show(view)))
            .collect()
    }));
    printer.cells(&headings, &rows)
}
