//! A safe transform for what a column was found to be.

use crate::classify::{Class, ColumnClass, Identifier, Meaning};
use crate::key::ValueDomain;
use crate::transform::{BinOutput, Measure, Period, RegionLevel, Transform};

/// Level 3 of GB/T 42460 as it is read here: a risk of one in five at most.
pub(super) const MEASURE: Measure = Measure {
    k_min: 5,
    l_min: None,
    t_max: None,
    delta_max: None,
    beta_max: None,
    suppress_percent_max: Some(1.0),
};

pub(super) fn transform(class: &ColumnClass) -> Transform {
    match class.class {
        Class::DirectIdentifier => direct(class),
        Class::QuasiIdentifier => quasi(class),
        Class::Sensitive | Class::Public => Transform::Keep,
    }
}

fn direct(class: &ColumnClass) -> Transform {
    let data_type = class.evidence.data_type.as_str();
    if class.identifier.is_none() && !class.evidence.inside_text.is_empty() {
        return Transform::RedactText;
    }
    let hinted = match class.evidence.meaning {
        Some(Meaning::Identifier(identifier)) => Some(identifier),
        _ => None,
    };
    match class.identifier.or(hinted) {
        Some(Identifier::Address) if class.identifier.is_some() => Transform::Region {
            to: RegionLevel::County,
            as_name: true,
        },
        Some(identifier) => identifier
            .value_domain()
            .map_or(Transform::Drop, |value_domain| Transform::Token {
                value_domain,
            }),
        None if is_word(data_type)
            && matches!(
                class.evidence.meaning,
                Some(Meaning::SubjectNumber | Meaning::Document)
            ) =>
        {
            Transform::Token {
                value_domain: ValueDomain::known("subject-number"),
            }
        }
        None => Transform::Drop,
    }
}

fn quasi(class: &ColumnClass) -> Transform {
    let data_type = class.evidence.data_type.as_str();
    let is_date = data_type.starts_with("Date") || data_type.starts_with("Timestamp");
    let is_text = data_type.contains("Utf8");
    let is_whole = data_type.starts_with("Int") || data_type.starts_with("UInt");
    match (class.identifier, class.evidence.meaning) {
        // About a kilometre.
        (Some(Identifier::Coordinates), _) if data_type.starts_with("Float") => bin(0.01),
        (Some(_), _) => Transform::Drop,
        (_, Some(Meaning::BirthDate)) if is_date || is_text => {
            Transform::GeneraliseDate { to: Period::Year }
        }
        // 19900615 is the year 1990 and four digits more.
        (_, Some(Meaning::BirthDate)) => bin(10_000.0),
        (_, Some(Meaning::EventDate)) if is_text => Transform::GeneraliseDate { to: Period::Month },
        (_, Some(Meaning::Age)) if is_whole => Transform::AgeBand {
            width: 5,
            top: 90,
            as_of: None,
        },
        (_, Some(Meaning::Age)) if data_type.starts_with("Float") => bin(5.0),
        // Four of six digits are the delivery district, about a county.
        (_, Some(Meaning::Postcode)) if is_text || is_whole => {
            Transform::RedactMask { first: 4, last: 0 }
        }
        // What looks like old resident numbers is masked until somebody says what it is.
        (None, None) if !is_date => Transform::Drop,
        _ if is_date => Transform::GeneraliseDate { to: Period::Month },
        _ => Transform::Keep,
    }
}

fn bin(width: f64) -> Transform {
    Transform::Bin {
        width,
        origin: 0.0,
        output: BinOutput::Lower,
    }
}

fn is_word(data_type: &str) -> bool {
    data_type.contains("Utf8") || data_type.starts_with("Int") || data_type.starts_with("UInt")
}
