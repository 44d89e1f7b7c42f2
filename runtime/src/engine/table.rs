//! A staged Parquet file as a table of the engine.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::files::StagedFiles;
use crate::staged_file::StagedFile;

/// A table over the staged file at a position.
#[derive(Debug)]
pub(crate) struct StagedTable {
    schema: SchemaRef,
    position: usize,
    bytes: u64,
}

impl StagedTable {
    /// The file as the plan declares it, or none when it holds something else: every declared
    /// column must be there by name, with the declared type.
    pub(super) fn open(file: &StagedFile, position: usize, declared: SchemaRef) -> Option<Self> {
        let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::default()).ok()?;
        let holds = declared.fields().iter().all(|field| {
            metadata
                .schema()
                .field_with_name(field.name())
                .is_ok_and(|stored| reads_as(stored.data_type(), field.data_type()))
        });
        holds.then(|| Self {
            schema: declared,
            position,
            bytes: file.bytes(),
        })
    }

    /// The file as it is.
    pub(super) fn open_whole(file: &StagedFile, position: usize) -> Option<Self> {
        let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::default()).ok()?;
        let schema = Arc::clone(metadata.schema());
        Some(Self {
            schema,
            position,
            bytes: file.bytes(),
        })
    }
}

/// Rows of a staged file, by its footer: what a run is told to have read, since what an engine skips depends on the data.
pub(super) fn rows(file: &StagedFile) -> u64 {
    ArrowReaderMetadata::load(file, ArrowReaderOptions::default())
        .ok()
        .and_then(|metadata| u64::try_from(metadata.metadata().file_metadata().num_rows()).ok())
        .unwrap_or(0)
}

/// The same type, but for the three layouts of text.
fn reads_as(stored: &DataType, declared: &DataType) -> bool {
    let text = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    stored == declared || (text(stored) && text(declared))
}

#[async_trait]
impl TableProvider for StagedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        // A source has options of its own; those of the session are the ones that are meant.
        let options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source =
            ParquetSource::new(Arc::clone(&self.schema)).with_table_parquet_options(options);
        let source = Arc::new(source);
        let file = PartitionedFile::new_from_meta(ObjectMeta {
            location: StagedFiles::location(self.position),
            last_modified: Default::default(),
            size: self.bytes,
            e_tag: None,
            version: None,
        });
        let config = FileScanConfigBuilder::new(StagedFiles::address()?, source)
            .with_file(file)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
