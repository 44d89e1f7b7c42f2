//! `egret module run`: a module in the jail on files of this machine, without a server.

use serde_json::json;
use std::path::Path;
use std::process::Command;

fn run(folder: &Path, program: &str, more: &[&str]) -> (i32, String, String) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/module.wat");
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["module", "run", module.to_str().unwrap()])
        .args(["--program", program])
        .args(more)
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .output()
        .unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_module_runs_on_a_sample_file_and_what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let costs: Vec<String> = (0..1_000).map(|cost| format!("{cost}.5")).collect();
    std::fs::write(
        at.join("claims.csv"),
        format!("name,cost\nx,{}\n", costs.join("\nx,")),
    )
    .unwrap();
    let program = |kind: &str| {
        json!({
            "kind": "wasm",
            "inputs": [{ "table": "claims", "columns": ["cost"] }],
            "output": [
                { "name": "from", "data_type": "float64" },
                { "name": "n", "data_type": kind },
                { "name": "mean", "data_type": "float64" },
            ],
        })
        .to_string()
    };
    std::fs::write(at.join("program.json"), program("int64")).unwrap();
    std::fs::write(at.join("wrong.json"), program("utf8")).unwrap();
    let table = ["--table", "claims=claims.csv"];
    let (code, csv, err) = run(at, "program.json", &[&table[..], &["-o", "csv"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(csv.contains("\n500,500,750\n"), "500.5 to 999.5: {csv}");
    let (code, shown, _) = run(at, "program.json", &table);
    assert!(code == 0 && shown.contains("fuel"), "{shown}");

    let fails = |program: &str, more: &[&str], code: i32, word: &str| {
        let (found, _, err) = run(at, program, more);
        assert_eq!(found, code, "{err}");
        assert!(err.contains(word), "no `{word}` in: {err}");
    };
    fails("program.json", &[], 1, "--table claims=");
    fails(
        "program.json",
        &["--table", "claims=none.csv"],
        1,
        "none.csv",
    );
    fails("wrong.json", &table, 10, "guest_output_invalid");
    fails("claims.csv", &table, 7, "claims.csv");
}
