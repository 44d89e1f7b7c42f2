//! What a guest may use of its host: memory, tables, log.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// How far a guest's memory and tables may grow.
pub(super) struct Budget {
    memory_bytes: usize,
    table_elements: usize,
    /// Whether it asked for more.
    pub(super) exceeded: bool,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: size(limits.wasm_memory_bytes),
            table_elements: size(limits.wasm_table_elements),
            exceeded: false,
        }
    }

    fn grows(&mut self, desired: usize, max: usize) -> wasmtime::Result<bool> {
        if desired > max {
            self.exceeded = true;
            return Err(wasmtime::Error::msg("limit"));
        }
        Ok(true)
    }
}

/// Growth beyond the limit ends the guest: an answer of -1 would be one more thing to get wrong.
impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grows(desired, self.memory_bytes)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grows(desired, self.table_elements)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.exceeded = true;
        Err(error)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What a guest says, cut at its limit.
pub(super) struct GuestLog {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl GuestLog {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max: size(limits.guest_log_bytes),
        }
    }

    /// Keeps what there is room for.
    pub(super) fn add(&mut self, text: &[u8]) {
        let room = self.bytes_max.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&text[..text.len().min(room)]);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
