//! The jail from inside and from outside, with real worker processes: this executable is the test
//! and, given `worker-jail`, the worker.
#![allow(
    unsafe_code,
    reason = "forbidden system calls are made as raw as an attacker would"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking and tell what they did"
)]

mod acts;
mod command_parts;
mod commands;
mod compile;
mod evil_guests;
mod forbidden;
mod functions;
mod guests;
mod hosts;
mod limit_edges;
mod limits;
mod parts;
mod pool;
mod queries;
mod spill;
mod staged;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    match args.peek().map(String::as_str) {
        Some("worker-jail") => return runtime::worker_main(acts::TASKS),
        Some(hosts::INNER) => return hosts::inner(args.nth(1).as_deref()),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // One after the other: several count the processes and descriptors of this one.
    arguments.test_threads = Some(1);
    let trials: Vec<Trial> = [
        forbidden::tests(),
        functions::tests(),
        limits::tests(),
        limit_edges::tests(),
        pool::tests(),
        queries::tests(),
        spill::tests(),
        guests::tests(),
        commands::tests(),
        compile::tests(),
        evil_guests::tests(),
        hosts::tests(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
