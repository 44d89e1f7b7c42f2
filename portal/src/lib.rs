//! Ways into Egret: the HTTP API, its pages, the command line `egret`, and configuration.
//!
//! An endpoint parses the body, finds the actor and calls the domain (`sandbox`). There is no SQL and no policy here,
//! and [`http`] is the only place that knows status codes.

pub mod http;
