//! `egret mask`: classify, mask and measure files on this machine, without a server.

mod apply;
mod input;
mod report;
mod scan;
mod search;

pub(super) use input::{of_table, table_of};
pub(super) use report::risk_views;

use super::failure::Failure;
use super::output::{Format, Printer};
use sandbox::{CipherSuite, Lang, MaskKey, SystemEntropy, TableFolder};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `egret mask`.
#[derive(Debug, clap::Args)]
pub(crate) struct Mask {
    /// 输出形式 · form of the output
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// 号段、发卡行、区划、姓氏、列名词表所在文件夹，代替内置的表；缺少的文件仍用内置的 · folder of tables of number segments,
    /// card issuers, divisions, surnames and words of column names, in place of those built in; what it lacks stays built in
    #[arg(long, global = true, value_name = "FOLDER")]
    tables: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 各列含有什么：标识符、准标识符、敏感信息，及依据 · what the columns give away, and why
    Scan(input::Input),
    /// 建议的策略（TOML）；以 --k 搜索达到度量且损失最小的策略；或所给策略对每列的处理 · a suggested policy (TOML); with --k
    /// one that reaches a measure and loses as little as possible; or what a policy does to each column
    Plan(scan::Plan),
    /// 新建密钥文件，仅属主可读 · make a key file, readable by its owner alone
    Key {
        /// 密钥文件 · file of the key
        file: PathBuf,
        /// 密码套件，记录在密钥文件中 · the suite of algorithms, which the key file remembers
        #[arg(long, value_enum, default_value_t = SuiteName::International)]
        suite: SuiteName,
    },
    /// 前几行脱敏前后的样子 · the first rows before and after
    Preview(apply::Preview),
    /// 按策略脱敏，写入新文件 · mask by a policy into a new file
    Apply(apply::Apply),
    /// 重识别风险 · risk of re-identification
    Report(report::Report),
}

/// The suites as words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SuiteName {
    /// HMAC-SHA256、FF1-AES
    International,
    /// 国密：HMAC-SM3、FF1-SM4 · Chinese commercial cryptography
    Sm,
}

impl From<SuiteName> for CipherSuite {
    fn from(name: SuiteName) -> Self {
        match name {
            SuiteName::International => Self::International,
            SuiteName::Sm => Self::Sm,
        }
    }
}

impl Mask {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let printer = Printer {
            format: self.output,
            lang,
        };
        if let Err(failure) = self.tables.as_deref().map_or(Ok(()), use_tables) {
            return failure.report(self.output, lang);
        }
        let done = match self.verb {
            Verb::Scan(input) => scan::scan(&printer, &input),
            Verb::Plan(plan) => plan.run(&printer),
            Verb::Key { file, suite } => make_key(&printer, &file, suite.into()),
            Verb::Preview(preview) => preview.run(&printer),
            Verb::Apply(apply) => apply.run(&printer),
            Verb::Report(report) => report.run(&printer),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(self.output, lang),
        }
    }
}

fn use_tables(folder: &Path) -> Result<(), Failure> {
    TableFolder::read(folder)
        .and_then(|tables| tables.put_in_use())
        .map_err(|error| of_platform(&error))
}

fn make_key(printer: &Printer, file: &Path, suite: CipherSuite) -> Result<(), Failure> {
    MaskKey::make(file, suite, &SystemEntropy).map_err(|error| of_platform(&error))?;
    let shown = file.display();
    printer.say(
        &format!("密钥已写入 {shown}；妥善备份：没有它，令牌不能再次算出"),
        &format!("the key is in {shown}; keep a copy safe: without it no token can be made again"),
    )
}

/// An error of the platform's parts, on this side.
pub(super) fn of_platform(error: &sandbox::Error) -> Failure {
    let with = |lang: Lang| {
        let remedy = error.remedy().map(|remedy| remedy.text(lang));
        match remedy {
            Some(remedy) => format!("{} {remedy}", error.message().text(lang)),
            None => error.message().text(lang).to_owned(),
        }
    };
    Failure::new(with(Lang::Zh), with(Lang::En))
}
