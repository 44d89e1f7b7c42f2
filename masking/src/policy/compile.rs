//! From a policy, a schema and classes to a plan, or to all reasons why not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use crate::classify::{Class, ColumnClass};
use crate::date::could_hold_days;
use crate::error::PolicyFault;
use crate::policy::{ColumnPolicy, Policy, UnnamedColumns, reads, safety, soundness};
use crate::text::Bilingual;
use crate::transform::{GeoLayout, MaskPlan, Step, Transform, is_number, output_type};

pub(super) fn compile(
    policy: &Policy,
    schema: &Schema,
    classes: &[ColumnClass],
) -> Result<MaskPlan, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let classes: HashMap<&str, &ColumnClass> = classes
        .iter()
        .filter(|class| schema.index_of(&class.column).is_ok())
        .map(|class| (class.column.as_str(), class))
        .collect();
    let policy = &policy.written_out(classes.values().copied());
    names(policy, schema, &mut faults);
    let mut steps = Vec::new();
    let mut fields = Vec::new();
    for (place, field) in schema.fields().iter().enumerate() {
        let Some(rule) = policy.columns.get(field.name()) else {
            continue;
        };
        let class = classes.get(field.name().as_str()).copied();
        faults.extend(column(field, rule, class));
        faults.extend(reads::others_fit(field, &rule.transform, schema));
        let reference = reads::reference(field, &rule.transform, policy);
        if rule.transform == Transform::Drop {
            continue;
        }
        fields.push(output_field(field, &rule.transform));
        steps.push(Step {
            column: place,
            others: reads::places(&rule.transform, schema),
            transform: rule.transform.clone(),
            reference: reference.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            }),
        });
    }
    let quasi = quasi(policy, schema, &classes);
    faults.extend(unmeasured(policy, &quasi));
    if !faults.is_empty() {
        return Err(faults);
    }
    let output = Arc::new(Schema::new(fields));
    let plan = MaskPlan::new(Arc::new(schema.clone()), output, steps);
    let sensitive = sensitive(policy, schema, &classes);
    Ok(plan
        .with_cipher_suite(policy.cipher_suite)
        .with_measure((quasi, sensitive), policy.measure))
}

/// The quasi-identifiers that stay, exact or coarsened.
fn quasi(policy: &Policy, schema: &Schema, classes: &HashMap<&str, &ColumnClass>) -> Vec<String> {
    let stays = |name: &&String| {
        let (Some(rule), Some(class)) = (
            policy.columns.get(name.as_str()),
            classes.get(name.as_str()),
        ) else {
            return false;
        };
        let hidden = matches!(
            rule.transform,
            Transform::Drop | Transform::Token { .. } | Transform::RedactConstant { .. }
        );
        !hidden
            && safety::effective_class(class, rule)
                .is_ok_and(|class| class == Class::QuasiIdentifier)
    };
    let names = schema.fields().iter().map(|field| field.name());
    names.filter(stays).cloned().collect()
}

/// The sensitive column that is measured, where it stays.
fn sensitive(
    policy: &Policy,
    schema: &Schema,
    classes: &HashMap<&str, &ColumnClass>,
) -> Option<String> {
    let is_sensitive = |name: &&String| {
        let rule = policy.columns.get(name.as_str());
        let class = classes.get(name.as_str());
        rule.zip(class).is_some_and(|(rule, class)| {
            safety::effective_class(class, rule).is_ok_and(|class| class == Class::Sensitive)
        })
    };
    let first = schema.fields().iter().map(|field| field.name());
    let first = first.filter(|name| is_sensitive(name)).find(|_| true)?;
    let stays = |rule: &ColumnPolicy| rule.transform != Transform::Drop;
    policy
        .columns
        .get(first)
        .is_some_and(stays)
        .then(|| first.clone())
}

/// Quasi-identifiers tell together who it is, and how far they do only a measure shows.
fn unmeasured(policy: &Policy, quasi: &[String]) -> Option<PolicyFault> {
    if quasi.len() < 2 || policy.measure.is_some() {
        return None;
    }
    let named = quasi.join(", ");
    Some(PolicyFault::general(
        "quasi_identifiers_unmeasured",
        Bilingual::new(
            format!("准标识符 {named} 合在一起可能识别个人，策略却没有度量要求"),
            format!(
                "the quasi-identifiers {named} may tell together who it is, and the policy states no measure"
            ),
        ),
        Bilingual::new(
            "写明 [measure] k_min = 5，或只保留一个准标识符",
            "write [measure] with k_min = 5, or keep one of them only",
        ),
    ))
}

/// Columns that are named twice, missing, or without a rule.
fn names(policy: &Policy, schema: &Schema, faults: &mut Vec<PolicyFault>) {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name().as_str()) {
            faults.push(PolicyFault::column(
                "column_duplicate",
                field.name(),
                Bilingual::new("数据中有两列同名", "two columns of the data have this name"),
                Bilingual::new(
                    "请在数据中改名后再推送",
                    "rename one of them in the data and push again",
                ),
            ));
        }
        if policy.unnamed == UnnamedColumns::Refuse && !policy.columns.contains_key(field.name()) {
            faults.push(PolicyFault::column(
                "column_unnamed",
                field.name(),
                Bilingual::new("策略没有提到该列", "the policy has no rule for this column"),
                Bilingual::new(
                    "为该列写一条规则（keep、drop 等），或写 unnamed_columns = \"drop\"",
                    "write a rule for it (keep, drop, ...), or unnamed_columns = \"drop\"",
                ),
            ));
        }
    }
    let known: BTreeMap<&str, ()> = schema
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), ()))
        .collect();
    for name in policy
        .columns
        .keys()
        .filter(|name| !known.contains_key(name.as_str()))
    {
        faults.push(PolicyFault::column(
            "column_missing",
            name,
            Bilingual::new("数据中没有该列", "the data have no such column"),
            Bilingual::new(
                format!("数据的列为：{}", listed(schema)),
                format!("the data have: {}", listed(schema)),
            ),
        ));
    }
}

/// The columns of the data, as a remedy names them.
pub(super) fn listed(schema: &Schema) -> String {
    let mut names: Vec<&str> = schema
        .fields()
        .iter()
        .take(30)
        .map(|field| field.name().as_str())
        .collect();
    if schema.fields().len() > names.len() {
        names.push("…");
    }
    names.join(", ")
}

/// Everything that speaks against one column's rule.
fn column(field: &Field, rule: &ColumnPolicy, class: Option<&ColumnClass>) -> Vec<PolicyFault> {
    let mut faults = Vec::new();
    faults.extend(soundness::always(field, &rule.transform));
    match class {
        Some(class) => match safety::effective_class(class, rule) {
            Ok(Class::DirectIdentifier) => faults.extend(safety::direct(class, &rule.transform)),
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        },
        None => faults.extend(unclassified(field, &rule.transform)),
    }
    faults.extend(fits(field, &rule.transform));
    faults
}

/// A column that nobody looked at may only be hidden whole.
fn unclassified(field: &Field, transform: &Transform) -> Option<PolicyFault> {
    let hidden = matches!(
        transform,
        Transform::Drop
            | Transform::Token { .. }
            | Transform::RedactConstant { .. }
            | Transform::Hash { .. }
    );
    (!hidden).then(|| {
        PolicyFault::column(
            "unclassified",
            field.name(),
            Bilingual::new(
                "该列尚未分类，不知其是否为标识符",
                "the column has not been classified",
            ),
            Bilingual::new(
                "先对数据分类，或使用 drop、token",
                "classify the data first, or use drop or token",
            ),
        )
    })
}

/// Whether a transform can read the column's type.
fn fits(field: &Field, transform: &Transform) -> Option<PolicyFault> {
    let data_type = field.data_type();
    let (fits, zh, en) = match transform {
        Transform::Keep | Transform::Drop | Transform::RedactConstant { .. } => return None,
        Transform::Bin { .. }
        | Transform::TopBottom { .. }
        | Transform::Noise { .. }
        | Transform::Microaggregate { .. } => (is_number(data_type), "数字", "numbers"),
        Transform::Shuffle { .. } => (!data_type.is_nested(), "单个值", "single values"),
        Transform::Geo { geo } => match geo.layout {
            GeoLayout::Longitude { .. } | GeoLayout::Latitude { .. } => (
                is_number(data_type),
                "以度为单位的数字",
                "numbers of degrees",
            ),
            _ => (
                is_text(data_type),
                "\"经度,纬度\" 一类的文本",
                "texts of two coordinates",
            ),
        },
        Transform::Surrogate { .. } => (is_text(data_type), "文本", "texts"),
        Transform::GeneraliseDate { .. } | Transform::ShiftDate { .. } => (
            could_hold_days(data_type),
            "日期或日期文本",
            "dates or written dates",
        ),
        Transform::AgeBand { as_of: Some(_), .. } => (
            could_hold_days(data_type),
            "出生日期（已给 as_of）",
            "birth dates (as_of is given)",
        ),
        Transform::AgeBand { as_of: None, .. } => (
            data_type.is_integer(),
            "整数年龄（出生日期需写 as_of）",
            "whole ages (birth dates need as_of)",
        ),
        _ => (
            has_text_form(data_type),
            "文本、数字或日期",
            "text, numbers or dates",
        ),
    };
    (!fits).then(|| {
        PolicyFault::column(
            "type_unfit",
            field.name(),
            Bilingual::new(
                format!("变换 {} 不适用于类型 {data_type}", transform.name()),
                format!(
                    "{} cannot take values of type {data_type}",
                    transform.name()
                ),
            ),
            Bilingual::new(format!("该变换需要{zh}"), format!("it takes {en}")),
        )
    })
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        _ => false,
    }
}

/// Whether values of a type can be read as texts that name something.
pub(super) fn has_text_form(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has_text_form(values),
        DataType::Boolean | DataType::Null | DataType::Float16 => false,
        other => is_text(other) || other.is_numeric() || other.is_temporal(),
    }
}

fn output_field(field: &Field, transform: &Transform) -> Field {
    match transform {
        Transform::Keep => field.clone(),
        _ => Field::new(
            field.name(),
            output_type(transform, field.data_type()),
            true,
        ),
    }
}
