//! Masking a file, and looking at the first rows before.

use super::super::dataset::FormatName;
use super::super::failure::{Failure, label};
use super::super::output::{Column, Format, Printer, column};
use super::input::{Input, data_format, of_table, with_progress};
use super::report::risks;
use super::scan::{classes, policy_of};
use super::{SuiteName, of_platform};
use crate::report::{ColumnLine, Report};
use sandbox::{
    CipherSuite, Lang, MaskKey, MaskOutcome, mask_file, mask_passes, preview_file, shown_cells,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What masking takes.
#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    input: Input,
    /// 策略文件（TOML）· the policy (TOML)
    #[arg(long)]
    policy: PathBuf,
    /// 密钥文件，见 egret mask key · the key file, see egret mask key
    #[arg(long)]
    key: PathBuf,
    /// 密码套件；密钥文件属于另一套件时拒绝（默认：密钥文件所记录的）· the suite of algorithms; a key file of another is refused
    /// [default: that of the key file]
    #[arg(long, value_enum)]
    suite: Option<SuiteName>,
    /// 令牌的周期；换周期则所有令牌都变 · epoch of the tokens; another epoch makes other tokens
    #[arg(long, default_value_t = 1)]
    epoch: u32,
}

/// Arguments of `egret mask preview`.
#[derive(Debug, clap::Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    how: How,
    /// 行数 · rows
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rows: u16,
}

/// Arguments of `egret mask apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    how: How,
    /// 写入的文件 · file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// 写入的格式（默认：按扩展名）· format to write [default: by the extension]
    #[arg(long, value_enum)]
    to_format: Option<FormatName>,
    /// 报告写入的文件：.html 可打印，其他为 JSON · file for the report: .html can be printed, others are JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

const OUTCOME: &[Column] = &[
    column("行数", "rows", "/rows"),
    column("内容摘要", "sha256", "/sha256"),
    column("策略摘要", "policy sha256", "/policy_sha256"),
    column("密码套件", "cipher suite", "/cipher_suite"),
    column("密钥承诺", "key commitment", "/key_commitment"),
    column("周期", "epoch", "/epoch"),
];

impl Preview {
    pub(super) fn run(self, printer: &Printer) -> Result<(), Failure> {
        let How {
            input,
            policy,
            key,
            suite,
            epoch,
        } = self.how;
        let (policy, key) = (policy_of(&policy)?, read_key(&key, suite)?);
        let table = input.open()?;
        let classes = classes(&input.file, &table)?;
        let count = usize::from(self.rows);
        let (before, after) = preview_file(&table, &policy, &classes, (&key, epoch), count)
            .map_err(|error| of_table(&input.file, error))?;
        let lang = printer.lang;
        for (batch, zh, en) in [
            (before, "脱敏前：", "before:"),
            (after, "脱敏后：", "after:"),
        ] {
            printer.say(zh, en)?;
            let (headings, rows) = shown_cells(&batch);
            if printer.format == Format::Json {
                printer.json(&serde_json::json!({ "when": label(lang, zh, en), "columns": headings, "rows": rows }))?;
            } else {
                printer.cells(&headings, &rows)?;
            }
        }
        Ok(())
    }
}

impl Apply {
    pub(super) fn run(self, printer: &Printer) -> Result<(), Failure> {
        let How {
            input,
            policy,
            key,
            suite,
            epoch,
        } = self.how;
        let (policy, key) = (policy_of(&policy)?, read_key(&key, suite)?);
        let format = data_format(&self.to, self.to_format)?;
        let same = |file: &PathBuf| std::fs::canonicalize(file).ok();
        if same(&input.file).is_some() && same(&input.file) == same(&self.to) {
            return Err(Failure::new(
                "--to 不能是输入文件本身",
                "--to may not be the input itself",
            ));
        }
        let table = input.open()?;
        let classes = classes(&input.file, &table)?;
        let passes = mask_passes(&policy, &classes);
        let outcome = with_progress(&table, passes, |read| {
            let to = (self.to.as_path(), format);
            mask_file(
                &table,
                &policy,
                classes,
                (&key, epoch),
                to,
                Arc::clone(read),
            )
        })
        .map_err(|error| of_table(&input.file, error))?;
        if let Some(report) = &self.report {
            let text = if report
                .extension()
                .is_some_and(|extension| extension == "html")
            {
                printed(&self.to, &outcome, printer.lang)
            } else {
                serde_json::to_string_pretty(&outcome).map_err(std::io::Error::from)? + "\n"
            };
            std::fs::write(report, text).map_err(|error| Failure::unwritable(report, &error))?;
        }
        printer.one(&outcome, OUTCOME)?;
        if printer.format != Format::Table {
            return Ok(());
        }
        let left_out = outcome.suppressed_rows;
        if left_out > 0 {
            printer.say(
                &format!("{left_out} 行因同类过少而被剔除"),
                &format!("{left_out} rows were left out: too few others agree with them"),
            )?;
        }
        for (name, count) in &outcome.nulled {
            printer.say(
                &format!("{name} 列有 {count} 个值无法处理，置为空"),
                &format!("column {name}: {count} values could not be taken and are empty now"),
            )?;
        }
        risks(
            printer,
            [
                ("脱敏前", "before", &outcome.before),
                ("脱敏后", "after", &outcome.after),
            ],
        )
    }
}

/// The report that can be printed.
fn printed(to: &Path, outcome: &MaskOutcome, lang: Lang) -> String {
    let columns = outcome.classes.iter().map(|class| ColumnLine {
        column: class.column.clone(),
        class: serde_json::to_value(class.class)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default(),
        confidence: class.confidence,
        reason: class.evidence.reason.text(lang).to_owned(),
    });
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let (before, after) = ((&outcome.before).into(), (&outcome.after).into());
    Report {
        subject: &name,
        facts: vec![
            (("行数", "rows"), outcome.rows.to_string()),
            (
                ("剔除的行", "rows left out"),
                outcome.suppressed_rows.to_string(),
            ),
            (("内容摘要", "sha256"), outcome.sha256.clone()),
            (("策略摘要", "policy sha256"), outcome.policy_sha256.clone()),
            (
                ("密码套件", "cipher suite"),
                outcome.cipher_suite.to_owned(),
            ),
            (
                ("密钥承诺", "key commitment"),
                outcome.key_commitment.clone(),
            ),
            (("周期", "epoch"), outcome.epoch.to_string()),
        ],
        columns: columns.collect(),
        quality: None,
        before: &before,
        after: Some(&after),
        level: None,
    }
    .html(lang)
}

fn read_key(file: &Path, suite: Option<SuiteName>) -> Result<MaskKey, Failure> {
    let key = MaskKey::read(file).map_err(|error| of_platform(&error))?;
    let asked = suite.map_or(key.suite(), CipherSuite::from);
    if asked == key.suite() {
        return Ok(key);
    }
    let (shown, asked, given) = (file.display(), asked.as_str(), key.suite().as_str());
    Err(Failure::new(
        format!(
            "密钥文件 {shown} 属于套件 {given}，而 --suite 为 {asked}；请用 egret mask key --suite {asked} 另建密钥"
        ),
        format!(
            "the key file {shown} is of the suite {given}, and --suite says {asked}; make a key with egret mask key --suite {asked}"
        ),
    ))
}
