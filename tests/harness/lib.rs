//! The harness of the suites: a real server process, a real PostgreSQL, and a client that knows nothing but the API.
//!
//! Nothing here calls into Egret: a suite sees what a client sees. The bodies are plain JSON on purpose, so that a field
//! that is renamed by accident breaks a suite and not only a user.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::must_use_candidate,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

mod api;
mod peers;
pub mod people;
mod postgres;
mod s3;
mod server;
mod world;

pub use api::{Answer, Api};
pub use peers::{not_tested, peers_folder, python, run_script};
pub use postgres::{Postgres, free_port};
pub use s3::{Bucket, S3};
pub use server::{Database, Objects, Server, egret, refused_start, run_egret};
pub use world::{Ran, Setup, World};
