//! Other people's programs, to compare with: installed on first use into `peers` of the target folder, never into the project.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The peers' scripts, and what they need.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A Python with the packages that `tests/peers/<set>.txt` names, each with its version.
///
/// # Errors
/// Why there is none: no Python, or no way to the package registry.
///
/// # Panics
/// When the target folder cannot be written.
pub fn python(set: &str) -> Result<PathBuf, String> {
    let wanted =
        std::fs::read_to_string(format!("{SCRIPTS}/{set}.txt")).expect("a list of packages");
    let folder = peers_folder().join(format!("python-{set}"));
    std::fs::create_dir_all(&folder).expect("a folder for peers");
    // Several tests, in as many processes, may want it at once.
    let lock = File::create(folder.with_extension("lock")).expect("a lock");
    lock.lock().expect("the lock is free at some time");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    let list = format!("{SCRIPTS}/{set}.txt");
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--retries", "1", "--timeout", "20", "--requirement", &list]))?;
    std::fs::write(stamp, wanted).expect("a stamp");
    Ok(python)
}

/// Runs a peer's script, and gives what it prints.
///
/// # Errors
/// What it says when it fails.
pub fn run_script(python: &Path, script: &str, arguments: &[&str]) -> Result<String, String> {
    run(Command::new(python)
        .arg(format!("{SCRIPTS}/{script}"))
        .args(arguments))
}

/// Says straight to the terminal that a peer is missing: what a test prints is not shown when it passes.
pub fn not_tested(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "peers: NOT tested: {what}: {why}");
}

/// The folder of peers, in the target folder that this program lies in.
///
/// # Panics
/// When this program does not know where it lies.
#[must_use]
pub fn peers_folder() -> PathBuf {
    // target/<profile>/deps/peers-… and target/<profile>/bench
    let own = std::env::current_exe().expect("a program knows its own path");
    let profile = own
        .ancestors()
        .skip(1)
        .find(|folder| folder.file_name().is_some_and(|name| name != "deps"));
    profile
        .and_then(Path::parent)
        .expect("a target folder")
        .join("peers")
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| {
        format!(
            "{} does not start: {error}",
            command.get_program().display()
        )
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // The last line is the one that says why.
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rfind(|line| !line.trim().is_empty());
    Err(format!(
        "{}: {}",
        output.status,
        last.unwrap_or("no reason given")
    ))
}
