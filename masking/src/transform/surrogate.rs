//! Invented names and addresses in place of real ones, always the same one for the same value.
//!
//! They keep form and length, so that programs can be tested on them. They name nobody on purpose,
//! but somebody may bear or live at one by chance; two real values may have the same surrogate.

mod address;
mod name;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};

use crate::error::MaskError;
use crate::key::TokenKey;
use crate::transform::coarsen::RegionLevel;
use crate::transform::text_values;

/// What is invented, and what of the real value stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surrogate {
    /// Personal names in Han characters, of two to four. Others become null.
    Name {
        /// Whether the surname stays.
        keep_surname: bool,
        /// The column that tells the sex: 男 女, 1 2 (GB/T 2261.1), M F, or resident numbers.
        /// Without it, or where it does not tell, the sex of the name is drawn.
        sex: Option<String>,
    },
    /// Addresses: the region stays down to a level, street and house are invented. What names no
    /// region becomes null.
    Address {
        /// The level down to which the region stays.
        keep: RegionLevel,
    },
}

impl Surrogate {
    /// The name in a policy document, and of the key.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Address { .. } => "address",
        }
    }

    /// The other column that is read.
    pub(crate) fn other(&self) -> Option<&str> {
        match self {
            Self::Name { sex, .. } => sex.as_deref(),
            Self::Address { .. } => None,
        }
    }

    /// The surrogate of each value.
    pub(crate) fn invented(
        &self,
        values: &dyn Array,
        other: Option<&dyn Array>,
        key: &TokenKey,
    ) -> Result<ArrayRef, MaskError> {
        let texts = text_values(values)?;
        let texts = texts.as_string::<i32>();
        let others = other.map(text_values).transpose()?;
        let others = others.as_ref().map(|others| others.as_string::<i32>());
        let mut invented = StringBuilder::new();
        for (row, text) in texts.iter().enumerate() {
            let beside = others
                .filter(|others| others.is_valid(row))
                .map(|others| others.value(row));
            invented.append_option(text.and_then(|text| match self {
                Self::Name { keep_surname, .. } => {
                    name::surrogate(text, beside, *keep_surname, key)
                }
                Self::Address { keep } => address::surrogate(text, *keep, key),
            }));
        }
        Ok(Arc::new(invented.finish()))
    }
}

/// Draws from lists, one after the other, from the keyed digest of a value.
struct Draw(u128);

impl Draw {
    /// A further draw for the same value, `round` of them before it.
    fn new(key: &TokenKey, value: &str, round: u8) -> Self {
        Self(key.digest(&[value.as_bytes(), &[0, round]].concat()))
    }

    /// One of a list that is not empty.
    fn from<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        let length = u128::try_from(list.len())
            .ok()
            .filter(|length| *length > 0)?;
        let place = usize::try_from(self.0 % length).ok()?;
        self.0 /= length;
        list.get(place).copied()
    }

    /// A number from 1 to `high`.
    fn number(&mut self, high: u128) -> u128 {
        let number = self.0 % high.max(1) + 1;
        self.0 /= high.max(1);
        number
    }
}

/// Draws for one value before it is given up that all came out as the value itself.
const ROUNDS: u8 = 16;

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use proptest::prelude::*;

    use super::*;
    use crate::key::RootKey;

    #[test]
    fn values_without_a_surrogate_become_null() {
        let name = Surrogate::Name {
            keep_surname: false,
            sex: Some("sex".to_owned()),
        };
        let root = RootKey::from_bytes([1; 32]);
        let names = StringArray::from(vec![Some("王小明"), Some("Heron"), None, Some("李")]);
        let sexes = StringArray::from(vec![Some("男"), None, Some("女"), None]);
        let key = root.surrogate(name.kind(), 1);
        let invented = name.invented(&names, Some(&sexes), &key).unwrap();
        assert_eq!(invented.null_count(), 3);
        assert_eq!(name.other(), Some("sex"));
        let later = name.invented(&names, Some(&sexes), &root.surrogate(name.kind(), 2));
        assert_ne!(&later.unwrap(), &invented);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in any::<String>(), sex in any::<String>()) {
            let (texts, sexes) = (StringArray::from(vec![text]), StringArray::from(vec![sex]));
            let key = RootKey::from_bytes([1; 32]).surrogate("name", 1);
            for surrogate in [
                Surrogate::Name { keep_surname: true, sex: Some("sex".to_owned()) },
                Surrogate::Address { keep: RegionLevel::City },
            ] {
                let invented = surrogate.invented(&texts, Some(&sexes), &key).unwrap();
                prop_assert_eq!(invented.len(), 1);
            }
        }
    }
}
