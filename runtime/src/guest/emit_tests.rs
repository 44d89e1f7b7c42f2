#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::super::layout::Block;
use super::*;
use crate::order::{OutputField, output_schema};

const TYPES: [ColumnType; 7] = [
    ColumnType::Boolean,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Utf8,
    ColumnType::Date32,
    ColumnType::TimestampMicros,
];

fn schema(types: &[ColumnType]) -> SchemaRef {
    let fields: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(at, data_type)| OutputField {
            name: format!("c{at}"),
            data_type: *data_type,
        })
        .collect();
    output_schema(&fields)
}

fn batch(rows: &[(Option<i32>, Option<String>)]) -> RecordBatch {
    let number = || rows.iter().map(|(number, _)| *number);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            number()
                .map(|n| n.map(|n| n % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        Arc::new(number().collect::<Int32Array>()),
        Arc::new(number().map(|n| n.map(i64::from)).collect::<Int64Array>()),
        Arc::new(number().map(|n| n.map(f64::from)).collect::<Float64Array>()),
        Arc::new(
            rows.iter()
                .map(|(_, text)| text.clone())
                .collect::<StringArray>(),
        ),
        Arc::new(number().collect::<Date32Array>()),
        Arc::new(
            number()
                .map(|n| n.map(i64::from))
                .collect::<TimestampMicrosecondArray>(),
        ),
    ];
    RecordBatch::try_new(schema(&TYPES), columns).unwrap()
}

/// A memory with the block at 64.
fn memory(batch: &RecordBatch) -> Vec<u8> {
    let block = Block::new(batch, &TYPES).unwrap();
    let mut memory = vec![0xAA; 64];
    memory.extend(block.at(64).unwrap());
    memory.extend([0xAA; 64]);
    memory
}

fn rows() -> impl Strategy<Value = Vec<(Option<i32>, Option<String>)>> {
    prop::collection::vec((any::<Option<i32>>(), any::<Option<String>>()), 0..50)
}

proptest! {
    #[test]
    fn what_is_laid_out_is_read_back(rows in rows(), skip in 0usize..20) {
        let whole = batch(&rows);
        prop_assert_eq!(&read(&memory(&whole), 64, &schema(&TYPES), &TYPES).unwrap(), &whole);
        // Slices have offsets that are not 0, in bits too.
        let skip = skip.min(rows.len());
        let slice = whole.slice(skip, rows.len() - skip);
        prop_assert_eq!(read(&memory(&slice), 64, &schema(&TYPES), &TYPES).unwrap(), slice);
    }

    #[test]
    fn damage_is_refused_or_gives_valid_arrays(
        rows in rows(), at in any::<prop::sample::Index>(), word in any::<u32>(), pointer in any::<u32>(),
    ) {
        let mut memory = memory(&batch(&rows));
        let at = at.index(memory.len() - 4);
        memory[at..at + 4].copy_from_slice(&word.to_le_bytes());
        if let Ok(batch) = read(&memory, 64, &schema(&TYPES), &TYPES) {
            for column in batch.columns() {
                column.to_data().validate_full().unwrap();
            }
        }
        let _ = read(&memory, pointer, &schema(&TYPES), &TYPES);
    }
}

#[test]
fn each_broken_rule_is_refused() {
    let types = [ColumnType::Int64];
    let schema = schema(&types);
    let good: [u32; 9] = [2, 1, 12, 3, 0, 0, 0, 36, 16];
    let memory = |words: [u32; 9]| {
        let mut memory: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        memory.extend(5i64.to_le_bytes());
        memory.extend(6i64.to_le_bytes());
        memory
    };
    let read_words = |words| read(&memory(words), 0, &schema, &types);
    let batch = read_words(good).unwrap();
    assert_eq!(
        batch.column(0).as_primitive::<Int64Type>().values(),
        &[5, 6]
    );
    let with = |at: usize, value: u32| {
        let mut words = good;
        words[at] = value;
        words
    };
    for (what, words) in [
        ("more rows than data", with(0, 3)),
        ("rows without end", with(0, u32::MAX)),
        ("another number of columns", with(1, 2)),
        ("columns outside memory", with(2, 50)),
        ("another type", with(3, 2)),
        ("no type", with(3, 0)),
        ("nulls without validity", with(4, 1)),
        ("validity outside memory", with(5, 4000)),
        ("data outside memory", with(7, 40)),
        ("data around the end", with(7, u32::MAX - 4)),
        ("too few bytes", with(8, 15)),
    ] {
        assert_eq!(read_words(words), Err(BROKEN), "{what}");
    }
}

#[test]
fn text_must_be_utf8_with_rising_offsets() {
    let types = [ColumnType::Utf8];
    let schema = schema(&types);
    let read_text = |offsets: [i32; 3], data: &[u8]| {
        let mut memory = Vec::new();
        for word in [
            2u32,
            1,
            12,
            5,
            0,
            0,
            36,
            48,
            u32::try_from(data.len()).unwrap(),
        ] {
            memory.extend(word.to_le_bytes());
        }
        memory.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        memory.extend(data);
        read(&memory, 0, &schema, &types)
    };
    let batch = read_text([0, 3, 4], "鹭x".as_bytes()).unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "鹭");
    for (offsets, data) in [
        ([0, 1, 4], "鹭x".as_bytes()),
        ([0, 1, 2], b"\xff\xfe".as_slice()),
        ([0, 2, 1], b"ab"),
        ([-1, 1, 2], b"ab"),
        ([0, 1, 9], b"ab"),
    ] {
        assert_eq!(read_text(offsets, data), Err(BROKEN), "{offsets:?}");
    }
}
