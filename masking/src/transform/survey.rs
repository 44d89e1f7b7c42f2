//! What two transforms must know of all rows before they mask the first: microaggregation and shuffling.
//!
//! A survey sees every batch once and keeps what is needed in bounded memory; the plan that took it up then masks batch by batch.
//! Without a survey both transforms work on the rows of one batch alone, which is what a preview shows.

use crate::error::MaskError;
use crate::transform::Transform;
use crate::transform::apply::{MaskPlan, Reference, Step};
use crate::transform::deal::ValueSurvey;
use crate::transform::groups::NumberSurvey;
use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// What a plan learns of all rows, made by [`MaskPlan::survey`].
#[derive(Debug)]
pub struct Survey {
    /// One for each step that needs it, with the step's place.
    watched: Vec<(usize, Watched)>,
}

#[derive(Debug)]
enum Watched {
    Numbers(NumberSurvey),
    Values(ValueSurvey),
}

impl MaskPlan {
    /// A survey of all rows, where a transform of the plan takes them together (`microaggregate`, `shuffle`); none where none does.
    pub fn survey(&self) -> Option<Survey> {
        let watched: Vec<_> = self
            .steps()
            .iter()
            .enumerate()
            .filter_map(|(place, step)| Some((place, watched(step)?)))
            .collect();
        (!watched.is_empty()).then_some(Survey { watched })
    }

    /// The plan with what was learned: it masks the same rows, batch by batch, as if they were one batch. A plan that shuffles deals
    /// values out one after the other, so its batches come in the order of the survey; a second pass deals the same again.
    pub fn surveyed(mut self, survey: Survey) -> Self {
        for (place, watched) in survey.watched {
            let reference = match watched {
                Watched::Numbers(numbers) => Reference::Groups(Arc::new(numbers.finish())),
                Watched::Values(values) => Reference::Dealt(Arc::new(values.finish())),
            };
            self.refer(place, Some(reference));
        }
        self
    }

    /// The plan without what was learned: for rows that are not among those surveyed.
    #[must_use]
    pub fn alone(mut self) -> Self {
        let learned: Vec<usize> = self
            .steps()
            .iter()
            .enumerate()
            .filter(|(_, step)| watched(step).is_some())
            .map(|(place, _)| place)
            .collect();
        for place in learned {
            self.refer(place, None);
        }
        self
    }

    /// Whether batches must be masked one after the other.
    pub fn takes_turns(&self) -> bool {
        let dealt = |step: &Step| matches!(step.reference, Some(Reference::Dealt(_)));
        self.steps().iter().any(dealt)
    }
}

fn watched(step: &Step) -> Option<Watched> {
    match &step.transform {
        Transform::Microaggregate { rows_min } => {
            Some(Watched::Numbers(NumberSurvey::new(*rows_min)))
        }
        Transform::Shuffle { rows_min, .. } => Some(Watched::Values(ValueSurvey::new(*rows_min))),
        _ => None,
    }
}

impl Survey {
    /// Takes a batch in the plan's input schema.
    ///
    /// # Errors
    /// `shuffle_too_many_values` when a column to shuffle has more values than a survey holds; `schema_changed`.
    pub fn observe(&mut self, plan: &MaskPlan, batch: &RecordBatch) -> Result<(), MaskError> {
        plan.check_schema(batch.schema_ref())?;
        for (place, watched) in &mut self.watched {
            let Some(step) = plan.steps().get(*place) else {
                continue;
            };
            let values = batch.column(step.column);
            match watched {
                Watched::Numbers(numbers) => numbers.observe(values)?,
                Watched::Values(dealt) => {
                    let within: Vec<&ArrayRef> = step.others(batch).collect();
                    let schema = batch.schema_ref();
                    dealt.observe(values, &within, schema.field(step.column).name())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
