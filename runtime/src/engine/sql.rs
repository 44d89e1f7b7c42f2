//! Runs a governed plan and writes its batches.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::error::ArrowError;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_aggregate::expr_fn::{avg, count};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;

use super::spill::Scratch;
use super::table::StagedTable;
use super::{plan, session, table};
use crate::guest::Functions;
use crate::limits::Limits;
use crate::outcome::{Fault, Limit, Outcome};
use crate::output::OutputStream;
use crate::ran::Ran;
use crate::staged_file::StagedFile;

/// A query: a governed plan, what it reads, and the modules whose functions it calls.
pub(crate) struct Query<'a> {
    pub(crate) plan: &'a [u8],
    pub(crate) inputs: Vec<(String, StagedFile)>,
    pub(crate) functions: Option<Arc<Functions>>,
}

/// Runs a query.
pub(crate) async fn run(
    query: Query<'_>,
    limits: &Limits,
    output: File,
    spill: Option<File>,
) -> Ran {
    let scratch = spill.and_then(|file| Scratch::new(file, limits.spill_bytes_max));
    let files: Vec<StagedFile> = query.inputs.iter().map(|(_, file)| file.clone()).collect();
    let rows_in = files.iter().map(table::rows).fold(0, u64::saturating_add);
    let functions = query.functions.clone();
    let state = session::open(files, limits, scratch.clone(), functions.as_ref());
    let mut ran = planned(query, state, limits, output).await;
    if ran.outcome != Outcome::Finished {
        if let Some(outcome) = functions.and_then(|functions| functions.ended()) {
            ran.outcome = outcome;
        } else if scratch.is_some_and(|scratch| scratch.is_full()) {
            ran.outcome = Outcome::LimitExceeded(Limit::Spill);
        }
    }
    Ran { rows_in, ..ran }
}

async fn planned(
    query: Query<'_>,
    state: datafusion::common::Result<SessionState>,
    limits: &Limits,
    output: File,
) -> Ran {
    let state = match state {
        Ok(state) => state,
        Err(error) => return Ran::ended(classify(&error)),
    };
    let decoded = plan::decode(query.plan, query.inputs, query.functions, &state.task_ctx());
    match decoded {
        Ok(plan) => execute(&state, &plan, limits, output).await,
        Err(fault) => Ran::ended(Outcome::Faulted(fault)),
    }
}

async fn execute(state: &SessionState, plan: &LogicalPlan, limits: &Limits, output: File) -> Ran {
    let physical = match state.create_physical_plan(plan).await {
        Ok(physical) => physical,
        Err(error) => return Ran::ended(classify(&error)),
    };
    let mut ran = Ran::ended(Outcome::Finished);
    match stream(state, &physical, limits, output).await {
        Ok(rows) => ran.rows_out = rows,
        Err(outcome) => ran.outcome = outcome,
    }
    ran
}

async fn stream(
    state: &SessionState,
    physical: &Arc<dyn ExecutionPlan>,
    limits: &Limits,
    output: File,
) -> Result<u64, Outcome> {
    let (bytes_max, rows_max) = (limits.output_bytes_max, limits.output_rows_max);
    let mut output = OutputStream::new(output, &physical.schema(), bytes_max, rows_max)?;
    let mut batches =
        execute_stream(Arc::clone(physical), state.task_ctx()).map_err(|error| classify(&error))?;
    while let Some(batch) = batches.next().await {
        output.write(&batch.map_err(|error| classify(&error))?)?;
    }
    output.finish()
}

/// The class of an error; its text may quote values and goes no further.
fn classify(error: &DataFusionError) -> Outcome {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Outcome::LimitExceeded(Limit::Memory),
        DataFusionError::ArrowError(error, _) => Outcome::Faulted(classify_arrow(error)),
        DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_) => Outcome::Faulted(Fault::InputInvalid),
        DataFusionError::ExecutionJoin(error) if error.is_panic() => {
            Outcome::Faulted(Fault::Panicked)
        }
        _ => Outcome::Faulted(Fault::EngineFailed),
    }
}

fn classify_arrow(error: &ArrowError) -> Fault {
    match error {
        ArrowError::DivideByZero | ArrowError::ArithmeticOverflow(_) => Fault::Arithmetic,
        ArrowError::CastError(_) | ArrowError::ParseError(_) => Fault::Conversion,
        ArrowError::ParquetError(_) | ArrowError::IoError(_, _) => Fault::InputInvalid,
        _ => Fault::EngineFailed,
    }
}

/// Runs one small query the whole way, so that code is in memory, tables are made and nothing is
/// looked up for the first time once the jail is closed.
pub(crate) async fn warm(limits: &Limits) -> Option<()> {
    let (file, output) = warm_files()?;
    let table = Arc::new(StagedTable::open_whole(&file, 0)?);
    let state = session::open(vec![file], limits, None, None).ok()?;
    let value = col("value");
    let plan = LogicalPlanBuilder::scan("warm", provider_as_source(table), None)
        .and_then(|plan| plan.filter(value.clone().gt(lit(0.0))))
        .and_then(|plan| plan.aggregate([col("name")], [count(col("unit")), avg(value)]))
        .and_then(LogicalPlanBuilder::build)
        .ok()?;
    let ran = execute(&state, &plan, limits, output).await;
    (ran.outcome == Outcome::Finished && ran.rows_out == 2).then_some(())
}

/// Three rows of Parquet in memory, and somewhere to write to.
fn warm_files() -> Option<(StagedFile, File)> {
    let memory = || {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        rustix::fs::memfd_create("warm", flags).ok().map(File::from)
    };
    let batch = RecordBatch::try_from_iter([
        (
            "name",
            Arc::new(StringArray::from(vec!["a", "b", "a"])) as _,
        ),
        ("unit", Arc::new(UInt32Array::from(vec![1, 2, 3])) as _),
        (
            "value",
            Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])) as _,
        ),
    ])
    .ok()?;
    let file = memory()?;
    let mut writer = ArrowWriter::try_new(file.try_clone().ok()?, batch.schema(), None).ok()?;
    writer.write(&batch).ok()?;
    writer.close().ok()?;
    let bytes = file.metadata().ok()?.len();
    Some((StagedFile::new(file, bytes), memory()?))
}
