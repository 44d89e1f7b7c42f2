//! Rules about a push as a whole: its newest value, its size, its shares.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, AsArray};
use arrow::record_batch::RecordBatch;

use crate::date::{Day, days};
use crate::error::QualityError;
use crate::key::TokenKey;
use crate::quality::baseline::{Baseline, Shares};
use crate::quality::rules::{Check, Rule};
use crate::quality::{RuleNote, count, float_of};
use crate::text::Bilingual;
use crate::transform::text_values;

/// Categories of a `share_drift` rule; a column with more is none of categories.
const CATEGORIES_MAX: usize = 1000;

/// What is gathered for one rule while the batches go by.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// The newest day that is not after the commit, in days after 1970-01-01.
    newest: Option<i32>,
    /// Rows of each category, by its label.
    shares: BTreeMap<String, u64>,
}

/// What became of a rule about a push as a whole.
#[derive(Default)]
pub(super) struct Verdict {
    /// None when there was nothing to compare with.
    pub(super) passed: Option<bool>,
    /// The figures, or why there are none.
    pub(super) note: Option<Bilingual>,
}

impl Whole {
    /// Gathers what the rule needs of the rows that stay.
    pub(super) fn observe(
        &mut self,
        rule: &Rule,
        place: Option<&usize>,
        kept: &RecordBatch,
        baseline: &Baseline,
    ) -> Result<(), QualityError> {
        let Some(values) = place.map(|place| kept.column(*place)) else {
            return Ok(());
        };
        match (&rule.check, baseline.today) {
            (Check::Timely { .. }, Some(today)) => {
                let newest = days(values.as_ref())
                    .iter()
                    .flat_map(|dates| dates.iter().flatten())
                    .filter(|day| *day <= today)
                    .max();
                self.newest = self.newest.max(newest);
            }
            (Check::ShareDrift { .. }, _) => {
                if let Some(key) = &baseline.labels {
                    self.count(key, values)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts categories by their labels; one more than may be is enough to know.
    fn count(&mut self, key: &TokenKey, values: &ArrayRef) -> Result<(), QualityError> {
        let texts = text_values(values.as_ref())?;
        let mut counts: HashMap<Option<&str>, u64> = HashMap::new();
        for text in texts.as_string::<i32>() {
            *counts.entry(text).or_default() += 1;
        }
        for (text, rows) in counts {
            if self.shares.len() > CATEGORIES_MAX {
                break;
            }
            let label = text.map(|text| key.token(text.as_bytes()));
            *self.shares.entry(label.unwrap_or_default()).or_default() += rows;
        }
        Ok(())
    }

    /// The shares of a column of categories; none for a column that is none.
    pub(super) fn shares(&self) -> Option<Shares> {
        let categories = (1..=CATEGORIES_MAX).contains(&self.shares.len());
        categories.then(|| Shares::new(self.shares.clone()))
    }

    /// What becomes of the rule; none for rules about rows.
    pub(super) fn verdict(&self, rule: &Rule, rows: u64, baseline: &Baseline) -> Option<Verdict> {
        Some(match &rule.check {
            Check::RowCount { min, max } => {
                let enough = min.is_none_or(|min| rows >= min);
                let few = max.is_none_or(|max| rows <= max);
                Verdict {
                    passed: Some(enough && few),
                    note: None,
                }
            }
            Check::Timely { days } => timely(self.newest, *days, baseline),
            Check::VolumeDrift { percent } => volume(rows, *percent, baseline),
            Check::ShareDrift { max } => {
                if self.shares.len() > CATEGORIES_MAX {
                    too_many_categories()
                } else {
                    let before = baseline.shares.get(&rule.name);
                    shares(self.shares().zip(before), *max)
                }
            }
            _ => return None,
        })
    }
}

fn timely(newest: Option<i32>, days: u32, baseline: &Baseline) -> Verdict {
    let Some(today) = baseline.today else {
        return Verdict::default();
    };
    let Some(newest) = newest else {
        let note = Bilingual::new(
            "没有提交日当天或之前的日期",
            "there is no date on or before the day of the commit",
        );
        return found(false, note);
    };
    let age = i64::from(today) - i64::from(newest);
    let Day { year, month, day } = Day::from_epoch(i64::from(newest));
    let newest = format!("{year:04}-{month:02}-{day:02}");
    let note = Bilingual::new(
        format!("最新日期为 {newest}，距提交 {age} 天，最多允许 {days} 天"),
        format!("the newest date is {newest}, {age} days before the commit; {days} are allowed"),
    );
    found(age <= i64::from(days), note)
}

fn volume(rows: u64, percent: f64, baseline: &Baseline) -> Verdict {
    let Some(before) = baseline.rows.filter(|before| *before > 0) else {
        return nothing_before();
    };
    let change = (float_of(rows) / float_of(before) - 1.0) * 100.0;
    let note = Bilingual::new(
        format!("{rows} 行，上一版本 {before} 行，变化 {change:+.1}%，最多允许 {percent}%"),
        format!("{rows} rows after {before}: {change:+.1} %; {percent} % are allowed"),
    );
    found(change.abs() <= percent, note)
}

fn shares(pair: Option<(Shares, &Shares)>, max: f64) -> Verdict {
    let Some(drift) = pair.and_then(|(now, before)| now.drift_from(before)) else {
        return nothing_before();
    };
    let note = Bilingual::new(
        format!("群体稳定性指数 {drift:.3}，最多允许 {max}"),
        format!("population stability index {drift:.3}; {max} is allowed"),
    );
    found(drift <= max, note)
}

fn too_many_categories() -> Verdict {
    let note = Bilingual::new(
        format!("不同取值超过 {CATEGORIES_MAX} 个，不是分类列"),
        format!("more than {CATEGORIES_MAX} distinct values: no column of categories"),
    );
    found(false, note)
}

fn found(passed: bool, note: Bilingual) -> Verdict {
    Verdict {
        passed: Some(passed),
        note: Some(note),
    }
}

fn nothing_before() -> Verdict {
    Verdict {
        passed: None,
        note: Some(Bilingual::new(
            "没有可比较的上一版本",
            "there is no version before to compare with",
        )),
    }
}

/// A column that differs from those wanted, as a line of the report; none when nothing differs.
pub fn schema_drift(added: &[String], missing: &[String]) -> Option<RuleNote> {
    if added.is_empty() && missing.is_empty() {
        return None;
    }
    let list = |names: &[String]| {
        let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        match names.len().saturating_sub(NAMES_SHOWN) {
            0 if names.is_empty() => "-".to_owned(),
            0 => shown.join(", "),
            more => format!("{} (+{})", shown.join(", "), count(more)),
        }
    };
    let (added, missing) = (list(added), list(missing));
    Some(RuleNote {
        rule: "schema_drift".to_owned(),
        message: Bilingual::new(
            format!("多出的列：{added}；缺少的列：{missing}"),
            format!("columns added: {added}; columns missing: {missing}"),
        ),
    })
}

/// Names of columns in a line of the report.
const NAMES_SHOWN: usize = 50;
