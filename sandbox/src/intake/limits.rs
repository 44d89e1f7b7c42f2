//! Every bound of the intake, in one place.

/// What a push may weigh; nothing in the intake allocates by a number found in a file without
/// holding it against one of these.
#[derive(Clone, Debug)]
pub struct IntakeLimits {
    /// Bytes of one push as sent: a day of a city's largest table, far below a node's disk.
    pub push_bytes_max: u64,
    /// Rows of one push.
    pub rows_max: u64,
    /// Columns that a header or a file's schema may have before it is compared with the entry.
    pub columns_max: usize,
    /// Bytes of one cell, in UTF-8: longer text is not a value but a broken quote.
    pub cell_bytes_max: usize,
    /// Bytes of one record, all cells together.
    pub record_bytes_max: usize,
    /// Rows of one batch.
    pub batch_rows: usize,
    /// Bytes of text in one batch; wide rows make shorter batches.
    pub batch_bytes: usize,
    /// Bytes of a Parquet footer.
    pub footer_bytes_max: u64,
    /// Bytes of one Parquet page after decompression: what the decoder allocates at once.
    pub page_bytes_max: u64,
    /// Bytes of one Parquet row group after decompression, as its pages add up.
    pub row_group_bytes_max: u64,
    /// Bytes of one record batch of Arrow IPC.
    pub arrow_body_bytes_max: u64,
    /// Problems of a push that are kept with their place; the rest is counted.
    pub problems_kept_max: u64,
    /// Share of a column's values that may fail to parse before the push is rejected, in percent.
    pub failed_percent_max: u64,
    /// Failed values below which the share is not looked at: a short file with three bad dates
    /// is a file with three bad dates.
    pub failed_cells_floor: u64,
    /// Rows of a sample.
    pub sample_rows: usize,
    /// Distinct values that a push's `reference` rules may look in together: 16 bytes each.
    pub reference_tokens_max: usize,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        IntakeLimits {
            push_bytes_max: 8 << 30,
            rows_max: 200_000_000,
            columns_max: 512,
            cell_bytes_max: 1 << 20,
            record_bytes_max: 4 << 20,
            batch_rows: 8192,
            batch_bytes: 16 << 20,
            footer_bytes_max: 16 << 20,
            page_bytes_max: 64 << 20,
            row_group_bytes_max: 4 << 30,
            arrow_body_bytes_max: 512 << 20,
            problems_kept_max: 10_000,
            failed_percent_max: 20,
            failed_cells_floor: 100,
            sample_rows: 200,
            reference_tokens_max: 20_000_000,
        }
    }
}
