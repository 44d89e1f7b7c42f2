//! What the interfaces share: the store of a guest with its meters, and how its end is classified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Caller, Engine, Extern, Memory, Store, Trap};

use super::budget::{Budget, GuestLog};
use super::memory::BROKEN;
use crate::limits::Limits;
use crate::outcome::{Fault, Limit, Outcome};

/// How often the wall clock is looked at.
const TICK: Duration = Duration::from_millis(10);

/// What every host keeps for its guest.
pub(super) struct Common {
    /// Why the host ended the guest, where it did.
    pub(super) ended: Option<Outcome>,
    pub(super) budget: Budget,
    pub(super) log: GuestLog,
    /// Rows of all inputs, whether they are asked for or not: what a program leaves out tells nothing.
    pub(super) rows_in: u64,
}

impl Common {
    pub(super) fn new(limits: &Limits, rows_in: u64) -> Self {
        Self {
            ended: None,
            budget: Budget::new(limits),
            log: GuestLog::new(limits),
            rows_in,
        }
    }
}

/// The host side of an interface.
pub(super) trait Host: 'static {
    fn common(&self) -> &Common;
    fn common_mut(&mut self) -> &mut Common;
}

/// A store with all its meters running.
pub(super) fn store<H: Host>(
    engine: &Engine,
    host: H,
    limits: &Limits,
) -> Result<Store<H>, Outcome> {
    let mut store = Store::new(engine, host);
    store.limiter(|host| &mut host.common_mut().budget);
    store.epoch_deadline_trap();
    let ticks = limits.wall_ms.div_ceil(10).max(1);
    store.set_epoch_deadline(ticks);
    store
        .set_fuel(limits.fuel)
        .map_err(|_| Outcome::Faulted(Fault::EngineFailed))?;
    Ok(store)
}

/// The class of a guest's end. What the host found comes before what the trap looks like.
pub(super) fn classify(error: &wasmtime::Error, common: &Common) -> Outcome {
    if let Some(outcome) = common.ended {
        return outcome;
    }
    if common.budget.exceeded {
        return Outcome::LimitExceeded(Limit::WasmMemory);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Outcome::LimitExceeded(Limit::Fuel),
        Some(Trap::Interrupt) => Outcome::TimedOut,
        Some(_) => Outcome::Faulted(Fault::GuestTrapped),
        None => Outcome::Faulted(Fault::EngineFailed),
    }
}

/// Ends the guest with what the host found, where the host did not end already.
pub(super) fn or_end<T, H: Host>(
    caller: &mut Caller<'_, H>,
    answer: Result<T, Outcome>,
) -> wasmtime::Result<T> {
    answer.map_err(|outcome| {
        caller.data_mut().common_mut().ended.get_or_insert(outcome);
        wasmtime::Error::msg("ended")
    })
}

/// The guest's one memory.
pub(super) fn memory<H>(caller: &mut Caller<'_, H>) -> Result<Memory, Outcome> {
    caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or(BROKEN)
}

/// Advances the engine's epoch until dropped.
pub(super) struct Clock {
    stop: Arc<AtomicBool>,
}

impl Clock {
    pub(super) fn start(engine: &Engine) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let engine = engine.clone();
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
