//! A module run on files of this machine, without a platform: the same jail, limits and inspection as a job's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::datatypes::{Schema, SchemaRef};
use review::{
    Finding, InspectKind, InspectRequest, Inspection, OutputColumn, OutputRules, PrivateTable,
    ReviewedAdmission, ReviewedQuery, Scope, SqlLimits,
};
use runtime::{
    Input, InputFormat, Limits, Meter, ModuleFault, ModuleFunction, Order, Outcome, OutputField,
    PoolConfig, SqlModule, StartError, Supervisor,
};
use tokio::sync::watch;

use crate::error::Error;
use crate::job::called::{self, NamedModule};
use crate::job::scope::ModuleScope;
use crate::job::{SealedFile, inspection_order, result_type, sample_rules};
use crate::table_file::{TableError, TableFile};

/// Bytes of the rows that one input may have: they are held in memory, as a staged file is.
const INPUT_BYTES_MAX: usize = 1 << 30;

/// A module, what it reads and what it writes.
#[derive(Debug)]
pub struct ModuleRun {
    /// The binary module.
    pub module: Vec<u8>,
    /// What runs.
    pub program: LocalProgram,
    /// All the randomness that it gets.
    pub seed: [u8; 32],
    /// The executable that is its own jailed worker, and the argument that makes it one.
    pub worker: (PathBuf, Vec<OsString>),
}

/// What runs on files of this machine.
#[derive(Debug)]
pub enum LocalProgram {
    /// The module as a whole job.
    Job {
        /// Files, each with the columns that the module reads in their order; all of them when none are named.
        inputs: Vec<(TableFile, Vec<String>)>,
        /// What it writes.
        output: Vec<OutputColumn>,
    },
    /// SQL that calls the module's functions.
    Query {
        /// One SELECT.
        sql: String,
        /// What it calls the module.
        name: String,
        /// Files by the names of their tables.
        tables: Vec<(String, TableFile)>,
    },
}

/// How such a run ended.
#[derive(Clone, Debug)]
pub struct ModuleRan {
    /// `finished`, or what went wrong: its name, and its class behind a colon.
    pub outcome: String,
    /// The rows that it wrote, as CSV.
    pub csv: Option<Vec<u8>>,
    /// Why the rows could not be taken.
    pub refused: Option<masking::Bilingual>,
    /// What it logged. On a platform nobody reads this.
    pub log: Vec<u8>,
    /// What it used.
    pub meter: Meter,
}

/// The one owner there is: the code made of the module lives no longer than the run.
const OWNER: &str = "module run";

/// Why it did not run.
#[derive(Debug, thiserror::Error)]
pub enum ModuleRunError {
    /// An input file.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A column that an input does not have.
    #[error("input {input} has no column {column}")]
    NoColumn {
        /// Which input, counted from 0.
        input: usize,
        /// The name.
        column: String,
    },
    /// SQL that is not admitted.
    #[error("the query is not admitted")]
    Refused(Vec<Finding>),
    /// A module that may not run.
    #[error(transparent)]
    Module(#[from] ModuleFault),
    /// The jail, or this machine.
    #[error(transparent)]
    Platform(#[from] Error),
}

/// Runs a module and inspects what it wrote.
///
/// # Errors
/// An input that cannot be read, or a machine that cannot give the jail. What the module does wrong is an outcome.
pub async fn run_module(run: ModuleRun) -> Result<ModuleRan, ModuleRunError> {
    let (program, inputs, output) = match run.program {
        LocalProgram::Job { inputs, output } => {
            let program = runtime::Program::Wasm {
                module: run.module,
                owner: OWNER.to_owned(),
                output: output.iter().map(field).collect(),
                seed: run.seed,
            };
            let mut staged_inputs = Vec::with_capacity(inputs.len());
            for (place, (table, columns)) in inputs.iter().enumerate() {
                let name = format!("input{place}");
                staged_inputs.push(staged(place, name, table, columns)?);
            }
            (program, staged_inputs, output)
        }
        LocalProgram::Query { sql, name, tables } => {
            let query = admitted(&run.module, &sql, &name, &tables)?;
            let program = runtime::Program::Sql {
                plan: query.plan,
                modules: vec![SqlModule {
                    functions: functions_of(&run.module)?,
                    name,
                    module: run.module,
                    owner: OWNER.to_owned(),
                }],
                seed: run.seed,
            };
            let mut inputs = Vec::with_capacity(tables.len());
            for (place, (name, table)) in tables.iter().enumerate() {
                inputs.push(staged(place, name.clone(), table, &[])?);
            }
            (program, inputs, query.output)
        }
    };
    let order = Order {
        program,
        inputs,
        limits: Limits::default(),
    };
    let (executable, args) = run.worker;
    let supervisor = Supervisor::start(PoolConfig {
        executable,
        args,
        size: 1,
        queue_max: 2,
        spill: None,
        allow_degraded: false,
    })
    .await
    .map_err(no_jail)?;
    let ran = in_jail(&supervisor, order, output).await;
    supervisor.shutdown().await;
    Ok(ran?)
}

fn functions_of(module: &[u8]) -> Result<Vec<ModuleFunction>, ModuleFault> {
    let facts = runtime::inspect_module(module)?;
    Ok(facts
        .manifest
        .map_or_else(Vec::new, |manifest| manifest.functions))
}

/// The query as admission would have it, were these files a tenant's own tables.
fn admitted(
    module: &[u8],
    sql: &str,
    name: &str,
    tables: &[(String, TableFile)],
) -> Result<ReviewedQuery, ModuleRunError> {
    let facts = runtime::inspect_module(module)?;
    let named = NamedModule {
        name: name.to_owned(),
        scope: ModuleScope {
            id: String::new(),
            name: name.to_owned(),
            sha256: facts.sha256.clone(),
            bytes: facts.bytes,
        },
        facts,
    };
    let offered = called::offered(std::slice::from_ref(&named)).map_err(ModuleRunError::Refused)?;
    let scope = Scope::of_own_tables(tables.iter().map(|(name, table)| PrivateTable {
        name: name.clone(),
        schema: table.schema(),
        keys: BTreeMap::new(),
    }));
    match review::admit_reviewed(sql, &scope, &offered, &SqlLimits::default()) {
        ReviewedAdmission::Admitted(query) => Ok(*query),
        ReviewedAdmission::Refused(findings) => Err(ModuleRunError::Refused(findings)),
    }
}

async fn in_jail(
    supervisor: &Supervisor,
    order: Order,
    output: Vec<OutputColumn>,
) -> Result<ModuleRan, Error> {
    let failed = |source| Error::internal("run a module", source);
    let (_keep, cancel) = watch::channel(false);
    let completed = supervisor
        .run(order, cancel.clone())
        .await
        .map_err(failed)?;
    let mut ran = ModuleRan {
        outcome: named(completed.outcome),
        csv: None,
        refused: None,
        log: completed.guest_log,
        meter: completed.meter,
    };
    let Some(bytes) = completed.output else {
        return Ok(ran);
    };
    let sealed =
        SealedFile::new(&bytes).map_err(|source| Error::internal("seal an output", source))?;
    let request = InspectRequest {
        kind: InspectKind::Wasm { output },
        rules: sample_rules(&OutputRules::default()),
        history: Vec::new(),
        offsets: None,
        rows_max: Limits::default().output_rows_max,
        bytes_max: Limits::default().output_bytes_max,
    };
    let order = inspection_order(&request, &sealed)?;
    let inspected = supervisor.run(order, cancel).await.map_err(failed)?;
    let answer = inspected
        .output
        .ok_or_else(|| Error::internal("inspect a result", named(inspected.outcome)))?;
    let inspection: Inspection = serde_json::from_slice(&answer)
        .map_err(|source| Error::internal("read an inspection", source))?;
    match inspection.released {
        Some(csv) => ran.csv = Some(csv),
        None => {
            ran.refused = inspection
                .findings
                .into_iter()
                .next()
                .map(|found| found.reason)
        }
    }
    Ok(ran)
}

/// The rows of a file as a staged file has them: Parquet, the columns in the module's order.
fn staged(
    place: usize,
    name: String,
    table: &TableFile,
    names: &[String],
) -> Result<Input, ModuleRunError> {
    let all = table.schema();
    let indices = if names.is_empty() {
        (0..all.fields().len()).collect()
    } else {
        let found = names.iter().map(|name| {
            all.index_of(name).map_err(|_| ModuleRunError::NoColumn {
                input: place,
                column: name.clone(),
            })
        });
        found.collect::<Result<Vec<usize>, _>>()?
    };
    let fields: Vec<_> = indices
        .iter()
        .map(|&index| all.field(index).clone())
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let failed = |source| Error::internal("stage a file", source);
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), None)
        .map_err(|source| Error::internal("stage a file", source))?;
    let mut rows = table.rows(Arc::default())?;
    while let Some((_, batch)) = rows.next_batch()? {
        let batch = batch
            .project(&indices)
            .map_err(|source| Error::internal("stage a file", source))?;
        writer
            .write(&batch)
            .map_err(|source| Error::internal("stage a file", source))?;
        if writer.bytes_written() > INPUT_BYTES_MAX {
            return Err(too_large().into());
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|source| Error::internal("stage a file", source))?;
    let sealed = SealedFile::new(&bytes).map_err(failed)?;
    Ok(Input {
        name,
        file: sealed.file,
        bytes: sealed.bytes,
        format: InputFormat::Parquet,
    })
}

fn field(column: &OutputColumn) -> OutputField {
    OutputField {
        name: column.name.clone(),
        data_type: result_type(column.data_type),
    }
}

/// The outcome's name, with the class of a failure.
fn named(outcome: Outcome) -> String {
    match outcome {
        Outcome::Faulted(fault) => format!("{}:{}", outcome.code(), fault.code()),
        Outcome::LimitExceeded(limit) => format!("{}:{}", outcome.code(), limit.code()),
        _ => outcome.code().to_owned(),
    }
}

fn too_large() -> Error {
    Error::too_large(
        "input_too_large",
        format!("输入的数据超过 {INPUT_BYTES_MAX} 字节；请用较小的样例。"),
        format!("an input has more than {INPUT_BYTES_MAX} bytes; take a smaller sample."),
    )
}

fn no_jail(error: StartError) -> Error {
    Error::unavailable(
        "workers_unavailable",
        "本机无法提供必需的隔离层。",
        "this machine cannot give the required layers of the jail.",
    )
    .with_remedy(
        "运行 egret doctor 查看缺少什么。",
        "egret doctor says what is missing.",
    )
    .with_source(error)
}
