//! Files in, files out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use masking::{CipherSuite, Policy};

use super::*;
use crate::catalogue::ColumnType;
use crate::clock::SystemEntropy;
use crate::intake::DataFormat;

const POLICY: &str = "version = 1\n[measure]\nk_min = 2\n\
    [columns.id]\ntransform = \"token\"\nvalue_domain = \"person-id\"\n\
    [columns.age]\ntransform = \"age_band\"\nwidth = 10\ntop = 90\n\
    [columns.visits]\ntransform = \"keep\"\n\
    [columns.seen]\ntransform = \"keep\"\n\
    [columns.note]\ntransform = \"keep\"\n";

/// A valid resident number.
fn resident(number: usize) -> String {
    let body = format!("35020319800101{:03}", number % 1000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let check = b"10X98765432"[usize::try_from(sum % 11).unwrap()];
    format!("{body}{}", char::from(check))
}

fn rows(note: impl Fn(usize) -> String) -> String {
    let mut text = "id,age,visits,seen,note\n".to_owned();
    for row in 0..500 {
        let (id, note) = (resident(row), note(row));
        text.push_str(&format!(
            "{id},{},{},2024-01-0{} 08:30,{note}\n",
            20 + row % 50,
            row % 7,
            1 + row % 9
        ));
    }
    text
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn key(&self) -> MaskKey {
        let file = self.path("key");
        if !file.exists() {
            MaskKey::make(&file, CipherSuite::International, &SystemEntropy).unwrap();
        }
        MaskKey::read(&file).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn open(path: &Path, format: DataFormat) -> TableFile {
    let reading = Reading {
        format,
        encoding: None,
        types: Vec::new(),
    };
    TableFile::open(path, reading).unwrap()
}

fn mask(
    folder: &Folder,
    table: &TableFile,
    to: &str,
    format: DataFormat,
) -> Result<MaskOutcome, TableError> {
    let classes = scan_file(table, Arc::default()).unwrap();
    let policy = Policy::parse(POLICY).unwrap();
    let to = folder.path(to);
    mask_file(
        table,
        &policy,
        classes,
        (&folder.key(), 1),
        (&to, format),
        Arc::default(),
    )
}

#[test]
fn types_are_found_and_numbers_of_something_stay_texts() {
    let folder = Folder::new();
    let text = "id,code,count,share,day,at,flag,empty\n\
                350203198001010015,007,3,0.5,2024-01-02,2024-01-02 03:04,是,\n\
                350203198001010023,012,-4,1e3,2024-01-03,2024-01-03 03:04,否,\n";
    let table = open(&folder.write("t.csv", text), DataFormat::Csv);
    let kinds: Vec<ColumnType> = table.columns().map(|(_, kind)| kind).collect();
    use ColumnType::{Bool, Date, Float64, Int64, String, Timestamp};
    assert_eq!(
        kinds,
        [
            String, String, Int64, Float64, Date, Timestamp, Bool, String
        ]
    );
}

#[test]
fn every_format_in_and_out_gives_the_same_rows() {
    let folder = Folder::new();
    let csv = folder.write(
        "in.csv",
        rows(|row| format!("a,\"b\" {row}").replace('"', "'").replace(',', ";")),
    );
    let table = open(&csv, DataFormat::Csv);
    let formats = [
        ("out.csv", DataFormat::Csv),
        ("out.jsonl", DataFormat::Jsonl),
        ("out.parquet", DataFormat::Parquet),
        ("out.arrow", DataFormat::Arrow),
    ];
    let mut seen = Vec::new();
    for (name, format) in formats {
        let outcome = mask(&folder, &table, name, format).unwrap();
        assert_eq!(outcome.rows, 500);
        assert!(outcome.before.k < outcome.after.k, "{outcome:?}");
        let written = open(&folder.path(name), format);
        let mut rows = written.rows(Arc::default()).unwrap();
        let mut cells = Vec::new();
        while let Some((_, batch)) = rows.next_batch().unwrap() {
            cells.extend(shown_cells(&batch).1);
        }
        // What the report says is what stands in the file.
        let again = risk_file(
            &written,
            Some((outcome.after.quasi.clone(), outcome.after.sensitive.clone())),
            None,
            Arc::default(),
        )
        .unwrap();
        assert_eq!(
            (again.k, again.classes),
            (outcome.after.k, outcome.after.classes)
        );
        seen.push(cells);
    }
    assert_eq!(seen[0].len(), 500);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(!seen[0].iter().any(|row| row[0].contains("350203")));
    assert_eq!(
        folder.names(),
        [
            "in.csv",
            "key",
            "out.arrow",
            "out.csv",
            "out.jsonl",
            "out.parquet"
        ],
        "nothing else is left behind"
    );
}

#[test]
fn an_identifier_in_a_kept_remark_stops_the_writing() {
    let folder = Folder::new();
    let text = rows(|row| match row {
        321 => format!("联系人身份证{}", resident(7)),
        _ => "复诊".to_owned(),
    });
    let table = open(&folder.write("in.csv", text), DataFormat::Csv);
    match mask(&folder, &table, "out.csv", DataFormat::Csv) {
        Err(TableError::Refused(faults)) => {
            assert_eq!(faults[0].column.as_deref(), Some("note"));
        }
        other => panic!("{other:?}"),
    }
    // Classes of other data than these are stopped by what is read while masking.
    let clean = folder.write("clean.csv", rows(|_| "复诊".to_owned()));
    let classes = scan_file(&open(&clean, DataFormat::Csv), Arc::default()).unwrap();
    let policy = Policy::parse(POLICY).unwrap();
    let (key, to) = (folder.key(), folder.path("out.csv"));
    let unscanned = mask_file(
        &table,
        &policy,
        classes,
        (&key, 1),
        (&to, DataFormat::Csv),
        Arc::default(),
    );
    match unscanned {
        Err(TableError::Residual(faults)) => assert_eq!(
            (faults[0].column.as_deref(), faults[0].row),
            (Some("note"), Some(322))
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(folder.names(), ["clean.csv", "in.csv", "key"]);
}

#[test]
fn a_value_of_another_type_is_named_and_never_lost() {
    let folder = Folder::new();
    let mut text = "id,count\n".to_owned();
    for row in 0..70_000 {
        text.push_str(&format!("a{row},{row}\n"));
    }
    text.push_str("b,many\n");
    let file = folder.write("in.csv", text);
    let table = open(&file, DataFormat::Csv);
    let fault = match scan_file(&table, Arc::default()) {
        Err(TableError::Fault(fault)) => *fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (fault.row, fault.column.as_deref()),
        (Some(70_001), Some("count"))
    );
    assert!(fault.remedy.en.contains("--type count=string"));
    let reading = Reading {
        format: DataFormat::Csv,
        encoding: None,
        types: vec![("count".to_owned(), ColumnType::String)],
    };
    let table = TableFile::open(&file, reading).unwrap();
    assert!(scan_file(&table, Arc::default()).is_ok());
}

#[test]
fn headers_without_names_or_with_one_twice_are_refused() {
    let folder = Folder::new();
    for (text, rule) in [
        ("", "file_empty"),
        ("a,,b\n1,2,3\n", "column_unnamed"),
        ("a,b,a\n1,2,3\n", "column_duplicate"),
        ("a,b\n1\n", "row_ragged"),
    ] {
        let reading = Reading {
            format: DataFormat::Csv,
            encoding: None,
            types: Vec::new(),
        };
        match TableFile::open(&folder.write("t.csv", text), reading) {
            Err(TableError::Fault(fault)) => assert_eq!(fault.rule, rule, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn key_files_are_the_owners_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let file = folder.path("k");
    MaskKey::make(&file, CipherSuite::International, &SystemEntropy).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        MaskKey::make(&file, CipherSuite::International, &SystemEntropy)
            .unwrap_err()
            .code(),
        "key_file_exists"
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(MaskKey::read(&file).err().unwrap().code(), "key_file_open");
}

/// Batches are masked by several threads at once.
#[test]
fn rows_of_many_batches_stay_in_order_and_the_first_fault_is_told() {
    const ROWS: usize = 90_000;
    let folder = Folder::new();
    let policy = "version = 1\nunnamed_columns = 'drop'\n[columns.step]\ntransform = \"keep\"\n";
    let table = |fault: Option<usize>| {
        let mut text = "step,weight\n".to_owned();
        for row in 0..ROWS {
            let weight = if fault.is_some_and(|from| row >= from) {
                "heavy"
            } else {
                "1.5"
            };
            text.push_str(&format!("{row},{weight}\n"));
        }
        folder.write("steps.csv", text)
    };
    let to = folder.path("masked.csv");
    let whole = open(&table(None), DataFormat::Csv);
    let classes = scan_file(&whole, Arc::default()).unwrap();
    let masked = |file: &Path| {
        let table = open(file, DataFormat::Csv);
        let classes = classes.clone();
        let policy = Policy::parse(policy).unwrap();
        let key = folder.key();
        let to = (to.as_path(), DataFormat::Csv);
        mask_file(&table, &policy, classes, (&key, 1), to, Arc::default())
    };
    let outcome = masked(&table(None)).unwrap();
    assert_eq!(outcome.rows, ROWS as u64);
    let written = std::fs::read_to_string(&to).unwrap();
    let steps = written
        .lines()
        .skip(1)
        .map(|step| step.parse::<usize>().unwrap());
    assert!(steps.eq(0..ROWS));
    std::fs::remove_file(&to).unwrap();
    match masked(&table(Some(80_000))) {
        Err(TableError::Fault(fault)) => assert_eq!(fault.row, Some(80_001)),
        other => panic!("{other:?}"),
    }
    assert!(!to.exists());
}
