;; A histogram with means, the demonstration's WASM program (ABI 1 of Egret's Arrow buffers).
;;
;; Reads one column of f64 from input 0, batch by batch, and writes one row per bucket: the bucket's lower bound
;; (f64), how many values fell into it (i64) and their mean (f64; 0 for an empty bucket). Nulls are not counted.
(module
  (import "egret" "next_batch" (func $next_batch (param i32) (result i32)))
  (import "egret" "emit" (func $emit (param i32) (result i32)))
  (memory (export "memory") 4)

  ;; Memory: 256 batch, 512 columns, 1024 bounds, 2048 counts, 2304 sums and then means, from 8192 the heap.
  (global $free (mut i32) (i32.const 8192))
  (global $buckets i32 (i32.const 10))

  (func (export "egret_abi_version") (result i32) (i32.const 1))

  ;; The host asks for memory for each batch; a bump is enough, because `run` gives all of it back before the next.
  (func $alloc (export "alloc") (param $size i32) (param $align i32) (result i32)
    (local $at i32) (local $short i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.xor (i32.sub (local.get $align) (i32.const 1)) (i32.const -1))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.set $short
      (i32.sub (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then
        (if
          (i32.eq
            (memory.grow (i32.add (i32.div_u (local.get $short) (i32.const 65536)) (i32.const 1)))
            (i32.const -1))
          (then (unreachable)))))
    (local.get $at))

  (func $bounds
    (f64.store (i32.const 1024) (f64.const 0))
    (f64.store (i32.const 1032) (f64.const 0.01))
    (f64.store (i32.const 1040) (f64.const 10))
    (f64.store (i32.const 1048) (f64.const 25))
    (f64.store (i32.const 1056) (f64.const 50))
    (f64.store (i32.const 1064) (f64.const 100))
    (f64.store (i32.const 1072) (f64.const 250))
    (f64.store (i32.const 1080) (f64.const 500))
    (f64.store (i32.const 1088) (f64.const 1000))
    (f64.store (i32.const 1096) (f64.const 5000)))

  ;; The offset of the last bucket whose bound is not above the value, in steps of 8 bytes.
  (func $bucket (param $value f64) (result i32)
    (local $at i32)
    (local.set $at (i32.mul (i32.sub (global.get $buckets) (i32.const 1)) (i32.const 8)))
    (block $found
      (loop $down
        (br_if $found (i32.eqz (local.get $at)))
        (br_if $found
          (f64.ge (local.get $value) (f64.load (i32.add (i32.const 1024) (local.get $at)))))
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (br $down)))
    (local.get $at))

  (func $count (param $value f64)
    (local $at i32)
    (local.set $at (call $bucket (local.get $value)))
    (i64.store (i32.add (i32.const 2048) (local.get $at))
      (i64.add (i64.load (i32.add (i32.const 2048) (local.get $at))) (i64.const 1)))
    (f64.store (i32.add (i32.const 2304) (local.get $at))
      (f64.add (f64.load (i32.add (i32.const 2304) (local.get $at))) (local.get $value))))

  ;; Whether a row holds a value: bit `row` of the validity bitmap, or no bitmap at all.
  (func $holds (param $validity i32) (param $row i32) (result i32)
    (if (i32.eqz (local.get $validity)) (then (return (i32.const 1))))
    (i32.and
      (i32.shr_u
        (i32.load8_u (i32.add (local.get $validity) (i32.shr_u (local.get $row) (i32.const 3))))
        (i32.and (local.get $row) (i32.const 7)))
      (i32.const 1)))

  (func $take (param $batch i32)
    (local $rows i32) (local $column i32) (local $validity i32) (local $data i32) (local $row i32)
    (local.set $rows (i32.load (local.get $batch)))
    (local.set $column (i32.load offset=8 (local.get $batch)))
    (if (i32.ne (i32.load (local.get $column)) (i32.const 4)) (then (unreachable)))
    (local.set $validity (i32.load offset=8 (local.get $column)))
    (local.set $data (i32.load offset=16 (local.get $column)))
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $row) (local.get $rows)))
        (if (call $holds (local.get $validity) (local.get $row))
          (then
            (call $count
              (f64.load (i32.add (local.get $data) (i32.shl (local.get $row) (i32.const 3)))))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next))))

  (func $means
    (local $at i32) (local $count i64)
    (loop $next
      (local.set $count (i64.load (i32.add (i32.const 2048) (local.get $at))))
      (if (i64.ne (local.get $count) (i64.const 0))
        (then
          (f64.store (i32.add (i32.const 2304) (local.get $at))
            (f64.div (f64.load (i32.add (i32.const 2304) (local.get $at)))
              (f64.convert_i64_u (local.get $count))))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next
        (i32.lt_u (local.get $at) (i32.mul (global.get $buckets) (i32.const 8))))))

  ;; A column descriptor without nulls: type, null count, validity, offsets, data, bytes.
  (func $column (param $at i32) (param $type i32) (param $data i32)
    (i32.store (local.get $at) (local.get $type))
    (i32.store offset=4 (local.get $at) (i32.const 0))
    (i32.store offset=8 (local.get $at) (i32.const 0))
    (i32.store offset=12 (local.get $at) (i32.const 0))
    (i32.store offset=16 (local.get $at) (local.get $data))
    (i32.store offset=20 (local.get $at) (i32.mul (global.get $buckets) (i32.const 8))))

  (func (export "run") (result i32)
    (local $batch i32)
    (call $bounds)
    (block $end
      (loop $more
        (global.set $free (i32.const 8192))
        (local.set $batch (call $next_batch (i32.const 0)))
        (br_if $end (i32.eqz (local.get $batch)))
        (call $take (local.get $batch))
        (br $more)))
    (call $means)
    (call $column (i32.const 512) (i32.const 4) (i32.const 1024))
    (call $column (i32.const 536) (i32.const 3) (i32.const 2048))
    (call $column (i32.const 560) (i32.const 4) (i32.const 2304))
    (i32.store (i32.const 256) (global.get $buckets))
    (i32.store (i32.const 260) (i32.const 3))
    (i32.store (i32.const 264) (i32.const 512))
    (call $emit (i32.const 256))))
