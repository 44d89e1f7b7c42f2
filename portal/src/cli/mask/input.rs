//! The file that is worked on.

use super::super::dataset::FormatName;
use super::super::failure::{Failure, label};
use super::super::progress;
use super::super::push::format_of;
use indicatif::ProgressBar;
use sandbox::{
    Bilingual, ColumnType, DataFormat, IntakeFault, Lang, Reading, TableError, TableFile,
    TextEncoding,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A file, and how to read it.
#[derive(Debug, clap::Args)]
pub(crate) struct Input {
    /// 数据文件：CSV、JSON 行、Parquet 或 Arrow · file of data: CSV, JSON lines, Parquet or Arrow
    pub(super) file: PathBuf,
    /// 文件格式（默认：按扩展名）· format [default: by the file's extension]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// 字符编码（默认：自动识别）· character encoding of a text [default: detected]
    #[arg(long, value_name = "utf-8|gb18030|utf-16le|utf-16be")]
    encoding: Option<String>,
    /// 列的类型，可重复，例如 code=string · type of a column, may be repeated, such as code=string
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = typed)]
    types: Vec<(String, ColumnType)>,
}

impl Input {
    pub(super) fn open(&self) -> Result<TableFile, Failure> {
        let format = data_format(&self.file, self.format)?;
        let encoding = self.encoding.as_deref().map(encoding).transpose()?;
        let reading = Reading {
            format,
            encoding,
            types: self.types.clone(),
        };
        TableFile::open(&self.file, reading).map_err(|error| of_table(&self.file, error))
    }
}

/// A file whose extension tells its format.
pub(in super::super) fn table_of(file: &Path) -> Result<TableFile, Failure> {
    let reading = Reading {
        format: data_format(file, None)?,
        encoding: None,
        types: Vec::new(),
    };
    TableFile::open(file, reading).map_err(|error| of_table(file, error))
}

/// The format that is named, or that of the file's extension.
pub(super) fn data_format(file: &Path, named: Option<FormatName>) -> Result<DataFormat, Failure> {
    named
        .map(crate::http::dto::DataFormat::from)
        .map_or_else(|| format_of(file), Ok)
        .map(DataFormat::from)
}

fn encoding(name: &str) -> Result<TextEncoding, Failure> {
    TextEncoding::named(name).ok_or_else(|| {
        Failure::new(
            format!("不支持的编码 {name}；支持 utf-8、gb18030、utf-16le、utf-16be"),
            format!("no such encoding: {name}; there are utf-8, gb18030, utf-16le, utf-16be"),
        )
    })
}

fn typed(text: &str) -> Result<(String, ColumnType), String> {
    let kinds = [
        ColumnType::String,
        ColumnType::Int64,
        ColumnType::Float64,
        ColumnType::Bool,
        ColumnType::Date,
        ColumnType::Timestamp,
    ];
    let names = kinds.map(ColumnType::name).join(", ");
    let (column, kind) = text
        .rsplit_once('=')
        .ok_or_else(|| format!("COLUMN=TYPE; TYPE: {names}"))?;
    let kind = kinds.into_iter().find(|known| known.name() == kind);
    Ok((column.to_owned(), kind.ok_or(format!("TYPE: {names}"))?))
}

/// Runs `act` with a counter of bytes read, which is drawn as a bar of `passes` times the file.
pub(super) fn with_progress<T>(
    table: &TableFile,
    passes: u64,
    act: impl FnOnce(&Arc<AtomicU64>) -> T,
) -> T {
    let read = Arc::new(AtomicU64::new(0));
    let bar = progress::bytes(table.bytes().saturating_mul(passes));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| draw(&bar, &read, &ended));
        let done = act(&read);
        ended.store(true, Ordering::Relaxed);
        done
    })
}

fn draw(bar: &ProgressBar, read: &AtomicU64, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        bar.set_position(read.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(20));
    }
    bar.finish_and_clear();
}

/// Why a file could not be worked on.
pub(in super::super) fn of_table(file: &Path, error: TableError) -> Failure {
    let shown = file.display();
    match error {
        TableError::Fault(fault) => {
            let text = |lang| format!("{shown}：{}", line(&fault, lang));
            refused(text(Lang::Zh), text(Lang::En).replacen('：', ": ", 1))
        }
        TableError::Residual(faults) => {
            let text = |lang| {
                let lines: Vec<String> = faults.iter().map(|fault| line(fault, lang)).collect();
                lines.join("\n  ")
            };
            refused(
                format!(
                    "{shown} 未写出，策略保留的列中仍有标识符：\n  {}",
                    text(Lang::Zh)
                ),
                format!(
                    "nothing of {shown} was written: identifiers are left in columns that the policy keeps:\n  {}",
                    text(Lang::En)
                ),
            )
        }
        TableError::Refused(faults) => {
            let text = |lang: Lang| {
                let lines = faults.iter().map(|fault| {
                    let column = fault.column.as_deref().unwrap_or_default();
                    let (why, remedy) = (fault.message.text(lang), fault.remedy.text(lang));
                    format!("{} {column} {why} {remedy}", fault.code)
                });
                lines.collect::<Vec<_>>().join("\n  ")
            };
            refused(
                format!("策略不能用于 {shown}：\n  {}", text(Lang::Zh)),
                format!(
                    "the policy cannot be applied to {shown}:\n  {}",
                    text(Lang::En)
                ),
            )
        }
        TableError::Other { path, error } => of_table(&path, *error),
        TableError::Io { path, source } => Failure::unreadable(&path, &source),
    }
}

fn refused(zh: String, en: String) -> Failure {
    Failure::Message(6, Bilingual::new(zh, en))
}

fn line(fault: &IntakeFault, lang: Lang) -> String {
    let mut place = String::new();
    if let Some(row) = fault.row {
        place.push_str(&format!(" {} {row}", label(lang, "行", "row")));
    }
    if let Some(column) = &fault.column {
        place.push_str(&format!(" {} {column}", label(lang, "列", "column")));
    }
    let (why, remedy) = (fault.reason.text(lang), fault.remedy.text(lang));
    format!("{}{place} {why} {remedy}", fault.rule)
}
