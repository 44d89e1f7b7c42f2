//! The suites: a real server, a real database, a real jail, and clients that know nothing but the API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod access;
mod api_walk;
#[path = "../attacks/mod.rs"]
mod attacks;
mod bad_input;
mod crash;
mod examples;
mod keys;
mod ledger;
mod preview;
mod sdk;
mod storage;
mod tables;
mod walk;
