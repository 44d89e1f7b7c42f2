//! What is refused whatever the column is: transforms that would not do what they seem to.

use arrow::datatypes::Field;

use crate::error::PolicyFault;
use crate::text::Bilingual;
use crate::transform::{
    CHARACTERS_MAX, DOMAIN_MIN, HierarchyFault, MICROAGGREGATE_ROWS_MIN, Permute, SHUFFLE_ROWS_MIN,
    Transform, WIDTH_DEGREES_MIN, is_too_small,
};

/// Why a transform hides too little on any column of the field's type.
pub(super) fn always(field: &Field, transform: &Transform) -> Option<PolicyFault> {
    match transform {
        Transform::Hash { algorithm } => Some(unkeyed(field, algorithm)),
        Transform::Permute { permute, .. } if is_too_small(*permute) => {
            Some(enumerable(field, *permute))
        }
        Transform::Noise { noise, .. } if noise.does_nothing(field.data_type()) => {
            Some(PolicyFault::column(
                "noise_does_nothing",
                field.name(),
                Bilingual::new(
                    "噪声小于结果的舍入单位，至少半数的值不变",
                    "the noise is below the rounding of its result: half the values or more stay",
                ),
                Bilingual::new(
                    "增大 amount_max 或 scale（整数列至少为 1），或增加 decimals",
                    "raise amount_max or scale (to 1 or more for whole numbers), or decimals",
                ),
            ))
        }
        Transform::Microaggregate { rows_min } if *rows_min < MICROAGGREGATE_ROWS_MIN => {
            let code = "microaggregation_too_small";
            Some(too_few_rows(
                field,
                code,
                *rows_min,
                MICROAGGREGATE_ROWS_MIN,
            ))
        }
        Transform::Shuffle { rows_min, .. } if *rows_min < SHUFFLE_ROWS_MIN => {
            let code = "shuffle_too_small";
            Some(too_few_rows(field, code, *rows_min, SHUFFLE_ROWS_MIN))
        }
        Transform::Geo { geo } if geo.is_too_fine() => Some(PolicyFault::column(
            "geo_too_fine",
            field.name(),
            Bilingual::new(
                "坐标单元不足一公里，可指向一户人家",
                "cells below a kilometre can tell a household",
            ),
            Bilingual::new(
                format!(
                    "characters 不超过 {CHARACTERS_MAX}，width_degrees 不小于 {WIDTH_DEGREES_MIN}"
                ),
                format!(
                    "write characters up to {CHARACTERS_MAX}, width_degrees from {WIDTH_DEGREES_MIN}"
                ),
            ),
        )),
        _ => None,
    }
}

fn unkeyed(field: &Field, algorithm: &str) -> PolicyFault {
    PolicyFault::column(
        "unkeyed_hash",
        field.name(),
        Bilingual::new(
            format!("无密钥散列（{algorithm}）可枚举还原：身份证号、手机号等取值有限"),
            format!(
                "an unkeyed hash ({algorithm}) can be undone by trying all values: identifiers are few enough"
            ),
        ),
        Bilingual::new(
            "改用 transform = \"token\" 并写明 value_domain",
            "use transform = \"token\" with its value_domain",
        ),
    )
}

fn enumerable(field: &Field, permute: Permute) -> PolicyFault {
    let size = permute.domain_min();
    let remedy = wider(permute);
    PolicyFault::column(
        "domain_too_small",
        field.name(),
        Bilingual::new(
            format!("置换只有 {size} 个可能值，少于 NIST SP 800-38G 要求的 {DOMAIN_MIN}"),
            format!(
                "the permutation is over {size} values, fewer than the {DOMAIN_MIN} of NIST SP 800-38G"
            ),
        ),
        Bilingual::new(remedy.0, remedy.1),
    )
}

fn too_few_rows(field: &Field, code: &str, rows: u32, least: u32) -> PolicyFault {
    PolicyFault::column(
        code,
        field.name(),
        Bilingual::new(
            format!("每组 {rows} 行太少：组内一人即可推知他人的值"),
            format!(
                "groups of {rows} rows are too small: one of them can work out the other's value"
            ),
        ),
        Bilingual::new(
            format!("rows_min 至少为 {least}"),
            format!("raise rows_min to {least} or more"),
        ),
    )
}

fn wider(permute: Permute) -> (&'static str, &'static str) {
    match permute {
        Permute::ResidentId { .. } => (
            "将 birth_band_years 增至 6 以上，或改用 token",
            "raise birth_band_years to 6 or more, or use token",
        ),
        Permute::Mobile { .. } => (
            "将 keep 减至 5 以下，或改用 token",
            "lower keep to 5 or less, or use token",
        ),
        Permute::BankCard { .. } => (
            "将 keep 减至 9 以下，或改用 token",
            "lower keep to 9 or less, or use token",
        ),
        Permute::CreditCode | Permute::Plate => ("改用 token", "use token"),
    }
}

/// Why a hierarchy does not coarsen.
pub(super) fn hierarchy(column: &str, name: &str, fault: &HierarchyFault) -> PolicyFault {
    let (zh, en) = match fault {
        HierarchyFault::Empty => (
            "没有任何上级值".to_owned(),
            "it has no coarser value".to_owned(),
        ),
        HierarchyFault::Alone(group) => (
            format!("{group:?} 只含一个值，相当于改名"),
            format!("{group:?} stands for one value only, which is but another name"),
        ),
        HierarchyFault::Twice(value) => (
            format!("{value:?} 有两个上级"),
            format!("{value:?} has two coarser values"),
        ),
        HierarchyFault::Circle(value) => (
            format!("{value:?} 是自己的上级"),
            format!("{value:?} is above itself"),
        ),
    };
    PolicyFault::column(
        "hierarchy_does_not_coarsen",
        column,
        Bilingual::new(
            format!("层级 {name:?} 不能概化：{zh}"),
            format!("hierarchy {name:?} does not coarsen: {en}"),
        ),
        Bilingual::new(
            "每个上级值至少含两个值，每个值只有一个上级；其余值用 otherwise",
            "give each coarser value two values or more and each value one coarser; otherwise is for the rest",
        ),
    )
}
