//! From the values of a column to what the column is.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, downcast_primitive_array};
use arrow::datatypes::{DataType, Schema, ToByteSlice};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::classify::decide::{
    Counts, DISTINCT_MIN, beats_chance, candidates, confidence, decided, may_be_names,
};
use crate::classify::hint::{Meaning, datum, names_document_kind};
use crate::classify::identifier::Identifier;
use crate::classify::sketch::{Sketch, hash};
use crate::classify::table::Tables;
use crate::classify::text::Scanner;
use crate::classify::value::{Trait, passes};
use crate::error::MeasureError;
use crate::text::Bilingual;
use crate::transform::{Datum, text_values};

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
    /// For coordinates: the datum that name or comment state; from values it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<Datum>,
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
///
/// Every text is looked into for identifiers until its column is clearly one itself. What is kept is
/// bounded: a sample of at most 4,096 distinct values a column, as hashes.
#[derive(Debug)]
pub struct Classifier {
    tables: Arc<Tables>,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    data_type: DataType,
    meaning: Option<Meaning>,
    datum: Option<Datum>,
    sketch: Sketch,
}

impl Classifier {
    /// Starts with the schema of the batches to come and what the catalogue says about them. Hints
    /// are matched by column name; a column without a hint is judged by its own name.
    pub fn new(schema: &Schema, hints: &[ColumnHint]) -> Self {
        Self::with_tables(schema, hints, Arc::clone(Tables::in_use()))
    }

    /// The same with other tables than those in use.
    pub fn with_tables(schema: &Schema, hints: &[ColumnHint], tables: Arc<Tables>) -> Self {
        let mut columns: Vec<Column> = Vec::with_capacity(schema.fields().len());
        let mut after_document_kind = false;
        for field in schema.fields() {
            let comment = hints
                .iter()
                .find(|hint| hint.name == *field.name())
                .map_or("", |hint| hint.comment.as_str());
            let document = after_document_kind.then_some(Meaning::Document);
            columns.push(Column {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                meaning: tables.hints.meaning(field.name(), comment).or(document),
                datum: datum(field.name(), comment),
                sketch: Sketch::default(),
            });
            after_document_kind = names_document_kind(field.name(), comment);
        }
        Self { tables, columns }
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
        let mut scanner = Scanner::new(&self.tables);
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.observe(&mut scanner, values);
        }
        Ok(())
    }

    /// The decisions, in the order of the schema.
    pub fn finish(self) -> Vec<ColumnClass> {
        let degrees: Vec<Option<Axis>> = self.columns.iter().map(Column::axis).collect();
        let mut classes: Vec<ColumnClass> = self.columns.into_iter().map(Column::decide).collect();
        beside_coordinates(&mut classes, &degrees);
        classes
    }
}

/// Which of two coordinates the numbers of a column could be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    Longitude,
    Latitude,
}

/// A column without a name of its own beside one of the other axis is the second half of a pair.
fn beside_coordinates(classes: &mut [ColumnClass], axes: &[Option<Axis>]) {
    for place in 0..classes.len() {
        let class = &classes[place];
        let unsaid = class.identifier.is_none() && class.evidence.meaning.is_none();
        let neighbours = [place.checked_sub(1), Some(place + 1)];
        let pair = neighbours.into_iter().flatten().find(|neighbour| {
            let other = classes.get(*neighbour).filter(|other| {
                other.identifier == Some(Identifier::Coordinates)
                    && other.evidence.meaning.is_some()
            });
            other.is_some() && axes[place].is_some() && axes[place] != axes[*neighbour]
        });
        if let Some(pair) = pair.filter(|_| unsaid) {
            let datum = classes[pair].evidence.datum;
            let class = &mut classes[place];
            class.identifier = Some(Identifier::Coordinates);
            class.class = Class::QuasiIdentifier;
            class.confidence = 0.9;
            class.evidence.datum = class.evidence.datum.or(datum);
            class.evidence.reason = Bilingual::new(
                "与相邻的坐标列构成经纬度",
                "makes a pair of coordinates with the column beside it",
            );
        }
    }
}

impl Column {
    fn observe(&mut self, scanner: &mut Scanner<'_>, values: &ArrayRef) {
        if self.data_type.is_nested()
            || matches!(self.data_type, DataType::Boolean | DataType::Null)
        {
            // Such values name nobody by their form; what they mean only their column's name tells.
            let nulls = u64::try_from(values.logical_null_count()).unwrap_or(0);
            self.sketch.nulls += nulls;
            self.sketch.rows += u64::try_from(values.len()).unwrap_or(0);
            return;
        }
        if self.data_type.is_primitive() {
            self.observe_numbers(scanner.tables(), values);
        } else {
            self.observe_texts(scanner, values);
        }
    }

    /// Numbers and dates are written out only when they join the sample.
    fn observe_numbers(&mut self, tables: &Tables, values: &ArrayRef) {
        let sketch = &mut self.sketch;
        let text = |row: usize| {
            let texts = text_values(values.slice(row, 1).as_ref()).ok()?;
            let texts = texts.as_string::<i32>();
            texts.is_valid(0).then(|| texts.value(0).to_owned())
        };
        downcast_primitive_array!(
            values => {
                for row in 0..values.len() {
                    if values.is_null(row) {
                        sketch.null();
                    } else {
                        let bytes = hash(values.value(row).to_byte_slice());
                        sketch.value(tables, bytes, || text(row));
                    }
                }
            }
            _ => {}
        );
    }

    fn observe_texts(&mut self, scanner: &mut Scanner<'_>, values: &ArrayRef) {
        // Bytes that are no text hold nothing that could be found.
        let Ok(texts) = text_values(values.as_ref()) else {
            self.sketch.rows += u64::try_from(values.len()).unwrap_or(0);
            return;
        };
        let texts = texts.as_string::<i32>();
        let settled = self
            .settled()
            .filter(|identifier| goes_on(scanner.tables(), texts, *identifier));
        if let Some(identifier) = settled {
            let rows = u64::try_from(values.len() - values.null_count()).unwrap_or(0);
            *self.sketch.found.settled.entry(identifier).or_default() += rows;
        }
        let look_inside = settled.is_none() && is_text(&self.data_type);
        for value in texts {
            match value {
                Some(value) => self.sketch.text(scanner, value, look_inside),
                None => self.sketch.null(),
            }
        }
    }

    /// The kind that the column clearly is already: looking into its values would add nothing.
    fn settled(&self) -> Option<Identifier> {
        const EXAMINED_MIN: u64 = 1024;
        let counts = self.sketch.counts();
        if counts.examined < EXAMINED_MIN {
            return None;
        }
        let candidate = decided(&candidates(&counts, self.meaning), counts.examined)?;
        let clearly = candidate.passes * 100 >= counts.examined * 98;
        clearly.then_some(candidate.identifier)
    }

    /// Which coordinate nearly all values could be.
    fn axis(&self) -> Option<Axis> {
        let counts = self.sketch.counts();
        if counts.mostly(Trait::Longitude, 95) {
            return Some(Axis::Longitude);
        }
        counts.mostly(Trait::Latitude, 95).then_some(Axis::Latitude)
    }

    fn decide(self) -> ColumnClass {
        let counts = self.sketch.counts();
        let candidates = candidates(&counts, self.meaning);
        let scattered = scattered(&counts, &self);
        let verdict = verdict(&counts, &candidates, &scattered, &self);
        let is_place = verdict.identifier == Some(Identifier::Coordinates);
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
                datum: self.datum.filter(|_| is_place),
                candidates,
                inside_text: scattered,
                reason: verdict.reason,
            },
        }
    }
}

/// Whether a batch goes on as the column was so far, by values spread evenly over it.
fn goes_on(tables: &Tables, texts: &StringArray, identifier: Identifier) -> bool {
    const LOOKS: usize = 32;
    let step = (texts.len() / LOOKS).max(1);
    let looked = (0..texts.len()).step_by(step);
    let values = looked
        .filter(|row| texts.is_valid(*row))
        .map(|row| texts.value(row));
    let (mut count, mut passed) = (0, 0);
    for value in values.filter(|value| !value.is_empty()) {
        count += 1;
        passed += usize::from(passes(tables, value).is(identifier));
    }
    passed * 10 >= count * 9
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
        return by_values(&candidate, counts);
    }
    if !scattered.is_empty() {
        return inside_text(scattered);
    }
    if counts.mostly(Trait::ResidentId15, 80) {
        return Verdict::new(
            Class::QuasiIdentifier,
            0.6,
            "形似 15 位居民身份证号，但无校验位可核；若是，请在列名或说明中写明",
            "looks like resident numbers of 15 digits, which have no check digit; if they are, say so in the \
             column's name or comment",
        );
    }
    if column.meaning.is_none() && may_be_names(counts) {
        return Verdict::new(
            Class::DirectIdentifier,
            0.5,
            "可能是姓名，也可能是以姓氏用字开头的品牌或其他词；仅凭值无法区分，请在列名或说明中写明，或以理由声明其可公开",
            "could be names of people, or of brands that begin with a surname: values alone do not tell; say what it is in \
             the column's name or comment, or state with a reason that it is public",
        );
    }
    by_meaning(counts, column)
}

fn by_values(candidate: &Candidate, counts: &Counts) -> Verdict {
    let examined = counts.examined;
    let class = match candidate.identifier {
        Identifier::Coordinates => Class::QuasiIdentifier,
        _ => Class::DirectIdentifier,
    };
    let title = candidate.identifier.title();
    let passes = candidate.passes;
    Verdict {
        identifier: Some(candidate.identifier),
        class,
        confidence: confidence(candidate, counts),
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
/// chance does not explain, of all rows that were looked into.
fn scattered(counts: &Counts, column: &Column) -> BTreeMap<Identifier, u64> {
    let found = &column.sketch.found;
    let mut scattered = found.inside_text.clone();
    let rows = column.sketch.rows - column.sketch.nulls;
    let mostly_digits = counts.with(Trait::Digits) * 2 > counts.examined;
    for identifier in [
        Identifier::ResidentId,
        Identifier::CreditCode,
        Identifier::Email,
        Identifier::Plate,
        Identifier::Ipv6,
        Identifier::Mac,
        Identifier::Mobile,
    ] {
        let (passes, of) = if is_text(&column.data_type) {
            (found.whole.get(&identifier).copied().unwrap_or(0), rows)
        } else {
            (counts.of(identifier), counts.examined)
        };
        // Among words a number of eleven digits is no accident; among numbers it may be.
        let counts_here = match identifier {
            Identifier::Mobile => !mostly_digits && passes > 0,
            _ => beats_chance(identifier, passes, of, counts),
        };
        if counts_here {
            *scattered.entry(identifier).or_default() += passes;
        }
    }
    for (identifier, rows) in &found.settled {
        *scattered.entry(*identifier).or_default() += rows;
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
        Some(M::SubjectNumber | M::Document) => named(
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
