//! Counting equivalence classes batch by batch.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};

use crate::error::{MeasureError, internal};
use crate::generalise::{Hierarchy, Path, Requirement};
use crate::risk::float;
use crate::risk::histogram::Histogram;
use crate::risk::keys::{Keys, Numbering, column, index};
use crate::risk::population;
use crate::risk::report::{RiskReport, Scale, measure};
use crate::risk::special::SpecialMeter;
use crate::text::Bilingual;

/// Counts equivalence classes batch by batch. Memory grows with the number of distinct classes, not
/// with rows.
#[derive(Debug)]
pub struct RiskMeter {
    quasi: Vec<String>,
    quasi_keys: Keys,
    /// Class (digest of its values) to its number.
    classes: HashMap<u128, u32, Mixed>,
    sizes: Vec<u64>,
    sensitive: Option<Sensitive>,
    population: Option<HashMap<u128, u64>>,
    special: Option<SpecialMeter>,
}

/// The sensitive column, and its values by class.
#[derive(Debug)]
struct Sensitive {
    name: String,
    keys: Keys,
    values: Numbering,
    hierarchy: Option<Hierarchy>,
    /// By value, its place in the hierarchy.
    paths: Vec<Path>,
    /// Rows by class and value.
    cells: Cells,
}

/// Rows by class and value, in several tables: one that grows has its entries twice for a while, and the
/// others do not at the same time.
#[derive(Debug, Default)]
struct Cells([HashMap<(u32, u32), u64, Mixed>; 32]);

impl Cells {
    fn count(&mut self, class: u32, value: u32) {
        let table = index(class) % self.0.len();
        *self.0[table].entry((class, value)).or_default() += 1;
    }

    fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    fn into_rows(self) -> impl Iterator<Item = ((u32, u32), u64)> {
        self.0.into_iter().flatten()
    }
}

/// Keys that are digests, or numbers given here: nobody outside chooses them, so they need no keyed
/// hash.
type Mixed = BuildHasherDefault<Mixer>;

#[derive(Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = self.0.rotate_left(32) ^ u64::from(number);
        self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = u64::try_from(digest & u128::from(u64::MAX)).unwrap_or(0);
    }
}

impl RiskMeter {
    /// Starts a measurement over columns by name.
    pub fn new(quasi: &[String], sensitive: Option<&str>) -> Self {
        Self {
            quasi: quasi.to_vec(),
            quasi_keys: Keys::default(),
            classes: HashMap::default(),
            sizes: Vec::new(),
            sensitive: sensitive.map(Sensitive::new),
            population: None,
            special: None,
        }
    }

    /// Searches special uniques too, by up to three of the columns; the report then has
    /// [`RiskReport::special`], unless distinct rows are more than 500,000, or more than 10,000,000
    /// together with the sets of columns. Call it before the first batch.
    #[must_use]
    pub fn with_special_uniques(mut self) -> Self {
        self.special = SpecialMeter::beside(&self.quasi);
        self
    }

    /// Takes t-closeness by the hierarchical distance over the sensitive values; without it, words
    /// are equally far apart, and numbers and dates ordered. Call it before the first batch.
    #[must_use]
    pub fn with_hierarchy(mut self, hierarchy: Hierarchy) -> Self {
        if let Some(sensitive) = &mut self.sensitive {
            sensitive.hierarchy = Some(hierarchy);
        }
        self
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, `type_changed`, `value_outside_hierarchy` or `values_too_many`, naming the
    /// column; `classes_too_many` beyond four billion classes.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let keys = self.quasi_keys.rows(&self.quasi, batch)?;
        let values = match &mut self.sensitive {
            Some(sensitive) => Some(sensitive.number(batch)?),
            None => None,
        };
        for row in 0..batch.num_rows() {
            let next = u32::try_from(self.sizes.len()).map_err(|_| too_many())?;
            let class = *self.classes.entry(digest(keys.key(row))).or_insert(next);
            if class == next {
                self.sizes.push(0);
            }
            self.sizes[index(class)] += 1;
            if let (Some(sensitive), Some(values)) = (&mut self.sensitive, &values) {
                sensitive.cells.count(class, values[row]);
            }
        }
        if let Some(special) = &mut self.special {
            special.observe(batch)?;
            if !special.is_small() {
                self.special = None;
            }
        }
        Ok(())
    }

    /// Counts one batch of the population that the rows are drawn from, which has the same
    /// quasi-identifiers of the same types; the report then has [`RiskReport::population`].
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column.
    pub fn observe_population(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let keys = self.quasi_keys.rows(&self.quasi, batch)?;
        let population = self.population.get_or_insert_with(HashMap::new);
        for row in 0..batch.num_rows() {
            *population.entry(digest(keys.key(row))).or_default() += 1;
        }
        Ok(())
    }

    /// The measures. Without quasi-identifiers the whole table is one class.
    pub fn finish(self) -> RiskReport {
        let own: u64 = self.sizes.iter().sum();
        let population = self.population.map(|population| {
            let sample = self.classes.iter();
            let sample = sample.map(|(key, class)| (*key, self.sizes[index(*class)]));
            population::measure(&sample.collect(), &population)
        });
        let report = match self.sensitive {
            None => measure(
                self.quasi,
                None,
                Histogram::of_sizes(self.sizes),
                &Scale::Equal,
            ),
            Some(sensitive) => {
                let scale = sensitive.scale();
                let (name, histogram) = (sensitive.name.clone(), sensitive.histogram());
                measure(self.quasi, Some(name), histogram, &scale)
            }
        };
        let sampling = (population.as_ref()).map_or(1.0, |population| {
            float(own) / float(population.rows.max(own).max(1))
        });
        let special =
            (self.special).map(|special| special.of_sample(sampling).finish().uniques().clone());
        RiskReport {
            population,
            special,
            ..report
        }
    }
}

/// Classes that miss a requirement.
pub(super) struct Missed {
    /// What the keys of classes are made with.
    pub(super) keys: Keys,
    pub(super) classes: HashSet<u128>,
    /// Their rows.
    pub(super) rows: u64,
    /// Rows of all classes.
    pub(super) all: u64,
}

impl RiskMeter {
    /// The classes that miss a requirement, their sensitive values compared with those of all rows.
    pub(super) fn missed(self, requirement: &Requirement) -> Missed {
        let is_met: Vec<bool> = match self.sensitive {
            None => self
                .sizes
                .iter()
                .map(|size| requirement.holds_floor(*size, &[]))
                .collect(),
            Some(sensitive) => {
                let scale = sensitive.scale();
                let mut histogram = sensitive.histogram();
                let ranked = histogram.close_ranks();
                let spread = scale.spread(ranked.totals, &ranked.kept);
                let sizes = self.sizes.iter();
                sizes
                    .zip(histogram.classes())
                    .map(|(size, class)| {
                        requirement.holds_floor(*size, class)
                            && requirement.holds_spread(class, &spread)
                    })
                    .collect()
            }
        };
        let classes = self.classes.into_iter();
        let missed = classes.filter(|(_, class)| !is_met[index(*class)]);
        let (classes, numbers): (HashSet<u128>, Vec<u32>) = missed.unzip();
        Missed {
            keys: self.quasi_keys,
            classes,
            rows: numbers.iter().map(|class| self.sizes[index(*class)]).sum(),
            all: self.sizes.iter().sum(),
        }
    }
}

impl Sensitive {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            keys: Keys::default(),
            values: Numbering::default(),
            hierarchy: None,
            paths: Vec::new(),
            cells: Cells::default(),
        }
    }

    /// The number of each row's value.
    fn number(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, MeasureError> {
        let names = std::slice::from_ref(&self.name);
        let keys = self.keys.rows(names, batch)?;
        let known = self.values.len();
        let numbers = (0..batch.num_rows())
            .map(|row| self.values.number(keys.key(row), &self.name))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(hierarchy) = &self.hierarchy {
            let new = first_rows(&numbers, known, &column(batch, &self.name)?)?;
            self.paths.extend(hierarchy.paths(&self.name, &new)?);
        }
        Ok(numbers)
    }

    /// The classes with their values by rank.
    fn histogram(self) -> Histogram {
        let ranks = self.values.ranks();
        let mut cells = Vec::with_capacity(self.cells.len());
        let rows = self.cells.into_rows();
        cells.extend(rows.map(|((class, value), rows)| (class, ranks[index(value)], rows)));
        Histogram::of_cells(cells)
    }

    fn scale(&self) -> Scale {
        if self.hierarchy.is_some() {
            return Scale::hierarchical(&self.values.ranks(), &self.paths);
        }
        Scale::of(self.keys.last_type())
    }
}

/// The values numbered from `known` on, by number, each from its first row.
pub(crate) fn first_rows(
    numbers: &[u32],
    known: usize,
    values: &ArrayRef,
) -> Result<ArrayRef, MeasureError> {
    let mut rows = Vec::new();
    for (row, number) in (0u32..).zip(numbers) {
        if index(*number) == known + rows.len() {
            rows.push(row);
        }
    }
    take(values, &UInt32Array::from(rows), None).map_err(|error| internal("observe", &error))
}

/// 128 bits of SHA-256: two classes meet in one digest with a chance of 2^-64 at four billion
/// classes.
pub(super) fn digest(key: &[u8]) -> u128 {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    u128::from_be_bytes(head)
}

/// More classes than are numbered.
pub(crate) fn too_many() -> MeasureError {
    MeasureError::general(
        "classes_too_many",
        Bilingual::new(
            "准标识符的不同组合超过 40 亿",
            "the quasi-identifiers have over four billion distinct combinations",
        ),
        Bilingual::new("先对这些列归并分段", "coarsen these columns first"),
    )
}
