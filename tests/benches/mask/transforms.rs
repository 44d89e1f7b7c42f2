//! Values a second of each transform on one core, through a compiled policy.

use std::sync::Arc;

use aes::Aes256;
use arrow::{
    array::{Array as _, ArrayRef, Float64Array, StringArray, UInt32Array},
    record_batch::RecordBatch,
};
use fpe::ff1::{FF1, FlexibleNumeralString};
use masking::{CipherSuite, Classifier, ColumnHint, Policy, RootKey};
use serde_json::Value;

use super::{number, shortest};
use crate::{
    corpus::{draw::Draw, kinds::valid},
    record::{Figure, record},
};

const ROWS: u32 = 262_144;
const ROUNDS: usize = 5;
const PEER_VALUES: u32 = 50_000;

/// Figure, column, rule, and whether it is taken with the Chinese suite as well.
const RULES: [(&str, &str, &str, bool); 15] = [
    (
        "token_per_s",
        "id_card",
        "transform = 'token'\nvalue_domain = 'person-id'",
        true,
    ),
    (
        "token_mobile_per_s",
        "mobile",
        "transform = 'token'\nvalue_domain = 'mobile'",
        false,
    ),
    (
        "ff1_per_s",
        "mobile",
        "transform = 'permute'\nkind = 'mobile'",
        true,
    ),
    (
        "ff1_resident_id_per_s",
        "id_card",
        "transform = 'permute'\nkind = 'resident_id'",
        false,
    ),
    (
        "ff1_bank_card_per_s",
        "bank_card",
        "transform = 'permute'\nkind = 'bank_card'",
        false,
    ),
    (
        "ff1_plate_per_s",
        "plate",
        "transform = 'permute'\nkind = 'plate'",
        false,
    ),
    (
        "shift_date_per_s",
        "born",
        "transform = 'shift_date'\nsubject = 'id_card'\ndays = 30",
        false,
    ),
    (
        "noise_per_s",
        "income",
        "transform = 'noise'\nsubject = 'id_card'\namount_max = 100",
        false,
    ),
    (
        "microaggregate_per_s",
        "income",
        "transform = 'microaggregate'",
        false,
    ),
    (
        "shuffle_per_s",
        "income",
        "transform = 'shuffle'\nwithin = ['sex']",
        false,
    ),
    (
        "geo_gcj02_per_s",
        "lon",
        "transform = 'geo'\nlayout = 'longitude'\nlatitude = 'lat'\nfrom = 'wgs84'\nto = 'gcj02'\nwidth_degrees = 0.01",
        false,
    ),
    (
        "geo_geohash_per_s",
        "lon",
        "transform = 'geo'\nlayout = 'longitude'\nlatitude = 'lat'\nfrom = 'gcj02'\nto = 'wgs84'\noutput = 'geohash'\ncharacters = 6",
        false,
    ),
    (
        "surrogate_name_per_s",
        "name",
        "transform = 'surrogate'\nkind = 'name'",
        false,
    ),
    (
        "surrogate_address_per_s",
        "address",
        "transform = 'surrogate'\nkind = 'address'\nkeep = 'county'",
        false,
    ),
    (
        "redact_text_per_s",
        "remark",
        "transform = 'redact'\nstyle = 'text'",
        false,
    ),
];

pub(super) fn run() {
    let batch = people();
    let python = python();
    for (name, column, rule, is_sm_too) in RULES {
        let note = format!(
            "column {column}, {}; one core, best of {ROUNDS}",
            rule.replace('\n', ", ")
        );
        let (peer, note) = match name {
            "ff1_per_s" => (
                Some(("crate fpe 0.7.0", by_fpe())),
                format!("{note}; {}", beside(&python, "pyffx 0.3.0", "ff1")),
            ),
            "token_per_s" => (
                python
                    .as_ref()
                    .ok()
                    .and_then(|said| said["token"].as_f64())
                    .map(|rate| ("Python's hmac", rate)),
                format!("{note}; {}", beside(&python, "Python's hmac", "token")),
            ),
            _ => (None, note),
        };
        record(&Figure {
            name,
            ours: measured(CipherSuite::International, &batch, column, rule),
            peer,
            unit: "1/s",
            note: &note,
        });
        if is_sm_too {
            record(&Figure {
                name: &name.replace("_per_s", "_sm_per_s"),
                ours: measured(CipherSuite::Sm, &batch, column, rule),
                peer: None,
                unit: "1/s",
                note: &format!("{note}; SM3 and SM4"),
            });
        }
    }
}

fn measured(suite: CipherSuite, batch: &RecordBatch, column: &str, rule: &str) -> f64 {
    let schema = batch.schema();
    let mut classifier = Classifier::new(&schema, &[] as &[ColumnHint]);
    classifier.observe(&batch.slice(0, 1000)).expect("a batch");
    let policy = format!("version = 1\nunnamed_columns = 'drop'\n[columns.{column}]\n{rule}");
    let plan = Policy::parse(&policy)
        .expect("a policy")
        .compile(&schema, &classifier.finish())
        .expect("a plan");
    let root = RootKey::with_suite([7; 32], suite);
    let seconds = shortest(ROUNDS, || {
        let masked = plan.apply(&root, 1, batch).expect("a masked batch");
        // A transform that takes nothing would be fast.
        assert_eq!(masked.column(0).null_count(), 0, "{column}: {rule}");
    });
    number(batch.num_rows()) / seconds
}

/// The eight last digits of mobile numbers, by another's FF1 in the same language.
fn by_fpe() -> f64 {
    let ff1 = FF1::<Aes256>::new(&[7; 32], 10).expect("a radix");
    let seconds = shortest(ROUNDS, || {
        for n in 0..PEER_VALUES {
            let digits: Vec<u16> = (0..8)
                .map(|place| u16::try_from(n / 10_u32.pow(place) % 10).expect("a digit"))
                .collect();
            let image = ff1
                .encrypt(b"138", &FlexibleNumeralString::from(digits))
                .expect("an image");
            assert_eq!(Vec::<u16>::from(image).len(), 8);
        }
    });
    f64::from(PEER_VALUES) / seconds
}

fn python() -> Result<Value, String> {
    let said = harness::run_script(&harness::python("bench")?, "pyffx.py", &[])?;
    serde_json::from_str(&said).map_err(|error| error.to_string())
}

fn beside(said: &Result<Value, String>, name: &str, key: &str) -> String {
    match said {
        Ok(said) => format!("{name}: {}/s", said[key]),
        Err(why) => format!("no {name}: {why}"),
    }
}

fn people() -> RecordBatch {
    let texts = |value: &mut dyn FnMut(u32) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(value)))
    };
    let places = |origin: f64| -> ArrayRef {
        let values = (0..ROWS).map(|n| Some(origin + f64::from(n) / 1e6));
        Arc::new(values.collect::<Float64Array>())
    };
    let mut draw = Draw::new(11);
    let mut kind = |kind: masking::Identifier| texts(&mut |_| valid(kind, &mut draw));
    let columns: [(&str, ArrayRef); 12] = [
        ("id_card", kind(masking::Identifier::ResidentId)),
        ("mobile", kind(masking::Identifier::Mobile)),
        ("bank_card", kind(masking::Identifier::BankCard)),
        ("plate", texts(&mut |n| format!("闽D{:05}", n % 100_000))),
        ("name", kind(masking::Identifier::Name)),
        (
            "born",
            texts(&mut |n| format!("19{:02}-0{}-15", 50 + n % 40, n % 9 + 1)),
        ),
        (
            "income",
            Arc::new(UInt32Array::from_iter_values(
                (0..ROWS).map(|n| n * 7919 % 30_000),
            )),
        ),
        (
            "sex",
            texts(&mut |n| ["男", "女"][usize::from(n % 2 == 0)].to_owned()),
        ),
        ("lon", places(118.0)),
        ("lat", places(24.0)),
        (
            "address",
            texts(&mut |n| format!("福建省厦门市思明区湖滨南路{n}号")),
        ),
        (
            "remark",
            texts(&mut |n| format!("第{n}次随访，血压正常，回电1{}{:08}", 35 + n % 4, n * 381)),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}
