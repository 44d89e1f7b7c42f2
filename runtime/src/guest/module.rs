//! Looking into a module: nothing of it is compiled or run.

use serde::{Deserialize, Serialize};
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncType,
    Operator, Parser, Payload, TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

use super::interface::{CALLED, GuestInterface, RANDOM, RUN, SEED};
use crate::limits::GUEST_MEMORY_BYTES_MAX;
use crate::manifest::{MANIFEST_SECTION, ManifestFault, ModuleManifest};

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
    /// How it talks to its host.
    #[serde(default)]
    pub interface: GuestInterface,
    /// What it says of itself.
    #[serde(default)]
    pub manifest: Option<ModuleManifest>,
    /// Whether it can be a whole job.
    #[serde(default = "yes")]
    pub whole_job: bool,
}

/// What was kept before there were functions is a whole job.
fn yes() -> bool {
    true
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
    /// The exports that mark both interfaces: nobody could say how it is to be run.
    #[error("module exports both \"egret_abi_version\" and \"_start\", of which one is permitted")]
    InterfacesMixed,
    /// A missing export, or one with other types.
    #[error("module does not export {name:?} as its interface asks")]
    ExportMissing {
        /// Name of the export.
        name: String,
    },
    /// A manifest that is none, or a second one.
    #[error("module's section \"egret.manifest\" is not valid: {0}")]
    Manifest(ManifestFault),
    /// Two manifests: nobody could say which holds.
    #[error("module has more than one section \"egret.manifest\"")]
    ManifestTwice,
    /// Functions for SQL in a module that is a WASI command.
    #[error("module offers functions to SQL, which only modules with \"egret_abi_version\" can")]
    FunctionsOfCommand,
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
/// and exports of one guest interface.
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

/// A seed for runs of a module that nobody has another seed for: the same for the same module.
pub fn module_seed(module: &[u8]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"egret module seed|");
    context.update(module);
    let mut seed = [0; 32];
    seed.copy_from_slice(context.finish().as_ref());
    seed
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

/// An imported function; which names exist depends on exports, which come later in a module.
struct Import {
    module: String,
    name: String,
    type_index: u32,
}

impl Import {
    fn refused(&self) -> ModuleFault {
        refused(&self.module, &self.name)
    }
}

fn missing(name: &str) -> ModuleFault {
    ModuleFault::ExportMissing {
        name: name.to_owned(),
    }
}

fn refused(module: &str, name: &str) -> ModuleFault {
    ModuleFault::ImportRefused {
        name: cut(&format!("{module}.{name}")),
    }
}

#[derive(Default)]
struct Found {
    types: Vec<Option<FuncType>>,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    imports: Vec<Import>,
    exports: Vec<(String, ExternalKind, u32)>,
    memories: Vec<(u64, Option<u64>)>,
    /// Elements of each table at the start.
    tables: Vec<u64>,
    defined: u32,
    manifest: Option<ModuleManifest>,
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
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                let manifest =
                    ModuleManifest::parse(section.data()).map_err(ModuleFault::Manifest)?;
                if self.manifest.replace(manifest).is_some() {
                    return Err(ModuleFault::ManifestTwice);
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
        let TypeRef::Func(type_index) = kind else {
            return Err(refused(module, name));
        };
        self.functions.push(type_index);
        self.imports.push(Import {
            module: module.to_owned(),
            name: name.to_owned(),
            type_index,
        });
        Ok(())
    }

    /// The interface whose mark is exported; without one, that of the first import, so that what is
    /// missing can be named.
    fn interface(&self) -> Result<GuestInterface, ModuleFault> {
        let marked = |interface: &GuestInterface| {
            let named = |(name, kind, _): &(String, ExternalKind, u32)| {
                name == interface.mark() && *kind == ExternalKind::Func
            };
            self.exports.iter().any(named)
        };
        let mut marks = GuestInterface::ALL.into_iter().filter(marked);
        match (marks.next(), marks.next()) {
            (Some(interface), None) => Ok(interface),
            (Some(_), Some(_)) => Err(ModuleFault::InterfacesMixed),
            (None, _) => {
                let first = self.imports.first().map(|import| import.module.as_str());
                let of_first = GuestInterface::ALL
                    .into_iter()
                    .find(|interface| Some(interface.namespace()) == first);
                Ok(of_first.unwrap_or_default())
            }
        }
    }

    /// Every import is one of the interface, with its types.
    fn check_imports(&self, interface: GuestInterface) -> Result<(), ModuleFault> {
        for import in &self.imports {
            let known = interface.imports().iter().find(|(name, _, _)| {
                import.module == interface.namespace() && *name == import.name
            });
            let Some((_, parameters, results)) = known else {
                return Err(import.refused());
            };
            if !self.has_type(import.type_index, parameters, results) {
                return Err(import.refused());
            }
        }
        Ok(())
    }

    fn has_type(&self, index: u32, parameters: &[ValType], results: &[ValType]) -> bool {
        let function = self.types.get(index as usize).and_then(Option::as_ref);
        function.is_some_and(|function| {
            function.params() == parameters && function.results() == results
        })
    }

    /// Everything that the interface asks for is there; answers whether the module can be a whole job, as it must be
    /// if it has no functions.
    fn check_exports(&self, interface: GuestInterface) -> Result<bool, ModuleFault> {
        let functions = self
            .manifest
            .iter()
            .flat_map(|manifest| &manifest.functions);
        let mut called = functions.flat_map(|function| function.exports()).peekable();
        let has_functions = called.peek().is_some();
        if has_functions && interface == GuestInterface::WasiCommand {
            return Err(ModuleFault::FunctionsOfCommand);
        }
        if let Some(name) = called.find(|name| !self.exports((name, CALLED.0, CALLED.1))) {
            return Err(ModuleFault::ExportMissing { name });
        }
        if let Some((name, _, _)) = interface
            .exports()
            .iter()
            .find(|export| !self.exports(**export))
        {
            return Err(missing(name));
        }
        let whole_job = interface == GuestInterface::WasiCommand || self.exports(RUN);
        let declared = self
            .manifest
            .as_ref()
            .is_some_and(|manifest| manifest.job.is_some());
        if whole_job || (has_functions && !declared) {
            Ok(whole_job)
        } else {
            Err(missing(RUN.0))
        }
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
        let interface = self.interface()?;
        self.check_imports(interface)?;
        let memory = self
            .exports
            .iter()
            .any(|(name, kind, _)| name == "memory" && *kind == ExternalKind::Memory);
        let Some((initial, maximum)) = self.memories.first().filter(|_| memory) else {
            return Err(missing("memory"));
        };
        let memory_bytes_min = initial.saturating_mul(PAGE_BYTES);
        if memory_bytes_min > GUEST_MEMORY_BYTES_MAX {
            return Err(ModuleFault::TooMany {
                what: "pages of memory at the start",
            });
        }
        let whole_job = self.check_exports(interface)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        Ok(ModuleFacts {
            bytes: bytes.len() as u64,
            sha256: hex::encode(digest),
            functions: self.defined,
            seeded: match interface {
                GuestInterface::ArrowBuffers => self.exports(SEED),
                GuestInterface::WasiCommand => {
                    self.imports.iter().any(|import| import.name == RANDOM)
                }
            },
            memory_bytes_min,
            memory_bytes_max: maximum.map(|pages| pages.saturating_mul(PAGE_BYTES)),
            imports: self.imports.into_iter().map(|import| import.name).collect(),
            interface,
            manifest: self.manifest,
            whole_job,
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

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;
