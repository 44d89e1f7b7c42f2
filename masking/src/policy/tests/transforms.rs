//! Transforms that read other columns, rows or tables, from their document to masked values.

use std::collections::HashSet;

use arrow::array::{BooleanArray, Float64Array};
use arrow::datatypes::{Date32Type, Float64Type};

use super::*;
use crate::date::parse_day;

const ROWS: usize = 60;

/// Sixty persons with name, number, birth date, home, schooling, income.
fn people() -> RecordBatch {
    let id = |row: usize| {
        let born = format!("19{:02}0{}15", 50 + row % 40, row % 9 + 1);
        let body = format!("350203{born}{:03}", row * 7);
        let check = crate::classify::check::resident_check(body.as_bytes()).unwrap();
        format!("{body}{}", char::from(check))
    };
    let given = ["伟", "芳", "小明", "秀英"];
    let texts = |value: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(value)))
    };
    let places = |origin: f64| -> ArrayRef {
        let values = (0..ROWS).map(|row| Some(origin + float(row) / 1000.0));
        Arc::new(values.collect::<Float64Array>())
    };
    let incomes = Int64Array::from_iter((0..ROWS).map(|row| {
        let row = i64::try_from(row).unwrap();
        (row != 3).then_some(3000 + row * 111)
    }));
    let retired = BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 3 == 0)));
    let columns: [(&str, ArrayRef); 10] = [
        ("id_card", texts(&id)),
        (
            "name",
            texts(&|row| format!("{}{}", ["王", "李", "欧阳"][row % 3], given[row % 4])),
        ),
        (
            "address",
            texts(&|row| format!("福建省厦门市思明区湖滨南路{row}号")),
        ),
        (
            "born",
            texts(&|row| {
                let id = id(row);
                format!("{}-{}-{}", &id[6..10], &id[10..12], &id[12..14])
            }),
        ),
        (
            "schooling",
            texts(&|row| ["本科", "硕士", "小学", "初中"][row % 4].to_owned()),
        ),
        ("income", Arc::new(incomes)),
        ("lon", places(118.0)),
        ("lat", places(24.0)),
        ("district", texts(&|row| format!("D{}", row % 2))),
        ("retired", Arc::new(retired)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn float(row: usize) -> f64 {
    f64::from(u32::try_from(row).unwrap())
}

fn plan(document: &str) -> Result<MaskPlan, Vec<PolicyFault>> {
    let people = people();
    let document = format!("version = 1\nunnamed_columns = 'drop'\n{document}");
    let policy = Policy::parse(&document).unwrap();
    assert_eq!(Policy::parse(&policy.to_toml()).unwrap(), policy);
    policy.compile(people.schema_ref(), &classes(&people))
}

fn masked(document: &str) -> RecordBatch {
    let masked = plan(document)
        .unwrap()
        .apply(&root(), 1, &people())
        .unwrap();
    assert_eq!(masked.num_rows(), ROWS);
    masked
}

fn refusal(document: &str) -> String {
    let faults = plan(document).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(!faults[0].message.zh.is_empty() && !faults[0].remedy.en.is_empty());
    faults[0].code.clone()
}

fn texts(batch: &RecordBatch, column: usize) -> Vec<Option<String>> {
    let texts = batch.column(column).as_string::<i32>().iter();
    texts.map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn number_birth_date_and_events_move_together() {
    let document = "[columns.id_card]\ntransform='permute'\nkind='resident_id'\n\
                    [columns.born]\ntransform='shift_date'\nsubject='id_card'\nfollow_birthday=true";
    let masked = masked(document);
    let births = masked.column(1).as_primitive::<Date32Type>();
    for (row, id) in texts(&masked, 0).into_iter().enumerate() {
        let inside = parse_day(&id.unwrap()[6..14]).unwrap().to_epoch();
        assert_eq!(i64::from(births.value(row)), inside);
    }
    let alone = "[columns.born]\ntransform='shift_date'\nsubject='id_card'\nfollow_birthday=true";
    assert_eq!(refusal(alone), "subject_not_permuted");
    let by_rule = format!("[rules.resident_id]\ntransform='permute'\nkind='resident_id'\n{alone}");
    assert!(plan(&by_rule).is_ok());
}

#[test]
fn noise_stays_near_and_belongs_to_its_subject() {
    let noise =
        "[columns.income]\ntransform='noise'\nsubject='id_card'\namount_max=200\nbottom=3000";
    let masked = masked(noise);
    let people = people();
    let before = people.column(5).as_primitive::<Int64Type>();
    let after = masked.column(0).as_primitive::<Int64Type>();
    let mut moved = 0;
    for row in 0..ROWS {
        assert_eq!(before.is_null(row), after.is_null(row));
        let amount = after.value(row) - before.value(row);
        assert!(before.is_null(row) || (amount.abs() <= 200 && after.value(row) >= 3000));
        moved += usize::from(amount != 0);
    }
    assert!(moved > 50);
    let laplace = "[columns.income]\ntransform='noise'\nsubject='id_card'\ndistribution='laplace'\nscale=50\namount_max=400";
    assert!(plan(laplace).is_ok());
    let nothing = "[columns.income]\ntransform='noise'\nsubject='id_card'\namount_max=0.5";
    assert_eq!(refusal(nothing), "noise_does_nothing");
    let nobody = "[columns.income]\ntransform='noise'\nsubject='nobody'\namount_max=50";
    assert_eq!(refusal(nobody), "subject_missing");
    let words = "[columns.schooling]\ntransform='noise'\nsubject='id_card'\namount_max=50";
    assert_eq!(refusal(words), "type_unfit");
}

#[test]
fn neighbours_share_their_mean() {
    let masked = masked("[columns.income]\ntransform='microaggregate'\nrows_min=4");
    let means = masked.column(0).as_primitive::<Int64Type>();
    assert_eq!(means.null_count(), 1);
    for mean in means.iter().flatten() {
        assert!(means.iter().filter(|other| *other == Some(mean)).count() >= 4);
    }
    let two = "[columns.income]\ntransform='microaggregate'\nrows_min=2";
    assert_eq!(refusal(two), "microaggregation_too_small");
}

#[test]
fn values_are_exchanged_inside_their_group() {
    let masked = masked(
        "[columns.income]\ntransform='shuffle'\nwithin=['district']\n[columns.retired]\ntransform='shuffle'",
    );
    let people = people();
    let districts = texts(&people, 8);
    let sum = |batch: &RecordBatch, column: usize, district: &str| -> i64 {
        let values = batch.column(column).as_primitive::<Int64Type>();
        let inside = (0..ROWS).filter(|row| districts[*row].as_deref() == Some(district));
        inside.map(|row| values.value(row)).sum()
    };
    for district in ["D0", "D1"] {
        assert_eq!(sum(&masked, 0, district), sum(&people, 5, district));
    }
    assert!(masked.column(0).is_null(3));
    assert_eq!(masked.column(1).as_boolean().true_count(), 20);
    let two = "[columns.income]\ntransform='shuffle'\nrows_min=2";
    assert_eq!(refusal(two), "shuffle_too_small");
    let nobody = "[columns.income]\ntransform='shuffle'\nwithin=['nobody']";
    assert_eq!(refusal(nobody), "other_column_missing");
    let direct = "[columns.id_card]\ntransform='shuffle'";
    assert_eq!(refusal(direct), "direct_identifier_coarsened");
}

#[test]
fn coordinates_become_cells() {
    let geo = "transform='geo'\nlayout='longitude'\nlatitude='lat'\nfrom='wgs84'";
    let masked = masked(&format!(
        "[columns.lon]\n{geo}\nto='gcj02'\nwidth_degrees=0.02"
    ));
    let cells = masked.column(0).as_primitive::<Float64Type>();
    assert!(
        cells
            .values()
            .iter()
            .all(|cell| (cell / 0.02 - (cell / 0.02).round()).abs() < 1e-6)
    );
    let hash = super::transforms::masked(&format!(
        "[columns.lon]\n{geo}\noutput='geohash'\ncharacters=5"
    ));
    let cells: HashSet<_> = texts(&hash, 0).into_iter().collect();
    assert!(cells.len() < 10 && cells.iter().flatten().all(|cell| cell.len() == 5));
    let fine = format!("[columns.lon]\n{geo}\noutput='geohash'\ncharacters=9");
    assert_eq!(refusal(&fine), "geo_too_fine");
    let fine = format!("[columns.lon]\n{geo}\nwidth_degrees=0.001");
    assert_eq!(refusal(&fine), "geo_too_fine");
    let other = "[columns.lon]\ntransform='geo'\nlayout='longitude'\nlatitude='born'\nfrom='wgs84'\nwidth_degrees=1";
    assert_eq!(refusal(other), "other_column_missing");
}

#[test]
fn names_and_addresses_are_invented() {
    let masked = masked(
        "[columns.name]\ntransform='surrogate'\nkind='name'\nsex='id_card'\n\
         [columns.address]\ntransform='surrogate'\nkind='address'\nkeep='city'",
    );
    let people = people();
    for (real, invented) in texts(&people, 1).into_iter().zip(texts(&masked, 0)) {
        let (real, invented) = (real.unwrap(), invented.unwrap());
        assert_ne!(real, invented);
        assert_eq!(real.chars().count(), invented.chars().count());
    }
    let addresses = texts(&masked, 1);
    assert!(
        addresses
            .iter()
            .flatten()
            .all(|address| address.starts_with("福建省厦门市") && !address.contains("湖滨南路"))
    );
    let wrong = "[columns.id_card]\ntransform='surrogate'\nkind='name'";
    assert_eq!(refusal(wrong), "kind_differs");
}

#[test]
fn values_climb_their_hierarchy() {
    let table = "[hierarchies.schooling]\n'高等教育'=['本科','硕士']\n'基础教育'=['小学','高中']\n";
    let rule = "[columns.schooling]\ntransform='hierarchy'\nhierarchy='schooling'\n";
    let masked = masked(&format!("{table}{rule}otherwise='其他'"));
    let climbed = texts(&masked, 0);
    assert_eq!(climbed[1].as_deref(), Some("高等教育"));
    assert_eq!(climbed[3].as_deref(), Some("其他"));
    assert_eq!(refusal(rule), "hierarchy_missing");
    for groups in [
        "'a'=['本科']",
        "'a'=['b','x']\n'b'=['a','y']",
        "'a'=['x','y']\n'b'=['x','z']",
    ] {
        let table = format!("[hierarchies.schooling]\n{groups}\n{rule}");
        assert_eq!(refusal(&table), "hierarchy_does_not_coarsen");
    }
    let direct = format!("{table}[columns.id_card]\ntransform='hierarchy'\nhierarchy='schooling'");
    assert_eq!(refusal(&direct), "direct_identifier_coarsened");
}

#[test]
fn the_suite_of_the_policy_is_that_of_the_key() {
    let rule = "[columns.id_card]\ntransform='permute'\nkind='resident_id'";
    let plan = plan(&format!("cipher_suite='sm'\n{rule}")).unwrap();
    let fault = plan.apply(&root(), 1, &people()).unwrap_err();
    assert_eq!(fault.code, "cipher_suite_differs");
    let sm = RootKey::with_suite([5; 32], CipherSuite::Sm);
    assert_eq!(
        plan.apply(&sm, 1, &people())
            .unwrap()
            .column(0)
            .null_count(),
        0
    );
    assert!(plan.notes(CipherSuite::International).is_empty());
    assert!(
        plan.notes(CipherSuite::Sm)[0]
            .en
            .contains("no published GM/T profile")
    );
    let document = Policy::parse("version = 1\ncipher_suite = 'sm'")
        .unwrap()
        .to_toml();
    assert!(document.contains("# FF1 over SM4 has no published GM/T profile"));
}

/// A remark that is exchanged is still a remark.
#[test]
fn only_kept_and_exchanged_values_reach_the_result() {
    let people = people();
    let remarks = |rule: &str| {
        let document = format!("version = 1\n[columns.c]\n{rule}");
        let policy = Policy::parse(&document).unwrap();
        policy.columns()["c"].transform.passes_values()
    };
    assert!(remarks("transform='keep'") && remarks("transform='shuffle'"));
    assert!(!remarks("transform='drop'") && !remarks("transform='redact'"));
    let shuffled = masked("[columns.schooling]\ntransform='shuffle'");
    let known: HashSet<_> = texts(&people, 4).into_iter().collect();
    assert!(
        texts(&shuffled, 0)
            .iter()
            .all(|value| known.contains(value))
    );
}

/// Each of them on people, cut anywhere, and on nobody.
#[test]
fn nulls_stay_null_and_small_batches_are_taken() {
    let people = people();
    let nobody = {
        let columns = people.columns().iter();
        let nulls = columns.map(|column| arrow::array::new_null_array(column.data_type(), ROWS));
        RecordBatch::try_new(people.schema(), nulls.collect()).unwrap()
    };
    for rule in [
        "[columns.born]\ntransform='shift_date'\nsubject='id_card'",
        "[columns.income]\ntransform='noise'\nsubject='id_card'\namount_max=9",
        "[columns.income]\ntransform='microaggregate'",
        "[columns.income]\ntransform='shuffle'\nwithin=['district','retired']",
        "[columns.lon]\ntransform='geo'\nlayout='longitude'\nlatitude='lat'\nfrom='gcj02'\nto='wgs84'\nwidth_degrees=0.1",
        "[columns.name]\ntransform='surrogate'\nkind='name'\nkeep_surname=true",
        "[columns.address]\ntransform='surrogate'\nkind='address'\nkeep='county'",
        "[hierarchies.s]\n'高'=['本科','硕士']\n[columns.schooling]\ntransform='hierarchy'\nhierarchy='s'\notherwise='低'",
    ] {
        let plan = plan(rule).unwrap();
        let masked = plan.apply(&root(), 1, &nobody).unwrap();
        assert_eq!(masked.column(0).null_count(), ROWS, "{rule}");
        for (from, length) in [(0, 0), (5, 1), (58, 2), (7, 31)] {
            let part = people.slice(from, length);
            let once = plan.apply(&root(), 1, &part).unwrap();
            assert_eq!(once.num_rows(), length);
            assert_eq!(plan.apply(&root(), 1, &part).unwrap(), once, "{rule}");
        }
    }
}
