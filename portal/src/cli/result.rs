//! `egret result`: what was released, and its certificate.

use super::failure::{Failure, findings};
use super::output::{Column, Format, Printer, column};
use super::remote::{Paging, Remote, Session};
use super::run::RELEASE;
use crate::http::dto::ReleaseQuery;
use sandbox::Lang;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `egret result`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResultArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 可见的结果，含待审与被拒：租户见本机构的，审查与审计人员见全部 · results that one may see, held and refused ones too: a tenant
    /// those of its own, reviewers and auditors all
    List(Paging),
    /// 结果的现状：是否仍然有效 · how a result stands: whether it is still good
    Show {
        /// 放行标识 · identifier of the release
        id: String,
    },
    /// 预览放行的结果 · show the released result
    Preview {
        /// 放行标识 · identifier of the release
        id: String,
    },
    /// 下载放行的结果 · download the released result
    Download {
        /// 放行标识 · identifier of the release
        id: String,
        /// 写入文件（默认：标准输出）· file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// 下载溯源证书 · download the certificate
    Certificate {
        /// 放行标识 · identifier of the release
        id: String,
        /// 写入文件（默认：标准输出）· file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

const LIST: &[Column] = &[
    column("标识", "id", "/id"),
    column("运行", "run", "/run"),
    column("状态", "state", "/state"),
    column("行数", "rows", "/rows"),
    column("建立时间", "made", "/created_at"),
];

impl ResultArgs {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| match verb {
            Verb::List(paging) => {
                let page = paging.query();
                let query = ReleaseQuery {
                    state: None,
                    limit: page.limit,
                    cursor: page.cursor,
                };
                let releases = session.client.releases(&query).await?;
                session.printer.page(&releases, LIST)
            }
            Verb::Show { id } => {
                let release = session.client.release(&id).await?;
                session.printer.one(&release, RELEASE)?;
                if session.printer.format == Format::Table {
                    let mut out = std::io::stdout().lock();
                    findings(&mut out, &release.findings, None, session.printer.lang)?;
                }
                Ok(())
            }
            Verb::Preview { id } => table(&session.printer, &session.client.download(&id).await?),
            Verb::Download { id, to } => keep(
                &session,
                &session.client.download(&id).await?,
                to.as_deref(),
            ),
            Verb::Certificate { id, to } => keep(
                &session,
                &session.client.certificate(&id).await?,
                to.as_deref(),
            ),
        })
    }
}

/// Writes bytes to a file, or to standard output as they are.
pub(super) fn keep(session: &Session, bytes: &[u8], to: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = to else { return raw(bytes) };
    std::fs::write(path, bytes).map_err(|error| Failure::unwritable(path, &error))?;
    let (shown, size) = (path.display(), bytes.len());
    session.printer.say(
        &format!("{shown}：{size} 字节"),
        &format!("{shown}: {size} bytes"),
    )
}

/// Writes bytes to standard output as they are.
pub(super) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Shows the canonical CSV of a release as a table.
pub(super) fn table(printer: &Printer, csv: &[u8]) -> Result<(), Failure> {
    let mut lines = records(&String::from_utf8_lossy(csv)).into_iter();
    let headings = lines.next().unwrap_or_default();
    printer.cells(&headings, &lines.collect::<Vec<_>>())
}

/// The records of a CSV document.
pub(crate) fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            letter => cell.push(letter),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_read_as_it_is_written() {
        assert_eq!(records("a,b\n1,\n"), vec![vec!["a", "b"], vec!["1", ""]]);
        assert_eq!(
            records("\"a,\"\"b\"\"\",c\r\n\"x\ny\",z"),
            vec![vec!["a,\"b\"", "c"], vec!["x\ny", "z"]]
        );
        assert!(records("").is_empty());
    }
}
