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
    let key = CipherSuite::International.expand(
        Some(&bytes("000102030405060708090a0b0c")),
        &[0x0b; 22],
        &bytes("f0f1f2f3f4f5f6f7f8f9"),
    );
    assert_eq!(
        key.to_vec(),
        bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
    );
    // Test case 3: no salt, no info.
    let key = CipherSuite::International.expand(None, &[0x0b; 22], &[]);
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
    let token = TokenKey::new(CipherSuite::International, key, domain("person-id"));
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
        root().noise(&person, 1),
        root().surrogate("name", 1),
        root().surrogate("name", 2),
        root().surrogate("address", 1),
        root().shuffle(1),
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

/// Tokens that earlier versions of this crate wrote: they are in data sets, and must stay.
#[test]
fn existing_tokens_do_not_change() {
    let person = domain("person-id");
    let id = b"11010519491231002X";
    let cases = [
        (root().intake(&person, 1), "zqjzmboggkdispdgyeelgni35e"),
        (root().intake(&person, 2), "qvdrep2gdzuf6zxvsxs23etsj4"),
        (
            root().scenario("benefits", &person, 1),
            "vnzjyay2uhsmxcdwj7qhu5jf6i",
        ),
    ];
    for (key, token) in cases {
        assert_eq!(key.token(id), token);
    }
    assert_eq!(
        root().intake(&domain("mobile"), 1).token(b"13800138000"),
        "odphzz5iof6wxztggfclzn4nii"
    );
    assert_eq!(
        root().date_shift(&person, 1).digest(id),
        0xf976_5749_85ca_9795_4d7a_d23d_9120_8a59
    );
    assert_eq!(root().commitment()[..4], [202, 198, 50, 187]);
    assert_eq!(
        root().intake(&person, 1).commitment()[..4],
        [99, 15, 217, 185]
    );
    let PermutationKey::Aes256(key) = root().permutation(&person, 1) else {
        panic!("the default suite permutes with AES");
    };
    assert_eq!(key[..4], [240, 23, 121, 139]);
}

#[test]
fn the_suites_have_nothing_in_common() {
    let person = domain("person-id");
    let sm = RootKey::with_suite([7; 32], CipherSuite::Sm);
    assert_eq!(
        (root().suite(), sm.suite()),
        (CipherSuite::International, CipherSuite::Sm)
    );
    assert_eq!(sm.intake(&person, 1).suite(), CipherSuite::Sm);
    assert_ne!(sm.commitment(), root().commitment());
    let (ours, theirs) = (sm.intake(&person, 1), root().intake(&person, 1));
    assert_ne!(ours.token(b"x"), theirs.token(b"x"));
    assert_ne!(ours.commitment(), theirs.commitment());
    assert!(matches!(sm.permutation(&person, 1), PermutationKey::Sm4(_)));
}

/// Tokens of a hundred thousand persons, none of which may meet another set's.
fn staged(key: &TokenKey, ids: &dyn Array) -> Vec<Option<String>> {
    texts(&key.tokenise(ids).unwrap())
}

#[test]
fn tokens_of_scenarios_and_epochs_are_disjoint_and_join_inside_one() {
    let ids = StringArray::from_iter_values((0..100_000).map(|n| format!("P{n:06}")));
    let person = domain("person-id");
    for suite in [CipherSuite::International, CipherSuite::Sm] {
        let root = RootKey::with_suite([7; 32], suite);
        let at_intake = root.intake(&person, 1).tokenise(&ids).unwrap();
        let mut seen: std::collections::HashSet<_> = texts(&at_intake).into_iter().collect();
        assert_eq!(seen.len(), 100_000);
        let sets = [("benefits", 1), ("transport", 1), ("benefits", 2)];
        for (scenario, epoch) in sets {
            let key = root.scenario(scenario, &person, epoch);
            let tokens = staged(&key, &at_intake);
            assert_eq!(tokens[..100], staged(&key, &at_intake.slice(0, 100)));
            assert!(
                tokens.into_iter().all(|token| seen.insert(token)),
                "{scenario} {epoch}"
            );
        }
        let rotated = staged(&root.intake(&person, 2), &ids);
        assert!(rotated.into_iter().all(|token| seen.insert(token)));
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

#[test]
fn the_root_of_an_epoch_depends_on_root_share_owner_epoch_and_suite() {
    let person = ValueDomain::parse("person-id").unwrap();
    let token = |root: &RootKey| root.intake(&person, 1).token(b"11010119900307765X");
    let root = RootKey::from_bytes([1; 32]);
    let sm = RootKey::with_suite([1; 32], CipherSuite::Sm);
    let share = [2; 32];
    let all = [
        token(&root),
        token(&root.of_epoch(&share, "intake", 1)),
        token(&root.of_epoch(&share, "intake", 2)),
        token(&root.of_epoch(&share, "scn_1", 1)),
        token(&root.of_epoch(&[3; 32], "intake", 1)),
        token(&RootKey::from_bytes([4; 32]).of_epoch(&share, "intake", 1)),
        token(&sm),
        token(&sm.of_epoch(&share, "intake", 1)),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(all[1], token(&root.of_epoch(&share, "intake", 1)));
    assert_eq!(sm.of_epoch(&share, "intake", 1).suite(), CipherSuite::Sm);
    let commitments: std::collections::BTreeSet<_> = [1, 2, 3]
        .map(|epoch| root.of_epoch(&share, "intake", epoch).commitment())
        .into_iter()
        .collect();
    assert_eq!(commitments.len(), 3);
}
