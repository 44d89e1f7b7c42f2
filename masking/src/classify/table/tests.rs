#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use super::*;

fn replaced(change: impl FnOnce(&mut TableTexts<'static>)) -> Result<Tables, TableError> {
    let mut texts = TableTexts::default();
    change(&mut texts);
    Tables::from_texts(&texts)
}

#[test]
fn the_tables_compiled_in_are_read() {
    let tables = Tables::built_in();
    assert_eq!(PLATE_PROVINCES.chars().count(), 31);
    assert!(lines(SURNAMES).count() > 500);
    assert_eq!(
        tables.card_issuer("6222021234567890128"),
        Some(Issuer::Bank)
    );
    assert_eq!(
        tables.card_issuer("4000000000000000"),
        Some(Issuer::Network)
    );
    assert_eq!(tables.card_issuer("1000000000000000"), None);
    assert!(is_given_name('伟') && !is_given_name('癌'));
}

#[test]
fn unallotted_mobile_prefixes_are_refused() {
    for prefix in [
        "140", "144", "154", "160", "163", "164", "168", "169", "179", "194", "120",
    ] {
        assert!(!is_mobile(&format!("{prefix}00138000")), "{prefix}");
    }
    for number in [
        "16190138000",
        "17400138000",
        "17412138000",
        "17490138000",
        "19900138000",
    ] {
        assert!(is_mobile(number), "{number}");
    }
    for number in [
        "16180138000",
        "17413138000",
        "17450138000",
        "1380013800",
        "138001380000",
        "1380013800０",
    ] {
        assert!(!is_mobile(number), "{number}");
    }
}

#[test]
fn machine_numbers_have_thirteen_digits() {
    let tables = Tables::built_in();
    assert!(tables.is_machine_number("1440012345678"));
    assert!(tables.is_machine_number("1064712345678"));
    assert!(!tables.is_machine_number("1064212345678"));
    assert!(!tables.is_machine_number("14400123456"));
}

#[test]
fn area_codes_know_the_length_of_local_numbers() {
    let tables = Tables::built_in();
    assert_eq!(tables.area_length("01062345678"), Some(3));
    assert_eq!(tables.area_length("0106234567"), None);
    assert_eq!(tables.area_length("05922345678"), Some(4));
    assert_eq!(tables.area_length("059187654321"), Some(4));
    assert_eq!(tables.area_length("02612345678"), None);
    assert_eq!(tables.area_length("0592"), None);
    assert_eq!(tables.area_length(""), None);
}

#[test]
fn surnames_of_one_and_two_characters() {
    let length = |name: &str| surname_length(&name.chars().collect::<Vec<_>>());
    assert_eq!(length("欧阳娜"), Some(2));
    assert_eq!(length("王小明"), Some(1));
    assert_eq!(length("的话"), None);
    assert_eq!(length(""), None);
}

#[test]
fn replaced_tables_hold_at_once() {
    let tables = replaced(|texts| texts.mobile = "# new\n140\n").unwrap();
    assert!(tables.is_mobile("14012345678") && !tables.is_mobile("13812345678"));
}

#[test]
fn faults_name_file_and_line() {
    let cases: [(Result<Tables, TableError>, &str); 10] = [
        (
            replaced(|texts| texts.mobile = "# c\n138\n13x\n"),
            "mobile.txt, line 3",
        ),
        (
            replaced(|texts| texts.machine = "1234567"),
            "machine.txt, line 1",
        ),
        (
            replaced(|texts| texts.bank_cards = "62,63,16"),
            "bank_cards.csv, line 1",
        ),
        (
            replaced(|texts| texts.bank_cards = "63,62,16,bank"),
            "bank_cards.csv, line 1",
        ),
        (
            replaced(|texts| texts.bank_cards = "62,63,16,shop"),
            "bank_cards.csv, line 1",
        ),
        (
            replaced(|texts| texts.bank_cards = "62,63,99,bank"),
            "bank_cards.csv, line 1",
        ),
        (
            replaced(|texts| texts.area_codes = "592,7,x"),
            "area_codes.csv, line 1",
        ),
        (
            replaced(|texts| texts.regions = "35020,x"),
            "regions.csv, line 1",
        ),
        (
            replaced(|texts| texts.surnames = "\n王\nabc"),
            "surnames.txt, line 3",
        ),
        (
            replaced(|texts| texts.hints = "nonsense,word"),
            "hints.csv, line 1",
        ),
    ];
    for (result, place) in cases {
        let fault = result.unwrap_err();
        assert_eq!(fault.code, "table_unreadable");
        assert!(fault.to_string().contains(place), "{fault}");
    }
    let fault = replaced(|texts| texts.mobile = "# nothing\n").unwrap_err();
    assert_eq!(fault.code, "table_empty");
}
