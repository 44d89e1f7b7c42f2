//! `health_claims` (卫生健康): Parquet in which faults are planted whose number is known.

use super::offer::{Offer, column};
use super::source::Claim;
use crate::http::dto::{CatalogueColumn, ColumnType, DataFormat, PrivacyClass};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sandbox::Bilingual;
use serde_json::json;
use std::sync::Arc;

pub(super) const NAME: &str = "health_claims";

const RULES: &str = include_str!("rules/health_claims.toml");
const POLICY: &str = include_str!("policies/health_claims.toml");

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The check character of the resident ID does not fit: the row is left out.
    CheckCharacter,
    /// No district: the row is left out.
    NoDistrict,
    /// A 30th of February as day of birth: the date is emptied, the row stays.
    ImpossibleDate,
}

/// The fault planted in the row at a place, if any. Primes keep the kinds apart and spread.
pub(super) fn fault_at(place: usize) -> Option<Fault> {
    match place {
        place if place % 149 == 7 => Some(Fault::CheckCharacter),
        place if place % 613 == 3 => Some(Fault::NoDistrict),
        place if place % 401 == 11 => Some(Fault::ImpossibleDate),
        _ => None,
    }
}

/// Whether the row at a place is sent a second time, at the end.
fn is_repeated(place: usize) -> bool {
    place % 331 == 5 && fault_at(place).is_none()
}

/// How many rows of each kind were planted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Planted {
    pub(super) check_characters: u64,
    pub(super) no_district: u64,
    pub(super) impossible_dates: u64,
    pub(super) duplicates: u64,
}

impl Planted {
    /// Counts what [`fault_at`] plants in so many rows.
    pub(super) fn count(rows: usize) -> Self {
        let mut planted = Self::default();
        for place in 0..rows {
            match fault_at(place) {
                Some(Fault::CheckCharacter) => planted.check_characters += 1,
                Some(Fault::NoDistrict) => planted.no_district += 1,
                Some(Fault::ImpossibleDate) => planted.impossible_dates += 1,
                None => planted.duplicates += u64::from(is_repeated(place)),
            }
        }
        planted
    }

    /// Rows that do not go into the version.
    pub(super) fn dropped(&self) -> u64 {
        self.check_characters + self.no_district + self.duplicates
    }

    /// Records in the problem list.
    pub(super) fn problems(&self) -> u64 {
        self.dropped() + self.impossible_dates
    }
}

/// The data set as it is offered.
pub(super) fn offer(claims: &[Claim]) -> Result<Offer, ArrowError> {
    let places: Vec<usize> = (0..claims.len())
        .chain((0..claims.len()).filter(|place| is_repeated(*place)))
        .collect();
    Ok(Offer {
        name: NAME,
        title: Bilingual::new("年度医疗费用", "yearly medical spending"),
        industry: "卫生健康",
        description: "每人每年的就诊次数与医疗费用。实测值：RAND 健康保险实验（1974–1982，美元）；身份列均为生成，不对应任何人。"
            .to_owned(),
        columns: columns(),
        unit: "resident_id",
        rules: RULES,
        policy: POLICY,
        sample: claims.iter().take(5).map(sample_row).collect(),
        format: DataFormat::Parquet,
        encoding: None,
        rows: u64::try_from(places.len()).unwrap_or(u64::MAX),
        data: parquet(claims, &places)?,
    })
}

fn columns() -> Vec<CatalogueColumn> {
    use ColumnType::{Date, Float64, Int64, String};
    use PrivacyClass::{DirectIdentifier as Direct, QuasiIdentifier as Quasi, Sensitive};
    vec![
        column("name", String, Direct, "姓名（生成）"),
        column("resident_id", String, Direct, "身份证号（生成）"),
        column("mobile", String, Direct, "手机号码（生成）"),
        column("birth_date", Date, Quasi, "出生日期（生成，年份为实测）"),
        column(
            "district",
            String,
            Quasi,
            "居住区（实测地点 1–6 对应厦门六区）",
        ),
        column("year", Int64, PrivacyClass::Public, "年度"),
        column("age", Int64, Quasi, "年龄"),
        column("family_size", Int64, Quasi, "家庭人数"),
        column(
            "coinsurance_percent",
            Int64,
            PrivacyClass::Public,
            "自付比例（%）",
        ),
        column("self_rated_health", String, Sensitive, "自评健康"),
        column("visits", Int64, Sensitive, "门诊就诊次数"),
        column("admissions", Int64, Sensitive, "住院次数"),
        column("outpatient_cost", Float64, Sensitive, "门诊费用"),
        column("drug_cost", Float64, Sensitive, "药品费用"),
        column("inpatient_cost", Float64, Sensitive, "住院费用"),
        column("medical_cost", Float64, Sensitive, "医疗费用合计"),
    ]
}

fn sample_row(claim: &Claim) -> serde_json::Map<String, serde_json::Value> {
    let value = json!({
        "name": claim.person.name(),
        "resident_id": claim.person.resident_id(),
        "mobile": claim.person.mobile(),
        "birth_date": claim.person.birth_date().to_string(),
        "district": claim.district,
        "year": claim.year,
        "age": claim.age,
        "family_size": claim.family_size,
        "coinsurance_percent": claim.coinsurance_percent,
        "self_rated_health": claim.self_rated_health,
        "visits": claim.visits,
        "admissions": claim.admissions,
        "outpatient_cost": claim.outpatient_cost,
        "drug_cost": claim.drug_cost,
        "inpatient_cost": claim.inpatient_cost,
        "medical_cost": claim.medical_cost,
    });
    match value {
        serde_json::Value::Object(row) => row,
        _ => serde_json::Map::new(),
    }
}

/// The rows at these places as Parquet, with their faults.
fn parquet(claims: &[Claim], places: &[usize]) -> Result<Vec<u8>, ArrowError> {
    let rows: Vec<(&Claim, Option<Fault>)> = places
        .iter()
        .filter_map(|place| Some((claims.get(*place)?, fault_at(*place))))
        .collect();
    let text = |value: &dyn Fn(&Claim, Option<Fault>) -> Option<String>| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|(claim, fault)| value(claim, *fault))
                .collect::<StringArray>(),
        )
    };
    let whole = |value: &dyn Fn(&Claim) -> i64| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|(claim, _)| value(claim))
                .collect::<Int64Array>(),
        )
    };
    let number = |value: &dyn Fn(&Claim) -> f64| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|(claim, _)| Some(value(claim)))
                .collect::<Float64Array>(),
        )
    };
    let batch = RecordBatch::try_from_iter(vec![
        ("name", text(&|claim, _| Some(claim.person.name()))),
        (
            "resident_id",
            text(&|claim, fault| Some(resident_id(claim, fault))),
        ),
        ("mobile", text(&|claim, _| Some(claim.person.mobile()))),
        (
            "birth_date",
            text(&|claim, fault| Some(birth_date(claim, fault))),
        ),
        (
            "district",
            text(&|claim, fault| {
                (fault != Some(Fault::NoDistrict)).then(|| claim.district.clone())
            }),
        ),
        ("year", whole(&|claim| claim.year)),
        ("age", whole(&|claim| claim.age)),
        ("family_size", whole(&|claim| claim.family_size)),
        (
            "coinsurance_percent",
            whole(&|claim| claim.coinsurance_percent),
        ),
        (
            "self_rated_health",
            text(&|claim, _| Some(claim.self_rated_health.clone())),
        ),
        ("visits", whole(&|claim| claim.visits)),
        ("admissions", whole(&|claim| claim.admissions)),
        ("outpatient_cost", number(&|claim| claim.outpatient_cost)),
        ("drug_cost", number(&|claim| claim.drug_cost)),
        ("inpatient_cost", number(&|claim| claim.inpatient_cost)),
        ("medical_cost", number(&|claim| claim.medical_cost)),
    ])?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(file)
}

fn resident_id(claim: &Claim, fault: Option<Fault>) -> String {
    match fault {
        Some(Fault::CheckCharacter) => claim.person.mistyped_resident_id(),
        _ => claim.person.resident_id(),
    }
}

fn birth_date(claim: &Claim, fault: Option<Fault>) -> String {
    match fault {
        Some(Fault::ImpossibleDate) => format!("{}-02-30", claim.person.birth_year),
        _ => claim.person.birth_date().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_is_planted_a_known_number_of_times() {
        let planted = Planted::count(20_190);
        assert_eq!(
            planted,
            Planted {
                check_characters: 136,
                no_district: 32,
                impossible_dates: 50,
                duplicates: 61
            }
        );
        assert_eq!(planted.dropped(), 229);
        assert_eq!(planted.problems(), 279);
    }
}
