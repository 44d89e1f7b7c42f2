//! Classify, compile, mask, measure.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use masking::{
    Class, Classifier, ColumnClass, Fault, MaskPlan, Policy, PolicyFound, PolicySearch, PolicyWish,
    RiskMeter, RiskReport, Suppression, UnnamedColumns, risk_columns,
};
use serde::Serialize;

use super::ahead::{each_batch, each_masked};
use super::key::MaskKey;
use super::source::{TableError, TableFile};
use super::write::RowWriter;
use crate::intake::{DataFormat, IntakeFault, ResidualScan, both};

/// What a policy does to a column of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedColumn {
    /// The column.
    pub column: String,
    /// The type of its values.
    pub kind: &'static str,
    /// What it gives away.
    pub class: Class,
    /// What is done to it; `drop` where the policy does not name it.
    pub transform: String,
    /// Whether it is in the output.
    pub kept: bool,
}

/// What came of masking a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaskOutcome {
    /// Rows written.
    pub rows: u64,
    /// Rows left out because too few others agree with them.
    pub suppressed_rows: u64,
    /// SHA-256 of the file that was written, in hex.
    pub sha256: String,
    /// Digest of the policy, in hex.
    pub policy_sha256: String,
    /// The suite of algorithms that the key is for.
    pub cipher_suite: &'static str,
    /// Commitment to the key, in hex.
    pub key_commitment: String,
    /// The epoch of the tokens.
    pub epoch: u32,
    /// Values that had to become null, by column.
    pub nulled: Vec<(String, u64)>,
    /// What the columns gave away.
    pub classes: Vec<ColumnClass>,
    /// Risk of the quasi-identifiers before.
    pub before: RiskReport,
    /// Risk of what is left of them after, measured on the rows that were written.
    pub after: RiskReport,
}

/// What the columns of a file give away; `read` counts the bytes read.
///
/// # Errors
/// The file's first fault.
pub fn scan_file(table: &TableFile, read: Arc<AtomicU64>) -> Result<Vec<ColumnClass>, TableError> {
    let mut classifier = Classifier::new(&table.schema(), &table.hints());
    each_batch(table, read, |batch| {
        classifier.observe(&batch).map_err(refused)
    })?;
    Ok(classifier.finish())
}

/// What a policy does to each column.
///
/// # Errors
/// Each reason why the policy is not safe for these columns.
pub fn plan_file(
    table: &TableFile,
    policy: &Policy,
    classes: &[ColumnClass],
) -> Result<Vec<PlannedColumn>, TableError> {
    let plan = compile(table, policy, classes)?;
    let (output, resolved) = (plan.output_schema(), policy.resolved(classes));
    let planned = table.columns().map(|(name, kind)| PlannedColumn {
        column: name.to_owned(),
        kind: kind.name(),
        class: classes
            .iter()
            .find(|class| class.column == name)
            .map_or(Class::Public, |class| class.class),
        transform: match (resolved.columns().get(name), policy.unnamed()) {
            (Some(rule), _) => rule.transform.name().to_owned(),
            (None, UnnamedColumns::Drop) => "drop".to_owned(),
            (None, UnnamedColumns::Refuse) => String::new(),
        },
        kept: output.index_of(name).is_ok(),
    });
    Ok(planned.collect())
}

/// A policy that reaches a measure on the rows of a file, and loses as little as possible. The time that may be taken is over
/// when `is_expired` says so, and then it is the best found until then.
///
/// # Errors
/// The file's first fault; columns that cannot be searched; a measure that no policy reaches.
pub fn search_file(
    table: &TableFile,
    classes: &[ColumnClass],
    wish: &PolicyWish,
    read: Arc<AtomicU64>,
    is_expired: &mut dyn FnMut() -> bool,
) -> Result<PolicyFound, TableError> {
    let mut rows = table.rows(read)?;
    let Some((_, first)) = rows.next_batch()? else {
        return Err(no_rows().into());
    };
    let mut search = PolicySearch::new(&table.schema(), classes, &first).map_err(refused)?;
    let mut next = Some(first);
    while let Some(batch) = next {
        search.observe(&batch).map_err(refused)?;
        next = rows.next_batch()?.map(|(_, batch)| batch);
    }
    let found = search.solve(wish, is_expired).map_err(refused)?;
    compile(table, &found.policy, classes).map(|_| found)
}

fn no_rows() -> IntakeFault {
    IntakeFault::new(
        "no_rows",
        both("文件没有数据行", "the file has no row of data"),
        both(
            "使用至少有一行数据的文件",
            "use a file with at least one row",
        ),
    )
}

/// The first rows, as they are and as they would be.
///
/// # Errors
/// As [`mask_file`].
pub fn preview_file(
    table: &TableFile,
    policy: &Policy,
    classes: &[ColumnClass],
    (key, epoch): (&MaskKey, u32),
    count: usize,
) -> Result<(RecordBatch, RecordBatch), TableError> {
    let plan = compile(table, policy, classes)?;
    let first = table.rows(Arc::default())?.next_batch()?;
    let before = first.map_or_else(
        || RecordBatch::new_empty(table.schema()),
        |(_, batch)| batch.slice(0, count.min(batch.num_rows())),
    );
    let after = plan.apply(&key.0, epoch, &before).map_err(refused)?;
    Ok((before, after))
}

/// Masks a file into another, which is there whole or not at all. Where the policy lets rows be left out, or
/// takes all rows together, the file is read once more for each ([`mask_passes`]).
///
/// # Errors
/// The file's first fault; a policy that is not safe for these columns, or that leaves identifiers in what it keeps; a file
/// that cannot be written.
pub fn mask_file(
    table: &TableFile,
    policy: &Policy,
    classes: Vec<ColumnClass>,
    (key, epoch): (&MaskKey, u32),
    (to, format): (&Path, DataFormat),
    read: Arc<AtomicU64>,
) -> Result<MaskOutcome, TableError> {
    let plan = surveyed(table, compile(table, policy, &classes)?, &read)?;
    let output = plan.output_schema();
    let (quasi, sensitive) = risk_columns(&policy.restated(&classes));
    let left = plan.quasi();
    let remains = |name: &String| output.index_of(name).is_ok();
    let mut before = RiskMeter::new(&quasi, sensitive.as_deref()).with_special_uniques();
    let mut after = RiskMeter::new(
        left,
        sensitive
            .as_ref()
            .filter(|name| remains(name))
            .map(String::as_str),
    )
    .with_special_uniques();
    let mut residual = ResidualScan::new(policy, &table.schema(), &classes);
    let mut suppression = suppression(table, &plan, (key, epoch), &read)?;
    let suppressed = suppression.as_ref().map_or(0, Suppression::suppressed);
    let mut writer = RowWriter::create(to, format, &output)?;
    let mut nulled: Vec<(String, u64)> = Vec::new();
    let raw = |first: u64, batch: &RecordBatch| {
        let numbers: Vec<u64> = (first..).take(batch.num_rows()).collect();
        residual.observe(batch, &numbers);
        before.observe(batch).map_err(refused)
    };
    let mask = |batch: &RecordBatch| plan.apply_counted(&key.0, epoch, batch).map_err(refused);
    each_masked(table, read, plan.takes_turns(), raw, &mask, |mut masked| {
        if let Some(suppression) = &mut suppression {
            let stays = suppression.stays(&masked.batch).map_err(refused)?;
            masked.batch = filter_record_batch(&masked.batch, &stays).map_err(failed)?;
        }
        for (column, count) in masked.nulled {
            match nulled.iter_mut().find(|(name, _)| *name == column) {
                Some((_, total)) => *total += count,
                None => nulled.push((column, count)),
            }
        }
        after.observe(&masked.batch).map_err(refused)?;
        writer.write(&masked.batch)
    })?;
    let (faults, _) = residual.finish();
    if !faults.is_empty() {
        return Err(TableError::Residual(faults));
    }
    let after = after.finish();
    let unmet = plan.measure().map(|measure| measure.unmet(&after));
    if let Some(unmet) = unmet.filter(|unmet| !unmet.is_empty()) {
        return Err(TableError::Refused(unmet));
    }
    let (written, sha256) = writer.finish()?;
    Ok(MaskOutcome {
        rows: written,
        suppressed_rows: suppressed,
        sha256,
        policy_sha256: hex::encode(policy.digest()),
        cipher_suite: key.suite().as_str(),
        key_commitment: key.commitment(),
        epoch,
        nulled,
        classes,
        before: before.finish(),
        after,
    })
}

/// The risk of a file as it is, alone and against a file of the population that its rows are drawn from; without names, over
/// the columns that look like quasi-identifiers.
///
/// # Errors
/// The first fault of either file, or a column that one does not have.
pub fn risk_file(
    table: &TableFile,
    named: Option<(Vec<String>, Option<String>)>,
    population: Option<&TableFile>,
    read: Arc<AtomicU64>,
) -> Result<RiskReport, TableError> {
    let (quasi, sensitive) = match named {
        Some(named) => named,
        None => risk_columns(&scan_file(table, Arc::clone(&read))?),
    };
    let mut meter = RiskMeter::new(&quasi, sensitive.as_deref()).with_special_uniques();
    each_batch(table, Arc::clone(&read), |batch| {
        meter.observe(&batch).map_err(refused)
    })?;
    if let Some(population) = population {
        observe_population(&mut meter, population, read)
            .map_err(|error| error.in_file(population.path()))?;
    }
    Ok(meter.finish())
}

fn observe_population(
    meter: &mut RiskMeter,
    population: &TableFile,
    read: Arc<AtomicU64>,
) -> Result<(), TableError> {
    each_batch(population, read, |batch| {
        meter.observe_population(&batch).map_err(refused)
    })
}

/// The plan with what it must know of all rows, where a transform takes them together. Reads the file once more.
fn surveyed(
    table: &TableFile,
    plan: MaskPlan,
    read: &Arc<AtomicU64>,
) -> Result<MaskPlan, TableError> {
    let Some(mut survey) = plan.survey() else {
        return Ok(plan);
    };
    each_batch(table, Arc::clone(read), |batch| {
        survey.observe(&plan, &batch).map_err(refused)
    })?;
    Ok(plan.surveyed(survey))
}

/// How often [`mask_file`] reads a file.
#[must_use]
pub fn mask_passes(policy: &Policy, classes: &[ColumnClass]) -> u64 {
    let counted = policy.measure();
    let counted = counted.is_some_and(|measure| measure.suppress_percent_max.is_some());
    1 + u64::from(counted) + u64::from(policy.takes_rows_together(classes))
}

/// What has to be left out for the policy's k, where it lets rows be left out and so few suffice.
fn suppression(
    table: &TableFile,
    plan: &MaskPlan,
    (key, epoch): (&MaskKey, u32),
    read: &Arc<AtomicU64>,
) -> Result<Option<Suppression>, TableError> {
    let Some(mut counter) = plan.class_counter() else {
        return Ok(None);
    };
    let mask = |batch: &RecordBatch| plan.apply_counted(&key.0, epoch, batch).map_err(refused);
    let raw = |_: u64, _: &RecordBatch| Ok(());
    each_masked(
        table,
        Arc::clone(read),
        plan.takes_turns(),
        raw,
        &mask,
        |masked| counter.observe(&masked.batch).map_err(refused),
    )?;
    Ok(counter.finish())
}

fn failed(error: arrow::error::ArrowError) -> TableError {
    TableError::Fault(Box::new(IntakeFault::new(
        "batch_operation",
        both(
            format!("无法处理一批数据：{error}"),
            format!("a batch cannot be processed: {error}"),
        ),
        both("报告此问题", "report this"),
    )))
}

fn compile(
    table: &TableFile,
    policy: &Policy,
    classes: &[ColumnClass],
) -> Result<MaskPlan, TableError> {
    policy
        .compile(&table.schema(), classes)
        .map_err(TableError::Refused)
}

fn refused(fault: Fault) -> TableError {
    TableError::Refused(vec![fault])
}
