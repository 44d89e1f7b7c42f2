//! What columns give away, and what a policy does about it.

use super::super::failure::Failure;
use super::super::output::{Column, Format, Printer, column};
use super::super::remote::text_of;
use super::input::{Input, of_table, with_progress};
use super::search::Wish;
use sandbox::{ColumnClass, MaskPolicy, TableFile, plan_file, scan_file};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CLASSES: &[Column] = &[
    column("列", "column", "/column"),
    column("类别", "class", "/class"),
    column("标识符", "identifier", "/identifier"),
    column("把握", "confidence", "/confidence"),
    column("依据", "why", "/evidence/reason"),
];
const PLANNED: &[Column] = &[
    column("列", "column", "/column"),
    column("类型", "type", "/kind"),
    column("类别", "class", "/class"),
    column("处理", "transform", "/transform"),
    column("保留", "kept", "/kept"),
];

/// Arguments of `egret mask plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    input: Input,
    /// 策略文件（TOML）；省略则给出建议 · the policy (TOML); without it one is suggested
    #[arg(long)]
    policy: Option<PathBuf>,
    #[command(flatten)]
    wish: Wish,
}

pub(super) fn scan(printer: &Printer, input: &Input) -> Result<(), Failure> {
    let table = input.open()?;
    printer.rows(&classes(&input.file, &table)?, CLASSES)
}

impl Plan {
    pub(super) fn run(self, printer: &Printer) -> Result<(), Failure> {
        if let Some(k) = self.wish.k {
            return self.wish.search(printer, &self.input, k);
        }
        let table = self.input.open()?;
        let classes = classes(&self.input.file, &table)?;
        let Some(policy) = &self.policy else {
            return printer.text(&MaskPolicy::suggest(&classes).to_toml());
        };
        let planned = plan_file(&table, &policy_of(policy)?, &classes)
            .map_err(|error| of_table(&self.input.file, error))?;
        match printer.format {
            Format::Json => printer.json(&planned),
            Format::Table | Format::Csv => printer.rows(&planned, PLANNED),
        }
    }
}

/// The classes of a file's columns, with a bar while they are found.
pub(super) fn classes(file: &Path, table: &TableFile) -> Result<Vec<ColumnClass>, Failure> {
    with_progress(table, 1, |read| scan_file(table, Arc::clone(read)))
        .map_err(|error| of_table(file, error))
}

/// A policy from a file.
pub(super) fn policy_of(file: &Path) -> Result<MaskPolicy, Failure> {
    MaskPolicy::parse(&text_of(file)?).map_err(|fault| {
        let shown = file.display();
        let (message, remedy) = (&fault.message, &fault.remedy);
        Failure::Message(
            7,
            sandbox::Bilingual::new(
                format!("{shown}：{} {}", message.zh, remedy.zh),
                format!("{shown}: {} {}", message.en, remedy.en),
            ),
        )
    })
}
