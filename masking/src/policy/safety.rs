//! Whether a transform hides a direct identifier.

use crate::classify::{Class, ColumnClass, Identifier};
use crate::error::PolicyFault;
use crate::policy::ColumnPolicy;
use crate::text::Bilingual;
use crate::transform::{DOMAIN_MIN, Permute, Surrogate, Transform};

/// Below this confidence a person may state another class, with a reason.
const CONFIDENT: f64 = 0.9;

/// The class that counts: the classifier's, unless a person stated a stricter one, or another one
/// where the classifier is unsure.
pub(super) fn effective_class(
    found: &ColumnClass,
    rule: &ColumnPolicy,
) -> Result<Class, PolicyFault> {
    let Some(stated) = rule.class else {
        return Ok(found.class);
    };
    let stricter = stated <= found.class;
    if stricter || found.confidence < CONFIDENT {
        return Ok(stated);
    }
    Err(PolicyFault::column(
        "class_contradicted",
        &found.column,
        Bilingual::new(
            format!(
                "策略称其为 {}，但数据明确表明：{}",
                name(stated).0,
                found.evidence.reason.zh
            ),
            format!(
                "the policy calls it {}, but the data say clearly: {}",
                name(stated).1,
                found.evidence.reason.en
            ),
        ),
        Bilingual::new(
            "去掉 class，并使用 token、permute、redact 或 drop",
            "remove the class, and use token, permute, redact or drop",
        ),
    ))
}

fn name(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::DirectIdentifier => ("直接标识符", "a direct identifier"),
        Class::QuasiIdentifier => ("准标识符", "a quasi-identifier"),
        Class::Sensitive => ("敏感信息", "sensitive"),
        Class::Public => ("公开信息", "public"),
    }
}

/// Why a transform does not hide a direct identifier, if it does not.
pub(super) fn direct(found: &ColumnClass, transform: &Transform) -> Option<PolicyFault> {
    match transform {
        Transform::Drop
        | Transform::Token { .. }
        | Transform::RedactConstant { .. }
        | Transform::Hash { .. } => None,
        Transform::Permute { permute, .. } => other_kind(
            found,
            kind(*permute),
            ("置换", "permutation"),
            permute.name(),
        ),
        Transform::Surrogate { surrogate } => other_kind(
            found,
            invented(surrogate),
            ("替身", "surrogate"),
            surrogate.kind(),
        ),
        Transform::Region { .. }
            if matches!(
                found.identifier,
                Some(Identifier::ResidentId | Identifier::Address)
            ) =>
        {
            None
        }
        Transform::RedactMask { first, last } => shows_too_much(found, *first, *last),
        Transform::RedactText => incomplete(found),
        Transform::Keep => Some(PolicyFault::column(
            "direct_identifier_kept",
            &found.column,
            Bilingual::new(
                format!("直接标识符不得原样保留：{}", found.evidence.reason.zh),
                format!(
                    "a direct identifier may not be kept: {}",
                    found.evidence.reason.en
                ),
            ),
            remedy(found),
        )),
        _ => Some(PolicyFault::column(
            "direct_identifier_coarsened",
            &found.column,
            Bilingual::new(
                format!(
                    "变换 {} 不能隐藏直接标识符：{}",
                    transform.name(),
                    found.evidence.reason.zh
                ),
                format!(
                    "{} does not hide a direct identifier: {}",
                    transform.name(),
                    found.evidence.reason.en
                ),
            ),
            remedy(found),
        )),
    }
}

/// What takes the place of one kind of identifier is asked for another.
fn other_kind(
    found: &ColumnClass,
    asked: Identifier,
    transform: (&str, &str),
    name: &str,
) -> Option<PolicyFault> {
    let identifier = found.identifier.filter(|identifier| *identifier != asked)?;
    Some(PolicyFault::column(
        "kind_differs",
        &found.column,
        Bilingual::new(
            format!(
                "该列是{}，{}类型却是 {name}",
                identifier.title().zh,
                transform.0
            ),
            format!(
                "the column is a {}, the {} one of {name}",
                identifier.title().en,
                transform.1
            ),
        ),
        Bilingual::new(
            "改用对应的 kind，或 token",
            "use the kind that fits, or token",
        ),
    ))
}

fn shows_too_much(found: &ColumnClass, first: usize, last: usize) -> Option<PolicyFault> {
    if hides(found.identifier, first, last) {
        return None;
    }
    Some(PolicyFault::column(
        "mask_shows_too_much",
        &found.column,
        Bilingual::new(
            format!("保留前 {first} 位、后 {last} 位后，余下的可能值太少，可以枚举"),
            format!(
                "with the first {first} and last {last} characters shown, few enough values remain to try them all"
            ),
        ),
        Bilingual::new(
            "至少隐藏一百万种可能（例如手机号隐藏 6 位以上），或改用 token",
            "hide at least a million possibilities (of a mobile number six digits or more), or use token",
        ),
    ))
}

fn incomplete(found: &ColumnClass) -> Option<PolicyFault> {
    if found.identifier.is_none() && !found.evidence.inside_text.is_empty() {
        return None;
    }
    Some(PolicyFault::column(
        "redaction_incomplete",
        &found.column,
        Bilingual::new(
            "该列的值本身就是标识符，按文本查找会漏掉写错的值",
            "the values themselves are identifiers; looking for them as in text would miss mistyped ones",
        ),
        Bilingual::new(
            "改用 token、permute 或 redact（constant）",
            "use token, permute, or redact (constant)",
        ),
    ))
}

fn remedy(found: &ColumnClass) -> Bilingual {
    if found.identifier.is_none() && !found.evidence.inside_text.is_empty() {
        return Bilingual::new(
            "使用 transform = \"redact\", style = \"text\"，或 drop",
            "use transform = \"redact\" with style = \"text\", or drop",
        );
    }
    let domain = found.identifier.and_then(Identifier::value_domain);
    let example = domain
        .as_ref()
        .map_or("person-id", |domain| domain.as_str());
    Bilingual::new(
        format!(
            "使用 transform = \"token\", value_domain = \"{example}\"，或 permute、redact、drop"
        ),
        format!(
            "use transform = \"token\" with value_domain = \"{example}\", or permute, redact, drop"
        ),
    )
}

fn kind(permute: Permute) -> Identifier {
    match permute {
        Permute::ResidentId { .. } => Identifier::ResidentId,
        Permute::Mobile { .. } => Identifier::Mobile,
        Permute::BankCard { .. } => Identifier::BankCard,
        Permute::CreditCode => Identifier::CreditCode,
        Permute::Plate => Identifier::Plate,
    }
}

fn invented(surrogate: &Surrogate) -> Identifier {
    match surrogate {
        Surrogate::Name { .. } => Identifier::Name,
        Surrogate::Address { .. } => Identifier::Address,
    }
}

/// Whether at least a million identifiers fit what a mask leaves visible.
fn hides(identifier: Option<Identifier>, first: usize, last: usize) -> bool {
    let shown = first.saturating_add(last);
    // Characters hidden between two places of an identifier of a length.
    let hidden = |length: usize, from: usize, to: usize| {
        let (start, end) = (first.max(from), length.saturating_sub(last).min(to));
        u32::try_from(end.saturating_sub(start)).unwrap_or(0)
    };
    let values: u128 = match identifier {
        Some(Identifier::ResidentId) => {
            // Region codes, birth dates of a century and order numbers are far fewer than their
            // digits would allow.
            let region = 10u128.pow(hidden(18, 0, 6).min(2));
            let birth = 10u128.pow(hidden(18, 6, 14)).min(36_500);
            region * birth * 10u128.pow(hidden(18, 14, 17))
        }
        Some(Identifier::Mobile | Identifier::LandLine) => 10u128.pow(hidden(11, 0, 11)),
        Some(Identifier::BankCard) => 10u128.pow(hidden(16, 6, 15)),
        Some(Identifier::CreditCode) => 10u128.pow(hidden(18, 8, 16)),
        Some(Identifier::OrganisationCode) => 10u128.pow(hidden(9, 0, 8)),
        Some(Identifier::Plate) => 34u128.pow(hidden(7, 2, 7)),
        // A surname says little; a surname and the last character say who it is.
        Some(Identifier::Name) => return shown <= 1,
        _ => return shown == 0,
    };
    values >= u128::from(DOMAIN_MIN)
}
