//! Values replaced by coarser ones, after a table that people wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};

use crate::error::MaskError;
use crate::fold::fold;
use crate::transform::text_values;

/// A value hierarchy: coarser values with the values that they stand for. A coarser value may be a
/// member of a still coarser one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueGroups {
    groups: BTreeMap<String, BTreeSet<String>>,
}

/// Why a hierarchy is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HierarchyFault {
    /// A value is a member of two coarser ones.
    Twice(String),
    /// A coarser value stands for one value only, so that it hides nothing.
    Alone(String),
    /// A value is above itself.
    Circle(String),
    /// There is no group.
    Empty,
}

impl ValueGroups {
    /// Takes coarser values with their members. Members are compared without regard to width and
    /// blanks around them.
    pub fn new(groups: BTreeMap<String, BTreeSet<String>>) -> Self {
        Self { groups }
    }

    /// Coarser values with their members.
    pub fn groups(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.groups
    }

    /// Each value with the one above it.
    fn parents(&self) -> Result<HashMap<String, &str>, HierarchyFault> {
        let mut parents = HashMap::new();
        for (group, members) in &self.groups {
            // A coarse value among its own members is one that data hold already.
            for member in members.iter().filter(|member| fold(member) != fold(group)) {
                if parents.insert(fold(member), group.as_str()).is_some() {
                    return Err(HierarchyFault::Twice(member.clone()));
                }
            }
        }
        Ok(parents)
    }

    /// Each value with the one that stands so many levels above it, or at the top.
    pub(crate) fn climbed(&self, levels: u32) -> Result<HashMap<String, String>, HierarchyFault> {
        let parents = self.parents()?;
        self.coarsens(&parents)?;
        let mut climbed: HashMap<String, String> = HashMap::new();
        for group in self.groups.keys() {
            // A value that is coarse already stays, unless it has a place below.
            climbed.insert(fold(group), group.clone());
        }
        for value in parents.keys() {
            let mut at = value.clone();
            let mut top = value.clone();
            for _ in 0..levels {
                let Some(parent) = parents.get(&at) else {
                    break;
                };
                top = (*parent).to_owned();
                at = fold(parent);
            }
            climbed.insert(value.clone(), top);
        }
        Ok(climbed)
    }

    fn coarsens(&self, parents: &HashMap<String, &str>) -> Result<(), HierarchyFault> {
        if self.groups.is_empty() {
            return Err(HierarchyFault::Empty);
        }
        for (group, members) in &self.groups {
            let folded: BTreeSet<String> = members.iter().map(|member| fold(member)).collect();
            if folded.len() < 2 {
                return Err(HierarchyFault::Alone(group.clone()));
            }
            let mut at = fold(group);
            for _ in 0..=self.groups.len() {
                match parents.get(&at) {
                    Some(parent) => at = fold(parent),
                    None => break,
                }
            }
            if parents.contains_key(&at) {
                return Err(HierarchyFault::Circle(group.clone()));
            }
        }
        Ok(())
    }
}

/// Each value's coarser one. A value that the table does not hold becomes `otherwise`, or null.
pub(crate) fn generalised(
    values: &dyn Array,
    climbed: &HashMap<String, String>,
    otherwise: Option<&str>,
) -> Result<ArrayRef, MaskError> {
    let texts = text_values(values)?;
    let mut coarser = StringBuilder::new();
    for text in texts.as_string::<i32>() {
        let found = text.map(|text| match climbed.get(text) {
            Some(value) => Some(value),
            None => climbed.get(&fold(text)),
        });
        coarser.append_option(found.and_then(|found| found.map(String::as_str).or(otherwise)));
    }
    Ok(Arc::new(coarser.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn hierarchy(groups: &[(&str, &[&str])]) -> ValueGroups {
        let groups = groups.iter().map(|(group, members)| {
            let members = members.iter().map(|member| (*member).to_owned()).collect();
            ((*group).to_owned(), members)
        });
        ValueGroups::new(groups.collect())
    }

    fn schooling() -> ValueGroups {
        hierarchy(&[
            ("高等教育", &["本科", "硕士", "博士"]),
            ("基础教育", &["小学", "初中", "高中"]),
            ("有学历", &["高等教育", "基础教育"]),
        ])
    }

    #[test]
    fn values_climb_as_far_as_asked() {
        let values = StringArray::from(vec![
            Some("硕士"),
            Some(" 小学　"),
            Some("高等教育"),
            Some("文盲"),
            None,
        ]);
        let one = generalised(&values, &schooling().climbed(1).unwrap(), Some("其他")).unwrap();
        let one: Vec<Option<&str>> = one.as_string::<i32>().iter().collect();
        assert_eq!(
            one,
            [
                Some("高等教育"),
                Some("基础教育"),
                Some("有学历"),
                Some("其他"),
                None
            ]
        );
        for levels in [2, 9] {
            let top = generalised(&values, &schooling().climbed(levels).unwrap(), None).unwrap();
            let top: Vec<Option<&str>> = top.as_string::<i32>().iter().collect();
            assert_eq!(
                top,
                [Some("有学历"), Some("有学历"), Some("有学历"), None, None]
            );
        }
        let own = hierarchy(&[("其他", &["其他", "不详"])])
            .climbed(1)
            .unwrap();
        assert_eq!(own.get("其他"), own.get("不详"));
        let codes = Int64Array::from(vec![11, 12, 99]);
        let table = hierarchy(&[("1x", &["11", "12"])]).climbed(1).unwrap();
        let codes = generalised(&codes, &table, None).unwrap();
        assert_eq!(codes.as_string::<i32>().value(1), "1x");
        assert!(codes.is_null(2));
    }

    #[test]
    fn tables_that_do_not_coarsen_are_told() {
        let cases = [
            (hierarchy(&[]), HierarchyFault::Empty),
            (
                hierarchy(&[("a", &["b"])]),
                HierarchyFault::Alone("a".to_owned()),
            ),
            (
                hierarchy(&[("a", &["b", "ｂ "])]),
                HierarchyFault::Twice("ｂ ".to_owned()),
            ),
            (
                hierarchy(&[("a", &["x", "y"]), ("b", &["x", "z"])]),
                HierarchyFault::Twice("x".to_owned()),
            ),
            (
                hierarchy(&[("a", &["b", "x"]), ("b", &["a", "y"])]),
                HierarchyFault::Circle("a".to_owned()),
            ),
            (
                hierarchy(&[("a", &["a"])]),
                HierarchyFault::Alone("a".to_owned()),
            ),
        ];
        for (table, fault) in cases {
            assert_eq!(table.climbed(1), Err(fault));
        }
    }

    proptest! {
        #[test]
        fn any_table_and_value_is_taken(groups in proptest::collection::btree_map("[a-d]", proptest::collection::btree_set("[a-f]{1,2}", 0..4), 0..4), levels in 1u32..5, value in any::<String>()) {
            if let Ok(climbed) = ValueGroups::new(groups).climbed(levels) {
                let values = StringArray::from(vec![value]);
                prop_assert_eq!(generalised(&values, &climbed, None).unwrap().len(), 1);
            }
        }
    }
}
