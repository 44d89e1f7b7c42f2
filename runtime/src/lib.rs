//! Running a program in a jail.

mod layer;
mod limits;
mod order;
mod outcome;
mod supervisor;
mod worker;

pub use layer::{Layer, LayerReport, LayerState};
pub use limits::{LimitOutOfRange, Limits};
pub use order::{ColumnType, Input, InputFormat, Order, OrderFault, OutputField, Program};
pub use outcome::{Completed, Fault, Limit, Meter, Outcome};
pub use supervisor::{PoolConfig, QueueView, RunError, StartError, Supervisor, WorkerError, probe};
pub use worker::{TaskFn, worker_main};
