//! Staging: the files that a run may see, made once for each content and kept sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use masking::ValueDomain;
use review::UNIT_COLUMN;
use runtime::{Input, InputFormat};
use serde_json::json;
use sqlx::Row as _;

use super::memfd::SealedFile;
use super::rows::JobRow;
use super::scope::StoredInput;
use super::staged_file::{StageError, StageOrder, stage_batch_of, stage_parquet};
use super::view::Mode;
use crate::catalogue::{SampleRow, VersionManifest, version_schema};
use crate::document;
use crate::error::Error;
use crate::id::ScenarioId;
use crate::mask_key::{EpochKey, KeyOwner, KeyUsed, require_active, used};
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::storage::storage_error;

/// Rows of a tenant's private data set that a sample run sees.
const SAMPLE_ROWS_MAX: usize = 1_000;
/// Raised when the way of staging changes, so that files made the old way are not taken for new ones.
const STAGING_VERSION: u32 = 2;

impl Platform {
    /// The files of a job, in the order of its inputs, under the scenario's key as it is now.
    pub(crate) async fn staged_inputs(
        &self,
        job: &JobRow,
        inputs: &[StoredInput],
    ) -> Result<(Vec<Input>, Vec<KeyUsed>), Error> {
        let mode = Mode::parse(&job.mode).unwrap_or_default();
        let owner = KeyOwner::Scenario(
            job.scenario
                .parse()
                .map_err(|source| Error::internal("stage a table", source))?,
        );
        let key = self.active_key(owner).await?;
        let mut files = Vec::with_capacity(inputs.len());
        for input in inputs {
            let file = self.staged(job, input, mode, (owner, &key)).await?;
            files.push(Input {
                name: input.pinned.table.clone(),
                file: file.file,
                bytes: file.bytes,
                format: InputFormat::Parquet,
            });
        }
        let epochs: BTreeSet<(KeyOwner, u32)> = inputs
            .iter()
            .filter(|input| !input.tokens.is_empty())
            .map(|input| (KeyOwner::Intake, input.intake_epoch))
            .chain([(owner, key.epoch)])
            .collect();
        let used = self
            .store()
            .read("keys of a run", |conn| {
                Box::pin(async move { used(conn, epochs).await })
            })
            .await?;
        Ok((files, used))
    }

    async fn staged(
        &self,
        job: &JobRow,
        input: &StoredInput,
        mode: Mode,
        (owner, key): (KeyOwner, &EpochKey),
    ) -> Result<SealedFile, Error> {
        let name = staging_key(job, input, mode, key)?;
        let object = format!("{}/{name}", job.scenario);
        self.node()
            .staged
            .file(&object, || async {
                // Kept under the scenario's key: with it ends whatever copy of them there is.
                let vault = key.vault(self.objects())?;
                let bytes = if vault.exists(ObjectArea::Staged, &object).await? {
                    vault.get(ObjectArea::Staged, &object).await?
                } else {
                    let bytes = self.stage(job, input, mode, key).await?;
                    vault.put(ObjectArea::Staged, &object, &bytes).await?;
                    self.still_in_force(job, &object, (owner, key.epoch))
                        .await?;
                    bytes
                };
                SealedFile::new(&bytes)
                    .map_err(|source| Error::internal("seal a staged file", source))
            })
            .await
    }

    /// Makes a staged file from what intake wrote. The scenario's key is used here and goes no further.
    async fn stage(
        &self,
        job: &JobRow,
        input: &StoredInput,
        mode: Mode,
        key: &EpochKey,
    ) -> Result<Vec<u8>, Error> {
        let order = stage_order(job, input, mode, key)?;
        let failed = |source: StageError| Error::internal("stage a table", source);
        if mode == Mode::Sample && !input.pinned.private {
            let batch = self.sample_batch(input).await?;
            return blocking(move || stage_batch_of(&batch, &order).map_err(failed)).await;
        }
        let intake = self.epoch_key(KeyOwner::Intake, input.intake_epoch).await?;
        let version = intake
            .vault(self.objects())?
            .get(ObjectArea::Version, &input.object_key)
            .await?;
        if document::sha256(&version) != input.sha256() {
            return Err(Error::internal(
                "stage a table",
                "the file is not the one that was pinned",
            ));
        }
        blocking(move || stage_parquet(Bytes::from(version), &order).map_err(failed)).await
    }

    /// Takes back what was staged while its scenario or its key ended. A revocation moves the epoch first, and a rotation or a
    /// destruction the key, and removes the files it finds then, so a file is either found there or taken back here.
    async fn still_in_force(
        &self,
        job: &JobRow,
        object: &str,
        (owner, key_epoch): (KeyOwner, u32),
    ) -> Result<(), Error> {
        let scenario = job.scenario.clone();
        let (epoch, key) = self
            .store()
            .read("read an epoch", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("read an epoch", source);
                    let row = sqlx::query("SELECT epoch FROM scenarios WHERE id = $1")
                        .bind(scenario)
                        .fetch_one(&mut *conn)
                        .await
                        .map_err(failed)?;
                    let key = require_active(conn, owner).await.ok();
                    Ok((row.try_get::<i64, _>(0).map_err(failed)?, key))
                })
            })
            .await?;
        if epoch == job.scenario_epoch && key.is_some_and(|key| key.epoch == key_epoch) {
            return Ok(());
        }
        self.objects().delete(ObjectArea::Staged, object).await?;
        Err(Error::conflict(
            "scenario_changed",
            "场景在运行准备期间已变更，运行终止。",
            "the scenario changed while the run was prepared; the run ends.",
        ))
    }

    /// Removes what was staged for a scenario that has ended, or whose key has: no run can ask for it any more, and its
    /// tokens are of an epoch that is over. Other nodes drop theirs from memory as room is needed; they name the epoch, so no run
    /// is given them.
    pub(crate) async fn forget_staged(&self, scenario: ScenarioId) {
        let prefix = format!("{scenario}/");
        self.node().staged.forget(&prefix);
        let failed = |error: &Error| {
            tracing::warn!(scenario.id = %scenario, %error, "staged files could not be removed");
        };
        let keys = match self.objects().list(ObjectArea::Staged).await {
            Ok(keys) => keys,
            Err(error) => return failed(&error),
        };
        for key in keys.iter().filter(|key| key.starts_with(&prefix)) {
            if let Err(error) = self.objects().delete(ObjectArea::Staged, key).await {
                failed(&error);
            }
        }
    }

    /// The sample of a pinned version as a batch. Each row counts as a unit of its own.
    async fn sample_batch(&self, input: &StoredInput) -> Result<RecordBatch, Error> {
        let version = input.pinned.version.clone();
        let (sample, manifest) = self
            .store()
            .read("read a sample", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("read a sample", source);
                    let row =
                        sqlx::query("SELECT sample, manifest FROM dataset_versions WHERE id = $1")
                            .bind(version)
                            .fetch_one(conn)
                            .await
                            .map_err(failed)?;
                    let sample: String = row.try_get(0).map_err(failed)?;
                    let manifest: String = row.try_get(1).map_err(failed)?;
                    Ok((sample, manifest))
                })
            })
            .await?;
        let rows: Vec<SampleRow> = document::read("read a sample", &sample)?;
        let manifest: VersionManifest = document::read("read a manifest", &manifest)?;
        batch_of(&rows, version_schema(&manifest.columns))
            .map_err(|source| Error::internal("read a sample", source))
    }
}

fn batch_of(rows: &[SampleRow], schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder()?;
    decoder.serialize(rows)?;
    let batch = decoder
        .flush()?
        .unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&schema)));
    let units = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    let mut fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields.push(Field::new(UNIT_COLUMN, DataType::UInt32, false));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_iter_values(0..units)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn stage_order(
    job: &JobRow,
    input: &StoredInput,
    mode: Mode,
    key: &EpochKey,
) -> Result<StageOrder, Error> {
    let failed = |source: &'static str| Error::internal("stage a table", source);
    let mut tokens = BTreeMap::new();
    for (column, domain) in &input.tokens {
        let domain =
            ValueDomain::parse(domain).map_err(|_| failed("a value domain that is none"))?;
        let key = key.root.scenario(&job.scenario, &domain, key.epoch);
        tokens.insert(column.clone(), key);
    }
    let private_sample = mode == Mode::Sample && input.pinned.private;
    Ok(StageOrder {
        columns: input.pinned.columns.clone(),
        tokens,
        row_filter: input.row_filter.clone(),
        control: input.pinned.control,
        rows_max: private_sample.then_some(SAMPLE_ROWS_MAX),
    })
}

/// The name of a staged file: everything that its bytes depend on.
fn staging_key(
    job: &JobRow,
    input: &StoredInput,
    mode: Mode,
    key: &EpochKey,
) -> Result<String, Error> {
    let content = json!({
        "staging": STAGING_VERSION,
        "scenario": job.scenario,
        "epoch": job.scenario_epoch,
        "key": key.commitment(),
        "source": input.sha256(),
        "version": input.pinned.version,
        "columns": input.pinned.columns,
        "control": input.pinned.control,
        "row_filter": input.row_filter,
        "tokens": input.tokens,
        "mode": mode,
    });
    let text = document::write("name a staged file", &content)?;
    Ok(document::sha256(text.as_bytes()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| Error::internal("stage a table", source))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use arrow::array::AsArray as _;
    use arrow::datatypes::{Float64Type, UInt32Type};

    use super::*;

    #[test]
    fn sample_rows_become_a_batch_with_units_of_their_own() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("district", DataType::Utf8, true),
            Field::new("visits", DataType::Int64, true),
            Field::new("cost", DataType::Float64, true),
            Field::new("day", DataType::Date32, true),
        ]));
        let rows: Vec<SampleRow> = serde_json::from_value(json!([
            { "district": "思明", "visits": 3, "cost": 1.5, "day": "2024-02-29" },
            { "district": null, "visits": null, "cost": 2.0, "day": null },
        ]))
        .unwrap();
        let batch = batch_of(&rows, Arc::clone(&schema)).unwrap();
        assert_eq!(batch.num_rows(), 2);
        assert_eq!(batch.column(0).as_string::<i32>().value(0), "思明");
        assert!(batch.column(1).is_null(1));
        assert!((batch.column(2).as_primitive::<Float64Type>().value(1) - 2.0).abs() < 1e-9);
        let units = batch
            .column_by_name(UNIT_COLUMN)
            .unwrap()
            .as_primitive::<UInt32Type>();
        assert_eq!(units.values(), &[0, 1]);
        assert_eq!(batch_of(&[], schema).unwrap().num_rows(), 0);
    }
}
