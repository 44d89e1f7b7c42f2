//! Rules for classes of columns, and the measure over quasi-identifiers.

use super::*;

const TOKENS: &str = "version = 1\nunnamed_columns = 'drop'\n\
    [rules.resident_id]\ntransform = 'token'\nvalue_domain = 'person-id'\n\
    [rules.direct_identifier]\ntransform = 'drop'\n\
    [rules.public]\ntransform = 'keep'\n";

#[test]
fn one_policy_serves_many_data_sets() {
    let policy = Policy::parse(TOKENS).unwrap();
    let batch = batch();
    let found = classes(&batch);
    let plan = policy.compile(batch.schema_ref(), &found).unwrap();
    let masked = plan.apply(&root(), 1, &batch).unwrap();
    let names: Vec<&str> = masked
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert!(names.contains(&"id_card") && !names.contains(&"mobile"));
    assert_eq!(plan.tokens()[0].0, "id_card");

    let resolved = policy.resolved(&found);
    assert_eq!(resolved.columns()["mobile"].transform, Transform::Drop);
    assert!(resolved.rules().is_empty());
    let plan = resolved.compile(batch.schema_ref(), &found).unwrap();
    assert_eq!(plan.apply(&root(), 1, &batch).unwrap(), masked);

    let column: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..40).map(|n| format!("139{n:08}")),
    ));
    let other = RecordBatch::try_from_iter([("电话", column)]).unwrap();
    let plan = policy
        .compile(other.schema_ref(), &classes(&other))
        .unwrap();
    assert_eq!(plan.output_schema().fields().len(), 0);
}

#[test]
fn the_column_wins_over_its_identifier_and_that_over_its_class() {
    let named = format!("{TOKENS}[columns.id_card]\ntransform = 'redact'\n");
    let batch = batch();
    let found = classes(&batch);
    let transform = |document: &str, column: &str| {
        let policy = Policy::parse(document).unwrap().resolved(&found);
        policy.columns()[column].transform.name()
    };
    assert_eq!(transform(&named, "id_card"), "redact");
    assert_eq!(transform(TOKENS, "id_card"), "token");
    assert_eq!(transform(TOKENS, "mobile"), "drop");
}

#[test]
fn a_meaning_has_a_rule_of_its_own() {
    let document = "version = 1\nunnamed_columns = 'drop'\n[measure]\nk_min = 5\n\
        [rules.age]\ntransform = 'age_band'\n[rules.birth_date]\ntransform = 'generalise_date'\nto = 'year'\n\
        [rules.quasi_identifier]\ntransform = 'drop'\n";
    let wholes = || -> ArrayRef { Arc::new(Int64Array::from_iter_values(20..60)) };
    let births: ArrayRef = Arc::new(Date32Array::from_iter_values(0..40));
    let columns = [
        ("年龄", wholes()),
        ("出生日期", births),
        ("民族", wholes()),
        ("x", wholes()),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let found = classes(&batch);
    let policy = Policy::parse(document).unwrap();
    let plan = policy.compile(batch.schema_ref(), &found).unwrap();
    let schema = plan.output_schema();
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["年龄", "出生日期"]);
    assert_eq!(plan.quasi(), ["年龄", "出生日期"]);
}

#[test]
fn rules_are_as_safe_as_columns() {
    let batch = batch();
    let kept = "version = 1\nunnamed_columns = 'drop'\n[rules.mobile]\ntransform = 'keep'";
    let faults = Policy::parse(kept)
        .unwrap()
        .compile(batch.schema_ref(), &classes(&batch));
    let faults = faults.unwrap_err();
    assert_eq!(
        (faults[0].code.as_str(), faults[0].column.as_deref()),
        ("direct_identifier_kept", Some("mobile"))
    );
    // A column that nobody classified is under no rule.
    let public = "version = 1\n[rules.public]\ntransform = 'keep'";
    let faults = Policy::parse(public)
        .unwrap()
        .compile(batch.schema_ref(), &[]);
    assert!(
        faults
            .unwrap_err()
            .iter()
            .all(|fault| fault.code == "column_unnamed")
    );
}

#[test]
fn tables_that_cannot_be_read_are_named() {
    for (table, code, named) in [
        (
            "[rules.nobody]\ntransform='keep'",
            "rule_unknown",
            "rules.nobody",
        ),
        (
            "[rules.public]\ntransform='keep'\nclass='public'\nreason='x'",
            "option_unknown",
            "rules.public",
        ),
        (
            "[rules.public]\ntransform='bin'",
            "option_missing",
            "rules.public",
        ),
        ("[measure]\nl_min=2", "option_missing", "measure"),
        ("[measure]\nk_min=1", "option_value", "measure"),
        ("[measure]\nk_min=5\nt_max=2", "option_value", "measure"),
        ("[measure]\nk_min=5\nother=2", "option_unknown", "measure"),
        ("cipher_suite='aes'", "option_value", "policy"),
        ("unnamed_columns='keep'", "option_value", "policy"),
        ("[hierarchies.a]\nb=3", "document_unreadable", "line 3"),
    ] {
        let fault = Policy::parse(&format!("version = 1\n{table}")).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.column.as_deref()),
            (code, None),
            "{table}"
        );
        assert!(fault.message.en.contains(named), "{}", fault.message.en);
    }
}

/// A data set whose age and birth date stay.
fn aged(measure: &str) -> Result<MaskPlan, Vec<PolicyFault>> {
    let ages: ArrayRef = Arc::new(Int64Array::from_iter_values(20..60));
    let births: ArrayRef = Arc::new(Date32Array::from_iter_values(0..40));
    let batch = RecordBatch::try_from_iter([("age", ages), ("birth_date", births)]).unwrap();
    let rules = "[columns.age]\ntransform='age_band'\n[columns.birth_date]\ntransform='generalise_date'\nto='year'";
    Policy::parse(&format!("version = 1\n{measure}\n{rules}"))
        .unwrap()
        .compile(batch.schema_ref(), &classes(&batch))
}

#[test]
fn quasi_identifiers_that_stay_need_a_measure() {
    let faults = aged("").unwrap_err();
    assert_eq!(faults[0].code, "quasi_identifiers_unmeasured");
    assert!(faults[0].message.en.contains("age, birth_date"));
    let plan = aged("[measure]\nk_min = 5").unwrap();
    assert_eq!(plan.quasi(), ["age", "birth_date"]);
    assert_eq!(plan.measure().unwrap().k_min, 5);
}

proptest! {
    #[test]
    fn whole_policies_are_read_back(rules in proptest::collection::btree_map(0usize..29, any_transform(), 0..4), k_min in 2u32..100, t_max in proptest::option::of(0.0..1.0f64), groups in proptest::collection::btree_map(any::<String>(), proptest::collection::btree_set(any::<String>(), 0..4), 0..3), sm in any::<bool>()) {
        let rules = rules.into_iter().map(|(place, transform)| (RuleTarget::all().nth(place).unwrap(), transform)).collect();
        let mut policy = Policy::default()
            .with_rules(rules)
            .with_hierarchies([("h\"".to_owned(), ValueGroups::new(groups))].into())
            .with_measure(Measure { k_min, l_min: Some(2), t_max, delta_max: t_max, beta_max: t_max.map(|t| t * 900.0), suppress_percent_max: t_max });
        if sm {
            policy = policy.with_cipher_suite(CipherSuite::Sm);
        }
        prop_assert_eq!(Policy::parse(&policy.to_toml()).unwrap(), policy);
    }
}
