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
    assert_eq!(facts.interface, GuestInterface::ArrowBuffers);
}

const COMMAND: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 2)
    (func (export "_start")))"#;

#[test]
fn facts_of_a_command() {
    let facts = inspect(COMMAND).unwrap();
    assert_eq!(facts.interface, GuestInterface::WasiCommand);
    assert_eq!(facts.imports, ["fd_write", "proc_exit"]);
    assert!(!facts.seeded);
    let random =
        r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#;
    let seeded = COMMAND.replacen("(import", &format!("{random} (import"), 1);
    assert!(inspect(&seeded).unwrap().seeded);
    for name in ["memory", "_start"] {
        let text = COMMAND.replace(&format!(r#"(export "{name}")"#), "");
        assert_eq!(
            inspect(&text),
            Err(ModuleFault::ExportMissing { name: name.into() })
        );
    }
    let other = COMMAND.replace(r#""_start")"#, r#""_start") (param i32)"#);
    let name = "_start";
    assert_eq!(
        inspect(&other),
        Err(ModuleFault::ExportMissing { name: name.into() })
    );
}

#[test]
fn facts_of_before_there_were_commands_are_still_read() {
    let mut facts = serde_json::to_value(inspect(GUEST).unwrap()).unwrap();
    facts.as_object_mut().unwrap().remove("interface");
    let read: ModuleFacts = serde_json::from_value(facts).unwrap();
    assert_eq!(read, inspect(GUEST).unwrap());
}

#[test]
fn interfaces_do_not_mix() {
    let both = COMMAND.replace(
        "(memory",
        r#"(func (export "egret_abi_version") (result i32) i32.const 1) (memory"#,
    );
    assert_eq!(inspect(&both), Err(ModuleFault::InterfacesMixed));
    for (import, name) in [
        (
            r#"(import "egret" "log" (func (param i32 i32)))"#,
            "egret.log",
        ),
        (
            r#"(import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32)))"#,
            "wasi_snapshot_preview1.sock_send",
        ),
        (
            r#"(import "wasi_snapshot_preview1" "path_unlink_file" (func (param i32 i32 i32) (result i32)))"#,
            "wasi_snapshot_preview1.path_unlink_file",
        ),
        (
            r#"(import "wasi_snapshot_preview1" "sched_yield" (func))"#,
            "wasi_snapshot_preview1.sched_yield",
        ),
        (
            r#"(import "wasi_unstable" "proc_exit" (func (param i32)))"#,
            "wasi_unstable.proc_exit",
        ),
        (r#"(import "env" "memory" (memory 1))"#, "env.memory"),
    ] {
        let text = COMMAND.replacen("(import", &format!("{import} (import"), 1);
        let name = name.to_owned();
        assert_eq!(inspect(&text), Err(ModuleFault::ImportRefused { name }));
    }
}

#[test]
fn the_seed_of_a_module_is_its_own() {
    assert_eq!(module_seed(b"a"), module_seed(b"a"));
    assert_ne!(module_seed(b"a"), module_seed(b"b"));
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
    let with =
        |part: &str| inspect(&GUEST.replace("(memory (export", &format!("{part} (memory (export")));
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
        assert_eq!(
            inspect(&text),
            Err(ModuleFault::ExportMissing { name: name.into() })
        );
    }
    let other = GUEST.replace(
        r#"(param i32 i32) (result i32) i32.const 8"#,
        "(param i32) (result i32) i32.const 8",
    );
    assert_eq!(
        inspect(&other),
        Err(ModuleFault::ExportMissing {
            name: "alloc".into()
        })
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
