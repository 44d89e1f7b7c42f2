//! Holes of the plain engine: each is shown open there, and closed here twice, by admission and by the jail's second look.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use libtest_mimic::Trial;
use review::{
    Admission, ColumnRole, ColumnScope, Contract, Operations, OutputRules, Scope, SqlLimits,
    TableScope, admit_sql,
};
use runtime::{Fault, Outcome};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::answer::rows;
use crate::query::{Failure, Tables, run_plan};

/// The argument that makes this program the plain engine, in a process that may die.
pub(crate) const PLAIN: &str = "plain-engine";
/// How long the plain engine is watched: what is not over by then is called endless.
const ENDLESS: Duration = Duration::from_secs(8);
/// The same where it comes to an end, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;
/// In a column that nobody may read row by row.
const SECRET: &str = "secret-4711";

/// What the plain engine does with a text.
#[derive(Clone, Copy)]
enum Open {
    /// It does not come to an end.
    Endless,
    /// It prints this, as an answer or in an error.
    Prints(&'static str),
}

struct Hole {
    name: &'static str,
    sql: String,
    open: Open,
    /// How the jail ends the same plan; none where planning alone is the harm.
    jailed: Option<Outcome>,
}

pub(crate) fn tests() -> Vec<Trial> {
    let trial = |hole: Hole| {
        let title = format!("holes::{}", hole.name);
        Trial::test(title, move || crate::in_runtime(closed(hole)))
    };
    let mut trials: Vec<Trial> = holes().into_iter().map(trial).collect();
    trials.push(Trial::test("holes::a_sum_that_wraps", || {
        crate::in_runtime(sums())
    }));
    trials
}

fn hole(name: &'static str, sql: impl Into<String>, open: Open, jailed: Option<Outcome>) -> Hole {
    let sql = sql.into();
    Hole {
        name,
        sql,
        open,
        jailed,
    }
}

fn holes() -> Vec<Hole> {
    let refused = Some(Outcome::Faulted(Fault::ProgramRefused));
    // A function that the engine does not have.
    let unknown = Some(Outcome::Faulted(Fault::ProgramInvalid));
    vec![
        hole("planning_that_explodes", views(), Open::Endless, None),
        hole(
            "memory_outside_the_pool",
            "select octet_length(repeat(k, 100000000)) as n from t",
            Open::Prints("100000000"),
            unknown,
        ),
        hole(
            "recursion_without_end",
            "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
            Open::Endless,
            refused,
        ),
        hole(
            "an_error_that_quotes_a_value",
            "select cast(name as bigint) as n from t",
            Open::Prints(SECRET),
            Some(Outcome::Faulted(Fault::Conversion)),
        ),
        hole(
            "files_of_the_host",
            "create external table p (line varchar) stored as csv location 'file:///etc/os-release' \
             options ('format.has_header' 'false'); select line from p",
            Open::Prints("NAME"),
            None,
        ),
        hole(
            "settings",
            "set datafusion.execution.batch_size = 1; show datafusion.execution.batch_size",
            Open::Prints("1"),
            None,
        ),
        hole(
            "a_new_table",
            "create table other as select name from t; select name from other",
            Open::Prints(SECRET),
            None,
        ),
        hole(
            "what_explain_knows",
            "explain select count(*) from t",
            Open::Prints("3"),
            refused,
        ),
        hole(
            "the_clock",
            "select now() as n from t",
            Open::Prints("20"),
            unknown,
        ),
        hole(
            "chance",
            "select random() as n from t",
            Open::Prints("0."),
            unknown,
        ),
        hole(
            "the_largest_value",
            "select max(name) as n from t",
            Open::Prints(SECRET),
            Some(Outcome::Finished),
        ),
        hole(
            "patterns_from_data",
            "select count(*) as n from t where regexp_like(name, name)",
            Open::Prints("3"),
            unknown,
        ),
    ]
}

/// Views in views: each doubles the tables of the one before.
fn views() -> String {
    let mut sql = String::from("with a0 as (select k from t)");
    for level in 1..=18 {
        let below = level - 1;
        sql.push_str(&format!(
            ", a{level} as (select x.k from a{below} x join a{below} y on x.k = y.k)"
        ));
    }
    sql + " select count(*) from a18"
}

async fn closed(hole: Hole) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    stage(folder.path())?;
    let patience = match hole.open {
        Open::Endless => ENDLESS,
        Open::Prints(_) => PATIENCE,
    };
    let (ended, printed) = plain(folder.path(), &hole.sql, patience)?;
    match hole.open {
        Open::Endless => assert!(matches!(ended, Ended::Stopped), "{ended:?}: {printed}"),
        Open::Prints(text) => assert!(printed.contains(text), "{ended:?}: {printed}"),
    }
    // Admission looks at one statement.
    let admission = admit_sql(&hole.sql, &scope(), &SqlLimits::default());
    let Admission::Refused(findings) = admission else {
        return Err("admitted".into());
    };
    assert!(!format!("{findings:?}").contains(SECRET));
    let Some(expected) = hole.jailed else {
        return Ok(());
    };
    let tables = Tables::open(folder.path());
    let plan = tables
        .context()?
        .sql(&hole.sql)
        .await?
        .into_unoptimized_plan();
    let completed = run_plan(&tables, &plan).await?;
    assert_eq!(completed.outcome, expected);
    Ok(())
}

/// A sum beyond 64 bits wraps on the plain engine; a governed one does not.
async fn sums() -> Result<(), Failure> {
    let sql = "select sum(big) as total from t";
    let folder = tempfile::tempdir()?;
    stage(folder.path())?;
    let (_, printed) = plain(folder.path(), sql, PATIENCE)?;
    assert!(
        printed.contains(&i64::MAX.wrapping_mul(3).to_string()),
        "{printed}"
    );
    let Admission::Admitted(governed) = admit_sql(sql, &scope(), &SqlLimits::default()) else {
        return Err("refused".into());
    };
    let tables = Tables::open(folder.path());
    let completed = crate::query::run(&tables, governed.plan, &["t".to_owned()]).await?;
    let answer = crate::query::read(&completed)?;
    let total: f64 = answer[0][0].as_deref().ok_or("no total")?.parse()?;
    let exact = 3.0 * 2_f64.powi(63);
    assert!((total - exact).abs() < exact * 1e-9, "{total}");
    Ok(())
}

/// Three persons, one of them with a secret.
fn stage(folder: &Path) -> Result<(), Failure> {
    let columns: [(&str, ArrayRef); 4] = [
        ("k", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("name", Arc::new(StringArray::from(vec![SECRET, "a", "b"]))),
        ("big", Arc::new(Int64Array::from(vec![i64::MAX; 3]))),
        ("__egret_unit", Arc::new(UInt32Array::from(vec![0, 1, 2]))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let file = File::create(folder.join("t.parquet"))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn scope() -> Scope {
    let columns = vec![
        ColumnScope::key("k", "person-id"),
        ColumnScope::new("name", ColumnRole::Dimension),
        ColumnScope::new("big", ColumnRole::Measure),
    ];
    let table = TableScope {
        name: "t".to_owned(),
        dataset: "t".to_owned(),
        columns,
        row_filter: None,
        unit: Some("person-id".to_owned()),
    };
    let contract = Contract {
        purpose: "holes".to_owned(),
        industry: "tests".to_owned(),
        tables: vec![table],
        operations: Operations {
            sql: true,
            wasm: false,
        },
        output: OutputRules::default(),
        term_days: 1,
        refusals_max: 1,
    };
    let folder = tempfile::tempdir().unwrap();
    stage(folder.path()).unwrap();
    let schemas = Tables::open(folder.path()).schemas();
    Scope::new(contract, &schemas, Vec::new()).unwrap()
}

#[derive(Debug)]
enum Ended {
    ByItself,
    Stopped,
}

/// Runs a text on the plain engine in a process of its own.
fn plain(folder: &Path, sql: &str, patience: Duration) -> Result<(Ended, String), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(PLAIN)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no input")?
        .write_all(sql.as_bytes())?;
    let started = Instant::now();
    let ended = loop {
        match child.try_wait()? {
            Some(_) => break Ended::ByItself,
            None if started.elapsed() > patience => {
                child.kill()?;
                child.wait()?;
                break Ended::Stopped;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut printed = String::new();
    child
        .stdout
        .take()
        .ok_or("no output")?
        .read_to_string(&mut printed)?;
    Ok((ended, printed))
}

/// The plain engine: runs what comes over standard input, with a memory pool as its guide recommends.
pub(crate) fn plain_engine(folder: &str) -> ExitCode {
    let limit = Rlimit {
        current: Some(4 * GIB),
        maximum: Some(4 * GIB),
    };
    setrlimit(Resource::Data, limit).unwrap();
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql).unwrap();
    let answered = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(answered(folder, &sql));
    match answered {
        Ok(text) => println!("{text}"),
        Err(error) => println!("error: {error}"),
    }
    ExitCode::SUCCESS
}

async fn answered(folder: &str, sql: &str) -> Result<String, Failure> {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    let environment = RuntimeEnvBuilder::new()
        .with_memory_limit(200 << 20, 1.0)
        .build_arc()?;
    let config = datafusion::prelude::SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config_rt(config, environment);
    let table = format!("{folder}/t.parquet");
    context
        .register_parquet("t", &table, ParquetReadOptions::default())
        .await?;
    let mut last = Vec::new();
    for statement in sql.split("; ") {
        last = context.sql(statement).await?.collect().await?;
    }
    Ok(format!("{:?}", rows(&last)))
}
