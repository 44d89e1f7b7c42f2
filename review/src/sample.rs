//! A small scope for tests: claims and visits of persons, a calendar of nobody, a tenant's clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::admission::{Admission, Governed, SqlLimits, admit_sql};
use crate::contract::Contract;
use crate::finding::Finding;
use crate::scope::{PrivateTable, Scope};

/// The contract of the tests.
pub(crate) const CONTRACT: &str = r#"
    purpose = "charges by plan and region"
    industry = "卫生健康"
    term_days = 90
    refusals_max = 20
    operations = { sql = true, wasm = true }
    [[tables]]
    name = "claims"
    dataset = "health_claims"
    unit = "person-id"
    columns = [
        { name = "person", role = "key", value_domain = "person-id" },
        { name = "hospital", role = "key", value_domain = "enterprise-id" },
        { name = "plan", role = "dimension" },
        { name = "region", role = "dimension" },
        { name = "disease", role = "dimension", sensitive = true },
        { name = "year", role = "dimension" },
        { name = "day", role = "dimension" },
        { name = "at", role = "dimension" },
        { name = "charges", role = "measure" },
        { name = "visits", role = "measure" },
        { name = "price", role = "measure" },
    ]
    [[tables]]
    name = "labs"
    dataset = "lab_results"
    unit = "person-id"
    columns = [
        { name = "person", role = "key", value_domain = "person-id" },
        { name = "kind", role = "dimension" },
        { name = "region", role = "dimension" },
        { name = "value", role = "measure" },
    ]
    [[tables]]
    name = "firms"
    dataset = "firms"
    unit = "enterprise-id"
    columns = [
        { name = "hospital", role = "key", value_domain = "enterprise-id" },
        { name = "level", role = "dimension" },
    ]
    [[tables]]
    name = "places"
    dataset = "places"
    columns = [
        { name = "region", role = "dimension" },
        { name = "district", role = "dimension" },
        { name = "people", role = "measure" },
    ]
"#;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// All columns of the data sets, granted or not.
pub(crate) fn datasets() -> BTreeMap<String, SchemaRef> {
    let schema = |fields: Vec<Field>| Arc::new(Schema::new(fields));
    BTreeMap::from([
        (
            "health_claims".to_owned(),
            schema(vec![
                field("person", DataType::Utf8),
                field("hospital", DataType::Utf8),
                field("plan", DataType::Utf8),
                field("region", DataType::Utf8),
                field("disease", DataType::Utf8),
                field("year", DataType::Int32),
                field("day", DataType::Date32),
                field("at", DataType::Timestamp(TimeUnit::Second, None)),
                field("charges", DataType::Float64),
                field("visits", DataType::Int64),
                field("price", DataType::Decimal128(12, 2)),
                field("salary", DataType::Float64),
            ]),
        ),
        (
            "lab_results".to_owned(),
            schema(vec![
                field("person", DataType::Utf8),
                field("kind", DataType::Utf8),
                field("region", DataType::Utf8),
                field("value", DataType::Float64),
            ]),
        ),
        (
            "firms".to_owned(),
            schema(vec![
                field("hospital", DataType::Utf8),
                field("level", DataType::Int32),
            ]),
        ),
        (
            "places".to_owned(),
            schema(vec![
                field("region", DataType::Utf8),
                field("district", DataType::Utf8),
                field("people", DataType::Int64),
            ]),
        ),
    ])
}

/// The scope of the tests.
pub(crate) fn scope() -> Scope {
    let clients = PrivateTable {
        name: "clients".to_owned(),
        schema: Arc::new(Schema::new(vec![
            field("person", DataType::Utf8),
            field("segment", DataType::Utf8),
            field("city", DataType::Utf8),
            field("weight", DataType::Int64),
        ])),
        keys: BTreeMap::from([("person".to_owned(), Some("person-id".to_owned()))]),
    };
    let contract = Contract::from_toml(CONTRACT).unwrap();
    Scope::new(contract, &datasets(), vec![clients]).unwrap()
}

/// Admits a text or fails the test with the findings.
pub(crate) fn admitted(sql: &str) -> Governed {
    match admit_sql(sql, &scope(), &SqlLimits::default()) {
        Admission::Admitted(governed) => *governed,
        Admission::Refused(findings) => panic!("{sql}\n{findings:#?}"),
    }
}

/// The findings of a text that must be refused.
pub(crate) fn refused(sql: &str) -> Vec<Finding> {
    match admit_sql(sql, &scope(), &SqlLimits::default()) {
        Admission::Admitted(_) => panic!("admitted: {sql}"),
        Admission::Refused(findings) => {
            assert!(!findings.is_empty(), "{sql}");
            findings
        }
    }
}
