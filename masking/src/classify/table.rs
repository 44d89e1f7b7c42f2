//! The number tables under `data/`, read once.

use std::collections::HashSet;
use std::sync::OnceLock;

/// The lines of a data file without its comments.
pub(crate) fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
}

/// Whether eleven digits begin with an allotted mobile prefix.
pub(crate) fn is_mobile(digits: &str) -> bool {
    static PREFIXES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let prefixes = PREFIXES.get_or_init(|| lines(include_str!("../data/mobile.txt")).collect());
    digits.len() == 11
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (3..=5).any(|length| prefixes.contains(&digits[..length]))
}

/// A range of issuer numbers and the lengths of its cards.
struct Issuer {
    from: u64,
    to: u64,
    digits: usize,
    lengths: Vec<usize>,
}

/// Whether digits begin with a known issuer's number and have a length that it issues.
pub(crate) fn has_card_issuer(digits: &str) -> bool {
    static ISSUERS: OnceLock<Vec<Issuer>> = OnceLock::new();
    ISSUERS.get_or_init(read_issuers).iter().any(|issuer| {
        issuer.lengths.contains(&digits.len())
            && digits
                .get(..issuer.digits)
                .and_then(|head| head.parse::<u64>().ok())
                .is_some_and(|head| (issuer.from..=issuer.to).contains(&head))
    })
}

fn read_issuers() -> Vec<Issuer> {
    lines(include_str!("../data/bank_card.tsv"))
        .filter_map(read_issuer)
        .collect()
}

fn read_issuer(line: &str) -> Option<Issuer> {
    let mut fields = line.split('\t');
    let (from, to) = (fields.next()?, fields.next()?);
    Some(Issuer {
        from: from.parse().ok()?,
        to: to.parse().ok()?,
        digits: from.len(),
        lengths: fields
            .next()?
            .split(',')
            .filter_map(|length| length.parse().ok())
            .collect(),
    })
}

/// Length in characters of the surname that a name begins with, the longer one first.
pub(crate) fn surname_length(name: &[char]) -> Option<usize> {
    let double: String = name.iter().take(2).collect();
    if surnames().contains(double.as_str()) && name.len() > 2 {
        return Some(2);
    }
    let single: String = name.iter().take(1).collect();
    surnames().contains(single.as_str()).then_some(1)
}

/// Whether a character is one of the hundred most frequent surnames, which 85 % of people bear.
pub(crate) fn is_frequent_surname(char: char) -> bool {
    static FREQUENT: OnceLock<HashSet<char>> = OnceLock::new();
    FREQUENT
        .get_or_init(|| {
            lines(include_str!("../data/surnames.txt"))
                .take(99)
                .filter_map(|surname| surname.chars().next())
                .collect()
        })
        .contains(&char)
}

fn surnames() -> &'static HashSet<&'static str> {
    static SURNAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    SURNAMES.get_or_init(|| lines(include_str!("../data/surnames.txt")).collect())
}

/// Whether a character ends words for places, organisations, things and diseases, and hardly any
/// name.
pub(crate) fn ends_no_name(char: char) -> bool {
    const ENDS: &str = "省市区县镇乡村路街道司店局院厅部校厂站所会病症炎癌瘤压热痛伤科药片液类型级品号元年月日度率费额";
    ENDS.contains(char)
}

/// Whether a character is a Han ideograph.
pub(crate) fn is_han(char: char) -> bool {
    matches!(char, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// The character that a plate of each province begins with.
pub(crate) const PLATE_PROVINCES: &str =
    "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_whole() {
        assert_eq!(
            surnames().len(),
            lines(include_str!("../data/surnames.txt")).count()
        );
        assert!(surnames().len() > 500);
        assert_eq!(
            read_issuers().len(),
            lines(include_str!("../data/bank_card.tsv")).count()
        );
        assert_eq!(PLATE_PROVINCES.chars().count(), 31);
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
        ] {
            assert!(!is_mobile(number), "{number}");
        }
    }

    #[test]
    fn surnames_of_one_and_two_characters() {
        let length = |name: &str| surname_length(&name.chars().collect::<Vec<_>>());
        assert_eq!(length("欧阳娜"), Some(2));
        assert_eq!(length("王小明"), Some(1));
        assert_eq!(length("的话"), None);
        assert_eq!(length(""), None);
    }
}
