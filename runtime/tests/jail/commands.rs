//! WASI commands: every call, answered well and answered with its error number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use libtest_mimic::Trial;
use runtime::{ColumnType, Fault, Limit, Outcome, OutputField, Program};

use crate::command_parts::{CALLS, MEMORY_BYTES, answers, calling, command, command_order};
use crate::parts::{field, order, read};
use crate::support::{never, pool, run_alone, test};

const ACCES: u64 = 2;
const BADF: u64 = 8;
const EXIST: u64 = 20;
const FAULT: u64 = 21;
const ILSEQ: u64 = 25;
const INVAL: u64 = 28;
const ISDIR: u64 = 31;
const MFILE: u64 = 33;
const NAMETOOLONG: u64 = 37;
const NOENT: u64 = 44;
const NOTDIR: u64 = 54;
const NOTSUP: u64 = 58;
const PERM: u64 = 63;
const ROFS: u64 = 69;
const SPIPE: u64 = 70;
const NOTCAPABLE: u64 = 76;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("commands::the_process", the_process),
        test("commands::looking_around", looking_around),
        test("commands::paths", paths),
        test("commands::reading_and_seeking", reading_and_seeking),
        test("commands::writing", writing),
        test("commands::bad_pointers", bad_pointers),
        test("commands::random_calls", random_calls),
        test("commands::copies_input_to_output", copies),
        test("commands::the_same_run_twice", twice),
        test("commands::results_that_are_refused", refused_results),
        test("commands::ends", ends),
        test("commands::limits", limits),
    ]
}

pub(crate) fn columns() -> Vec<OutputField> {
    vec![field("n", ColumnType::Int64), field("t", ColumnType::Utf8)]
}

pub(crate) fn table(rows: i64) -> RecordBatch {
    let numbers: Int64Array = (0..rows).map(|n| (n % 3 != 0).then_some(n)).collect();
    let texts: StringArray = (0..rows).map(|n| Some(format!("白鹭{n}"))).collect();
    RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as ArrayRef),
        ("t", Arc::new(texts) as ArrayRef),
    ])
    .unwrap()
}

/// Runs the steps in one command, over a table of 100 rows, and compares what each answers.
async fn check(steps: &[(&str, u64)]) {
    let calls: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
    let order = order(calling(&calls), columns(), Some(&table(100)));
    let completed = run_alone(order).await;
    assert_eq!(completed.outcome, Outcome::Finished, "{steps:?}");
    let answers = answers(&completed);
    assert_eq!(answers.len(), steps.len());
    let wrong: Vec<_> = steps
        .iter()
        .zip(answers)
        .filter(|((_, expected), answer)| expected != answer)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn the_process() {
    check(&[
        ("args_sizes_get 0x100 0x104", 0),
        ("u32 0x100", 1),
        ("u32 0x104", 8),
        ("args_get 0x100 0x200", 0),
        ("u32 0x100", 0x200),
        ("u64 0x200", u64::from_le_bytes(*b"program\0")),
        ("environ_sizes_get 0x100 0x104", 0),
        ("u64 0x100", 0),
        ("environ_get 0x100 0x200", 0),
        // The wall clock stands; the other one counts.
        ("clock_time_get 0 1000 0x100", 0),
        ("u64 0x100", 0),
        ("clock_time_get 1 0 0x100", 0),
        ("clock_time_get 1 0 0x100", 0),
        ("u64 0x100", 2),
        ("clock_time_get 2 0 0x100", NOTSUP),
        ("clock_time_get 3 0 0x100", NOTSUP),
        ("clock_time_get 4 0 0x100", INVAL),
        ("clock_time_get -1 0 0x100", INVAL),
        ("clock_res_get 0 0x100", 0),
        ("u64 0x100", 1),
        ("clock_res_get 9 0x100", INVAL),
        ("sched_yield", 0),
        // An hour on a clock, a file, an unknown clock: all at once, without a wait.
        ("=u64 0x300 77", 0),
        ("=u64 0x308 0", 0),
        ("=u64 0x310 1", 0),
        ("=u64 0x318 3600000000000", 0),
        ("=u64 0x330 78", 0),
        ("=u64 0x338 1", 0),
        ("=u64 0x360 79", 0),
        ("=u64 0x368 0", 0),
        ("=u64 0x370 12", 0),
        ("poll_oneoff 0x300 0x400 3 0x100", 0),
        ("u32 0x100", 3),
        ("u64 0x400", 77),
        ("u16 0x408", 0),
        ("u8 0x40a", 0),
        ("u64 0x420", 78),
        ("u16 0x428", NOTSUP),
        ("u8 0x42a", 1),
        ("u64 0x440", 79),
        ("u16 0x448", INVAL),
        ("poll_oneoff 0x300 0x400 0 0x100", INVAL),
        ("poll_oneoff 0x300 0x400 257 0x100", INVAL),
        ("poll_oneoff 0x300 0x400 -1 0x100", INVAL),
        ("=u64 0x308 3", 0),
        ("poll_oneoff 0x300 0x400 1 0x100", INVAL),
        ("random_get 0x500 0", 0),
        ("random_get 0x500 8", 0),
        // The first bytes of SHA-256 over the domain, the seed of 42s and block 0.
        ("u64 0x500", first_random()),
    ])
    .await;
}

fn first_random() -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"egret random|");
    context.update(&[42; 32]);
    context.update(&0u64.to_le_bytes());
    u64::from_le_bytes(context.finish().as_ref()[..8].try_into().unwrap())
}

async fn looking_around() {
    let file_rights = 1 << 2 | 1 << 3 | 1 << 5 | 1 << 21;
    check(&[
        ("fd_prestat_get 3 0x100", 0),
        ("u32 0x100", 0),
        ("u32 0x104", 3),
        ("fd_prestat_dir_name 3 0x100 3", 0),
        ("u32 0x100", u64::from(u32::from_le_bytes(*b"/in\0"))),
        ("fd_prestat_get 4 0x100", 0),
        ("u32 0x104", 4),
        ("fd_prestat_dir_name 4 0x100 3", NAMETOOLONG),
        ("fd_prestat_dir_name 4 0x100 100", 0),
        ("u32 0x100", u64::from(u32::from_le_bytes(*b"/out"))),
        ("fd_prestat_get 5 0x100", BADF),
        ("fd_prestat_get 0 0x100", NOTSUP),
        ("fd_prestat_dir_name 2 0x100 100", NOTSUP),
        // The inputs: one name, of which a short buffer holds a part.
        ("fd_readdir 3 0x200 200 0 0x100", 0),
        ("u32 0x100", 24 + 8),
        ("u64 0x200", 1),
        ("u32 0x210", 8),
        ("u8 0x214", 4),
        ("u64 0x218", u64::from_le_bytes(*b"in.arrow")),
        ("fd_readdir 3 0x200 25 0 0x100", 0),
        ("u32 0x100", 25),
        ("fd_readdir 3 0x200 200 1 0x100", 0),
        ("u32 0x100", 0),
        ("fd_readdir 3 0x200 200 -1 0x100", 0),
        ("fd_readdir 4 0x200 200 0 0x100", 0),
        ("u32 0x100", 0),
        ("fd_readdir 0 0x200 200 0 0x100", NOTDIR),
        ("fd_readdir 9 0x200 200 0 0x100", BADF),
        // Kinds, rights and lengths.
        ("fd_fdstat_get 0 0x100", 0),
        ("u8 0x100", 0),
        ("u64 0x108", 1 << 1 | 1 << 3),
        ("fd_fdstat_get 1 0x100", 0),
        ("u64 0x108", 1 << 6 | 1 << 3),
        ("fd_fdstat_get 3 0x100", 0),
        ("u8 0x100", 3),
        ("u64 0x110", 0x24_646e),
        ("fd_filestat_get 3 0x100", 0),
        ("u8 0x110", 3),
        ("fd_filestat_get 1 0x100", 0),
        ("u8 0x110", 0),
        ("path_open 3 1 'in.arrow 0 2 0 0 0x100", 0),
        ("u32 0x100", 5),
        ("fd_fdstat_get 5 0x100", 0),
        ("u8 0x100", 4),
        ("u64 0x108", file_rights | 1 << 1),
        ("u64 0x110", 0),
        ("fd_filestat_get 5 0x100", 0),
        ("u64 0x100", 1),
        ("u64 0x108", 4),
        ("u8 0x110", 4),
        ("u64 0x118", 1),
        ("u64 0x128", 0),
        ("fd_prestat_get 5 0x100", NOTSUP),
        ("fd_readdir 5 0x200 200 0 0x100", NOTDIR),
        ("fd_fdstat_set_flags 5 4", 0),
        ("fd_fdstat_get 5 0x100", 0),
        ("u16 0x102", 4),
        ("fd_fdstat_set_flags 5 32", INVAL),
        ("fd_fdstat_set_flags 5 -1", INVAL),
        ("fd_fdstat_set_flags 6 0", BADF),
        ("path_open 4 0 'result.arrow 1 64 0 1 0x100", 0),
        ("fd_fdstat_get 6 0x100", 0),
        ("u16 0x102", 1),
        ("u64 0x108", file_rights | 1 << 6),
        ("fd_readdir 4 0x200 200 0 0x100", 0),
        ("u32 0x100", 24 + 12),
        ("fd_close 5", 0),
        ("fd_close 5", BADF),
        ("fd_fdstat_get 5 0x100", BADF),
        ("fd_filestat_get 5 0x100", BADF),
        ("fd_close -1", BADF),
        ("fd_close 3", 0),
        ("fd_prestat_get 3 0x100", BADF),
        // A directory that was opened later is not one that was there from the start.
        ("path_open 4 0 '. 2 16384 0 0 0x100", 0),
        ("u32 0x100", 3),
        ("fd_prestat_get 3 0x100", NOTSUP),
    ])
    .await;
}

async fn paths() {
    check(&[
        ("path_filestat_get 3 1 'in.arrow 0x100", 0),
        ("u8 0x110", 4),
        ("path_filestat_get 3 1 './/in.arrow 0x100", 0),
        ("path_filestat_get 3 0 '. 0x100", 0),
        ("u8 0x110", 3),
        ("path_filestat_get 3 2 '. 0x100", INVAL),
        ("path_filestat_get 3 1 'other.arrow 0x100", NOENT),
        ("path_filestat_get 3 1 'in.arrow/x 0x100", NOTDIR),
        ("path_filestat_get 3 1 '../in/in.arrow 0x100", NOTCAPABLE),
        ("path_filestat_get 3 1 '/in/in.arrow 0x100", NOTCAPABLE),
        ("path_filestat_get 3 1 'a/../in.arrow 0x100", NOTCAPABLE),
        ("path_filestat_get 3 1 'in.arrow\\0x 0x100", INVAL),
        ("path_filestat_get 3 1 '\\xff 0x100", ILSEQ),
        ("path_filestat_get 3 1 0x100 0 0x100", NOENT),
        ("path_filestat_get 3 1 0x100 5000 0x100", NAMETOOLONG),
        ("path_filestat_get 4 1 'result.arrow 0x100", NOENT),
        ("path_filestat_get 0 1 'in.arrow 0x100", NOTDIR),
        ("path_filestat_get 77 1 'in.arrow 0x100", BADF),
        // Inputs are for reading: nothing is created, emptied or written there.
        ("path_open 3 0 'in.arrow 0 64 0 0 0x100", ROFS),
        ("path_open 3 0 'in.arrow 8 2 0 0 0x100", ROFS),
        ("path_open 3 0 'in.arrow 1 2 0 0 0x100", 0),
        ("path_open 3 0 'in.arrow 5 2 0 0 0x100", EXIST),
        ("path_open 3 0 'in.arrow 2 2 0 0 0x100", NOTDIR),
        ("path_open 3 0 'new.arrow 1 64 0 0 0x100", ROFS),
        ("path_open 3 0 'new.arrow 0 2 0 0 0x100", NOENT),
        ("path_open 3 0 '.. 0 2 0 0 0x100", NOTCAPABLE),
        ("path_open 3 0 '/etc/passwd 0 2 0 0 0x100", NOTCAPABLE),
        ("path_open 3 0 '. 8 2 0 0 0x100", ISDIR),
        ("path_open 3 0 '. 0 64 0 0 0x100", ISDIR),
        ("path_open 5 0 'in.arrow 0 2 0 0 0x100", NOTDIR),
        ("path_open 3 4 'in.arrow 0 2 0 0 0x100", INVAL),
        ("path_open 3 0 'in.arrow 16 2 0 0 0x100", INVAL),
        ("path_open 3 0 'in.arrow 0 2 0 32 0x100", INVAL),
        ("path_open 3 0 'in.arrow 0 2 0 0x10000 0x100", INVAL),
        // One name can be created, once exclusively, and not be read.
        ("path_open 4 0 'other.arrow 1 64 0 0 0x100", PERM),
        ("path_open 4 0 'other.arrow 0 64 0 0 0x100", NOENT),
        ("path_open 4 0 'result.arrow 0 64 0 0 0x100", NOENT),
        ("path_open 4 0 'result.arrow 1 2 0 0 0x100", ACCES),
        ("path_open 4 0 'result.arrow/ 1 64 0 0 0x100", NOENT),
        ("path_open 4 0 'result.arrow 5 64 0 0 0x100", 0),
        ("path_open 4 0 'result.arrow 5 64 0 0 0x100", EXIST),
        ("path_open 4 0 'result.arrow 0 66 0 0 0x100", 0),
        ("u32 0x100", 7),
        ("path_open 4 0 'result.arrow/x 1 64 0 0 0x100", NOTDIR),
        ("path_filestat_get 4 1 'result.arrow 0x100", 0),
        ("u8 0x110", 4),
    ])
    .await;
}

async fn reading_and_seeking() {
    let magic = u64::from_le_bytes(*b"ARROW1\0\0");
    check(&[
        // One buffer of 8 bytes at 0x200, described at 0x100.
        ("=u32 0x100 0x200", 0),
        ("=u32 0x104 8", 0),
        ("path_open 3 1 'in.arrow 0 2 0 0 0x110", 0),
        ("fd_tell 5 0x120", 0),
        ("u64 0x120", 0),
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x110", 8),
        ("u64 0x200", magic),
        ("fd_tell 5 0x120", 0),
        ("u64 0x120", 8),
        // The stream inside the file begins with a marker; the standard input is that stream.
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x200", 0xffff_ffff),
        ("=u64 0x200 0", 0),
        ("fd_read 0 0x100 1 0x110", 0),
        ("u32 0x200", 0xffff_ffff),
        // The file ends with its magic bytes.
        ("fd_seek 5 -6 2 0x120", 0),
        ("=u64 0x200 0", 0),
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x110", 6),
        ("u32 0x200", magic & 0xffff_ffff),
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x110", 0),
        ("fd_seek 5 1000000 2 0x120", 0),
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x110", 0),
        ("fd_seek 5 3 0 0x120", 0),
        ("u64 0x120", 3),
        ("fd_seek 5 2 1 0x120", 0),
        ("u64 0x120", 5),
        ("fd_seek 5 -6 1 0x120", INVAL),
        ("fd_seek 5 -1 0 0x120", INVAL),
        ("fd_seek 5 0 3 0x120", INVAL),
        ("fd_seek 5 0x7fffffffffffffff 0 0x120", 0),
        ("fd_seek 5 0x7fffffffffffffff 1 0x120", INVAL),
        ("fd_seek 5 0x7fffffffffffffff 2 0x120", INVAL),
        ("fd_seek 5 0x8000000000000000 1 0x120", INVAL),
        ("fd_read 5 0x100 1 0x110", 0),
        ("u32 0x110", 0),
        // By position, wherever the descriptor stands.
        ("fd_pread 5 0x100 1 0 0x110", 0),
        ("u64 0x200", magic),
        ("fd_tell 5 0x120", 0),
        ("u64 0x120", 0x7fff_ffff_ffff_ffff),
        ("fd_pread 5 0x100 1 -1 0x110", INVAL),
        ("fd_pread 5 0x100 1 0x7fffffffffffffff 0x110", 0),
        ("u32 0x110", 0),
        ("fd_pread 0 0x100 1 0 0x110", SPIPE),
        ("fd_pread 1 0x100 1 0 0x110", SPIPE),
        ("fd_pread 3 0x100 1 0 0x110", ISDIR),
        ("fd_seek 0 0 1 0x120", SPIPE),
        ("fd_tell 1 0x120", SPIPE),
        ("fd_tell 3 0x120", ISDIR),
        ("fd_read 1 0x100 1 0x110", BADF),
        ("fd_read 2 0x100 1 0x110", BADF),
        ("fd_read 3 0x100 1 0x110", ISDIR),
        ("fd_read 50 0x100 1 0x110", BADF),
        ("fd_write 5 0x100 1 0x110", BADF),
        ("fd_write 0 0x100 1 0x110", BADF),
        ("fd_write 3 0x100 1 0x110", ISDIR),
        // Buffers: none; too many; beyond the memory; with lengths that do not add up.
        ("fd_read 5 0x100 0 0x110", 0),
        ("u32 0x110", 0),
        ("fd_read 5 0x100 1025 0x110", INVAL),
        ("fd_read 5 0x100 -1 0x110", INVAL),
        ("=u32 0x104 -1", 0),
        ("fd_pread 5 0x100 1 0 0x110", FAULT),
        ("=u32 0x100 0", 0),
        ("=u32 0x104 0x10000", 0),
        ("=u32 0x108 0", 0),
        ("=u32 0x10c 0xffffffff", 0),
        ("fd_pread 5 0x100 2 0 0x110", INVAL),
    ])
    .await;
}

async fn writing() {
    let (one, two) = ("path_open 4 0 'result.arrow 1 64 0 0 0x110", 5);
    check(&[
        (one, 0),
        ("u32 0x110", two),
        ("=u32 0x100 0x200", 0),
        ("=u32 0x104 8", 0),
        ("fd_write 5 0x100 1 0x110", 0),
        ("u32 0x110", 8),
        ("fd_tell 5 0x120", 0),
        ("u64 0x120", 8),
        ("fd_filestat_get 5 0x300", 0),
        ("u64 0x320", 8),
        ("fd_read 5 0x100 1 0x110", BADF),
        ("fd_pread 5 0x100 1 0 0x110", BADF),
        ("fd_seek 5 100 0 0x120", 0),
        ("fd_write 5 0x100 1 0x110", 0),
        ("fd_filestat_get 5 0x300", 0),
        ("u64 0x320", 108),
        ("fd_seek 5 -8 2 0x120", 0),
        ("u64 0x120", 100),
        // Another descriptor has a position of its own, or none where it appends.
        ("path_open 4 0 'result.arrow 0 64 0 1 0x110", 0),
        ("fd_write 6 0x100 1 0x110", 0),
        ("fd_tell 6 0x120", 0),
        ("u64 0x120", 116),
        ("fd_write 5 0x100 0 0x110", 0),
        ("fd_write 5 0x100 1025 0x110", INVAL),
        // Emptied, so that the run can finish without rows.
        ("path_open 4 0 'result.arrow 9 64 0 0 0x110", 0),
        ("fd_filestat_get 5 0x300", 0),
        ("u64 0x320", 0),
    ])
    .await;
}

/// Every call with pointers at the very end of memory and beyond: told, never harmed.
async fn bad_pointers() {
    let end = u64::from(MEMORY_BYTES);
    let mut steps = vec![
        ("=u32 0x100 0x200".to_owned(), 0),
        ("=u32 0x104 8".to_owned(), 0),
        ("path_open 3 1 'in.arrow 0 2 0 0 0x110".to_owned(), 0),
    ];
    for at in [end - 1, end, 0xffff_ffff, 0xffff_fff8] {
        for call in [
            "args_get 0x200 @",
            "args_get @ 0x200",
            "args_sizes_get @ 0x200",
            "args_sizes_get 0x200 @",
            "environ_sizes_get @ 0x200",
            "environ_sizes_get 0x200 @",
            "clock_res_get 0 @",
            "clock_time_get 1 0 @",
            "fd_fdstat_get 0 @",
            "fd_filestat_get 0 @",
            "fd_filestat_get 5 @",
            "fd_pread 5 @ 1 0 0x200",
            "fd_pread 5 0x100 1 0 @",
            "fd_prestat_dir_name 3 @ 9",
            "fd_prestat_get 3 @",
            "fd_read 5 @ 1 0x200",
            "fd_read 5 0x100 1 @",
            "fd_readdir 3 @ 100 0 0x200",
            "fd_readdir 3 0x200 100 0 @",
            "fd_seek 5 0 0 @",
            "fd_tell 5 @",
            "fd_write 2 @ 1 0x200",
            "path_filestat_get 3 0 @ 8 0x200",
            "path_filestat_get 3 0 '. @",
            "path_open 3 0 @ 8 0 2 0 0 0x200",
            "path_open 3 0 'in.arrow 0 2 0 0 @",
            "path_open 4 0 'result.arrow 1 64 0 0 @",
            "poll_oneoff @ 0x200 1 0x100",
            "poll_oneoff 0x200 @ 1 0x100",
            "random_get @ 8",
        ] {
            steps.push((call.replace('@', &at.to_string()), FAULT));
        }
    }
    for call in [
        "random_get 0 0x20001",
        "random_get 1 -1",
        "environ_get 0x200 -1",
        "environ_get -1 0x200",
        "fd_readdir 3 0 -1 0 0x200",
        "path_filestat_get 3 0 0 -1 0x200",
    ] {
        steps.push((call.to_owned(), FAULT));
    }
    // What was refused has opened and created nothing.
    steps.push((
        "path_open 4 0 'result.arrow 0 64 0 0 0x200".to_owned(),
        NOENT,
    ));
    steps.push(("path_open 3 0 'in.arrow 0 2 0 0 0x200".to_owned(), 0));
    steps.push(("u32 0x200".to_owned(), 6));
    let steps: Vec<_> = steps
        .iter()
        .map(|(step, expected)| (step.as_str(), *expected))
        .collect();
    check(&steps).await;
}

/// Copies descriptor `from` to descriptor `to` until the first ends, by pieces of 1,000 bytes.
pub(crate) fn copy(from: u32, to: u32) -> String {
    format!(
        "(block $end (loop $more
            (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000))
            (drop (call $fd_read (i32.const {from}) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br_if $end (i32.eqz (i32.load (i32.const 8))))
            (i32.store (i32.const 4) (i32.load (i32.const 8)))
            (drop (call $fd_write (i32.const {to}) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br $more)))"
    )
}

/// Opens `/in/in.arrow` as 5 and creates `/out/result.arrow` as 6.
pub(crate) fn open_both() -> String {
    let name = |at: u32, text: &[u8]| -> String {
        let bytes = text.iter().zip(at..);
        bytes
            .map(|(byte, at)| format!("(i32.store8 (i32.const {at}) (i32.const {byte}))"))
            .collect()
    };
    format!(
        "{} {}
        (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const 8)
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
        (drop (call $path_open (i32.const 4) (i32.const 1) (i32.const 200) (i32.const 12)
            (i32.const 9) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))",
        name(100, b"in.arrow"),
        name(200, b"result.arrow")
    )
}

async fn copies() {
    let table = table(1_000);
    let pool = pool(2).await;
    for body in [
        copy(0, 1),
        format!("{} {}", open_both(), copy(5, 6)),
        format!("{} {}", open_both(), copy(0, 6)),
        format!("{} {}", open_both(), copy(5, 1)).replace("(i32.const 9)", "(i32.const 0)"),
    ] {
        let mut order = command_order(&body, columns(), Some(&table));
        order.limits.batch_rows = 77;
        let completed = pool.run(order, never()).await.unwrap();
        let out = read(&completed);
        assert_eq!(out.columns(), table.columns());
        assert_eq!(out["n"].null_count(), 334);
        let meter = completed.meter;
        assert_eq!((meter.rows_in, meter.rows_out), (1_000, 1_000));
    }
    // Without an input the standard input is at its end at once; nothing written is no rows.
    let completed = pool
        .run(command_order(&copy(0, 1), columns(), None), never())
        .await
        .unwrap();
    assert_eq!(read(&completed).num_rows(), 0);
    pool.shutdown().await;
}

async fn twice() {
    let random = "(drop (call $random_get (i32.const 0) (i32.const 64)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 64)))
        (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 72))
        (drop (call $fd_write (i32.const 2) (i32.const 128) (i32.const 1) (i32.const 136)))";
    let body = format!("{random} {} {}", open_both(), copy(5, 6));
    let pool = pool(2).await;
    let mut ends = Vec::new();
    for seed in [1, 1, 2] {
        let mut order = command_order(&body, columns(), Some(&table(500)));
        if let Program::Wasm { seed: planted, .. } = &mut order.program {
            *planted = [seed; 32];
        }
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, Outcome::Finished);
        ends.push((
            completed.output.unwrap(),
            completed.guest_log,
            completed.meter.fuel,
        ));
    }
    assert_eq!(ends[0], ends[1]);
    assert_ne!(ends[0].1, ends[2].1, "another seed draws other numbers");
    assert_eq!(ends[0].2, ends[2].2);
    assert!(ends[0].2 > 100, "{}", ends[0].2);
    pool.shutdown().await;
}

async fn refused_results() {
    let bad = Outcome::Faulted(Fault::GuestOutputInvalid);
    let say = |fd: u32| {
        format!(
            "(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 6))
            (i64.store (i32.const 64) (i64.const 0x31574f525241))
            (drop (call $fd_write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8)))"
        )
    };
    let pool = pool(2).await;
    let other = vec![field("n", ColumnType::Int64)];
    for (what, body, columns) in [
        ("six bytes", say(1), columns()),
        (
            "six bytes in the file",
            format!("{} {}", open_both(), say(6)),
            columns(),
        ),
        (
            "both places",
            format!("{} {} {}", open_both(), copy(5, 6), say(1)),
            columns(),
        ),
        ("other columns", copy(0, 1), other),
        (
            "twice the stream",
            format!("{} {}", copy(0, 1), say(1)),
            columns(),
        ),
    ] {
        let order = command_order(&body, columns, Some(&table(10)));
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, bad, "{what}");
        assert!(completed.output.is_none());
    }
    pool.shutdown().await;
}

async fn ends() {
    let exit = |code: i32| format!("(call $proc_exit (i32.const {code})) unreachable");
    let failed = Outcome::Faulted(Fault::GuestFailed);
    let pool = pool(2).await;
    for (body, outcome) in [
        (String::new(), Outcome::Finished),
        (exit(0), Outcome::Finished),
        (format!("{} {}", copy(0, 1), exit(0)), Outcome::Finished),
        (exit(1), failed),
        (exit(-1), failed),
        (
            "unreachable".to_owned(),
            Outcome::Faulted(Fault::GuestTrapped),
        ),
        (
            "(drop (i32.load (i32.const -1)))".to_owned(),
            Outcome::Faulted(Fault::GuestTrapped),
        ),
    ] {
        let order = command_order(&body, columns(), Some(&table(10)));
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, outcome, "{body}");
        assert_eq!(completed.output.is_some(), outcome == Outcome::Finished);
    }
    // An input whose name is no file name is refused before anything runs.
    let mut order = order(command(""), columns(), Some(&table(1)));
    order.inputs[0].name = "../in".to_owned();
    let completed = pool.run(order, never()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::Faulted(Fault::InputInvalid));
    pool.shutdown().await;
}

async fn limits() {
    let pool = pool(2).await;
    let forever = |call: &str| format!("(loop $l {call} (br $l))");
    let write = |fd: u32| {
        forever(&format!(
            "(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1000))
            (drop (call $fd_write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8)))"
        ))
    };
    let yielding = forever("(drop (call $sched_yield))");
    let growing = forever("(drop (memory.grow (i32.const 64)))");
    for (what, body, outcome) in [
        (
            "prints",
            write(1),
            Outcome::LimitExceeded(Limit::OutputBytes),
        ),
        (
            "writes",
            format!("{} {}", open_both(), write(6)),
            Outcome::LimitExceeded(Limit::OutputBytes),
        ),
        ("logs", write(2), Outcome::LimitExceeded(Limit::Fuel)),
        (
            "yields",
            yielding.clone(),
            Outcome::LimitExceeded(Limit::Fuel),
        ),
        ("grows", growing, Outcome::LimitExceeded(Limit::WasmMemory)),
    ] {
        let mut order = command_order(&body, columns(), Some(&table(10)));
        order.limits.output_bytes_max = 100_000;
        order.limits.guest_log_bytes = 5_000;
        order.limits.fuel = 1_000_000;
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, outcome, "{what}");
        let logged = if what == "logs" { 5_000 } else { 0 };
        assert_eq!(completed.guest_log.len(), logged, "{what}");
    }
    let mut order = command_order(&yielding, columns(), None);
    (order.limits.wall_ms, order.limits.fuel) = (300, u64::MAX / 2);
    let completed = pool.run(order, never()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::TimedOut);
    // More rows than permitted, in a result that is well formed.
    let mut order = command_order(&copy(0, 1), columns(), Some(&table(101)));
    order.limits.output_rows_max = 100;
    let completed = pool.run(order, never()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::LimitExceeded(Limit::OutputRows));
    pool.shutdown().await;
    // 64 descriptors are open at a time, five of them from the start.
    let mut steps = vec![("path_open 3 1 'in.arrow 0 2 0 0 0x100", 0); 59];
    steps.push(("path_open 3 1 'in.arrow 0 2 0 0 0x100", MFILE));
    steps.push(("fd_close 20", 0));
    steps.push(("path_open 3 1 'in.arrow 0 2 0 0 0x100", 0));
    steps.push(("u32 0x100", 20));
    check(&steps).await;
}

/// Calls with arguments that no program would pass, thousands of them: the host answers each, ends
/// in one of the ways that are a guest's doing, and does so twice.
async fn random_calls() {
    const VALUES: [i64; 18] = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        8,
        64,
        0x100,
        0x4000,
        0xfff8,
        0x1_fff8,
        0x1_ffff,
        0x2_0000,
        0x7fff_ffff,
        -1,
        i64::MIN,
    ];
    // A generator of its own (Numerical Recipes): the same calls in every run of the test.
    let mut state = 1u32;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let pool = pool(2).await;
    for round in 0..10 {
        let mut steps = Vec::new();
        for _ in 0..400 {
            let (name, letters) = CALLS[draw(CALLS.len())];
            let arguments: String = letters
                .chars()
                .map(|letter| {
                    let value = VALUES[draw(VALUES.len())];
                    // The lower half, where that is all there is.
                    let bytes = if letter == 'i' { 4 } else { 8 };
                    format!(" {}", value << (64 - bytes * 8) >> (64 - bytes * 8))
                })
                .collect();
            steps.push(format!("{name}{arguments}"));
        }
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let order = order(calling(&steps), columns(), Some(&table(50)));
        let one = pool.run(order.clone(), never()).await.unwrap();
        let ended_by_guest = [
            Outcome::Finished,
            Outcome::Faulted(Fault::GuestOutputInvalid),
            Outcome::LimitExceeded(Limit::OutputBytes),
        ];
        assert!(
            ended_by_guest.contains(&one.outcome),
            "{round}: {}",
            one.outcome
        );
        let two = pool.run(order, never()).await.unwrap();
        assert_eq!((two.outcome, two.meter.fuel), (one.outcome, one.meter.fuel));
        assert_eq!(two.guest_log, one.guest_log);
        assert_eq!(two.output, one.output);
    }
    pool.shutdown().await;
}
