//! Rules over batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};

use crate::error::{Fault, QualityError, internal};
use crate::quality::baseline::{Baseline, Shares};
use crate::quality::repair::{fits, fits_by, repair};
use crate::quality::report::{Action, Problem, QualityReport, RuleCount, RuleNote, problem, shown};
use crate::quality::rules::{Check, QualityRules, Rule, Survivor};
use crate::quality::run::{Known, Outcome, State};
use crate::quality::value::takes;
use crate::quality::{count, float_of, ratio};
use crate::text::Bilingual;

/// A checked batch.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The rows that stay, repaired.
    pub kept: RecordBatch,
    /// What was found, in the order of rows; a row that was left out has a problem that says so.
    pub problems: Vec<Problem>,
}

/// Checks and repairs the batches of one push, in the order in which they come.
#[derive(Debug)]
pub struct QualityChecker {
    rules: QualityRules,
    baseline: Baseline,
    /// None while a survey goes on, and where no rule needs one.
    survivors: Option<Survivors>,
    schema: SchemaRef,
    states: Vec<State>,
    columns: Vec<ColumnState>,
    rows_in: u64,
    rows_kept: u64,
    repaired: u64,
}

/// The rows that stay of those with one key, by the number that they have in their push.
#[derive(Clone, Debug, Default)]
pub struct Survivors(Arc<HashMap<[u8; 16], u64>>);

/// Goes through the rows of a push once, before they are checked, to choose which row of each key
/// stays: the last, the newest, the most complete.
///
/// Memory grows with the number of keys; more than sixty million are refused.
#[derive(Debug)]
pub struct QualitySurvey {
    checker: QualityChecker,
}

impl QualitySurvey {
    /// Binds rules to a schema.
    ///
    /// # Errors
    /// As [`QualityChecker::new`].
    pub fn new(rules: &QualityRules, schema: &Schema) -> Result<Self, QualityError> {
        Ok(Self {
            checker: QualityChecker::new(rules, schema)?,
        })
    }

    /// Takes what rows are compared with, as [`QualityChecker::with_baseline`] does: a row that a rule
    /// before leaves out is none to choose.
    #[must_use]
    pub fn with_baseline(mut self, baseline: Baseline) -> Self {
        self.checker = self.checker.with_baseline(baseline);
        self
    }

    /// Looks at one batch whose first row has the given number.
    ///
    /// # Errors
    /// As [`QualityChecker::check`].
    pub fn observe(&mut self, first_row: u64, batch: &RecordBatch) -> Result<(), QualityError> {
        self.checker.look(first_row, batch).map(|_| ())
    }

    /// The rows that stay.
    pub fn finish(self) -> Survivors {
        let rules = self.checker.rules.rules.iter().zip(self.checker.states);
        let mut surveyed = rules.filter(|(rule, _)| rule.check.is_surveyed());
        let best = surveyed
            .next()
            .map(|(_, state)| state.best)
            .unwrap_or_default();
        let rows = best.into_iter().map(|(key, (_, row))| (key, row));
        Survivors(Arc::new(rows.collect()))
    }
}

/// What is counted for one column.
#[derive(Clone, Debug, Default)]
struct ColumnState {
    nulls: u64,
    checked: u64,
    failed: u64,
}

impl QualityChecker {
    /// Binds rules to a schema.
    ///
    /// # Errors
    /// `column_missing`, or `type_unfit` when a rule or repair cannot take a column's type; both
    /// name rule and column.
    pub fn new(rules: &QualityRules, schema: &Schema) -> Result<Self, QualityError> {
        for repair in &rules.repairs {
            for column in &repair.columns {
                let data_type = schema
                    .field(place(schema, &repair.name, column)?)
                    .data_type();
                if !fits(&repair.kind, data_type) {
                    return Err(type_unfit(&repair.name, column, data_type));
                }
            }
            if let Some(by) = repair.kind.by() {
                let data_type = schema.field(place(schema, &repair.name, by)?).data_type();
                if !fits_by(&repair.kind, data_type) {
                    return Err(type_unfit(&repair.name, by, data_type));
                }
            }
        }
        let mut states = Vec::with_capacity(rules.rules.len());
        for rule in &rules.rules {
            let mut state = State::default();
            for column in &rule.columns {
                let place = place(schema, &rule.name, column)?;
                let data_type = schema.field(place).data_type();
                if !takes(&rule.check, data_type) {
                    return Err(type_unfit(&rule.name, column, data_type));
                }
                state.places.push(place);
            }
            if let Check::Unique(Survivor::Newest(by)) = &rule.check {
                let data_type = schema.field(place(schema, &rule.name, by)?).data_type();
                if !takes(&Check::Order { strict: false }, data_type) {
                    return Err(type_unfit(&rule.name, by, data_type));
                }
            }
            if matches!(rule.check, Check::Unique(_)) {
                let fields = state
                    .places
                    .iter()
                    .map(|place| SortField::new(schema.field(*place).data_type().clone()));
                let converter = RowConverter::new(fields.collect())
                    .map_err(|error| internal("check", &error))?;
                state.rows = Some(converter);
            }
            states.push(state);
        }
        Ok(Self {
            rules: rules.clone(),
            baseline: Baseline::default(),
            survivors: None,
            schema: Arc::new(schema.clone()),
            states,
            columns: vec![ColumnState::default(); schema.fields().len()],
            rows_in: 0,
            rows_kept: 0,
            repaired: 0,
        })
    }

    /// Compares with what was before; to be said before the first batch.
    #[must_use]
    pub fn with_baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = baseline;
        self
    }

    /// Goes by the rows that a [`QualitySurvey`] of the same rows chose; to be said before the first
    /// batch.
    #[must_use]
    pub fn with_survivors(mut self, survivors: Survivors) -> Self {
        self.survivors = Some(survivors);
        self
    }

    /// Checks one batch whose first row has the given number.
    ///
    /// # Errors
    /// `schema_changed`, `survey_missing` when a rule keeps another row of a key than its first and
    /// nobody said which, or `keys_too_many` when unique rules would hold more than sixty million
    /// keys.
    pub fn check(&mut self, first_row: u64, batch: &RecordBatch) -> Result<Checked, QualityError> {
        if self.rules.is_survey_needed() && self.survivors.is_none() {
            return Err(survey_missing());
        }
        self.look(first_row, batch)
    }

    fn look(&mut self, first_row: u64, batch: &RecordBatch) -> Result<Checked, QualityError> {
        self.check_schema(batch.schema_ref())?;
        let mut problems = Vec::new();
        let batch = self.repair(first_row, batch, &mut problems)?;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += count(values.null_count());
        }
        let mut stays = vec![true; batch.num_rows()];
        for (rule, state) in self.rules.rules.iter().zip(&mut self.states) {
            let known = Known {
                baseline: &self.baseline,
                first_row,
                survivors: self.survivors.as_ref().map(|survivors| &*survivors.0),
            };
            let outcome = state.run(rule, &batch, &stays, &known)?;
            state.checked += outcome.checked;
            state.failed += outcome.failed();
            if !matches!(rule.check, Check::NotNull) {
                note(&outcome, &mut self.columns);
            }
            for failure in outcome.failures {
                if rule.drop {
                    stays[failure.row] = false;
                }
                let column = failure
                    .column
                    .map(|place| self.schema.field(place).name().clone());
                problems.push(problem(
                    rule,
                    first_row + count(failure.row),
                    column,
                    &failure.value,
                ));
            }
        }
        problems.sort_by_key(|problem| problem.row);
        let kept = if stays.iter().all(|stays| *stays) {
            batch.clone()
        } else {
            filter_record_batch(&batch, &BooleanArray::from(stays))
                .map_err(|error| internal("check", &error))?
        };
        for (rule, state) in self.rules.rules.iter().zip(&mut self.states) {
            let place = state.places.first();
            state.whole.observe(rule, place, &kept, &self.baseline)?;
        }
        self.rows_in += count(batch.num_rows());
        self.rows_kept += count(kept.num_rows());
        Ok(Checked { kept, problems })
    }

    /// The shares of the rows that stayed, by `share_drift` rule: the baseline of the next push.
    pub fn shares(&self) -> BTreeMap<String, Shares> {
        let rules = self.rules.rules.iter().zip(&self.states);
        rules
            .filter(|(rule, _)| matches!(rule.check, Check::ShareDrift { .. }))
            .filter_map(|(rule, state)| {
                let shares = state.whole.shares()?;
                Some((rule.name.clone(), shares))
            })
            .collect()
    }

    /// Decides the rules about the push as a whole; says what there is to say of them.
    fn judge(&mut self) -> Vec<RuleNote> {
        let mut notes = Vec::new();
        for (rule, state) in self.rules.rules.iter().zip(&mut self.states) {
            let message = match state.whole.verdict(rule, self.rows_kept, &self.baseline) {
                Some(verdict) => {
                    state.checked = u64::from(verdict.passed.is_some());
                    state.failed = u64::from(verdict.passed == Some(false));
                    verdict.note
                }
                None => unreferred(rule, &self.baseline),
            };
            notes.extend(message.map(|message| RuleNote {
                rule: rule.name.clone(),
                message,
            }));
        }
        notes
    }

    /// The report.
    pub fn finish(mut self) -> QualityReport {
        let notes = self.judge();
        let counts: Vec<RuleCount> = self
            .rules
            .rules
            .iter()
            .zip(&self.states)
            .map(|(rule, state)| counted(rule, state))
            .collect();
        let blocking = self
            .rules
            .rules
            .iter()
            .zip(&self.states)
            .filter(|(rule, state)| {
                let over = ratio(state.failed, state.checked) > rule.tolerance;
                // What was to be compared and could not be is not taken for passed.
                rule.blocking && (over || unreferred(rule, &self.baseline).is_some())
            })
            .map(|(rule, _)| rule.name.clone())
            .collect();
        let dimensions = dimensions(&counts);
        let score = if dimensions.is_empty() {
            1.0
        } else {
            dimensions.values().sum::<f64>() / float_of(count(dimensions.len()))
        };
        let columns = self
            .schema
            .fields()
            .iter()
            .zip(&self.columns)
            .map(|(field, column)| (field.name().clone(), column.score(self.rows_in)))
            .collect();
        QualityReport {
            rules_version: self.rules.version(),
            rows_in: self.rows_in,
            rows_kept: self.rows_kept,
            repaired: self.repaired,
            dimensions,
            columns,
            rules: counts,
            notes,
            blocking,
            score,
        }
    }

    fn repair(
        &mut self,
        first_row: u64,
        batch: &RecordBatch,
        problems: &mut Vec<Problem>,
    ) -> Result<RecordBatch, QualityError> {
        if self.rules.repairs.is_empty() {
            return Ok(batch.clone());
        }
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for step in &self.rules.repairs {
            for name in &step.columns {
                let place = place(&self.schema, &step.name, name)?;
                let by = match step.kind.by() {
                    Some(by) => Some(Arc::clone(
                        &columns[self::place(&self.schema, &step.name, by)?],
                    )),
                    None => None,
                };
                let repaired = repair(&step.kind, &columns[place], by.as_ref())?;
                columns[place] = repaired.values;
                self.repaired += count(repaired.changed.len());
                problems.extend(repaired.changed.into_iter().map(|(row, value)| Problem {
                    row: first_row + count(row),
                    column: Some(name.clone()),
                    rule: step.name.clone(),
                    action: Action::Repaired,
                    masked_value: shown(&value),
                    message: Bilingual::new(
                        "值已规范化或填充",
                        "the value was brought to its standard form or filled in",
                    ),
                }));
            }
        }
        // A repair may make a cell null, so the columns are nullable whatever the push said.
        let fields: Vec<_> = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Schema::new_with_metadata(fields, batch.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| internal("repair", &error))
    }

    fn check_schema(&self, schema: &Schema) -> Result<(), QualityError> {
        let differs = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .find(|(place, known)| {
                schema.fields().get(*place).is_none_or(|given| {
                    given.name() != known.name() || given.data_type() != known.data_type()
                })
            });
        let message = Bilingual::new(
            "批次的列与规则所依据的结构不同",
            "the batch has other columns than the rules were bound to",
        );
        let remedy = Bilingual::new(
            "请按目录中的结构推送",
            "push the columns of the catalogue entry",
        );
        match differs {
            Some((_, known)) => Err(Fault::column(
                "schema_changed",
                known.name(),
                message,
                remedy,
            )),
            None if schema.fields().len() != self.schema.fields().len() => {
                Err(Fault::general("schema_changed", message, remedy))
            }
            None => Ok(()),
        }
    }
}

impl ColumnState {
    fn score(&self, rows: u64) -> f64 {
        (1.0 - ratio(self.nulls, rows)) * (1.0 - ratio(self.failed, self.checked))
    }
}

fn place(schema: &Schema, rule: &str, column: &str) -> Result<usize, QualityError> {
    schema.index_of(column).map_err(|_| {
        Fault::column(
            "column_missing",
            column,
            Bilingual::new(
                format!("质量规则 {rule:?} 所述的列不存在"),
                format!("quality rule {rule:?} names a column that is not there"),
            ),
            Bilingual::new("使用目录中的列名", "use a column of the catalogue entry"),
        )
    })
}

fn type_unfit(rule: &str, column: &str, data_type: &DataType) -> QualityError {
    Fault::column(
        "type_unfit",
        column,
        Bilingual::new(
            format!("质量规则 {rule:?} 不适用于类型 {data_type}"),
            format!("quality rule {rule:?} cannot take values of type {data_type}"),
        ),
        Bilingual::new("改用适合该类型的规则", "use a rule that fits the type"),
    )
}

/// Why a `reference` rule has nothing to look in; none for rules that have, and for others.
fn unreferred(rule: &Rule, baseline: &Baseline) -> Option<Bilingual> {
    if !matches!(rule.check, Check::Reference { .. }) {
        return None;
    }
    match baseline.references.get(&rule.name) {
        Some(Ok(_)) => None,
        Some(Err(why)) => Some(why.clone()),
        None => Some(Bilingual::new(
            "没有可对照的数据集",
            "there is no data set to compare with",
        )),
    }
}

fn note(outcome: &Outcome, columns: &mut [ColumnState]) {
    for (place, checked, failed) in &outcome.columns {
        if let Some(column) = columns.get_mut(*place) {
            column.checked += checked;
            column.failed += failed;
        }
    }
}

fn counted(rule: &Rule, state: &State) -> RuleCount {
    RuleCount {
        rule: rule.name.clone(),
        dimension: rule.check.dimension().to_owned(),
        columns: rule.columns.clone(),
        checked: state.checked,
        failed: state.failed,
        blocking: rule.blocking,
    }
}

fn dimensions(counts: &[RuleCount]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for count in counts {
        let (failed, checked) = sums.entry(count.dimension.clone()).or_default();
        *failed += count.failed;
        *checked += count.checked;
    }
    sums.into_iter()
        .map(|(name, (failed, checked))| (name, 1.0 - ratio(failed, checked)))
        .collect()
}

fn survey_missing() -> QualityError {
    Fault::general(
        "survey_missing",
        Bilingual::new(
            "规则要保留每个键的最后、最新或最完整的一行，而数据没有先通读一遍",
            "a rule keeps the last, newest or most complete row of a key, and the rows were not gone through before",
        ),
        Bilingual::new("报告此问题", "report this"),
    )
}
