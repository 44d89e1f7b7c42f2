//! The examples of the SDK: built with the toolchains that are there, run by a real server, and right.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use harness::{Ran, World, egret, people, run_egret};
use serde_json::{Value, json};

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/sdk");

/// Whether a result is what the applicants make it.
type Check = fn(&Ran, &[Applicant]);

/// Every example, and what its result must be.
const EXAMPLES: [(&str, Check); 5] = [
    ("scorecard", scorecard_is_right),
    ("regression", regression_is_right),
    ("geogrid", geogrid_is_right),
    ("distinct", distinct_is_right),
    ("normalise", normalise_is_right),
];

/// Guests that write what they read, one in each language.
const ECHOES: [&str; 3] = ["echo_c", "echo_as", "echo_rust"];
/// Columns of their input, and how its type is called in the catalogue and in programs.
const KINDS: [(&str, &str, &str); 6] = [
    ("flag", "bool", "boolean"),
    ("whole", "int64", "int64"),
    ("real", "float64", "float64"),
    ("word", "string", "utf8"),
    ("day", "date", "date32"),
    ("moment", "timestamp", "timestamp_micros"),
];

#[test]
fn the_readme_shows_the_programs_of_the_examples() {
    let readme = std::fs::read_to_string(format!("{SDK}/README.md")).unwrap();
    let mut shown = readme.split("```json").skip(1).map(|block| {
        let (text, _) = block.split_once("```").unwrap();
        serde_json::from_str::<Value>(text).unwrap()
    });
    for (name, _) in EXAMPLES {
        assert_eq!(shown.next(), Some(program_of(name)), "{name}");
    }
    assert_eq!(shown.next(), None);
}

/// They are in a workspace of their own, which the one of this suite does not test.
#[test]
fn the_tests_of_the_crates_pass() {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--quiet", "--manifest-path"])
        .arg(format!("{SDK}/Cargo.toml"))
        .env("CARGO_TARGET_DIR", target().join("sdk/cargo"))
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
}

#[test]
fn what_is_built_keeps_to_the_interface() {
    for (name, module) in modules() {
        let (code, output, errors) =
            run_egret(&["module", "inspect", "-o", "json", module.to_str().unwrap()]);
        assert_eq!(code, 0, "{name}: {output}{errors}");
        let facts: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(facts["seeded"], name.starts_with("echo"), "{name}: {facts}");
    }
}

/// Twenty applicants of two bands, for functions that SQL calls; no server takes part.
#[test]
fn functions_of_the_example_are_right() {
    let Some(module) = modules().get("ratings").cloned() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<(i64, f64)> = (1..=20i32)
        .map(|row| (i64::from(row) * 10_000, f64::from(row) / 40.0))
        .collect();
    let lines = rows
        .iter()
        .zip(1..)
        .map(|((income, ratio), row)| format!("{},{income},{ratio}\n", row % 2));
    let table = folder.path().join("sample.csv");
    std::fs::write(
        &table,
        format!(
            "band,income,debt_ratio\n{}1,,0.5\n",
            lines.collect::<String>()
        ),
    )
    .unwrap();
    let sql = "SELECT band, avg(ratings.probability(income, debt_ratio)) AS p, ratings.geometric_mean(income) AS middle, \
               count(ratings.probability(income, debt_ratio)) AS n FROM applicants GROUP BY band ORDER BY band";
    let query = folder.path().join("query.sql");
    std::fs::write(&query, sql).unwrap();
    let table = format!("applicants={}", table.display());
    let (code, output, errors) = run_egret(&[
        "module",
        "run",
        module.to_str().unwrap(),
        "--sql",
        query.to_str().unwrap(),
        "--table",
        &table,
        "-o",
        "csv",
    ]);
    assert_eq!(code, 0, "{errors}");
    let found: Vec<Vec<f64>> = output
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .map(|value| value.parse().unwrap())
                .collect()
        })
        .collect();
    for (band, found) in found.iter().enumerate() {
        let own: Vec<_> = rows
            .iter()
            .enumerate()
            .filter(|(row, _)| (row + 1) % 2 == band)
            .map(|(_, row)| row)
            .collect();
        let count = own.len() as f64;
        let odds = |(income, ratio): &(i64, f64)| {
            1.0 / (1.0 + (-(3.0 * ratio - *income as f64 / 1e5 - 1.0)).exp())
        };
        let p = own.iter().map(|row| odds(row)).sum::<f64>() / count;
        let middle = (own
            .iter()
            .map(|(income, _)| (*income as f64).ln())
            .sum::<f64>()
            / count)
            .exp();
        assert!((found[1] - p).abs() < 1e-9, "{found:?} {p}");
        assert!((found[2] / middle - 1.0).abs() < 1e-9, "{found:?} {middle}");
        assert_eq!(
            found[3], count,
            "the row without an income is no probability"
        );
    }
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn the_examples_give_the_right_numbers() {
    // Before the server starts: a build takes longer than it keeps an idle connection.
    let modules = modules();
    let world = World::new().await;
    let applicants = applicants(3_000);
    bring(&world, &applicants).await;
    for (name, is_right) in EXAMPLES {
        if let Some(module) = modules.get(name) {
            let ran = released(&world, name, module, program_of(name)).await;
            is_right(&ran, &applicants);
        }
    }
}

#[tokio::test]
async fn every_type_goes_in_and_comes_out_in_each_language() {
    let modules = modules();
    let world = World::new().await;
    // More than one batch, and fewer rows than a result may have.
    let rows: Vec<[String; 6]> = (0..9_000).map(row_of_every_type).collect();
    let columns = KINDS.map(|(name, kind, _)| (name, kind));
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    bring_table(&world, "kinds", &columns, &lines).await;
    let mut output: Vec<Value> = KINDS
        .iter()
        .map(|(name, _, kind)| json!({ "name": name, "data_type": kind }))
        .collect();
    output.push(json!({ "name": "small", "data_type": "int32" }));
    let program = json!({
        "kind": "wasm",
        "inputs": [{ "table": "kinds", "columns": KINDS.map(|(name, _, _)| name) }],
        "output": output,
    });
    // Rows come sorted by content.
    let mut due: Vec<String> = rows
        .iter()
        .map(|row| format!("{},{}", row.join(","), row[1]))
        .collect();
    due.sort();
    for name in ECHOES {
        let Some(module) = modules.get(name) else {
            continue;
        };
        let ran = released(&world, name, module, program.clone()).await;
        let mut found: Vec<&str> = ran.csv.as_deref().unwrap().lines().skip(1).collect();
        found.sort_unstable();
        assert_eq!(found, due, "{name}");
    }
}

/// Each column is null in one row of seven, another row each.
fn row_of_every_type(row: u32) -> [String; 6] {
    let values = [
        row.is_multiple_of(3).to_string(),
        (i64::from(row) * 7 - 900).to_string(),
        (f64::from(row) / 8.0 - 3.0).to_string(),
        format!("白鹭{row}"),
        format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1),
        format!("2024-02-29T{:02}:30:15.{row:06}", row % 24),
    ];
    let mut column = row;
    values.map(|value| {
        column += 1;
        if column.is_multiple_of(7) {
            String::new()
        } else {
            value
        }
    })
}

/// Modules that could be built, by name.
fn modules() -> &'static BTreeMap<String, PathBuf> {
    static MODULES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    MODULES.get_or_init(built)
}

/// The target folder: of `target/<profile>/egret`.
fn target() -> PathBuf {
    egret().ancestors().nth(2).unwrap().to_owned()
}

/// Builds what can be built here. What is left out is said where it is seen.
fn built() -> BTreeMap<String, PathBuf> {
    let output = Command::new(format!("{SDK}/build.sh"))
        .arg("--fetch")
        .env("CARGO_TARGET_DIR", target())
        .output()
        .expect("build.sh starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "build.sh: {text}{errors}");
    let mut modules = BTreeMap::new();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("built", rest)) => {
                let (name, file) = rest.split_once(' ').unwrap();
                modules.insert(name.to_owned(), PathBuf::from(file));
            }
            // Straight to the terminal: what a test prints is not shown when it passes.
            Some(("skipped", rest)) => {
                let _ = writeln!(std::io::stderr(), "sdk: NOT tested: {rest}");
            }
            _ => panic!("build.sh says: {line}"),
        }
    }
    modules
}

/// The program beside an example.
fn program_of(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{SDK}/examples/{name}/program.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Pushes a module, submits its program, lets both reviewers approve, and downloads.
async fn released(world: &World, name: &str, module: &Path, mut program: Value) -> Ran {
    let bytes = std::fs::read(module).unwrap();
    let path = format!("/modules?name={name}");
    let module = world
        .developer
        .send("POST", &path, "application/wasm", bytes)
        .await
        .ok();
    program["module"] = module["id"].clone();
    let job = json!({ "grant": world.grant, "program": program });
    let job = world.developer.post("/jobs", &job).await.ok();
    let held = world.ran(job["run"].as_str().unwrap()).await;
    assert_eq!(held.release["state"], "held", "{name}: {held:?}");
    let release = held.release["id"].as_str().unwrap();
    for reviewer in &world.reviewers {
        let evidence = reviewer
            .get(&format!("/releases/{release}/evidence"))
            .await
            .ok();
        let vote = json!({ "approve": true, "evidence_digest": evidence["digest"] });
        let _ = reviewer
            .post(&format!("/releases/{release}/votes"), &vote)
            .await
            .ok();
    }
    let ran = world.ran(job["run"].as_str().unwrap()).await;
    assert!(ran.csv.is_some(), "{name}: {ran:?}");
    ran
}

/// A row of the tenant's own table `applicants`.
struct Applicant {
    income: Option<i64>,
    debt_ratio: f64,
    late_payments: i64,
    age_band: &'static str,
    defaulted: Option<bool>,
    lon: f64,
    lat: f64,
    /// As typed, and the one spelling of it.
    employer: (&'static str, &'static str),
}

const AGE_BANDS: [&str; 4] = ["18-34", "35-49", "50-64", "65+"];
const EMPLOYERS: [(&str, &str); 8] = [
    ("Acme Co", "Acme Co"),
    ("Ａｃｍｅ　Ｃｏ", "Acme Co"),
    (" Acme  Co ", "Acme Co"),
    ("厦门（集团）", "厦门(集团)"),
    ("厦门(集团)", "厦门(集团)"),
    ("１２３厂", "123厂"),
    ("白鹭", "白鹭"),
    ("　", ""),
];
/// Log odds of default: intercept, debt ratio, late payments.
const TRUTH: [f64; 3] = [-2.0, 1.5, 0.4];

fn applicants(count: usize) -> Vec<Applicant> {
    let mut draws = Draws(17);
    let mut applicant = || {
        let income = i64::from(draws.below(160_000)) + 40_000;
        let (debt_ratio, late_payments) = (draws.unit() * 1.5, i64::from(draws.below(8)));
        let odds = TRUTH[0] + TRUTH[1] * debt_ratio + TRUTH[2] * late_payments as f64;
        let defaulted = draws.unit() < probability(odds);
        Applicant {
            income: (draws.below(20) > 0).then_some(income),
            debt_ratio,
            late_payments,
            age_band: AGE_BANDS[draws.below(4) as usize],
            defaulted: (draws.below(50) > 0).then_some(defaulted),
            lon: 118.0 + draws.unit() * 0.2,
            lat: 24.4 + draws.unit() * 0.2,
            employer: EMPLOYERS[draws.below(8) as usize],
        }
    };
    (0..count).map(|_| applicant()).collect()
}

/// Brings the applicants as the tenant's private data set.
async fn bring(world: &World, applicants: &[Applicant]) {
    let columns = [
        ("income", "int64"),
        ("debt_ratio", "float64"),
        ("late_payments", "int64"),
        ("age_band", "string"),
        ("defaulted", "bool"),
        ("lon", "float64"),
        ("lat", "float64"),
        ("employer", "string"),
    ];
    let shown = |value: Option<String>| value.unwrap_or_default();
    let line = |a: &Applicant| {
        format!(
            "{},{},{},{},{},{},{},\"{}\"",
            shown(a.income.map(|yuan| yuan.to_string())),
            a.debt_ratio,
            a.late_payments,
            a.age_band,
            shown(a.defaulted.map(|defaulted| defaulted.to_string())),
            a.lon,
            a.lat,
            a.employer.0
        )
    };
    let lines: Vec<String> = applicants.iter().map(line).collect();
    bring_table(world, "applicants", &columns, &lines).await;
}

/// Brings a private data set of columns (name and type) and lines of CSV.
async fn bring_table(world: &World, name: &str, columns: &[(&str, &str)], lines: &[String]) {
    let described: Vec<Value> = columns
        .iter()
        .map(|(name, kind)| json!({ "name": name, "type": kind }))
        .collect();
    let set = json!({ "grant": world.grant, "name": name, "columns": described });
    let created = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let csv = format!("{}\n{}\n", header.join(","), lines.join("\n"));
    let id = created["id"].as_str().unwrap();
    let path = format!("/private-datasets/{id}/data?format=csv");
    let answer = world.tenant_admin.upload(&path, csv.into_bytes()).await;
    assert_eq!(answer.ok()["rows"], lines.len());
}

fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn scorecard_is_right(ran: &Ran, applicants: &[Applicant]) {
    let mut bands: BTreeMap<i32, (u32, f64)> = BTreeMap::new();
    for a in applicants {
        let age = match a.age_band {
            "18-34" => 0.3,
            "50-64" => -0.2,
            "65+" => -0.1,
            _ => 0.0,
        };
        let income = a.income.map_or(0.0, |yuan| (yuan as f64 / 80_000.0).ln());
        let late = a.late_payments.min(6) as f64;
        let odds = -2.9 - 0.8 * income + 2.5 * (a.debt_ratio - 0.3) + 0.6 * late + age;
        let points = 600.0 - 20.0 * (odds + 30_f64.ln()) / 2_f64.ln();
        let (rows, sum) = bands
            .entry(whole((points / 20.0).floor()) * 20)
            .or_default();
        *rows += 1;
        *sum += probability(odds);
    }
    let found = ran.rows();
    assert_eq!(found.len(), bands.len(), "{:?}", ran.csv);
    assert!(bands.len() > 5, "the applicants differ: {bands:?}");
    for (row, (points, (rows, sum))) in found.iter().zip(bands) {
        assert_eq!(number(row, "points_from"), f64::from(points));
        assert_eq!(number(row, "rows"), f64::from(rows));
        near(number(row, "probability"), sum / f64::from(rows), 1e-9);
    }
}

/// At a maximum of the likelihood its slope is 0, and the maximum is the only one.
fn regression_is_right(ran: &Ran, applicants: &[Applicant]) {
    let rows = ran.rows();
    let coefficients: Vec<f64> = rows.iter().map(|row| number(row, "coefficient")).collect();
    assert_eq!(coefficients.len(), 3, "{:?}", ran.csv);
    let (mut slope, mut scale, mut count) = ([0.0; 3], [0.0; 3], 0_u32);
    for a in applicants {
        let Some(defaulted) = a.defaulted else {
            continue;
        };
        let x = [1.0, a.debt_ratio, a.late_payments as f64];
        let odds: f64 = x.iter().zip(&coefficients).map(|(x, c)| x * c).sum();
        let rest = f64::from(u8::from(defaulted)) - probability(odds);
        for at in 0..3 {
            slope[at] += rest * x[at];
            scale[at] += x[at];
        }
        count += 1;
    }
    for at in 0..3 {
        assert!(
            slope[at].abs() < 1e-8 * scale[at],
            "{slope:?} {coefficients:?}"
        );
        let row = &rows[at];
        assert_eq!(number(row, "term"), at as f64);
        assert_eq!(number(row, "rows"), f64::from(count));
        let error = number(row, "standard_error");
        assert!((0.001..0.3).contains(&error), "{:?}", ran.csv);
        near(coefficients[at], TRUTH[at], 4.0 * error);
    }
}

fn geogrid_is_right(ran: &Ran, applicants: &[Applicant]) {
    // What everybody's converters say of this point.
    let (lon, lat) = gcj02(116.404, 39.915);
    near(lon, 116.410_244_499_169_38, 1e-9);
    near(lat, 39.916_404_281_501_64, 1e-9);
    let mut cells: BTreeMap<(i32, i32), (u32, f64)> = BTreeMap::new();
    for a in applicants {
        let (lon, lat) = gcj02(a.lon, a.lat);
        let east = (lon - a.lon).to_radians() * a.lat.to_radians().cos();
        let cell = (whole((lon * 100.0).floor()), whole((lat * 100.0).floor()));
        let (points, metres) = cells.entry(cell).or_default();
        *points += 1;
        *metres += 6_371_008.8 * east.hypot((lat - a.lat).to_radians());
    }
    let found = ran.rows();
    assert_eq!(found.len(), cells.len());
    for (row, ((lon, lat), (points, metres))) in found.iter().zip(cells) {
        assert_eq!(number(row, "cell_lon"), f64::from(lon) / 100.0);
        assert_eq!(number(row, "cell_lat"), f64::from(lat) / 100.0);
        assert_eq!(number(row, "points"), f64::from(points));
        let shift = number(row, "shift_metres");
        near(shift, metres / f64::from(points), 1e-5);
        assert!((300.0..800.0).contains(&shift), "{shift} m in {row:?}");
    }
}

/// GCJ-02 of a point of WGS-84 in China, in degrees.
fn gcj02(lon: f64, lat: f64) -> (f64, f64) {
    let (x, y) = (lon - 105.0, lat - 35.0);
    let sine = |turns: f64| (turns * std::f64::consts::PI).sin();
    let both = 20.0 * sine(6.0 * x) + 20.0 * sine(2.0 * x);
    let north = 20.0 * sine(y) + 40.0 * sine(y / 3.0) + 160.0 * sine(y / 12.0);
    let east = 20.0 * sine(x) + 40.0 * sine(x / 3.0) + 150.0 * sine(x / 12.0);
    let north = (both + north + 320.0 * sine(y / 30.0)) / 1.5 - 100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt();
    let east = (both + east + 300.0 * sine(x / 30.0)) / 1.5
        + 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt();
    // Krasovsky's ellipsoid of 1940.
    let (axis, squared) = (6_378_245.0, 0.006_693_421_622_965_943);
    let curve = 1.0 - squared * lat.to_radians().sin().powi(2);
    let north_radius = axis * (1.0 - squared) / curve.powf(1.5);
    let east_radius = axis / curve.sqrt() * lat.to_radians().cos();
    (
        lon + (east / east_radius).to_degrees(),
        lat + (north / north_radius).to_degrees(),
    )
}

/// Reads `residents`: no two people of the world share an identifier.
fn distinct_is_right(ran: &Ran, _: &[Applicant]) {
    let mut districts: BTreeMap<&str, u32> = BTreeMap::new();
    for person in people::people(1_200) {
        *districts.entry(person.district).or_default() += 1;
    }
    assert_eq!(ran.rows().len(), districts.len(), "{:?}", ran.csv);
    for (district, count) in districts {
        let count = f64::from(count);
        assert_eq!(ran.cell("name", district, "rows"), Some(count));
        // Tokens are others on every server; for some hundred values the standard error is about 1 %.
        near(
            ran.cell("name", district, "distinct").unwrap(),
            count,
            0.07 * count,
        );
    }
}

fn normalise_is_right(ran: &Ran, applicants: &[Applicant]) {
    let mut counts: BTreeMap<&str, (u32, BTreeSet<&str>)> = BTreeMap::new();
    for (typed, text) in applicants.iter().map(|a| a.employer) {
        let (rows, spellings) = counts.entry(text).or_default();
        *rows += 1;
        spellings.insert(typed);
    }
    // Blanks alone are no text.
    counts.remove("");
    let found = ran.rows();
    assert_eq!(found.len(), counts.len(), "{:?}", ran.csv);
    let most = counts.values().map(|(rows, _)| *rows).max().unwrap();
    assert_eq!(number(&found[0], "rows"), f64::from(most));
    for (text, (rows, spellings)) in counts {
        assert_eq!(ran.cell("text", text, "rows"), Some(f64::from(rows)));
        let spellings = spellings.len() as f64;
        assert_eq!(ran.cell("text", text, "spellings"), Some(spellings));
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|_| panic!("`{column}` of {row:?}"))
}

#[track_caller]
fn near(found: f64, due: f64, within: f64) {
    assert!((found - due).abs() <= within, "{found}, not {due}");
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "numbers of bands and cells are small"
)]
fn whole(number: f64) -> i32 {
    number as i32
}

/// SplitMix64: the same numbers in every run.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1 and without it.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to `end` and without it.
    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }
}
