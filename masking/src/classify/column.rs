//! From the values of a column to what the column is.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::classify::decide::{
    Counts, DISTINCT_MIN, beats_chance, candidates, confidence, decided,
};
use crate::classify::hint::{Meaning, meaning};
use crate::classify::identifier::Identifier;
use crate::classify::sketch::Sketch;
use crate::error::MeasureError;
use crate::text::Bilingual;
use crate::transform::text_values;

/// How a column must be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Names a person, an enterprise or a vehicle by itself.
    DirectIdentifier,
    /// Narrows down who it is, together with others (birth date, sex, region).
    QuasiIdentifier,
    /// Says something about somebody that must not become known (diagnosis, income).
    Sensitive,
    /// None of these.
    Public,
}

/// What the catalogue says about a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnHint {
    /// The column's name in the data.
    pub name: String,
    /// The description in the catalogue, in Chinese or English; may be empty.
    pub comment: String,
}

/// One kind of identifier that a column could be, and how likely that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The kind.
    pub identifier: Identifier,
    /// Distinct values that pass its pattern and check.
    pub passes: u64,
    /// The share of random values of this shape that would pass.
    pub null_rate: f64,
    /// Natural log of the likelihood ratio: this kind against random values.
    pub log_likelihood_ratio: f64,
    /// Log odds before looking at values, from the column's name and comment.
    pub prior_log_odds: f64,
    /// Sum of both (the ratio capped): decided when above zero.
    pub log_odds: f64,
}

/// What the decision about a column rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The column's type in the data.
    pub data_type: String,
    /// Rows seen.
    pub rows: u64,
    /// Nulls among them.
    pub nulls: u64,
    /// Distinct values, exact up to the number that is kept, estimated above.
    pub distinct: u64,
    /// Distinct values that were looked at.
    pub examined: u64,
    /// Whether too few distinct values were seen to decide by values alone.
    pub few_values: bool,
    /// What name and comment say.
    pub meaning: Option<Meaning>,
    /// Kinds with any passing value or a hint, likeliest first.
    pub candidates: Vec<Candidate>,
    /// Kinds found inside longer texts, or as lone values among others: number of values that hold
    /// one.
    pub inside_text: BTreeMap<Identifier, u64>,
    /// Why the column got its class.
    pub reason: Bilingual,
}

/// The decision about one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnClass {
    /// The column.
    pub column: String,
    /// The kind of identifier that its values are, if they are one.
    pub identifier: Option<Identifier>,
    /// How it must be handled.
    pub class: Class,
    /// From 0 to 1.
    pub confidence: f64,
    /// What the decision rests on.
    pub evidence: Evidence,
}

/// Looks at the batches of a data set and says what each column is.
#[derive(Debug)]
pub struct Classifier {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    data_type: DataType,
    meaning: Option<Meaning>,
    sketch: Sketch,
}

impl Classifier {
    /// Starts with the schema of the batches to come and what the catalogue says about them. Hints
    /// are matched by column name; a column without a hint is judged by its own name.
    pub fn new(schema: &Schema, hints: &[ColumnHint]) -> Self {
        let columns = schema.fields().iter().map(|field| {
            let comment = hints
                .iter()
                .find(|hint| hint.name == *field.name())
                .map_or("", |hint| hint.comment.as_str());
            Column {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                meaning: meaning(field.name(), comment),
                sketch: Sketch::default(),
            }
        });
        Self {
            columns: columns.collect(),
        }
    }

    /// Looks at one batch.
    ///
    /// # Errors
    /// `schema_changed` when the batch has other columns or types than the schema.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let schema = batch.schema_ref();
        let same = schema.fields().len() == self.columns.len()
            && schema
                .fields()
                .iter()
                .zip(&self.columns)
                .all(|(field, column)| {
                    *field.name() == column.name && *field.data_type() == column.data_type
                });
        if !same {
            return Err(schema_changed());
        }
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.observe(values)?;
        }
        Ok(())
    }

    /// The decisions, in the order of the schema.
    pub fn finish(self) -> Vec<ColumnClass> {
        self.columns.into_iter().map(Column::decide).collect()
    }
}

impl Column {
    fn observe(&mut self, values: &ArrayRef) -> Result<(), MeasureError> {
        if self.data_type.is_nested()
            || matches!(self.data_type, DataType::Boolean | DataType::Null)
        {
            // Such values name nobody by their form; what they mean only their column's name tells.
            for row in 0..values.len() {
                if values.is_null(row) {
                    self.sketch.null();
                } else {
                    self.sketch.rows += 1;
                }
            }
            return Ok(());
        }
        let is_text = is_text(&self.data_type);
        // Bytes that are no text hold nothing that could be found.
        let Ok(texts) = text_values(values.as_ref()) else {
            self.sketch.rows += u64::try_from(values.len()).unwrap_or(0);
            return Ok(());
        };
        for value in texts.as_string::<i32>() {
            match value {
                Some(value) => self.sketch.value(value, is_text),
                None => self.sketch.null(),
            }
        }
        Ok(())
    }

    fn decide(self) -> ColumnClass {
        let counts = self.sketch.counts();
        let candidates = candidates(&counts, self.meaning);
        let scattered = scattered(&counts, &self.sketch.inside_text);
        let verdict = verdict(&counts, &candidates, &scattered, &self);
        ColumnClass {
            column: self.name,
            identifier: verdict.identifier,
            class: verdict.class,
            confidence: verdict.confidence,
            evidence: Evidence {
                data_type: self.data_type.to_string(),
                rows: self.sketch.rows,
                nulls: self.sketch.nulls,
                distinct: self.sketch.distinct(),
                examined: counts.examined,
                few_values: counts.examined < DISTINCT_MIN,
                meaning: self.meaning,
                candidates,
                inside_text: scattered,
                reason: verdict.reason,
            },
        }
    }
}

struct Verdict {
    identifier: Option<Identifier>,
    class: Class,
    confidence: f64,
    reason: Bilingual,
}

impl Verdict {
    fn new(class: Class, confidence: f64, zh: &str, en: &str) -> Self {
        Self {
            identifier: None,
            class,
            confidence,
            reason: Bilingual::new(zh, en),
        }
    }
}

/// Values first, then identifiers inside texts, then what the name says, then the type.
fn verdict(
    counts: &Counts,
    candidates: &[Candidate],
    scattered: &BTreeMap<Identifier, u64>,
    column: &Column,
) -> Verdict {
    if let Some(candidate) = decided(candidates, counts.examined) {
        return by_values(&candidate, counts.examined);
    }
    if !scattered.is_empty() {
        return inside_text(scattered);
    }
    if counts.examined > 0 && counts.resident_15 * 5 >= counts.examined * 4 {
        return Verdict::new(
            Class::QuasiIdentifier,
            0.6,
            "形似 15 位居民身份证号，但无校验位可核；若是，请在列名或说明中写明",
            "looks like resident numbers of 15 digits, which have no check digit; if they are, say so in the \
             column's name or comment",
        );
    }
    by_meaning(counts, column)
}

fn by_values(candidate: &Candidate, examined: u64) -> Verdict {
    let class = match candidate.identifier {
        Identifier::Coordinates => Class::QuasiIdentifier,
        _ => Class::DirectIdentifier,
    };
    let title = candidate.identifier.title();
    let passes = candidate.passes;
    Verdict {
        identifier: Some(candidate.identifier),
        class,
        confidence: confidence(candidate, examined),
        reason: Bilingual::new(
            format!(
                "{examined} 个不同值中有 {passes} 个符合{}的格式与校验",
                title.zh
            ),
            format!(
                "{passes} of {examined} distinct values have the form and check of a {}",
                title.en
            ),
        ),
    }
}

/// Identifiers among values that are something else: inside texts, or as single whole values that
/// chance does not explain.
fn scattered(
    counts: &Counts,
    inside_text: &BTreeMap<Identifier, u64>,
) -> BTreeMap<Identifier, u64> {
    let mut scattered = inside_text.clone();
    let mostly_digits = counts.digits * 2 > counts.examined;
    for identifier in [
        Identifier::ResidentId,
        Identifier::CreditCode,
        Identifier::Email,
        Identifier::Plate,
        Identifier::Mobile,
    ] {
        // Among words a number of eleven digits is no accident; among numbers it may be.
        let counts_here = match identifier {
            Identifier::Mobile => !mostly_digits && counts.of(identifier) > 0,
            _ => beats_chance(identifier, counts),
        };
        if counts_here {
            *scattered.entry(identifier).or_default() += counts.of(identifier);
        }
    }
    scattered
}

fn inside_text(scattered: &BTreeMap<Identifier, u64>) -> Verdict {
    let total: u64 = scattered.values().sum();
    let strong = scattered.keys().any(|identifier| {
        matches!(
            identifier,
            Identifier::ResidentId | Identifier::CreditCode | Identifier::Email | Identifier::Plate
        )
    });
    let zh = scattered
        .keys()
        .map(|kind| kind.title().zh)
        .collect::<Vec<_>>()
        .join("、");
    let en = scattered
        .keys()
        .map(|kind| kind.title().en)
        .collect::<Vec<_>>()
        .join(", ");
    Verdict {
        identifier: None,
        class: Class::DirectIdentifier,
        confidence: if strong || total >= 10 { 0.95 } else { 0.8 },
        reason: Bilingual::new(
            format!("文本中夹有标识符：{zh}，共 {total} 处"),
            format!("texts hold identifiers: {en}, {total} in all"),
        ),
    }
}

fn by_meaning(counts: &Counts, column: &Column) -> Verdict {
    use Meaning as M;
    let named = |class, zh: &str, en: &str| Verdict::new(class, 0.8, zh, en);
    match column.meaning {
        // Numbers none of which is such an identifier disprove the name; other values may be masked
        // or foreign ones.
        Some(M::Identifier(identifier)) if is_text(&column.data_type) && counts.examined > 0 => {
            Verdict {
                reason: Bilingual::new(
                    format!(
                        "列名或说明称其为{}，但值不符合该格式",
                        identifier.title().zh
                    ),
                    format!(
                        "name or comment call it a {}, though the values have another form",
                        identifier.title().en
                    ),
                ),
                ..Verdict::new(Class::DirectIdentifier, 0.5, "", "")
            }
        }
        Some(M::SubjectNumber) => named(
            Class::DirectIdentifier,
            "列名或说明表明其为人员、企业等的编号",
            "name or comment say that it numbers persons or enterprises",
        ),
        Some(
            M::BirthDate
            | M::Age
            | M::Sex
            | M::Region
            | M::Postcode
            | M::Demographic
            | M::EventDate,
        ) => named(
            Class::QuasiIdentifier,
            "列名或说明表明其可与其他信息结合识别个人",
            "name or comment say that it narrows down who somebody is",
        ),
        Some(M::Health | M::Finance) => named(
            Class::Sensitive,
            "列名或说明表明其为敏感信息",
            "name or comment say that it is sensitive",
        ),
        _ if column.data_type.is_temporal() => Verdict::new(
            Class::QuasiIdentifier,
            0.6,
            "日期或时间类型",
            "a date or a time",
        ),
        _ => {
            let confidence = if counts.examined < DISTINCT_MIN {
                0.5
            } else {
                0.8
            };
            Verdict::new(
                Class::Public,
                confidence,
                "值、列名与说明均未显示为标识符或敏感信息",
                "neither values nor name nor comment show an identifier or anything sensitive",
            )
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn schema_changed() -> MeasureError {
    MeasureError::general(
        "schema_changed",
        Bilingual::new(
            "批次的列与分类开始时的结构不同",
            "the batch has other columns than the schema",
        ),
        Bilingual::new(
            "请按同一结构传入所有批次",
            "pass batches of one schema only",
        ),
    )
}

#[cfg(test)]
mod tests;
