//! Machine code of guests: made by one kind of worker, loaded by the other.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;

use ring::digest::{Context, SHA256};
use wasmtime::{Config, Engine, Module, OptLevel, Strategy};

use crate::jail::machine_code;

/// Says which settings of this file code was made with, beside those that the engine tells of.
const SETTINGS_VERSION: &[u8] = b"egret code 1|";

/// What a compile worker has: it never runs what it makes.
pub(crate) struct Compiler {
    engine: Engine,
}

impl Compiler {
    /// Made before the jail is closed, since it looks at the machine once.
    pub(crate) fn new() -> Option<Self> {
        let mut config = config();
        config
            .strategy(Strategy::Cranelift)
            .cranelift_opt_level(OptLevel::Speed)
            // One result on every machine.
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).ok()?;
        Some(Self { engine })
    }

    /// Serialised machine code of a module that was looked into before.
    pub(crate) fn compile(&self, module: &[u8]) -> Option<Vec<u8>> {
        self.engine.precompile_module(module).ok()
    }

    /// What code of this compiler fits: the engine's version, its settings, and the processor.
    pub(crate) fn compatibility(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(SETTINGS_VERSION);
        let mut hasher = Sha256Hasher(context);
        self.engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        let mut digest = [0; 32];
        digest.copy_from_slice(hasher.0.finish().as_ref());
        digest
    }
}

/// What a run worker has: an engine without a compiler.
pub(crate) struct Loader {
    engine: Engine,
}

impl Loader {
    /// Made before the jail is closed.
    pub(crate) fn new() -> Option<Self> {
        let mut config = config();
        config.enable_compiler(false);
        let engine = Engine::new(&config).ok()?;
        Some(Self { engine })
    }

    /// The engine, whose epochs count wall time.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A module from the machine code that the supervisor handed over. None where it was made with
    /// other settings.
    pub(crate) fn load(&self, code: &[u8]) -> Option<Module> {
        machine_code::load(&self.engine, code)
    }
}

/// A digest where the engine asks for a hasher: 64 bits would be too few to tell code apart.
struct Sha256Hasher(Context);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finish();
        digest
            .as_ref()
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// The settings that both engines share; code is only taken where they are the same.
fn config() -> Config {
    let mut config = Config::new();
    config
        // The deterministic meter, and the wall clock's way in.
        .consume_fuel(true)
        .epoch_interruption(true)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::guest::module_from_text;

    #[test]
    fn what_is_compiled_is_loaded_and_other_bytes_are_not() {
        let compiler = Compiler::new().unwrap();
        let module = module_from_text(r#"(module (func (export "f") (result f64) f64.const 1))"#);
        let code = compiler.compile(&module.unwrap()).unwrap();
        let loader = Loader::new().unwrap();
        let loaded = loader.load(&code).unwrap();
        assert!(loaded.get_export_index("f").is_some());
        assert!(loader.load(b"\x7fELF").is_none());
        assert!(loader.load(&[]).is_none());
        assert!(compiler.compile(b"\0asm").is_none());
    }

    #[test]
    fn the_loader_has_no_compiler() {
        let loader = Loader::new().unwrap();
        assert!(loader.engine.precompile_module(b"\0asm\x01\0\0\0").is_err());
    }

    #[test]
    fn every_compiler_of_one_build_is_compatible() {
        let one = Compiler::new().unwrap().compatibility();
        assert_eq!(one, Compiler::new().unwrap().compatibility());
    }
}
