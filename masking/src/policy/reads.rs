//! What a rule reads besides its own column: other columns, other rules, tables of the policy.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use crate::error::PolicyFault;
use crate::policy::Policy;
use crate::policy::compile::{has_text_form, listed};
use crate::policy::soundness;
use crate::text::Bilingual;
use crate::transform::{DateShift, Permute, Reference, Transform, is_number};

/// Places of the other columns; none when one is missing, which [`others_fit`] tells.
pub(super) fn places(transform: &Transform, schema: &Schema) -> Vec<usize> {
    let places = transform
        .others()
        .into_iter()
        .map(|name| schema.index_of(name).ok());
    places.collect::<Option<_>>().unwrap_or_default()
}

/// Whether the other columns exist and have a type that can be read.
pub(super) fn others_fit(
    field: &Field,
    transform: &Transform,
    schema: &Schema,
) -> Vec<PolicyFault> {
    let fits = |name: &str| {
        schema.field_with_name(name).is_ok_and(|other| {
            let data_type = other.data_type();
            match transform {
                Transform::Geo { .. } => is_number(data_type),
                Transform::Shuffle { .. } => !data_type.is_nested(),
                _ => has_text_form(data_type),
            }
        })
    };
    let unfit = transform.others().into_iter().filter(|name| !fits(name));
    unfit
        .map(|name| missing(field, transform, name, schema))
        .collect()
}

fn missing(field: &Field, transform: &Transform, name: &str, schema: &Schema) -> PolicyFault {
    let listed = listed(schema);
    if transform.subject().is_some() {
        return PolicyFault::column(
            "subject_missing",
            field.name(),
            Bilingual::new(
                format!(
                    "{} 所依据的列 {name:?} 不存在或不能作为标识",
                    transform.name()
                ),
                format!(
                    "the subject column {name:?} of {} is missing or cannot name anybody",
                    transform.name()
                ),
            ),
            Bilingual::new(
                format!("subject 写为数据中标识人员的列：{listed}"),
                format!("set subject to the column that names the person, one of: {listed}"),
            ),
        );
    }
    PolicyFault::column(
        "other_column_missing",
        field.name(),
        Bilingual::new(
            format!("{} 需要的列 {name:?} 不存在或类型不符", transform.name()),
            format!(
                "the column {name:?} that {} reads is missing or has another type",
                transform.name()
            ),
        ),
        Bilingual::new(
            format!("数据的列为：{listed}"),
            format!("the data have: {listed}"),
        ),
    )
}

/// The rule or table that a transform refers to.
pub(super) fn reference(
    field: &Field,
    transform: &Transform,
    policy: &Policy,
) -> Result<Option<Reference>, PolicyFault> {
    match transform {
        Transform::ShiftDate {
            subject,
            shift: DateShift::Birthday,
            ..
        } => permutation(field, subject, policy).map(Some),
        Transform::Hierarchy {
            hierarchy, levels, ..
        } => {
            let table = policy
                .hierarchies
                .get(hierarchy)
                .ok_or_else(|| no_hierarchy(field, hierarchy, policy))?;
            let climbed = table
                .climbed(*levels)
                .map_err(|fault| soundness::hierarchy(field.name(), hierarchy, &fault))?;
            Ok(Some(Reference::Climbed(Arc::new(climbed))))
        }
        _ => Ok(None),
    }
}

fn permutation(field: &Field, subject: &str, policy: &Policy) -> Result<Reference, PolicyFault> {
    match policy.columns.get(subject).map(|rule| &rule.transform) {
        Some(Transform::Permute {
            permute: permute @ Permute::ResidentId { .. },
            value_domain,
        }) => Ok(Reference::Permutation(*permute, value_domain.clone())),
        _ => Err(PolicyFault::column(
            "subject_not_permuted",
            field.name(),
            Bilingual::new(
                format!("follow_birthday 需要列 {subject:?} 采用 permute、kind = \"resident_id\""),
                format!("follow_birthday needs column {subject:?} to be permuted as a resident_id"),
            ),
            Bilingual::new(
                "为该列写 transform = \"permute\", kind = \"resident_id\"，或改用 days",
                "write transform = \"permute\" with kind = \"resident_id\" for it, or use days",
            ),
        )),
    }
}

fn no_hierarchy(field: &Field, name: &str, policy: &Policy) -> PolicyFault {
    let known: Vec<&str> = policy.hierarchies.keys().map(String::as_str).collect();
    let known = known.join(", ");
    PolicyFault::column(
        "hierarchy_missing",
        field.name(),
        Bilingual::new(
            format!("策略没有名为 {name:?} 的层级"),
            format!("the policy has no hierarchy {name:?}"),
        ),
        Bilingual::new(
            format!("写一节 [hierarchies.{name}]；已有：{known}"),
            format!("write a table [hierarchies.{name}]; there are: {known}"),
        ),
    )
}
