//! Ways into Egret: the HTTP API, its pages, the command line `egret`, and configuration.
//!
//! An endpoint parses the body, finds the actor and calls the domain (`sandbox`). There is no SQL and no policy here,
//! and [`http`] is the only place that knows status codes.

pub mod cli;
pub mod client;
pub mod config;
mod demo;
pub mod http;
mod log;
mod report;
pub mod server;
mod start;

pub use start::StartFailure;

/// The hidden subcommand by which the program becomes a jailed worker.
pub const WORKER_SUBCOMMAND: &str = "worker-jail";
