//! What a column's name and comment say, in Chinese and in English.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::classify::identifier::Identifier;
use crate::classify::table::lines;
use crate::fold::fold;

/// What a column is about, by its name and comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// An identifier of this kind.
    Identifier(Identifier),
    /// A register's own number for a person, an enterprise or another subject.
    SubjectNumber,
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

/// Meanings with their words, in the order of the file: the first line that matches wins.
fn words_of_meanings() -> &'static [(Meaning, Vec<&'static str>)] {
    static WORDS: OnceLock<Vec<(Meaning, Vec<&'static str>)>> = OnceLock::new();
    WORDS.get_or_init(|| {
        lines(include_str!("../data/words.tsv"))
            .filter_map(|line| {
                let (name, words) = line.split_once('\t')?;
                Some((named(name)?, words.split(", ").collect()))
            })
            .collect()
    })
}

fn named(name: &str) -> Option<Meaning> {
    Some(match name {
        "subject_number" => Meaning::SubjectNumber,
        "birth_date" => Meaning::BirthDate,
        "event_date" => Meaning::EventDate,
        "age" => Meaning::Age,
        "sex" => Meaning::Sex,
        "region" => Meaning::Region,
        "postcode" => Meaning::Postcode,
        "demographic" => Meaning::Demographic,
        "health" => Meaning::Health,
        "finance" => Meaning::Finance,
        "serial" => Meaning::Serial,
        "amount" => Meaning::Amount,
        "remark" => Meaning::Remark,
        identifier => Meaning::Identifier(Identifier::parse(identifier)?),
    })
}

/// The meaning of a column: its name is asked first, then its comment.
pub(crate) fn meaning(name: &str, comment: &str) -> Option<Meaning> {
    meaning_of(name).or_else(|| meaning_of(comment))
}

fn meaning_of(text: &str) -> Option<Meaning> {
    let text = fold(text);
    let words = words(&text);
    if words.is_empty() {
        return None;
    }
    let padded = format!(" {words} ");
    words_of_meanings()
        .iter()
        .find(|(_, known)| known.iter().any(|word| matches(word, &words, &padded)))
        .map(|(meaning, _)| *meaning)
}

fn matches(word: &str, words: &str, padded: &str) -> bool {
    if let Some(whole) = word.strip_prefix('=') {
        return words == whole;
    }
    if word.is_ascii() {
        padded.contains(&format!(" {word} "))
    } else {
        words.contains(word)
    }
}

/// Lower-case words with one blank between; Han characters and Latin letters part as well.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut previous = ' ';
    for char in text.chars().take(400) {
        let starts_word = (char.is_uppercase()
            && (previous.is_lowercase() || previous.is_ascii_digit()))
            || (char.is_ascii() != previous.is_ascii());
        if !char.is_alphanumeric() || starts_word {
            words.push(' ');
        }
        if char.is_alphanumeric() {
            words.extend(char.to_lowercase());
        }
        previous = char;
    }
    words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("ip 地址", "ip地址")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_whole() {
        let file = lines(include_str!("../data/words.tsv")).count();
        assert_eq!(words_of_meanings().len(), file);
    }

    #[test]
    fn names_and_comments_in_both_languages() {
        use Identifier as I;
        use Meaning as M;
        let cases = [
            ("id_card", "", Some(M::Identifier(I::ResidentId))),
            ("IdCardNo", "", Some(M::Identifier(I::ResidentId))),
            ("c1", "参保人身份证号码", Some(M::Identifier(I::ResidentId))),
            ("身份证号", "", Some(M::Identifier(I::ResidentId))),
            ("uscc", "", Some(M::Identifier(I::CreditCode))),
            ("phone", "", Some(M::Identifier(I::Mobile))),
            ("mobilePhone", "", Some(M::Identifier(I::Mobile))),
            ("office_phone", "", Some(M::Identifier(I::LandLine))),
            ("name", "", Some(M::Identifier(I::Name))),
            ("product_name", "", None),
            ("企业名称", "", None),
            ("order_no", "手机号", Some(M::Serial)),
            ("订单号", "", Some(M::Serial)),
            ("birth_date", "", Some(M::BirthDate)),
            ("age", "", Some(M::Age)),
            ("average", "", None),
            ("patient_age", "", Some(M::Age)),
            ("Sex", "", Some(M::Sex)),
            ("诊断", "", Some(M::Health)),
            ("lon", "", Some(M::Identifier(I::Coordinates))),
            ("plate", "", Some(M::Identifier(I::Plate))),
            ("template", "", None),
            ("ip", "", Some(M::Identifier(I::Ipv4))),
            ("zip", "", Some(M::Postcode)),
            ("description", "", Some(M::Remark)),
            ("x", "", None),
            ("", "", None),
        ];
        for (name, comment, expected) in cases {
            assert_eq!(meaning(name, comment), expected, "{name} {comment}");
        }
    }
}
