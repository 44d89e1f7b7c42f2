//! Masking against other people's programs, which are installed into `target/peers` on first use.
//!
//! Without Python or a way to the package registry nothing is compared, and that is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray as _, Int64Array, StringArray},
    record_batch::RecordBatch,
};
use masking::{
    CipherSuite, Classifier, Identifier, Policy, RiskMeter, RootKey, ValueDomain, find_identifiers,
};
use serde_json::Value;

/// The Python that has the peers, or nothing, which is said.
fn python(what: &str) -> Option<PathBuf> {
    harness::python("tests")
        .inspect_err(|why| harness::not_tested(what, why))
        .ok()
}

/// Runs a script on lines in a file.
fn said(python: &std::path::Path, script: &str, lines: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.csv");
    std::fs::write(&file, lines).unwrap();
    let file = file.to_str().unwrap();
    let arguments: Vec<&str> = [file].iter().chain(arguments).copied().collect();
    harness::run_script(python, script, &arguments).unwrap()
}

#[test]
fn check_digits_are_those_of_python_stdnum() {
    const VALUES: u64 = 1_000_000;
    let Some(python) = python("check digits against python-stdnum") else {
        return;
    };
    let mut draw = Draw(20_260);
    let mut lines = String::new();
    for place in 0..VALUES {
        let (kind, value, identifier, cue) = match place % 3 {
            0 => ("ric", resident(&mut draw), Identifier::ResidentId, ""),
            1 => ("uscc", credit(&mut draw), Identifier::CreditCode, ""),
            // Without a word before it a card must begin with a bank's digits.
            _ => ("luhn", card(&mut draw), Identifier::BankCard, "卡号"),
        };
        let hits = find_identifiers(&format!("{cue}{value}"));
        let ours = hits
            .iter()
            .any(|hit| hit.identifier == identifier && hit.range.len() == value.len());
        writeln!(lines, "{kind},{value},{}", u8::from(ours)).unwrap();
    }
    let said: Value = serde_json::from_str(&said(&python, "stdnum.py", &lines, &[])).unwrap();
    assert_eq!(said["different"], 0, "{said}");
    for kind in ["ric", "uscc", "luhn"] {
        let (values, valid) = (said["values"][kind].as_u64(), said["valid"][kind].as_u64());
        assert!(values >= Some(VALUES / 3), "{said}");
        // Neither all nor none of them are valid.
        assert!(
            valid > Some(VALUES / 10) && valid < Some(VALUES / 4),
            "{said}"
        );
    }
}

#[test]
fn tokens_and_permutations_of_the_chinese_suite_are_those_of_gmssl() {
    let Some(python) = python("SM3 and SM4 against gmssl") else {
        return;
    };
    let root = RootKey::with_suite([7; 32], CipherSuite::Sm);
    let mut draw = Draw(7);
    let (mut lines, mut ours) = (String::new(), Vec::new());
    for epoch in 1..=40 {
        for domain in ["person-id", "bank-card", "email"] {
            let value = draw.of("0123456789", 18);
            let key = root.intake(&ValueDomain::parse(domain).unwrap(), epoch);
            ours.push(key.token(value.as_bytes()));
            writeln!(lines, "token,{domain},{epoch},{value}").unwrap();
        }
    }
    let mobiles: Vec<String> = (0..150)
        .map(|place| format!("{}{}", ["138", "159"][place % 2], draw.of("0123456789", 8)))
        .collect();
    for mobile in &mobiles {
        writeln!(lines, "mobile,3,{mobile}").unwrap();
    }
    ours.extend(permuted(&root, 3, mobiles));
    let theirs = said(&python, "gmssl.py", &lines, &[]);
    assert_eq!(theirs.lines().count(), ours.len());
    for (line, (theirs, ours)) in lines.lines().zip(theirs.lines().zip(&ours)) {
        assert_eq!(ours, theirs, "{line}");
    }
}

/// Mobile numbers through a compiled policy.
fn permuted(root: &RootKey, epoch: u32, mobiles: Vec<String>) -> Vec<String> {
    let column: ArrayRef = Arc::new(StringArray::from(mobiles));
    let batch = RecordBatch::try_from_iter([("mobile", column)]).unwrap();
    let mut classifier = Classifier::new(batch.schema_ref(), &[]);
    classifier.observe(&batch).unwrap();
    let policy = "version = 1\n[columns.mobile]\ntransform = 'permute'\nkind = 'mobile'";
    let plan = Policy::parse(policy)
        .unwrap()
        .compile(batch.schema_ref(), &classifier.finish())
        .unwrap();
    let masked = plan.apply(root, epoch, &batch).unwrap();
    let values = masked.column(0).as_string::<i32>().iter();
    values.map(|value| value.unwrap().to_owned()).collect()
}

#[test]
fn measures_of_risk_are_those_of_pycanon() {
    let Some(python) = python("measures of risk against pycanon") else {
        return;
    };
    let mut draw = Draw(99);
    for round in 0..4 {
        let rows = 2_000;
        let mut column = |values: u64| -> Vec<i64> {
            // The lower of two: some values are rarer than others.
            let mut one = || draw.below(values).min(draw.below(values));
            (0..rows).map(|_| i64::try_from(one()).unwrap()).collect()
        };
        let (a, b, sensitive) = (column(3 + round), column(4), column(6));
        // Words are equally far apart, numbers are ordered.
        let is_word = round % 2 == 0;
        let word = |value: &i64| {
            ["flu", "cold", "gout", "rash", "burn", "none"][usize::try_from(*value).unwrap()]
        };
        let mut csv = "a,b,s\n".to_owned();
        for (a, (b, s)) in a.iter().zip(b.iter().zip(&sensitive)) {
            let s = if is_word {
                word(s).to_owned()
            } else {
                s.to_string()
            };
            writeln!(csv, "{a},{b},{s}").unwrap();
        }
        let s: ArrayRef = if is_word {
            Arc::new(StringArray::from_iter_values(sensitive.iter().map(word)))
        } else {
            Arc::new(Int64Array::from(sensitive))
        };
        let (a, b): (ArrayRef, ArrayRef) =
            (Arc::new(Int64Array::from(a)), Arc::new(Int64Array::from(b)));
        let batch = RecordBatch::try_from_iter([("a", a), ("b", b), ("s", s)]).unwrap();
        let mut meter = RiskMeter::new(&["a".to_owned(), "b".to_owned()], Some("s"));
        meter.observe(&batch).unwrap();
        let report = meter.finish();
        let theirs: Value = serde_json::from_str(&said(&python, "risk.py", &csv, &["s"])).unwrap();
        assert_eq!(Some(report.k), theirs["k"].as_u64(), "{theirs}");
        assert_eq!(report.l_distinct, theirs["l_distinct"].as_u64(), "{theirs}");
        for (name, ours) in [
            ("t_closeness", report.t_closeness),
            ("delta_disclosure", report.delta_disclosure),
            ("beta_basic", report.beta_basic),
        ] {
            let (ours, theirs) = (ours.unwrap(), theirs[name].as_f64().unwrap());
            assert!(
                (ours - theirs).abs() < 1e-9 * theirs.max(1.0),
                "{name} of {round}: {ours}, not {theirs}"
            );
        }
    }
}

/// A resident number of a province that there is, with the right check character in one case of two.
fn resident(draw: &mut Draw) -> String {
    let province = province(draw);
    let (year, month, day) = (1900 + draw.below(125), draw.below(14), draw.below(33));
    let body = format!(
        "{province}{}{year}{month:02}{day:02}{}",
        draw.of("0123456789", 4),
        draw.of("0123456789", 3)
    );
    let sum = body
        .bytes()
        .fold(0, |sum, digit| (sum + u32::from(digit - b'0')) * 2 % 11);
    let right = "10X98765432".chars().nth(usize::try_from(sum).unwrap());
    // ISO 7064: the sum with the check is 1 modulo 11.
    let right = right.filter(|_| draw.below(2) == 0);
    match right {
        Some(right) => format!("{body}{right}"),
        None => format!("{body}{}", draw.of("0123456789X", 1)),
    }
}

/// Texts are believed to hold a number only when its province is one.
fn province(draw: &mut Draw) -> &'static str {
    ["11", "35", "44", "51", "65"][usize::try_from(draw.below(5)).unwrap()]
}

/// A credit code whose inner organisation code is right, with the right check in one case of two.
fn credit(draw: &mut Draw) -> String {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let inner = draw.of(ALPHABET, 8);
    let sum: u32 = inner
        .chars()
        .zip([3, 7, 9, 10, 5, 8, 4, 2])
        .map(|(char, weight)| char.to_digit(36).unwrap() * weight)
        .sum();
    let check =
        ["0", "X", "9", "8", "7", "6", "5", "4", "3", "2", "1"][usize::try_from(sum % 11).unwrap()];
    let region = draw.of("0123456789", 4);
    let body = format!("91{}{region}{inner}{check}", province(draw));
    let (mut sum, mut weight) = (0, 1);
    for char in body.chars() {
        sum += ALPHABET.find(char).unwrap() * weight;
        weight = weight * 3 % 31;
    }
    match draw.below(2) {
        0 => format!(
            "{body}{}",
            ALPHABET.chars().nth((31 - sum % 31) % 31).unwrap()
        ),
        _ => format!("{body}{}", draw.of(ALPHABET, 1)),
    }
}

/// A number of 12 to 19 digits, with the right check digit in one case of two. Not of 18: what is a resident number or a
/// credit code as well is that rather than a card.
fn card(draw: &mut Draw) -> String {
    let count = [11, 12, 13, 14, 15, 16, 18][usize::try_from(draw.below(7)).unwrap()];
    let body = format!("6{}", draw.of("0123456789", count - 1));
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    match draw.below(2) {
        0 => format!("{body}{}", (10 - sum % 10) % 10),
        _ => format!("{body}{}", draw.of("0123456789", 1)),
    }
}

/// splitmix64: the same values on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn of(&mut self, alphabet: &str, count: usize) -> String {
        let length = u64::try_from(alphabet.len()).unwrap();
        let mut place = || usize::try_from(self.below(length)).unwrap();
        (0..count)
            .map(|_| char::from(alphabet.as_bytes()[place()]))
            .collect()
    }
}
