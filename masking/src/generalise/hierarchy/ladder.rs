//! Hierarchies of which each level is a transform of a policy.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::generalise::hierarchy::{ANY, Placed};
use crate::transform::{Transform, one_by_one};

/// What a value becomes that a transform cannot take: a class of its own, so that a search counts
/// no row twice where such values and gaps are written alike.
const NONE: &str = "\u{0}";

/// Transforms from the finest upwards, each of one value at a time, then `*`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ladder(pub(super) Vec<Transform>);

impl Ladder {
    pub(super) fn height(&self) -> usize {
        self.0.len() + 1
    }

    /// The path of each value, through what the transforms write; nothing where one of them does
    /// not take such values.
    pub(super) fn paths(&self, values: &ArrayRef) -> Option<Vec<Placed>> {
        let mut columns = Vec::with_capacity(self.0.len());
        for transform in &self.0 {
            let written = one_by_one(transform, values)?.ok()?;
            columns.push(cast(&written, &DataType::Utf8).ok()?);
        }
        let path = |row: usize| {
            if values.is_null(row) {
                return Placed::Null;
            }
            let labels = columns.iter().map(|column| {
                let texts = column.as_string::<i32>();
                if texts.is_null(row) {
                    NONE.to_owned()
                } else {
                    texts.value(row).to_owned()
                }
            });
            Placed::At(labels.chain([ANY.to_owned()]).collect())
        };
        Some((0..values.len()).map(path).collect())
    }
}
