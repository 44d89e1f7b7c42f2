//! The host side of the three imports.

use arrow::datatypes::SchemaRef;
use wasmtime::{Caller, Extern, Linker, Memory, ResourceLimiter, TypedFunc};

use super::input::GuestInput;
use super::layout::{ALIGN, Block};
use super::memory::{BROKEN, pointer, range};
use super::module::NAMESPACE;
use crate::limits::Limits;
use crate::order::ColumnType;
use crate::outcome::{Limit, Outcome};
use crate::output::OutputStream;

/// What the host keeps for a guest.
pub(super) struct Host {
    pub(super) inputs: Vec<GuestInput>,
    pub(super) output: OutputStream,
    pub(super) schema: SchemaRef,
    pub(super) types: Vec<ColumnType>,
    pub(super) log: Vec<u8>,
    pub(super) rows_in: u64,
    /// Why the host ended the guest, where it did.
    pub(super) ended: Option<Outcome>,
    pub(super) budget: Budget,
}

/// How much a guest may log, and how far its memory and tables may grow.
pub(super) struct Budget {
    pub(super) log_bytes: usize,
    pub(super) memory_bytes: usize,
    pub(super) table_elements: usize,
    pub(super) exceeded: bool,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            log_bytes: size(limits.guest_log_bytes),
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

/// Offers the imports.
pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        NAMESPACE,
        "next_batch",
        |mut caller: Caller<'_, Host>, input: i32| {
            let answer = next_batch(&mut caller, input);
            or_end(&mut caller, answer)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "emit",
        |mut caller: Caller<'_, Host>, batch: i32| {
            let answer = emit(&mut caller, pointer(batch)).map(|()| 0i32);
            or_end(&mut caller, answer)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "log",
        |mut caller: Caller<'_, Host>, text: i32, length: i32| {
            let answer = log(&mut caller, pointer(text), pointer(length));
            or_end(&mut caller, answer)
        },
    )?;
    Ok(())
}

/// Ends the guest with what the host found, where the host did not end already.
fn or_end<T>(caller: &mut Caller<'_, Host>, answer: Result<T, Outcome>) -> wasmtime::Result<T> {
    answer.map_err(|outcome| {
        caller.data_mut().ended.get_or_insert(outcome);
        wasmtime::Error::msg("ended")
    })
}

fn memory(caller: &mut Caller<'_, Host>) -> Result<Memory, Outcome> {
    caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or(BROKEN)
}

fn next_batch(caller: &mut Caller<'_, Host>, input: i32) -> Result<i32, Outcome> {
    let host = caller.data_mut();
    let position = usize::try_from(input).map_err(|_| BROKEN)?;
    let input = host.inputs.get_mut(position).ok_or(BROKEN)?;
    let Some(batch) = input.next()? else {
        return Ok(0);
    };
    let too_large = Outcome::LimitExceeded(Limit::WasmMemory);
    let block = Block::new(&batch, input.types()).ok_or(too_large)?;
    let length = i32::try_from(block.len()).map_err(|_| too_large)?;
    let base = allocate(caller, length)?;
    let memory = memory(caller)?;
    let bytes = block.at(base).ok_or(BROKEN)?;
    range(memory.data(&*caller), base, bytes.len() as u64)?;
    let start = usize::try_from(base).map_err(|_| BROKEN)?;
    memory
        .write(&mut *caller, start, &bytes)
        .map_err(|_| BROKEN)?;
    Ok(base.cast_signed())
}

/// Asks the guest for a block. Its code runs here, on the same fuel; a trap in it is its own end.
fn allocate(caller: &mut Caller<'_, Host>, length: i32) -> Result<u32, Outcome> {
    let alloc = caller
        .get_export("alloc")
        .and_then(Extern::into_func)
        .ok_or(BROKEN)?;
    let alloc: TypedFunc<(i32, i32), i32> = alloc.typed(&*caller).map_err(|_| BROKEN)?;
    let align = i32::try_from(ALIGN).map_err(|_| BROKEN)?;
    let answer = alloc.call(&mut *caller, (length, align));
    let base = match answer {
        Ok(base) => pointer(base),
        Err(error) => {
            let outcome = super::run::classify(&error, caller.data());
            return Err(outcome);
        }
    };
    let aligned = usize::try_from(base).is_ok_and(|base| base != 0 && base % ALIGN == 0);
    if aligned { Ok(base) } else { Err(BROKEN) }
}

/// Hands the guest its seed.
pub(super) fn write_block(
    store: &mut wasmtime::Store<Host>,
    memory: Memory,
    base: u32,
    bytes: &[u8],
) -> Result<(), Outcome> {
    let start = usize::try_from(base).map_err(|_| BROKEN)?;
    memory.write(store, start, bytes).map_err(|_| BROKEN)
}

fn emit(caller: &mut Caller<'_, Host>, batch: u32) -> Result<(), Outcome> {
    let memory = memory(caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let batch = super::emit::read(bytes, batch, &host.schema, &host.types)?;
    if batch.num_rows() == 0 {
        return Ok(());
    }
    host.output.write(&batch)
}

fn log(caller: &mut Caller<'_, Host>, text: u32, length: u32) -> Result<(), Outcome> {
    let memory = memory(caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let text = range(bytes, text, u64::from(length))?;
    let room = host.budget.log_bytes.saturating_sub(host.log.len());
    host.log.extend_from_slice(&text[..text.len().min(room)]);
    Ok(())
}
