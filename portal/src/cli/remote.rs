//! What every command that talks to a server has in common: which server, as whom, how to print.

use super::credentials::{self, Credentials};
use super::failure::Failure;
use super::output::{Format, Printer};
use crate::client::{Client, ClientError};
use crate::http::dto::PageQuery;
use sandbox::Lang;
use std::process::ExitCode;

/// Where a server listens when nothing else is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// Options of every command that talks to a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Remote {
    /// 服务器地址 · address of the server [default: the one signed in at last, else http://127.0.0.1:8080]
    #[arg(long, global = true, env = "EGRET_SERVER", value_name = "URL")]
    server: Option<String>,
    /// 输出形式 · form of the output
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Which page of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct Paging {
    /// 最多条数 · at most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// 从上一页给出的位置继续 · go on where the page before ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Paging {
    pub(crate) fn query(self) -> PageQuery {
        PageQuery {
            limit: Some(self.limit),
            cursor: self.cursor,
        }
    }
}

/// A client, and how to print what it hears.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) printer: Printer,
}

impl Remote {
    /// Runs a command as whoever is signed in: by `EGRET_TOKEN`, else by `egret login`.
    pub(crate) fn run<F>(self, lang: Lang, command: impl FnOnce(Session) -> F) -> ExitCode
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let format = self.output;
        let done = self.session(lang).and_then(|session| {
            let runtime = super::runtime().map_err(|error| {
                Failure::new(
                    format!("无法启动：{error}"),
                    format!("cannot start: {error}"),
                )
            })?;
            runtime.block_on(command(session))
        });
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(format, lang),
        }
    }

    /// The server meant, without an identity.
    pub(crate) fn server(&self, credentials: &Credentials) -> String {
        let server = self.server.clone().or_else(|| credentials.server.clone());
        let server = server.unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        server.trim_end_matches('/').to_owned()
    }

    fn session(self, lang: Lang) -> Result<Session, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        // Whoever brings a token needs no file, and none is read.
        let brought = env("EGRET_TOKEN").filter(|token| !token.is_empty());
        let credentials = match &brought {
            Some(_) => Credentials::default(),
            None => Credentials::load(&credentials::path(env)?)?,
        };
        let server = self.server(&credentials);
        let client = Client::new(&server, lang)?;
        let token =
            brought.or_else(|| credentials.of(&server).map(|sign_in| sign_in.token.clone()));
        let client = match token {
            Some(token) => client.with_token(token),
            None => client,
        };
        Ok(Session {
            client,
            printer: Printer {
                format: self.output,
                lang,
            },
        })
    }
}

/// Reads an argument that is a file, or `-` for standard input, as UTF-8 text.
pub(crate) fn text_of(path: &std::path::Path) -> Result<String, Failure> {
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin().lock())
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| Failure::unreadable(path, &error))
}

/// Reads an argument that is a file of JSON.
pub(crate) fn json_of<T: serde::de::DeserializeOwned>(
    path: &std::path::Path,
) -> Result<T, Failure> {
    let text = text_of(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let shown = path.display();
        let said = sandbox::parse_error(&error.to_string());
        let (line, column) = (error.line(), error.column());
        Failure::Message(
            7,
            sandbox::Bilingual::new(
                format!("{shown} 第 {line} 行第 {column} 列：{}", said.zh),
                format!("{shown}, line {line}, column {column}: {}", said.en),
            ),
        )
    })
}

/// What went wrong on this side while sending a file.
pub(crate) fn unsent(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let (path, said) = (path.display(), sandbox::os_error(error));
    ClientError::local(
        format!("无法读取 {path}：{}", said.zh),
        format!("cannot read {path}: {}", said.en),
    )
    .into()
}
