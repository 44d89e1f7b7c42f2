//! What a column's name and comment say, in Chinese and in English.

use serde::{Deserialize, Serialize};

use crate::classify::identifier::Identifier;

/// What a column is about, by its name and comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// An identifier of this kind.
    Identifier(Identifier),
    /// Date of birth.
    BirthDate,
    /// Date or time of an event.
    EventDate,
    /// Age.
    Age,
    /// Sex or gender.
    Sex,
    /// Region, or its code.
    Region,
    /// Post code.
    Postcode,
    /// Ethnic group, nationality, education, occupation, marriage: who somebody is.
    Demographic,
    /// Diagnosis, disease, treatment, medicine.
    Health,
    /// Income, salary, balance, debt.
    Finance,
    /// Serial, order, version number: a number that only looks like an identifier.
    Serial,
    /// Amount, price, count: a measure.
    Amount,
    /// Free text.
    Remark,
}
