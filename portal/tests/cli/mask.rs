//! `egret mask` on files alone: no server, no sign-in.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn egret(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn write_visits(file: &Path) {
    let mut text = "mobile,age,note\n".to_owned();
    for row in 0..300 {
        text.push_str(&format!(
            "138{:08},{},复诊\n",
            77_000_000 + row * 7,
            20 + row % 40
        ));
    }
    std::fs::write(file, text).unwrap();
}

#[test]
fn scan_plan_apply_report_on_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_visits(&at.join("visits.csv"));
    let ok = |arguments: &[&str]| {
        let (code, out, err) = egret(at, arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    let scanned: Value =
        serde_json::from_str(&ok(&["mask", "scan", "visits.csv", "-o", "json"])).unwrap();
    assert_eq!(scanned[0]["class"], "direct_identifier");
    let suggested = ok(&["mask", "plan", "visits.csv"]);
    std::fs::write(at.join("policy.toml"), &suggested).unwrap();
    let planned = ok(&[
        "mask",
        "plan",
        "visits.csv",
        "--policy",
        "policy.toml",
        "--lang",
        "zh",
    ]);
    assert!(planned.contains("直接标识符"), "{planned}");
    ok(&["mask", "key", "key"]);
    let with = ["--policy", "policy.toml", "--key", "key"];
    let shown = ok(&[&["mask", "preview", "visits.csv", "--rows", "2"], &with[..]].concat());
    assert!(
        shown.contains("before:") && shown.contains("after:"),
        "{shown}"
    );
    let to = ["--to", "masked.parquet", "--report", "report.json"];
    ok(&[&["mask", "apply", "visits.csv"], &with[..], &to[..]].concat());
    let report: Value =
        serde_json::from_slice(&std::fs::read(at.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["rows"], 300);
    let page = [
        "--to",
        "masked.csv",
        "--report",
        "report.html",
        "--lang",
        "zh",
    ];
    ok(&[&["mask", "apply", "visits.csv"], &with[..], &page[..]].concat());
    let page = std::fs::read_to_string(at.join("report.html")).unwrap();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("重识别风险"),
        "{page}"
    );
    let again: Value = serde_json::from_str(&ok(&[
        "mask",
        "report",
        "masked.parquet",
        "--quasi",
        "age",
        "-o",
        "json",
    ]))
    .unwrap();
    assert_eq!(
        again["k"], report["after"]["k"],
        "measured again on what was written"
    );

    let fails = |arguments: &[&str], code: i32, word: &str| {
        let (found, _, err) = egret(at, arguments);
        assert_eq!(found, code, "{arguments:?}: {err}");
        assert!(err.contains(word), "no `{word}` in: {err}");
    };
    fails(&["mask", "key", "key"], 1, "not written over");
    fails(&["mask", "scan", "nowhere.csv"], 1, "nowhere.csv");
    fails(&["mask", "scan", "key"], 1, "--format");
    fails(
        &["mask", "scan", "visits.csv", "--type", "agee=string"],
        6,
        "agee",
    );
    fails(
        &[
            &["mask", "apply", "visits.csv"],
            &with[..],
            &["--to", "visits.csv"],
        ]
        .concat(),
        1,
        "the input itself",
    );
    std::fs::write(
        at.join("unsafe.toml"),
        suggested.replace(
            "transform = \"token\"\nvalue_domain = \"mobile\"",
            "transform = \"keep\"",
        ),
    )
    .unwrap();
    fails(
        &[
            "mask",
            "apply",
            "visits.csv",
            "--policy",
            "unsafe.toml",
            "--key",
            "key",
            "--to",
            "x.csv",
        ],
        6,
        "mobile",
    );
    std::fs::write(at.join("broken.toml"), "version = 1\nnonsense = 2\n").unwrap();
    fails(
        &["mask", "plan", "visits.csv", "--policy", "broken.toml"],
        7,
        "broken.toml",
    );
    assert!(!at.join("x.csv").exists());
}

/// Three people in a district of five, and three of a district that the population lacks.
#[test]
fn a_population_tells_the_risk_of_whoever_does_not_know_who_is_in_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let people = "age,district,income\n31,a,1\n31,a,2\n40,b,2\n50,c,9\n";
    std::fs::write(at.join("people.csv"), people).unwrap();
    // Ages that are written as the data's are; another column may hold what it likes.
    let all = "district,age,note\na,31,1\na,31,x\na,31,\nb,40,2.5\nb,40,y\nd,60,2023-01-01\n";
    std::fs::write(at.join("all.csv"), all).unwrap();
    let measured = ["--quasi", "age,district", "--sensitive", "income"];
    let against = |file: &str, output: &str| {
        let command = ["mask", "report", "people.csv", "-o", output];
        let population = ["--population", file];
        egret(at, &[&command[..], &measured, &population].concat())
    };
    let (code, out, err) = against("all.csv", "json");
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let population = &report["population"];
    assert_eq!(population["rows"], 6);
    assert_eq!(population["k_map"], 1, "the row of c is nobody else's");
    assert_eq!(population["unmatched"], 1);
    assert_eq!(population["delta_presence_min"], 0.0);
    assert_eq!(population["delta_presence_max"], 1.0);
    let mean = population["journalist_avg"].as_f64().unwrap();
    assert!(
        (mean - (2.0 / 3.0 + 0.5 + 1.0) / 4.0).abs() < 1e-12,
        "{mean}"
    );
    assert_eq!(report["special"]["rows"], 2);
    for (lang, words) in [
        (
            "zh",
            ["k-map", "最高风险（记者）", "δ（在场）", "特殊唯一的行"],
        ),
        (
            "en",
            [
                "k-map",
                "highest risk (journalist)",
                "δ (presence)",
                "special unique rows",
            ],
        ),
    ] {
        let command = ["mask", "report", "people.csv", "--lang", lang];
        let population = ["--population", "all.csv"];
        let (_, out, _) = egret(at, &[&command[..], &measured, &population].concat());
        for word in words {
            assert!(out.contains(word), "no {word}: {out}");
        }
    }
    std::fs::write(at.join("other.csv"), "age,town\n31,a\n").unwrap();
    let (code, _, err) = against("other.csv", "table");
    assert_eq!(code, 6, "{err}");
    assert!(
        err.contains("other.csv") && err.contains("district"),
        "{err}"
    );
    std::fs::write(at.join("odd.csv"), "age,district\nold,a\n").unwrap();
    let (code, _, err) = against("odd.csv", "table");
    assert_eq!(code, 6, "{err}");
    assert!(err.contains("odd.csv") && err.contains("age"), "{err}");
}

/// Visits with a quasi-identifier of every kind that a search coarsens.
fn write_register(file: &Path) {
    let mut text = "mobile,age,sex,district_code,birth_date,disease\n".to_owned();
    let districts = ["350203", "350205", "350211", "350502", "110101"];
    let diseases = ["高血压", "糖尿病", "哮喘", "感冒"];
    for row in 0..2_000_usize {
        text.push_str(&format!(
            "138{:08},{},{},{},{}-{:02}-{:02},{}\n",
            77_000_000 + row * 7,
            20 + row * 7 % 60,
            if row % 2 == 0 { "男" } else { "女" },
            districts[row * row % 5],
            1950 + row * 7 % 60,
            1 + row % 12,
            1 + row * 3 % 28,
            diseases[row / 3 % 4],
        ));
    }
    std::fs::write(file, text).unwrap();
}

/// Plan, apply, and measure what was written.
#[test]
fn a_policy_that_was_searched_reaches_its_measure_on_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_register(&at.join("register.csv"));
    let ok = |arguments: &[&str]| {
        let (code, out, err) = egret(at, arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    ok(&["mask", "key", "key"]);
    let wish = [
        "--k",
        "8",
        "--l",
        "2",
        "--t",
        "0.6",
        "--suppress-percent",
        "4",
    ];
    let plan = ["mask", "plan", "register.csv", "--seconds", "120"];
    let told: Value =
        serde_json::from_str(&ok(&[&plan[..], &wish, &["-o", "json"]].concat())).unwrap();
    assert_eq!(told["optimal"], true, "{told}");
    assert!(told["checked"].as_u64() <= told["combinations"].as_u64());
    assert_eq!(told["losses"].as_object().unwrap().len(), 5);
    let policy = ok(&[&plan[..], &wish].concat());
    for word in [
        "# information loss",
        "# combinations checked",
        "suppress_percent_max = 4.0",
    ] {
        assert!(policy.contains(word), "no {word} in {policy}");
    }
    std::fs::write(at.join("policy.toml"), &policy).unwrap();
    ok(&[
        "mask",
        "apply",
        "register.csv",
        "--policy",
        "policy.toml",
        "--key",
        "key",
        "--to",
        "masked.csv",
    ]);
    let columns = told["columns"].as_array().unwrap();
    let stays = columns
        .iter()
        .filter(|column| column["transform"] != "drop");
    let quasi: Vec<&str> = stays
        .map(|column| column["column"].as_str().unwrap())
        .collect();
    assert!(!quasi.is_empty(), "{told}");
    let again = ok(&[
        "mask",
        "report",
        "masked.csv",
        "--quasi",
        &quasi.join(","),
        "--sensitive",
        "disease",
        "-o",
        "json",
    ]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert!(again["k"].as_u64() >= Some(8), "{again}");
    assert!(again["l_distinct"].as_u64() >= Some(2), "{again}");
    assert!(again["t_closeness"].as_f64() <= Some(0.6), "{again}");
    assert_eq!(
        again["k"], told["risk"]["k"],
        "what was searched is what is written"
    );
    let left_out = told["suppressed_rows"].as_u64().unwrap();
    assert_eq!(again["rows"].as_u64(), Some(2_000 - left_out));

    let (code, _, err) = egret(at, &["mask", "plan", "register.csv", "--k", "2001"]);
    assert_eq!(code, 6, "{err}");
    assert!(err.contains("requirement_unmet"), "{err}");
    let (code, _, err) = egret(at, &["mask", "plan", "register.csv", "--l", "2"]);
    assert_eq!(code, 2, "l alone: {err}");
    let zh = ok(&[&plan[..], &wish, &["--lang", "zh"]].concat());
    assert!(zh.contains("# 信息损失") && zh.contains("泛化损失"), "{zh}");
}

#[test]
fn tables_of_a_folder_take_the_place_of_those_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut text = "kind,remark\n".to_owned();
    for row in 0..200 {
        text.push_str(&format!("甲,电话 120{:08}\n", 3_000 + row));
    }
    std::fs::write(at.join("numbers.csv"), text).unwrap();
    let scan = |more: &[&str]| {
        let (code, out, err) = egret(
            at,
            &[&["mask", "scan", "numbers.csv", "-o", "json"], more].concat(),
        );
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    assert_eq!(scan(&[])[1]["class"], "public", "nobody has 120");
    std::fs::create_dir(at.join("tables")).unwrap();
    std::fs::write(at.join("tables/mobile.txt"), "# of tomorrow\n120\n").unwrap();
    let with = ["--tables", "tables"];
    let scanned = scan(&with);
    assert_eq!(scanned[1]["class"], "direct_identifier", "{scanned}");
    assert_eq!(scanned[1]["evidence"]["inside_text"]["mobile"], 200);
    // Redaction inside texts, and the scan of what is left, go by the same tables.
    let (_, policy, _) = egret(at, &[&["mask", "plan", "numbers.csv"], &with[..]].concat());
    assert!(policy.contains("style = \"text\""), "{policy}");
    std::fs::write(at.join("policy.toml"), &policy).unwrap();
    egret(at, &["mask", "key", "key"]);
    let apply = [
        "mask",
        "apply",
        "numbers.csv",
        "--policy",
        "policy.toml",
        "--key",
        "key",
    ];
    let (code, _, err) = egret(at, &[&apply[..], &["--to", "masked.csv"], &with].concat());
    assert_eq!(code, 0, "{err}");
    let masked = std::fs::read_to_string(at.join("masked.csv")).unwrap();
    assert!(!masked.contains("120"), "{masked}");
    let kept = policy.replace(
        "transform = \"redact\"\nstyle = \"text\"",
        "transform = \"keep\"",
    );
    std::fs::write(at.join("kept.toml"), kept).unwrap();
    let keep = [
        "mask",
        "apply",
        "numbers.csv",
        "--policy",
        "kept.toml",
        "--key",
        "key",
    ];
    let (code, _, err) = egret(at, &[&keep[..], &["--to", "kept.csv"], &with].concat());
    assert_eq!(code, 6, "{err}");

    std::fs::write(at.join("tables/regions.csv"), "350203,思明区\n35,福建\n").unwrap();
    let (code, _, err) = egret(at, &[&["mask", "scan", "numbers.csv"], &with[..]].concat());
    assert_ne!(code, 0);
    assert!(err.contains("regions.csv, line 2"), "{err}");
    let (code, _, err) = egret(at, &["mask", "scan", "numbers.csv", "--tables", "nowhere"]);
    assert_ne!(code, 0);
    assert!(err.contains("nowhere"), "{err}");
}

#[test]
fn the_key_remembers_its_suite_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_visits(&at.join("visits.csv"));
    let policy = "version = 1\nunnamed_columns = \"drop\"\n\
        [columns.mobile]\ntransform = \"token\"\nvalue_domain = \"mobile\"\n";
    std::fs::write(at.join("policy.toml"), policy).unwrap();
    let sm_alone = format!("cipher_suite = \"sm\"\n{policy}");
    std::fs::write(at.join("sm.toml"), sm_alone).unwrap();
    let ok = |arguments: &[&str]| {
        let (code, out, err) = egret(at, arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    ok(&["mask", "key", "key"]);
    ok(&["mask", "key", "key-sm", "--suite", "sm"]);
    // The same secret in two suites: no token of one is a token of the other.
    let secret = std::fs::read_to_string(at.join("key")).unwrap();
    std::fs::write(at.join("key-sm"), format!("sm {secret}")).unwrap();
    let masked = |key: &str, to: &str| -> (Value, String) {
        let apply = [
            "mask",
            "apply",
            "visits.csv",
            "--policy",
            "policy.toml",
            "--key",
            key,
            "--to",
            to,
        ];
        let outcome = ok(&[&apply[..], &["-o", "json"]].concat());
        let text = std::fs::read_to_string(at.join(to)).unwrap();
        (serde_json::from_str(&outcome).unwrap(), text)
    };
    let (international, first) = masked("key", "a.csv");
    let (sm, second) = masked("key-sm", "b.csv");
    assert_eq!(international["cipher_suite"], "international");
    assert_eq!(sm["cipher_suite"], "sm");
    assert_ne!(international["key_commitment"], sm["key_commitment"]);
    let tokens = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(tokens(&first).len(), 300);
    assert!(tokens(&first).is_disjoint(&tokens(&second)));

    let fails = |policy: &str, key: &str, more: &[&str], word: &str| {
        let apply = [
            "mask",
            "apply",
            "visits.csv",
            "--policy",
            policy,
            "--key",
            key,
            "--to",
            "c.csv",
        ];
        let (code, _, err) = egret(at, &[&apply[..], more].concat());
        assert_ne!(code, 0);
        assert!(err.contains(word), "no `{word}` in: {err}");
        assert!(!at.join("c.csv").exists());
    };
    fails("policy.toml", "key", &["--suite", "sm"], "international");
    fails("policy.toml", "key-sm", &["--suite", "international"], "sm");
    fails("sm.toml", "key", &[], "cipher_suite_differs");
    std::fs::write(at.join("key-x"), format!("aes {secret}")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(at.join("key-x"), mode).unwrap();
    fails("policy.toml", "key-x", &[], "key-x");
}

/// Rows in the order of their amount, far more than a batch holds.
fn write_amounts(file: &Path, rows: usize) {
    let mut text = "kind,amount\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("{},{}\n", ["a", "b"][row % 2], 1_000 + row));
    }
    std::fs::write(file, text).unwrap();
}

#[test]
fn rows_share_groups_and_values_across_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_amounts(&at.join("amounts.csv"), 60_000);
    let policy = |rule: &str| {
        let kept = "version = 1\n[columns.kind]\ntransform = \"keep\"\nclass = \"public\"\nreason = \"invented\"\n";
        std::fs::write(
            at.join("policy.toml"),
            format!("{kept}[columns.amount]\n{rule}\n"),
        )
        .unwrap();
    };
    let (code, _, err) = egret(at, &["mask", "key", "key"]);
    assert_eq!(code, 0, "{err}");
    let apply = |file: &str| {
        let with = [
            "--policy",
            "policy.toml",
            "--key",
            "key",
            "--to",
            "masked.csv",
        ];
        egret(at, &[&["mask", "apply", file], &with[..]].concat())
    };
    let amounts = || -> Vec<(String, i64)> {
        let text = std::fs::read_to_string(at.join("masked.csv")).unwrap();
        let pairs = text
            .lines()
            .skip(1)
            .map(|line| line.split_once(',').unwrap());
        pairs
            .map(|(kind, amount)| (kind.to_owned(), amount.parse().unwrap()))
            .collect()
    };
    policy("transform = \"shuffle\"\nwithin = [\"kind\"]");
    let (code, _, err) = apply("amounts.csv");
    assert_eq!(code, 0, "{err}");
    let shuffled = amounts();
    let far = shuffled.iter().enumerate().filter(|(row, (_, amount))| {
        amount.abs_diff(1_000 + i64::try_from(*row).unwrap()) > 10_000
    });
    assert!(far.count() > 30_000, "values stay near their rows");
    for (kind, rest) in [("a", 0), ("b", 1)] {
        let mut own: Vec<i64> = shuffled
            .iter()
            .filter(|(of, _)| of == kind)
            .map(|(_, amount)| *amount)
            .collect();
        own.sort_unstable();
        let expect: Vec<i64> = (0..60_000)
            .filter(|row| row % 2 == rest)
            .map(|row| 1_000 + row)
            .collect();
        assert_eq!(own, expect, "group {kind} keeps its values");
    }

    policy("transform = \"microaggregate\"\nrows_min = 7");
    let (code, _, err) = apply("amounts.csv");
    assert_eq!(code, 0, "{err}");
    let mut groups = std::collections::BTreeMap::new();
    for (_, mean) in amounts() {
        *groups.entry(mean).or_insert(0_u32) += 1;
    }
    assert!(
        groups.values().all(|rows| (7..14).contains(rows)),
        "a batch cut a group"
    );

    write_amounts(&at.join("many.csv"), 1_050_000);
    policy("transform = \"shuffle\"");
    std::fs::remove_file(at.join("masked.csv")).unwrap();
    let (code, _, err) = apply("many.csv");
    assert_eq!(code, 6, "{err}");
    assert!(
        err.contains("shuffle_too_many_values") && err.contains("amount"),
        "{err}"
    );
    assert!(!at.join("masked.csv").exists());
}
