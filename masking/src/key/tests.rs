#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use arrow::array::{Float64Array, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn domain(name: &str) -> ValueDomain {
    ValueDomain::parse(name).unwrap()
}

fn root() -> RootKey {
    RootKey::from_bytes([7; 32])
}

fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    array
        .as_string::<i32>()
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

#[test]
fn hkdf_gives_the_vectors_of_rfc_5869() {
    // Test case 1, first block.
    let key = expand(
        Some(&bytes("000102030405060708090a0b0c")),
        &[0x0b; 22],
        &bytes("f0f1f2f3f4f5f6f7f8f9"),
    );
    assert_eq!(
        key.to_vec(),
        bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
    );
    // Test case 3: no salt, no info.
    let key = expand(None, &[0x0b; 22], &[]);
    assert_eq!(
        key.to_vec(),
        bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
    );
}

#[test]
fn hmac_gives_the_vector_of_rfc_4231() {
    // Test case 1 has a key of 20 bytes; padding it with zeros does not change the key (RFC 2104).
    let mut key = [0; 32];
    key[..20].copy_from_slice(&[0x0b; 20]);
    let token = TokenKey::new(key, domain("person-id"));
    assert_eq!(
        token.digest(b"Hi There").to_be_bytes().to_vec(),
        bytes("b0344c61d8db38535ca8afceaf0bf12b")
    );
}

#[test]
fn base32_is_that_of_rfc_4648() {
    let mut text = String::new();
    base32(u128::from_be_bytes(*b"foobarfoobarfoob"), &mut text);
    assert_eq!(text, "mzxw6ytbojtg633cmfzgm33pmi");
}

#[test]
fn one_person_has_one_token_however_the_number_is_written() {
    let key = root().intake(&domain("person-id"), 1);
    let written = StringArray::from(vec![
        Some("11010519491231002X"),
        Some("11010519491231002x"),
        Some("１１０１０５１９４９１２３１００２Ｘ"),
        Some(" 110105 19491231 002X "),
        Some("110105491231002"),
        None,
        Some("  "),
    ]);
    let tokens = texts(&key.tokenise(&written).unwrap());
    assert!(
        tokens[..5]
            .iter()
            .all(|token| token == &tokens[0] && token.is_some())
    );
    assert_eq!(tokens[5..], [None, None]);
    assert_eq!(tokens[0].as_ref().unwrap().len(), 26);
}

#[test]
fn one_mobile_has_one_token_in_text_and_numbers() {
    let key = root().intake(&domain("mobile"), 1);
    let text = StringArray::from(vec![
        "+86 138-0013-8000",
        "0086 13800138000",
        "(+86)13800138000",
    ]);
    let expected = Some(key.token(b"13800138000"));
    assert!(
        texts(&key.tokenise(&text).unwrap())
            .iter()
            .all(|token| token == &expected)
    );
    let number = Int64Array::from(vec![13_800_138_000]);
    assert_eq!(texts(&key.tokenise(&number).unwrap())[0], expected);
    let float = Float64Array::from(vec![13_800_138_000.0]);
    assert_eq!(texts(&key.tokenise(&float).unwrap())[0], expected);
}

#[test]
fn canonical_forms_per_domain() {
    let cases = [
        (
            "enterprise-id",
            " 9135 0200MA31ABCD0x",
            "91350200MA31ABCD0X",
        ),
        ("vehicle", "闽d·12345", "闽D12345"),
        ("bank-card", "6222 0212-3456 7890", "6222021234567890"),
        ("email", "Li.Ming@Example.COM ", "li.ming@example.com"),
        ("landline", "（0592）123－4567", "05921234567"),
        ("landline", "+86-592-1234567", "05921234567"),
        ("case-number", " Ab-1 ", "Ab-1"),
    ];
    for (name, raw, expected) in cases {
        assert_eq!(canonical(&domain(name), raw), expected, "{name}");
    }
}

#[test]
fn purposes_domains_and_epochs_have_keys_of_their_own() {
    let person = domain("person-id");
    let keys = [
        root().intake(&person, 1),
        root().intake(&person, 2),
        root().intake(&domain("mobile"), 1),
        root().scenario("intake", &person, 1),
        root().scenario("a", &person, 1),
        root().scenario("b", &person, 1),
        root().scenario("a|person-id", &person, 1),
        root().date_shift(&person, 1),
    ];
    for (place, key) in keys.iter().enumerate() {
        for other in &keys[place + 1..] {
            assert_ne!(key.token(b"x"), other.token(b"x"));
            assert_ne!(key.commitment(), other.commitment());
        }
    }
    assert_ne!(
        root().commitment(),
        RootKey::from_bytes([8; 32]).commitment()
    );
    assert_eq!(root().commitment(), root().commitment());
}

#[test]
fn tokens_of_two_scenarios_are_disjoint_and_join_inside_one() {
    let intake = root().intake(&domain("person-id"), 1);
    let ids = StringArray::from_iter_values((0..5000).map(|n| format!("P{n:06}")));
    let at_intake = intake.tokenise(&ids).unwrap();
    let mut seen = std::collections::HashSet::new();
    for scenario in ["benefits", "transport"] {
        let key = root().scenario(scenario, &domain("person-id"), 1);
        let staged = texts(&key.tokenise(&at_intake).unwrap());
        assert_eq!(staged, texts(&key.tokenise(&at_intake).unwrap()));
        assert!(
            staged.into_iter().all(|token| seen.insert(token)),
            "{scenario}"
        );
    }
}

#[test]
fn value_domain_names() {
    for good in ["person-id", "ab", "a2345678901234567890123456789012"] {
        assert_eq!(domain(good).as_str(), good);
    }
    for bad in [
        "",
        "a",
        "1a",
        "Person",
        "a_b",
        "人员",
        "a23456789012345678901234567890123",
        "a|b",
    ] {
        assert_eq!(
            ValueDomain::parse(bad).unwrap_err().code,
            "value_domain_name",
            "{bad}"
        );
    }
    assert!(serde_json::from_str::<ValueDomain>("\"a|b\"").is_err());
}

proptest! {
    #[test]
    fn any_text_in_any_domain_has_a_stable_form(raw in any::<String>(), place in 0usize..8) {
        let names = ["person-id", "mobile", "enterprise-id", "vehicle", "bank-card", "email", "landline", "other"];
        let once = canonical(&domain(names[place]), &raw);
        prop_assert_eq!(canonical(&domain(names[place]), &once), once);
    }

    #[test]
    fn different_values_have_different_tokens(a in any::<u64>(), b in any::<u64>()) {
        let key = root().intake(&domain("person-id"), 1);
        prop_assert_eq!(key.token(&a.to_be_bytes()) == key.token(&b.to_be_bytes()), a == b);
    }
}
