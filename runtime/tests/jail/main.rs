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
mod guests;
mod hosts;
mod limit_edges;
mod limits;
mod parts;
mod pool;
mod queries;
mod staged;
mod support;

use std::process::ExitCode;

use support::Test;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    match args.peek().map(String::as_str) {
        Some("worker-jail") => return runtime::worker_main(acts::TASKS),
        Some(hosts::INNER) => return hosts::inner(args.nth(1).as_deref()),
        _ => {}
    }
    let given = |flag: &str| std::env::args().any(|arg| arg == flag);
    let (listing, exact) = (given("--list"), given("--exact"));
    // No test is ignored, and the one format of the list is the short one.
    if given("--ignored") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<String> = args
        .filter(|arg| !arg.starts_with('-') && arg != "terse")
        .collect();
    let wanted = |test: &&Test| {
        let named = |filter: &String| match exact {
            true => test.name == *filter,
            false => test.name.contains(filter.as_str()),
        };
        filters.is_empty() || filters.iter().any(named)
    };
    let all: Vec<Test> = [
        forbidden::tests(),
        limits::tests(),
        limit_edges::tests(),
        pool::tests(),
        queries::tests(),
        guests::tests(),
        commands::tests(),
        compile::tests(),
        evil_guests::tests(),
        hosts::tests(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let chosen: Vec<&Test> = all.iter().filter(wanted).collect();
    if listing {
        for test in &chosen {
            println!("{}: test", test.name);
        }
        return ExitCode::SUCCESS;
    }
    support::run(&chosen)
}
