//! The benches: one JSON line per figure in `target/bench/results.jsonl`, ratios side by side in one run.
//!
//! `bench [NAME…]` runs those named, or all: `demo`, `turnaround`, `worker`, `functions`, `tpch`, `detect`, `transforms`, `files`, `flash`,
//! `build`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench ends where it cannot measure, and shows its figures"
)]

#[path = "../../masking/tests/adult/data.rs"]
mod adult;
mod build;
#[path = "../../masking/tests/corpus"]
mod corpus {
    pub(crate) mod brands;
    pub(crate) mod columns;
    pub(crate) mod draw;
    pub(crate) mod kinds;
    pub(crate) mod places;
    pub(crate) mod score;
    pub(crate) mod texts;
}
mod demo;
mod functions;
mod mask;
mod record;
mod tpch;
mod tpch_data;
mod turnaround;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|argument| argument == WORKER) {
        // The bench is its own worker, as `egret` is.
        return runtime::worker_main(&[("nothing", worker::nothing)]);
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    if wants("worker") {
        runtime.block_on(worker::run());
    }
    if wants("turnaround") {
        runtime.block_on(turnaround::run());
    }
    if wants("functions") {
        runtime.block_on(functions::run());
    }
    if wants("tpch") {
        runtime.block_on(tpch::run());
    }
    for (name, run) in mask::PARTS {
        if wants(name) {
            run();
        }
    }
    if wants("demo") {
        demo::run();
    }
    if wants("build") {
        build::run();
    }
    ExitCode::SUCCESS
}

/// The argument that makes this program a worker.
const WORKER: &str = "worker-jail";
