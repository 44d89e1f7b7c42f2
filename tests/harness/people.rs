//! Invented people, made from a number alone: the same number is the same person in every table.

use std::fmt::Write as _;

/// Districts of the invented city; the identifier's region code goes with them.
pub const DISTRICTS: [(&str, &str); 6] = [
    ("思明", "350203"),
    ("海沧", "350205"),
    ("湖里", "350206"),
    ("集美", "350211"),
    ("同安", "350212"),
    ("翔安", "350213"),
];

/// One invented person.
#[derive(Clone, Debug)]
pub struct Person {
    /// Resident identity number (GB 11643) with a valid check character.
    pub resident_id: String,
    /// District of residence.
    pub district: &'static str,
    /// `F` or `M`.
    pub sex: &'static str,
    /// `18-34`, `35-49`, `50-64`, `65+`.
    pub age_band: &'static str,
    /// Occupation.
    pub occupation: String,
    /// Yearly income, whole yuan.
    pub income: i64,
}

/// The person of a number.
#[must_use]
pub fn person(number: u32) -> Person {
    let mix = mix(number);
    let (district, region) = DISTRICTS[pick(mix, 6)];
    let year = 1940 + pick(mix >> 8, 65);
    let body = format!(
        "{region}{year:04}{:02}{:02}{:03}",
        1 + pick(mix >> 16, 12),
        1 + pick(mix >> 24, 28),
        number % 1000
    );
    let age = 2025 - year;
    Person {
        resident_id: with_check_character(&body),
        district,
        sex: if number % 2 == 1 { "M" } else { "F" },
        age_band: match age {
            ..35 => "18-34",
            35..50 => "35-49",
            50..65 => "50-64",
            _ => "65+",
        },
        occupation: ["教师", "司机", "医生", "工人", "店员"][pick(mix >> 32, 5)].to_owned(),
        income: i64::try_from(40_000 + pick(mix >> 40, 160_000)).unwrap_or(0),
    }
}

/// `count` people, numbered from zero, all with different identifiers.
#[must_use]
pub fn people(count: u32) -> Vec<Person> {
    let mut seen = std::collections::BTreeSet::new();
    (0..)
        .map(person)
        .filter(|person| seen.insert(person.resident_id.clone()))
        .take(count as usize)
        .collect()
}

/// The table `residents` as CSV with a header.
#[must_use]
pub fn csv(people: &[Person]) -> Vec<u8> {
    let mut text = String::from("resident_id,district,sex,age_band,occupation,income\n");
    for p in people {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{}",
            p.resident_id, p.district, p.sex, p.age_band, p.occupation, p.income
        );
    }
    text.into_bytes()
}

/// Seventeen digits and their check character (GB 11643, ISO 7064 MOD 11-2), written apart from Egret's own.
#[must_use]
pub fn with_check_character(body: &str) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .chars()
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or(0) * weight)
        .sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{body}{}", char::from(check))
}

fn pick(mix: u64, of: usize) -> usize {
    (mix as usize & 0xff_ffff) % of
}

/// SplitMix64: spreads small numbers over all bits.
fn mix(number: u32) -> u64 {
    let mut z = u64::from(number)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
