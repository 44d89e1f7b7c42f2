//! What every handler can reach: the platform, and the bounds of a request.

use sandbox::Platform;
use std::net::IpAddr;

/// The bounds of requests; each is documented where it is configured (`config`).
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Largest JSON body.
    pub body_bytes_max: u64,
    /// Largest upload of data.
    pub upload_bytes_max: u64,
    /// Largest WASM module.
    pub module_bytes_max: u64,
    /// Longest time for an answer.
    pub request_timeout_ms: u64,
    /// Longest pause inside an upload.
    pub upload_idle_timeout_ms: u64,
    /// Longest time for an upload as a whole.
    pub upload_timeout_ms: u64,
    /// Most requests at once; one address has half of them at most.
    pub requests_max: usize,
    /// Time for the JSON body of a request that presents a token.
    pub body_timeout_ms: u64,
    /// Time for the body of a sign-in, which comes from nobody yet.
    pub sign_in_timeout_ms: u64,
    /// Proxies in front of the server, whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // 64 KiB of SQL in escaped JSON, and a catalogue entry of a few thousand columns, fit well.
            body_bytes_max: 1 << 20,
            // A few hundred million rows; more come as several pushes.
            upload_bytes_max: 8 << 30,
            // A module with its own allocator and a maths library is below 4 MiB.
            module_bytes_max: 16 << 20,
            // The longest wait for a run (30 s) and as much again.
            request_timeout_ms: 60_000,
            upload_idle_timeout_ms: 30_000,
            upload_timeout_ms: 2 * 3_600_000,
            requests_max: 1_024,
            // 1 MiB at 100 KiB in a second.
            body_timeout_ms: 10_000,
            // A name and a password.
            sign_in_timeout_ms: 3_000,
            proxies: Vec::new(),
        }
    }
}

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Portal {
    /// The platform.
    pub(crate) platform: Platform,
    /// The bounds of requests.
    pub(crate) bounds: Bounds,
}
