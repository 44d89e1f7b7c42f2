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
mod words;

pub(crate) use output::printable;
pub(crate) use result::records;
pub(crate) use words::chinese;

use clap::{Parser, Subcommand, ValueEnum};
use sandbox::Lang;
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
    let cli = Cli::parse();
    let lang = language(cli.lang, |name| std::env::var(name).ok());
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
