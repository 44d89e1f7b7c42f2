//! Rounding of what leaves: counts to a base, other numbers to significant digits.

/// A count to the nearest multiple of the base, halves up.
pub(crate) fn count(value: i64, base: u64) -> i64 {
    let base = i64::try_from(base).unwrap_or(i64::MAX).max(1);
    let value = value.max(0);
    let low = value / base * base;
    let up = value - low >= base - (value - low);
    if up { low.saturating_add(base) } else { low }
}

/// A number to some significant decimal digits; none when it is not finite. Zero has no sign.
pub(crate) fn significant(value: f64, digits: u32) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    let after = usize::try_from(digits.max(1) - 1).unwrap_or(0);
    let rounded: f64 = format!("{value:.after$e}").parse().ok()?;
    rounded
        .is_finite()
        .then_some(if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (value, expect) in [
            (0, 0),
            (2, 0),
            (3, 5),
            (10, 10),
            (12, 10),
            (13, 15),
            (-4, 0),
            (i64::MAX, i64::MAX - 2),
        ] {
            assert_eq!(count(value, 5), expect, "{value}");
        }
        assert_eq!(count(15, 10), 20);
        assert_eq!(count(14, 10), 10);
        assert_eq!(count(7, 0), 7);
    }

    #[test]
    fn digits() {
        for (value, expect) in [
            (0.0, Some(0.0)),
            (1234.56, Some(1235.0)),
            (123_456.0, Some(123_500.0)),
            (0.000_123_456, Some(0.000_123_5)),
            (-9.9999e9, Some(-1.0e10)),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::MAX, None),
        ] {
            assert_eq!(significant(value, 4), expect, "{value}");
        }
        assert!(significant(-0.0, 4).is_some_and(|zero| zero.is_sign_positive()));
        assert!(significant(-1e-320, 4).is_some());
    }
}
