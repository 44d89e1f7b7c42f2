//! Guests of Egret in Rust: a function that pulls Arrow batches in and pushes Arrow batches out.
//!
//! ```
//! use egret_guest::{Builder, Failure, Input, emit};
//!
//! /// Reads one column of f64; writes the sum of what is there, and how many rows were null.
//! fn total() -> Result<(), Failure> {
//!     let (mut sum, mut nulls) = (0.0, 0);
//!     for batch in Input::new(0) {
//!         let costs = batch.column::<f64>(0)?;
//!         for row in 0..batch.rows() {
//!             match costs.value(row) {
//!                 Some(cost) => sum += cost,
//!                 None => nulls += 1,
//!             }
//!         }
//!     }
//!     let sums = Builder::<f64>::of([sum]);
//!     let nulls = Builder::<i64>::of([nulls]);
//!     emit(&[&sums, &nulls])
//! }
//!
//! egret_guest::guest!(total);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown`; `egret module inspect` says whether it keeps to
//! the interface. Without `std`, switch the feature `standalone` on.
//!
//! What this crate does **not** do: it gives no clock, file, network or thread, because a guest has none;
//! and it does not know the names of columns, because they do not cross: a guest knows positions.

#![no_std]

extern crate alloc as heap;

mod abi;
mod batch;
mod block;
mod builder;
mod failure;
mod kind;
mod maths;
mod random;
#[cfg(all(feature = "standalone", target_arch = "wasm32"))]
mod standalone;

pub use abi::{emit, log};
pub use batch::{Batch, Column, Input};
pub use builder::{Buffers, Builder};
pub use failure::Failure;
pub use kind::{Days, Kind, Micros};
pub use maths::{exp, ln};
pub use random::Random;

/// What [`guest!`] expands to; not for other uses.
#[doc(hidden)]
pub mod exports {
    pub use crate::abi::{VERSION, allocate, plant_seed, report};
}

/// Makes a function the guest's `run`, and exports what the host asks for beside it.
///
/// The function takes nothing and answers `Result<(), Failure>`; a failure is logged and fails the run.
/// With `seeded` after its name, the guest asks for a seed and [`Random::seeded`] has one: the host
/// shows reviewers which modules do.
#[macro_export]
macro_rules! guest {
    ($run:path) => {
        // Tests on another machine have no exports, and still want the function's type right.
        const _: fn() -> Result<(), $crate::Failure> = $run;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "egret_abi_version")]
            extern "C" fn egret_guest_abi_version() -> i32 {
                $crate::exports::VERSION
            }

            #[unsafe(export_name = "alloc")]
            extern "C" fn egret_guest_alloc(size: i32, align: i32) -> i32 {
                $crate::exports::allocate(size, align)
            }

            #[unsafe(export_name = "run")]
            extern "C" fn egret_guest_run() -> i32 {
                $crate::exports::report($run())
            }
        };
    };
    ($run:path, seeded) => {
        $crate::guest!($run);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "egret_seed")]
            extern "C" fn egret_guest_seed(seed: i32) {
                $crate::exports::plant_seed(seed);
            }
        };
    };
}
