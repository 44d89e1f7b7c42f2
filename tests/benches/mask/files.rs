//! Masking whole files by `egret mask apply`: how fast, and in how much memory.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{ArrayRef, Date32Array, StringArray},
    record_batch::RecordBatch,
};
use masking::Identifier;
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{WriterProperties, WriterPropertiesBuilder},
};
use tempfile::TempDir;

use super::{detect::remark, number};
use crate::{
    corpus::{
        draw::Draw,
        kinds::{region, valid},
    },
    record::{Figure, folder, record},
};

const BLOCK_ROWS: usize = 65_536;
const BLOCKS: usize = 32;
const ROUNDS: usize = 3;
/// What the process may allocate (`ulimit -d`), and how many times larger the file is.
const LIMIT_MIB: u64 = 256;
const TIMES: u64 = 10;
const MIB: u64 = 1 << 20;

/// A rule for each of the ten columns.
const POLICY: &str = "\
version = 1
[measure]
k_min = 5
[columns.id_card]
transform = 'token'
value_domain = 'person-id'
[columns.name]
transform = 'surrogate'
kind = 'name'
[columns.mobile]
transform = 'permute'
kind = 'mobile'
[columns.bank_card]
transform = 'token'
value_domain = 'bank-card'
[columns.address]
transform = 'region'
to = 'county'
[columns.born]
transform = 'generalise_date'
to = 'year'
[columns.sex]
transform = 'keep'
[columns.district]
transform = 'keep'
[columns.diagnosis]
transform = 'keep'
[columns.remark]
transform = 'redact'
style = 'text'
";

pub(super) fn run() {
    let place = Place::new();
    rate(&place);
    bounded(&place);
}

/// Rows a second of the whole command.
fn rate(place: &Place) {
    let input = place.file("rows.parquet");
    let rows = write(&input, WriterProperties::builder(), |blocks, _| {
        blocks == BLOCKS
    });
    let mut seconds = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let status = place.apply(&input).status().expect("egret starts");
        seconds = seconds.min(start.elapsed().as_secs_f64());
        assert!(status.success(), "mask apply: {status}");
    }
    record(&Figure {
        name: "mask_rows_per_s",
        ours: number(rows) / seconds,
        peer: None,
        unit: "1/s",
        note: &format!(
            "egret mask apply, all of it: start, classes from every row, masking, risk before and after, Parquet (snappy) to Parquet (zstd), \
             flushed to disk, digest; {rows} rows of ten columns (two tokens, permuted mobile, invented name, county of an address, year of birth, \
             redacted text, three kept), {} cores, best of {ROUNDS}; no peer does this to Parquet",
            std::thread::available_parallelism().map_or(1, usize::from)
        ),
    });
    std::fs::remove_file(input).expect("a file to remove");
}

/// The most memory that masking a file takes that is ten times larger than what may be allocated.
fn bounded(place: &Place) {
    let input = place.file("large.parquet");
    // Plain values without compression: the file is as large as its data.
    let plain = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false);
    let enough = TIMES * LIMIT_MIB * MIB;
    let rows = write(&input, plain, |_, bytes| bytes > enough);
    let bytes = std::fs::metadata(&input).expect("a file").len();
    assert!(bytes > enough, "{bytes}");
    let egret = place.apply(&input);
    let mut limited = Command::new("bash");
    limited
        .args(["-c", "ulimit -d $0 && exec \"$@\""])
        .arg((LIMIT_MIB * 1024).to_string())
        .arg(egret.get_program())
        .args(egret.get_args())
        .stdout(Stdio::null());
    let start = Instant::now();
    let mut child = limited.spawn().expect("bash starts");
    let mut most = 0;
    let status = loop {
        most = most.max(peak_kib(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let seconds = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "mebibytes")]
    let mebibytes = |bytes: u64| bytes as f64 / MIB as f64;
    let note = format!(
        "peak resident set of egret mask apply over {rows} distinct rows, a Parquet file of {:.0} MiB (plain, uncompressed), under a limit of {LIMIT_MIB} MiB \
         by ulimit -d: scaled down from 1 GiB and 10 GiB; {} in {seconds:.0} s",
        mebibytes(bytes),
        if status.success() {
            "it ended well"
        } else {
            "IT FAILED"
        },
    );
    record(&Figure {
        name: "mask_bounded_rss_mib",
        ours: if status.success() {
            mebibytes(most * 1024)
        } else {
            f64::NAN
        },
        peer: None,
        unit: "MiB",
        note: &note,
    });
}

/// The most memory that a process had, as long as it lives.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// A folder with policy and key.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        std::fs::create_dir_all(folder()).expect("a folder for the results");
        // Beside the results: a temporary folder may lie in memory.
        let place = Self(tempfile::tempdir_in(folder()).expect("a folder"));
        std::fs::write(place.file("policy.toml"), POLICY).expect("a policy");
        let key = place.file("key");
        let (code, _, errors) = harness::run_egret(&["mask", "key", &key.display().to_string()]);
        assert_eq!(code, 0, "{errors}");
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn apply(&self, input: &Path) -> Command {
        let mut command = Command::new(harness::egret());
        command
            .args(["mask", "apply"])
            .arg(input)
            .arg("--policy")
            .arg(self.file("policy.toml"))
            .arg("--key")
            .arg(self.file("key"))
            .arg("--to")
            .arg(self.file("masked.parquet"))
            .stdout(Stdio::null());
        command
    }
}

/// Writes blocks of people until there are enough, and counts the rows.
fn write(
    path: &Path,
    properties: WriterPropertiesBuilder,
    is_enough: impl Fn(usize, u64) -> bool,
) -> usize {
    let properties = properties
        .set_max_row_group_row_count(Some(BLOCK_ROWS * 4))
        .build();
    let mut people = People::new();
    let first = people.block();
    let file = File::create(path).expect("a file");
    let mut writer =
        ArrowWriter::try_new(file, first.schema(), Some(properties)).expect("a writer");
    let mut blocks = 1;
    writer.write(&first).expect("rows");
    while !is_enough(
        blocks,
        u64::try_from(writer.bytes_written()).expect("a size"),
    ) {
        writer.write(&people.block()).expect("rows");
        blocks += 1;
    }
    writer.close().expect("a file that is whole");
    blocks * BLOCK_ROWS
}

/// Makes people, never the same one again.
struct People {
    draw: Draw,
    regions: Vec<String>,
}

impl People {
    fn new() -> Self {
        let mut draw = Draw::new(4242);
        let regions = (0..500).map(|_| region(&mut draw)).collect();
        Self { draw, regions }
    }

    fn block(&mut self) -> RecordBatch {
        let Self { draw, regions } = self;
        let mut texts = |make: &mut dyn FnMut(&mut Draw) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                (0..BLOCK_ROWS).map(|_| make(draw)),
            ))
        };
        let columns: [(&str, ArrayRef); 9] = [
            (
                "id_card",
                texts(&mut |draw| valid(Identifier::ResidentId, draw)),
            ),
            ("name", texts(&mut |draw| valid(Identifier::Name, draw))),
            ("mobile", texts(&mut |draw| valid(Identifier::Mobile, draw))),
            (
                "bank_card",
                texts(&mut |draw| valid(Identifier::BankCard, draw)),
            ),
            (
                "address",
                texts(&mut |draw| {
                    let region = &regions[draw.below(regions.len())];
                    format!(
                        "{region}湖滨南路{}号{}室",
                        draw.between(1, 999),
                        draw.between(101, 2505)
                    )
                }),
            ),
            ("sex", texts(&mut |draw| draw.of(&["男", "女"]).to_owned())),
            (
                "district",
                texts(&mut |draw| {
                    draw.of(&["思明区", "湖里区", "集美区", "海沧区", "同安区", "翔安区"])
                        .to_owned()
                }),
            ),
            (
                "diagnosis",
                texts(&mut |draw| {
                    draw.of(&["高血压", "糖尿病", "冠心病", "胃炎", "肺炎", "哮喘"])
                        .to_owned()
                }),
            ),
            ("remark", texts(&mut remark)),
        ];
        let days =
            (0..BLOCK_ROWS).map(|_| i32::try_from(draw.below(28_000)).expect("a day") - 10_000);
        let born: ArrayRef = Arc::new(Date32Array::from_iter_values(days));
        RecordBatch::try_from_iter(columns.into_iter().chain([("born", born)]))
            .expect("columns of one length")
    }
}
