//! One guest of interface version 1 from its first instruction to its last.

use std::fs::File;
use std::io::Write;

use wasmtime::{Engine, Instance, Linker, Module, Store};

use super::Guest;
use super::host::{self, BufferHost};
use super::input::GuestInput;
use super::memory::{BROKEN, pointer};
use super::play::{self, Clock, Common, Host, classify};
use super::sink::Sink;
use crate::limits::Limits;
use crate::order::{OutputField, output_schema};
use crate::outcome::{Fault, Outcome};
use crate::output::OutputStream;
use crate::ran::Ran;
use crate::staged_file::StagedFile;

/// Version of the guest interface.
const ABI_VERSION: i32 = 1;

/// Runs a compiled guest.
pub(super) fn run(engine: &Engine, guest: Guest, limits: &Limits) -> Ran {
    let Guest {
        module,
        inputs,
        output_fields,
        seed,
        output,
        mut log,
    } = guest;
    let mut store = match open(engine, inputs, &output_fields, output, limits) {
        Ok(store) => store,
        Err(outcome) => return Ran::ended(outcome),
    };
    let clock = Clock::start(engine);
    let ended = play(&mut store, &module, &seed);
    drop(clock);
    let fuel_left = store.get_fuel().unwrap_or(0);
    let host = store.into_data();
    let _ = log.write_all(host.common.log.bytes());
    let mut ran = Ran {
        outcome: ended.err().unwrap_or(Outcome::Finished),
        fuel: limits.fuel.saturating_sub(fuel_left),
        rows_in: host.common.rows_in,
        rows_out: 0,
    };
    if let Sink::Stream(output) = host.output {
        ran.rows_out = output.rows();
        if ran.outcome == Outcome::Finished
            && let Err(outcome) = output.finish()
        {
            ran.outcome = outcome;
        }
    }
    ran
}

fn open(
    engine: &Engine,
    inputs: Vec<(String, StagedFile)>,
    output_fields: &[OutputField],
    output: File,
    limits: &Limits,
) -> Result<Store<BufferHost>, Outcome> {
    let batch_rows = usize::try_from(limits.batch_rows).unwrap_or(8_192);
    let inputs = inputs
        .into_iter()
        .map(|(_, file)| GuestInput::open(file, batch_rows))
        .collect::<Result<Vec<_>, _>>()?;
    let rows_in = inputs
        .iter()
        .map(GuestInput::rows)
        .fold(0, u64::saturating_add);
    let schema = output_schema(output_fields);
    let output = OutputStream::new(
        output,
        &schema,
        limits.output_bytes_max,
        limits.output_rows_max,
    )?;
    let host = BufferHost {
        inputs,
        output: Sink::Stream(Box::new(output)),
        schema,
        types: output_fields.iter().map(|field| field.data_type).collect(),
        common: Common::new(limits, rows_in),
    };
    play::store(engine, host, limits)
}

fn play(store: &mut Store<BufferHost>, module: &Module, seed: &[u8; 32]) -> Result<(), Outcome> {
    let mut linker = Linker::new(store.engine());
    host::link(&mut linker).map_err(|_| Outcome::Faulted(Fault::EngineFailed))?;
    let instance = begin(store, &linker, module, seed)?;
    if call(store, &instance, "run")? == 0 {
        Ok(())
    } else {
        Err(Outcome::Faulted(Fault::GuestFailed))
    }
}

/// An instance of a version that is known, with its seed.
pub(super) fn begin(
    store: &mut Store<BufferHost>,
    linker: &Linker<BufferHost>,
    module: &Module,
    seed: &[u8; 32],
) -> Result<Instance, Outcome> {
    let instance = linker
        .instantiate(&mut *store, module)
        .map_err(|error| classify(&error, store.data().common()))?;
    if call(store, &instance, "egret_abi_version")? != ABI_VERSION {
        return Err(Outcome::Faulted(Fault::ProgramRefused));
    }
    plant_seed(store, &instance, seed)?;
    Ok(instance)
}

fn call(store: &mut Store<BufferHost>, instance: &Instance, name: &str) -> Result<i32, Outcome> {
    let function = instance
        .get_typed_func::<(), i32>(&mut *store, name)
        .map_err(|_| BROKEN)?;
    function
        .call(&mut *store, ())
        .map_err(|error| classify(&error, store.data().common()))
}

fn plant_seed(
    store: &mut Store<BufferHost>,
    instance: &Instance,
    seed: &[u8; 32],
) -> Result<(), Outcome> {
    let Ok(plant) = instance.get_typed_func::<i32, ()>(&mut *store, "egret_seed") else {
        return Ok(());
    };
    let alloc = instance
        .get_typed_func::<(i32, i32), i32>(&mut *store, "alloc")
        .map_err(|_| BROKEN)?;
    let base = alloc
        .call(&mut *store, (32, 8))
        .map_err(|error| classify(&error, store.data().common()))?;
    let memory = instance.get_memory(&mut *store, "memory").ok_or(BROKEN)?;
    host::write_block(store, memory, pointer(base), seed)?;
    plant
        .call(&mut *store, base)
        .map_err(|error| classify(&error, store.data().common()))
}
