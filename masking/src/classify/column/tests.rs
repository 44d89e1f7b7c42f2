#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::classify::check;
use crate::classify::value::is_valid;
use crate::classify::{Identifier as I, decide};

/// A small generator, so that tests need no randomness of the host.
pub(crate) struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from_digit(u32::try_from(self.below(10)).unwrap(), 10).unwrap())
            .collect()
    }

    fn of(&mut self, alphabet: &[u8], count: usize) -> String {
        let length = u64::try_from(alphabet.len()).unwrap();
        (0..count)
            .map(|_| char::from(alphabet[usize::try_from(self.below(length)).unwrap()]))
            .collect()
    }

    fn resident_id(&mut self) -> String {
        let body = format!(
            "3502{:02}{}{:02}{:02}{:03}",
            3 + self.below(3),
            1940 + self.below(80),
            1 + self.below(12),
            1 + self.below(28),
            self.below(1000)
        );
        format!(
            "{body}{}",
            char::from(check::resident_check(body.as_bytes()).unwrap())
        )
    }

    fn credit_code(&mut self) -> String {
        let organisation = self.digits(8);
        let head = format!(
            "91350200{organisation}{}",
            char::from(check::organisation_check(organisation.as_bytes()).unwrap())
        );
        format!(
            "{head}{}",
            char::from(check::credit_check(head.as_bytes()).unwrap())
        )
    }

    fn mobile(&mut self) -> String {
        format!("13{}", self.digits(9))
    }

    fn card(&mut self) -> String {
        let body = format!("622202{}", self.digits(12));
        format!(
            "{body}{}",
            char::from(check::luhn_check(body.as_bytes()).unwrap())
        )
    }

    fn name(&mut self) -> String {
        let surnames = ["王", "李", "张", "刘", "陈", "欧阳", "林", "黄", "郑", "苏"];
        let given = [
            "伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰",
            "建国", "志明",
        ];
        let pick = |list: &[&str], place: u64| {
            list[usize::try_from(place).unwrap() % list.len()].to_owned()
        };
        format!(
            "{}{}",
            pick(&surnames, self.below(10)),
            pick(&given, self.below(16))
        )
    }
}

fn classify(name: &str, comment: &str, values: Vec<String>) -> ColumnClass {
    let column: ArrayRef = Arc::new(StringArray::from(values));
    classify_array(name, comment, column)
}

fn classify_array(name: &str, comment: &str, column: ArrayRef) -> ColumnClass {
    let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
    let hints = [ColumnHint {
        name: name.to_owned(),
        comment: comment.to_owned(),
    }];
    let mut classifier = Classifier::new(batch.schema_ref(), &hints);
    classifier.observe(&batch).unwrap();
    classifier.finish().remove(0)
}

fn many(count: usize, draw: impl Fn(&mut Draws) -> String) -> Vec<String> {
    let mut draws = Draws(42);
    (0..count).map(|_| draw(&mut draws)).collect()
}

#[test]
fn identifiers_are_told_without_any_hint() {
    let cases: [(I, Vec<String>); 9] = [
        (I::ResidentId, many(100, Draws::resident_id)),
        (I::CreditCode, many(100, Draws::credit_code)),
        (I::Mobile, many(100, Draws::mobile)),
        (I::BankCard, many(100, Draws::card)),
        (I::Name, many(100, Draws::name)),
        (
            I::Plate,
            many(100, |draws| {
                format!("闽{}{}", draws.of(b"ABCDE", 1), draws.digits(5))
            }),
        ),
        (
            I::Email,
            many(100, |draws| format!("{}@qq.com", draws.digits(9))),
        ),
        (
            I::LandLine,
            many(100, |draws| format!("0592-5{}", draws.digits(6))),
        ),
        (
            I::Ipv4,
            many(100, |draws| {
                format!(
                    "10.{}.{}.{}",
                    draws.below(256),
                    draws.below(256),
                    draws.below(256)
                )
            }),
        ),
    ];
    for (expected, values) in cases {
        let class = classify("c1", "", values);
        assert_eq!(class.identifier, Some(expected), "{:?}", class.evidence);
        assert_eq!(class.class, Class::DirectIdentifier);
        assert!(class.confidence > 0.95);
    }
}

#[test]
fn dirty_and_mixed_columns_are_still_told() {
    let dirty = many(100, |draws| {
        let id = draws.resident_id();
        match draws.below(10) {
            0 => format!("{}0", &id[..17]),
            1 => format!(" {} ", id.to_lowercase()),
            2 => "不详".to_owned(),
            _ => id,
        }
    });
    assert_eq!(classify("x", "", dirty).identifier, Some(I::ResidentId));
    let mixed = many(100, |draws| {
        if draws.below(2) == 0 {
            draws.resident_id()
        } else {
            draws.credit_code()
        }
    });
    assert_eq!(
        classify("证件号码", "", mixed).identifier,
        Some(I::ResidentId)
    );
    let spaced = many(50, |draws| {
        let mobile = draws.mobile();
        format!("+86 {} {} {}", &mobile[..3], &mobile[3..7], &mobile[7..])
    });
    assert_eq!(classify("x", "", spaced).identifier, Some(I::Mobile));
}

#[test]
fn fifteen_digits_need_a_word() {
    let old = || {
        many(60, |draws| {
            let id = draws.resident_id();
            format!("{}{}{}", &id[..6], &id[8..14], &id[14..17])
        })
    };
    assert_eq!(
        classify("身份证号", "", old()).identifier,
        Some(I::ResidentId)
    );
    let unsaid = classify("c9", "", old());
    assert_eq!(
        (unsaid.identifier, unsaid.class),
        (None, Class::QuasiIdentifier)
    );
}

#[test]
fn numbers_that_only_look_like_identifiers() {
    let decoys: [(&str, Vec<String>); 10] = [
        (
            "c0",
            many(400, |draws| {
                format!(
                    "350203{}{:02}{}",
                    1950 + draws.below(60),
                    1 + draws.below(12),
                    10 + draws.below(18)
                ) + &draws.digits(4)
            }),
        ),
        ("c1", many(200, |draws| format!("1{}", draws.digits(10)))),
        ("c2", many(200, |draws| draws.digits(18))),
        ("c3", many(200, |draws| draws.digits(16))),
        ("c4", many(200, |draws| draws.digits(9))),
        (
            "c5",
            (0..200)
                .map(|n| (13_800_000_000u64 + n).to_string())
                .collect(),
        ),
        (
            "c6",
            (0..200)
                .map(|n| format!("1.{}.{}.{}", n % 7, n % 13, n % 29))
                .collect(),
        ),
        (
            "c7",
            (0..200)
                .map(|n| (1_673_749_230_123u64 + n * 7919).to_string())
                .collect(),
        ),
        (
            "订单号",
            many(200, |draws| format!("2024{}", draws.digits(14))),
        ),
        (
            "amount",
            many(200, |draws| {
                format!("{}.{}", draws.below(1000), draws.digits(2))
            }),
        ),
    ];
    for (name, values) in decoys {
        let class = classify(name, "", values);
        assert_eq!(
            (class.identifier, class.class),
            (None, Class::Public),
            "{name} {:?}",
            class.evidence
        );
    }
}

#[test]
fn words_that_only_look_like_names() {
    let diseases = [
        "高血压",
        "白内障",
        "糖尿病",
        "冠心病",
        "胃炎",
        "肺炎",
        "支气管炎",
        "哮喘",
        "肝炎",
        "脂肪肝",
        "胆结石",
        "肾结石",
        "骨折",
        "关节炎",
        "颈椎病",
        "腰椎病",
        "贫血",
        "甲亢",
        "甲减",
        "痛风",
        "湿疹",
        "荨麻疹",
        "鼻炎",
        "咽炎",
        "中耳炎",
        "近视",
        "青光眼",
        "抑郁症",
        "焦虑症",
        "失眠",
        "偏头痛",
        "脑梗死",
        "脑出血",
        "心肌梗死",
        "心律失常",
        "房颤",
    ];
    let class = classify("c1", "", diseases.map(str::to_owned).to_vec());
    assert_eq!(class.identifier, None, "{:?}", class.evidence);
    let cities = [
        "厦门市",
        "福州市",
        "泉州市",
        "漳州市",
        "莆田市",
        "龙岩市",
        "三明市",
        "南平市",
        "宁德市",
        "北京市",
        "上海市",
        "天津市",
        "重庆市",
        "广州市",
        "深圳市",
        "杭州市",
        "南京市",
        "苏州市",
        "武汉市",
        "成都市",
        "西安市",
        "长沙市",
        "郑州市",
        "济南市",
        "青岛市",
        "大连市",
        "沈阳市",
        "合肥市",
        "南昌市",
        "昆明市",
        "贵阳市",
        "安康市",
    ];
    let class = classify("c2", "", cities.map(str::to_owned).to_vec());
    assert_eq!(class.identifier, None, "{:?}", class.evidence);
}

#[test]
fn an_identifier_hidden_in_remarks_makes_the_column_direct() {
    let mut remarks: Vec<String> = (0..1000)
        .map(|n| format!("第{n}次随访，情况良好"))
        .collect();
    assert_eq!(classify("remark", "", remarks.clone()).class, Class::Public);
    remarks[777] = "本人身份证11010519491231002X，随访".to_owned();
    let class = classify("remark", "", remarks);
    assert_eq!(
        (class.identifier, class.class),
        (None, Class::DirectIdentifier)
    );
    assert_eq!(class.evidence.inside_text[&I::ResidentId], 1);
    assert!(class.confidence > 0.9);
}

#[test]
fn a_lone_number_among_words_counts_as_well() {
    let mut notes: Vec<String> = (0..200)
        .map(|n| format!("事项{}", "甲".repeat(n % 20 + 1)))
        .collect();
    notes[3] = "13800138000".to_owned();
    assert_eq!(classify("x", "", notes).class, Class::DirectIdentifier);
}

#[test]
fn names_and_comments_give_the_other_classes() {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let cases = [
        (
            "c1",
            "出生日期",
            words(&["1990-01-01"]),
            Class::QuasiIdentifier,
        ),
        ("sex", "", words(&["男", "女"]), Class::QuasiIdentifier),
        ("诊断", "", words(&["痛风"]), Class::Sensitive),
        ("income", "", words(&["10"]), Class::Sensitive),
        (
            "patient_id",
            "",
            words(&["A1", "A2"]),
            Class::DirectIdentifier,
        ),
        (
            "姓名",
            "",
            words(&["Alice Smith", "Bob Jones"]),
            Class::DirectIdentifier,
        ),
        ("flight", "", words(&["MF8101"]), Class::Public),
    ];
    for (name, comment, values, expected) in cases {
        assert_eq!(classify(name, comment, values).class, expected, "{name}");
    }
}

#[test]
fn numeric_columns_and_coordinates() {
    let mut draws = Draws(7);
    let mobiles =
        Int64Array::from_iter_values((0..100).map(|_| draws.mobile().parse::<i64>().unwrap()));
    assert_eq!(
        classify_array("x", "", Arc::new(mobiles)).identifier,
        Some(I::Mobile)
    );
    let mut draws = Draws(7);
    let degrees = Float64Array::from_iter_values(
        (0..100).map(|_| format!("118.{}1", draws.digits(5)).parse::<f64>().unwrap()),
    );
    let class = classify_array("longitude", "", Arc::new(degrees.clone()));
    assert_eq!(
        (class.identifier, class.class),
        (Some(I::Coordinates), Class::QuasiIdentifier)
    );
    assert_eq!(
        classify_array("weight", "", Arc::new(degrees)).identifier,
        None
    );
}

#[test]
fn few_values_decide_only_with_a_hint_or_a_strong_check() {
    let mobiles = || many(5, Draws::mobile);
    assert_eq!(classify("x", "", mobiles()).identifier, None);
    let hinted = classify("手机号", "", mobiles());
    assert_eq!(hinted.identifier, Some(I::Mobile));
    assert!(hinted.confidence <= 0.75 && hinted.evidence.few_values);
    assert_eq!(
        classify("x", "", many(5, Draws::resident_id)).identifier,
        Some(I::ResidentId)
    );
}

#[test]
fn a_sample_of_many_distinct_values_is_bounded_and_estimates_their_number() {
    let class = classify("x", "", many(200_000, Draws::resident_id));
    assert_eq!(class.identifier, Some(I::ResidentId));
    assert!(class.evidence.examined <= 16_384);
    let distinct = class.evidence.distinct;
    assert!((150_000..250_000).contains(&distinct), "{distinct}");
}

#[test]
fn empty_null_and_nested_columns_are_public() {
    let empty: ArrayRef = Arc::new(StringArray::from(Vec::<Option<&str>>::new()));
    assert_eq!(classify_array("x", "", empty).class, Class::Public);
    let nulls: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 40]));
    let class = classify_array("x", "", nulls);
    assert_eq!((class.class, class.evidence.nulls), (Class::Public, 40));
    let bytes: ArrayRef = Arc::new(arrow::array::BinaryArray::from(vec![&[0xff_u8, 0xfe][..]]));
    assert_eq!(classify_array("x", "", bytes).class, Class::Public);
}

#[test]
fn another_schema_is_refused() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let batch = RecordBatch::try_from_iter([("a", Arc::clone(&column))]).unwrap();
    let other = RecordBatch::try_from_iter([("b", column)]).unwrap();
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    assert_eq!(
        classifier.observe(&other).unwrap_err().code,
        "schema_changed"
    );
}

#[test]
fn documents_need_a_word_that_says_so() {
    let passports = || many(60, |draws| format!("E{}", draws.digits(8)));
    assert_eq!(classify("c1", "", passports()).identifier, None);
    assert_eq!(
        classify("护照号", "", passports()).identifier,
        Some(I::Passport)
    );
    assert_eq!(
        classify("证件号码", "", passports()).identifier,
        Some(I::Passport)
    );
    let mixed = many(100, |draws| match draws.below(4) {
        0 => format!("E{}", draws.digits(8)),
        _ => draws.resident_id(),
    });
    assert_eq!(
        classify("证件号码", "", mixed).identifier,
        Some(I::ResidentId)
    );
}

#[test]
fn a_column_beside_the_kind_of_document_holds_documents() {
    let kinds: ArrayRef = Arc::new(StringArray::from(vec!["护照"; 60]));
    let numbers: ArrayRef = Arc::new(StringArray::from(many(60, |draws| {
        format!("E{}", draws.digits(8))
    })));
    let batch = RecordBatch::try_from_iter([("证件类型", kinds), ("c2", numbers)]).unwrap();
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    classifier.observe(&batch).unwrap();
    assert_eq!(classifier.finish()[1].identifier, Some(I::Passport));
}

#[test]
fn the_datum_is_told_by_name_and_shared_by_the_pair() {
    let mut draws = Draws(3);
    let mut degrees = |whole: u64| -> ArrayRef {
        let degree = |draws: &mut Draws| format!("{whole}.{}1", draws.digits(5)).parse::<f64>();
        let values: Vec<f64> = (0..100).map(|_| degree(&mut draws).unwrap()).collect();
        Arc::new(Float64Array::from(values))
    };
    let columns = [
        ("lng_gcj02", degrees(118)),
        ("c2", degrees(24)),
        ("c3", degrees(24)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    classifier.observe(&batch).unwrap();
    let classes = classifier.finish();
    for class in &classes[..2] {
        assert_eq!(class.identifier, Some(I::Coordinates), "{}", class.column);
        assert_eq!(class.evidence.datum, Some(Datum::Gcj02));
    }
    assert_eq!(classes[2].identifier, None);
}

#[test]
fn a_lone_identifier_beyond_the_sample_is_found() {
    let mut notes: Vec<String> = (0..60_000).map(|n| format!("事项甲乙丙丁{n}")).collect();
    notes[59_000] = "13800138000".to_owned();
    notes[59_500] = "张三的电话是 13900139000".to_owned();
    let class = classify("x", "", notes);
    assert_eq!(class.class, Class::DirectIdentifier);
    assert_eq!(class.evidence.inside_text[&I::Mobile], 2);
}

#[test]
fn rows_passed_over_while_a_column_seemed_settled_are_not_forgotten() {
    let batch = |values: Vec<String>| {
        let column: ArrayRef = Arc::new(StringArray::from(values));
        RecordBatch::try_from_iter([("x", column)]).unwrap()
    };
    let cards = batch(many(3000, Draws::card));
    let mut classifier = Classifier::new(cards.schema_ref(), &[]);
    classifier.observe(&cards).unwrap();
    classifier.observe(&cards).unwrap();
    for part in 0..40 {
        let notes = (0..3000).map(|n| format!("事项{part}甲{n}")).collect();
        classifier.observe(&batch(notes)).unwrap();
    }
    let class = classifier.finish().remove(0);
    assert_eq!(
        (class.identifier, class.class),
        (None, Class::DirectIdentifier)
    );
    assert_eq!(class.evidence.inside_text[&I::BankCard], 3000);
}

#[test]
fn other_tables_hold_for_columns_and_their_texts() {
    let texts = crate::TableTexts {
        mobile: "999\n",
        hints: "mobile,喂\n",
        ..crate::TableTexts::default()
    };
    let tables = Arc::new(Tables::from_texts(&texts).unwrap());
    let numbers = many(60, |draws| format!("999{}", draws.digits(8)));
    let column: ArrayRef = Arc::new(StringArray::from(numbers));
    let batch = RecordBatch::try_from_iter([("喂", column)]).unwrap();
    let mut classifier = Classifier::with_tables(batch.schema_ref(), &[], tables);
    classifier.observe(&batch).unwrap();
    assert_eq!(classifier.finish()[0].identifier, Some(I::Mobile));
}

#[test]
fn resident_numbers_of_regions_that_never_were_are_told_with_less_confidence() {
    let of = |region: &'static str| {
        many(60, move |draws| {
            let body = format!(
                "{region}199001{:02}{}",
                1 + draws.below(28),
                draws.digits(3)
            );
            let check = check::resident_check(body.as_bytes()).unwrap();
            format!("{body}{}", char::from(check))
        })
    };
    let known = classify("x", "", of("110103"));
    let unknown = classify("x", "", of("119999"));
    assert_eq!(unknown.identifier, Some(I::ResidentId));
    assert!(unknown.confidence < known.confidence - 0.2);
}

/// The rates that decisions are taken against, measured over 200,000 random values.
#[test]
fn null_rates_are_what_chance_gives() {
    let mut draws = Draws(1);
    let mut rate = |test: &dyn Fn(&str) -> bool, draw: &dyn Fn(&mut Draws) -> String| {
        let passed = (0..200_000).filter(|_| test(&draw(&mut draws))).count();
        f64::from(u32::try_from(passed).unwrap()) / 200_000.0
    };
    let luhn = rate(&check::is_luhn, &|draws| draws.digits(16));
    assert!((luhn - 0.1).abs() < 0.003, "{luhn}");
    let mobile = rate(&crate::classify::table::is_mobile, &|draws| {
        draws.digits(11)
    });
    assert!(
        (mobile - decide::null_rate(I::Mobile)).abs() < 0.005,
        "{mobile}"
    );
    let organisation = rate(&check::is_organisation_code, &|draws| {
        draws.of(b"0123456789ABCDEFGHJKLMNPQRTUWXY", 8) + &draws.of(b"0123456789X", 1)
    });
    assert!((organisation - 1.0 / 11.0).abs() < 0.003, "{organisation}");
    let resident = rate(&check::is_resident_id, &|draws| draws.digits(18));
    assert!(
        resident <= decide::null_rate(I::ResidentId) * 1.5,
        "{resident}"
    );
    // Valid IDs that pass other checks: why precedence matters.
    let also_luhn = rate(&check::is_luhn, &Draws::resident_id);
    assert!((also_luhn - 0.091).abs() < 0.004, "{also_luhn}");
}

#[test]
fn check_digits_of_published_examples() {
    // GB 11643, annex; GB 32100, annex; GB 11714; ISO/IEC 7812-1.
    assert!(
        check::is_resident_id("11010519491231002X") && check::is_resident_id("440524188001010014")
    );
    assert_eq!(
        check::resident_id_15_to_18("110105491231002").unwrap(),
        "11010519491231002X"
    );
    assert!(check::is_credit_code("91350100M000100Y43"));
    assert!(check::is_organisation_code("D2143569X"));
    assert!(check::is_luhn("4111111111111111") && !check::is_luhn("0000000000000000"));
    for bad in [
        "11010519491231002Y",
        "110105194902300028",
        "01010519491231002X",
        "11010519491231002",
        "",
    ] {
        assert!(!check::is_resident_id(bad), "{bad}");
    }
    assert!(is_valid(I::ResidentId, "110105491231002"));
    assert!(!is_valid(I::ResidentId, "11010549123100"));
}

proptest! {
    #[test]
    fn any_value_is_put_to_every_test(value in any::<String>()) {
        let _ = passes(Tables::built_in(), &value);
    }

    #[test]
    fn any_column_gets_a_class(values in proptest::collection::vec(proptest::option::of(".{0,30}"), 0..60), name in ".{0,20}", comment in ".{0,20}") {
        let column: ArrayRef = Arc::new(StringArray::from(values));
        let class = classify_array(&name, &comment, column);
        prop_assert!((0.0..=1.0).contains(&class.confidence));
        prop_assert!(!class.evidence.reason.zh.is_empty() && !class.evidence.reason.en.is_empty());
    }
}
