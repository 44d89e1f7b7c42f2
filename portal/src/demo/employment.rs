//! `employment` (社会保障): CSV in GB18030, as the bureau's own system writes it.

use super::identities::{credit_code, mix};
use super::offer::{Csv, Offer, column, or_empty};
use super::source::Employment;
use crate::http::dto::{CatalogueColumn, ColumnType, DataFormat, PrivacyClass};
use sandbox::Bilingual;
use serde_json::json;

pub(super) const NAME: &str = "employment";

const RULES: &str = include_str!("rules/employment.toml");
const POLICY: &str = include_str!("policies/employment.toml");
/// Employers that the demonstration invents.
const EMPLOYERS: u64 = 900;

/// The data set as it is offered.
pub(super) fn offer(rows: &[Employment]) -> Offer {
    let columns = columns();
    let mut csv = Csv::new(&columns);
    for row in rows {
        csv.line([
            row.person.name(),
            row.person.resident_id(),
            employer_code(row),
            row.year.to_string(),
            or_empty(row.industry.as_deref()),
            or_empty(row.occupation_code),
            or_empty(row.hours_per_week),
            or_empty(row.weeks_worked),
            or_empty(row.tenure_years),
            row.hourly_wage.to_string(),
            or_empty(row.union_member),
        ]);
    }
    let text = csv.into_text();
    let (data, _, _) = encoding_rs::GB18030.encode(&text);
    Offer {
        name: NAME,
        title: Bilingual::new("就业与工资", "work and wages"),
        industry: "社会保障",
        description: "每次调查的行业、工时与工资。实测值：美国劳工统计局青年女性追踪调查（1968–1988）；身份列均为生成，不对应任何人。"
            .to_owned(),
        columns,
        unit: "resident_id",
        rules: RULES,
        policy: POLICY,
        sample: rows.iter().take(5).map(sample_row).collect(),
        format: DataFormat::Csv,
        encoding: Some("gb18030"),
        rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        data: data.into_owned(),
    }
}

fn employer_code(row: &Employment) -> String {
    let employer = mix(u64::from(row.person.number) | 4 << 40) % EMPLOYERS;
    credit_code(u32::try_from(employer).unwrap_or(0))
}

fn columns() -> Vec<CatalogueColumn> {
    use ColumnType::{Bool, Float64, Int64, String};
    use PrivacyClass::{DirectIdentifier as Direct, QuasiIdentifier as Quasi, Sensitive};
    vec![
        column("name", String, Direct, "姓名（生成）"),
        column("resident_id", String, Direct, "身份证号（生成）"),
        column(
            "employer_code",
            String,
            Direct,
            "用人单位统一社会信用代码（生成）",
        ),
        column("year", Int64, PrivacyClass::Public, "年度"),
        column("industry", String, Quasi, "行业门类"),
        column("occupation_code", Int64, Quasi, "职业代码"),
        column("hours_per_week", Int64, Sensitive, "每周工时"),
        column("weeks_worked", Int64, Sensitive, "工作周数"),
        column("tenure_years", Float64, Sensitive, "本岗位年限"),
        column("hourly_wage", Float64, Sensitive, "小时工资"),
        column("union_member", Bool, Sensitive, "是否工会会员"),
    ]
}

fn sample_row(row: &Employment) -> serde_json::Map<String, serde_json::Value> {
    let value = json!({
        "name": row.person.name(),
        "resident_id": row.person.resident_id(),
        "employer_code": employer_code(row),
        "year": row.year,
        "industry": row.industry,
        "occupation_code": row.occupation_code,
        "hours_per_week": row.hours_per_week,
        "weeks_worked": row.weeks_worked,
        "tenure_years": row.tenure_years,
        "hourly_wage": row.hourly_wage,
        "union_member": row.union_member,
    });
    match value {
        serde_json::Value::Object(row) => row,
        _ => serde_json::Map::new(),
    }
}
