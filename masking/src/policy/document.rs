//! The policy as a document: reading with a place and a remedy for every error, and the canonical
//! form.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use toml::{Table, Value};

use crate::classify::Class;
use crate::date::parse_day;
use crate::error::{Fault, PolicyError};
use crate::key::ValueDomain;
use crate::policy::{ColumnPolicy, Policy, UnnamedColumns};
use crate::text::Bilingual;
use crate::transform::{BinOutput, Period, Permute, RegionLevel, Transform};

/// A policy document larger than this is a mistake.
const BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    unnamed_columns: Option<String>,
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
    let unnamed = match read.unnamed_columns.as_deref() {
        None | Some("refuse") => UnnamedColumns::Refuse,
        Some("drop") => UnnamedColumns::Drop,
        Some(_) => {
            return Err(Fault::general(
                "option_value",
                Bilingual::new(
                    "unnamed_columns 的值未知",
                    "the value of unnamed_columns is unknown",
                ),
                Bilingual::new("写 refuse 或 drop", "write refuse or drop"),
            ));
        }
    };
    let columns = read
        .columns
        .into_iter()
        .map(|(name, table)| {
            Ok((
                name.clone(),
                Options {
                    column: name,
                    table,
                }
                .read()?,
            ))
        })
        .collect::<Result<_, PolicyError>>()?;
    Ok(Policy { columns, unnamed })
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

/// The options of one column; each is taken once, and what is left over is an error.
struct Options {
    column: String,
    table: Table,
}

const TRANSFORMS: &str = "keep, drop, token, permute, redact, bin, top_bottom, generalise_date, age_band, region, shift_date";

impl Options {
    fn read(mut self) -> Result<ColumnPolicy, PolicyError> {
        let name = self.text("transform")?.ok_or_else(|| {
            self.fault(
                "option_missing",
                "未写 transform".to_owned(),
                "has no transform".to_owned(),
                TRANSFORMS,
            )
        })?;
        let transform = self.transform(&name)?;
        let class = self.class()?;
        let reason = self
            .text("reason")?
            .filter(|reason| !reason.trim().is_empty());
        if class.is_some() && reason.is_none() {
            return Err(self.fault(
                "reason_missing",
                "指定了 class 却没有 reason".to_owned(),
                "states a class without a reason".to_owned(),
                "reason = \"…\"",
            ));
        }
        if let Some(option) = self.table.keys().next().cloned() {
            return Err(self.fault(
                "option_unknown",
                format!("选项 {option:?} 不属于变换 {name}"),
                format!("option {option:?} does not belong to transform {name}"),
                options_of(&name),
            ));
        }
        Ok(ColumnPolicy {
            transform,
            class,
            reason,
        })
    }

    fn transform(&mut self, name: &str) -> Result<Transform, PolicyError> {
        Ok(match name {
            "keep" => Transform::Keep,
            "drop" => Transform::Drop,
            "token" => Transform::Token {
                value_domain: self
                    .value_domain()?
                    .ok_or_else(|| self.missing("value_domain", "person-id"))?,
            },
            "permute" => self.permute()?,
            "redact" => self.redact()?,
            "bin" => Transform::Bin {
                width: self.positive("width")?,
                origin: self.number("origin")?.unwrap_or(0.0),
                output: self.choice(
                    "output",
                    &[
                        ("lower", BinOutput::Lower),
                        ("middle", BinOutput::Middle),
                        ("label", BinOutput::Label),
                    ],
                    Some(BinOutput::Lower),
                )?,
            },
            "top_bottom" => self.top_bottom()?,
            "generalise_date" => Transform::GeneraliseDate {
                to: self.choice(
                    "to",
                    &[
                        ("month", Period::Month),
                        ("quarter", Period::Quarter),
                        ("year", Period::Year),
                    ],
                    None,
                )?,
            },
            "age_band" => self.age_band()?,
            "region" => Transform::Region {
                to: self.choice(
                    "to",
                    &[
                        ("province", RegionLevel::Province),
                        ("city", RegionLevel::City),
                        ("county", RegionLevel::County),
                    ],
                    None,
                )?,
                as_name: self.choice("output", &[("code", false), ("name", true)], Some(false))?,
            },
            "shift_date" => Transform::ShiftDate {
                subject: self
                    .text("subject")?
                    .ok_or_else(|| self.missing("subject", "id_card"))?,
                value_domain: self
                    .value_domain()?
                    .unwrap_or_else(|| ValueDomain::known("person-id")),
                days: self.whole("days", 1, 36_500)?.unwrap_or(180),
            },
            "hash" | "md5" | "sha1" | "sha256" | "sm3" => {
                let algorithm = self.text("algorithm")?.unwrap_or_else(|| name.to_owned());
                Transform::Hash { algorithm }
            }
            _ => {
                return Err(self.fault(
                    "transform_unknown",
                    format!("变换 {name:?} 未知"),
                    format!("transform {name:?} is unknown"),
                    TRANSFORMS,
                ));
            }
        })
    }

    fn permute(&mut self) -> Result<Transform, PolicyError> {
        const KINDS: &[(&str, u8)] = &[
            ("resident_id", 0),
            ("mobile", 1),
            ("bank_card", 2),
            ("credit_code", 3),
            ("plate", 4),
        ];
        let permute = match self.choice("kind", KINDS, None)? {
            0 => Permute::ResidentId {
                keep_region: match self.whole("keep_region", 2, 6)?.unwrap_or(6) {
                    2 => 2,
                    4 => 4,
                    6 => 6,
                    _ => return Err(self.value("keep_region", "2, 4, 6")),
                },
                birth_band_years: self.whole("birth_band_years", 1, 300)?.unwrap_or(10),
                unassigned_region: self.flag("unassigned_region")?.unwrap_or(false),
            },
            1 => Permute::Mobile {
                keep: self.length("keep", 3, 11)?.unwrap_or(3),
            },
            2 => Permute::BankCard {
                keep: self.length("keep", 6, 19)?.unwrap_or(6),
            },
            3 => Permute::CreditCode,
            _ => Permute::Plate,
        };
        let value_domain = self
            .value_domain()?
            .unwrap_or_else(|| permute.value_domain());
        Ok(Transform::Permute {
            permute,
            value_domain,
        })
    }

    fn redact(&mut self) -> Result<Transform, PolicyError> {
        Ok(
            match self.choice(
                "style",
                &[("constant", 0), ("mask", 1), ("text", 2)],
                Some(0),
            )? {
                0 => Transform::RedactConstant {
                    text: self.text("text")?.unwrap_or_else(|| "***".to_owned()),
                },
                1 => Transform::RedactMask {
                    first: self.length("first", 0, 1000)?.unwrap_or(0),
                    last: self.length("last", 0, 1000)?.unwrap_or(0),
                },
                _ => Transform::RedactText,
            },
        )
    }

    fn top_bottom(&mut self) -> Result<Transform, PolicyError> {
        let (bottom, top) = (self.number("bottom")?, self.number("top")?);
        match (bottom, top) {
            (None, None) => Err(self.missing("top", "100")),
            (Some(bottom), Some(top)) if bottom > top => Err(self.value("bottom", "bottom ≤ top")),
            _ => Ok(Transform::TopBottom { bottom, top }),
        }
    }

    fn age_band(&mut self) -> Result<Transform, PolicyError> {
        let as_of = match self.text("as_of")? {
            None => None,
            Some(text) => match parse_day(&text) {
                Some(day) => Some((day.year, day.month, day.day)),
                None => return Err(self.value("as_of", "2025-12-31")),
            },
        };
        let width = self.whole("width", 1, 100)?.unwrap_or(10);
        let top = self.whole("top", 1, 150)?.unwrap_or(90);
        Ok(Transform::AgeBand { width, top, as_of })
    }

    fn class(&mut self) -> Result<Option<Class>, PolicyError> {
        if !self.table.contains_key("class") {
            return Ok(None);
        }
        self.choice("class", CLASSES, None).map(Some)
    }

    fn value_domain(&mut self) -> Result<Option<ValueDomain>, PolicyError> {
        let Some(name) = self.text("value_domain")? else {
            return Ok(None);
        };
        ValueDomain::parse(&name).map(Some).map_err(|fault| Fault {
            column: Some(self.column.clone()),
            ..fault
        })
    }

    fn text(&mut self, option: &str) -> Result<Option<String>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.value(option, "\"…\"")),
        }
    }

    fn flag(&mut self, option: &str) -> Result<Option<bool>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.value(option, "true, false")),
        }
    }

    fn number(&mut self, option: &str) -> Result<Option<f64>, PolicyError> {
        let number = match self.table.remove(option) {
            None => return Ok(None),
            Some(Value::Float(number)) => Some(number),
            Some(Value::Integer(number)) => i32::try_from(number).ok().map(f64::from),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite() && number.abs() <= 1e15) {
            Some(number) => Ok(Some(number)),
            None => Err(self.value(option, "-1e15 … 1e15")),
        }
    }

    fn positive(&mut self, option: &str) -> Result<f64, PolicyError> {
        match self.number(option)? {
            None => Err(self.missing(option, "10")),
            Some(number) if number >= 1e-9 => Ok(number),
            Some(_) => Err(self.value(option, "> 0")),
        }
    }

    fn whole(&mut self, option: &str, low: u32, high: u32) -> Result<Option<u32>, PolicyError> {
        match self.table.remove(option) {
            None => Ok(None),
            Some(Value::Integer(number)) => match u32::try_from(number) {
                Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
                _ => Err(self.value(option, &format!("{low} … {high}"))),
            },
            Some(_) => Err(self.value(option, &format!("{low} … {high}"))),
        }
    }

    fn length(&mut self, option: &str, low: u32, high: u32) -> Result<Option<usize>, PolicyError> {
        let length = self.whole(option, low, high)?;
        Ok(length.and_then(|length| usize::try_from(length).ok()))
    }

    fn choice<T: Copy>(
        &mut self,
        option: &str,
        choices: &[(&str, T)],
        otherwise: Option<T>,
    ) -> Result<T, PolicyError> {
        let names = choices
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ");
        match self.text(option)? {
            None => otherwise.ok_or_else(|| self.missing(option, &names)),
            Some(text) => match choices.iter().find(|(name, _)| *name == text) {
                Some((_, choice)) => Ok(*choice),
                None => Err(self.value(option, &names)),
            },
        }
    }

    fn missing(&self, option: &str, example: &str) -> PolicyError {
        self.fault(
            "option_missing",
            format!("缺少选项 {option}"),
            format!("lacks option {option}"),
            example,
        )
    }

    fn value(&self, option: &str, allowed: &str) -> PolicyError {
        self.fault(
            "option_value",
            format!("选项 {option} 的值不合规"),
            format!("option {option} has a value that is not allowed"),
            allowed,
        )
    }

    fn fault(&self, code: &str, zh: String, en: String, allowed: &str) -> PolicyError {
        Fault::column(
            code,
            &self.column,
            Bilingual::new(zh, en),
            Bilingual::new(format!("可写：{allowed}"), format!("write: {allowed}")),
        )
    }
}

const CLASSES: &[(&str, Class)] = &[
    ("direct_identifier", Class::DirectIdentifier),
    ("quasi_identifier", Class::QuasiIdentifier),
    ("sensitive", Class::Sensitive),
    ("public", Class::Public),
];

fn options_of(transform: &str) -> &'static str {
    match transform {
        "token" => "value_domain, class, reason",
        "permute" => {
            "kind, value_domain, class, reason; resident_id: keep_region, birth_band_years, unassigned_region; \
             mobile, bank_card: keep"
        }
        "redact" => "style, class, reason; constant: text; mask: first, last",
        "bin" => "width, origin, output, class, reason",
        "top_bottom" => "bottom, top, class, reason",
        "generalise_date" => "to, class, reason",
        "age_band" => "width, top, as_of, class, reason",
        "region" => "to, output, class, reason",
        "shift_date" => "subject, value_domain, days, class, reason",
        _ => "class, reason",
    }
}

pub(super) fn write(policy: &Policy) -> String {
    let mut text = String::from("version = 1\n");
    if policy.unnamed == UnnamedColumns::Drop {
        text.push_str("unnamed_columns = \"drop\"\n");
    }
    for (name, rule) in &policy.columns {
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "\n[columns.{}]\ntransform = {}\n",
            quoted(name),
            quoted(rule.transform.name())
        );
        for (option, value) in options(&rule.transform) {
            let _ = writeln!(text, "{option} = {value}");
        }
        if let Some(class) = rule.class {
            let name = CLASSES
                .iter()
                .find(|(_, known)| *known == class)
                .map_or("", |(name, _)| *name);
            let _ = writeln!(text, "class = {}", quoted(name));
        }
        if let Some(reason) = &rule.reason {
            let _ = writeln!(text, "reason = {}", quoted(reason));
        }
    }
    text
}

fn options(transform: &Transform) -> Vec<(&'static str, String)> {
    match transform {
        Transform::Keep | Transform::Drop => Vec::new(),
        Transform::Token { value_domain } => vec![("value_domain", quoted(value_domain.as_str()))],
        Transform::Permute {
            permute,
            value_domain,
        } => {
            let mut options = vec![("kind", quoted(permute.name()))];
            match permute {
                Permute::ResidentId {
                    keep_region,
                    birth_band_years,
                    unassigned_region,
                } => {
                    options.push(("keep_region", keep_region.to_string()));
                    options.push(("birth_band_years", birth_band_years.to_string()));
                    options.push(("unassigned_region", unassigned_region.to_string()));
                }
                Permute::Mobile { keep } | Permute::BankCard { keep } => {
                    options.push(("keep", keep.to_string()));
                }
                Permute::CreditCode | Permute::Plate => {}
            }
            options.push(("value_domain", quoted(value_domain.as_str())));
            options
        }
        Transform::RedactConstant { text } => {
            vec![("style", quoted("constant")), ("text", quoted(text))]
        }
        Transform::RedactMask { first, last } => vec![
            ("style", quoted("mask")),
            ("first", first.to_string()),
            ("last", last.to_string()),
        ],
        Transform::RedactText => vec![("style", quoted("text"))],
        Transform::Bin {
            width,
            origin,
            output,
        } => {
            let output = match output {
                BinOutput::Lower => "lower",
                BinOutput::Middle => "middle",
                BinOutput::Label => "label",
            };
            vec![
                ("width", float(*width)),
                ("origin", float(*origin)),
                ("output", quoted(output)),
            ]
        }
        Transform::TopBottom { bottom, top } => [("bottom", bottom), ("top", top)]
            .into_iter()
            .filter_map(|(option, bound)| Some((option, float((*bound)?))))
            .collect(),
        Transform::GeneraliseDate { to } => {
            let to = match to {
                Period::Month => "month",
                Period::Quarter => "quarter",
                Period::Year => "year",
            };
            vec![("to", quoted(to))]
        }
        Transform::AgeBand { width, top, as_of } => {
            let mut options = vec![("width", width.to_string()), ("top", top.to_string())];
            if let Some((year, month, day)) = as_of {
                options.push(("as_of", format!("\"{year:04}-{month:02}-{day:02}\"")));
            }
            options
        }
        Transform::Region { to, as_name } => {
            let to = match to {
                RegionLevel::Province => "province",
                RegionLevel::City => "city",
                RegionLevel::County => "county",
            };
            vec![
                ("to", quoted(to)),
                ("output", quoted(if *as_name { "name" } else { "code" })),
            ]
        }
        Transform::ShiftDate {
            subject,
            value_domain,
            days,
        } => vec![
            ("subject", quoted(subject)),
            ("value_domain", quoted(value_domain.as_str())),
            ("days", days.to_string()),
        ],
        Transform::Hash { algorithm } => vec![("algorithm", quoted(algorithm))],
    }
}

/// A floating-point number with a fraction, as TOML wants it; reading it back gives the same
/// number.
fn float(number: f64) -> String {
    format!("{number:?}")
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
