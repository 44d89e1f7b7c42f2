//! Tables in files, without a server: what `egret mask` scans, masks and measures.
//!
//! - `source`: a file as typed batches; its columns come from the file alone.
//! - `infer`: types of text columns.
//! - `mask`: classify, compile, mask into a new file, measure before and after.
//! - `write`: rows into a file of any format, whole or not at all.
//! - `key`: the key file.

mod ahead;
mod infer;
mod key;
mod mask;
mod show;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use self::key::MaskKey;
pub use self::mask::{
    MaskOutcome, PlannedColumn, mask_file, mask_passes, plan_file, preview_file, risk_file,
    scan_file, search_file,
};
pub use self::show::shown_cells;
pub use self::source::{Reading, TableError, TableFile};
