//! `egret example`: whole, valid examples of every file that Egret takes.

use super::failure::{Failure, label};
use super::output::Format;
use sandbox::Lang;
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

/// All of them tell one story: a data set, its rules and policy, a scenario on it, two programs.
const EXAMPLES: [Text; 7] = [
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
        name: "contract",
        zh: "场景合约（JSON），egret scenario propose",
        en: "scenario contract (JSON), egret scenario propose",
        text: include_str!("examples/contract.json"),
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
            "{:<10} {}",
            example.name,
            label(lang, example.zh, example.en)
        )?;
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
    let known = known.join(", ");
    Failure::new(
        format!("没有示例 {name}；有：{known}"),
        format!("there is no example {name}; there are: {known}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::http::dto::{Contract, DatasetCreate, Program};

    const FORMATS: [&str; 2] = [
        include_str!("../../formats.md"),
        include_str!("../../formats.zh-CN.md"),
    ];

    fn text(name: &str) -> &'static str {
        EXAMPLES
            .iter()
            .find(|example| example.name == name)
            .unwrap()
            .text
    }

    #[test]
    fn every_example_is_read_by_what_takes_it() {
        serde_json::from_str::<DatasetCreate>(text("entry")).unwrap();
        serde_json::from_str::<Contract>(text("contract")).unwrap();
        serde_json::from_str::<Program>(text("program")).unwrap();
        sandbox::MaskPolicy::parse(text("policy")).unwrap();
        sandbox::QualityRules::parse(text("rules")).unwrap();
        let module = sandbox::module_from_text(text("module")).unwrap();
        sandbox::inspect_module(&module).unwrap();
    }

    /// The names of members of a document.
    fn members(value: &serde_json::Value, into: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for (name, value) in object {
                    into.push(name.clone());
                    members(value, into);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| members(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_member_is_explained_in_both_languages() {
        let mut names = Vec::new();
        for name in ["entry", "contract", "program"] {
            members(&serde_json::from_str(text(name)).unwrap(), &mut names);
        }
        for name in ["rules", "policy"] {
            let value: toml::Table = toml::from_str(text(name)).unwrap();
            members(&serde_json::to_value(value).unwrap(), &mut names);
        }
        // The columns of the example are nobody's format.
        let columns = [
            "resident_id",
            "district",
            "age",
            "visited_on",
            "cost",
            "remark",
            "zh",
            "en",
        ];
        for name in names
            .iter()
            .filter(|name| !columns.contains(&name.as_str()))
        {
            for document in FORMATS {
                assert!(
                    document.contains(&format!("`{name}`"))
                        || document.contains(&format!("`[[{name}]]`"))
                        || document.contains(&format!("`[{name}]`")),
                    "`{name}` is not explained"
                );
            }
        }
    }

    #[test]
    fn every_transform_and_rule_is_named_in_both_languages() {
        for name in [
            "keep",
            "drop",
            "token",
            "permute",
            "redact",
            "bin",
            "top_bottom",
            "generalise_date",
            "age_band",
            "region",
            "shift_date",
            "noise",
            "microaggregate",
            "shuffle",
            "geo",
            "surrogate",
            "hierarchy",
            "not_null",
            "unique",
            "type",
            "date",
            "identifier",
            "regex",
            "range",
            "allowed",
            "order",
            "row_count",
            "half_width",
            "upper",
            "fill",
            "map",
        ] {
            for document in FORMATS {
                assert!(document.contains(&format!("`{name}`")), "`{name}`");
            }
        }
    }
}
