//! The SQL engine beside the plain one. Suites that others wrote: every query of TPC-H and TPC-DS gives in the jail what the
//! plain engine gives outside, and what DuckDB gives; the data are made on first use. And the plain engine's holes, closed.
//!
//! This program is also the worker of its own pool: called as `worker-jail` it becomes one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test program: it fails by panicking and tells what it compared"
)]

mod answer;
mod by_name;
mod holes;
mod query;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::answer::{OTHER_ENGINE, SAME_ENGINE};
use crate::query::{Failure, Query, Tables};

/// The argument that makes this program a worker.
const WORKER: &str = "worker-jail";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(WORKER) => return runtime::worker_main(&[]),
        Some(holes::PLAIN) => return holes::plain_engine(&arguments.next().unwrap_or_default()),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // One after the other: each query has both cores.
    arguments.test_threads = Some(1);
    let mut trials = holes::tests();
    match suites() {
        Ok(folders) => trials.extend(folders.iter().flat_map(|folder| suite(folder))),
        Err(why) => harness::not_tested("TPC-H and TPC-DS in the jail", &why),
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test for each query of a suite.
fn suite(folder: &Path) -> Vec<Trial> {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(folder.join("queries.json")).expect("queries");
    let queries: Vec<Query> = serde_json::from_str(&text).expect("queries");
    let tables = Arc::new(Tables::open(folder));
    let trial = |query: Query| {
        let tables = Arc::clone(&tables);
        let title = format!("tpc_{name}::q{:02}", query.number);
        Trial::test(title, move || in_runtime(check(query, tables)))
    };
    queries.into_iter().map(trial).collect()
}

/// Data, queries and DuckDB's answers, made on first use.
fn suites() -> Result<[PathBuf; 2], String> {
    let folder = harness::peers_folder().join("tpc");
    let suites = ["h", "ds"].map(|name| folder.join(name));
    if !suites
        .iter()
        .all(|suite| suite.join("queries.json").exists())
    {
        let python = harness::python("tpc")?;
        let folder = folder
            .to_str()
            .ok_or("the target folder has no readable name")?;
        harness::run_script(&python, "tpc.py", &[folder])?;
    }
    Ok(suites)
}

/// Does something on a thread with room for deep plans.
fn in_runtime(
    work: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), libtest_mimic::Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async { tokio::spawn(work).await })??)
}

async fn check(query: Query, tables: Arc<Tables>) -> Result<(), Failure> {
    let jailed = query.jailed(&tables).await?;
    let plain = query.plain(&tables).await?;
    answer::same(&jailed, &plain, SAME_ENGINE)
        .map_err(|difference| format!("jailed and plain: {difference}"))?;
    answer::same(&jailed, &query.rows, OTHER_ENGINE)
        .map_err(|difference| format!("jailed and DuckDB: {difference}"))?;
    Ok(())
}
