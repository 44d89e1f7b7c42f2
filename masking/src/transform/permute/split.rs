//! An identifier in two: what stays, and the number of what does not.

/// A value without what is permuted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// What stays, exactly as joining needs it; also what the tweak is made from.
    pub(super) kept: Kept,
    /// Numbers that could stand in place of the permuted one.
    pub(super) size: u64,
    pub(super) number: u64,
    /// Characters that are free.
    pub(super) free: usize,
}

impl Split {
    /// Decimal digits `keep..end` are free.
    pub(super) fn digits(value: &str, keep: usize, end: usize) -> Option<Self> {
        let free = end.checked_sub(keep)?;
        Some(Self {
            kept: Kept::new(value.get(..keep)?)?,
            size: super::numerals::power(10, free),
            number: value.get(keep..end)?.parse().ok()?,
            free,
        })
    }
}

/// A text of 32 bytes at most, without an allocation of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    bytes: [u8; 32],
    length: u8,
}

impl Kept {
    /// `None` when the text is longer.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: u8::try_from(text.len()).ok()?,
        })
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        // It was made from a text as a whole.
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The text's bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_held_and_long_ones_are_not() {
        for text in ["", "350203", "闽D|s港", "12345678901234567890123456789012"] {
            assert_eq!(
                Kept::new(text)
                    .map(|kept| kept.as_str().to_owned())
                    .unwrap(),
                text
            );
        }
        assert_eq!(Kept::new("123456789012345678901234567890123"), None);
    }
}
