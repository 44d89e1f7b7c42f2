//! Numbers written in alphabets.

/// The number of a text whose characters each have an alphabet of their own, and how many such
/// texts there are.
pub(super) fn mixed(text: &[u8], alphabets: &[&[u8]]) -> Option<(u64, u64)> {
    let (mut number, mut size) = (0u64, 1u64);
    for (byte, alphabet) in text.iter().zip(alphabets) {
        let place = alphabet.iter().position(|known| known == byte)?;
        let length = u64::try_from(alphabet.len()).ok()?;
        number = number * length + u64::try_from(place).ok()?;
        size *= length;
    }
    (text.len() == alphabets.len()).then_some((number, size))
}

/// Writes a number's text behind another, each character in an alphabet of its own; at most 18.
pub(super) fn push_mixed(text: &mut String, mut number: u64, alphabets: &[&[u8]]) {
    let mut written = [b'0'; 18];
    let length = alphabets.len().min(written.len());
    for (place, alphabet) in alphabets.iter().enumerate().take(length).rev() {
        let size = u64::try_from(alphabet.len()).unwrap_or(1).max(1);
        let digit = usize::try_from(number % size).unwrap_or(0);
        written[place] = alphabet.get(digit).copied().unwrap_or(b'0');
        number /= size;
    }
    text.extend(written[..length].iter().copied().map(char::from));
}

/// Writes the last `width` decimal digits of a number behind a text; at most 18.
pub(super) fn push_decimal(text: &mut String, mut number: u64, width: usize) {
    let mut written = [b'0'; 18];
    let width = width.min(written.len());
    for place in written[..width].iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    text.push_str(std::str::from_utf8(&written[..width]).unwrap_or(""));
}

/// A power, or the largest number when it is larger.
pub(super) fn power(base: u64, exponent: usize) -> u64 {
    u32::try_from(exponent)
        .ok()
        .and_then(|exponent| base.checked_pow(exponent))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in 0u64..10_000_000_000) {
            let mut text = String::from("x");
            push_decimal(&mut text, number, 10);
            prop_assert_eq!(&text, &format!("x{number:010}"));
            let alphabets: Vec<&[u8]> = (0..12).map(|place| if place % 2 == 0 { &b"0123456789"[..] } else { &b"ABCDEFG"[..] }).collect();
            let mut text = String::new();
            push_mixed(&mut text, number, &alphabets);
            prop_assert_eq!(mixed(text.as_bytes(), &alphabets).unwrap().0, number);
        }
    }
}
