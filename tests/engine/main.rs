//! Suites that others wrote, in the jail: every query of TPC-H and TPC-DS gives what the plain engine gives outside, and what
//! DuckDB gives. The data are made on first use.
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
mod query;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::answer::{OTHER_ENGINE, SAME_ENGINE};
use crate::query::{Query, Tables};

/// The argument that makes this program a worker.
const WORKER: &str = "worker-jail";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WORKER) {
        return runtime::worker_main(&[]);
    }
    let mut arguments = Arguments::from_args();
    // One after the other: each query has both cores.
    arguments.test_threads = Some(1);
    let trials = match suites() {
        Ok(folders) => folders.iter().flat_map(|folder| suite(folder)).collect(),
        Err(why) => {
            harness::not_tested("TPC-H and TPC-DS in the jail", &why);
            Vec::new()
        }
    };
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
        Trial::test(title, move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(8 << 20)
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::spawn(check(query, tables)).await })?
        })
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

async fn check(query: Query, tables: Arc<Tables>) -> Result<(), libtest_mimic::Failed> {
    let jailed = query.jailed(&tables).await?;
    let plain = query.plain(&tables).await?;
    answer::same(&jailed, &plain, SAME_ENGINE)
        .map_err(|difference| format!("jailed and plain: {difference}"))?;
    answer::same(&jailed, &query.rows, OTHER_ENGINE)
        .map_err(|difference| format!("jailed and DuckDB: {difference}"))?;
    Ok(())
}
