//! Rows into a file of any format; the file appears whole, or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::FileWriter;
use arrow::json::LineDelimitedWriter;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;

use super::source::TableError;
use crate::intake::DataFormat;

/// Rows of a row group of Parquet, which is held in memory until it is whole: some ten megabytes.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// A file that is being written, beside its place.
pub(super) struct RowWriter {
    path: PathBuf,
    temporary: NamedTempFile,
    format: Format,
    rows: u64,
}

enum Format {
    Csv(BufWriter<File>),
    Jsonl(Box<LineDelimitedWriter<BufWriter<File>>>),
    Parquet(Box<ArrowWriter<File>>),
    Arrow(Box<FileWriter<BufWriter<File>>>),
}

impl RowWriter {
    pub(super) fn create(
        path: &Path,
        format: DataFormat,
        schema: &SchemaRef,
    ) -> Result<Self, TableError> {
        let at = |source| TableError::Io {
            path: path.to_owned(),
            source,
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".egret-mask-")
            .tempfile_in(folder)
            .map_err(at)?;
        let file = temporary.as_file().try_clone().map_err(at)?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            format: Format::begin(format, schema, file).map_err(at)?,
            rows: 0,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(0);
        self.format.write(batch).map_err(|source| TableError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Rows written, and the SHA-256 of the file in hex.
    pub(super) fn finish(self) -> Result<(u64, String), TableError> {
        let Self {
            path,
            temporary,
            format,
            rows,
        } = self;
        let done = || -> io::Result<String> {
            format.finish()?;
            temporary.as_file().sync_all()?;
            let digest = digest(temporary.path())?;
            temporary.persist(&path).map_err(|error| error.error)?;
            Ok(digest)
        };
        match done() {
            Ok(digest) => Ok((rows, digest)),
            Err(source) => Err(TableError::Io { path, source }),
        }
    }
}

impl Format {
    fn begin(format: DataFormat, schema: &SchemaRef, file: File) -> io::Result<Self> {
        Ok(match format {
            DataFormat::Csv => {
                let mut out = BufWriter::new(file);
                let names = schema
                    .fields()
                    .iter()
                    .map(|field| Some(field.name().as_str()));
                csv_line(&mut out, names)?;
                Self::Csv(out)
            }
            DataFormat::Jsonl => {
                Self::Jsonl(Box::new(LineDelimitedWriter::new(BufWriter::new(file))))
            }
            DataFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                Self::Parquet(Box::new(writer.map_err(io::Error::other)?))
            }
            DataFormat::Arrow => {
                let writer = FileWriter::try_new(BufWriter::new(file), schema);
                Self::Arrow(Box::new(writer.map_err(io::Error::other)?))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            Self::Csv(out) => csv_rows(out, batch),
            Self::Jsonl(writer) => writer.write(batch).map_err(io::Error::other),
            Self::Parquet(writer) => writer.write(batch).map_err(io::Error::other),
            Self::Arrow(writer) => writer.write(batch).map_err(io::Error::other),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut out) => out.flush(),
            Self::Jsonl(mut writer) => {
                writer.finish().map_err(io::Error::other)?;
                writer.into_inner().flush()
            }
            Self::Parquet(writer) => writer.close().map(drop).map_err(io::Error::other),
            Self::Arrow(mut writer) => {
                writer.finish().map_err(io::Error::other)?;
                writer.into_inner().map_err(io::Error::other)?.flush()
            }
        }
    }
}

/// RFC 4180, UTF-8; a null is an empty cell, an empty text is `""`.
fn csv_rows(out: &mut impl Write, batch: &RecordBatch) -> io::Result<()> {
    let options = FormatOptions::default();
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let mut cells: Vec<Option<String>> = Vec::with_capacity(columns.len());
    for row in 0..batch.num_rows() {
        cells.clear();
        for (formatter, column) in columns.iter().zip(batch.columns()) {
            let text = column
                .is_valid(row)
                .then(|| formatter.value(row).to_string());
            // A space between date and time, as the readers of this country write it.
            let text = match column.data_type() {
                DataType::Timestamp(_, _) => text.map(|text| text.replacen('T', " ", 1)),
                _ => text,
            };
            cells.push(text);
        }
        csv_line(out, cells.iter().map(Option::as_deref))?;
    }
    Ok(())
}

fn csv_line<'a>(
    out: &mut impl Write,
    cells: impl Iterator<Item = Option<&'a str>>,
) -> io::Result<()> {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        let Some(text) = cell else { continue };
        let plain = !text.is_empty()
            && text.trim() == text
            && !text.contains([',', '"', '\n', '\r', ';', '\t', '|']);
        if plain {
            out.write_all(text.as_bytes())?;
        } else {
            write!(out, "\"{}\"", text.replace('"', "\"\""))?;
        }
    }
    out.write_all(b"\n")
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            return Ok(hex::encode(context.finish()));
        }
        context.update(buffer.get(..count).unwrap_or_default());
    }
}
