//! What a platform is opened with.

use std::{ffi::OsString, path::PathBuf};

use masking::CipherSuite;

pub use crate::objects::ObjectBackend as Objects;
pub use crate::quota::Quotas;

/// Which database keeps the state.
#[derive(Clone)]
pub enum Database {
    /// The file `egret.db` in the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://user:password@host:port/database`; never logged.
        url: String,
    },
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres { .. } => "Postgres",
        })
    }
}

/// What a platform is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder with keys, the anchor and, by default, database and objects. Made with mode 0700 when missing.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The object store.
    pub objects: Objects,
    /// The algorithms of tokens and masks. A database is of one suite for good.
    pub suite: CipherSuite,
    /// Jailed workers that wait for work; with none the node takes no jobs but serves everything else.
    pub workers: usize,
    /// The program that becomes a worker.
    pub worker_executable: PathBuf,
    /// Its arguments.
    pub worker_args: Vec<OsString>,
    /// Where queries put what does not fit into their memory, encrypted and under no name; `spill` in the data folder unless
    /// said.
    pub spill_dir: Option<PathBuf>,
    /// Take jobs although a layer of the jail is missing. Shows in the status and in every certificate.
    pub allow_degraded_jail: bool,
    /// Minutes after which an unused session of the operator's administrators ends.
    pub operator_idle_minutes: u32,
    /// There is one review body: two people of it suffice where otherwise two bodies have to approve.
    pub single_review_body: bool,
    /// Take a ledger as it is although its anchor is missing; this is written into it. For a start after the anchor was lost.
    pub recover_anchor: bool,
    /// What one organisation may keep.
    pub quotas: Quotas,
    /// The name of the log, by which checkpoints are known: a name of one's own, such as a domain with a path.
    pub origin: String,
}

impl Settings {
    /// Settings with the defaults: SQLite and objects in the data folder, two workers, no degraded jail.
    #[must_use]
    pub fn new(data_dir: PathBuf, worker_executable: PathBuf, worker_args: Vec<OsString>) -> Self {
        Self {
            data_dir,
            database: Database::Sqlite,
            objects: Objects::Local,
            suite: CipherSuite::International,
            workers: 2,
            worker_executable,
            worker_args,
            spill_dir: None,
            allow_degraded_jail: false,
            operator_idle_minutes: 30,
            single_review_body: false,
            recover_anchor: false,
            quotas: Quotas::default(),
            origin: "egret.local/ledger".to_owned(),
        }
    }

    /// From how many review bodies the two approvals of a scenario or of a held result have to come.
    pub(crate) fn review_bodies(&self) -> usize {
        if self.single_review_body { 1 } else { 2 }
    }
}
