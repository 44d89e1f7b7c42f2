//! A checked plan over batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Fault, MaskError, internal};
use crate::key::{CipherSuite, RootKey, ValueDomain};
use crate::risk::ClassCounter;
use crate::text::Bilingual;
use crate::transform::deal::Dealt;
use crate::transform::groups::Groups;
use crate::transform::permute::{Permute, Permuter};
use crate::transform::{
    DateShift, Measure, Transform, coarsen, day, hierarchy, microaggregate, noise, redact, shift,
    shuffle, text_values,
};

/// A masked batch and what could not be masked as asked.
#[derive(Clone, Debug)]
pub struct Masked {
    /// The batch, in the plan's output schema.
    pub batch: RecordBatch,
    /// Columns with values that the transform could not take (no valid identifier, no date), and
    /// the number of rows in which such a value became null.
    pub nulled: Vec<(String, u64)>,
}

/// A checked policy, ready to mask batches of its schema.
///
/// Made by [`crate::Policy::compile`] alone, so a plan that exists is one that was not refused.
#[derive(Clone, Debug)]
pub struct MaskPlan {
    input: SchemaRef,
    output: SchemaRef,
    steps: Vec<Step>,
    cipher_suite: Option<CipherSuite>,
    quasi: Vec<String>,
    sensitive: Option<String>,
    measure: Option<Measure>,
}

/// One column of the output.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Place of the column in the input.
    pub(crate) column: usize,
    /// Places of the other columns that the transform reads.
    pub(crate) others: Vec<usize>,
    pub(crate) transform: Transform,
    /// What the transform refers to elsewhere in the policy.
    pub(crate) reference: Option<Reference>,
}

/// A part of the policy that another one refers to.
#[derive(Clone, Debug)]
pub(crate) enum Reference {
    /// The permutation of the subject's column, whose birthdays dates follow.
    Permutation(Permute, ValueDomain),
    /// A hierarchy, climbed.
    Climbed(Arc<HashMap<String, String>>),
    /// The groups of all rows, for microaggregation.
    Groups(Arc<Groups>),
    /// The values of all rows, for shuffling.
    Dealt(Arc<Dealt>),
}

impl MaskPlan {
    pub(crate) fn new(input: SchemaRef, output: SchemaRef, steps: Vec<Step>) -> Self {
        Self {
            input,
            output,
            steps,
            cipher_suite: None,
            quasi: Vec::new(),
            sensitive: None,
            measure: None,
        }
    }

    pub(crate) fn with_cipher_suite(mut self, suite: Option<CipherSuite>) -> Self {
        self.cipher_suite = suite;
        self
    }

    pub(crate) fn with_measure(
        mut self,
        (quasi, sensitive): (Vec<String>, Option<String>),
        measure: Option<Measure>,
    ) -> Self {
        self.quasi = quasi;
        self.sensitive = sensitive;
        self.measure = measure;
        self
    }

    /// The quasi-identifiers that stay in masked batches, exact or coarsened.
    pub fn quasi(&self) -> &[String] {
        &self.quasi
    }

    /// What the masked data must reach over them; the caller measures.
    pub fn measure(&self) -> Option<Measure> {
        self.measure
    }

    /// Counts the classes of masked rows, where the policy lets rows of those be left out that miss
    /// what it asks for.
    pub fn class_counter(&self) -> Option<ClassCounter> {
        let measure = self.measure?;
        let most = measure.suppress_percent_max.filter(|most| *most > 0.0)?;
        let sensitive = self.sensitive.as_deref();
        let requirement = measure.requirement(sensitive.is_some());
        Some(ClassCounter::new(&self.quasi, sensitive, requirement, most))
    }

    /// What must be said about the plan when it is used with keys of a suite: that FF1 over SM4 has
    /// no published GM/T profile.
    pub fn notes(&self, suite: CipherSuite) -> Vec<Bilingual> {
        let permutes = |step: &Step| {
            matches!(step.transform, Transform::Permute { .. })
                || matches!(step.reference, Some(Reference::Permutation(..)))
        };
        let note = suite.permutation_note();
        note.filter(|_| self.steps.iter().any(permutes))
            .into_iter()
            .collect()
    }

    /// The schema of masked batches: the kept columns in the order of the input.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    /// Columns of the output that hold intake tokens, with their value domains.
    pub fn tokens(&self) -> Vec<(String, ValueDomain)> {
        let tokens = self
            .steps
            .iter()
            .zip(self.output.fields())
            .filter_map(|(step, field)| match &step.transform {
                Transform::Token { value_domain } => {
                    Some((field.name().clone(), value_domain.clone()))
                }
                _ => None,
            });
        tokens.collect()
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Sets what a step refers to.
    pub(crate) fn refer(&mut self, place: usize, reference: Option<Reference>) {
        if let Some(step) = self.steps.get_mut(place) {
            step.reference = reference;
        }
    }

    /// Masks one batch. Null stays null; the same value gives the same result in every batch under
    /// one root key and epoch, but for `shuffle`, and without a [`crate::Survey`] for `microaggregate`: without one both work on
    /// the rows of one batch alone. A value that the transform cannot take (no
    /// valid identifier, no date) becomes null and is never passed on.
    ///
    /// Memory: the batch, its result, and at most about 100 bytes a row of the batch.
    ///
    /// # Errors
    /// `cipher_suite_differs` when the policy names another suite than the root key's, and
    /// `schema_changed` when the batch does not have the schema that the plan was made for.
    pub fn apply(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, MaskError> {
        self.apply_counted(root, epoch, batch)
            .map(|masked| masked.batch)
    }

    /// Masks one batch and counts the values that had to become null.
    ///
    /// # Errors
    /// As [`MaskPlan::apply`].
    pub fn apply_counted(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<Masked, MaskError> {
        self.check_schema(batch.schema_ref())?;
        self.check_suite(root.suite())?;
        let mut columns = Vec::with_capacity(self.steps.len());
        let mut nulled = Vec::new();
        for (step, field) in self.steps.iter().zip(self.output.fields()) {
            let input = batch.column(step.column);
            let column = step.apply(root, epoch, batch).map_err(|fault| Fault {
                column: Some(field.name().clone()),
                ..fault
            })?;
            let lost = column.null_count().saturating_sub(input.null_count());
            if lost > 0 {
                nulled.push((
                    field.name().clone(),
                    u64::try_from(lost).unwrap_or(u64::MAX),
                ));
            }
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.output_schema(), columns, &options)
            .map_err(|error| internal("apply", &error))?;
        Ok(Masked { batch, nulled })
    }

    /// Refuses keys of another suite than the one that the policy asks for.
    ///
    /// # Errors
    /// `cipher_suite_differs`.
    pub fn check_suite(&self, given: CipherSuite) -> Result<(), MaskError> {
        match self.cipher_suite {
            Some(asked) if asked != given => Err(Fault::general(
                "cipher_suite_differs",
                Bilingual::new(
                    format!(
                        "策略要求 {} 套件，密钥属于 {}",
                        asked.as_str(),
                        given.as_str()
                    ),
                    format!(
                        "the policy asks for suite {}, the root key is of {}",
                        asked.as_str(),
                        given.as_str()
                    ),
                ),
                Bilingual::new(
                    "改用该套件的根密钥，或删去策略中的 cipher_suite",
                    "use a root key of that suite, or remove cipher_suite from the policy",
                ),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_schema(&self, schema: &Schema) -> Result<(), MaskError> {
        let same = schema.fields().len() == self.input.fields().len()
            && schema
                .fields()
                .iter()
                .zip(self.input.fields())
                .all(|(given, known)| {
                    given.name() == known.name() && given.data_type() == known.data_type()
                });
        if same {
            return Ok(());
        }
        let differing = self
            .input
            .fields()
            .iter()
            .enumerate()
            .find(|(place, known)| {
                schema.fields().get(*place).is_none_or(|given| {
                    given.name() != known.name() || given.data_type() != known.data_type()
                })
            });
        let message = Bilingual::new(
            "批次的列与编译策略时的结构不同",
            "the batch has other columns than those that the policy was compiled for",
        );
        let remedy = Bilingual::new(
            "请按同一结构传入批次，或对新结构重新编译策略",
            "pass batches of that schema, or compile the policy for the new one",
        );
        Err(match differing {
            Some((_, known)) => Fault::column("schema_changed", known.name(), message, remedy),
            None => Fault::general("schema_changed", message, remedy),
        })
    }
}

impl Step {
    fn apply(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<ArrayRef, MaskError> {
        let values = batch.column(self.column);
        if let Some(column) = one_by_one(&self.transform, values) {
            return column;
        }
        match &self.transform {
            Transform::Microaggregate { rows_min } => match &self.reference {
                Some(Reference::Groups(groups)) => groups.means(values),
                _ => microaggregate::microaggregated(values, rows(*rows_min)),
            },
            Transform::Geo { geo } => {
                let other = self.others(batch).next();
                geo.cells(values, other.map(AsRef::as_ref))
            }
            Transform::Hierarchy { otherwise, .. } => match &self.reference {
                Some(Reference::Climbed(climbed)) => {
                    hierarchy::generalised(values, climbed, otherwise.as_deref())
                }
                _ => Ok(nulls(&DataType::Utf8, values.len())),
            },
            _ => self.apply_keyed(root, epoch, batch),
        }
    }

    /// The transforms that take a key.
    fn apply_keyed(
        &self,
        root: &RootKey,
        epoch: u32,
        batch: &RecordBatch,
    ) -> Result<ArrayRef, MaskError> {
        let values = batch.column(self.column);
        let schema = batch.schema_ref();
        let name = schema.field(self.column).name();
        let mut others = self.others(batch);
        match &self.transform {
            Transform::Token { value_domain } => root.intake(value_domain, epoch).tokenise(values),
            Transform::Permute {
                permute,
                value_domain,
            } => {
                let mut permuter = Permuter::new(*permute, &root.permutation(value_domain, epoch));
                let texts = text_values(values)?;
                Ok(Arc::new(permuter.column(texts.as_string::<i32>())))
            }
            Transform::ShiftDate {
                value_domain,
                shift,
                ..
            } => {
                let shifts = match others.next() {
                    Some(subjects) => self.shifts(root, epoch, (subjects, value_domain), *shift)?,
                    None => vec![None; values.len()],
                };
                Ok(shift::moved(values, &shifts))
            }
            Transform::Noise {
                noise,
                value_domain,
                ..
            } => match others.next() {
                Some(subjects) => {
                    let key = root.noise(value_domain, epoch);
                    noise::noisy(values, subjects, &key, name, noise)
                }
                None => Ok(nulls(&noise::noise_type(values.data_type()), values.len())),
            },
            Transform::Shuffle { rows_min, .. } => {
                let within: Vec<&ArrayRef> = others.collect();
                let key = root.shuffle(epoch);
                match &self.reference {
                    Some(Reference::Dealt(dealt)) => dealt.exchanged(values, &within, &key, name),
                    _ => shuffle::shuffled(values, &within, &key, name, rows(*rows_min)),
                }
            }
            Transform::Surrogate { surrogate } => {
                let key = root.surrogate(surrogate.kind(), epoch);
                surrogate.invented(values, others.next().map(AsRef::as_ref), &key)
            }
            // A plan never holds these; nothing of the column is passed on.
            _ => Ok(nulls(&DataType::Utf8, values.len())),
        }
    }

    fn shifts(
        &self,
        root: &RootKey,
        epoch: u32,
        (subjects, value_domain): (&ArrayRef, &ValueDomain),
        shift: DateShift,
    ) -> Result<Vec<Option<i64>>, MaskError> {
        match (shift, &self.reference) {
            (DateShift::Days(days), _) => {
                shift::drawn(subjects, &root.date_shift(value_domain, epoch), days)
            }
            (DateShift::Birthday, Some(Reference::Permutation(permute, domain))) => {
                let mut permuter = Permuter::new(*permute, &root.permutation(domain, epoch));
                shift::of_birthdays(subjects, &mut permuter)
            }
            (DateShift::Birthday, _) => Ok(vec![None; subjects.len()]),
        }
    }

    pub(crate) fn others<'a>(
        &'a self,
        batch: &'a RecordBatch,
    ) -> impl Iterator<Item = &'a ArrayRef> {
        self.others.iter().map(|place| batch.column(*place))
    }
}

/// The transforms that take each value alone, without a key; none where it is another one.
pub(crate) fn one_by_one(
    transform: &Transform,
    values: &ArrayRef,
) -> Option<Result<ArrayRef, MaskError>> {
    Some(match transform {
        Transform::Keep => Ok(Arc::clone(values)),
        Transform::RedactConstant { text } => Ok(redact::constant(values, text)),
        Transform::RedactMask { first, last } => redact::mask(values, *first, *last),
        Transform::RedactText => redact::text(values),
        Transform::Bin {
            width,
            origin,
            output,
        } => coarsen::bin(values, *width, *origin, *output),
        Transform::TopBottom { bottom, top } => coarsen::top_bottom(values, *bottom, *top),
        Transform::GeneraliseDate { to } => Ok(coarsen::generalise_date(values, *to).map_or_else(
            || nulls(&DataType::Date32, values.len()),
            |dates| Arc::new(dates),
        )),
        Transform::AgeBand { width, top, as_of } => {
            coarsen::age_band(values, *width, *top, as_of.and_then(day))
        }
        Transform::Region { to, as_name } => coarsen::region(values, *to, *as_name),
        _ => return None,
    })
}

fn rows(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn nulls(data_type: &DataType, length: usize) -> ArrayRef {
    arrow::array::new_null_array(data_type, length)
}

/// The type of a transform's result.
pub(crate) fn output_type(transform: &Transform, input: &DataType) -> DataType {
    match transform {
        Transform::Keep => input.clone(),
        Transform::Bin {
            width,
            origin,
            output,
        } => coarsen::bin_type(input, *width, *origin, *output),
        Transform::TopBottom { bottom, top } => coarsen::top_bottom_type(input, *bottom, *top),
        Transform::GeneraliseDate { .. } => DataType::Date32,
        Transform::ShiftDate { .. } => shift::shift_type(input),
        Transform::Noise { .. } => noise::noise_type(input),
        Transform::Microaggregate { .. } => microaggregate::mean_type(input),
        Transform::Shuffle { .. } => input.clone(),
        Transform::Geo { geo } => geo.output_type(),
        _ => DataType::Utf8,
    }
}
