#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
use proptest::prelude::*;

use super::*;

pub(crate) const HEALTH: &str = r#"{
    "purpose": "charges by plan", "industry": "卫生健康",
    "tables": [{
        "name": "claims", "dataset": "health_claims", "unit": "person-id",
        "row_filter": "year >= 2",
        "columns": [
            {"name": "person", "role": "key", "value_domain": "person-id"},
            {"name": "plan", "role": "dimension"},
            {"name": "charges", "role": "measure"}
        ]
    }],
    "operations": {"sql": true, "wasm": false}, "term_days": 90, "refusals_max": 20
}"#;

#[test]
fn a_document_is_read_with_closed_defaults() {
    let contract = Contract::from_json(HEALTH).unwrap();
    assert_eq!(contract.output, OutputRules::default());
    assert_eq!(contract.output.threshold, 10);
    assert_eq!(contract.validate(), vec![]);
}

#[test]
fn json_and_toml_of_the_same_contract_have_one_digest() {
    let contract = Contract::from_json(HEALTH).unwrap();
    let text = r#"
        purpose = "charges by plan"
        industry = "卫生健康"
        refusals_max = 20
        term_days = 90
        [operations]
        wasm = false
        sql = true
        [[tables]]
        dataset = "health_claims"
        name = "claims"
        unit = "person-id"
        row_filter = "year >= 2"
        columns = [
            { role = "key", name = "person", value_domain = "person-id" },
            { role = "dimension", name = "plan" },
            { role = "measure", name = "charges" },
        ]
    "#;
    let other = Contract::from_toml(text).unwrap();
    assert_eq!(contract, other);
    assert_eq!(contract.digest(), other.digest());
    let mut changed = contract.clone();
    changed.output.threshold = 11;
    assert_ne!(contract.digest(), changed.digest());
}

#[test]
fn unknown_fields_and_long_documents_are_errors() {
    let unknown = HEALTH.replacen("\"term_days\"", "\"treshold\": 1, \"term_days\"", 1);
    assert!(matches!(
        Contract::from_json(&unknown),
        Err(ContractError::Json(_))
    ));
    let long = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    assert!(matches!(
        Contract::from_json(&long),
        Err(ContractError::TooLong { .. })
    ));
}

#[test]
fn faults_are_named() {
    let check = |edit: &dyn Fn(&mut Contract), subject: &str| {
        let mut contract = Contract::from_json(HEALTH).unwrap();
        edit(&mut contract);
        let findings = contract.validate();
        assert!(
            findings
                .iter()
                .any(|f| f.subject == subject && f.rule == "contract_invalid"),
            "{subject}: {findings:?}"
        );
    };
    check(&|c| c.purpose = "  ".into(), "purpose");
    check(&|c| c.tables.clear(), "tables");
    check(&|c| c.tables.push(c.tables[0].clone()), "claims");
    check(&|c| c.tables[0].name = "Claims".into(), "Claims");
    check(&|c| c.tables[0].unit = Some("Person".into()), "claims");
    check(
        &|c| c.tables[0].row_filter = Some("year >=".into()),
        "claims",
    );
    check(
        &|c| c.tables[0].row_filter = Some("random() < 0.5".into()),
        "claims",
    );
    check(
        &|c| c.tables[0].columns[1].name = "__EGRET_unit".into(),
        "claims.__EGRET_unit",
    );
    check(
        &|c| c.tables[0].columns[1].name = "Person".into(),
        "claims.Person",
    );
    check(
        &|c| c.tables[0].columns[2].sensitive = true,
        "claims.charges",
    );
    check(&|c| c.output.threshold = 1, "output.threshold");
    check(
        &|c| c.output.significant_digits = 17,
        "output.significant_digits",
    );
    check(&|c| c.output.count_base = 1, "output.count_base");
    check(&|c| c.operations.sql = false, "operations");
    check(&|c| c.term_days = 0, "term_days");
}

proptest! {
    #[test]
    fn documents_never_panic(text in ".{0,200}", cut in 0usize..400) {
        let _ = Contract::from_json(&text);
        let _ = Contract::from_toml(&text);
        let prefix: String = HEALTH.chars().take(cut).collect();
        prop_assert!(cut >= HEALTH.chars().count() || Contract::from_json(&prefix).is_err());
    }

    #[test]
    fn a_contract_survives_its_document(threshold in 3u64..1000, name in "[a-z][a-z0-9_]{0,20}") {
        let mut contract = Contract::from_json(HEALTH).unwrap();
        contract.output.threshold = threshold;
        contract.tables[0].name = name;
        let again = Contract::from_json(&serde_json::to_string(&contract).unwrap()).unwrap();
        prop_assert_eq!(contract.digest(), again.digest());
        prop_assert_eq!(contract, again);
    }
}
