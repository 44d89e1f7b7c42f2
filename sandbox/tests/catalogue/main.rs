//! Pushes, policies, scenarios, grants and private data on a real platform with SQLite and files: what
//! becomes of good and bad data, who may do what when, and what is left on the disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod comparing;
mod feedback;
mod grants;
mod intake;
mod private;
mod quarantine;
mod scenarios;
mod world;
