//! `egret login`, `egret logout`, `egret whoami`.

use super::credentials::{self, Credentials, SignIn};
use super::failure::Failure;
use super::output::column;
use super::remote::Remote;
use crate::client::Client;
use sandbox::Lang;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

/// Arguments of `egret login`.
#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    #[command(flatten)]
    remote: Remote,
    /// 账号；口令从标准输入读取，在终端上不回显 · account; its password is read from standard input, unseen on a terminal
    account: String,
}

impl Login {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let Self { remote, account } = self;
        let path = credentials::path(|name| std::env::var(name).ok());
        let server = path
            .as_ref()
            .ok()
            .and_then(|path| Credentials::load(path).ok())
            .unwrap_or_default();
        let server = remote.server(&server);
        remote.run(lang, async move |session| {
            let path = path?;
            let mut credentials = Credentials::load(&path)?;
            let client = Client::new(&server, lang)?;
            let password = password(lang, "口令：", "password: ")?;
            let view = client.sign_in(&account, &password).await?;
            let kept = SignIn {
                account: account.clone(),
                token: view.token,
                expires_at: view.expires_at,
            };
            credentials.keep(client.server(), kept);
            credentials.save(&path)?;
            session.printer.say(
                &format!("{account} 已登录 {server}"),
                &format!("{account} is signed in at {server}"),
            )
        })
    }
}

/// Reads a line of standard input as a password; on a terminal it asks first and does not show it.
pub(crate) fn password(lang: Lang, zh: &'static str, en: &'static str) -> Result<String, Failure> {
    let mut line = String::new();
    let read = if io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal
            .write_str(super::failure::label(lang, zh, en))
            .and_then(|()| terminal.read_secure_line())
            .map(|typed| line = typed)
    } else {
        io::stdin().lock().read_line(&mut line).map(drop)
    };
    read.map_err(|error| {
        Failure::new(
            format!("无法读取口令：{}", sandbox::os_error(&error).zh),
            format!("cannot read the password: {}", sandbox::os_error(&error).en),
        )
    })?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Failure::new("口令为空", "the password is empty"));
    }
    Ok(password)
}

/// Arguments of `egret logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    remote: Remote,
}

impl Logout {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        self.remote.run(lang, async |session| {
            let path = credentials::path(|name| std::env::var(name).ok())?;
            let mut credentials = Credentials::load(&path)?;
            let server = session.client.server().to_owned();
            let ended = session.client.sign_out().await;
            if credentials.forget(&server) {
                credentials.save(&path)?;
            }
            match ended {
                // A session that has ended already is what was asked for.
                Err(error) if error.status() != Some(401) => Err(error.into()),
                _ => session.printer.say(
                    &format!("已退出 {server}"),
                    &format!("signed out of {server}"),
                ),
            }
        })
    }
}

/// Arguments of `egret whoami`.
#[derive(Debug, clap::Args)]
pub(crate) struct Whoami {
    #[command(flatten)]
    remote: Remote,
}

impl Whoami {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        self.remote.run(lang, async |session| {
            let me = session.client.me().await?;
            session.printer.one(
                &me,
                &[
                    column("登录名", "name", "/name"),
                    column("账号", "account", "/id"),
                    column("机构", "organisation", "/organisation"),
                    column("机构类别", "kind", "/organisation_kind"),
                    column("角色", "roles", "/roles"),
                ],
            )
        })
    }
}
