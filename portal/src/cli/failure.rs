//! Why a command did not succeed: what is printed, and the exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed on this side, or what was checked does not hold |
//! | 2 | the command line is wrong |
//! | 3 | nobody is signed in |
//! | 4 | not allowed |
//! | 5 | no such object |
//! | 6 | refused by a rule: not admitted, or not released |
//! | 7 | the request does not fit: invalid, too large, or in conflict |
//! | 8 | the server cannot be reached or cannot answer now |
//! | 9 | the result waits for people |
//! | 10 | the run failed or was stopped |

use super::output::{Format, printable};
use crate::client::ClientError;
use crate::http::dto::{Finding, Severity, Text};
use sandbox::{Bilingual, Lang};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused, or did not answer. The program that was sent, where places in it may be named.
    Client(Box<ClientError>, Option<String>),
    /// Something on this side, or a check that does not hold.
    Message(u8, Bilingual),
    /// Standard output is closed or full.
    Output(io::Error),
}

impl Failure {
    /// A failure on this side.
    pub(crate) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Message(1, Bilingual::new(zh, en))
    }

    /// Refused by a rule.
    pub(crate) fn refused(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Message(6, Bilingual::new(zh, en))
    }

    /// The result waits for people.
    pub(crate) fn held(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Message(9, Bilingual::new(zh, en))
    }

    /// The run failed or was stopped.
    pub(crate) fn no_result(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Message(10, Bilingual::new(zh, en))
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let (path, said) = (path.display(), sandbox::os_error(error));
        Self::new(
            format!("无法读取 {path}：{}", said.zh),
            format!("cannot read {path}: {}", said.en),
        )
    }

    /// A file that cannot be written.
    pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Self {
        let (path, said) = (path.display(), sandbox::os_error(error));
        Self::new(
            format!("无法写入 {path}：{}", said.zh),
            format!("cannot write {path}: {}", said.en),
        )
    }

    /// Keeps the program that was sent, so that its lines can be shown.
    pub(crate) fn about(self, program: &str) -> Self {
        match self {
            Self::Client(error, _) => Self::Client(error, Some(program.to_owned())),
            other => other,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Client(error, _)
                if error
                    .problem()
                    .is_some_and(|problem| !problem.findings.is_empty()) =>
            {
                6
            }
            Self::Client(error, _) => match error.status() {
                Some(401) => 3,
                Some(403) => 4,
                Some(404) => 5,
                Some(400..=499) => 7,
                Some(_) => 8,
                None if matches!(**error, ClientError::Local(_)) => 1,
                None => 8,
            },
            Self::Message(code, _) => *code,
            Self::Output(_) => 1,
        }
    }

    /// Prints to standard error and gives the exit code.
    pub(crate) fn report(&self, format: Format, lang: Lang) -> ExitCode {
        let mut err = io::stderr().lock();
        // Whoever closed standard error does not want to hear it.
        let _ = match (self, format) {
            (Self::Client(error, _), Format::Json) if error.problem().is_some() => {
                let document = error
                    .problem()
                    .and_then(|problem| serde_json::to_string_pretty(problem).ok());
                writeln!(err, "{}", document.unwrap_or_default())
            }
            (Self::Client(error, program), _) => explain(&mut err, error, program.as_deref(), lang),
            (Self::Message(_, message), _) => {
                let shown: Vec<String> = message.text(lang).lines().map(printable).collect();
                writeln!(err, "egret: {}", shown.join("\n"))
            }
            (Self::Output(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            (Self::Output(error), _) => writeln!(err, "egret: {error}"),
        };
        ExitCode::from(self.code())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(Box::new(error), None)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn explain(
    out: &mut impl Write,
    error: &ClientError,
    program: Option<&str>,
    lang: Lang,
) -> io::Result<()> {
    writeln!(out, "egret: {}", printable(&error.text(lang)))?;
    let Some(problem) = error.problem() else {
        return Ok(());
    };
    // The server speaks of its addresses; whoever sits here signs in by a command.
    let sign_in = label(
        lang,
        "用 egret login 账号 登录，或设置 EGRET_TOKEN。",
        "sign in with egret login ACCOUNT, or set EGRET_TOKEN.",
    );
    let remedy = match problem.code.as_str() {
        "unauthenticated" => Some(sign_in),
        _ => problem.remedy.as_deref(),
    };
    if let Some(remedy) = remedy {
        writeln!(
            out,
            "  {} {}",
            label(lang, "可以：", "what would help:"),
            printable(remedy)
        )?;
    }
    findings(out, &problem.findings, program, lang)?;
    if problem.findings.is_empty() {
        for span in &problem.spans {
            writeln!(out, "  {}:{}", span.line, span.column)?;
            mark(
                out,
                program,
                span.line,
                span.column,
                span.end_line,
                span.end_column,
            )?;
        }
    }
    let trace = label(lang, "追踪号", "trace id");
    writeln!(
        out,
        "  [{} {}] {trace} {}",
        problem.status,
        printable(&problem.code),
        printable(&problem.trace_id)
    )
}

/// Prints findings: rule and place, why, and what would pass.
pub(crate) fn findings(
    out: &mut impl Write,
    findings: &[Finding],
    program: Option<&str>,
    lang: Lang,
) -> io::Result<()> {
    for finding in findings {
        let severity = match finding.severity {
            Severity::Refuse => label(lang, "拒绝", "refused"),
            Severity::Hold => label(lang, "待人工", "held"),
            Severity::Suppress => label(lang, "抑制", "suppressed"),
            Severity::Note => label(lang, "提示", "note"),
        };
        let place = finding
            .place
            .map(|span| format!(" {}:{}", span.line, span.column))
            .unwrap_or_default();
        let subject = printable(&finding.subject);
        writeln!(
            out,
            "  {severity} {}{place} {subject}",
            printable(&finding.rule)
        )?;
        if let Some(span) = finding.place {
            mark(
                out,
                program,
                span.line,
                span.column,
                span.end_line,
                span.end_column,
            )?;
        }
        writeln!(out, "    {}", printable(in_language(&finding.reason, lang)))?;
        let remedy = in_language(&finding.remedy, lang);
        if !remedy.is_empty() {
            writeln!(
                out,
                "    {} {}",
                label(lang, "可以：", "what would pass:"),
                printable(remedy)
            )?;
        }
    }
    Ok(())
}

/// Shows the line of the program and marks the place in it.
fn mark(
    out: &mut impl Write,
    program: Option<&str>,
    line: u64,
    column: u64,
    end_line: u64,
    end_column: u64,
) -> io::Result<()> {
    let text = usize::try_from(line.saturating_sub(1))
        .ok()
        .zip(program)
        .and_then(|(line, text)| text.lines().nth(line));
    let Some(text) = text else { return Ok(()) };
    let begin = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let letters = text.chars().count();
    let end = if end_line > line {
        letters
    } else {
        usize::try_from(end_column.saturating_sub(1)).unwrap_or(letters)
    };
    let width = |from: usize, to: usize| -> usize {
        let part: String = text
            .chars()
            .skip(from)
            .take(to.saturating_sub(from))
            .collect();
        unicode_width::UnicodeWidthStr::width(printable(&part).as_str())
    };
    writeln!(out, "      {}", printable(text))?;
    writeln!(
        out,
        "      {}{}",
        " ".repeat(width(0, begin)),
        "^".repeat(width(begin, end).max(1))
    )
}

/// A text in the language of the output.
pub(crate) fn in_language(text: &Text, lang: Lang) -> &str {
    match lang {
        Lang::Zh => &text.zh,
        Lang::En => &text.en,
    }
}

/// One of two words.
pub(crate) fn label<'a>(lang: Lang, zh: &'a str, en: &'a str) -> &'a str {
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::http::dto::Span;

    fn finding() -> Finding {
        Finding {
            rule: "column_outside_scenario".to_owned(),
            severity: Severity::Refuse,
            place: Some(Span {
                line: 2,
                column: 5,
                end_line: 2,
                end_column: 9,
            }),
            subject: "claims.name\u{1b}[31m".to_owned(),
            reason: Text {
                zh: "该列不在场景内".to_owned(),
                en: "the column is outside the scenario".to_owned(),
            },
            remedy: Text {
                zh: "去掉它".to_owned(),
                en: "leave it out".to_owned(),
            },
        }
    }

    #[test]
    fn a_finding_is_marked_in_the_program_and_cannot_paint_the_terminal() {
        let mut out = Vec::new();
        findings(
            &mut out,
            &[finding()],
            Some("select\n 区, name\nfrom claims"),
            Lang::En,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("  refused column_outside_scenario 2:5 claims.name"),
            "{text}"
        );
        assert_eq!(lines[1], "       区, name");
        assert_eq!(
            lines[2], "           ^^^^",
            "the wide letter takes two places"
        );
        assert_eq!(lines[4], "    what would pass: leave it out");
    }

    #[test]
    fn a_place_outside_the_program_is_not_marked() {
        let mut out = Vec::new();
        findings(&mut out, &[finding()], Some("select 1"), Lang::Zh).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('^'), "{text}");
        assert!(text.contains("可以： 去掉它"), "{text}");
    }
}
