//! One push, from its bytes to masked rows: read, check, classify, mask, number, measure, write.
//!
//! A pure function of the push, the entry, the policy and the keys: it knows no database, and
//! running it again gives the same rows. It runs on a thread of its own and holds one batch.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::parquet::errors::ParquetError;
use arrow::array::{Array, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use masking::{
    Action, Baseline, Classifier, ColumnClass, MaskPlan, Policy, Problem, QualityReport, RiskMeter,
    RiskReport, RootKey, Shares, Suppression, Survivors, risk_columns,
};

use super::limits::IntakeLimits;
use super::masked::Masking;
use super::reader::{IntakeFault, ReadError, TextEncoding, TypedBatch, both};
use super::residual::ResidualScan;
use super::units::{Numbering, UnitsError};
use crate::catalogue::{CatalogueEntry, STANDING_EPOCH};

/// Rows that are looked at before the first is masked, to know the quasi-identifiers to measure.
const LOOK_ROWS: u64 = 65_536;

/// What the pipeline is to do.
pub(crate) struct Order<'a> {
    pub(crate) entry: &'a CatalogueEntry,
    /// None: everything is checked and classified, and the push waits in quarantine.
    pub(crate) policy: Option<&'a Policy>,
    /// The root of the intake key's epoch, and the epoch.
    pub(crate) root: &'a RootKey,
    pub(crate) epoch: u32,
    /// Numbers privacy units and makes the tokens of samples, whatever the epoch.
    pub(crate) standing: &'a RootKey,
    pub(crate) limits: &'a IntakeLimits,
    pub(crate) seed: &'a [u8],
    /// What the quality rules compare with.
    pub(crate) baseline: &'a Baseline,
}

/// How far it is, for whoever asks meanwhile, and the wish that it end.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Rows checked.
    pub(crate) rows: AtomicU64,
    /// The platform is closing.
    pub(crate) stop: AtomicBool,
}

/// Why it stopped without a decision about the push.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    #[error("the push could not be read from storage")]
    Source(#[source] std::io::Error),
    #[error("the version could not be written")]
    Sink(#[source] ParquetError),
    #[error("a batch could not be processed: {0}")]
    Batch(String),
    #[error(transparent)]
    Units(#[from] UnitsError),
    #[error("the platform is closing")]
    Stopped,
}

/// What was found out about a push, whatever becomes of it.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) rows_in: u64,
    pub(crate) rows_kept: u64,
    pub(crate) problems: Vec<Problem>,
    pub(crate) problems_total: u64,
    /// Problem records of each rule, all of them.
    pub(crate) problems_by_rule: BTreeMap<String, u64>,
    pub(crate) quality: Option<QualityReport>,
    /// Shares of categories by rule, for the drift of the next version.
    pub(crate) shares: BTreeMap<String, Shares>,
    pub(crate) classes: Vec<ColumnClass>,
    pub(crate) risk_before: Option<RiskReport>,
    pub(crate) risk_after: Option<RiskReport>,
    /// Rows left out because too few others agree with them.
    pub(crate) rows_suppressed: u64,
    pub(crate) encoding: Option<TextEncoding>,
    /// Why it is rejected or in quarantine.
    pub(crate) faults: Vec<IntakeFault>,
}

/// What becomes of the push.
pub(crate) enum Verdict {
    /// The rows written are a version.
    Version {
        /// Level of GB/T 42460.
        level: u8,
        /// Sample rows in the output schema, without control columns.
        sample: RecordBatch,
        /// The plan that masked them.
        plan: Box<MaskPlan>,
    },
    /// Read, but not clean: the policy does not cover it.
    Quarantined,
    /// No data of this entry, or a blocking rule failed.
    Rejected,
}

/// A reader of the push; it is opened twice.
pub(crate) trait Batches {
    fn next_batch(&mut self) -> Result<Option<TypedBatch>, ReadError>;
    fn encoding(&self) -> Option<TextEncoding>;
}

/// Runs the pipeline; rows go to `sink` as Parquet, and are of use only with a version verdict.
///
/// # Errors
/// Storage that fails or an arithmetic limit; faults of the push are a verdict.
pub(crate) fn run<B: Batches, W: Write + Send>(
    order: &Order<'_>,
    mut open: impl FnMut() -> Result<B, ReadError>,
    numbering: &mut Numbering,
    sink: W,
    progress: &Progress,
) -> Result<(Verdict, Report), PipelineError> {
    let mut report = Report::default();
    match attempt(order, &mut open, numbering, sink, progress, &mut report) {
        Ok(verdict) => Ok((verdict, report)),
        Err(Stop::Fault(fault)) => {
            report.faults.push(*fault);
            Ok((Verdict::Rejected, report))
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}

pub(crate) enum Stop {
    Fault(Box<IntakeFault>),
    Failed(PipelineError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fault(fault) => Stop::Fault(fault),
            ReadError::Source(error) => Stop::Failed(PipelineError::Source(error)),
        }
    }
}

impl From<masking::QualityError> for Stop {
    fn from(fault: masking::QualityError) -> Self {
        Stop::Fault(Box::new(masking_fault(fault)))
    }
}

impl From<PipelineError> for Stop {
    fn from(error: PipelineError) -> Self {
        Stop::Failed(error)
    }
}

impl From<UnitsError> for Stop {
    fn from(error: UnitsError) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<ParquetError> for Stop {
    fn from(error: ParquetError) -> Self {
        Stop::Failed(PipelineError::Sink(error))
    }
}

impl From<ArrowError> for Stop {
    fn from(error: ArrowError) -> Self {
        Stop::Failed(PipelineError::Batch(error.to_string()))
    }
}

fn attempt<B: Batches, W: Write + Send>(
    order: &Order<'_>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    numbering: &mut Numbering,
    sink: W,
    progress: &Progress,
    report: &mut Report,
) -> Result<Verdict, Stop> {
    let looked = look(order, open()?)?;
    let survivors = survey(order, open, progress)?;
    let plan = match compile(order, &looked) {
        Ok(plan) => Ok(surveyed(order, plan, survivors.as_ref(), open, progress)?),
        Err(faults) => Err(faults),
    };
    let mut reader = open()?;
    report.encoding = reader.encoding();
    let suppression = match &plan {
        Ok(plan) => suppression(order, plan, survivors.as_ref(), open, progress)?,
        Err(_) => None,
    };
    let checker = quality_checker(order, survivors)?;
    let mut pass = Pass::new(order, (&looked, checker), plan, numbering, sink)?;
    if let Ok(masked) = &mut pass.masked {
        masked.suppress(suppression);
    }
    while let Some(typed) = reader.next_batch()? {
        report.rows_in += rows_of(&typed.batch);
        pass.take(typed, report)?;
        progress.rows.store(report.rows_in, Ordering::Relaxed);
        if progress.stop.load(Ordering::Relaxed) {
            return Err(PipelineError::Stopped.into());
        }
    }
    pass.finish(report)
}

/// The plan with what it must know of all rows, where a transform takes them together. Costs a pass of its own.
fn surveyed<B: Batches>(
    order: &Order<'_>,
    plan: MaskPlan,
    survivors: Option<&Survivors>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    progress: &Progress,
) -> Result<MaskPlan, Stop> {
    let Some(mut survey) = plan.survey() else {
        return Ok(plan);
    };
    each_surviving(order, survivors, open, progress, |kept| {
        Ok(survey.observe(&plan, kept)?)
    })?;
    Ok(plan.surveyed(survey))
}

/// What has to be left out for the policy's k, where it lets rows be left out and so few suffice. Costs a pass of its own.
fn suppression<B: Batches>(
    order: &Order<'_>,
    plan: &MaskPlan,
    survivors: Option<&Survivors>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    progress: &Progress,
) -> Result<Option<Suppression>, Stop> {
    let Some(mut counter) = plan.class_counter() else {
        return Ok(None);
    };
    each_surviving(order, survivors, open, progress, |kept| {
        counter.observe(&plan.apply(order.root, order.epoch, kept)?)?;
        Ok(())
    })?;
    Ok(counter.finish())
}

/// Which row of each key stays, where a quality rule keeps another than the first. Costs a pass of its own.
fn survey<B: Batches>(
    order: &Order<'_>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    progress: &Progress,
) -> Result<Option<Survivors>, Stop> {
    let Some(survey) = order
        .entry
        .quality_survey()
        .map_err(|finding| refused_rules(*finding))?
    else {
        return Ok(None);
    };
    let mut survey = survey.with_baseline(order.baseline.clone());
    let mut reader = open()?;
    while let Some(typed) = reader.next_batch()? {
        survey.observe(typed.first_row, &typed.batch)?;
        if progress.stop.load(Ordering::Relaxed) {
            return Err(PipelineError::Stopped.into());
        }
    }
    Ok(Some(survey.finish()))
}

/// The rows that a push would keep, batch by batch, before they are masked.
pub(super) fn each_kept<B: Batches>(
    order: &Order<'_>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    progress: &Progress,
    mut take: impl FnMut(&RecordBatch) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let survivors = survey(order, open, progress)?;
    each_surviving(order, survivors.as_ref(), open, progress, |kept| take(kept))
}

fn each_surviving<B: Batches>(
    order: &Order<'_>,
    survivors: Option<&Survivors>,
    open: &mut impl FnMut() -> Result<B, ReadError>,
    progress: &Progress,
    mut take: impl FnMut(&RecordBatch) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut checker = quality_checker(order, survivors.cloned())?;
    let mut reader = open()?;
    while let Some(typed) = reader.next_batch()? {
        let kept = checker.check(typed.first_row, &typed.batch)?.kept;
        let (kept, _) = with_units(order, kept)?;
        take(&kept)?;
        if progress.stop.load(Ordering::Relaxed) {
            return Err(PipelineError::Stopped.into());
        }
    }
    Ok(())
}

fn quality_checker(
    order: &Order<'_>,
    survivors: Option<Survivors>,
) -> Result<masking::QualityChecker, Stop> {
    let checker = order
        .entry
        .quality_checker()
        .map_err(|finding| refused_rules(*finding))?;
    let checker = checker.with_baseline(order.baseline.clone());
    Ok(match survivors {
        Some(survivors) => checker.with_survivors(survivors),
        None => checker,
    })
}

fn refused_rules(finding: review::Finding) -> Stop {
    Stop::Fault(Box::new(IntakeFault::new(
        &finding.rule,
        finding.reason,
        finding.remedy,
    )))
}

/// The rows that speak of somebody, and which of the given rows they are; none where all are.
fn with_units(
    order: &Order<'_>,
    kept: RecordBatch,
) -> Result<(RecordBatch, Option<BooleanArray>), Stop> {
    let Some(unit) = &order.entry.unit else {
        return Ok((kept, None));
    };
    let key = order.standing.intake(&unit.value_domain, STANDING_EPOCH);
    let index = kept.schema().index_of(&unit.column)?;
    // The key decides what is blank, so that it and the numbering never disagree.
    let tokens = key.tokenise(kept.column(index))?;
    if tokens.null_count() == 0 {
        return Ok((kept, None));
    }
    let named: BooleanArray = (0..tokens.len())
        .map(|row| Some(tokens.is_valid(row)))
        .collect();
    Ok((filter_record_batch(&kept, &named)?, Some(named)))
}

/// Classes from the first rows, so that the full pass knows what to measure and to refuse.
fn look<B: Batches>(order: &Order<'_>, mut reader: B) -> Result<Vec<ColumnClass>, Stop> {
    let mut classifier = Classifier::new(&order.entry.schema(), &order.entry.hints());
    let mut rows = 0;
    while rows < LOOK_ROWS
        && let Some(typed) = reader.next_batch()?
    {
        classifier.observe(&typed.batch)?;
        rows += rows_of(&typed.batch);
    }
    Ok(with_declared(order.entry, classifier.finish()))
}

/// The classifier's decisions, made stricter where the entry says more.
pub(crate) fn with_declared(
    entry: &CatalogueEntry,
    mut classes: Vec<ColumnClass>,
) -> Vec<ColumnClass> {
    for class in &mut classes {
        let declared = entry.column(&class.column).and_then(|column| column.class);
        // A bureau may know that a column says more than it shows; that it says less it may only think. Classes sort from the
        // strictest: a quasi-identifier that is declared sensitive stays one, or it would drop out of what is measured.
        if let Some(declared) = declared.filter(|declared| *declared < class.class) {
            class.class = declared;
            class.confidence = 1.0;
            class.evidence.reason = both("目录中如此声明", "declared so in the catalogue entry");
        }
    }
    classes
}

fn compile(order: &Order<'_>, classes: &[ColumnClass]) -> Result<MaskPlan, Vec<IntakeFault>> {
    let Some(policy) = order.policy else {
        return Err(vec![no_policy()]);
    };
    policy
        .compile(&order.entry.schema(), classes)
        .map_err(|faults| faults.into_iter().map(masking_fault).collect())
}

/// The state of the full pass.
struct Pass<'a, W: Write + Send> {
    order: &'a Order<'a>,
    numbering: &'a mut Numbering,
    checker: masking::QualityChecker,
    classifier: Classifier,
    before: RiskMeter,
    residual: ResidualScan,
    masked: Result<Masking<W>, Vec<IntakeFault>>,
}

impl<'a, W: Write + Send> Pass<'a, W> {
    fn new(
        order: &'a Order<'a>,
        (classes, checker): (&[ColumnClass], masking::QualityChecker),
        plan: Result<MaskPlan, Vec<IntakeFault>>,
        numbering: &'a mut Numbering,
        sink: W,
    ) -> Result<Self, Stop> {
        let restated = order
            .policy
            .map_or_else(|| classes.to_vec(), |policy| policy.restated(classes));
        let (quasi, sensitive) = risk_columns(&restated);
        let masked = match plan {
            Ok(plan) => Ok(Masking::new(order, plan, sensitive.as_deref(), sink)?),
            Err(faults) => Err(faults),
        };
        Ok(Pass {
            order,
            numbering,
            checker,
            classifier: Classifier::new(&order.entry.schema(), &order.entry.hints()),
            before: RiskMeter::new(&quasi, sensitive.as_deref()).with_special_uniques(),
            residual: ResidualScan::new(
                order.policy.unwrap_or(&Policy::default()),
                &order.entry.schema(),
                classes,
            ),
            masked,
        })
    }

    fn take(&mut self, typed: TypedBatch, report: &mut Report) -> Result<(), Stop> {
        report.note(typed.problems, self.order.limits);
        let checked = self.checker.check(typed.first_row, &typed.batch)?;
        let rows = kept_rows(typed.first_row, &typed.batch, &checked);
        report.note(checked.problems, self.order.limits);
        let (kept, rows) = self.drop_unitless(checked.kept, rows, report)?;
        report.rows_kept += rows_of(&kept);
        self.classifier.observe(&kept)?;
        self.before.observe(&kept)?;
        self.residual.observe(&kept, &rows);
        if let Ok(masked) = &mut self.masked {
            let written = masked.take(self.order, self.numbering, &kept)?;
            let left_out = rows_of(&kept) - written;
            report.rows_kept -= left_out;
            report.rows_suppressed += left_out;
        }
        Ok(())
    }

    /// Leaves out rows that speak of nobody: egress could not count whom they are about.
    fn drop_unitless(
        &self,
        kept: RecordBatch,
        rows: Vec<u64>,
        report: &mut Report,
    ) -> Result<(RecordBatch, Vec<u64>), Stop> {
        let Some(unit) = &self.order.entry.unit else {
            return Ok((kept, rows));
        };
        let (kept, named) = with_units(self.order, kept)?;
        let Some(named) = named else {
            return Ok((kept, rows));
        };
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for (row, named) in rows.into_iter().zip(&named) {
            if named == Some(true) {
                with.push(row)
            } else {
                without.push(unitless(row, &unit.column))
            }
        }
        report.note(without, self.order.limits);
        Ok((kept, with))
    }

    fn finish(self, report: &mut Report) -> Result<Verdict, Stop> {
        report.shares = self.checker.shares();
        let quality = self.checker.finish();
        report.classes = with_declared(self.order.entry, self.classifier.finish());
        report.risk_before = Some(self.before.finish());
        let blocked = blocking(&quality);
        report.quality = Some(quality);
        if !blocked.is_empty() {
            report.faults.extend(blocked);
            return Ok(Verdict::Rejected);
        }
        if report.rows_kept == 0 {
            report.faults.push(no_rows(report.rows_in));
            return Ok(Verdict::Rejected);
        }
        let (faults, problems) = self.residual.finish();
        report.note(problems, self.order.limits);
        report.faults.extend(faults);
        let masked = match self.masked {
            Ok(masked) => masked,
            Err(faults) => {
                report.faults.extend(faults);
                return Ok(Verdict::Quarantined);
            }
        };
        // What the whole push showed may be more than what its first rows did.
        match compile(self.order, &report.classes) {
            Err(faults) => report.faults.extend(faults),
            Ok(plan) if masked.measures(plan.quasi()) => {}
            Ok(plan) => report.faults.push(quasi_found_late(plan.quasi())),
        }
        masked.finish(self.order, report)
    }
}

impl Report {
    /// Keeps problems with their place up to the limit, and counts all.
    pub(super) fn note(&mut self, problems: Vec<Problem>, limits: &IntakeLimits) {
        self.problems_total += u64::try_from(problems.len()).unwrap_or(0);
        for problem in &problems {
            match self.problems_by_rule.get_mut(&problem.rule) {
                Some(count) => *count += 1,
                None => {
                    self.problems_by_rule.insert(problem.rule.clone(), 1);
                }
            }
        }
        let kept = u64::try_from(self.problems.len()).unwrap_or(u64::MAX);
        let room = usize::try_from(limits.problems_kept_max.saturating_sub(kept)).unwrap_or(0);
        self.problems.extend(problems.into_iter().take(room));
    }
}

/// The numbers of the rows that a check kept: all but those it says it dropped.
fn kept_rows(first: u64, batch: &RecordBatch, checked: &masking::Checked) -> Vec<u64> {
    let dropped: HashSet<u64> = checked
        .problems
        .iter()
        .filter(|problem| problem.action == Action::Dropped)
        .map(|problem| problem.row)
        .collect();
    let rows = (first..)
        .take(batch.num_rows())
        .filter(|row| !dropped.contains(row));
    let mut rows: Vec<u64> = rows.collect();
    rows.resize(checked.kept.num_rows(), first);
    rows
}

fn rows_of(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.num_rows()).unwrap_or(0)
}

pub(super) fn masking_fault(fault: masking::Fault) -> IntakeFault {
    let mut converted = IntakeFault::new(&fault.code, fault.message, fault.remedy);
    converted.column = fault.column;
    converted
}

/// The rule of a fault that stands for a quality rule.
pub(super) const BLOCKING_RULE: &str = "blocking_rule";

fn blocking(quality: &QualityReport) -> Vec<IntakeFault> {
    let fault = |rule: &String| {
        let counts = quality.rules.iter().find(|count| count.rule == *rule);
        let (failed, checked) = counts.map_or((0, 0), |count| (count.failed, count.checked));
        let columns = counts
            .map(|count| count.columns.join(", "))
            .filter(|c| !c.is_empty());
        let mut fault = IntakeFault::new(
            BLOCKING_RULE,
            both(
                format!("阻断性质量规则 {rule} 未通过：{checked} 行中 {failed} 行不合格"),
                format!("blocking quality rule {rule} failed: {failed} of {checked} rows"),
            ),
            both(
                "按问题清单更正数据后重新推送",
                "correct the data by the problem list and push again",
            ),
        );
        fault.column = columns;
        fault
    };
    quality.blocking.iter().map(fault).collect()
}

fn no_policy() -> IntakeFault {
    IntakeFault::new(
        "policy_missing",
        both(
            "该数据集还没有脱敏策略",
            "the data set has no masking policy yet",
        ),
        both(
            "由安全管理员设置策略（可参考建议的策略），再提交该推送",
            "let the security admin set a policy (one is suggested), then commit the push again",
        ),
    )
}

fn quasi_found_late(quasi: &[String]) -> IntakeFault {
    let quasi = quasi.join(", ");
    IntakeFault::new(
        "quasi_identifiers_found_late",
        both(
            format!("整份数据的准标识符为 {quasi}，与前 {LOOK_ROWS} 行所示不同，未按其度量"),
            format!(
                "the quasi-identifiers of all rows are {quasi}, not those of the first {LOOK_ROWS}, and were not measured together"
            ),
        ),
        both(
            "在目录中为这些列声明 class，再提交该推送",
            "declare the class of these columns in the catalogue entry, then commit the push again",
        ),
    )
}

fn no_rows(rows_in: u64) -> IntakeFault {
    if rows_in == 0 {
        return IntakeFault::new(
            "no_rows",
            both(
                "文件中只有表头，没有数据行",
                "the file has columns and no row of data",
            ),
            both("推送至少一行数据", "push data with at least one row"),
        );
    }
    IntakeFault::new(
        "no_rows",
        both("没有可用的行", "no row is left"),
        both(
            "推送至少一行可用的数据",
            "push data with at least one usable row",
        ),
    )
}

fn unitless(row: u64, column: &str) -> Problem {
    Problem {
        row,
        column: Some(column.to_owned()),
        rule: "unit_missing".to_owned(),
        action: Action::Dropped,
        masked_value: String::new(),
        message: both(
            format!("第 {row} 行 {column} 列为空，无法确定隐私单元，已剔除"),
            format!(
                "row {row}: column {column} is empty, so nobody can be named; the row is left out"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use masking::Class;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_declared_class_makes_a_column_stricter_and_never_laxer() {
        let entry: CatalogueEntry = serde_json::from_value(json!({
            "name": "visits",
            "title": { "zh": "就诊", "en": "visits" },
            "provider": crate::id::OrganisationId::new(&crate::clock::SystemClock, &crate::clock::SystemEntropy).to_string(),
            "industry": "卫生健康",
            "columns": [
                { "name": "age", "type": "int64", "comment": "年龄", "class": "sensitive" },
                { "name": "sex", "type": "string", "comment": "性别", "class": "public" },
                { "name": "ward", "type": "string", "comment": "病区", "class": "quasi_identifier" },
            ],
        }))
        .unwrap();
        let found = Classifier::new(&entry.schema(), &entry.hints()).finish();
        let classes: Vec<Class> = with_declared(&entry, found)
            .iter()
            .map(|class| class.class)
            .collect();
        assert_eq!(classes, [Class::QuasiIdentifier; 3]);
    }
}
