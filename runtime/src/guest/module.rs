//! Looking into a module, and compiling it. Looking never runs or compiles anything and is safe in
//! the server; compiling happens in the worker alone.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncType,
    Operator, Parser, Payload, TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};
use wasmtime::{Config, Engine, Module, OptLevel, Strategy};

use crate::limits::GUEST_MEMORY_BYTES_MAX;

/// Bytes of a module: large programs with their tables are a few MiB.
const MODULE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Functions of a module.
const FUNCTIONS_MAX: u32 = 50_000;
/// Types, globals, exports, elements and data segments, each.
const ITEMS_MAX: u32 = 100_000;
/// Bytes of one function: compile time grows faster than the function.
const FUNCTION_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a validator's message that are kept.
const DETAIL_CHARS_MAX: usize = 200;
/// What a WebAssembly page holds.
const PAGE_BYTES: u64 = 65_536;
/// Where the imports come from.
pub(super) const NAMESPACE: &str = "egret";

const I32: ValType = ValType::I32;
/// What a guest may import: name, parameters, results.
const IMPORTS: [(&str, &[ValType], &[ValType]); 3] = [
    ("next_batch", &[I32], &[I32]),
    ("emit", &[I32], &[I32]),
    ("log", &[I32, I32], &[]),
];
/// What a guest must export.
const EXPORTS: [(&str, &[ValType], &[ValType]); 3] = [
    ("egret_abi_version", &[], &[I32]),
    ("alloc", &[I32, I32], &[I32]),
    ("run", &[], &[I32]),
];
/// What it may export.
const SEED: (&str, &[ValType], &[ValType]) = ("egret_seed", &[I32], &[]);

/// What can be known of a module without running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleFacts {
    /// Length of the module.
    pub bytes: u64,
    /// SHA-256 of the module, in hex.
    pub sha256: String,
    /// Functions defined in it.
    pub functions: u32,
    /// Functions that it imports, by name.
    pub imports: Vec<String>,
    /// Linear memory at the start.
    pub memory_bytes_min: u64,
    /// Linear memory that it says it will not exceed.
    pub memory_bytes_max: Option<u64>,
    /// Whether it takes a seed.
    pub seeded: bool,
}

/// Why a module is not taken. The words are about the module's code and never about data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleFault {
    /// Larger than a module may be.
    #[error("module has {bytes} bytes, permitted are {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not a binary core module: text, a component, or something else.
    #[error("module is not a binary WebAssembly core module")]
    NotAModule,
    /// Not valid, or using a proposal that is off (threads, memory64, multiple memories, garbage
    /// collection, exceptions, relaxed SIMD, tail calls).
    #[error("module is not valid at offset {offset:#x}: {detail}")]
    Invalid {
        /// Where.
        offset: usize,
        /// What the validator says.
        detail: String,
    },
    /// An import that does not exist, or not with these types.
    #[error("module imports {name:?}, which guests do not get")]
    ImportRefused {
        /// Module and name of the import.
        name: String,
    },
    /// A missing export, or one with other types.
    #[error("module does not export {name:?} as interface version 1 asks")]
    ExportMissing {
        /// Name of the export.
        name: &'static str,
    },
    /// A segment that is copied at the start, and does not fit: no run could begin.
    #[error("module's {what} segment {index} lies outside of what it initialises")]
    SegmentOutside {
        /// Data or element.
        what: &'static str,
        /// Which, from 0.
        index: u32,
    },
    /// More of something than permitted.
    #[error("module has too many or too large {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
}

/// Looks into a binary module: valid, inside the permitted proposals and sizes, with the imports
/// and exports of the guest interface.
pub fn inspect_module(bytes: &[u8]) -> Result<ModuleFacts, ModuleFault> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(ModuleFault::TooLarge {
            bytes: bytes.len(),
            max: MODULE_BYTES_MAX,
        });
    }
    if !bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Err(ModuleFault::NotAModule);
    }
    let mut found = Found::default();
    let mut validator = Validator::new_with_features(features());
    let mut parser = Parser::new(0);
    parser.set_features(features());
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        found.count(&payload)?;
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(invalid)?;
                allocations = function.into_allocations();
            }
            ValidPayload::Ok | ValidPayload::End(_) => {}
            ValidPayload::Parser(_) => return Err(ModuleFault::NotAModule),
        }
        found.read(payload)?;
    }
    found.facts(bytes)
}

/// The binary form of a module in text form, for examples and tests.
pub fn module_from_text(text: &str) -> Result<Vec<u8>, ModuleFault> {
    wat::parse_str(text).map_err(|error| ModuleFault::Invalid {
        offset: 0,
        detail: cut(&error.to_string()),
    })
}

fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST
}

fn invalid(error: wasmparser::BinaryReaderError) -> ModuleFault {
    ModuleFault::Invalid {
        offset: error.offset(),
        detail: cut(error.message()),
    }
}

fn cut(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(DETAIL_CHARS_MAX)
        .collect()
}

#[derive(Default)]
struct Found {
    types: Vec<Option<FuncType>>,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    imports: Vec<String>,
    exports: Vec<(String, ExternalKind, u32)>,
    memories: Vec<(u64, Option<u64>)>,
    /// Elements of each table at the start.
    tables: Vec<u64>,
    defined: u32,
}

impl Found {
    /// Refuses crowds before the validator spends time on them.
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), ModuleFault> {
        let (what, count, max) = match payload {
            Payload::TypeSection(section) => ("types", section.count(), ITEMS_MAX),
            Payload::ImportSection(section) => ("imports", section.count(), ITEMS_MAX),
            Payload::FunctionSection(section) => ("functions", section.count(), FUNCTIONS_MAX),
            Payload::TableSection(section) => ("tables", section.count(), 16),
            Payload::GlobalSection(section) => ("globals", section.count(), ITEMS_MAX),
            Payload::ExportSection(section) => ("exports", section.count(), ITEMS_MAX),
            Payload::ElementSection(section) => ("elements", section.count(), ITEMS_MAX),
            Payload::DataSection(section) => ("data segments", section.count(), ITEMS_MAX),
            Payload::CodeSectionEntry(body) if body.range().len() > FUNCTION_BYTES_MAX => {
                return Err(ModuleFault::TooMany {
                    what: "function bodies",
                });
            }
            _ => return Ok(()),
        };
        if count > max {
            Err(ModuleFault::TooMany { what })
        } else {
            Ok(())
        }
    }

    /// Keeps what the interface is about; the payload was validated.
    fn read(&mut self, payload: Payload<'_>) -> Result<(), ModuleFault> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for subtype in group.map_err(invalid)?.into_types() {
                        self.types.push(match subtype.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(invalid)?;
                    self.import(import.module, import.name, import.ty)?;
                }
            }
            Payload::FunctionSection(section) => {
                self.defined = section.count();
                for function in section {
                    self.functions.push(function.map_err(invalid)?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.map_err(invalid)?;
                    self.memories.push((memory.initial, memory.maximum));
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.tables.push(table.map_err(invalid)?.ty.initial);
                }
            }
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataSection(section) => self.data(section)?,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    self.exports
                        .push((export.name.to_owned(), export.kind, export.index));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn data(&self, section: wasmparser::DataSectionReader<'_>) -> Result<(), ModuleFault> {
        for (index, segment) in (0..).zip(section) {
            let segment = segment.map_err(invalid)?;
            let DataKind::Active {
                memory_index,
                offset_expr,
            } = segment.kind
            else {
                continue;
            };
            let pages = self.memories.get(memory_index as usize);
            let bytes = pages.map_or(0, |(initial, _)| initial.saturating_mul(PAGE_BYTES));
            if !fits(&offset_expr, segment.data.len() as u64, bytes)? {
                return Err(ModuleFault::SegmentOutside {
                    what: "data",
                    index,
                });
            }
        }
        Ok(())
    }

    fn elements(&self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), ModuleFault> {
        for (index, segment) in (0..).zip(section) {
            let segment = segment.map_err(invalid)?;
            let ElementKind::Active {
                table_index,
                offset_expr,
            } = segment.kind
            else {
                continue;
            };
            let count = match &segment.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            let table = table_index.unwrap_or(0) as usize;
            let room = self.tables.get(table).copied().unwrap_or(0);
            if !fits(&offset_expr, u64::from(count), room)? {
                return Err(ModuleFault::SegmentOutside {
                    what: "element",
                    index,
                });
            }
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, kind: TypeRef) -> Result<(), ModuleFault> {
        let refused = || ModuleFault::ImportRefused {
            name: cut(&format!("{module}.{name}")),
        };
        let TypeRef::Func(index) = kind else {
            return Err(refused());
        };
        let known = IMPORTS
            .iter()
            .find(|(known, _, _)| module == NAMESPACE && *known == name);
        let Some((_, parameters, results)) = known else {
            return Err(refused());
        };
        if !self.has_type(index, parameters, results) {
            return Err(refused());
        }
        self.functions.push(index);
        self.imports.push(name.to_owned());
        Ok(())
    }

    fn has_type(&self, index: u32, parameters: &[ValType], results: &[ValType]) -> bool {
        let function = self.types.get(index as usize).and_then(Option::as_ref);
        function.is_some_and(|function| {
            function.params() == parameters && function.results() == results
        })
    }

    fn exports(&self, (name, parameters, results): (&str, &[ValType], &[ValType])) -> bool {
        self.exports.iter().any(|(export, kind, index)| {
            export == name
                && *kind == ExternalKind::Func
                && self
                    .functions
                    .get(*index as usize)
                    .is_some_and(|index| self.has_type(*index, parameters, results))
        })
    }

    fn facts(self, bytes: &[u8]) -> Result<ModuleFacts, ModuleFault> {
        let memory = self
            .exports
            .iter()
            .any(|(name, kind, _)| name == "memory" && *kind == ExternalKind::Memory);
        let Some((initial, maximum)) = self.memories.first().filter(|_| memory) else {
            return Err(ModuleFault::ExportMissing { name: "memory" });
        };
        let memory_bytes_min = initial.saturating_mul(PAGE_BYTES);
        if memory_bytes_min > GUEST_MEMORY_BYTES_MAX {
            return Err(ModuleFault::TooMany {
                what: "pages of memory at the start",
            });
        }
        for export in EXPORTS {
            if !self.exports(export) {
                return Err(ModuleFault::ExportMissing { name: export.0 });
            }
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        Ok(ModuleFacts {
            bytes: bytes.len() as u64,
            sha256: hex::encode(digest),
            functions: self.defined,
            seeded: self.exports(SEED),
            memory_bytes_min,
            memory_bytes_max: maximum.map(|pages| pages.saturating_mul(PAGE_BYTES)),
            imports: self.imports,
        })
    }
}

/// Whether a segment at a constant offset fits. Offsets that are calculated are left to the start.
fn fits(offset: &ConstExpr<'_>, length: u64, room: u64) -> Result<bool, ModuleFault> {
    let mut operators = offset.get_operators_reader();
    let first = operators.read().map_err(invalid)?;
    let ends = matches!(operators.read().map_err(invalid)?, Operator::End);
    let (Operator::I32Const { value }, true) = (first, ends) else {
        return Ok(true);
    };
    let at = u64::from(value.cast_unsigned());
    Ok(at.saturating_add(length) <= room)
}

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    const GUEST: &str = r#"(module
        (import "egret" "next_batch" (func (param i32) (result i32)))
        (import "egret" "log" (func (param i32 i32)))
        (memory (export "memory") 2 16)
        (func (export "egret_abi_version") (result i32) i32.const 1)
        (func (export "alloc") (param i32 i32) (result i32) i32.const 8)
        (func (export "run") (result i32) i32.const 0))"#;

    fn inspect(text: &str) -> Result<ModuleFacts, ModuleFault> {
        inspect_module(&module_from_text(text).unwrap())
    }

    #[test]
    fn facts_of_a_guest() {
        let facts = inspect(GUEST).unwrap();
        assert_eq!(facts.imports, ["next_batch", "log"]);
        assert_eq!((facts.functions, facts.seeded), (3, false));
        assert_eq!(
            (facts.memory_bytes_min, facts.memory_bytes_max),
            (131_072, Some(1_048_576))
        );
        let seeded = GUEST.replace(
            "(memory",
            r#"(func (export "egret_seed") (param i32)) (memory"#,
        );
        assert!(inspect(&seeded).unwrap().seeded);
    }

    #[test]
    fn other_imports_are_refused_by_name() {
        for import in [
            r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
            r#"(import "egret" "open" (func))"#,
            r#"(import "egret" "log" (func (param i64)))"#,
            r#"(import "egret" "memory" (memory 1))"#,
            r#"(import "env" "next_batch" (func (param i32) (result i32)))"#,
        ] {
            let text = GUEST.replacen("(import", &format!("{import} (import"), 1);
            let fault = inspect(&text).unwrap_err();
            assert!(
                matches!(fault, ModuleFault::ImportRefused { .. }),
                "{import}: {fault}"
            );
        }
    }

    #[test]
    fn what_no_run_could_begin_with_is_refused() {
        let with = |part: &str| {
            inspect(&GUEST.replace("(memory (export", &format!("{part} (memory (export")))
        };
        let memory = |pages: &str| inspect(&GUEST.replace("2 16)", pages));
        memory("8192)").unwrap();
        assert!(matches!(memory("8193)"), Err(ModuleFault::TooMany { .. })));
        assert!(matches!(memory("65536)"), Err(ModuleFault::TooMany { .. })));
        let data = |at: &str| with(&format!(r#"(data (i32.const {at}) "abcd")"#));
        data("131068").unwrap();
        for at in ["131069", "-4", "-1", "2147483647"] {
            assert_eq!(
                data(at),
                Err(ModuleFault::SegmentOutside {
                    what: "data",
                    index: 0
                }),
                "{at}"
            );
        }
        let elements = |at: &str| {
            with(&format!(
                "(table 4 funcref) (elem (i32.const {at}) func 0 0)"
            ))
        };
        elements("2").unwrap();
        for at in ["3", "-1"] {
            assert_eq!(
                elements(at),
                Err(ModuleFault::SegmentOutside {
                    what: "element",
                    index: 0
                }),
                "{at}"
            );
        }
        with(r#"(data "passive")"#).unwrap();
    }

    #[test]
    fn missing_exports_are_named() {
        for name in ["memory", "egret_abi_version", "alloc", "run"] {
            let text = GUEST.replace(&format!(r#"(export "{name}")"#), "");
            assert_eq!(inspect(&text), Err(ModuleFault::ExportMissing { name }));
        }
        let other = GUEST.replace(
            r#"(param i32 i32) (result i32) i32.const 8"#,
            "(param i32) (result i32) i32.const 8",
        );
        assert_eq!(
            inspect(&other),
            Err(ModuleFault::ExportMissing { name: "alloc" })
        );
    }

    #[test]
    fn proposals_that_are_off_do_not_validate() {
        for text in [
            "(module (memory i64 1))",
            "(module (memory 1) (memory 1))",
            "(module (memory 1 1 shared))",
            "(module (func (result i32) (return_call 0)))",
            "(module (type (struct)))",
            "(module (tag))",
            "(module (func (result v128) v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_swizzle))",
        ] {
            let fault = inspect(text).unwrap_err();
            assert!(
                matches!(fault, ModuleFault::Invalid { .. }),
                "{text}: {fault}"
            );
        }
    }

    #[test]
    fn text_components_and_rubbish_are_no_modules() {
        assert_eq!(
            inspect_module(GUEST.as_bytes()),
            Err(ModuleFault::NotAModule)
        );
        assert_eq!(
            inspect_module(b"\0asm\x0d\0\x01\0"),
            Err(ModuleFault::NotAModule)
        );
        assert_eq!(inspect_module(b""), Err(ModuleFault::NotAModule));
        let large = vec![0; MODULE_BYTES_MAX + 1];
        assert!(matches!(
            inspect_module(&large),
            Err(ModuleFault::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn damaged_modules_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut module = module_from_text(GUEST).unwrap();
            let at = at.index(module.len());
            module[at] = byte;
            let _ = inspect_module(&module);
            module.truncate(cut.index(module.len()));
            let _ = inspect_module(&module);
        }
    }
}
