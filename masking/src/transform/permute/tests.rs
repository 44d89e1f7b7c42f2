#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::resident::unassigned_image;
use super::*;
use crate::classify::check::{
    calendar_date, credit_check, is_credit_code, is_luhn, is_resident_id, luhn_check,
    organisation_check, resident_check,
};
use crate::classify::is_plate;
use crate::classify::region::regions;
use crate::classify::table::is_mobile;
use crate::date::Day;
use crate::key::{CipherSuite, PermutationKey, RootKey};
use arrow::array::{Array, StringArray};

/// A kind, the n-th identifier of it, its check, and how many characters stay.
type Case = (Permute, fn(u64) -> String, fn(&str) -> bool, usize);

const RESIDENT: Permute = Permute::ResidentId {
    keep_region: 6,
    birth_band_years: 10,
    unassigned_region: false,
};

fn permuter(permute: Permute) -> Permuter {
    with_key(permute, 3)
}

fn with_key(permute: Permute, key: u8) -> Permuter {
    Permuter::new(permute, &PermutationKey::Aes256([key; 32].into()))
}

impl Permuter {
    /// The image of one value.
    fn permuted(&mut self, value: &str) -> Option<String> {
        let images = self.column(&StringArray::from(vec![value]));
        images.is_valid(0).then(|| images.value(0).to_owned())
    }
}

fn resident_id(region: &str, days: i64, order: u32) -> String {
    let day = Day::from_epoch(days);
    let body = format!(
        "{region}{:04}{:02}{:02}{order:03}",
        day.year, day.month, day.day
    );
    format!(
        "{body}{}",
        char::from(resident_check(body.as_bytes()).unwrap())
    )
}

#[test]
fn resident_numbers_stay_valid_and_keep_region_band_and_sex() {
    let mut permuter = permuter(RESIDENT);
    let mut seen = HashSet::new();
    for days in 7305..9305 {
        let id = resident_id("350203", days, u32::try_from(days % 1000).unwrap());
        let image = permuter.permuted(&id).unwrap();
        assert!(is_resident_id(&image), "{image}");
        assert_eq!(image[..9], id[..9]);
        assert_eq!(image.as_bytes()[16] % 2, id.as_bytes()[16] % 2);
        assert!(seen.insert(image));
    }
}

#[test]
fn fifteen_digits_and_eighteen_are_one_person() {
    let mut permuter = permuter(RESIDENT);
    let image = permuter.permuted("11010519491231002X").unwrap();
    assert_eq!(permuter.permuted("110105491231002").unwrap(), image);
    assert_eq!(
        permuter
            .permuted("１１０１０５１９４９１２３１００２ｘ")
            .unwrap(),
        image
    );
}

#[test]
fn a_whole_band_is_permuted_one_to_one() {
    // All 500 order numbers of one sex on each of 3,652 days: 1,826,000 numbers of one kept part.
    let mut permuter = permuter(RESIDENT);
    let from = Day::new(1990, 1, 1).unwrap().to_epoch();
    let to = Day::new(2000, 1, 1).unwrap().to_epoch();
    let mut seen = vec![false; 1_826_000];
    for days in (from..to).step_by(61) {
        for order in (1..1000).step_by(2) {
            let image = permuter
                .permuted(&resident_id("350203", days, order))
                .unwrap();
            let birth = calendar_date(&image[6..14]).unwrap();
            let day = Day::new(
                birth.year().into(),
                birth.month().into(),
                birth.day().into(),
            )
            .unwrap();
            let order: i64 = image[14..17].parse().unwrap();
            let place = usize::try_from((day.to_epoch() - from) * 500 + order / 2).unwrap();
            assert!(!seen[place], "{image}");
            seen[place] = true;
        }
    }
    assert_eq!(seen.iter().filter(|hit| **hit).count(), 60 * 500);
}

/// Both suites, from the first to the last number that begins with 13800.
#[test]
fn a_whole_domain_of_a_million_numbers_is_permuted_one_to_one() {
    for suite in [CipherSuite::International, CipherSuite::Sm] {
        let permute = Permute::Mobile { keep: 5 };
        let root = RootKey::with_suite([3; 32], suite);
        let key = root.permutation(&permute.value_domain(), 1);
        let mut permuter = Permuter::new(permute, &key);
        let mut seen = vec![false; 1_000_000];
        for first in (0..1_000_000).step_by(50_000) {
            let numbers = (first..first + 50_000).map(|number| format!("13800{number:06}"));
            let images = permuter.column(&StringArray::from_iter_values(numbers));
            for image in &images {
                let tail = image.unwrap().strip_prefix("13800").unwrap();
                let place: usize = tail.parse().unwrap();
                assert!(!seen[place], "{suite:?} {tail}");
                seen[place] = true;
            }
        }
        assert!(seen.iter().all(|hit| *hit));
    }
}

#[test]
fn a_region_that_is_not_kept_moves_inside_its_province() {
    let mut permuter = permuter(Permute::ResidentId {
        keep_region: 2,
        birth_band_years: 10,
        unassigned_region: false,
    });
    let mut regions_seen = HashSet::new();
    let mut seen = HashSet::new();
    for days in 7305..7805 {
        let image = permuter
            .permuted(&resident_id("350203", days, 123))
            .unwrap();
        assert!(
            is_resident_id(&image) && image.starts_with("35") && regions().is_assigned(&image[..6])
        );
        regions_seen.insert(image[..6].to_owned());
        assert!(seen.insert(image));
    }
    assert!(regions_seen.len() > 50);
    // A historic code keeps its region, and stays apart from those that move.
    let historic = permuter
        .permuted(&resident_id("359999", 7305, 123))
        .unwrap();
    assert!(historic.starts_with("359999") && is_resident_id(&historic));
}

#[test]
fn unassigned_regions_are_nobodys_and_one_to_one() {
    let mut permuter = permuter(Permute::ResidentId {
        keep_region: 6,
        birth_band_years: 10,
        unassigned_region: true,
    });
    let mut heads = HashSet::new();
    for region in ["350203", "350205", "350206", "350100", "110101"] {
        let image = permuter.permuted(&resident_id(region, 7400, 1)).unwrap();
        assert!(is_resident_id(&image) && !regions().is_assigned(&image[..6]));
        assert_eq!(image[..2], region[..2]);
        assert!(heads.insert(image[..6].to_owned()));
    }
    assert_eq!(permuter.permuted(&resident_id("359999", 7305, 123)), None);
    for code in ["11", "35", "44", "65"]
        .iter()
        .flat_map(|province| regions().assigned(province))
    {
        assert!(!regions().is_assigned(&unassigned_image(code).unwrap()));
    }
}

#[test]
fn mobiles_cards_codes_and_plates_stay_valid_and_apart() {
    let cases: [Case; 6] = [
        (
            Permute::Mobile { keep: 3 },
            |n| format!("138{:08}", n * 7919),
            is_mobile,
            3,
        ),
        (
            Permute::Mobile { keep: 3 },
            |n| format!("1619{:07}", n * 7919 % 10_000_000),
            is_mobile,
            3,
        ),
        (
            Permute::BankCard { keep: 6 },
            |n| {
                let body = format!("622202{:012}", n * 104_729);
                format!("{body}{}", char::from(luhn_check(body.as_bytes()).unwrap()))
            },
            is_luhn,
            6,
        ),
        (
            Permute::CreditCode,
            |n| {
                let body = format!("{:08}", n * 31);
                let head = format!(
                    "91350200{body}{}",
                    char::from(organisation_check(body.as_bytes()).unwrap())
                );
                format!(
                    "{head}{}",
                    char::from(credit_check(head.as_bytes()).unwrap())
                )
            },
            is_credit_code,
            8,
        ),
        (Permute::Plate, |n| format!("闽D{n:05}"), is_plate, 4),
        (Permute::Plate, |n| format!("闽DF{n:05}"), is_plate, 4),
    ];
    for (permute, make, is_valid, kept) in cases {
        let mut permuter = permuter(permute);
        let mut seen = HashSet::new();
        let mut unchanged = 0;
        for n in 0..1000 {
            let value = make(n);
            assert!(is_valid(&value), "{value}");
            let image = permuter.permuted(&value).unwrap();
            assert!(is_valid(&image), "{value} {image}");
            assert_eq!(image[..kept], value[..kept]);
            assert_eq!(image.chars().count(), value.chars().count());
            unchanged += u32::from(image == value);
            assert!(seen.insert(image), "{value}");
        }
        assert!(unchanged < 5, "{permute:?}");
    }
}

#[test]
fn kinds_of_plates_stay() {
    let mut permuter = permuter(Permute::Plate);
    for (plate, is_kind) in [
        (
            "粤Z1A34港",
            (|plate: &str| plate.ends_with('港')) as fn(&str) -> bool,
        ),
        ("闽D1234学", |plate| plate.ends_with('学')),
        ("闽D12345F", |plate| {
            plate.chars().count() == 8 && !plate.ends_with(|last: char| last.is_ascii_digit())
        }),
        ("闽DA12345", |plate| {
            plate
                .chars()
                .nth(2)
                .is_some_and(|third| third.is_ascii_uppercase())
        }),
    ] {
        let image = permuter.permuted(plate).unwrap();
        assert!(is_plate(&image) && is_kind(&image), "{plate} {image}");
    }
    assert_eq!(
        permuter.permuted("闽d·12345"),
        permuter.permuted("闽D12345")
    );
}

#[test]
fn what_is_no_identifier_has_no_image() {
    for (permute, values) in [
        (
            RESIDENT,
            ["11010519491231002Y", "", "张三", "350203199002300011"],
        ),
        (
            Permute::Mobile { keep: 3 },
            ["15400138000", "1380013800", "abc", "138001380000"],
        ),
        // A card of twelve digits has 10^5 twins: too few.
        (
            Permute::BankCard { keep: 6 },
            ["6222021234567890127", "622202123458", "", "x"],
        ),
        (
            Permute::CreditCode,
            ["91350200M000100Y44", "9135", "", "身份"],
        ),
        (Permute::Plate, ["闽I12345", "闽DABCDE", "D12345", ""]),
    ] {
        for value in values {
            assert_eq!(permuter(permute).permuted(value), None, "{value}");
        }
    }
}

#[test]
fn keys_and_kept_parts_make_different_permutations() {
    let images: HashSet<String> = (0..20)
        .map(|key| {
            with_key(Permute::Mobile { keep: 3 }, key)
                .permuted("13800138000")
                .unwrap()
        })
        .collect();
    assert!(images.len() > 18);
    let mut permuter = permuter(Permute::Mobile { keep: 3 });
    let tails: HashSet<String> = ["138", "139", "137", "136"]
        .iter()
        .map(|head| permuter.permuted(&format!("{head}00138000")).unwrap()[3..].to_owned())
        .collect();
    assert_eq!(tails.len(), 4);
}

/// Images that earlier versions of this crate wrote: they are in data sets, and must stay.
#[test]
fn existing_images_do_not_change() {
    let resident = |keep_region, unassigned_region| Permute::ResidentId {
        keep_region,
        birth_band_years: 10,
        unassigned_region,
    };
    let mobile = |keep| Permute::Mobile { keep };
    let card = Permute::BankCard { keep: 6 };
    for (permute, value, image) in [
        (RESIDENT, "11010519491231002X", "110105194011047981"),
        (
            resident(2, false),
            "11010519491231002X",
            "11011519411122946X",
        ),
        (
            resident(6, true),
            "11010519491231002X",
            "117104194011047981",
        ),
        (mobile(3), "13800138000", "13842655435"),
        (mobile(5), "13800138000", "13800629802"),
        (mobile(3), "17400138000", "17490381837"),
        (card, "4111111111111111", "4111114071608548"),
        (card, "6222020000000000000", "6222026064081482887"),
        (Permute::Plate, "闽D12345", "闽DA2EHD"),
        (Permute::Plate, "闽DF12345", "闽DC35341"),
        (Permute::Plate, "闽D12345F", "闽D76292C"),
        (Permute::Plate, "粤Z1A34港", "粤Z72RQ港"),
    ] {
        assert_eq!(permuter(permute).permuted(value).unwrap(), image);
    }
}

#[test]
fn a_column_is_permuted_as_its_values_are() {
    let values = StringArray::from_iter((0..3000u64).map(|n| match n % 7 {
        0 => None,
        1 => Some("no number".to_owned()),
        _ => Some(format!("1{}{:08}", 35 + n % 4, n * 7919)),
    }));
    let images = permuter(Permute::Mobile { keep: 3 }).column(&values);
    let mut one_by_one = permuter(Permute::Mobile { keep: 3 });
    for (value, image) in values.iter().zip(&images) {
        let expected = value.and_then(|value| one_by_one.permuted(value));
        assert_eq!(image, expected.as_deref());
    }
}

#[test]
fn the_sm_suite_permutes_validly_and_otherwise() {
    let root = RootKey::with_suite([3; 32], CipherSuite::Sm);
    let mobile = Permute::Mobile { keep: 3 };
    let key = root.permutation(&mobile.value_domain(), 1);
    let mut sm = Permuter::new(mobile, &key);
    let mut seen = HashSet::new();
    for n in 0..2000u64 {
        let number = format!("138{:08}", n * 7919);
        let image = sm.permuted(&number).unwrap();
        assert!(is_mobile(&image) && seen.insert(image));
    }
    let international = RootKey::from_bytes([3; 32]).permutation(&mobile.value_domain(), 1);
    assert_ne!(
        Permuter::new(mobile, &international).permuted("13800138000"),
        sm.permuted("13800138000")
    );
}

#[test]
fn domain_sizes() {
    let resident = |birth_band_years| Permute::ResidentId {
        keep_region: 6,
        birth_band_years,
        unassigned_region: false,
    };
    assert_eq!(resident(10).domain_min(), 1_826_000);
    assert!(is_too_small(resident(5)) && !is_too_small(resident(6)));
    assert!(
        is_too_small(Permute::Mobile { keep: 6 }) && !is_too_small(Permute::Mobile { keep: 5 })
    );
    assert!(
        is_too_small(Permute::BankCard { keep: 10 })
            && !is_too_small(Permute::BankCard { keep: 9 })
    );
    assert!(!is_too_small(Permute::CreditCode) && !is_too_small(Permute::Plate));
}

proptest! {
    #[test]
    fn every_valid_resident_number_has_a_valid_image(region in 110_000u32..830_000, days in -60_000i64..47_000, order in 0u32..1000, keep in 1usize..4, years in 6u32..300, unassigned in any::<bool>()) {
        let id = resident_id(&region.to_string(), days, order);
        let permute = Permute::ResidentId { keep_region: keep * 2, birth_band_years: years, unassigned_region: unassigned };
        match permuter(permute).permuted(&id) {
            Some(image) => prop_assert!(is_resident_id(&image), "{} {}", id, image),
            // Too few days at the end of the last band, or a code without an image.
            None => prop_assert!(unassigned || Day::from_epoch(days).year > 2090 || Day::from_epoch(days).year < 1810),
        }
    }

    #[test]
    fn any_text_is_taken(value in any::<String>(), kind in 0usize..5) {
        let kinds = [RESIDENT, Permute::Mobile { keep: 3 }, Permute::BankCard { keep: 6 }, Permute::CreditCode, Permute::Plate];
        let _ = permuter(kinds[kind]).permuted(&value);
    }
}
