//! The host side of the three imports.

use arrow::datatypes::SchemaRef;
use wasmtime::{Caller, Extern, Linker, Memory, TypedFunc};

use super::input::GuestInput;
use super::interface::GuestInterface;
use super::layout::{ALIGN, Block};
use super::memory::{BROKEN, pointer, range};
use super::play::{Common, Host, classify, memory, or_end};
use super::sink::Sink;
use crate::order::ColumnType;
use crate::outcome::{Limit, Outcome};

/// What the host keeps for a guest.
pub(super) struct BufferHost {
    pub(super) inputs: Vec<GuestInput>,
    pub(super) output: Sink,
    pub(super) schema: SchemaRef,
    pub(super) types: Vec<ColumnType>,
    pub(super) common: Common,
}

impl Host for BufferHost {
    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// Offers the imports.
pub(super) fn link(linker: &mut Linker<BufferHost>) -> wasmtime::Result<()> {
    let namespace = GuestInterface::ArrowBuffers.namespace();
    linker.func_wrap(
        namespace,
        "next_batch",
        |mut caller: Caller<'_, BufferHost>, input: i32| {
            let answer = next_batch(&mut caller, input);
            or_end(&mut caller, answer)
        },
    )?;
    linker.func_wrap(
        namespace,
        "emit",
        |mut caller: Caller<'_, BufferHost>, batch: i32| {
            let answer = emit(&mut caller, pointer(batch)).map(|()| 0i32);
            or_end(&mut caller, answer)
        },
    )?;
    linker.func_wrap(
        namespace,
        "log",
        |mut caller: Caller<'_, BufferHost>, text: i32, length: i32| {
            let answer = log(&mut caller, pointer(text), pointer(length));
            or_end(&mut caller, answer)
        },
    )?;
    Ok(())
}

fn next_batch(caller: &mut Caller<'_, BufferHost>, input: i32) -> Result<i32, Outcome> {
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
fn allocate(caller: &mut Caller<'_, BufferHost>, length: i32) -> Result<u32, Outcome> {
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
            let outcome = classify(&error, caller.data().common());
            return Err(outcome);
        }
    };
    let aligned = usize::try_from(base).is_ok_and(|base| base != 0 && base % ALIGN == 0);
    if aligned { Ok(base) } else { Err(BROKEN) }
}

/// Hands the guest its seed.
pub(super) fn write_block(
    store: &mut wasmtime::Store<BufferHost>,
    memory: Memory,
    base: u32,
    bytes: &[u8],
) -> Result<(), Outcome> {
    let start = usize::try_from(base).map_err(|_| BROKEN)?;
    memory.write(store, start, bytes).map_err(|_| BROKEN)
}

fn emit(caller: &mut Caller<'_, BufferHost>, batch: u32) -> Result<(), Outcome> {
    let memory = memory(caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let batch = super::emit::read(bytes, batch, &host.schema, &host.types)?;
    if batch.num_rows() == 0 {
        return Ok(());
    }
    host.output.write(batch)
}

fn log(caller: &mut Caller<'_, BufferHost>, text: u32, length: u32) -> Result<(), Outcome> {
    let memory = memory(caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let text = range(bytes, text, u64::from(length))?;
    host.common.log.add(text);
    Ok(())
}
