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

fn egret(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(args)
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn functions_of_a_module_are_called_from_sql_on_sample_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = r#"(module (memory (export "memory") 4)
        (func (export "egret_abi_version") (result i32) (i32.const 1))
        (func (export "alloc") (param i32 i32) (result i32) (i32.const 4096))
        (func (export "same") (param i32) (result i32) (local.get 0)))"#;
    std::fs::write(at.join("maths.wat"), text).unwrap();
    let manifest = json!({ "name": "maths", "version": "1", "functions": [{ "kind": "scalar", "name": "same",
        "arguments": [{ "name": "x", "data_type": "int64" }], "returns": "int64" }] });
    std::fs::write(at.join("manifest.json"), manifest.to_string()).unwrap();
    let rows: Vec<String> = (0..1_000).map(|row| format!("{},{row}", row % 2)).collect();
    std::fs::write(at.join("t.csv"), format!("half,n\n{}\n", rows.join("\n"))).unwrap();
    std::fs::write(
        at.join("q.sql"),
        "SELECT half, sum(maths.same(n)) AS s FROM t GROUP BY half ORDER BY half",
    )
    .unwrap();

    let (code, _, err) = egret(at, &["module", "inspect", "maths.wat"]);
    assert!(
        code == 6 && err.contains("run"),
        "no run, no functions: {err}"
    );
    let attach = [
        "module",
        "manifest",
        "maths.wat",
        "manifest.json",
        "--to",
        "maths.wasm",
    ];
    let (code, out, err) = egret(at, &attach);
    assert!(code == 0 && out.contains("maths"), "{out}{err}");
    let run = [
        "module",
        "run",
        "maths.wasm",
        "--sql",
        "q.sql",
        "--table",
        "t=t.csv",
        "-o",
        "csv",
    ];
    let (code, out, err) = egret(at, &run);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "half,s\n0,249500\n1,250000\n");
    std::fs::write(at.join("q.sql"), "SELECT maths.some(n) AS s FROM t").unwrap();
    let (code, _, err) = egret(at, &run);
    assert!(
        code == 6 && err.contains("maths.same"),
        "what is there is named: {code} {err}"
    );
    std::fs::write(
        at.join("manifest.json"),
        manifest.to_string().replace("same", "other"),
    )
    .unwrap();
    let (code, _, err) = egret(at, &attach);
    assert!(code == 6 && err.contains("other"), "{err}");
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
