//! The HTTP server as a client sees it, over real connections, with a real platform on SQLite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod keyed;
mod pieces;
mod process;
mod requests;
mod serving;
mod uploads;
mod world;
