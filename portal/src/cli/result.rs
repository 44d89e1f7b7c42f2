//! `egret result`: what was released, and its certificate.

use super::failure::Failure;
use super::output::Printer;
use super::remote::{Remote, Session};
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

impl ResultArgs {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| match verb {
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
