//! Reads the output of a run as hostile bytes: an Arrow IPC stream of exactly the columns that were
//! fixed before the run.
//!
//! The stream is walked first, frame by frame, so that no length in it makes the reader reserve more
//! than is there; then it is decoded with full validation.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::{MessageHeader, root_as_message};

/// Why output is not read. It says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the output is too long")]
    Bytes,
    #[error("the output has too many rows")]
    Rows,
    #[error("the output is no Arrow stream")]
    Stream,
    #[error("the output has other columns than were fixed")]
    Columns,
}

/// Caps on one output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Reads all batches as one. Names are not compared: positions and types are what was fixed.
pub(crate) fn read(
    bytes: &[u8],
    expected: &[DataType],
    caps: Caps,
) -> Result<RecordBatch, Unreadable> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > caps.bytes {
        return Err(Unreadable::Bytes);
    }
    walk(bytes, caps.rows)?;
    // The decoder is a large parser of hostile bytes; should it panic, the answer is still an answer.
    catch_unwind(AssertUnwindSafe(|| decode(bytes, expected, caps)))
        .unwrap_or(Err(Unreadable::Stream))
}

fn decode(bytes: &[u8], expected: &[DataType], caps: Caps) -> Result<RecordBatch, Unreadable> {
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(|_| Unreadable::Stream)?;
    let schema = reader.schema();
    same_columns(&schema, expected)?;
    let mut batches = Vec::new();
    let mut rows = 0u64;
    for batch in reader {
        let batch = batch.map_err(|_| Unreadable::Stream)?;
        same_columns(&batch.schema(), expected)?;
        rows = rows.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        if rows > caps.rows {
            return Err(Unreadable::Rows);
        }
        for column in batch.columns() {
            column
                .to_data()
                .validate_full()
                .map_err(|_| Unreadable::Stream)?;
        }
        batches.push(batch);
    }
    let batch = concat_batches(&schema, &batches).map_err(|_| Unreadable::Stream)?;
    plain(&batch)
}

/// The same columns under a schema without names, metadata or claims about nulls.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, Unreadable> {
    let fields: Vec<arrow::datatypes::Field> = batch
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            arrow::datatypes::Field::new(format!("c{index}"), column.data_type().clone(), true)
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())
        .map_err(|_| Unreadable::Stream)
}

fn same_columns(schema: &Schema, expected: &[DataType]) -> Result<(), Unreadable> {
    let same = schema.fields().len() == expected.len()
        && schema
            .fields()
            .iter()
            .zip(expected)
            .all(|(field, t)| same_type(field.data_type(), t));
    if same {
        Ok(())
    } else {
        Err(Unreadable::Columns)
    }
}

/// Types are the same up to claims about nulls inside structs.
fn same_type(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(l, r)| l.name() == r.name() && same_type(l.data_type(), r.data_type()))
        }
        _ => left == right,
    }
}

/// Walks the frames: lengths lie within the stream, there are only a schema and record batches, and
/// no batch claims more rows than are read.
fn walk(bytes: &[u8], rows_max: u64) -> Result<(), Unreadable> {
    const CONTINUATION: [u8; 4] = [0xff; 4];
    let mut rest = bytes;
    let mut first = true;
    loop {
        let Some((mut head, after)) = split(rest, 4) else {
            return if rest.is_empty() && !first {
                Ok(())
            } else {
                Err(Unreadable::Stream)
            };
        };
        let mut at = after;
        if head == CONTINUATION {
            (head, at) = split(at, 4).ok_or(Unreadable::Stream)?;
        }
        let length = <[u8; 4]>::try_from(head).map_err(|_| Unreadable::Stream)?;
        let length = usize::try_from(i32::from_le_bytes(length)).map_err(|_| Unreadable::Stream)?;
        if length == 0 {
            return if first {
                Err(Unreadable::Stream)
            } else {
                Ok(())
            };
        }
        let (metadata, body) = split(at, length).ok_or(Unreadable::Stream)?;
        let message = root_as_message(metadata).map_err(|_| Unreadable::Stream)?;
        match (first, message.header_type()) {
            (true, MessageHeader::Schema) | (false, MessageHeader::RecordBatch) => {}
            _ => return Err(Unreadable::Stream),
        }
        if let Some(batch) = message.header_as_record_batch() {
            if batch.compression().is_some() {
                return Err(Unreadable::Stream);
            }
            if u64::try_from(batch.length()).map_err(|_| Unreadable::Stream)? > rows_max {
                return Err(Unreadable::Rows);
            }
        }
        let length = usize::try_from(message.bodyLength()).map_err(|_| Unreadable::Stream)?;
        (_, rest) = split(body, length).ok_or(Unreadable::Stream)?;
        first = false;
    }
}

fn split(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(at)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Field;
    use arrow::ipc::writer::StreamWriter;
    use proptest::prelude::*;

    use super::*;

    const CAPS: Caps = Caps {
        rows: 100,
        bytes: 100_000,
    };

    fn stream(rows: i64) -> Vec<u8> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
        ]));
        let numbers = Int64Array::from_iter_values(0..rows);
        let texts = StringArray::from_iter_values((0..rows).map(|i| format!("值{i}")));
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![Arc::new(numbers), Arc::new(texts)],
        )
        .unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    const TYPES: [DataType; 2] = [DataType::Int64, DataType::Utf8];

    #[test]
    fn a_stream_of_the_fixed_columns_is_read() {
        let batch = read(&stream(3), &TYPES, CAPS).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (3, 2));
        assert_eq!(read(&stream(0), &TYPES, CAPS).unwrap().num_rows(), 0);
    }

    #[test]
    fn other_columns_and_sizes_are_not_read() {
        let bytes = stream(3);
        assert_eq!(read(&bytes, &TYPES[..1], CAPS), Err(Unreadable::Columns));
        let swapped = [DataType::Utf8, DataType::Int64];
        assert_eq!(read(&bytes, &swapped, CAPS), Err(Unreadable::Columns));
        assert_eq!(
            read(&bytes, &TYPES, Caps { rows: 2, ..CAPS }),
            Err(Unreadable::Rows)
        );
        assert_eq!(
            read(&bytes, &TYPES, Caps { bytes: 10, ..CAPS }),
            Err(Unreadable::Bytes)
        );
        assert_eq!(read(&[], &TYPES, CAPS), Err(Unreadable::Stream));
        assert_eq!(read(b"a,b\n1,2\n", &TYPES, CAPS), Err(Unreadable::Stream));
    }

    #[test]
    fn lengths_that_lie_reserve_nothing() {
        let mut bytes = stream(3);
        bytes[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
        assert_eq!(read(&bytes, &TYPES, CAPS), Err(Unreadable::Stream));
        bytes[4..8].copy_from_slice(&(-1i32).to_le_bytes());
        assert_eq!(read(&bytes, &TYPES, CAPS), Err(Unreadable::Stream));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn flipped_and_cut_streams_are_answered(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
            whole in any::<bool>(),
        ) {
            let mut bytes = stream(5);
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(batch) = read(&bytes, &TYPES, CAPS) {
                prop_assert!(batch.num_rows() <= 100);
                prop_assert_eq!(batch.column(1).data_type(), &DataType::Utf8);
            }
        }

        #[test]
        fn noise_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes, &TYPES, CAPS).is_err());
        }
    }
}
