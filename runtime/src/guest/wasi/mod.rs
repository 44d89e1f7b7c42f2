//! WASI preview 1 commands, through a small layer of this crate's own.
//!
//! A command finds: its name as the only argument; no environment; at descriptor 0 the first input
//! as an Arrow IPC stream; at 1 room for its result as Arrow IPC; at 2 the guest log; at 3 the
//! directory `/in` with each input as an Arrow IPC file, `<table>.arrow`; at 4 the directory `/out`,
//! in which it may create `result.arrow` and nothing else. The result is written at one of the two
//! places, as a file or as a stream, with exactly the declared columns; nothing written means a
//! table without rows. Writing at both places breaks the interface.
//!
//! The wall clock stands at 1970-01-01, the monotonic clock counts how often it is read, polling
//! does not wait, `random_get` draws from the run's seed. Exit code 0, or returning from `_start`,
//! finishes the run. At most 64 descriptors are open at a time; what exceeds the limit of the output
//! ends the run, what exceeds that of the log is dropped. Paths that lead out of their directory
//! answer `ENOTCAPABLE`.

mod command;
mod descriptors;
mod errno;
mod files;
mod link;
mod random;
mod result;
mod result_file;
mod streams;
mod table_file;
mod tree;
mod view;

use std::io::Write;

use wasmtime::{Engine, Linker, Module, Store};

use self::command::Command;
use self::descriptors::Descriptors;
use self::random::SeededRandom;
use self::result_file::ResultFile;
use self::table_file::TableFile;
use self::tree::Tree;
use super::Guest;
use super::input::GuestInput;
use super::interface::GuestInterface;
use super::memory::BROKEN;
use super::play::{self, Clock, Common, Host, classify};
use crate::limits::Limits;
use crate::order::output_schema;
use crate::outcome::{Fault, Outcome};
use crate::output::OutputStream;
use crate::ran::Ran;
use crate::staged_file::StagedFile;

/// Runs a compiled command.
pub(super) fn run(engine: &Engine, guest: Guest, limits: &Limits) -> Ran {
    let Guest {
        module,
        inputs,
        output_fields,
        seed,
        output,
        mut log,
    } = guest;
    let schema = output_schema(&output_fields);
    let opened = OutputStream::new(
        output,
        &schema,
        limits.output_bytes_max,
        limits.output_rows_max,
    )
    .and_then(|output| Ok((output, open(engine, inputs, seed, limits)?)));
    let (mut output, mut store) = match opened {
        Ok(opened) => opened,
        Err(outcome) => return Ran::ended(outcome),
    };
    let clock = Clock::start(engine);
    let mut outcome = play(&mut store, &module);
    drop(clock);
    let fuel_left = store.get_fuel().unwrap_or(0);
    let Command { common, tree, .. } = store.into_data();
    let _ = log.write_all(common.log.bytes());
    if outcome == Outcome::Finished {
        let copied = tree
            .result
            .into_bytes()
            .ok_or(BROKEN)
            .and_then(|bytes| result::copy(bytes, &schema, &mut output));
        outcome = copied.err().unwrap_or(Outcome::Finished);
    }
    let mut ran = Ran {
        outcome,
        fuel: limits.fuel.saturating_sub(fuel_left),
        rows_in: common.rows_in,
        rows_out: output.rows(),
    };
    if ran.outcome == Outcome::Finished
        && let Err(outcome) = output.finish()
    {
        ran.outcome = outcome;
    }
    ran
}

fn open(
    engine: &Engine,
    inputs: Vec<(String, StagedFile)>,
    seed: [u8; 32],
    limits: &Limits,
) -> Result<Store<Command>, Outcome> {
    let batch_rows = usize::try_from(limits.batch_rows).unwrap_or(8_192);
    let inputs = inputs
        .into_iter()
        .map(|(name, file)| Ok((name, GuestInput::open(file, batch_rows)?)))
        .collect::<Result<Vec<_>, Outcome>>()?;
    let rows_in = inputs
        .iter()
        .map(|(_, input)| input.rows())
        .fold(0, u64::saturating_add);
    let tables = inputs
        .into_iter()
        .map(|(name, input)| (name, TableFile::new(input)))
        .collect();
    let result = ResultFile::new(limits.output_bytes_max);
    let invalid = Outcome::Faulted(Fault::InputInvalid);
    let command = Command {
        common: Common::new(limits, rows_in),
        descriptors: Descriptors::new(),
        tree: Tree::new(tables, result).ok_or(invalid)?,
        random: SeededRandom::new(seed),
        ticks: 0,
    };
    play::store(engine, command, limits)
}

/// Runs the command to its end. A trap with exit code 0 behind it is a good one.
fn play(store: &mut Store<Command>, module: &Module) -> Outcome {
    let mut linker = Linker::new(store.engine());
    if link::link(&mut linker).is_err() {
        return Outcome::Faulted(Fault::EngineFailed);
    }
    let start = GuestInterface::WasiCommand.mark();
    let ended = linker
        .instantiate(&mut *store, module)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut *store, start))
        .and_then(|start| start.call(&mut *store, ()));
    match ended {
        Ok(()) => Outcome::Finished,
        Err(error) => classify(&error, store.data().common()),
    }
}
