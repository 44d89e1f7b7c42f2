//! Rules for whole classes of columns.

use crate::classify::{Class, ColumnClass, Identifier};

/// The columns that a rule of `[rules.…]` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleTarget {
    /// Columns whose values are this identifier.
    Identifier(Identifier),
    /// Columns of this class that no rule for an identifier is for.
    Class(Class),
}

const CLASSES: [(&str, Class); 4] = [
    ("direct_identifier", Class::DirectIdentifier),
    ("quasi_identifier", Class::QuasiIdentifier),
    ("sensitive", Class::Sensitive),
    ("public", Class::Public),
];

impl RuleTarget {
    /// Every target, identifiers first.
    pub fn all() -> impl Iterator<Item = Self> {
        let identifiers = Identifier::ALL.into_iter().map(Self::Identifier);
        identifiers.chain(CLASSES.into_iter().map(|(_, class)| Self::Class(class)))
    }

    /// The name in a policy document: `resident_id`, `quasi_identifier`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identifier(identifier) => identifier.as_str(),
            Self::Class(class) => CLASSES
                .iter()
                .find(|(_, known)| *known == class)
                .map_or("", |(name, _)| name),
        }
    }

    /// Reads a name as documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|target| target.as_str() == name)
    }

    /// The targets that a column belongs to, the one that wins first.
    pub(super) fn of(class: &ColumnClass) -> impl Iterator<Item = Self> {
        let identifier = class.identifier.map(Self::Identifier);
        identifier
            .into_iter()
            .chain(std::iter::once(Self::Class(class.class)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_back() {
        assert_eq!(RuleTarget::all().count(), 16);
        for target in RuleTarget::all() {
            assert_eq!(RuleTarget::parse(target.as_str()), Some(target));
        }
        assert_eq!(RuleTarget::parse("nobody"), None);
    }
}
