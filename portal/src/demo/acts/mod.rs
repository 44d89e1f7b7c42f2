//! The steps, an act a file: each plays through the client alone and checks on the data what it shows.

pub(super) mod intake;
pub(super) mod opening;
pub(super) mod proof;
pub(super) mod review;
pub(super) mod scenario;
pub(super) mod sql;
pub(super) mod wasm;
