//! A command line that is wrong, in the language of the output. The parser's own words are English alone.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use sandbox::Lang;
use std::process::ExitCode;

/// Prints what the parser found and gives the exit code; help and version are no faults.
pub(super) fn report(error: &clap::Error, lang: Lang) -> ExitCode {
    let is_asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    match (lang, chinese(error)) {
        (Lang::Zh, Some(said)) if !is_asked => eprintln!("{said}"),
        // Whoever closed the stream does not want to hear it.
        _ => drop(error.print()),
    }
    ExitCode::from(if is_asked { 0 } else { 2 })
}

/// What is wrong, and how the command is called; none where the parser prints help.
fn chinese(error: &clap::Error) -> Option<String> {
    let argument = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    let reason = match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 缺少值"),
        ErrorKind::InvalidValue => format!("{argument} 的值 {value} 无效"),
        ErrorKind::ValueValidation => format!("{argument} 的值 {value} 不合要求"),
        ErrorKind::UnknownArgument => format!("没有 {argument} 这个参数"),
        ErrorKind::InvalidSubcommand => {
            format!(
                "没有 {} 这个命令",
                context(error, ContextKind::InvalidSubcommand)
            )
        }
        ErrorKind::NoEquals => format!("{argument} 的值须以 = 给出"),
        ErrorKind::TooManyValues => format!("{argument} 的值过多（{value}）"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} 的值个数不对")
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg);
            if other.is_empty() || other == argument {
                format!("{argument} 不能重复给出")
            } else {
                format!("{argument} 与 {other} 不能同时使用")
            }
        }
        ErrorKind::MissingRequiredArgument => format!("缺少 {argument}"),
        ErrorKind::MissingSubcommand => "缺少子命令".to_owned(),
        ErrorKind::InvalidUtf8 => "参数不是 UTF-8 文本".to_owned(),
        _ => return None,
    };
    let mut said = format!("egret：{reason}");
    let lines = [
        ("可用的值", ContextKind::ValidValue),
        ("可用的命令", ContextKind::ValidSubcommand),
        ("是否想用", ContextKind::SuggestedArg),
        ("是否想用", ContextKind::SuggestedValue),
        ("是否想用", ContextKind::SuggestedSubcommand),
    ];
    for (label, kind) in lines {
        let shown = context(error, kind);
        if !shown.is_empty() {
            said.push_str(&format!("\n  {label}：{shown}"));
        }
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = usage.to_string();
        let usage = usage.trim().trim_start_matches("Usage:").trim();
        if !usage.is_empty() {
            said.push_str(&format!("\n  用法：{usage}"));
        }
    }
    said.push_str("\n  说明：加 --help");
    Some(said)
}

/// What the parser names, several of it in one line.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join("、"),
        Some(ContextValue::Number(number)) => number.to_string(),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_fault_of_a_command_line_is_said_in_chinese() {
        for (line, expect) in [
            ("egret nonsense", "没有 nonsense 这个命令"),
            ("egret sql chek", "是否想用：check"),
            (
                "egret run list --limit 500",
                "--limit <LIMIT> 的值 500 不合要求",
            ),
            ("egret run list --nonsense", "没有 --nonsense 这个参数"),
            ("egret run list -o yaml", "可用的值：table、json、csv"),
            ("egret grant consent grn_1", "缺少"),
            ("egret grant consent grn_1 --yes --refuse", "不能同时使用"),
            ("egret job submit --grant g", "缺少"),
        ] {
            let error = super::super::Cli::command()
                .try_get_matches_from(line.split(' '))
                .unwrap_err();
            let said = chinese(&error).unwrap_or_else(|| format!("{:?} is not said", error.kind()));
            assert!(said.contains(expect), "{line}: {said}");
            assert!(!said.contains("error"), "{line}: {said}");
            assert!(!said.contains("Usage"), "{line}: {said}");
        }
    }
}
