//! The masked side of a push: rows masked, looked through, measured, numbered and written.

use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, AsArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use masking::{MaskPlan, RiskMeter, RiskReport, Suppression, Synthesiser, TokenKey, ValueDomain};

use super::pipeline::{Order, Report, Stop, Verdict};
use super::units::Numbering;
use crate::catalogue::{STANDING_EPOCH, invented_token};

/// Rows of a row group of a version file.
const ROW_GROUP_ROWS: usize = 131_072;
/// Highest prosecutor risk of level 3 of GB/T 42460 (k = 5).
const ACCEPTABLE_RISK: f64 = 0.2;

/// What exists only when the policy covers what the first rows showed.
pub(super) struct Masking<W: Write + Send> {
    plan: MaskPlan,
    /// The unit's column in raw batches, and the key of the tokens that are numbered.
    unit: Option<(usize, TokenKey)>,
    after: RiskMeter,
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    sample: Synthesiser,
    suppression: Option<Suppression>,
}

impl<W: Write + Send> Masking<W> {
    pub(super) fn new(
        order: &Order<'_>,
        plan: MaskPlan,
        sensitive: Option<&str>,
        sink: W,
    ) -> Result<Self, Stop> {
        let output = plan.output_schema();
        let remains = |name: &str| output.index_of(name).is_ok();
        let mut fields: Vec<Field> = output.fields().iter().map(|f| f.as_ref().clone()).collect();
        let unit = match &order.entry.unit {
            None => None,
            Some(unit) => {
                fields.push(Field::new(review::UNIT_COLUMN, DataType::UInt32, false));
                let index = order.entry.schema().index_of(&unit.column)?;
                let key = order.standing.intake(&unit.value_domain, STANDING_EPOCH);
                Some((index, key))
            }
        };
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        Ok(Masking {
            unit,
            after: RiskMeter::new(plan.quasi(), sensitive.filter(|name| remains(name)))
                .with_special_uniques(),
            writer: ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))?,
            schema,
            sample: Synthesiser::new(output, &plan.tokens(), order.seed),
            suppression: None,
            plan,
        })
    }

    /// Sets what is left out from now on.
    pub(super) fn suppress(&mut self, suppression: Option<Suppression>) {
        self.suppression = suppression;
    }

    /// Whether these are the quasi-identifiers that are measured.
    pub(super) fn measures(&self, quasi: &[String]) -> bool {
        self.plan.quasi() == quasi
    }

    /// Masks and writes rows; says how many were written.
    pub(super) fn take(
        &mut self,
        order: &Order<'_>,
        numbering: &mut Numbering,
        kept: &RecordBatch,
    ) -> Result<u64, Stop> {
        let mut masked = self.plan.apply(order.root, order.epoch, kept)?;
        let mut kept = kept.clone();
        if let Some(suppression) = &mut self.suppression {
            let stays = suppression.stays(&masked)?;
            masked = filter_record_batch(&masked, &stays)?;
            kept = filter_record_batch(&kept, &stays)?;
        }
        let rows = u64::try_from(kept.num_rows()).unwrap_or(0);
        if rows == 0 {
            return Ok(0);
        }
        self.after.observe(&masked)?;
        self.sample.observe(&masked)?;
        let mut columns: Vec<ArrayRef> = masked.columns().to_vec();
        if let Some((index, key)) = &self.unit {
            let tokens = key.tokenise(kept.column(*index))?;
            columns.push(Arc::new(numbering.number(tokens.as_string::<i32>())?));
        }
        self.writer
            .write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(rows)
    }

    pub(super) fn finish(self, order: &Order<'_>, report: &mut Report) -> Result<Verdict, Stop> {
        let after = self.after.finish();
        let level = level(&after);
        if let Some(measure) = self.plan.measure() {
            let unmet = measure.unmet(&after).into_iter();
            report
                .faults
                .extend(unmet.map(super::pipeline::masking_fault));
        }
        report.risk_after = Some(after);
        if !report.faults.is_empty() {
            return Ok(Verdict::Quarantined);
        }
        self.writer.close()?;
        let root = order.standing;
        let token = |domain: &ValueDomain, subject| invented_token(root, domain, subject);
        Ok(Verdict::Version {
            level,
            sample: self.sample.finish(order.limits.sample_rows, &token)?,
            plan: Box::new(self.plan),
        })
    }
}

/// Level of GB/T 42460 that the measures support; a compiled policy keeps no direct identifier, so
/// it is at least 2, and row-level data never reach 4.
fn level(risk: &RiskReport) -> u8 {
    if risk.prosecutor_max <= ACCEPTABLE_RISK {
        3
    } else {
        2
    }
}
