//! The command line `egret`: a file per noun.

mod account;
mod certificate;
mod completions;
mod credentials;
mod dataset;
pub mod doctor;
mod example;
mod failure;
mod feedback;
mod grant;
mod history;
mod job;
mod key;
mod ledger;
mod mask;
mod module;
mod organisation;
mod output;
mod private;
mod progress;
mod push;
mod remote;
mod result;
mod review;
mod run;
mod scenario;
pub mod serve;
mod session;
mod sql;
mod token;
mod upload;
mod usage;
mod usage_error;
mod words;

pub(crate) use output::printable;
pub(crate) use result::records;
pub(crate) use words::chinese;

use clap::{Parser, Subcommand, ValueEnum};
use sandbox::Lang;
use std::ffi::OsString;
use std::process::ExitCode;

/// 白鹭：公共数据融合开发平台 · privacy-preserving data development sandbox
#[derive(Parser)]
#[command(name = "egret", version, max_term_width = 110, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    /// 输出语言 · language of the output [default: by LANG]
    #[arg(long, global = true, value_enum)]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    Zh,
    En,
}

#[derive(Subcommand)]
enum Command {
    /// 启动服务 · start the server
    Serve(serve::Serve),
    /// 逐层检查本机的隔离能力 · say layer by layer how far this host can isolate
    Doctor(doctor::Doctor),
    /// 通过 HTTP 接口演示全流程 · play the main job through the HTTP API
    Demo(crate::demo::Demo),
    /// 登录 · sign in
    Login(session::Login),
    /// 退出 · sign out
    Logout(session::Logout),
    /// 当前账号 · who is signed in
    Whoami(session::Whoami),
    /// 个人令牌 · personal tokens
    Token(token::Token),
    /// 机构 · organisations
    Organisation(organisation::Organisation),
    /// 账号与角色 · accounts and roles
    Account(account::Account),
    /// 数据目录、脱敏策略、推送 · catalogue, masking policies, pushes
    Dataset(dataset::Dataset),
    /// 各种文件的完整示例 · whole examples of every file that Egret takes
    Example(example::Example),
    /// 在本机对文件分类、脱敏、度量风险 · classify, mask and measure files on this machine
    Mask(mask::Mask),
    /// 脱敏密钥的周期：轮换与销毁 · epochs of the masking keys: rotation and destruction
    Key(key::Key),
    /// 应用场景 · scenarios
    Scenario(scenario::Scenario),
    /// 申请与授权 · applications and grants
    Grant(grant::Grant),
    /// 非公共数据 · private data sets
    Private(private::Private),
    /// WASM 模块 · WASM modules
    Module(module::Module),
    /// 检查或运行一条 SQL · check or run one SELECT
    Sql(sql::Sql),
    /// 作业 · jobs
    Job(job::Job),
    /// 运行 · runs
    Run(run::Run),
    /// 出域审查 · results that wait for people
    Review(review::Review),
    /// 放行的结果及其证书 · released results and their certificates
    Result(result::ResultArgs),
    /// 离线验证溯源证书 · verify certificates offline
    Certificate(certificate::Certificate),
    /// 存证账本 · ledger
    Ledger(ledger::Ledger),
    /// 用量 · usage
    Usage(usage::Usage),
    /// 工作进程、队列、隔离层 · workers, queue, isolation
    Status(usage::Status),
    /// 接口描述（OpenAPI 3.1）· description of the API
    Openapi,
    /// 命令补全脚本 · completion script for a shell
    Completions(completions::Completions),
}

/// The exit codes, below every `--help`.
const EXIT_CODES: &str = "\
退出码 · exit codes:
  0  完成 · done
  1  本机失败，或核对不成立 · failed on this side, or what was checked does not hold
  2  命令行有误 · the command line is wrong
  3  未登录 · nobody is signed in
  4  无权 · not allowed
  5  没有该对象 · no such object
  6  被规则拒绝 · refused by a rule: not admitted, or not released
  7  请求不成立 · invalid, too large, or in conflict
  8  服务器不可达或暂不可用 · the server cannot be reached or cannot answer now
  9  结果待人工审查 · the result waits for people
 10  运行失败或被终止 · the run failed or was stopped";

/// Reads the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let arguments = options_last(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        // What language is asked for stands in the line that cannot be read.
        Err(error) => return usage_error::report(&error, language(asked(&arguments), env)),
    };
    let lang = language(cli.lang, env);
    match cli.command {
        Command::Serve(serve) => serve.run(lang),
        Command::Doctor(doctor) => doctor.run(lang),
        Command::Demo(demo) => demo.run(lang),
        Command::Login(login) => login.run(lang),
        Command::Logout(logout) => logout.run(lang),
        Command::Whoami(whoami) => whoami.run(lang),
        Command::Token(token) => token.run(lang),
        Command::Organisation(organisation) => organisation.run(lang),
        Command::Account(account) => account.run(lang),
        Command::Dataset(dataset) => dataset.run(lang),
        Command::Example(example) => example.run(lang),
        Command::Mask(mask) => mask.run(lang),
        Command::Key(key) => key.run(lang),
        Command::Scenario(scenario) => scenario.run(lang),
        Command::Grant(grant) => grant.run(lang),
        Command::Private(private) => private.run(lang),
        Command::Module(module) => module.run(lang),
        Command::Sql(sql) => sql.run(lang),
        Command::Job(job) => job.run(lang),
        Command::Run(run) => run.run(lang),
        Command::Review(review) => review.run(lang),
        Command::Result(result) => result.run(lang),
        Command::Certificate(certificate) => certificate.run(lang),
        Command::Ledger(ledger) => ledger.run(lang),
        Command::Usage(usage) => usage.run(lang),
        Command::Status(status) => status.run(lang),
        Command::Openapi => openapi(),
        Command::Completions(completions) => completions.run(),
    }
}

/// Options of every command may stand before its noun: they are moved behind everything, where the noun takes them.
fn options_last(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut kept: Vec<OsString> = Vec::with_capacity(arguments.len());
    let mut moved = Vec::new();
    let mut arguments = arguments.into_iter();
    kept.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-o" | "--output" | "--server") => {
                moved.push(argument);
                moved.extend(arguments.next());
            }
            Some(text)
                if text.starts_with("--output=")
                    || text.starts_with("--server=")
                    || (text.starts_with("-o") && text.len() > 2) =>
            {
                moved.push(argument);
            }
            Some("--lang") => {
                kept.push(argument);
                kept.extend(arguments.next());
            }
            Some(text) if text.starts_with("--lang=") => kept.push(argument),
            // The noun, or whatever else is no option of every command.
            _ => {
                kept.push(argument);
                kept.extend(arguments);
                break;
            }
        }
    }
    // What stands behind `--` is no option.
    let end = kept
        .iter()
        .position(|argument| argument == "--")
        .unwrap_or(kept.len());
    kept.splice(end..end, moved);
    kept
}

/// The language that a line asks for, whatever else is wrong with it.
fn asked(arguments: &[OsString]) -> Option<Language> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let named = words.iter().find_map(|word| word.strip_prefix("--lang="));
    let named = named.or_else(|| {
        let at = words.iter().position(|word| *word == "--lang")?;
        words.get(at + 1).copied()
    });
    match named {
        Some("zh") => Some(Language::Zh),
        Some("en") => Some(Language::En),
        _ => None,
    }
}

/// Prints the description that the server serves.
fn openapi() -> ExitCode {
    use std::io::Write as _;
    match std::io::stdout()
        .lock()
        .write_all(crate::http::openapi::document_json().as_bytes())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The language of the output: what is asked for, else what the locale says, else English.
fn language(asked: Option<Language>, env: impl Fn(&str) -> Option<String>) -> Lang {
    match asked {
        Some(Language::Zh) => Lang::Zh,
        Some(Language::En) => Lang::En,
        None => {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
                .into_iter()
                .find_map(|name| env(name).filter(|value| !value.is_empty()));
            match locale {
                Some(locale) if locale.to_ascii_lowercase().starts_with("zh") => Lang::Zh,
                _ => Lang::En,
            }
        }
    }
}

/// An asynchronous runtime for a command.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_every_command_may_stand_before_its_noun() {
        for (line, expect) in [
            ("egret -o json run list", "egret run list -o json"),
            (
                "egret --output=csv --server http://a run list",
                "egret run list --output=csv --server http://a",
            ),
            (
                "egret --lang zh -ojson run list --limit 3",
                "egret --lang zh run list --limit 3 -ojson",
            ),
            (
                "egret -o json mask scan -- -o",
                "egret mask scan -o json -- -o",
            ),
            ("egret run list -o json", "egret run list -o json"),
            ("egret -o", "egret -o"),
        ] {
            let moved = options_last(line.split(' ').map(OsString::from).collect());
            let moved: Vec<_> = moved.iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(moved.join(" "), expect);
        }
        let line = ["egret", "-o", "json", "run", "list"].map(OsString::from);
        assert!(Cli::try_parse_from(options_last(line.to_vec())).is_ok());
        let line = ["egret", "x", "--lang", "zh"].map(OsString::from);
        assert!(matches!(asked(&line), Some(Language::Zh)));
    }

    #[test]
    fn the_language_follows_the_locale_unless_asked() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            }
        };
        assert_eq!(language(None, env(&[])), Lang::En);
        assert_eq!(language(None, env(&[("LANG", "zh_CN.UTF-8")])), Lang::Zh);
        assert_eq!(
            language(None, env(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")])),
            Lang::En
        );
        assert_eq!(
            language(None, env(&[("LC_ALL", ""), ("LANG", "zh_CN.UTF-8")])),
            Lang::Zh
        );
        assert_eq!(
            language(Some(Language::En), env(&[("LANG", "zh_CN.UTF-8")])),
            Lang::En
        );
    }
}
