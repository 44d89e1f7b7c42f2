//! Patterns and check digits of identifiers that are written alone, in compact form.
//!
//! Every function takes any text and says no to what it does not know.

use jiff::civil::Date;

/// Characters of a unified social credit code (GB 32100): digits and capitals without I, O, S, V,
/// Z.
pub(crate) const CREDIT_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const RESIDENT_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Whether a text is a resident identity number of 18 characters: form, real birth date, check
/// character (GB 11643). The region is not looked up: historic codes are valid.
pub(crate) fn is_resident_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 18
        && matches!(bytes[0], b'1'..=b'9')
        && bytes[..17].iter().all(u8::is_ascii_digit)
        && resident_check(&bytes[..17]) == Some(bytes[17].to_ascii_uppercase())
        && resident_birth(text).is_some()
}

/// Whether a text has the form of a resident identity number of 15 digits, which has no check
/// character.
pub(crate) fn is_resident_id_15(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 15
        && bytes.iter().all(u8::is_ascii_digit)
        && matches!(bytes[0], b'1'..=b'9')
        && calendar_date(&format!("19{}", &text[6..12])).is_some()
}

/// The 18 characters of a number of 15 digits: the century is the twentieth, the check character is
/// added.
pub(crate) fn resident_id_15_to_18(text: &str) -> Option<String> {
    if !is_resident_id_15(text) {
        return None;
    }
    let body = format!("{}19{}", &text[..6], &text[6..]);
    let check = resident_check(body.as_bytes())?;
    Some(format!("{body}{}", char::from(check)))
}

/// The birth date inside a number of 18 characters, if it is a real date between 1800 and 2099.
pub(crate) fn resident_birth(text: &str) -> Option<Date> {
    calendar_date(text.get(6..14)?).filter(|date| (1800..2100).contains(&date.year()))
}

/// The check character after 17 digits (ISO 7064 MOD 11-2 as in GB 11643).
pub(crate) fn resident_check(digits: &[u8]) -> Option<u8> {
    if digits.len() != 17 {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in digits.iter().zip(RESIDENT_WEIGHTS) {
        sum += digit(*byte)? * weight;
    }
    b"10X98765432".get(usize::try_from(sum % 11).ok()?).copied()
}

/// Whether a text is a unified social credit code with both check characters (GB 32100, GB 11714).
pub(crate) fn is_credit_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 18
        && bytes[2..8].iter().all(u8::is_ascii_digit)
        && organisation_check(&bytes[8..16]) == Some(bytes[16])
        && credit_check(&bytes[..17]) == Some(bytes[17])
}

/// The last character of a credit code after its first 17.
pub(crate) fn credit_check(body: &[u8]) -> Option<u8> {
    if body.len() != 17 {
        return None;
    }
    let mut sum = 0;
    let mut weight = 1;
    for byte in body {
        sum += u32::try_from(credit_index(*byte)?).ok()? * weight;
        weight = weight * 3 % 31;
    }
    CREDIT_ALPHABET
        .get(usize::try_from((31 - sum % 31) % 31).ok()?)
        .copied()
}

/// The place of a character in the alphabet of credit codes.
pub(crate) fn credit_index(byte: u8) -> Option<usize> {
    const PLACES: [u8; 256] = credit_places();
    let place = PLACES[usize::from(byte)];
    (place != u8::MAX).then_some(usize::from(place))
}

const fn credit_places() -> [u8; 256] {
    let mut places = [u8::MAX; 256];
    let mut place = 0u8;
    while (place as usize) < CREDIT_ALPHABET.len() {
        places[CREDIT_ALPHABET[place as usize] as usize] = place;
        place += 1;
    }
    places
}

/// Whether a text is an organisation code of nine characters, its hyphen left out (GB 11714).
pub(crate) fn is_organisation_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 9 && organisation_check(&bytes[..8]) == Some(bytes[8])
}

/// The check character after the eight characters of an organisation code.
pub(crate) fn organisation_check(body: &[u8]) -> Option<u8> {
    if body.len() != 8 {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in body.iter().zip(ORGANISATION_WEIGHTS) {
        let value = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A') + 10,
            _ => return None,
        };
        sum += value * weight;
    }
    match 11 - sum % 11 {
        10 => Some(b'X'),
        11 => Some(b'0'),
        check => Some(b'0' + u8::try_from(check).ok()?),
    }
}

/// Whether a text is 12 to 19 digits with Luhn's check digit (ISO/IEC 7812-1), not all alike.
pub(crate) fn is_luhn(text: &str) -> bool {
    let bytes = text.as_bytes();
    (12..=19).contains(&bytes.len())
        && bytes.iter().any(|byte| *byte != bytes[0])
        && luhn_check(&bytes[..bytes.len() - 1]) == bytes.last().copied()
}

/// Luhn's check digit after the digits of a card number.
pub(crate) fn luhn_check(digits: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (place, byte) in digits.iter().rev().enumerate() {
        let value = digit(*byte)?;
        let doubled = value * 2;
        sum += match (place % 2 == 0, doubled > 9) {
            (false, _) => value,
            (true, false) => doubled,
            (true, true) => doubled - 9,
        };
    }
    Some(b'0' + u8::try_from((10 - sum % 10) % 10).ok()?)
}

/// A real date written as eight digits.
pub(crate) fn calendar_date(digits: &str) -> Option<Date> {
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = digits[..4].parse().ok()?;
    let month = digits[4..6].parse().ok()?;
    let day = digits[6..].parse().ok()?;
    Date::new(year, month, day).ok()
}

fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}
