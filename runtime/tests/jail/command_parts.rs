//! Commands put together from calls, one a line, whose answers come back in the log.
//!
//! A call is its name and its arguments, numbers all: `fd_close 3`. A text in single quotes stands
//! for two arguments, where it is in memory and how long it is. `u8`, `u16`, `u32` and `u64` look at
//! memory, `=u32` and `=u64` write there: address, value.

use arrow::array::RecordBatch;
use runtime::{Completed, Order, OutputField, module_from_text};

use crate::parts::order;

/// Every import with its parameters (`i` 32 bits, `I` 64) in the order of the interface.
pub(crate) const CALLS: [(&str, &str); 23] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_close", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_filestat_get", "ii"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_seek", "iIii"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_filestat_get", "iiiii"),
    ("path_open", "iiiiiIIii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
];

/// Where texts lie, and where answers are collected.
const TEXTS_AT: usize = 0x4000;
const ANSWERS_AT: usize = 0x8000;
/// The memory of every command here: two pages.
pub(crate) const MEMORY_BYTES: u32 = 0x2_0000;

/// Imports and memory, before whatever a command does.
pub(crate) fn prelude() -> String {
    let typed = |letter| if letter == 'i' { "i32 " } else { "i64 " };
    let imports: String = CALLS
        .iter()
        .map(|(name, letters)| {
            let parameters: String = letters.chars().map(typed).collect();
            format!(
                r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {parameters}) (result i32)))"#
            )
        })
        .collect();
    format!(
        r#"{imports}
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 2)"#
    )
}

/// A module whose `_start` is this.
pub(crate) fn command(body: &str) -> Vec<u8> {
    module_from_text(&format!(
        r#"(module {} (func (export "_start") (local $a i32) (local $b i32) {body}))"#,
        prelude()
    ))
    .unwrap()
}

/// An order that runs a command.
pub(crate) fn command_order(
    body: &str,
    output: Vec<OutputField>,
    batch: Option<&RecordBatch>,
) -> Order {
    order(command(body), output, batch)
}

/// A command that makes these calls and collects what they answer.
pub(crate) fn calling(steps: &[&str]) -> Vec<u8> {
    let mut texts = String::new();
    let mut body = String::new();
    for (number, step) in steps.iter().enumerate() {
        let answer = expression(step, &mut texts);
        let at = ANSWERS_AT + number * 8;
        body += &format!("(i64.store (i32.const {at}) {answer})\n");
    }
    let length = steps.len() * 8;
    body += &format!(
        "(i32.store (i32.const 0) (i32.const {ANSWERS_AT})) (i32.store (i32.const 4) (i32.const {length}))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))"
    );
    module_from_text(&format!(
        r#"(module {} (data (i32.const {TEXTS_AT}) "{texts}") (func (export "_start") {body}))"#,
        prelude()
    ))
    .unwrap()
}

/// One step as an expression of 64 bits.
fn expression(step: &str, texts: &mut String) -> String {
    let mut words = step.split(' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap();
    let mut arguments = Vec::new();
    for word in words {
        match word.strip_prefix('\'') {
            Some(text) => {
                // Every byte is written as an escape of three letters.
                let at = TEXTS_AT + texts.len() / 3;
                let text = text.replace("\\0", "\0").replace("\\xff", "\u{ff}");
                let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap()).collect();
                texts.extend(bytes.iter().map(|byte| format!("\\{byte:02x}")));
                arguments.extend([at.to_string(), bytes.len().to_string()]);
            }
            None => arguments.push(word.to_owned()),
        }
    }
    let address = || format!("(i32.const {})", arguments[0]);
    match name {
        "u8" => format!("(i64.load8_u {})", address()),
        "u16" => format!("(i64.load16_u {})", address()),
        "u32" => format!("(i64.load32_u {})", address()),
        "u64" => format!("(i64.load {})", address()),
        "=u32" | "=u64" => format!(
            "({} {} (i64.const {})) (i64.const 0)",
            if name == "=u32" {
                "i64.store32"
            } else {
                "i64.store"
            },
            address(),
            arguments[1]
        ),
        _ => called(name, &arguments),
    }
}

fn called(name: &str, arguments: &[String]) -> String {
    let (_, letters) = CALLS.iter().find(|(known, _)| *known == name).unwrap();
    assert_eq!(letters.len(), arguments.len(), "{name} {arguments:?}");
    let arguments: String = letters
        .chars()
        .zip(arguments)
        .map(|(letter, value)| {
            let width = if letter == 'i' { 32 } else { 64 };
            format!("(i{width}.const {value}) ")
        })
        .collect();
    format!("(i64.extend_i32_u (call ${name} {arguments}))")
}

/// What the calls answered.
pub(crate) fn answers(completed: &Completed) -> Vec<u64> {
    let numbers = completed.guest_log.chunks_exact(8);
    numbers
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}
