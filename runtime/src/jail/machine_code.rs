//! Where bytes become code that runs.

use wasmtime::{Engine, Module};

/// Loads machine code that the supervisor handed over. None where the engine sees that it was made
/// for another version, other settings or another processor.
pub(crate) fn load(engine: &Engine, code: &[u8]) -> Option<Module> {
    // SAFETY: the bytes must be what `Engine::precompile_module` made. They come in a sealed file
    // from the supervisor, the one process that holds the key of the cache: it hands over nothing
    // but what a compile worker answered for this very owner's module, and only after it has
    // verified the code's MAC in this run. A compile worker that its module took over could have
    // answered anything; that code then runs here, in the same jail, for the same owner, which a
    // worker with a program is prepared for in any case.
    unsafe { Module::deserialize(engine, code) }.ok()
}
