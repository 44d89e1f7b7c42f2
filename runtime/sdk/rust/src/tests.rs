extern crate std;

use std::string::ToString;
use std::vec;

use super::*;
use crate::batch::Batch;
use crate::block::Block;
use crate::kind::{Days, Micros};

/// Where the block of a test lies in a guest's memory that is not there.
const BASE: u32 = 4096;

/// What a host would lay out for these columns.
fn block(columns: &[&dyn Buffers]) -> Vec<u8> {
    let head = 12 + columns.len() * 24;
    let mut block = vec![0; head];
    let (rows, words) = describe(columns, |bytes| {
        block.resize(block.len().next_multiple_of(8), 0);
        let at = BASE + block.len() as u32;
        block.extend_from_slice(bytes);
        at
    })
    .unwrap();
    let numbers = [rows, columns.len() as u32, BASE + 12];
    for (at, word) in numbers.into_iter().chain(words).enumerate() {
        block[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
    }
    block
}

fn batch(columns: &[&dyn Buffers]) -> Batch {
    Batch::new(BASE, Block::copied(&block(columns))).unwrap()
}

#[test]
fn every_kind_is_written_and_read_back() {
    let mut flags = Builder::<bool>::new();
    let mut small = Builder::<i32>::new();
    let mut large = Builder::<i64>::new();
    let mut real = Builder::<f64>::new();
    let mut text = Builder::<str>::new();
    let mut days = Builder::<Days>::new();
    let mut times = Builder::<Micros>::new();
    let holds = |row: i32| row % 3 != 1;
    for row in 0..20 {
        let number = holds(row).then_some(row - 9);
        let word = "白鹭".to_string() + &row.to_string();
        flags.push(number.map(|n| n % 2 == 0));
        small.push(number);
        large.push(number.map(|n| i64::from(n) << 40));
        real.push(number.map(|n| f64::from(n) / 3.0));
        text.push(holds(row).then_some(word.as_str()));
        days.push(number.map(Days));
        times.push(number.map(|n| Micros(n.into())));
    }
    let batch = batch(&[&flags, &small, &large, &real, &text, &days, &times]);
    assert_eq!((batch.rows(), batch.columns()), (20, 7));
    let flags = batch.column::<bool>(0).unwrap();
    assert_eq!((flags.nulls(), flags.value(20)), (7, None));
    let text = batch.column::<str>(4).unwrap();
    for row in 0..20 {
        let number = holds(row).then_some(row - 9);
        let at = row as usize;
        assert_eq!(flags.value(at), number.map(|n| n % 2 == 0));
        assert_eq!(batch.column::<i32>(1).unwrap().value(at), number);
        assert_eq!(
            batch.column::<i64>(2).unwrap().value(at),
            number.map(|n| i64::from(n) << 40)
        );
        assert_eq!(
            batch.column::<f64>(3).unwrap().value(at),
            number.map(|n| f64::from(n) / 3.0)
        );
        let word = "白鹭".to_string() + &row.to_string();
        assert_eq!(text.value(at), holds(row).then_some(word.as_str()));
        assert_eq!(batch.column::<Days>(5).unwrap().value(at), number.map(Days));
        let micros = number.map(|n| Micros(n.into()));
        assert_eq!(batch.column::<Micros>(6).unwrap().value(at), micros);
    }
}

#[test]
fn columns_without_nulls_have_no_validity() {
    let ones = Builder::<i64>::of([1; 9]);
    let (rows, words) = describe(&[&ones], |_| 64).unwrap();
    assert_eq!((rows, words), (9, vec![3, 0, 0, 0, 64, 72]));
    let batch = batch(&[&ones]);
    let column = batch.column::<i64>(0).unwrap();
    assert_eq!(column.values().flatten().sum::<i64>(), 9);
}

#[test]
fn a_cleared_builder_begins_again() {
    let mut text = Builder::<str>::of(["a", "b"]);
    text.push(None);
    text.clear();
    text.push(Some("c"));
    let batch = batch(&[&text]);
    assert_eq!(batch.column::<str>(0).unwrap().value(0), Some("c"));
    assert_eq!((batch.rows(), text.rows()), (1, 1));
}

#[test]
fn what_does_not_fit_is_named() {
    let (one, two) = (Builder::<i64>::of([1]), Builder::<i64>::of([1, 2]));
    assert!(describe(&[&one, &two], |_| 64).is_none());
    assert!(crate::emit(&[&one, &two]).is_err());
    let batch = batch(&[&one]);
    let other = batch.column::<f64>(0).unwrap_err();
    assert_eq!(other.reason(), "a column of the input is of another type");
    assert!(batch.column::<i64>(1).is_err());
}

#[test]
fn damaged_blocks_are_refused_or_read_within_their_bounds() {
    let good = block(&[
        &Builder::<str>::of(["a", "白鹭"]),
        &Builder::<bool>::of([true, false]),
    ]);
    for at in (0..good.len() - 4).step_by(4) {
        for word in [0, 1, 3, BASE - 1, BASE + 90, u32::MAX] {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&word.to_le_bytes());
            let Ok(batch) = Batch::new(BASE, Block::copied(&bad)) else {
                continue;
            };
            for row in 0..3 {
                let _ = batch
                    .column::<str>(0)
                    .map(|column| column.value(row).map(str::len));
                let _ = batch.column::<bool>(1).map(|column| column.value(row));
            }
        }
    }
}
