//! Putting a manifest into a module, for languages that cannot write sections.

use wasmparser::{Parser, Payload};

use super::module::{ModuleFacts, ModuleFault, inspect_module};
use crate::manifest::{MANIFEST_SECTION, ModuleManifest};

/// The module with this manifest instead of the one that it may have; it is looked into as a whole.
///
/// # Errors
/// A manifest or a module that is none, or one that does not export what the manifest says.
pub fn with_manifest(
    module: &[u8],
    manifest: &[u8],
) -> Result<(Vec<u8>, ModuleFacts), ModuleFault> {
    ModuleManifest::parse(manifest).map_err(ModuleFault::Manifest)?;
    let mut made = without_manifest(module)?;
    let mut content = leb(MANIFEST_SECTION.len());
    content.extend_from_slice(MANIFEST_SECTION.as_bytes());
    content.extend_from_slice(manifest);
    made.push(0);
    made.extend(leb(content.len()));
    made.extend(content);
    let facts = inspect_module(&made)?;
    Ok((made, facts))
}

fn without_manifest(module: &[u8]) -> Result<Vec<u8>, ModuleFault> {
    if !module.starts_with(b"\0asm\x01\0\0\0") {
        return Err(ModuleFault::NotAModule);
    }
    let invalid = |error: wasmparser::BinaryReaderError| ModuleFault::Invalid {
        offset: error.offset(),
        detail: error.message().to_owned(),
    };
    let mut kept = Vec::with_capacity(module.len());
    let mut end = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(invalid)?;
        let (upto, named) = match &payload {
            Payload::Version { range, .. } => (range.end, false),
            Payload::CustomSection(section) => {
                (section.range().end, section.name() == MANIFEST_SECTION)
            }
            other => match other.as_section() {
                Some((_, range)) => (range.end, false),
                None => continue,
            },
        };
        if !named {
            kept.extend_from_slice(module.get(end..upto).unwrap_or_default());
        }
        end = upto;
    }
    Ok(kept)
}

/// A length as WebAssembly writes it (LEB128).
fn leb(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::guest::module_from_text;

    const TEXT: &str = r#"(module (memory (export "memory") 1)
        (func (export "egret_abi_version") (result i32) i32.const 1)
        (func (export "alloc") (param i32 i32) (result i32) i32.const 8)
        (func (export "score") (param i32) (result i32) local.get 0))"#;

    fn manifest(function: &str) -> String {
        format!(
            r#"{{"name":"m","version":"1","description":"{}","functions":[{{"kind":"scalar","name":"{function}","arguments":[],"returns":"int64"}}]}}"#,
            "x".repeat(300)
        )
    }

    #[test]
    fn a_manifest_takes_the_place_of_the_one_before() {
        let module = module_from_text(TEXT).unwrap();
        assert!(inspect_module(&module).is_err(), "no run, and no functions");
        let (first, facts) = with_manifest(&module, manifest("score").as_bytes()).unwrap();
        assert!(!facts.whole_job);
        assert_eq!(facts.manifest.unwrap().functions[0].name(), "score");
        let (second, _) = with_manifest(&first, manifest("score").as_bytes()).unwrap();
        assert_eq!(second, first);
        assert_eq!(without_manifest(&first).unwrap(), module);
    }

    #[test]
    fn what_the_module_does_not_export_is_named() {
        let module = module_from_text(TEXT).unwrap();
        let fault = with_manifest(&module, manifest("scores").as_bytes()).unwrap_err();
        assert_eq!(
            fault,
            ModuleFault::ExportMissing {
                name: "scores".into()
            }
        );
        assert!(matches!(
            with_manifest(&module, b"{}"),
            Err(ModuleFault::Manifest(_))
        ));
        let document = manifest("score");
        let fault = with_manifest(b"text", document.as_bytes());
        assert_eq!(fault.unwrap_err(), ModuleFault::NotAModule);
    }

    #[test]
    fn two_manifests_and_functions_of_commands_are_refused() {
        let module = module_from_text(TEXT).unwrap();
        let (one, _) = with_manifest(&module, manifest("score").as_bytes()).unwrap();
        let mut two = one.clone();
        two.extend_from_slice(&one[module.len()..]);
        assert_eq!(inspect_module(&two), Err(ModuleFault::ManifestTwice));
        let command = module_from_text(
            r#"(module (memory (export "memory") 1) (func (export "_start"))
               (func (export "score") (param i32) (result i32) local.get 0))"#,
        );
        let fault = with_manifest(&command.unwrap(), manifest("score").as_bytes());
        assert_eq!(fault.unwrap_err(), ModuleFault::FunctionsOfCommand);
    }
}
