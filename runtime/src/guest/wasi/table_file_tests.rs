#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::staged_file::StagedFile;

fn table(rows: i64) -> RecordBatch {
    let numbers: Int64Array = (0..rows).map(|n| (n % 5 != 0).then_some(n)).collect();
    let texts: StringArray = (0..rows)
        .map(|n| Some("白鹭".repeat(usize::try_from(n % 7).unwrap())))
        .collect();
    let bits: BooleanArray = (0..rows).map(|n| Some(n % 3 == 0)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(numbers) as ArrayRef, true),
        ("t", Arc::new(texts) as ArrayRef, true),
        ("b", Arc::new(bits) as ArrayRef, true),
    ])
    .unwrap()
}

fn file(batch: &RecordBatch, batch_rows: usize) -> TableFile {
    let file = tempfile::tempfile().unwrap();
    // Row groups that do not fit the batches.
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(70))
        .build();
    let mut writer =
        ArrowWriter::try_new(file.try_clone().unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let bytes = file.metadata().unwrap().len();
    TableFile::new(GuestInput::open(StagedFile::new(file, bytes), batch_rows).unwrap())
}

fn whole(file: &mut TableFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap() + 9];
    let read = file.read_at(0, &mut bytes).unwrap();
    bytes.truncate(read);
    bytes
}

#[test]
fn the_file_and_the_stream_inside_it_hold_the_table() {
    for (rows, batch_rows) in [(0, 10), (1, 10), (10, 10), (500, 33), (500, 1000)] {
        let table = table(rows);
        let mut file = file(&table, batch_rows);
        let bytes = whole(&mut file);
        assert_eq!(bytes.len() as u64, file.len().unwrap());
        let schema = table.schema();
        let reader = FileReader::try_new(Cursor::new(&bytes), None).unwrap();
        let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
        assert_eq!(
            arrow::compute::concat_batches(&schema, &batches).unwrap(),
            table
        );
        let end = usize::try_from(file.stream_end().unwrap()).unwrap();
        let stream = &bytes[usize::try_from(MAGIC_BYTES).unwrap()..end];
        let reader = StreamReader::try_new(stream, None).unwrap();
        let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
        assert_eq!(
            arrow::compute::concat_batches(&schema, &batches).unwrap(),
            table
        );
    }
}

#[test]
fn any_order_of_reading_gives_the_same_bytes() {
    let mut file = file(&table(500), 33);
    let bytes = whole(&mut file);
    // Steps that share no factor with anything: forwards, backwards, across parts.
    let mut at = 0;
    for step in 0..400 {
        at = (at + 7919 * step) % (bytes.len() + 20);
        let mut part = vec![0; step];
        let read = file.read_at(at as u64, &mut part).unwrap();
        let rest = bytes.get(at..).unwrap_or_default();
        assert_eq!(part[..read], rest[..read]);
        assert_eq!(read, step.min(rest.len()));
    }
    assert_eq!(file.read_at(u64::MAX, &mut [0; 8]).unwrap(), 0);
}
