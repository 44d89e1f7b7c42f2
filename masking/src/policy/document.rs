//! The policy as a document: reading with a place and a remedy for every error, and the canonical
//! form.

mod names;
mod options;
mod transforms;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{Fault, PolicyError};
use crate::policy::{Policy, RuleTarget, UnnamedColumns};
use crate::text::Bilingual;
use crate::transform::{Measure, ValueGroups};
use names::{SUITES, UNNAMED};
use options::{Options, Place};

pub(super) use write::write;

/// A policy document larger than this is a mistake.
const BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    unnamed_columns: Option<Value>,
    cipher_suite: Option<Value>,
    measure: Option<Table>,
    #[serde(default)]
    hierarchies: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    #[serde(default)]
    rules: BTreeMap<String, Table>,
    #[serde(default)]
    columns: BTreeMap<String, Table>,
}

pub(super) fn parse(document: &str) -> Result<Policy, PolicyError> {
    if document.len() > BYTES_MAX {
        return Err(Fault::general(
            "document_too_large",
            Bilingual::new(
                "策略文档超过 1 MiB",
                "the policy document is larger than 1 MiB",
            ),
            Bilingual::new("每列只写一条规则", "write one rule per column"),
        ));
    }
    let read: Document = toml::from_str(document).map_err(|error| unreadable(document, &error))?;
    if read.version != 1 {
        return Err(Fault::general(
            "document_version",
            Bilingual::new(
                format!("策略文档版本 {} 未知", read.version),
                format!("policy document version {} is unknown", read.version),
            ),
            Bilingual::new("请写 version = 1", "write version = 1"),
        ));
    }
    let mut head = Table::new();
    head.extend(
        read.unnamed_columns
            .map(|value| ("unnamed_columns".to_owned(), value)),
    );
    head.extend(
        read.cipher_suite
            .map(|value| ("cipher_suite".to_owned(), value)),
    );
    let mut head = Options::new(Place::Section("policy".to_owned()), head);
    Ok(Policy {
        unnamed: head.choice("unnamed_columns", UNNAMED, Some(UnnamedColumns::Refuse))?,
        cipher_suite: head.optional_choice("cipher_suite", SUITES)?,
        measure: read.measure.map(measure).transpose()?,
        hierarchies: read
            .hierarchies
            .into_iter()
            .map(|(name, groups)| (name, ValueGroups::new(groups)))
            .collect(),
        rules: rules(read.rules)?,
        columns: read
            .columns
            .into_iter()
            .map(|(name, table)| {
                let options = Options::new(Place::Column(name.clone()), table);
                Ok((name, options.rule(true)?))
            })
            .collect::<Result<_, PolicyError>>()?,
    })
}

fn rules(
    tables: BTreeMap<String, Table>,
) -> Result<BTreeMap<RuleTarget, super::ColumnPolicy>, PolicyError> {
    tables
        .into_iter()
        .map(|(name, table)| {
            let target = RuleTarget::parse(&name).ok_or_else(|| unknown_target(&name))?;
            let options = Options::new(Place::Section(format!("rules.{name}")), table);
            Ok((target, options.rule(false)?))
        })
        .collect()
}

fn unknown_target(name: &str) -> PolicyError {
    let known: Vec<&str> = RuleTarget::all().map(RuleTarget::as_str).collect();
    let known = known.join(", ");
    Fault::general(
        "rule_unknown",
        Bilingual::new(
            format!("[rules.{name}] 不是已知的类别、含义或标识符"),
            format!("[rules.{name}] names no class, no meaning and no identifier"),
        ),
        Bilingual::new(format!("可写：{known}"), format!("write: {known}")),
    )
}

fn measure(table: Table) -> Result<Measure, PolicyError> {
    let mut options = Options::new(Place::Section("measure".to_owned()), table);
    let measure = Measure {
        k_min: options
            .whole("k_min", 2, 1_000_000)?
            .ok_or_else(|| options.missing("k_min", "5"))?,
        l_min: options.whole("l_min", 2, 1_000_000)?,
        t_max: match options.number("t_max")? {
            Some(t_max) if !(0.0..=1.0).contains(&t_max) => {
                return Err(options.value("t_max", "0 … 1"));
            }
            t_max => t_max,
        },
        delta_max: limit(&mut options, "delta_max")?,
        beta_max: limit(&mut options, "beta_max")?,
        suppress_percent_max: match options.number("suppress_percent_max")? {
            Some(most) if !(0.0..=10.0).contains(&most) => {
                return Err(options.value("suppress_percent_max", "0 … 10"));
            }
            most => most,
        },
    };
    options.finish(
        ("度量", "the measure"),
        "k_min, l_min, t_max, delta_max, beta_max, suppress_percent_max",
    )?;
    Ok(measure)
}

/// The largest value of a measure that has no upper bound of its own.
fn limit(options: &mut Options, name: &str) -> Result<Option<f64>, PolicyError> {
    match options.number(name)? {
        Some(most) if !(0.0..=1000.0).contains(&most) => Err(options.value(name, "0 … 1000")),
        most => Ok(most),
    }
}

/// TOML's own message with the line it is about.
fn unreadable(document: &str, error: &toml::de::Error) -> PolicyError {
    let line = error
        .span()
        .and_then(|span| document.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message();
    Fault::general(
        "document_unreadable",
        Bilingual::new(
            format!("策略文档第 {line} 行无法读取：{message}"),
            format!("line {line} of the policy document cannot be read: {message}"),
        ),
        Bilingual::new(
            "文档为 TOML：version = 1，每列一节 [columns.列名]，写明 transform",
            "write TOML: version = 1, and a table [columns.NAME] with its transform for each column",
        ),
    )
}
