//! `egret demo`: every step holds, in both languages, and nothing is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::process::{Command, Output};

const STEPS: usize = 22;

fn demo(arguments: &[&str], temporary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .output()
        .unwrap()
}

#[test]
fn every_step_holds_in_both_languages_and_the_machine_is_left_as_it_was() {
    for (lang, sum) in [("zh", "22 步全部成立"), ("en", "all 22 steps held")] {
        let temporary = tempfile::tempdir().unwrap();
        let output = demo(&["--exit", "--lang", lang], temporary.path());
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}\n{errors}");
        assert_eq!(
            text.lines().filter(|line| line.starts_with('✓')).count(),
            STEPS,
            "{text}"
        );
        assert!(!text.contains('✗') && text.contains(sum), "{text}");
        assert_eq!(
            errors, "",
            "a demonstration that holds has nothing to complain of"
        );
        let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

#[test]
fn a_folder_in_use_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kept"), "mine").unwrap();
    let path = folder.path().to_str().unwrap();
    let output = demo(
        &["--exit", "--lang", "en", "--data-dir", path],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains(path) && errors.contains("is not empty"),
        "{errors}"
    );
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["kept"]);
}
