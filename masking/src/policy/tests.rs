#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::*;
use crate::classify::{Classifier, ColumnHint, Identifier};
use crate::key::{RootKey, ValueDomain};
use crate::transform::{DateShift, Datum, Geo, GeoCell, GeoLayout, Noise, NoiseShape, Surrogate};

mod rules;
mod transforms;

const IDS: [&str; 4] = [
    "11010519491231002X",
    "440524188001010014",
    "110105194912310038",
    "350203199001010018",
];

/// Forty rows with an identifier, a mobile, a remark, a number, a date.
fn batch() -> RecordBatch {
    let ids = StringArray::from_iter((0..40).map(|row| (row != 5).then(|| IDS[row % 2])));
    let mobiles =
        StringArray::from_iter_values((0..40).map(|row| format!("138{:08}", row * 1_234_567)));
    let remarks = StringArray::from_iter_values((0..40).map(|row| {
        if row == 7 {
            "回电13800138000".to_owned()
        } else {
            format!("第{row}次随访")
        }
    }));
    let income = Int64Array::from_iter((0..40).map(|row| (row != 3).then_some(row * 111)));
    let visited = Date32Array::from_iter_values(0..40);
    let columns: [(&str, ArrayRef); 5] = [
        ("id_card", Arc::new(ids)),
        ("mobile", Arc::new(mobiles)),
        ("remark", Arc::new(remarks)),
        ("income", Arc::new(income)),
        ("visited", Arc::new(visited)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn classes(batch: &RecordBatch) -> Vec<ColumnClass> {
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    classifier.observe(batch).unwrap();
    classifier.finish()
}

fn compile(document: &str) -> Result<MaskPlan, Vec<PolicyFault>> {
    let batch = batch();
    let document = format!("version = 1\nunnamed_columns = \"drop\"\n{document}");
    Policy::parse(&document)
        .unwrap()
        .compile(batch.schema_ref(), &classes(&batch))
}

fn refused(document: &str) -> (String, String) {
    let faults = compile(document).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let fault = faults.into_iter().next().unwrap();
    assert!(!fault.message.zh.is_empty() && !fault.remedy.en.is_empty());
    (fault.code, fault.column.unwrap())
}

fn root() -> RootKey {
    RootKey::from_bytes([5; 32])
}

#[test]
fn unsafe_policies_are_refused_with_column_and_remedy() {
    let cases = [
        (
            "[columns.id_card]\ntransform='keep'",
            "direct_identifier_kept",
            "id_card",
        ),
        (
            "[columns.mobile]\ntransform='keep'",
            "direct_identifier_kept",
            "mobile",
        ),
        (
            "[columns.remark]\ntransform='keep'",
            "direct_identifier_kept",
            "remark",
        ),
        (
            "[columns.mobile]\ntransform='region'\nto='city'",
            "direct_identifier_coarsened",
            "mobile",
        ),
        (
            "[columns.mobile]\ntransform='redact'\nstyle='mask'\nfirst=3\nlast=4",
            "mask_shows_too_much",
            "mobile",
        ),
        (
            "[columns.id_card]\ntransform='redact'\nstyle='mask'\nfirst=6\nlast=4",
            "mask_shows_too_much",
            "id_card",
        ),
        (
            "[columns.mobile]\ntransform='redact'\nstyle='text'",
            "redaction_incomplete",
            "mobile",
        ),
        (
            "[columns.mobile]\ntransform='permute'\nkind='mobile'\nkeep=6",
            "domain_too_small",
            "mobile",
        ),
        (
            "[columns.id_card]\ntransform='permute'\nkind='resident_id'\nbirth_band_years=5",
            "domain_too_small",
            "id_card",
        ),
        (
            "[columns.mobile]\ntransform='permute'\nkind='plate'",
            "kind_differs",
            "mobile",
        ),
        (
            "[columns.id_card]\ntransform='sha256'",
            "unkeyed_hash",
            "id_card",
        ),
        (
            "[columns.income]\ntransform='hash'\nalgorithm='md5'",
            "unkeyed_hash",
            "income",
        ),
        (
            "[columns.id_card]\ntransform='keep'\nclass='public'\nreason='because'",
            "class_contradicted",
            "id_card",
        ),
        (
            "[columns.income]\ntransform='generalise_date'\nto='year'",
            "type_unfit",
            "income",
        ),
        (
            "[columns.remark]\ntransform='redact'\nstyle='text'\n[columns.nobody]\ntransform='keep'",
            "column_missing",
            "nobody",
        ),
        (
            "[columns.visited]\ntransform='shift_date'\nsubject='nobody'",
            "subject_missing",
            "visited",
        ),
        (
            "[columns.visited]\ntransform='age_band'",
            "type_unfit",
            "visited",
        ),
    ];
    for (document, code, column) in cases {
        assert_eq!(
            refused(document),
            (code.to_owned(), column.to_owned()),
            "{document}"
        );
    }
}

#[test]
fn the_refusal_of_a_small_domain_names_its_size() {
    let faults =
        compile("[columns.mobile]\ntransform='permute'\nkind='mobile'\nkeep=7").unwrap_err();
    assert!(
        faults[0].to_string().contains("10000 values"),
        "{}",
        faults[0]
    );
    assert!(faults[0].message.zh.contains("10000"));
}

#[test]
fn every_column_needs_a_rule_and_all_faults_are_told_at_once() {
    let batch = batch();
    let policy = Policy::parse("version = 1\n[columns.id_card]\ntransform = 'keep'").unwrap();
    let faults = policy
        .compile(batch.schema_ref(), &classes(&batch))
        .unwrap_err();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "column_unnamed")
            .count(),
        4
    );
    assert!(codes.contains(&"direct_identifier_kept"));
}

#[test]
fn a_column_that_nobody_classified_may_only_be_hidden() {
    let batch = batch();
    let faults = |rule: &str| {
        let document = format!("version = 1\nunnamed_columns = 'drop'\n[columns.income]\n{rule}");
        Policy::parse(&document)
            .unwrap()
            .compile(batch.schema_ref(), &[])
            .err()
            .unwrap_or_default()
    };
    assert_eq!(faults("transform = 'keep'")[0].code, "unclassified");
    assert!(faults("transform = 'token'\nvalue_domain = 'amount'").is_empty());
}

#[test]
fn a_person_may_overrule_an_unsure_classifier() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["Heron", "Egret"]));
    let batch = RecordBatch::try_from_iter([("name", names)]).unwrap();
    let found = classes(&batch);
    assert_eq!(found[0].class, Class::DirectIdentifier);
    let keep = "version = 1\n[columns.name]\ntransform = 'keep'\n";
    assert!(
        Policy::parse(keep)
            .unwrap()
            .compile(batch.schema_ref(), &found)
            .is_err()
    );
    let stated = format!("{keep}class = 'public'\nreason = 'names of birds'\n");
    assert!(
        Policy::parse(&stated)
            .unwrap()
            .compile(batch.schema_ref(), &found)
            .is_ok()
    );
    let stricter = "version = 1\nunnamed_columns='drop'\n[columns.income]\ntransform='keep'\nclass='direct_identifier'\nreason='x'";
    let faults = Policy::parse(stricter).unwrap().compile(
        super::tests::batch().schema_ref(),
        &classes(&super::tests::batch()),
    );
    assert_eq!(faults.unwrap_err()[0].code, "direct_identifier_kept");
}

#[test]
fn a_plan_masks_every_column_as_asked() {
    let plan = compile(
        "[columns.id_card]\ntransform='token'\nvalue_domain='person-id'\n\
         [columns.mobile]\ntransform='permute'\nkind='mobile'\n\
         [columns.remark]\ntransform='redact'\nstyle='text'\n\
         [columns.income]\ntransform='bin'\nwidth=1000\n\
         [columns.visited]\ntransform='shift_date'\nsubject='id_card'\ndays=30",
    )
    .unwrap();
    let input = batch();
    let masked = plan.apply_counted(&root(), 1, &input).unwrap();
    let output = &masked.batch;
    assert_eq!(output.schema(), plan.output_schema());
    assert_eq!(
        plan.tokens(),
        [(
            "id_card".to_owned(),
            ValueDomain::parse("person-id").unwrap()
        )]
    );
    let ids = output.column(0).as_string::<i32>();
    let expected = root()
        .intake(&ValueDomain::parse("person-id").unwrap(), 1)
        .token(IDS[0].as_bytes());
    assert_eq!(
        (ids.value(0), ids.value(2)),
        (expected.as_str(), expected.as_str())
    );
    assert!(ids.is_null(5) && ids.null_count() == 1);
    assert_ne!(output.column(1), input.column(1));
    assert_eq!(
        output.column(2).as_string::<i32>().value(7),
        "回电【手机号】"
    );
    let income = output.column(3).as_primitive::<Int64Type>();
    assert_eq!((income.value(10), income.is_null(3)), (1000, true));
    // The row without a person loses its date; that is counted.
    assert!(output.column(4).is_null(5));
    assert_eq!(masked.nulled, [("visited".to_owned(), 1)]);
}

#[test]
fn a_plan_is_the_same_batch_by_batch_and_differs_by_key_and_epoch() {
    let plan = compile("[columns.id_card]\ntransform='token'\nvalue_domain='person-id'").unwrap();
    let whole = plan.apply(&root(), 1, &batch()).unwrap();
    let halves = [batch().slice(0, 13), batch().slice(13, 27)]
        .map(|part| plan.apply(&root(), 1, &part).unwrap());
    assert_eq!(
        arrow::compute::concat_batches(&whole.schema(), &halves).unwrap(),
        whole
    );
    assert_ne!(plan.apply(&root(), 2, &batch()).unwrap(), whole);
    assert_ne!(
        plan.apply(&RootKey::from_bytes([6; 32]), 1, &batch())
            .unwrap(),
        whole
    );
}

#[test]
fn empty_batches_and_dropped_columns_work() {
    let plan = compile("[columns.income]\ntransform='keep'").unwrap();
    assert_eq!(
        plan.apply(&root(), 1, &batch().slice(0, 0))
            .unwrap()
            .num_rows(),
        0
    );
    let nothing = compile("").unwrap();
    let masked = nothing.apply(&root(), 1, &batch()).unwrap();
    assert_eq!((masked.num_rows(), masked.num_columns()), (40, 0));
}

#[test]
fn another_schema_is_refused() {
    let plan = compile("[columns.income]\ntransform='keep'").unwrap();
    let column: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let other = RecordBatch::try_from_iter([("income", column)]).unwrap();
    assert_eq!(
        plan.apply(&root(), 1, &other).unwrap_err().code,
        "schema_changed"
    );
}

#[test]
fn documents_that_cannot_be_read_name_line_column_and_option() {
    let fault = |document: &str| Policy::parse(document).unwrap_err();
    assert!(
        fault("version = 1\n[columns.a\n")
            .message
            .en
            .contains("line 2")
    );
    assert_eq!(fault("version = 2").code, "document_version");
    assert_eq!(fault("version = 1\nother = 1").code, "document_unreadable");
    assert_eq!(fault("").code, "document_unreadable");
    for (rule, code) in [
        ("transform = 'scramble'", "transform_unknown"),
        ("value_domain = 'a'", "option_missing"),
        ("transform = 'token'", "option_missing"),
        (
            "transform = 'token'\nvalue_domain = 'Person'",
            "value_domain_name",
        ),
        ("transform = 'keep'\nwidth = 3", "option_unknown"),
        ("transform = 'bin'\nwidth = 0", "option_value"),
        ("transform = 'bin'\nwidth = nan", "option_value"),
        ("transform = 'bin'\nwidth = 'wide'", "option_value"),
        ("transform = 'top_bottom'", "option_missing"),
        (
            "transform = 'top_bottom'\nbottom = 5\ntop = 1",
            "option_value",
        ),
        (
            "transform = 'permute'\nkind = 'resident_id'\nkeep_region = 3",
            "option_value",
        ),
        (
            "transform = 'age_band'\nas_of = '2025-02-30'",
            "option_value",
        ),
        ("transform = 'keep'\nclass = 'public'", "reason_missing"),
        (
            "transform = 'keep'\nclass = 'secret'\nreason = 'x'",
            "option_value",
        ),
        (
            "transform = 'shift_date'\nsubject = 'a'\ndays = 0",
            "option_value",
        ),
        (
            "transform = 'shift_date'\nsubject = 'a'\ndays = 3\nfollow_birthday = true",
            "option_value",
        ),
        ("transform = 'noise'\namount_max = 3", "option_missing"),
        ("transform = 'noise'\nsubject = 'a'", "option_missing"),
        (
            "transform = 'noise'\nsubject = 'a'\namount_max = -1",
            "option_value",
        ),
        (
            "transform = 'noise'\nsubject = 'a'\namount_max = 1\nscale = 1",
            "option_unknown",
        ),
        ("transform = 'microaggregate'\nrows_min = 0", "option_value"),
        ("transform = 'shuffle'\nwithin = 'a'", "option_value"),
        ("transform = 'shuffle'\nwithin = [1]", "option_value"),
        ("transform = 'geo'\nlayout = 'longitude'", "option_missing"),
        (
            "transform = 'geo'\nlayout = 'longitude_latitude'\nfrom = 'wgs72'",
            "option_value",
        ),
        (
            "transform = 'geo'\nlayout = 'longitude_latitude'\nfrom = 'wgs84'\noutput = 'geohash'",
            "option_missing",
        ),
        ("transform = 'surrogate'", "option_missing"),
        (
            "transform = 'surrogate'\nkind = 'address'",
            "option_missing",
        ),
        ("transform = 'hierarchy'", "option_missing"),
    ] {
        let fault = fault(&format!("version = 1\n[columns.\"收 入\"]\n{rule}"));
        assert_eq!(
            (fault.code.as_str(), fault.column.as_deref()),
            (code, Some("收 入")),
            "{rule}"
        );
    }
}

#[test]
fn the_canonical_document_does_not_depend_on_how_it_was_written() {
    let one = Policy::parse("version=1\n[columns.b]\ntransform='keep'\n[columns.a]\nto='year'\ntransform='generalise_date'").unwrap();
    let other = Policy::parse("version = 1\n\n[columns]\na = { transform = \"generalise_date\", to = \"year\" }\nb.transform = \"keep\"\n").unwrap();
    assert_eq!(one.to_toml(), other.to_toml());
    assert_eq!(one.digest(), other.digest());
    assert_ne!(one.digest(), Policy::default().digest());
}

#[test]
fn suggestions_compile_and_hide_every_direct_identifier() {
    let batch = batch();
    let found = classes(&batch);
    let policy = Policy::suggest(&found);
    assert_eq!(Policy::parse(&policy.to_toml()).unwrap(), policy);
    let plan = policy.compile(batch.schema_ref(), &found).unwrap();
    let masked = plan.apply(&root(), 1, &batch).unwrap();
    let mut classifier = Classifier::new(masked.schema_ref(), &[]);
    classifier.observe(&masked).unwrap();
    for class in classifier.finish() {
        assert!(
            class.evidence.inside_text.is_empty()
                && class
                    .identifier
                    .is_none_or(|identifier| identifier == Identifier::Coordinates),
            "{class:?}"
        );
    }
}

#[test]
fn quasi_identifiers_are_suggested_coarser_whatever_their_type() {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; 40])) };
    let wholes = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number; 40])) };
    let ages: ArrayRef = Arc::new(Float64Array::from(vec![33.5; 40]));
    let cases = [
        ("birth_date", wholes(19_900_615), "19900000"),
        ("birth_date", texts("1990-06-15"), "1990-01-01"),
        ("visit_date", texts("2023年6月15日"), "2023-06-01"),
        ("age", ages, "30"),
        ("postcode", texts("361005"), "3610**"),
        ("postcode", wholes(361_005), "3610**"),
    ];
    for (name, column, expected) in cases {
        let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
        let found = classes(&batch);
        let policy = Policy::suggest(&found);
        let plan = policy.compile(batch.schema_ref(), &found).unwrap();
        let masked = plan.apply(&root(), 1, &batch).unwrap();
        let masked = crate::transform::text_values(masked.column(0)).unwrap();
        assert_eq!(masked.as_string::<i32>().value(0), expected, "{name}");
    }
}

fn any_transform() -> impl Strategy<Value = Transform> {
    let domain = "[a-z][a-z0-9-]{1,31}".prop_map(|name| ValueDomain::parse(&name).unwrap());
    prop_oneof![
        Just(Transform::Keep),
        Just(Transform::Drop),
        Just(Transform::RedactText),
        domain.prop_map(|value_domain| Transform::Token { value_domain }),
        any::<String>().prop_map(|text| Transform::RedactConstant { text }),
        (1e-9..1e15f64, -1e15..1e15f64).prop_map(|(width, origin)| Transform::Bin {
            width,
            origin,
            output: crate::BinOutput::Label
        }),
        (1u32..=100, 1u32..=150).prop_map(|(width, top)| Transform::AgeBand {
            width,
            top,
            as_of: Some((2024, 2, 29))
        }),
        (1u32..=300, any::<bool>()).prop_map(|(birth_band_years, unassigned_region)| {
            Transform::Permute {
                permute: crate::Permute::ResidentId {
                    keep_region: 4,
                    birth_band_years,
                    unassigned_region,
                },
                value_domain: ValueDomain::parse("person-id").unwrap(),
            }
        }),
        any::<String>().prop_map(|subject| Transform::ShiftDate {
            subject,
            value_domain: ValueDomain::parse("vehicle").unwrap(),
            shift: DateShift::Days(7)
        }),
        any::<String>().prop_map(|algorithm| Transform::Hash { algorithm }),
        any_transform_across(),
    ]
}

fn any_transform_across() -> impl Strategy<Value = Transform> {
    let person = || ValueDomain::parse("person-id").unwrap();
    let geo = |layout, cell| Transform::Geo {
        geo: Geo {
            layout,
            from: Datum::Gcj02,
            to: Datum::Wgs84,
            cell,
        },
    };
    prop_oneof![
        any::<String>().prop_map(move |subject| Transform::ShiftDate {
            subject,
            value_domain: person(),
            shift: DateShift::Birthday,
        }),
        (
            any::<String>(),
            0.0..1e9f64,
            1e-6..1e6f64,
            0u32..10,
            any::<bool>()
        )
            .prop_map(move |(subject, amount_max, scale, decimals, is_uniform)| {
                Transform::Noise {
                    noise: Noise {
                        shape: if is_uniform {
                            NoiseShape::Uniform
                        } else {
                            NoiseShape::Laplace { scale }
                        },
                        amount_max,
                        bottom: is_uniform.then_some(-scale),
                        top: None,
                        decimals,
                    },
                    subject,
                    value_domain: person(),
                }
            }),
        (1u32..=10_000).prop_map(|rows_min| Transform::Microaggregate { rows_min }),
        (proptest::collection::vec(any::<String>(), 0..3), 1u32..9)
            .prop_map(|(within, rows_min)| Transform::Shuffle { within, rows_min }),
        (any::<String>(), 1u32..=12).prop_map(move |(latitude, characters)| geo(
            GeoLayout::Longitude { latitude },
            GeoCell::Geohash { characters }
        )),
        (any::<String>(), 1e-6..9.0f64).prop_map(move |(longitude, width_degrees)| geo(
            GeoLayout::Latitude { longitude },
            GeoCell::Grid { width_degrees }
        )),
        Just(geo(
            GeoLayout::LatitudeLongitude,
            GeoCell::Geohash { characters: 5 }
        )),
        (any::<bool>(), proptest::option::of(any::<String>())).prop_map(|(keep_surname, sex)| {
            Transform::Surrogate {
                surrogate: Surrogate::Name { keep_surname, sex },
            }
        }),
        Just(Transform::Surrogate {
            surrogate: Surrogate::Address {
                keep: crate::RegionLevel::City,
            },
        }),
        (
            any::<String>(),
            1u32..9,
            proptest::option::of(any::<String>())
        )
            .prop_map(|(hierarchy, levels, otherwise)| Transform::Hierarchy {
                hierarchy,
                levels,
                otherwise,
            }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(columns in proptest::collection::btree_map(any::<String>(), any_transform(), 0..6), drop in any::<bool>()) {
        let unnamed = if drop { UnnamedColumns::Drop } else { UnnamedColumns::Refuse };
        let columns = columns.into_iter().map(|(name, transform)| (name, ColumnPolicy::new(transform))).collect();
        let policy = Policy::new(columns, unnamed);
        prop_assert_eq!(Policy::parse(&policy.to_toml()).unwrap(), policy);
    }

    #[test]
    fn any_document_is_read_or_refused(document in any::<String>()) {
        let _ = Policy::parse(&document);
    }

    #[test]
    fn any_suggestion_compiles(texts in proptest::collection::vec(proptest::option::of("[0-9一-十a-z@. ]{0,20}"), 1..40), name in "(id_card|姓名|age|birth|地址|remark|x|lon)") {
        let column: ArrayRef = Arc::new(StringArray::from(texts));
        let batch = RecordBatch::try_from_iter([(name.as_str(), column)]).unwrap();
        let found = classes(&batch);
        let plan = Policy::suggest(&found).compile(batch.schema_ref(), &found).unwrap();
        let masked = plan.apply(&root(), 1, &batch).unwrap();
        prop_assert_eq!(masked.num_rows(), batch.num_rows());
        for column in masked.columns() {
            prop_assert!(column.null_count() >= batch.column(0).null_count());
        }
    }
}

#[test]
fn hints_from_the_catalogue_reach_the_suggestion() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![30, 40]));
    let batch = RecordBatch::try_from_iter([("c1", column)]).unwrap();
    let hints = [ColumnHint {
        name: "c1".to_owned(),
        comment: "年龄".to_owned(),
    }];
    let mut classifier = Classifier::new(batch.schema_ref(), &hints);
    classifier.observe(&batch).unwrap();
    let found = classifier.finish();
    let plan = Policy::suggest(&found)
        .compile(batch.schema_ref(), &found)
        .unwrap();
    let masked = plan.apply(&root(), 1, &batch).unwrap();
    assert_eq!(masked.column(0).data_type(), &DataType::Utf8);
    assert_eq!(masked.column(0).as_string::<i32>().value(0), "30-34");
}
