//! Modules in text form.

/// What the guests below write into their log.
pub(crate) const GUEST_TEXT: &str = "SECRET-OF-A-GUEST";

/// Says [`GUEST_TEXT`], counts the rows of input 0 and emits the count as one row of one `i64`.
pub(crate) fn counting() -> Vec<u8> {
    module("(call $count)")
}

/// Says [`GUEST_TEXT`] and emits every batch of input 0 as it is.
pub(crate) fn copying() -> Vec<u8> {
    module("(call $copy)")
}

/// Says [`GUEST_TEXT`] and traps.
pub(crate) fn trapping() -> Vec<u8> {
    module("unreachable")
}

fn module(end: &str) -> Vec<u8> {
    let length = GUEST_TEXT.len();
    let text = format!(
        r#"(module
  (import "egret" "next_batch" (func $next_batch (param i32) (result i32)))
  (import "egret" "emit" (func $emit (param i32) (result i32)))
  (import "egret" "log" (func $log (param i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 2048) "{GUEST_TEXT}")
  (global $free (mut i32) (i32.const 4096))
  (func (export "egret_abi_version") (result i32) (i32.const 1))
  (func (export "alloc") (param $size i32) (param $align i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 63)) (i32.const -64)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.const 64))))
    (local.get $at))
  (func $count (result i32)
    (local $batch i32) (local $rows i64)
    (block $end
      (loop $more
        (local.set $batch (call $next_batch (i32.const 0)))
        (br_if $end (i32.eqz (local.get $batch)))
        (local.set $rows (i64.add (local.get $rows) (i64.extend_i32_u (i32.load (local.get $batch)))))
        (br $more)))
    (i64.store (i32.const 1024) (local.get $rows))
    (i32.store (i32.const 512) (i32.const 3))
    (i32.store (i32.const 528) (i32.const 1024))
    (i32.store (i32.const 532) (i32.const 8))
    (i32.store (i32.const 256) (i32.const 1))
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 264) (i32.const 512))
    (drop (call $emit (i32.const 256)))
    (i32.const 0))
  (func $copy (result i32)
    (local $batch i32)
    (block $end
      (loop $more
        (local.set $batch (call $next_batch (i32.const 0)))
        (br_if $end (i32.eqz (local.get $batch)))
        (drop (call $emit (local.get $batch)))
        (br $more)))
    (i32.const 0))
  (func (export "run") (result i32)
    (call $log (i32.const 2048) (i32.const {length}))
    {end}))"#
    );
    sandbox::module_from_text(&text).expect("a module")
}
