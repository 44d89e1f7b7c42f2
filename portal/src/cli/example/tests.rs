#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
//! The examples are read by what takes them, and the two documents say what the code says: words come from the code's own
//! refusals wherever it lists them.

use super::*;
use crate::http::dto;
use clap::CommandFactory;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FORMATS: [(&str, &str); 2] = [
    ("formats.md", include_str!("../../../formats.md")),
    (
        "formats.zh-CN.md",
        include_str!("../../../formats.zh-CN.md"),
    ),
];
/// Names that the story gives to its columns, which are nobody's format.
const OF_THE_STORY: [&str; 7] = [
    "resident_id",
    "district",
    "visited_on",
    "cost",
    "remark",
    "id_number",
    "plan",
];

fn text(name: &str) -> &'static str {
    EXAMPLES
        .iter()
        .find(|example| example.name == name)
        .unwrap()
        .text
}

fn json_of<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(text(name)).unwrap()
}

/// What stands in backticks.
fn quoted(document: &'static str) -> impl Iterator<Item = &'static str> {
    document
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// That both documents have the word in backticks, alone or as the name of a table of TOML.
fn explained(word: &str) {
    for (file, document) in FORMATS {
        let there = quoted(document).any(|quoted| {
            quoted == word
                || quoted == format!("[{word}]")
                || quoted == format!("[[{word}]]")
                || quoted.starts_with(&format!("[{word}."))
        });
        assert!(there, "{file} does not explain `{word}`");
    }
}

/// The words of a refusal's remedy, such as `write: keep, drop`.
fn words(remedy: &str) -> Vec<String> {
    let listed = remedy.strip_prefix("write: ").unwrap_or(remedy);
    listed
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_example_is_taken_by_what_it_is_for() {
    let mut entry: Value = json_of("entry");
    let _: dto::DatasetCreate = json_of("entry");
    entry["provider"] = json!("org_0192f0c1a2b37c4d8e9f0a1b2c3d4e5f");
    entry["quality_rules"] = json!(text("rules"));
    let entry: sandbox::CatalogueEntry = serde_json::from_value(entry).unwrap();
    assert_eq!(entry.faults(), vec![]);

    sandbox::MaskPolicy::parse(text("policy")).unwrap();
    let _: dto::PushCreate = json_of("manifest");
    let _: dto::ApplicationCreate = json_of("application");
    let _: dto::PrivateDatasetCreate = json_of("private");
    let _: dto::JobCreate = json_of("job");
    let _: dto::Program = json_of("program");

    let contract: dto::Contract = json_of("contract");
    assert_eq!(sandbox::Contract::from(contract).validate(), vec![]);

    let module = sandbox::module_from_text(text("module")).unwrap();
    let facts = sandbox::inspect_module(&module).unwrap();
    for name in facts.imports {
        explained(&name);
    }
}

#[test]
fn the_example_states_the_default_output_rules() {
    let contract: dto::Contract = json_of("contract");
    let output = sandbox::Contract::from(contract).output;
    assert_eq!(output, sandbox::OutputRules::default());
}

/// A number as the documents write it: `100,000`.
fn grouped(digits: &str) -> String {
    let mut written = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// That the row of a member states both ends of its range, and its default where it has one.
fn row_states(member: &str, (low, high): (&str, &str), default: Option<String>) {
    for (file, document) in FORMATS {
        let start = format!("| `{member}` |");
        let rows: Vec<&str> = document.lines().filter(|l| l.starts_with(&start)).collect();
        let [row] = rows.as_slice() else {
            panic!("{file} has {} rows of {member}", rows.len());
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (low, high) = (grouped(low), grouped(high));
        let range = [format!("{low} to {high}"), format!("{low} 至 {high}")];
        assert!(
            cells
                .iter()
                .any(|cell| range.iter().any(|r| cell.starts_with(r))),
            "{file}: {member} is from {low} to {high}: {row}"
        );
        if let Some(default) = &default {
            assert!(
                cells.contains(&grouped(default).as_str()),
                "{file}: {member} is {default}: {row}"
            );
        }
    }
}

#[test]
fn ranges_and_defaults_are_those_of_the_code() {
    let defaults = serde_json::to_value(sandbox::OutputRules::default()).unwrap();
    for (member, default) in defaults.as_object().unwrap() {
        if default.is_boolean() {
            continue;
        }
        let mut contract: Value = json_of("contract");
        contract["output"][member] = json!(0);
        let contract: sandbox::Contract = serde_json::from_value(contract).unwrap();
        let findings = contract.validate();
        let [finding] = findings.as_slice() else {
            panic!("{member} may be 0: {findings:?}");
        };
        let range = finding.reason.en.strip_prefix("must be ").unwrap();
        row_states(
            member,
            range.split_once("..=").unwrap(),
            Some(default.to_string()),
        );
    }
    for (member, out, others) in [
        ("k_min", "1", ""),
        ("l_min", "1", "k_min = 5\n"),
        ("t_max", "2.0", "k_min = 5\n"),
        ("delta_max", "-1.0", "k_min = 5\n"),
        ("beta_max", "1001", "k_min = 5\n"),
        ("suppress_percent_max", "99.0", "k_min = 5\n"),
    ] {
        let document = format!("version = 1\n[measure]\n{others}{member} = {out}");
        let Err(fault) = sandbox::MaskPolicy::parse(&document) else {
            panic!("{member} may be {out}");
        };
        let range = fault.remedy.en.strip_prefix("write: ").unwrap();
        row_states(member, range.split_once(" … ").unwrap(), None);
    }
}

#[test]
fn an_unknown_name_is_told_all_names() {
    let Failure::Message(code, message) = unknown("nothing") else {
        panic!("no message");
    };
    assert_eq!(code, 2);
    for example in &EXAMPLES {
        assert!(message.en.contains(example.name) && message.zh.contains(example.name));
        explained(example.name);
    }
}

/// The names of members of a document.
fn members(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                members(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, into)),
        _ => {}
    }
}

#[test]
fn every_member_of_an_example_is_explained() {
    let mut names = BTreeSet::new();
    for name in [
        "entry",
        "manifest",
        "contract",
        "application",
        "private",
        "program",
        "job",
    ] {
        members(&json_of(name), &mut names);
    }
    for name in ["rules", "policy"] {
        let value: toml::Table = toml::from_str(text(name)).unwrap();
        members(&serde_json::to_value(value).unwrap(), &mut names);
    }
    for name in names {
        if !OF_THE_STORY.contains(&name.as_str()) {
            explained(&name);
        }
    }
}

/// What a type lists when it is given a member or a word that it does not know.
fn listed<T: DeserializeOwned>(unknown: &str) {
    let Err(error) = serde_json::from_str::<T>(unknown) else {
        panic!("{unknown} is known");
    };
    let message = error.to_string();
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    assert!(!known.is_empty(), "nothing is listed: {message}");
    known.into_iter().for_each(explained);
}

#[test]
fn every_member_and_word_that_json_may_have_is_explained() {
    let member = r#"{"?": 1}"#;
    listed::<dto::DatasetCreate>(member);
    listed::<dto::CatalogueColumn>(member);
    listed::<dto::PrivacyUnit>(member);
    listed::<dto::Text>(member);
    listed::<dto::PushCreate>(member);
    listed::<dto::Contract>(member);
    listed::<dto::TableScope>(member);
    listed::<dto::ColumnScope>(member);
    listed::<dto::Operations>(member);
    listed::<dto::OutputRules>(member);
    listed::<dto::ApplicationCreate>(member);
    listed::<dto::PrivateDatasetCreate>(member);
    listed::<dto::PrivateColumn>(member);
    listed::<dto::JobCreate>(member);
    listed::<dto::WasmInput>(member);
    listed::<dto::OutputColumn>(member);
    listed::<dto::Program>(r#"{"kind": "sql", "?": 1}"#);
    listed::<dto::Program>(r#"{"kind": "wasm", "?": 1}"#);

    listed::<dto::Program>(r#"{"kind": "?"}"#);
    let word = r#""?""#;
    listed::<dto::ColumnType>(word);
    listed::<dto::UpdateCycle>(word);
    listed::<dto::Level>(word);
    listed::<dto::PrivacyClass>(word);
    listed::<dto::DataFormat>(word);
    listed::<dto::ColumnRole>(word);
    listed::<dto::Mode>(word);
    listed::<dto::ResultType>(word);
    listed::<sandbox::TextEncoding>(word);
}

/// Rules of one column that lack nothing, one for each transform and each of its kinds.
const TRANSFORMS: [&str; 24] = [
    r#"transform = "keep""#,
    r#"transform = "drop""#,
    "transform = \"token\"\nvalue_domain = \"person-id\"",
    "transform = \"permute\"\nkind = \"resident_id\"",
    "transform = \"permute\"\nkind = \"mobile\"",
    r#"transform = "redact""#,
    "transform = \"redact\"\nstyle = \"mask\"",
    "transform = \"redact\"\nstyle = \"text\"",
    "transform = \"bin\"\nwidth = 10",
    "transform = \"top_bottom\"\ntop = 10",
    "transform = \"generalise_date\"\nto = \"year\"",
    r#"transform = "age_band""#,
    "transform = \"region\"\nto = \"city\"",
    "transform = \"shift_date\"\nsubject = \"resident_id\"",
    "transform = \"noise\"\nsubject = \"resident_id\"\namount_max = 5",
    "transform = \"noise\"\nsubject = \"resident_id\"\namount_max = 5\ndistribution = \"laplace\"\nscale = 2",
    r#"transform = "microaggregate""#,
    r#"transform = "shuffle""#,
    "transform = \"geo\"\nlayout = \"longitude_latitude\"\nfrom = \"wgs84\"\nwidth_degrees = 0.01",
    "transform = \"geo\"\nlayout = \"longitude\"\nlatitude = \"lat\"\nfrom = \"wgs84\"\noutput = \"geohash\"\ncharacters = 5",
    "transform = \"geo\"\nlayout = \"latitude\"\nlongitude = \"lon\"\nfrom = \"wgs84\"\nwidth_degrees = 0.01",
    "transform = \"surrogate\"\nkind = \"name\"",
    "transform = \"surrogate\"\nkind = \"address\"\nkeep = \"county\"",
    "transform = \"hierarchy\"\nhierarchy = \"education\"",
];

fn policy_remedy(document: &str, code: &str) -> Vec<String> {
    let document = format!("version = 1\n{document}");
    let Err(fault) = sandbox::MaskPolicy::parse(&document) else {
        panic!("this is a policy:\n{document}");
    };
    assert_eq!(fault.code, code, "{}\n{document}", fault.message.en);
    let known = words(&fault.remedy.en);
    // A transform without options of its own has none in a table of a class.
    assert!(!known.is_empty() || code == "option_unknown", "{document}");
    known
}

#[test]
fn every_transform_and_option_of_a_policy_is_explained() {
    let known = policy_remedy("[columns.x]\ntransform = \"?\"", "transform_unknown");
    for transform in &known {
        explained(transform);
        let tried = format!("transform = \"{transform}\"");
        assert!(
            TRANSFORMS.iter().any(|rule| rule.starts_with(&tried)),
            "no rule tries {transform}"
        );
    }
    for rule in TRANSFORMS {
        let document = format!("[columns.x]\n{rule}\nnonsense = 1");
        for option in policy_remedy(&document, "option_unknown") {
            explained(&option);
        }
    }
    // In a table of a class there is neither.
    let document = "[rules.age]\ntransform = \"keep\"\nclass = \"public\"";
    let _ = policy_remedy(document, "option_unknown");
}

#[test]
fn every_word_of_a_policy_is_explained() {
    for (document, code) in [
        ("unnamed_columns = \"?\"", "option_value"),
        ("cipher_suite = \"?\"", "option_value"),
        ("[measure]\nk_min = 5\nnonsense = 1", "option_unknown"),
        ("[rules.nobody]\ntransform = \"keep\"", "rule_unknown"),
        (
            "[columns.x]\ntransform = \"keep\"\nclass = \"?\"",
            "option_value",
        ),
    ] {
        for word in policy_remedy(document, code) {
            explained(&word);
        }
    }
    for choice in [
        "transform = \"permute\"\nkind = \"?\"",
        "transform = \"permute\"\nkind = \"resident_id\"\nkeep_region = 3",
        "transform = \"redact\"\nstyle = \"?\"",
        "transform = \"bin\"\nwidth = 1\noutput = \"?\"",
        "transform = \"generalise_date\"\nto = \"?\"",
        "transform = \"region\"\nto = \"?\"",
        "transform = \"region\"\nto = \"city\"\noutput = \"?\"",
        "transform = \"noise\"\nsubject = \"x\"\namount_max = 1\ndistribution = \"?\"",
        "transform = \"geo\"\nlayout = \"?\"",
        "transform = \"geo\"\nlayout = \"longitude_latitude\"\nfrom = \"?\"",
        "transform = \"geo\"\nlayout = \"longitude_latitude\"\nfrom = \"wgs84\"\noutput = \"?\"",
        "transform = \"surrogate\"\nkind = \"?\"",
        "transform = \"surrogate\"\nkind = \"address\"\nkeep = \"?\"",
    ] {
        let document = format!("[columns.x]\n{choice}");
        for word in policy_remedy(&document, "option_value") {
            // Numbers of digits are values, not words.
            if word.parse::<u32>().is_err() {
                explained(&word);
            }
        }
    }
}

fn quality_remedy(document: &str) -> Vec<String> {
    let document = format!("version = 1\n{document}");
    let Err(fault) = sandbox::QualityRules::parse(&document) else {
        panic!("these are rules:\n{document}");
    };
    words(&fault.remedy.en)
}

#[test]
fn every_kind_and_word_of_a_quality_rule_is_explained() {
    for document in [
        "[[repairs]]\nkind = \"?\"\ncolumn = \"x\"",
        "[[rules]]\nname = \"n\"\nkind = \"?\"\ncolumn = \"x\"",
        "[[rules]]\nname = \"n\"\nkind = \"not_null\"\ncolumn = \"x\"\non_fail = \"?\"",
        "[[rules]]\nname = \"n\"\nkind = \"type\"\ncolumn = \"x\"\ndata_type = \"?\"",
        "[[rules]]\nname = \"n\"\nkind = \"identifier\"\ncolumn = \"x\"\nidentifier = \"?\"",
    ] {
        let known = quality_remedy(document);
        assert!(known.len() > 1, "{known:?}");
        known.iter().for_each(|word| explained(word));
    }
    for table in ["repairs", "rules"] {
        let document = format!("version = 1\n[[{table}]]\nnonsense = 1");
        let Err(fault) = sandbox::QualityRules::parse(&document) else {
            panic!("nonsense is known");
        };
        let members = fault.message.en.split('`').skip(3).step_by(2);
        let members: Vec<&str> = members.collect();
        assert!(members.len() > 5, "{}", fault.message.en);
        members.into_iter().for_each(explained);
    }
}

#[test]
fn what_a_module_exports_is_explained() {
    for name in [
        "memory",
        "egret_abi_version",
        "alloc",
        "run",
        "egret_seed",
        "next_batch",
        "emit",
        "log",
    ] {
        explained(name);
    }
}

#[test]
fn both_documents_speak_of_the_same_words() {
    let [english, chinese] = FORMATS.map(|(_, document)| {
        let plain = |word: &&str| {
            word.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c))
        };
        quoted(document).filter(plain).collect::<BTreeSet<&str>>()
    });
    let apart: Vec<_> = english.symmetric_difference(&chinese).collect();
    assert!(apart.is_empty(), "in one document only: {apart:?}");
}

#[test]
fn commands_that_the_documents_name_are_there() {
    let egret = super::super::Cli::command();
    for (file, document) in FORMATS {
        let mut checked = 0;
        for line in quoted(document) {
            let Some(rest) = line.strip_prefix("egret ") else {
                continue;
            };
            let mut command = &egret;
            for word in rest.split(' ') {
                if let Some(option) = word.strip_prefix("--") {
                    let known = command
                        .get_arguments()
                        .any(|a| a.get_long() == Some(option));
                    assert!(known, "{file}: {line}: no option --{option}");
                } else if command.has_subcommands() {
                    command = command
                        .find_subcommand(word)
                        .unwrap_or_else(|| panic!("{file}: {line}: no command {word}"));
                }
            }
            checked += 1;
        }
        assert!(
            checked >= 20,
            "only {checked} commands were found in {file}"
        );
    }
}

#[test]
fn operations_that_documents_and_list_name_are_there() {
    let api: Value = serde_json::from_str(&crate::http::openapi::document_json()).unwrap();
    let listed = EXAMPLES
        .iter()
        .flat_map(|example| example.en.split([',', ';']).map(str::trim));
    let operations: Vec<&str> = FORMATS
        .iter()
        .flat_map(|(_, document)| quoted(document))
        .chain(listed)
        .filter(|line| line.starts_with("POST /") || line.starts_with("PUT /"))
        .collect();
    assert!(operations.len() >= 20, "{operations:?}");
    for operation in operations {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.split('?').next().unwrap_or(path);
        let known = &api["paths"][format!("/api/v1{path}")][method.to_lowercase()];
        assert!(known.is_object(), "{operation} is no operation");
    }
}
