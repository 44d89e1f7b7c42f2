//! Compiling a module that was looked into before.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, Module, OptLevel, Strategy};

use super::module::ModuleFault;

/// The compiler of a worker.
pub(crate) struct Compiler {
    engine: Engine,
}

impl Compiler {
    /// Made before the jail is closed, since it looks at the machine once.
    pub(crate) fn new() -> Option<Self> {
        let engine = Engine::new(&config()).ok()?;
        Some(Self { engine })
    }

    /// The engine, whose epochs count wall time.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Machine code of a module that was looked into before.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Module, ModuleFault> {
        Module::from_binary(&self.engine, bytes).map_err(|_| ModuleFault::Invalid {
            offset: 0,
            detail: "does not compile".to_owned(),
        })
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // The deterministic meter, and the wall clock's way in.
        .consume_fuel(true)
        .epoch_interruption(true)
        // One result on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // Proposals that widen the surface; those not named are not compiled in.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        // Nothing of a guest is symbolised or dumped.
        .wasm_backtrace_max_frames(None::<NonZeroUsize>)
        .generate_address_map(false)
        .native_unwind_info(false)
        // The whole 32-bit space is reserved, so that accesses need no bounds checks.
        .memory_reservation(4 << 30)
        .memory_init_cow(false)
        .max_wasm_stack(1024 * 1024);
    config
}
