//! What a push is compared with: the version before it, and columns of other data sets.
//!
//! Nothing raw is read for it. A column of another data set is its intake tokens, and the values of the push become
//! tokens under the same key; categories are stored under labels that a key makes.

use std::collections::BTreeMap;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::AsArray;
use masking::{Baseline, Bilingual, QualityRules, Reference, RootKey, Shares, ValueDomain};
use sqlx::AnyConnection;

use super::process::Failure;
use super::reader::both;
use super::store::Claim;
use super::units::decode;
use crate::catalogue::{DatasetFacts, STANDING_EPOCH, dataset_facts, shortened};
use crate::document;
use crate::error::{Error, ErrorKind};
use crate::id::VersionId;
use crate::mask_key::{EpochKey, KeyOwner};
use crate::objects::{ObjectArea, ObjectFile};
use crate::platform::Platform;
use crate::storage::storage_error;

/// Labels of categories are tokens of no identifier's domain.
const LABELS: &str = "category";
/// Microseconds that the wall clock of China is ahead of UTC.
const CHINA: i64 = 8 * 3_600_000_000;
const DAY: i64 = 86_400_000_000;

/// What is known before the other data sets are read.
pub(crate) struct Comparison {
    today: Option<i32>,
    rows: Option<u64>,
    shares: BTreeMap<String, Shares>,
    references: Vec<(String, Result<ReferenceSource, Bilingual>)>,
}

/// A column of another data set's current version.
struct ReferenceSource {
    file: ObjectFile,
    column: String,
    domain: ValueDomain,
    /// The key that made the column's tokens.
    key: EpochKey,
    told: bool,
}

/// Finds what a push of a data set is compared with.
pub(crate) async fn comparison(
    platform: &Platform,
    claim: &Claim,
    dataset: &DatasetFacts,
) -> Result<Comparison, Failure> {
    let committed_at = claim.row.view.committed_at;
    let day = committed_at.map(|at| (at.as_microsecond() + CHINA).div_euclid(DAY));
    let mut found = Comparison {
        today: day.and_then(|day| i32::try_from(day).ok()),
        rows: None,
        shares: BTreeMap::new(),
        references: Vec::new(),
    };
    if let Some(version) = &dataset.version {
        found.rows = Some(version.manifest.quality.rows_kept);
        found.shares = shares_of(platform, version.id).await?;
    }
    let document = dataset.entry.quality_rules.as_deref();
    // Rules that cannot be read are a fault of the push's own check, which says so.
    let rules = document.and_then(|document| QualityRules::parse(document).ok());
    for wanted in rules.iter().flat_map(QualityRules::references) {
        let source = source(platform, dataset, wanted.dataset, wanted.column).await?;
        found.references.push((wanted.rule.to_owned(), source));
    }
    Ok(found)
}

impl Comparison {
    /// Reads the columns of other data sets, of at most `most` distinct values together; for a thread that may block.
    pub(crate) fn load(self, standing: &RootKey, most: usize) -> Result<Baseline, Error> {
        let mut references = BTreeMap::new();
        let mut left = most;
        for (rule, source) in self.references {
            let reference = match source {
                Err(why) => Err(why),
                Ok(source) => match tokens(&source, left)? {
                    None => Err(too_many(&source.column, most)),
                    Some(tokens) => {
                        left -= tokens.len();
                        let key = source.key.root.intake(&source.domain, source.key.epoch);
                        Ok(Reference::new(key, tokens, source.told))
                    }
                },
            };
            references.insert(rule, reference);
        }
        let labels = ValueDomain::parse(LABELS)
            .map_err(|source| Error::internal("label categories", source))?;
        Ok(Baseline {
            today: self.today,
            rows: self.rows,
            shares: self.shares,
            labels: Some(standing.intake(&labels, STANDING_EPOCH)),
            references,
        })
    }
}

async fn shares_of(
    platform: &Platform,
    version: VersionId,
) -> Result<BTreeMap<String, Shares>, Error> {
    platform
        .store()
        .read("shares of a version", |conn| {
            Box::pin(async move {
                let row = sqlx::query("SELECT shares FROM version_shares WHERE version_id = $1")
                    .bind(version.to_string())
                    .fetch_optional(conn)
                    .await
                    .map_err(|source| storage_error("read shares", source))?;
                row.map_or_else(
                    || Ok(BTreeMap::new()),
                    |row| document::column(&row, "shares"),
                )
            })
        })
        .await
}

/// Keeps the shares of a version for the next one.
pub(super) async fn keep_shares(
    conn: &mut AnyConnection,
    version: VersionId,
    shares: &BTreeMap<String, Shares>,
) -> Result<(), Error> {
    if shares.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO version_shares (version_id, shares) VALUES ($1, $2)")
        .bind(version.to_string())
        .bind(document::write("keep shares", shares)?)
        .execute(conn)
        .await
        .map_err(|source| storage_error("keep shares", source))?;
    Ok(())
}

async fn source(
    platform: &Platform,
    dataset: &DatasetFacts,
    name: &str,
    column: &str,
) -> Result<Result<ReferenceSource, Bilingual>, Error> {
    let wanted = shortened(name);
    let other = platform
        .store()
        .read("data set of a reference", |conn| {
            Box::pin(async move { dataset_facts(conn, &wanted).await })
        })
        .await;
    let other = match other {
        Ok(other) => other,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Err(error.message().clone()));
        }
        Err(error) => return Err(error),
    };
    let Some(version) = &other.version else {
        return Ok(Err(both(
            format!("数据集 {name} 还没有版本"),
            format!("data set {name} has no version yet"),
        )));
    };
    let Some(domain) = other.column(column).and_then(|column| column.token.clone()) else {
        return Ok(Err(both(
            format!("数据集 {name} 的 {column} 列不是假名列，不能作为对照"),
            format!(
                "column {column} of data set {name} holds no tokens, so nothing can be looked for in it"
            ),
        )));
    };
    let key = platform
        .epoch_key(KeyOwner::Intake, version.manifest.epoch)
        .await?;
    let file = key
        .vault(platform.objects())?
        .open_file(ObjectArea::Version, &version.id.to_string())
        .await?;
    Ok(Ok(ReferenceSource {
        file,
        column: column.to_owned(),
        domain,
        key,
        told: other.entry.provider == dataset.entry.provider,
    }))
}

/// The distinct tokens of a column; none when there are more than `most`.
fn tokens(source: &ReferenceSource, most: usize) -> Result<Option<Vec<u128>>, Error> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::internal("read a reference", source)
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(source.file.clone())
        .map_err(|error| failed(error.into()))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [source.column.as_str()]);
    let batches = builder
        .with_projection(mask)
        .build()
        .map_err(|error| failed(error.into()))?;
    let mut tokens: Vec<u128> = Vec::new();
    for batch in batches {
        let batch = batch.map_err(|error| failed(error.into()))?;
        let texts = batch
            .columns()
            .first()
            .and_then(|column| column.as_string_opt::<i32>());
        tokens.extend(texts.into_iter().flatten().flatten().filter_map(decode));
        // A file of many rows may speak of few people: what is the same is let go of now and then.
        if tokens.len() > most.saturating_mul(2) {
            distinct(&mut tokens);
            if tokens.len() > most {
                return Ok(None);
            }
        }
    }
    distinct(&mut tokens);
    Ok((tokens.len() <= most).then_some(tokens))
}

fn distinct(tokens: &mut Vec<u128>) {
    tokens.sort_unstable();
    tokens.dedup();
}

fn too_many(column: &str, most: usize) -> Bilingual {
    both(
        format!("对照列 {column} 使不同取值总数超过 {most}"),
        format!("with column {column} there are more than {most} distinct values to look in"),
    )
}
