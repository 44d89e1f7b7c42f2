//! Running a program in a jail: worker processes, SQL engine, WASM engine, limits, meter.
//!
//! A [`Supervisor`] keeps a pool of warm worker processes. Each takes one [`Order`] (a governed
//! plan, a WASM module, or one of the platform's own tasks on hostile bytes), runs it with nothing
//! but open descriptors in reach, and ends. What comes back is a [`Completed`]: an [`Outcome`] that
//! cannot hold guest text, the output's bytes, a [`Meter`], and a report of every [`Layer`] of the
//! jail, each tried from inside.
//!
//! ```no_run
//! # async fn example(plan: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! use runtime::{Limits, Order, PoolConfig, Program, Supervisor};
//!
//! // The executable calls `runtime::worker_main` first thing when it is given this argument.
//! let pool = Supervisor::start(PoolConfig {
//!     executable: std::env::current_exe()?,
//!     args: vec!["worker-jail".into()],
//!     size: 2,
//!     queue_max: 64,
//!     spill: None,
//!     allow_degraded: false,
//! })
//! .await?;
//! let order = Order { program: Program::sql(plan), inputs: vec![], limits: Limits::default() };
//! let (_keep, cancel) = tokio::sync::watch::channel(false);
//! let completed = pool.run(order, cancel).await?;
//! println!("{}", completed.outcome);
//! # Ok(())
//! # }
//! ```
//!
//! A WASM module is compiled before it runs, by a worker of another kind that is jailed in the same
//! way and can make no memory executable; the worker that runs the code has no compiler. Code is kept
//! in memory, per owner of the module, under a MAC whose key only the supervisor's process holds
//! ([`Supervisor::code_cache`]).
//!
//! Two things of the host remain in reach of native code in a worker, and are named here: it can
//! read the clock (without any system call, through the vDSO; the engine's timers need it) and draw
//! random numbers (hash tables need them). Programs get neither: SQL has no function for them, a
//! WASM guest no instruction and no import.
//!
//! What it does **not** do: it knows nothing of tenants, scenarios or masking; it decides neither
//! what may run nor what may leave; it never believes a worker once that has a program; it opens no
//! file by name for a program; it logs nothing that a guest wrote; it keeps no machine code over a
//! restart.

mod engine;
mod guest;
mod jail;
mod layer;
mod limits;
mod manifest;
mod order;
mod outcome;
mod output;
mod protocol;
mod ran;
mod socket;
mod staged_file;
mod supervisor;
mod worker;

pub use guest::{
    GuestInterface, ModuleFacts, ModuleFault, inspect_module, module_from_text, module_seed,
    with_manifest,
};
pub use layer::{Layer, LayerReport, LayerState};
pub use limits::{LimitOutOfRange, Limits};
pub use manifest::{
    JobDeclaration, MANIFEST_SECTION, ManifestFault, ModuleFunction, ModuleManifest,
    TableDeclaration,
};
pub use order::{
    ColumnType, Input, InputFormat, MODULES_MAX, Order, OrderFault, OutputField, Program, SqlModule,
};
pub use outcome::{Completed, Fault, Limit, Meter, Outcome};
pub use supervisor::{
    CodeCacheView, PoolConfig, QueueView, RunError, StartError, Supervisor, WorkerError, probe,
};
pub use worker::{TaskFn, worker_main};
