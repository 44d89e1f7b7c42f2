//! One guest from its first instruction to its last.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Instance, Linker, Module, Store, Trap};

use super::host::{self, Budget, Host};
use super::input::GuestInput;
use super::memory::{BROKEN, pointer};
use super::module::Compiler;
use crate::engine::StagedFile;
use crate::limits::Limits;
use crate::order::{OutputField, output_schema};
use crate::outcome::{Fault, Limit, Outcome};
use crate::output::OutputStream;
use crate::ran::Ran;

/// Version of the guest interface.
const ABI_VERSION: i32 = 1;
/// How often the wall clock is looked at.
const TICK: Duration = Duration::from_millis(10);

/// What a guest is given.
pub(crate) struct Guest {
    pub(crate) module: Module,
    pub(crate) inputs: Vec<StagedFile>,
    pub(crate) output_fields: Vec<OutputField>,
    pub(crate) seed: [u8; 32],
    pub(crate) output: File,
    pub(crate) log: File,
}

/// Runs a compiled guest.
pub(crate) fn run(compiler: &Compiler, guest: Guest, limits: &Limits) -> Ran {
    let Guest {
        module,
        inputs,
        output_fields,
        seed,
        output,
        mut log,
    } = guest;
    let mut store = match open(compiler, inputs, &output_fields, output, limits) {
        Ok(store) => store,
        Err(outcome) => return Ran::ended(outcome),
    };
    let clock = Clock::start(compiler);
    let ended = play(&mut store, &module, &seed);
    drop(clock);
    let fuel_left = store.get_fuel().unwrap_or(0);
    let host = store.into_data();
    let _ = log.write_all(&host.log);
    let mut ran = Ran {
        outcome: ended.err().unwrap_or(Outcome::Finished),
        fuel: limits.fuel.saturating_sub(fuel_left),
        rows_in: host.rows_in,
        rows_out: host.output.rows(),
    };
    if ran.outcome == Outcome::Finished
        && let Err(outcome) = host.output.finish()
    {
        ran.outcome = outcome;
    }
    ran
}

fn open(
    compiler: &Compiler,
    inputs: Vec<StagedFile>,
    output_fields: &[OutputField],
    output: File,
    limits: &Limits,
) -> Result<Store<Host>, Outcome> {
    let batch_rows = usize::try_from(limits.batch_rows).unwrap_or(8_192);
    let inputs = inputs
        .into_iter()
        .map(|file| GuestInput::open(file, batch_rows))
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
    let host = Host {
        inputs,
        output,
        schema,
        types: output_fields.iter().map(|field| field.data_type).collect(),
        log: Vec::new(),
        rows_in,
        ended: None,
        budget: Budget::new(limits),
    };
    let mut store = Store::new(compiler.engine(), host);
    store.limiter(|host| &mut host.budget);
    store.epoch_deadline_trap();
    let ticks = limits.wall_ms.div_ceil(10).max(1);
    store.set_epoch_deadline(ticks);
    store
        .set_fuel(limits.fuel)
        .map_err(|_| Outcome::Faulted(Fault::EngineFailed))?;
    Ok(store)
}

fn play(store: &mut Store<Host>, module: &Module, seed: &[u8; 32]) -> Result<(), Outcome> {
    let mut linker = Linker::new(store.engine());
    host::link(&mut linker).map_err(|_| Outcome::Faulted(Fault::EngineFailed))?;
    let instance = linker
        .instantiate(&mut *store, module)
        .map_err(|error| classify(&error, store.data()))?;
    if call(store, &instance, "egret_abi_version")? != ABI_VERSION {
        return Err(Outcome::Faulted(Fault::ProgramRefused));
    }
    plant_seed(store, &instance, seed)?;
    if call(store, &instance, "run")? == 0 {
        Ok(())
    } else {
        Err(Outcome::Faulted(Fault::GuestFailed))
    }
}

fn call(store: &mut Store<Host>, instance: &Instance, name: &str) -> Result<i32, Outcome> {
    let function = instance
        .get_typed_func::<(), i32>(&mut *store, name)
        .map_err(|_| BROKEN)?;
    function
        .call(&mut *store, ())
        .map_err(|error| classify(&error, store.data()))
}

fn plant_seed(
    store: &mut Store<Host>,
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
        .map_err(|error| classify(&error, store.data()))?;
    let memory = instance.get_memory(&mut *store, "memory").ok_or(BROKEN)?;
    host::write_block(store, memory, pointer(base), seed)?;
    plant
        .call(&mut *store, base)
        .map_err(|error| classify(&error, store.data()))
}

/// The class of a guest's end. What the host found comes before what the trap looks like.
pub(super) fn classify(error: &wasmtime::Error, host: &Host) -> Outcome {
    if let Some(outcome) = host.ended {
        return outcome;
    }
    if host.budget.exceeded {
        return Outcome::LimitExceeded(Limit::WasmMemory);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Outcome::LimitExceeded(Limit::Fuel),
        Some(Trap::Interrupt) => Outcome::TimedOut,
        Some(_) => Outcome::Faulted(Fault::GuestTrapped),
        None => Outcome::Faulted(Fault::EngineFailed),
    }
}

/// Advances the engine's epoch until dropped.
struct Clock {
    stop: Arc<AtomicBool>,
}

impl Clock {
    fn start(compiler: &Compiler) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let engine = compiler.engine().clone();
        // Without the thread the supervisor's kill is still there.
        let _ = std::thread::Builder::new()
            .name("clock".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    engine.increment_epoch();
                }
            });
        Self { stop }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
