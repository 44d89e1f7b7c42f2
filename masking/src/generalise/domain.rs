//! A hierarchy over the values that a column has.

use std::collections::HashMap;

use crate::generalise::hierarchy::{ANY, Path};
use crate::risk::index;

/// The values of a column, by number, at every level of its hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(crate) levels: Vec<Level>,
}

/// What the values become at one level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    /// By value, its group.
    pub(crate) groups: Vec<u32>,
    /// By group, its label; nothing for null, and at level 0, where values stay as they are.
    pub(crate) labels: Vec<Option<String>>,
}

impl Domain {
    /// The levels of values with these paths, `height` of them above the values themselves.
    pub(crate) fn new(paths: &[Path], height: usize) -> Self {
        let identity: Vec<u32> = (0..).take(paths.len()).collect();
        let values = Level {
            labels: vec![None; identity.len()],
            groups: identity,
        };
        let paths: Vec<Option<&[String]>> = paths.iter().map(Option::as_deref).collect();
        let above = (0..height).map(|level| Level::new(&paths, level));
        Self {
            levels: std::iter::once(values).chain(above).collect(),
        }
    }
}

impl Level {
    fn new(paths: &[Option<&[String]>], level: usize) -> Self {
        let any = paths.iter().flatten().any(|labels| labels[level] == ANY);
        let mut numbers: HashMap<Option<&str>, u32> = HashMap::new();
        let mut made = Self {
            groups: Vec::with_capacity(paths.len()),
            labels: Vec::new(),
        };
        for path in paths {
            // The label that stands for every value takes null in.
            let label = path.map_or(any.then_some(ANY), |labels| Some(&labels[level]));
            let next = u32::try_from(made.labels.len()).unwrap_or(u32::MAX);
            let group = *numbers.entry(label).or_insert(next);
            if group == next {
                made.labels.push(label.map(str::to_owned));
            }
            made.groups.push(group);
        }
        made
    }

    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn group(&self, value: u32) -> u32 {
        self.groups[index(value)]
    }
}

/// By level from 1 upwards, the group of each value.
pub(crate) fn groups(paths: &[Option<&[String]>]) -> Vec<Vec<u32>> {
    let height = paths.iter().flatten().map(|labels| labels.len()).max();
    let level = |level| Level::new(paths, level).groups;
    (0..height.unwrap_or(0)).map(level).collect()
}
