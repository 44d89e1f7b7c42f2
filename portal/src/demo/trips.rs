//! `vehicle_trips` (交通运输): CSV in UTF-8, the largest of the three.

use super::identities::{credit_code, plate};
use super::offer::{Csv, Offer, column};
use super::source::Trip;
use crate::http::dto::{CatalogueColumn, ColumnType, DataFormat, PrivacyClass};
use sandbox::Bilingual;
use serde_json::json;

pub(super) const NAME: &str = "vehicle_trips";

const RULES: &str = include_str!("rules/vehicle_trips.toml");
const POLICY: &str = include_str!("policies/vehicle_trips.toml");

/// The data set as it is offered.
pub(super) fn offer(trips: &[Trip]) -> Offer {
    let columns = columns();
    let mut csv = Csv::new(&columns);
    for trip in trips {
        csv.line([
            plate(trip.vehicle),
            trip.driver.resident_id(),
            operator_code(trip),
            trip.departed_on.to_string(),
            trip.hour.to_string(),
            trip.origin.clone(),
            trip.departure_delay_minutes.to_string(),
            trip.arrival_delay_minutes.to_string(),
            trip.driving_minutes.to_string(),
            trip.distance_km.to_string(),
        ]);
    }
    Offer {
        name: NAME,
        title: Bilingual::new("营运车辆运行记录", "trips of commercial vehicles"),
        industry: "交通运输",
        description: "每个班次的时间、里程与晚点。实测值：美国运输统计局 2013 年一季度航班（飞机以车辆示意）；身份列均为生成。"
            .to_owned(),
        columns,
        unit: "driver_id",
        rules: RULES,
        policy: POLICY,
        sample: trips.iter().step_by(997).take(5).map(sample_row).collect(),
        format: DataFormat::Csv,
        encoding: None,
        rows: u64::try_from(trips.len()).unwrap_or(u64::MAX),
        data: csv.into_text().into_bytes(),
    }
}

/// The operator's code, from the two letters that the source has for it.
fn operator_code(trip: &Trip) -> String {
    credit_code(
        trip.operator
            .bytes()
            .fold(10_000, |number, byte| number * 101 + u32::from(byte)),
    )
}

fn columns() -> Vec<CatalogueColumn> {
    use ColumnType::{Date, Int64, String};
    use PrivacyClass::{DirectIdentifier as Direct, Public, QuasiIdentifier as Quasi, Sensitive};
    vec![
        column("plate", String, Direct, "车牌号（生成）"),
        column("driver_id", String, Direct, "驾驶员身份证号（生成）"),
        column(
            "operator_code",
            String,
            Direct,
            "运营企业统一社会信用代码（生成）",
        ),
        column("departed_on", Date, Quasi, "发车日期"),
        column("hour", Int64, Public, "发车时刻（时）"),
        column("origin", String, Quasi, "始发站"),
        column("departure_delay_minutes", Int64, Public, "发车晚点（分）"),
        column("arrival_delay_minutes", Int64, Public, "到达晚点（分）"),
        column("driving_minutes", Int64, Sensitive, "行驶时间（分）"),
        column("distance_km", Int64, Sensitive, "里程（公里）"),
    ]
}

fn sample_row(trip: &Trip) -> serde_json::Map<String, serde_json::Value> {
    let value = json!({
        "plate": plate(trip.vehicle),
        "driver_id": trip.driver.resident_id(),
        "operator_code": operator_code(trip),
        "departed_on": trip.departed_on.to_string(),
        "hour": trip.hour,
        "origin": trip.origin,
        "departure_delay_minutes": trip.departure_delay_minutes,
        "arrival_delay_minutes": trip.arrival_delay_minutes,
        "driving_minutes": trip.driving_minutes,
        "distance_km": trip.distance_km,
    });
    match value {
        serde_json::Value::Object(row) => row,
        _ => serde_json::Map::new(),
    }
}
