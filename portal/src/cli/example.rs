//! `egret example`: whole, valid examples of every file that Egret takes.

use super::failure::{Failure, label};
use super::output::Format;
use sandbox::{Bilingual, Lang};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `egret example`.
#[derive(Debug, clap::Args)]
pub(crate) struct Example {
    /// 示例名称；省略则列出全部 · name of the example; without it all are listed
    name: Option<String>,
}

/// An example: its name, what it is in both languages, and the text.
struct Text {
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    text: &'static str,
}

/// All of them tell one story: a data set with its rules and policy, a scenario on it, a grant, programs.
const EXAMPLES: [Text; 11] = [
    Text {
        name: "entry",
        zh: "目录条目（JSON），egret dataset register",
        en: "catalogue entry (JSON), egret dataset register",
        text: include_str!("examples/entry.json"),
    },
    Text {
        name: "rules",
        zh: "质量规则（TOML），egret dataset register --rules",
        en: "quality rules (TOML), egret dataset register --rules",
        text: include_str!("examples/rules.toml"),
    },
    Text {
        name: "policy",
        zh: "脱敏策略（TOML），egret dataset policy set、egret mask apply --policy",
        en: "masking policy (TOML), egret dataset policy set, egret mask apply --policy",
        text: include_str!("examples/policy.toml"),
    },
    Text {
        name: "manifest",
        zh: "推送清单（JSON），POST /datasets/{name}/pushes；egret dataset push 自动写出",
        en: "push manifest (JSON), POST /datasets/{name}/pushes; egret dataset push writes it",
        text: include_str!("examples/manifest.json"),
    },
    Text {
        name: "contract",
        zh: "场景合约（JSON），egret scenario propose",
        en: "scenario contract (JSON), egret scenario propose",
        text: include_str!("examples/contract.json"),
    },
    Text {
        name: "application",
        zh: "开发利用申请（JSON），POST /grants；egret grant apply 自动写出",
        en: "application (JSON), POST /grants; egret grant apply writes it",
        text: include_str!("examples/application.json"),
    },
    Text {
        name: "private",
        zh: "非公共数据（JSON），POST /private-datasets；egret private create 自动写出",
        en: "private data set (JSON), POST /private-datasets; egret private create writes it",
        text: include_str!("examples/private.json"),
    },
    Text {
        name: "query",
        zh: "SQL 程序，egret sql run、egret job submit --sql",
        en: "program in SQL, egret sql run, egret job submit --sql",
        text: include_str!("examples/query.sql"),
    },
    Text {
        name: "program",
        zh: "WASM 程序（JSON），egret job submit --program、egret module run --program",
        en: "program of a WASM module (JSON), egret job submit --program, egret module run --program",
        text: include_str!("examples/program.json"),
    },
    Text {
        name: "job",
        zh: "作业（JSON），POST /jobs；egret job submit 自动写出",
        en: "job (JSON), POST /jobs; egret job submit writes it",
        text: include_str!("examples/job.json"),
    },
    Text {
        name: "module",
        zh: "WASM 模块（文本格式），egret module push、egret module run",
        en: "WASM module (text format), egret module push, egret module run",
        text: include_str!("../demo/module.wat"),
    },
];

impl Example {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let mut out = std::io::stdout().lock();
        let done = match &self.name {
            None => list(&mut out, lang),
            Some(name) => match EXAMPLES.iter().find(|example| example.name == name) {
                Some(example) => Ok(out.write_all(example.text.as_bytes())),
                None => Err(unknown(name)),
            }
            .and_then(|written| Ok(written?)),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(Format::Table, lang),
        }
    }
}

fn list(out: &mut impl Write, lang: Lang) -> Result<(), Failure> {
    for example in &EXAMPLES {
        writeln!(
            out,
            "{:<12} {}",
            example.name,
            label(lang, example.zh, example.en)
        )?;
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
    let known = known.join(", ");
    // The name is part of the command line, and the command line is wrong.
    Failure::Message(
        2,
        Bilingual::new(
            format!("没有示例 {name}；有：{known}"),
            format!("there is no example {name}; there are: {known}"),
        ),
    )
}

#[cfg(test)]
mod tests;
