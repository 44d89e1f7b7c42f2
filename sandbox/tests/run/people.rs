//! Invented people, made from a number alone.

use std::fmt::Write as _;

/// Districts of the invented city.
pub(crate) const DISTRICTS: [&str; 4] = ["思明", "海沧", "湖里", "集美"];
/// Occupations that many people have.
pub(crate) const COMMON: [&str; 3] = ["教师", "医生", "工人"];
/// An occupation that four people have in each district.
pub(crate) const RARE: &str = "法官";

/// One invented person.
pub(crate) struct Person {
    pub(crate) resident_id: String,
    pub(crate) district: &'static str,
    pub(crate) occupation: &'static str,
    pub(crate) income: i64,
}

/// People who are evenly spread over districts and occupations, but for the few judges.
pub(crate) fn people(count: usize) -> Vec<Person> {
    (0..count)
        .map(|number| Person {
            resident_id: resident_id(number),
            district: DISTRICTS[number % DISTRICTS.len()],
            occupation: match number {
                0..16 => RARE,
                _ => COMMON[number / DISTRICTS.len() % COMMON.len()],
            },
            income: 40_000 + i64::try_from(number * 7_919 % 60_000).unwrap(),
        })
        .collect()
}

/// The table as CSV with a header.
pub(crate) fn csv(people: &[Person]) -> Vec<u8> {
    let mut text = String::from("resident_id,district,occupation,income\n");
    for person in people {
        writeln!(
            text,
            "{},{},{},{}",
            person.resident_id, person.district, person.occupation, person.income
        )
        .unwrap();
    }
    text.into_bytes()
}

/// A resident identity number (GB 11643) with its check character.
fn resident_id(number: usize) -> String {
    const WEIGHTS: [usize; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let (year, month, day) = (
        1950 + number / 28 % 50,
        1 + number / 7 % 12,
        1 + number % 28,
    );
    let body = format!("350203{year:04}{month:02}{day:02}{:03}", number % 1_000);
    let digits = body.bytes().map(|digit| usize::from(digit - b'0'));
    let sum: usize = digits
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .sum();
    format!("{body}{}", char::from(b"10X98765432"[sum % 11]))
}
