//! Risk of re-identification of a file.

use super::super::failure::{Failure, label};
use super::super::output::{Format, Printer};
use super::input::{Input, data_format, of_table, with_progress};
use crate::http::dto::RiskView;
use crate::report::measure_rows;
use sandbox::{Reading, RiskReport, TableFile, risk_file};
use std::path::{Path, PathBuf};
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
    /// 总体文件，含准标识符各列，形式与数据一致（脱敏后的数据须与同样脱敏的总体比较）· file of the population with the
    /// quasi-identifiers, in the form of the data (masked data are compared with a population masked alike)
    #[arg(long, value_name = "FILE")]
    population: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self, printer: &Printer) -> Result<(), Failure> {
        let table = self.input.open()?;
        let named = (!self.quasi.is_empty()).then_some((self.quasi, self.sensitive));
        let population = match &self.population {
            Some(file) => Some(beside(&table, file)?),
            None => None,
        };
        let passes = if named.is_some() { 1 } else { 2 };
        let report = with_progress(&table, passes, |read| {
            risk_file(&table, named, population.as_ref(), Arc::clone(read))
        })
        .map_err(|error| of_table(&self.input.file, error))?;
        if printer.format == Format::Json {
            return printer.json(&report);
        }
        risks(printer, [("值", "value", &report)])
    }
}

/// The population, its columns read as those of the data.
fn beside(table: &TableFile, file: &Path) -> Result<TableFile, Failure> {
    let reading = Reading {
        format: data_format(file, None)?,
        encoding: None,
        types: Vec::new(),
    };
    table
        .open_beside(file, reading)
        .map_err(|error| of_table(file, error))
}

/// Measures in lines, a column for each report.
pub(super) fn risks<const N: usize>(
    printer: &Printer,
    reports: [(&str, &str, &RiskReport); N],
) -> Result<(), Failure> {
    let views = reports.map(|(zh, en, report)| (zh, en, RiskView::from(report)));
    let each: Vec<_> = views
        .iter()
        .map(|(zh, en, view)| (*zh, *en, view))
        .collect();
    risk_views(printer, &each)
}

/// The same of views.
pub(in super::super) fn risk_views(
    printer: &Printer,
    views: &[(&str, &str, &RiskView)],
) -> Result<(), Failure> {
    let lang = printer.lang;
    let mut headings = vec![label(lang, "指标", "measure").to_owned()];
    headings.extend(
        views
            .iter()
            .map(|(zh, en, _)| label(lang, zh, en).to_owned()),
    );
    let mut quasi = vec![label(lang, "准标识符", "quasi-identifiers").to_owned()];
    quasi.extend((views.iter()).map(|(_, _, view)| view.quasi_identifiers.join(", ")));
    let risks: Vec<&RiskView> = views.iter().map(|(_, _, view)| *view).collect();
    let mut rows = vec![quasi];
    rows.extend(measure_rows(lang, &risks));
    printer.cells(&headings, &rows)
}
