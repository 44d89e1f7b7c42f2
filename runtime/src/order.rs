//! What is asked of a worker: a program, its inputs, its limits.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::limits::{LimitOutOfRange, Limits};
use crate::manifest::ModuleFunction;

/// The types that cross the guest interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Bit-packed booleans.
    Boolean,
    /// 32-bit integers.
    Int32,
    /// 64-bit integers.
    Int64,
    /// 64-bit floating point.
    Float64,
    /// UTF-8 text with 32-bit offsets.
    Utf8,
    /// Days since 1970-01-01, 32 bits.
    Date32,
    /// Microseconds since 1970-01-01T00:00:00, without a time zone.
    TimestampMicros,
}

impl ColumnType {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Utf8 => DataType::Utf8,
            Self::Date32 => DataType::Date32,
            Self::TimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

/// A column that a WASM guest will emit; every column may hold nulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputField {
    /// Name of the column.
    pub name: String,
    /// Its type.
    pub data_type: ColumnType,
}

/// The Arrow schema of declared output columns.
pub(crate) fn output_schema(fields: &[OutputField]) -> SchemaRef {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| Field::new(field.name.clone(), field.data_type.arrow(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// What runs.
#[derive(Clone, Debug)]
pub enum Program {
    /// A governed plan: `datafusion-proto` bytes of a logical plan whose scans name inputs.
    Sql {
        /// The plan.
        plan: Vec<u8>,
        /// Modules whose functions the plan calls.
        modules: Vec<SqlModule>,
        /// All the randomness that they get.
        seed: [u8; 32],
    },
    /// A WASM module of one of the guest interfaces.
    Wasm {
        /// The binary module.
        module: Vec<u8>,
        /// Whose module it is: machine code made of it is kept for this owner alone.
        owner: String,
        /// What it emits, fixed before it runs.
        output: Vec<OutputField>,
        /// All the randomness that it gets.
        seed: [u8; 32],
    },
    /// One of the platform's own functions, run in the jail because what it reads is hostile.
    Task {
        /// Its name among those given to [`crate::worker_main`].
        name: String,
        /// Its request.
        request: Vec<u8>,
    },
}

/// A module whose functions a plan calls as `name.function`.
#[derive(Clone, Debug)]
pub struct SqlModule {
    /// What stands before the dot.
    pub name: String,
    /// The binary module.
    pub module: Vec<u8>,
    /// Whose module it is: machine code made of it is kept for this owner alone.
    pub owner: String,
    /// Its functions, as its manifest tells them. The worker checks nothing but types: what is not there ends the run.
    pub functions: Vec<ModuleFunction>,
}

/// How the bytes of an input are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFormat {
    /// A Parquet file: the only format that SQL and WASM programs read.
    Parquet,
    /// Bytes for a task.
    Opaque,
}

/// An open file that a program may read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Name of the table in a plan; a WASI command finds it as `/in/<name>.arrow`; other guests and
    /// tasks count inputs from 0.
    pub name: String,
    /// Opened for reading only: a descriptor that can write is refused. Its position is not used.
    pub file: Arc<File>,
    /// Length of the file.
    pub bytes: u64,
    /// How it is read.
    pub format: InputFormat,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Order {
    /// What runs.
    pub program: Program,
    /// What it may read.
    pub inputs: Vec<Input>,
    /// What it may use.
    pub limits: Limits,
}

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    /// A limit outside its range.
    #[error(transparent)]
    Limit(#[from] LimitOutOfRange),
    /// The program is larger than its limit.
    #[error("program has {bytes} bytes, permitted are {max}")]
    ProgramTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// More inputs than the limit.
    #[error("order has {count} inputs, permitted are {max}")]
    TooManyInputs {
        /// How many.
        count: usize,
        /// The limit.
        max: u32,
    },
    /// Two inputs of one name, or a name that is empty or too long.
    #[error("input name {name:?} is empty, too long or used twice")]
    InputName {
        /// The name.
        name: String,
    },
    /// SQL and WASM programs read Parquet alone.
    #[error("input {name:?} is not said to be Parquet, which the program reads alone")]
    InputFormat {
        /// Name of the input.
        name: String,
    },
    /// A descriptor that could be written to.
    #[error("input {name:?} is not opened for reading only")]
    InputWritable {
        /// Name of the input.
        name: String,
    },
    /// The descriptor's file has another length than the order says.
    #[error("input {name:?} has {actual} bytes, the order says {declared}")]
    InputLength {
        /// Name of the input.
        name: String,
        /// What the order says.
        declared: u64,
        /// What the file has.
        actual: u64,
    },
    /// The owner of a module is not named, or at too great length.
    #[error("owner {name:?} of the module is empty or too long")]
    OwnerName {
        /// The name.
        name: String,
    },
    /// More modules than a plan may call, or two of one name.
    #[error(
        "module name {name:?} is empty, too long or used twice, or there are more than {MODULES_MAX} modules"
    )]
    SqlModules {
        /// The name at fault.
        name: String,
    },
    /// The output schema is empty, too wide, or has a name that is empty, too long or used twice.
    #[error("output column {name:?} is empty, too long, used twice, or there are too many or none")]
    OutputColumns {
        /// The name at fault.
        name: String,
    },
    /// The host could not answer about an input.
    #[error("cannot examine input {name:?}")]
    InputUnreadable {
        /// Name of the input.
        name: String,
        /// What the host said.
        source: std::io::Error,
    },
}

/// Longest name of an input, an output column or an owner, bytes.
const NAME_BYTES_MAX: usize = 256;
/// Most modules whose functions one plan calls.
pub const MODULES_MAX: usize = 4;
/// Most output columns of a guest.
const OUTPUT_COLUMNS_MAX: usize = 256;

impl Order {
    /// Checks the order against its own limits, and each input's descriptor against what is said of
    /// it.
    pub fn validate(&self) -> Result<(), OrderFault> {
        self.limits.validate()?;
        for bytes in self.program.bytes() {
            let (bytes, max) = (bytes.len() as u64, self.limits.program_bytes_max);
            if bytes > max {
                return Err(OrderFault::ProgramTooLarge { bytes, max });
            }
        }
        if let Program::Sql { modules, .. } = &self.program {
            validate_modules(modules)?;
        }
        if let Program::Wasm { output, owner, .. } = &self.program {
            validate_output(output)?;
            if !name_fits(owner) {
                return Err(OrderFault::OwnerName {
                    name: owner.clone(),
                });
            }
        }
        let count = self.inputs.len();
        if u32::try_from(count).map_or(true, |count| count > self.limits.inputs_max) {
            return Err(OrderFault::TooManyInputs {
                count,
                max: self.limits.inputs_max,
            });
        }
        let mut names = std::collections::BTreeSet::new();
        for input in &self.inputs {
            if !name_fits(&input.name) || !names.insert(input.name.as_str()) {
                return Err(OrderFault::InputName {
                    name: input.name.clone(),
                });
            }
            if !self.program.reads(input.format) {
                return Err(OrderFault::InputFormat {
                    name: input.name.clone(),
                });
            }
            input.validate()?;
        }
        Ok(())
    }
}

impl Program {
    /// A plan that calls no module.
    pub fn sql(plan: Vec<u8>) -> Self {
        Self::Sql {
            plan,
            modules: Vec::new(),
            seed: [0; 32],
        }
    }

    fn reads(&self, format: InputFormat) -> bool {
        matches!(self, Self::Task { .. }) || format == InputFormat::Parquet
    }

    /// What [`Limits::program_bytes_max`] is about, each for itself.
    fn bytes(&self) -> Vec<&[u8]> {
        match self {
            Self::Sql { plan, modules, .. } => {
                let modules = modules.iter().map(|module| &module.module[..]);
                std::iter::once(&plan[..]).chain(modules).collect()
            }
            Self::Wasm { module, .. } => vec![module],
            Self::Task { request, .. } => vec![request],
        }
    }
}

impl Input {
    fn validate(&self) -> Result<(), OrderFault> {
        let unreadable = |source: std::io::Error| OrderFault::InputUnreadable {
            name: self.name.clone(),
            source,
        };
        let flags =
            rustix::fs::fcntl_getfl(&*self.file).map_err(|errno| unreadable(errno.into()))?;
        if flags & rustix::fs::OFlags::RWMODE != rustix::fs::OFlags::RDONLY {
            return Err(OrderFault::InputWritable {
                name: self.name.clone(),
            });
        }
        let actual = self.file.metadata().map_err(unreadable)?.len();
        if actual != self.bytes {
            return Err(OrderFault::InputLength {
                name: self.name.clone(),
                declared: self.bytes,
                actual,
            });
        }
        Ok(())
    }
}

fn validate_modules(modules: &[SqlModule]) -> Result<(), OrderFault> {
    let mut names = std::collections::BTreeSet::new();
    for (place, module) in modules.iter().enumerate() {
        if place >= MODULES_MAX || !name_fits(&module.name) || !names.insert(&module.name) {
            return Err(OrderFault::SqlModules {
                name: module.name.clone(),
            });
        }
        if !name_fits(&module.owner) {
            return Err(OrderFault::OwnerName {
                name: module.owner.clone(),
            });
        }
    }
    Ok(())
}

fn validate_output(output: &[OutputField]) -> Result<(), OrderFault> {
    if output.is_empty() || output.len() > OUTPUT_COLUMNS_MAX {
        return Err(OrderFault::OutputColumns {
            name: String::new(),
        });
    }
    let mut names = std::collections::BTreeSet::new();
    match output
        .iter()
        .find(|field| !name_fits(&field.name) || !names.insert(&field.name))
    {
        Some(field) => Err(OrderFault::OutputColumns {
            name: field.name.clone(),
        }),
        None => Ok(()),
    }
}

fn name_fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn order(inputs: Vec<Input>) -> Order {
        Order {
            program: Program::Sql {
                plan: vec![1],
                modules: vec![],
                seed: [0; 32],
            },
            inputs,
            limits: Limits::default(),
        }
    }

    fn input(name: &str, file: File, bytes: u64) -> Input {
        Input {
            name: name.into(),
            file: Arc::new(file),
            bytes,
            format: InputFormat::Parquet,
        }
    }

    #[test]
    fn a_descriptor_that_can_write_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writable = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(file.path())
            .unwrap();
        let fault = order(vec![input("a", writable, 0)]).validate().unwrap_err();
        assert!(matches!(fault, OrderFault::InputWritable { .. }), "{fault}");
        let readable = File::open(file.path()).unwrap();
        order(vec![input("a", readable, 0)]).validate().unwrap();
    }

    #[test]
    fn names_and_lengths_are_checked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let fault = order(vec![input("a", open(), 0), input("a", open(), 0)]).validate();
        assert!(matches!(fault, Err(OrderFault::InputName { .. })));
        let fault = order(vec![input("", open(), 0)]).validate();
        assert!(matches!(fault, Err(OrderFault::InputName { .. })));
        let fault = order(vec![input("a", open(), 7)]).validate();
        assert!(matches!(
            fault,
            Err(OrderFault::InputLength {
                actual: 0,
                declared: 7,
                ..
            })
        ));
    }

    #[test]
    fn programs_read_parquet_and_tasks_read_anything() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut opaque = input("a", File::open(file.path()).unwrap(), 0);
        opaque.format = InputFormat::Opaque;
        let mut order = order(vec![opaque]);
        assert!(matches!(
            order.validate(),
            Err(OrderFault::InputFormat { .. })
        ));
        order.program = Program::Task {
            name: "t".into(),
            request: vec![],
        };
        order.validate().unwrap();
    }

    #[test]
    fn a_module_has_an_owner() {
        for owner in [String::new(), "x".repeat(257)] {
            let program = Program::Wasm {
                module: vec![],
                owner,
                output: vec![OutputField {
                    name: "a".into(),
                    data_type: ColumnType::Int64,
                }],
                seed: [0; 32],
            };
            let order = Order {
                program,
                ..order(vec![])
            };
            assert!(matches!(
                order.validate(),
                Err(OrderFault::OwnerName { .. })
            ));
        }
    }

    #[test]
    fn modules_of_a_plan_have_names_of_their_own_and_are_few() {
        let module = |name: &str| SqlModule {
            name: name.into(),
            module: vec![],
            owner: "o".into(),
            functions: vec![],
        };
        let with = |modules: Vec<SqlModule>| Order {
            program: Program::Sql {
                plan: vec![1],
                modules,
                seed: [0; 32],
            },
            ..order(vec![])
        };
        with(["a", "b", "c", "d"].map(module).to_vec())
            .validate()
            .unwrap();
        for names in [&["a", "a"][..], &[""], &["a", "b", "c", "d", "e"]] {
            let fault = with(names.iter().map(|name| module(name)).collect()).validate();
            assert!(
                matches!(fault, Err(OrderFault::SqlModules { .. })),
                "{names:?}"
            );
        }
    }

    #[test]
    fn output_columns_have_names_of_their_own() {
        let field = |name: &str| OutputField {
            name: name.into(),
            data_type: ColumnType::Int64,
        };
        for output in [vec![], vec![field("")], vec![field("a"), field("a")]] {
            let program = Program::Wasm {
                module: vec![],
                owner: "o".into(),
                output,
                seed: [0; 32],
            };
            let order = Order {
                program,
                inputs: vec![],
                limits: Limits::default(),
            };
            assert!(matches!(
                order.validate(),
                Err(OrderFault::OutputColumns { .. })
            ));
        }
    }
}
