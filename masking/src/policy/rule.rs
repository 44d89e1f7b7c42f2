//! Rules for whole classes of columns.

use crate::classify::{Class, ColumnClass, Identifier, Meaning};

/// The columns that a rule of `[rules.…]` is for, by its name in a policy document: an identifier
/// that their values are (`resident_id`), what their name or comment says (`birth_date`), or their
/// class (`quasi_identifier`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleTarget(&'static str);

/// Meanings that are no identifiers.
const MEANINGS: [(&str, Meaning); 14] = [
    ("document", Meaning::Document),
    ("subject_number", Meaning::SubjectNumber),
    ("birth_date", Meaning::BirthDate),
    ("event_date", Meaning::EventDate),
    ("age", Meaning::Age),
    ("sex", Meaning::Sex),
    ("region", Meaning::Region),
    ("postcode", Meaning::Postcode),
    ("demographic", Meaning::Demographic),
    ("health", Meaning::Health),
    ("finance", Meaning::Finance),
    ("serial", Meaning::Serial),
    ("amount", Meaning::Amount),
    ("remark", Meaning::Remark),
];

const CLASSES: [(&str, Class); 4] = [
    ("direct_identifier", Class::DirectIdentifier),
    ("quasi_identifier", Class::QuasiIdentifier),
    ("sensitive", Class::Sensitive),
    ("public", Class::Public),
];

impl RuleTarget {
    /// Every target: identifiers, meanings, classes.
    pub fn all() -> impl Iterator<Item = Self> {
        let identifiers = Identifier::ALL.into_iter().map(Identifier::as_str);
        let meanings = MEANINGS.into_iter().map(|(name, _)| name);
        let classes = CLASSES.into_iter().map(|(name, _)| name);
        identifiers.chain(meanings).chain(classes).map(Self)
    }

    /// The name in a policy document.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Reads a name as documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|target| target.0 == name)
    }

    /// The targets that a column belongs to, the one that wins first.
    pub(super) fn of(class: &ColumnClass) -> impl Iterator<Item = Self> {
        let identifier = class.identifier.map(Identifier::as_str);
        let meaning = class.evidence.meaning.and_then(|meaning| match meaning {
            // Named as an identifier whose values are none, or too few to tell.
            Meaning::Identifier(identifier) => Some(identifier.as_str()),
            other => named(&MEANINGS, other),
        });
        let class = named(&CLASSES, class.class);
        [identifier, meaning, class].into_iter().flatten().map(Self)
    }
}

fn named<T: PartialEq>(names: &[(&'static str, T)], wanted: T) -> Option<&'static str> {
    names
        .iter()
        .find(|(_, known)| *known == wanted)
        .map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_back() {
        assert_eq!(RuleTarget::all().count(), 39);
        for target in RuleTarget::all() {
            assert_eq!(RuleTarget::parse(target.as_str()), Some(target));
        }
        assert_eq!(RuleTarget::parse("nobody"), None);
    }
}
