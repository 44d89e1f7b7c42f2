#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use proptest::prelude::*;
use std::io::{Seek, SeekFrom};

use super::*;
use crate::order::{ColumnType, OutputField, output_schema};
use crate::outcome::Limit;

fn schema() -> SchemaRef {
    let field = |name: &str, data_type| OutputField {
        name: name.to_owned(),
        data_type,
    };
    output_schema(&[field("n", ColumnType::Int64), field("t", ColumnType::Utf8)])
}

/// Columns without nulls, as many libraries write them: permitted.
fn batch(rows: i64) -> RecordBatch {
    let numbers: Int64Array = (0..rows).map(Some).collect();
    let texts: StringArray = (0..rows).map(|n| Some(format!("白{n}"))).collect();
    RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as ArrayRef),
        ("t", Arc::new(texts) as ArrayRef),
    ])
    .unwrap()
}

fn as_file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn as_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn copied(bytes: Vec<u8>) -> Result<RecordBatch, Outcome> {
    let mut file = tempfile::tempfile().unwrap();
    let mut output =
        OutputStream::new(file.try_clone().unwrap(), &schema(), 1 << 20, 1_000).unwrap();
    copy(bytes, &schema(), &mut output)?;
    output.finish().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let batches: Vec<_> = StreamReader::try_new(file, None)
        .unwrap()
        .map(|batch| batch.unwrap())
        .collect();
    Ok(arrow::compute::concat_batches(&schema(), &batches).unwrap())
}

#[test]
fn files_and_streams_are_copied_under_the_declared_schema() {
    let batches = [batch(10), batch(0), batch(5)];
    for bytes in [as_file(&batches), as_stream(&batches)] {
        let out = copied(bytes).unwrap();
        assert_eq!(out.num_rows(), 15);
        assert_eq!(out.schema(), schema());
        assert_eq!(out.slice(10, 5).columns(), batch(5).columns());
    }
    assert_eq!(copied(vec![]).unwrap().num_rows(), 0);
    for bytes in [as_file(&[batch(0)]), as_stream(&[batch(0)])] {
        assert_eq!(copied(bytes).unwrap().num_rows(), 0);
    }
}

#[test]
fn other_columns_are_refused_even_without_rows() {
    let one = |name: &str, array: ArrayRef| (name.to_owned(), array);
    let numbers = || Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef;
    let texts = || Arc::new(StringArray::from(Vec::<&str>::new())) as ArrayRef;
    let words: DictionaryArray<Int32Type> = Vec::<&str>::new().into_iter().collect();
    for columns in [
        vec![one("n", numbers())],
        vec![one("t", texts()), one("n", numbers())],
        vec![one("n", numbers()), one("other", texts())],
        vec![one("n", numbers()), one("t", texts()), one("u", texts())],
        vec![one("n", numbers()), one("t", Arc::new(words))],
        vec![
            one("n", Arc::new(Int32Array::from(Vec::<i32>::new()))),
            one("t", texts()),
        ],
    ] {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        for bytes in [as_file(std::slice::from_ref(&batch)), as_stream(&[batch])] {
            assert_eq!(copied(bytes).unwrap_err(), BROKEN);
        }
    }
}

#[test]
fn what_is_cut_or_goes_on_is_refused() {
    let (file, stream) = (as_file(&[batch(9)]), as_stream(&[batch(9)]));
    for length in 1..file.len() {
        assert_eq!(copied(file[..length].to_vec()).unwrap_err(), BROKEN);
    }
    // A stream may lack its end marker, but nothing else.
    let mut whole = 0;
    for length in 1..stream.len() {
        whole += usize::from(copied(stream[..length].to_vec()).is_ok());
    }
    assert!(whole <= 2, "{whole}");
    let mut longer = stream;
    longer.push(0);
    assert_eq!(copied(longer).unwrap_err(), BROKEN);
    assert_eq!(copied(b"ARROW1".to_vec()).unwrap_err(), BROKEN);
    assert_eq!(
        copied(b"ARROW1\0\0\x0a\0\0\0ARROW1".to_vec()).unwrap_err(),
        BROKEN
    );
    assert_eq!(copied(b"hello\n".to_vec()).unwrap_err(), BROKEN);
}

#[test]
fn rows_are_counted() {
    let rows = Outcome::LimitExceeded(Limit::OutputRows);
    assert_eq!(copied(as_file(&[batch(1_001)])).unwrap_err(), rows);
    assert_eq!(copied(as_file(&[batch(1_000)])).unwrap().num_rows(), 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn damage_is_refused_or_gives_a_valid_table(
        at in any::<prop::sample::Index>(), value: u8, word: Option<u32>, file: bool,
    ) {
        let batches = [batch(3), batch(4)];
        let mut bytes = if file { as_file(&batches) } else { as_stream(&batches) };
        let at = at.index(bytes.len());
        match word {
            Some(word) => {
                let start = at.min(bytes.len() - 4) & !3;
                bytes[start..start + 4].copy_from_slice(&word.to_le_bytes());
            }
            None => bytes[at] = value,
        }
        match copied(bytes) {
            Ok(table) => {
                // Every text is valid: reading them all would panic otherwise.
                let shown = format!("{table:?}");
                prop_assert!(shown.len() > 10);
            }
            Err(outcome) => prop_assert!(matches!(
                outcome,
                BROKEN | Outcome::LimitExceeded(Limit::OutputRows)
            )),
        }
    }
}
