//! Identity columns of the demonstration: generated from a subject's number alone, the same in every table.
//!
//! Nobody is meant. The measurements beside them are real, the people are not: resident IDs carry the region code
//! `350298`, which is assigned to no county, and the columns are labelled as generated in the catalogue.

use jiff::civil::Date;

/// A region code of Xiamen's prefecture that no county has.
const REGION: &str = "350298";
const SURNAMES: &str =
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余";
const GIVEN: &str =
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰红海建国志文斌鹏辉宇晨思远嘉欣雨泽浩然子涵";
/// Order numbers of one sex and day of birth.
const ORDERS: u32 = 500;
/// The letters of GB 32100: no I, O, S, V, Z.
const CREDIT: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// The letters of plates: no I, O.
const PLATE: &[u8; 34] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A subject of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The subject's number, from one.
    pub(super) number: u32,
    /// Year of birth, as measured.
    pub(super) birth_year: i16,
    /// Sex, as measured.
    pub(super) female: bool,
}

impl Person {
    /// A name of two or three characters.
    pub(super) fn name(&self) -> String {
        let mix = mix(u64::from(self.number));
        let mut name = String::new();
        name.extend(letter(SURNAMES, mix));
        name.extend(letter(GIVEN, mix >> 16));
        if mix >> 62 != 0 {
            name.extend(letter(GIVEN, mix >> 32));
        }
        name
    }

    /// A day of birth in the measured year.
    pub(super) fn birth_date(&self) -> Date {
        // Subjects that share the order number of their resident ID are born 19 days apart.
        let day = (mix(u64::from(self.number % ORDERS) | 1 << 40) % 365
            + 19 * u64::from(self.number / ORDERS))
            % 365;
        let first = Date::new(self.birth_year, 1, 1).unwrap_or(Date::ZERO);
        first.saturating_add(jiff::Span::new().days(i64::try_from(day).unwrap_or(0)))
    }

    /// A resident identity number (GB 11643) with its check character: day of birth and sex agree with it.
    pub(super) fn resident_id(&self) -> String {
        let born = self.birth_date();
        // Odd is male.
        let order = (self.number % ORDERS) * 2 + u32::from(!self.female);
        let body = format!(
            "{REGION}{:04}{:02}{:02}{order:03}",
            born.year(),
            born.month(),
            born.day()
        );
        let check = resident_check(&body);
        format!("{body}{check}")
    }

    /// The same with a check character that does not fit.
    pub(super) fn mistyped_resident_id(&self) -> String {
        let mut id = self.resident_id();
        let wrong = if id.pop() == Some('1') { '2' } else { '1' };
        id.push(wrong);
        id
    }

    /// A mobile number.
    pub(super) fn mobile(&self) -> String {
        format!("1990000{:04}", self.number % 10_000)
    }
}

/// A unified social credit code (GB 32100) with both check characters.
pub(super) fn credit_code(number: u32) -> String {
    let mut organisation = String::from("MA");
    let mut rest = mix(u64::from(number) | 2 << 40);
    for _ in 0..6 {
        organisation.push(char::from(CREDIT[index(rest, CREDIT.len())]));
        rest >>= 8;
    }
    let check = organisation_check(&organisation);
    let body = format!("91{REGION}{organisation}{check}");
    let check = credit_check(&body);
    format!("{body}{check}")
}

/// A plate of Xiamen (闽D).
pub(super) fn plate(number: u32) -> String {
    let mut plate = String::from("闽D");
    let mut rest = number;
    let base = u32::try_from(PLATE.len()).unwrap_or(34);
    for _ in 0..5 {
        plate.push(char::from(
            PLATE[index(u64::from(rest % base), PLATE.len())],
        ));
        rest /= base;
    }
    plate
}

fn resident_check(body: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .bytes()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    char::from(b"10X98765432"[index(u64::from(sum), 11)])
}

fn organisation_check(body: &str) -> char {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => u32::from(byte - b'A') + 10,
    };
    let sum: u32 = body
        .bytes()
        .zip(WEIGHTS)
        .map(|(byte, weight)| value(byte) * weight)
        .sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

fn credit_check(body: &str) -> char {
    let mut weight = 1;
    let mut sum = 0_usize;
    for byte in body.bytes() {
        let value = CREDIT
            .iter()
            .position(|letter| *letter == byte)
            .unwrap_or(0);
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    char::from(CREDIT[(31 - sum % 31) % 31])
}

fn letter(letters: &str, at: u64) -> Option<char> {
    letters.chars().nth(index(at, letters.chars().count()))
}

fn index(at: u64, of: usize) -> usize {
    let of = u64::try_from(of).unwrap_or(1);
    usize::try_from(at % of).unwrap_or(0)
}

/// SplitMix64: spreads small numbers over all bits.
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn check_characters_are_those_of_the_standards() {
        // The worked example of GB 11643-1999 and a published code of GB 32100-2015.
        assert_eq!(resident_check("11010519491231002"), 'X');
        assert_eq!(organisation_check("D2143569"), 'X');
        assert_eq!(credit_check("91350100M000100Y4"), '3');
    }

    #[test]
    fn a_subject_has_one_identity_of_its_own_day_and_sex() {
        let person = Person {
            number: 17,
            birth_year: 1978,
            female: true,
        };
        let id = person.resident_id();
        assert_eq!(id.len(), 18);
        assert_eq!(&id[..10], "3502981978");
        assert_eq!(
            &id[6..14],
            person.birth_date().strftime("%Y%m%d").to_string()
        );
        assert_eq!((id.as_bytes()[16] - b'0') % 2, 0, "even is female");
        assert_eq!(resident_check(&id[..17]), id.chars().last().unwrap_or(' '));
        assert_ne!(person.mistyped_resident_id(), id);
        assert_eq!(person.mistyped_resident_id()[..17], id[..17]);
        assert_eq!(
            person.name().chars().count(),
            person.name().chars().filter(|c| *c > '\u{4e00}').count()
        );
    }

    #[test]
    fn no_two_of_the_subjects_share_a_resident_id() {
        let ids: BTreeSet<String> = (1..=9_006)
            .map(|number| {
                Person {
                    number,
                    birth_year: 1980,
                    female: true,
                }
                .resident_id()
            })
            .collect();
        assert_eq!(ids.len(), 9_006);
    }

    #[test]
    fn numbers_do_not_share_plates_or_codes() {
        let plates: BTreeSet<String> = (1..5_000).map(plate).collect();
        assert_eq!(plates.len(), 4_999);
        assert_eq!(plate(1), "闽D10000");
        let codes: BTreeSet<String> = (1..2_000).map(credit_code).collect();
        assert_eq!(codes.len(), 1_999);
        assert!(codes.iter().all(|code| code.len() == 18));
    }
}
