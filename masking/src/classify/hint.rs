//! What a column's name and comment say, in Chinese and in English.

use serde::{Deserialize, Serialize};

use crate::classify::identifier::Identifier;
use crate::classify::table::rows;
use crate::error::TableError;
use crate::fold::fold;
use crate::transform::Datum;

/// What a column is about, by its name and comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// An identifier of this kind.
    Identifier(Identifier),
    /// The number of some identity document: a resident's, a passport, a permit.
    Document,
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
#[derive(Debug)]
pub(crate) struct Hints(Vec<(Meaning, Vec<String>)>);

impl Hints {
    pub(crate) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let mut hints = Vec::new();
        for row in rows(file, text)? {
            let mut fields = row.text.split(',').map(str::trim);
            let meaning = fields.next().and_then(named).ok_or_else(|| {
                row.fault(
                    "首字段不是已知的含义",
                    "the first field is no known meaning",
                )
            })?;
            let words: Vec<String> = fields.map(str::to_owned).collect();
            if words.is_empty()
                || words
                    .iter()
                    .any(|word| word.trim_start_matches('=').is_empty())
            {
                return Err(row.fault("缺少词语", "a word is missing"));
            }
            hints.push((meaning, words));
        }
        Ok(Self(hints))
    }

    /// The meaning of a column: its name is asked first, then its comment.
    pub(crate) fn meaning(&self, name: &str, comment: &str) -> Option<Meaning> {
        self.meaning_of(name).or_else(|| self.meaning_of(comment))
    }

    fn meaning_of(&self, text: &str) -> Option<Meaning> {
        let words = words(&fold(text));
        if words.is_empty() {
            return None;
        }
        let padded = format!(" {words} ");
        self.0
            .iter()
            .find(|(_, known)| known.iter().any(|word| matches(word, &words, &padded)))
            .map(|(meaning, _)| *meaning)
    }
}

/// Whether a column tells the kind of document whose number stands beside it.
pub(crate) fn names_document_kind(name: &str, comment: &str) -> bool {
    const WORDS: &[&str] = &[
        "证件类型",
        "证件种类",
        "证照类型",
        "id type",
        "cert type",
        "document type",
        "zjlx",
    ];
    [name, comment].iter().any(|text| {
        let words = words(&fold(text));
        let padded = format!(" {words} ");
        WORDS.iter().any(|word| matches(word, &words, &padded))
    })
}

/// The datum that a name or comment states for coordinates.
pub(crate) fn datum(name: &str, comment: &str) -> Option<Datum> {
    const WORDS: [(Datum, &[&str]); 2] = [
        (
            Datum::Gcj02,
            &[
                "gcj02",
                "gcj 02",
                "gcj",
                "火星",
                "国测局",
                "高德",
                "腾讯地图",
                "amap",
            ],
        ),
        (
            Datum::Wgs84,
            &[
                "wgs84",
                "wgs 84",
                "wgs",
                "gps",
                "cgcs2000",
                "cgcs 2000",
                "大地2000",
            ],
        ),
    ];
    [name, comment].iter().find_map(|text| {
        let words = words(&fold(text));
        let padded = format!(" {words} ");
        let says = |known: &[&str]| known.iter().any(|word| matches(word, &words, &padded));
        WORDS
            .iter()
            .find(|(_, known)| says(known))
            .map(|(datum, _)| *datum)
    })
}

fn named(name: &str) -> Option<Meaning> {
    Some(match name {
        "document" => Meaning::Document,
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
    use crate::classify::table::Tables;

    fn meaning(name: &str, comment: &str) -> Option<Meaning> {
        Tables::built_in().hints.meaning(name, comment)
    }

    #[test]
    fn datum_and_document_kind_are_told_by_words() {
        assert_eq!(datum("lon_gcj02", ""), Some(Datum::Gcj02));
        assert_eq!(datum("lon", "经度（WGS84）"), Some(Datum::Wgs84));
        assert_eq!(datum("lon", "经度"), None);
        assert!(names_document_kind("id_type", "") && names_document_kind("c3", "证件类型代码"));
        assert!(!names_document_kind("id", ""));
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
            ("护照号码", "", Some(M::Identifier(I::Passport))),
            (
                "c2",
                "港澳居民来往内地通行证号",
                Some(M::Identifier(I::HomeReturnPermit)),
            ),
            ("台胞证", "", Some(M::Identifier(I::TaiwanPermit))),
            ("往来港澳通行证", "", Some(M::Identifier(I::HkMacauPermit))),
            ("社保卡号", "", Some(M::Identifier(I::SocialSecurityNumber))),
            (
                "医保编号",
                "",
                Some(M::Identifier(I::MedicalInsuranceNumber)),
            ),
            ("mac_address", "", Some(M::Identifier(I::Mac))),
            ("ipv6", "", Some(M::Identifier(I::Ipv6))),
            ("物联网卡号", "", Some(M::Identifier(I::MachineNumber))),
            ("证件号码", "", Some(M::Document)),
            ("macro", "", None),
            ("x", "", None),
            ("", "", None),
        ];
        for (name, comment, expected) in cases {
            assert_eq!(meaning(name, comment), expected, "{name} {comment}");
        }
    }
}
