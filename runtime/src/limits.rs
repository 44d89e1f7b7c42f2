//! Every limit of a run in one place, with closed defaults.

use serde::{Deserialize, Serialize};

/// What a run may use. Each field has a default that suits an interactive job; [`Limits::validate`]
/// refuses values that would switch a limit off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Wall time from dispatch to the answer; the worker is killed afterwards. One minute.
    pub wall_ms: u64,
    /// CPU time of all threads together; the kernel kills the worker afterwards. Two minutes: both
    /// cores for the whole wall time.
    pub cpu_s: u64,
    /// Private memory of the worker (`RLIMIT_DATA`, and the cgroup where there is one). One GiB:
    /// four workers fit on a small node.
    pub memory_bytes: u64,
    /// Bytes of the file into which a query puts what does not fit into its memory. Four GiB: the engine's memory six
    /// times over. With 0, or without a folder for it, such a query ends.
    pub spill_bytes_max: u64,
    /// Bytes of the output, in the encoding that leaves the worker. 64 MiB: what an inspection can
    /// read in a second.
    pub output_bytes_max: u64,
    /// Rows of the output of SQL and WASM programs. One million.
    pub output_rows_max: u64,
    /// Fuel of a WASM guest, about one unit per instruction. 20 billion: about 20 to 40 seconds.
    pub fuel: u64,
    /// Linear memory of a WASM guest. 256 MiB; never above 512 MiB, since the guest cannot be
    /// interrupted inside one `memory.copy`.
    pub wasm_memory_bytes: u64,
    /// Elements of all WASM tables: indirect calls of a large module need a few thousand.
    pub wasm_table_elements: u64,
    /// Bytes kept of what a guest logs; the rest is dropped without failing the run.
    pub guest_log_bytes: u64,
    /// Bytes of the program itself: plan, module or request of a task.
    pub program_bytes_max: u64,
    /// Input files: one descriptor each, and a worker holds few.
    pub inputs_max: u32,
    /// Rows of one batch handed to a guest or written to the output.
    pub batch_rows: u32,
    /// Wall time of compiling a module; the compile worker is killed afterwards. 20 seconds: ten
    /// times what the largest ordinary module takes.
    pub compile_wall_ms: u64,
    /// CPU time of compiling a module. 20 seconds: it is one thread's work.
    pub compile_cpu_s: u64,
    /// Private memory of the compile worker. One GiB, as that of a run.
    pub compile_memory_bytes: u64,
    /// Bytes of the machine code of a module. 128 MiB: eight times the largest module.
    pub code_bytes_max: u64,
}

/// A limit outside its permitted range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} is {value}, permitted is {min} to {max}")]
pub struct LimitOutOfRange {
    /// Name of the field of [`Limits`].
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// Smallest permitted value.
    pub min: u64,
    /// Largest permitted value.
    pub max: u64,
}

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// Linear memory that no limit can raise: a guest cannot be interrupted inside one `memory.copy`.
pub(crate) const GUEST_MEMORY_BYTES_MAX: u64 = 512 * MIB;

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 60_000,
            cpu_s: 120,
            memory_bytes: GIB,
            spill_bytes_max: 4 * GIB,
            output_bytes_max: 64 * MIB,
            output_rows_max: 1_000_000,
            fuel: 20_000_000_000,
            wasm_memory_bytes: 256 * MIB,
            wasm_table_elements: 65_536,
            guest_log_bytes: 16 * 1024,
            program_bytes_max: 64 * MIB,
            inputs_max: 32,
            batch_rows: 8_192,
            compile_wall_ms: 20_000,
            compile_cpu_s: 20,
            compile_memory_bytes: GIB,
            code_bytes_max: 128 * MIB,
        }
    }
}

impl Limits {
    /// Checks every field against its permitted range.
    pub fn validate(&self) -> Result<(), LimitOutOfRange> {
        for (name, value, min, max) in self.ranges() {
            if value < min || value > max {
                return Err(LimitOutOfRange {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }

    /// Name, value, smallest and largest permitted value of every field.
    fn ranges(&self) -> [(&'static str, u64, u64, u64); 17] {
        [
            ("wall_ms", self.wall_ms, 1, 24 * 3_600_000),
            ("cpu_s", self.cpu_s, 1, 7 * 24 * 3_600),
            ("memory_bytes", self.memory_bytes, 128 * MIB, 1024 * GIB),
            ("spill_bytes_max", self.spill_bytes_max, 0, 1024 * GIB),
            ("output_bytes_max", self.output_bytes_max, 1, 4 * GIB),
            ("output_rows_max", self.output_rows_max, 1, 1_000_000_000),
            ("fuel", self.fuel, 1, u64::MAX / 2),
            (
                "wasm_memory_bytes",
                self.wasm_memory_bytes,
                65_536,
                GUEST_MEMORY_BYTES_MAX,
            ),
            (
                "wasm_table_elements",
                self.wasm_table_elements,
                1,
                10_000_000,
            ),
            ("guest_log_bytes", self.guest_log_bytes, 0, MIB),
            ("program_bytes_max", self.program_bytes_max, 1, 256 * MIB),
            ("inputs_max", u64::from(self.inputs_max), 0, 128),
            ("batch_rows", u64::from(self.batch_rows), 1, 65_536),
            ("compile_wall_ms", self.compile_wall_ms, 1, 600_000),
            ("compile_cpu_s", self.compile_cpu_s, 1, 600),
            (
                "compile_memory_bytes",
                self.compile_memory_bytes,
                64 * MIB,
                16 * GIB,
            ),
            ("code_bytes_max", self.code_bytes_max, 1, 512 * MIB),
        ]
    }

    /// The limits of compiling a module, in the places of those of a run.
    pub(crate) fn of_compiling(&self) -> Self {
        Self {
            wall_ms: self.compile_wall_ms,
            cpu_s: self.compile_cpu_s,
            memory_bytes: self.compile_memory_bytes,
            output_bytes_max: self.code_bytes_max,
            guest_log_bytes: 0,
            ..self.clone()
        }
    }

    /// What the SQL engine's own pool may hold: the rest is for the binary, buffers and stacks.
    pub(crate) fn engine_pool_bytes(&self) -> u64 {
        self.memory_bytes / 8 * 5
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn every_field_has_a_range_and_keeps_to_it() {
        let defaults = serde_json::to_value(Limits::default()).unwrap();
        let fields: Vec<_> = defaults.as_object().unwrap().keys().cloned().collect();
        let mut named: Vec<_> = Limits::default()
            .ranges()
            .map(|(name, ..)| name.to_owned())
            .to_vec();
        named.sort_unstable();
        let mut sorted = fields;
        sorted.sort_unstable();
        assert_eq!(named, sorted);
        for (name, _, min, max) in Limits::default().ranges() {
            let with = |value: u64| {
                let mut limits = defaults.clone();
                limits[name] = value.into();
                serde_json::from_value::<Limits>(limits).unwrap().validate()
            };
            assert_eq!(with(min), Ok(()), "{name}");
            assert_eq!(with(max), Ok(()), "{name}");
            let beyond = [min.checked_sub(1), max.checked_add(1)];
            for value in beyond.into_iter().flatten() {
                let fault = LimitOutOfRange {
                    name,
                    value,
                    min,
                    max,
                };
                assert_eq!(with(value), Err(fault));
            }
        }
    }

    #[test]
    fn defaults_are_permitted_and_nothing_can_be_switched_off() {
        Limits::default().validate().unwrap();
        let off = [
            Limits {
                wall_ms: 0,
                ..Limits::default()
            },
            Limits {
                memory_bytes: u64::MAX,
                ..Limits::default()
            },
            Limits {
                fuel: u64::MAX,
                ..Limits::default()
            },
            Limits {
                wasm_memory_bytes: 4 * GIB,
                ..Limits::default()
            },
            Limits {
                output_rows_max: 0,
                ..Limits::default()
            },
        ];
        for limits in off {
            assert!(limits.validate().is_err(), "{limits:?}");
        }
    }

    #[test]
    fn documents_with_unknown_fields_are_refused() {
        assert!(serde_json::from_str::<Limits>(r#"{"wall_ms":5,"walls":1}"#).is_err());
        let limits: Limits = serde_json::from_str(r#"{"wall_ms":5}"#).unwrap();
        assert_eq!(
            limits,
            Limits {
                wall_ms: 5,
                ..Limits::default()
            }
        );
    }
}
