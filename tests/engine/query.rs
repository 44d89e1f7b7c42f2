//! A query of a suite, run in the jail and outside.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
use runtime::{Completed, Input, InputFormat, Limits, Order, PoolConfig, Program, Supervisor};
use serde::Deserialize;
use tokio::sync::watch;

use crate::WORKER;
use crate::answer::{Row, rows};
use crate::by_name::{ByName, Named};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Of `queries.json`.
#[derive(Deserialize)]
pub(crate) struct Query {
    pub(crate) number: u32,
    sql: String,
    /// What DuckDB answers.
    pub(crate) rows: Vec<Row>,
}

/// The tables of a suite: their files and columns.
pub(crate) struct Tables(BTreeMap<String, (PathBuf, SchemaRef)>);

impl Tables {
    pub(crate) fn open(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).unwrap();
        let paths = files.map(|entry| entry.unwrap().path());
        let parquet = paths.filter(|path| path.extension().is_some_and(|e| e == "parquet"));
        let opened = parquet.map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap());
            let schema = Arc::clone(reader.unwrap().schema());
            (name, (path, schema))
        });
        Self(opened.collect())
    }

    /// Their columns.
    pub(crate) fn schemas(&self) -> BTreeMap<String, SchemaRef> {
        let schema = |(name, (_, schema)): (&String, &(PathBuf, SchemaRef))| {
            (name.clone(), Arc::clone(schema))
        };
        self.0.iter().map(schema).collect()
    }

    /// A session that knows their columns and nothing else of them.
    pub(crate) fn context(&self) -> Result<SessionContext, Failure> {
        let context = SessionContext::new_with_config(config());
        for (name, (_, schema)) in &self.0 {
            context.register_table(name, Arc::new(Named(Arc::clone(schema))))?;
        }
        Ok(context)
    }

    fn input(&self, name: &str) -> Input {
        let file = File::open(&self.0[name].0).unwrap();
        let bytes = file.metadata().unwrap().len();
        Input {
            name: name.to_owned(),
            file: Arc::new(file),
            bytes,
            format: InputFormat::Parquet,
        }
    }
}

fn config() -> SessionConfig {
    SessionConfig::new()
        .with_target_partitions(2)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        .set_bool(
            "datafusion.execution.parquet.schema_force_view_types",
            false,
        )
}

impl Query {
    /// On the plain engine, in this process.
    pub(crate) async fn plain(&self, tables: &Tables) -> Result<Vec<Row>, Failure> {
        let context = SessionContext::new_with_config(config());
        for (name, (path, _)) in &tables.0 {
            let path = path.to_str().unwrap();
            context
                .register_parquet(name, path, ParquetReadOptions::default())
                .await?;
        }
        Ok(rows(&context.sql(&self.sql).await?.collect().await?))
    }

    /// In a fresh worker.
    pub(crate) async fn jailed(&self, tables: &Tables) -> Result<Vec<Row>, Failure> {
        // Optimised: as a plan is written down, subqueries have to be joins.
        let context = tables.context()?;
        let plan = context.sql(&self.sql).await?.into_optimized_plan()?;
        read(&run_plan(tables, &plan).await?)
    }
}

/// Runs a plan in a fresh worker, whose pool ends with it.
pub(crate) async fn run_plan(tables: &Tables, plan: &LogicalPlan) -> Result<Completed, Failure> {
    let bytes = logical_plan_to_bytes_with_extension_codec(plan, &ByName)?;
    run(tables, bytes.to_vec(), &scanned(plan)?).await
}

/// Runs the bytes of a plan over tables.
pub(crate) async fn run(
    tables: &Tables,
    plan: Vec<u8>,
    scanned: &[String],
) -> Result<Completed, Failure> {
    let order = Order {
        program: Program::sql(plan),
        inputs: scanned
            .iter()
            .filter(|name| tables.0.contains_key(*name))
            .map(|name| tables.input(name))
            .collect(),
        limits: Limits::default(),
    };
    let scratch = tempfile::tempdir()?;
    let pool = Supervisor::start(PoolConfig {
        executable: std::env::current_exe()?,
        args: vec![WORKER.into()],
        size: 1,
        queue_max: 1,
        spill: Some(scratch.path().to_owned()),
        allow_degraded: false,
    })
    .await?;
    let (_keep, cancel) = watch::channel(false);
    let completed = pool.run(order, cancel).await?;
    pool.shutdown().await;
    Ok(completed)
}

/// The rows of a finished run.
pub(crate) fn read(completed: &Completed) -> Result<Vec<Row>, Failure> {
    let output = completed
        .output
        .as_deref()
        .ok_or_else(|| completed.outcome.to_string())?;
    let reader = StreamReader::try_new(output, None)?;
    Ok(rows(&reader.collect::<Result<Vec<_>, _>>()?))
}

/// The tables that a plan reads.
fn scanned(plan: &LogicalPlan) -> Result<Vec<String>, Failure> {
    let mut names = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names.into_iter().collect())
}
