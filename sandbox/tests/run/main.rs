//! Runs from submission to release, on a real platform with the real jail: the walk, what is refused,
//! what people decide, what a revocation ends, and what survives when something dies.
//!
//! This program is also the worker of its own platform: called as `worker-jail` it becomes one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: it fails by panicking"
)]

mod functions;
mod guests;
mod limits;
mod people;
mod recovery;
mod released;
mod reviewed;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The cases of the modules, each with a runtime of its own.
macro_rules! cases {
    ($($module:ident :: $case:ident,)*) => {
        vec![$(Trial::test(
            concat!(stringify!($module), "::", stringify!($case)),
            || in_runtime($module::$case()),
        ),)*]
    };
}

fn cases() -> Vec<Trial> {
    cases![
        released::a_result_leaves_with_a_certificate_that_one_flipped_byte_breaks,
        released::small_cells_are_withheld_and_the_rest_leaves,
        released::a_program_outside_the_scenario_is_refused_with_its_place,
        released::the_second_of_a_differencing_pair_is_refused,
        released::of_two_that_differ_by_a_few_one_leaves_however_they_race,
        released::the_same_question_has_the_same_answer,
        released::twenty_at_once_all_come_to_an_end,
        reviewed::a_module_is_held_until_two_people_let_its_result_out,
        reviewed::reviewers_read_every_row_that_would_leave,
        reviewed::two_people_of_one_body_are_one_vote,
        reviewed::an_organisation_fills_its_quota_and_no_more,
        reviewed::one_vote_against_ends_it,
        reviewed::a_module_gets_what_is_granted_and_never_the_unit,
        reviewed::what_a_guest_says_stays_inside,
        reviewed::a_revocation_ends_everything,
        functions::a_query_with_functions_is_held_until_two_people_let_its_result_out,
        functions::what_is_not_offered_or_not_declared_is_refused,
        functions::calling_a_held_result_off_costs_a_refusal,
        limits::the_refusal_budget_is_kept,
        limits::samples_are_seen_at_once_and_never_released,
        limits::a_run_that_waits_can_be_called_off,
        limits::a_request_sent_twice_is_done_once,
        recovery::acknowledged_jobs_survive_a_restart,
        recovery::a_dead_worker_costs_no_answer,
    ]
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("worker-jail") {
        return sandbox::worker_main();
    }
    let mut arguments = Arguments::from_args();
    // One after the other: each has a platform with workers of its own.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, cases()).exit_code()
}

fn in_runtime(case: impl Future<Output = ()>) -> Result<(), libtest_mimic::Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(case);
    Ok(())
}
