//! Functions of modules, called by a query batch by batch.
//!
//! A module has one instance for all scalar functions and aggregates of a run, and calls come one after the other, in
//! an order that the query alone decides: the same query on the same data burns the same fuel. Each call of a table
//! function has an instance of its own. Fuel is one budget for all modules of a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use wasmtime::{Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

use super::host::{self, BufferHost};
use super::input::GuestInput;
use super::layout::{ALIGN, Block};
use super::memory::{BROKEN, pointer, range};
use super::play::{self, Clock, Common, Host, classify};
use super::run;
use super::sink::{Rows, Sink};
use super::{Loader, emit};
use crate::limits::Limits;
use crate::manifest::ModuleFunction;
use crate::order::{ColumnType, OutputField, output_schema};
use crate::outcome::{Fault, Limit, Outcome};
use crate::staged_file::StagedFile;

/// A module as a query knows it.
pub(crate) struct FunctionModule {
    /// What SQL puts before the dot.
    pub(crate) name: String,
    pub(crate) module: Module,
    pub(crate) functions: Vec<ModuleFunction>,
}

/// The modules of a run.
pub(crate) struct Functions {
    engine: Engine,
    limits: Limits,
    seed: [u8; 32],
    modules: Vec<FunctionModule>,
    state: Mutex<State>,
    _clock: Clock,
}

struct State {
    fuel_left: u64,
    /// By module, made when it is called first.
    running: BTreeMap<usize, Running>,
    /// By module and function: groups that were handed out.
    groups: BTreeMap<(usize, usize), i32>,
    /// How the first call that failed ended.
    ended: Option<Outcome>,
    log: Vec<u8>,
}

/// Which function of which module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FunctionPlace {
    module: usize,
    function: usize,
}

/// A table of a call: the file and the columns that the function reads, in its order.
pub(crate) type CalledTable = (StagedFile, Vec<OutputField>);

impl std::fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Functions").finish_non_exhaustive()
    }
}

impl Functions {
    /// Nothing runs before it is called.
    pub(crate) fn new(
        loader: &Loader,
        modules: Vec<FunctionModule>,
        seed: [u8; 32],
        limits: &Limits,
    ) -> Self {
        let engine = loader.engine().clone();
        Self {
            _clock: Clock::start(&engine),
            engine,
            limits: limits.clone(),
            seed,
            modules,
            state: Mutex::new(State {
                fuel_left: limits.fuel,
                running: BTreeMap::new(),
                groups: BTreeMap::new(),
                ended: None,
                log: Vec::new(),
            }),
        }
    }

    /// Every function with its name in SQL, `module.function`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, FunctionPlace, &ModuleFunction)> {
        self.modules.iter().enumerate().flat_map(|(module, of)| {
            of.functions
                .iter()
                .enumerate()
                .map(move |(function, declared)| {
                    let name = format!("{}.{}", of.name, declared.name());
                    (name, FunctionPlace { module, function }, declared)
                })
        })
    }

    /// How the first call that failed ended.
    pub(crate) fn ended(&self) -> Option<Outcome> {
        self.state().ended
    }

    /// Fuel that was burnt, and what was logged.
    pub(crate) fn close(&self) -> (u64, Vec<u8>) {
        let mut state = self.state();
        let running = std::mem::take(&mut state.running);
        let mut log = std::mem::take(&mut state.log);
        for running in running.into_values() {
            log.extend_from_slice(running.store.into_data().common.log.bytes());
        }
        let log_max = usize::try_from(self.limits.guest_log_bytes).unwrap_or(usize::MAX);
        log.truncate(log_max);
        (self.limits.fuel.saturating_sub(state.fuel_left), log)
    }

    /// The values of a scalar function for the rows of a batch.
    pub(crate) fn scalar(
        &self,
        place: FunctionPlace,
        batch: &RecordBatch,
    ) -> Result<ArrayRef, Outcome> {
        let ModuleFunction::Scalar {
            name,
            arguments,
            returns,
        } = self.declared(place)?
        else {
            return Err(BROKEN);
        };
        self.called(place, |running| {
            let batch_at = running.hand_over(batch, &types(arguments))?;
            let answer = running.call(name, batch_at)?;
            running.column(answer, *returns, batch.num_rows())
        })
    }

    /// So many new groups of an aggregate; the number of the first.
    pub(crate) fn new_groups(&self, place: FunctionPlace, count: usize) -> Result<i32, Outcome> {
        let too_many = Outcome::LimitExceeded(Limit::WasmMemory);
        let count = i32::try_from(count).map_err(|_| too_many)?;
        let mut state = self.state();
        let next = state
            .groups
            .entry((place.module, place.function))
            .or_insert(0);
        let first = *next;
        *next = first.checked_add(count).ok_or(too_many)?;
        Ok(first)
    }

    /// Adds rows to groups: the batch's first column has their numbers.
    pub(crate) fn update(&self, place: FunctionPlace, batch: &RecordBatch) -> Result<(), Outcome> {
        let ModuleFunction::Aggregate {
            name, arguments, ..
        } = self.declared(place)?
        else {
            return Err(BROKEN);
        };
        let mut taken = vec![ColumnType::Int32];
        taken.extend(types(arguments));
        self.called(place, |running| {
            let batch_at = running.hand_over(batch, &taken)?;
            match running.call(&format!("{name}_update"), batch_at)? {
                0 => Ok(()),
                _ => Err(Outcome::Faulted(Fault::GuestFailed)),
            }
        })
    }

    /// The values of groups, whose numbers are the batch's only column.
    pub(crate) fn finish(
        &self,
        place: FunctionPlace,
        groups: &RecordBatch,
    ) -> Result<ArrayRef, Outcome> {
        let ModuleFunction::Aggregate { name, returns, .. } = self.declared(place)? else {
            return Err(BROKEN);
        };
        self.called(place, |running| {
            let groups_at = running.hand_over(groups, &[ColumnType::Int32])?;
            let answer = running.call(&format!("{name}_finish"), groups_at)?;
            running.column(answer, *returns, groups.num_rows())
        })
    }

    /// The rows of a table function, for one row of constants.
    pub(crate) fn table(
        &self,
        place: FunctionPlace,
        tables: Vec<CalledTable>,
        constants: &RecordBatch,
    ) -> Result<Vec<RecordBatch>, Outcome> {
        let ModuleFunction::Table {
            name,
            arguments,
            columns,
            ..
        } = self.declared(place)?
        else {
            return Err(BROKEN);
        };
        let mut state = self.state();
        let answer = self.emitted(
            &mut state,
            place,
            (name, arguments),
            tables,
            columns,
            constants,
        );
        if let Err(outcome) = answer {
            state.ended.get_or_insert(outcome);
        }
        answer
    }

    fn emitted(
        &self,
        state: &mut State,
        place: FunctionPlace,
        (name, arguments): (&str, &[OutputField]),
        tables: Vec<CalledTable>,
        columns: &[OutputField],
        constants: &RecordBatch,
    ) -> Result<Vec<RecordBatch>, Outcome> {
        let batch_rows = usize::try_from(self.limits.batch_rows).unwrap_or(8_192);
        let inputs = tables
            .into_iter()
            .map(|(file, columns)| GuestInput::open_columns(file, batch_rows, &columns))
            .collect::<Result<Vec<_>, _>>()?;
        let mut host = self.host();
        host.inputs = inputs;
        host.schema = output_schema(columns);
        host.types = types(columns);
        // What a query has for its own tables; rows that wait for it are no less.
        host.output = Sink::Rows(Rows::new(self.limits.engine_pool_bytes()));
        let mut running = Running::start(self, place.module, host, state.fuel_left)?;
        let constants_at = running.hand_over(constants, &types(arguments))?;
        let answer = running.call(name, constants_at);
        state.fuel_left = running.fuel_left();
        let host = running.store.into_data();
        state.log.extend_from_slice(host.common.log.bytes());
        match (answer?, host.output) {
            (0, Sink::Rows(rows)) => Ok(rows.into_batches()),
            _ => Err(Outcome::Faulted(Fault::GuestFailed)),
        }
    }

    /// Calls into the module's one instance, on what fuel is left for all.
    fn called<T>(
        &self,
        place: FunctionPlace,
        call: impl FnOnce(&mut Running) -> Result<T, Outcome>,
    ) -> Result<T, Outcome> {
        let mut state = self.state();
        if let Some(outcome) = state.ended {
            // A guest that trapped is in no state to be called again.
            return Err(outcome);
        }
        let fuel = state.fuel_left;
        let answer = self.running(&mut state, place.module).and_then(|running| {
            running.refuel(fuel)?;
            let answer = call(running);
            Ok((answer, running.fuel_left()))
        });
        let answer = answer.and_then(|(answer, fuel_left)| {
            state.fuel_left = fuel_left;
            answer
        });
        if let Err(outcome) = &answer {
            state.ended.get_or_insert(*outcome);
        }
        answer
    }

    fn running<'s>(&self, state: &'s mut State, module: usize) -> Result<&'s mut Running, Outcome> {
        if !state.running.contains_key(&module) {
            let running = Running::start(self, module, self.host(), state.fuel_left)?;
            state.fuel_left = running.fuel_left();
            state.running.insert(module, running);
        }
        state.running.get_mut(&module).ok_or(BROKEN)
    }

    /// A host without inputs and output.
    fn host(&self) -> BufferHost {
        BufferHost {
            inputs: Vec::new(),
            output: Sink::Closed,
            schema: output_schema(&[]),
            types: Vec::new(),
            common: Common::new(&self.limits, 0),
        }
    }

    fn declared(&self, place: FunctionPlace) -> Result<&ModuleFunction, Outcome> {
        let module = self.modules.get(place.module).ok_or(BROKEN)?;
        module.functions.get(place.function).ok_or(BROKEN)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic ends the run; what it left is not used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instance that can be called.
struct Running {
    store: Store<BufferHost>,
    instance: Instance,
    memory: Memory,
    alloc: TypedFunc<(i32, i32), i32>,
    calls: BTreeMap<String, TypedFunc<i32, i32>>,
}

impl Running {
    fn start(
        functions: &Functions,
        module: usize,
        host: BufferHost,
        fuel: u64,
    ) -> Result<Self, Outcome> {
        let module = &functions.modules.get(module).ok_or(BROKEN)?.module;
        let mut store = play::store(&functions.engine, host, &functions.limits)?;
        refuel(&mut store, fuel)?;
        let mut linker = Linker::new(&functions.engine);
        host::link(&mut linker).map_err(|_| Outcome::Faulted(Fault::EngineFailed))?;
        let instance = run::begin(&mut store, &linker, module, &functions.seed)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or(BROKEN)?;
        let alloc = instance
            .get_typed_func(&mut store, "alloc")
            .map_err(|_| BROKEN)?;
        Ok(Self {
            store,
            instance,
            memory,
            alloc,
            calls: BTreeMap::new(),
        })
    }

    fn refuel(&mut self, fuel: u64) -> Result<(), Outcome> {
        refuel(&mut self.store, fuel)
    }

    fn fuel_left(&self) -> u64 {
        self.store.get_fuel().unwrap_or(0)
    }

    /// Lays a batch into the guest's memory; the block is the guest's from then on.
    fn hand_over(&mut self, batch: &RecordBatch, types: &[ColumnType]) -> Result<i32, Outcome> {
        let too_large = Outcome::LimitExceeded(Limit::WasmMemory);
        let block = Block::new(batch, types).ok_or(too_large)?;
        let length = i32::try_from(block.len()).map_err(|_| too_large)?;
        let align = i32::try_from(ALIGN).map_err(|_| BROKEN)?;
        let answer = self
            .alloc
            .call(&mut self.store, (length, align))
            .map_err(|error| classify(&error, self.store.data().common()))?;
        let base = pointer(answer);
        let aligned = usize::try_from(base).is_ok_and(|base| base != 0 && base % ALIGN == 0);
        if !aligned {
            return Err(BROKEN);
        }
        let bytes = block.at(base).ok_or(BROKEN)?;
        range(self.memory.data(&self.store), base, bytes.len() as u64)?;
        host::write_block(&mut self.store, self.memory, base, &bytes)?;
        Ok(answer)
    }

    fn call(&mut self, name: &str, batch: i32) -> Result<i32, Outcome> {
        let function = match self.calls.get(name) {
            Some(function) => function.clone(),
            None => {
                let function: TypedFunc<i32, i32> = self
                    .instance
                    .get_typed_func(&mut self.store, name)
                    .map_err(|_| BROKEN)?;
                self.calls.insert(name.to_owned(), function.clone());
                function
            }
        };
        function
            .call(&mut self.store, batch)
            .map_err(|error| classify(&error, self.store.data().common()))
    }

    /// The one column of the batch that a function answered with; 0 says that it failed.
    fn column(&self, answer: i32, returns: ColumnType, rows: usize) -> Result<ArrayRef, Outcome> {
        if answer == 0 {
            return Err(Outcome::Faulted(Fault::GuestFailed));
        }
        let field = OutputField {
            name: "value".to_owned(),
            data_type: returns,
        };
        let schema: SchemaRef = output_schema(std::slice::from_ref(&field));
        let memory = self.memory.data(&self.store);
        let batch = emit::read(memory, pointer(answer), &schema, &[returns])?;
        let column = batch.columns().first().ok_or(BROKEN)?;
        if column.len() == rows {
            Ok(column.clone())
        } else {
            Err(BROKEN)
        }
    }
}

fn refuel(store: &mut Store<BufferHost>, fuel: u64) -> Result<(), Outcome> {
    store
        .set_fuel(fuel)
        .map_err(|_| Outcome::Faulted(Fault::EngineFailed))
}

fn types(fields: &[OutputField]) -> Vec<ColumnType> {
    fields.iter().map(|field| field.data_type).collect()
}
