//! The server as a process: what it writes, how it starts and how it ends.

use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn egret(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command
        .env_clear()
        .arg("serve")
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.join("data"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts and waits for the address.
fn started(data: &Path, arguments: &[&str]) -> (Child, String) {
    let mut child = egret(data, arguments).spawn().unwrap();
    // Byte by byte, so that what follows the first line is left to whoever reads on.
    let mut line = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).unwrap(), 1, "the server ended");
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    let address = line
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{line}");
    (child, address)
}

/// Asks it to stop, waits for the end.
fn stopped(child: Child) -> Output {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait_with_output().unwrap()
}

fn config(data: &Path, text: &str) -> String {
    let file = data.join("egret.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_log_has_a_line_for_each_request_and_no_word_of_what_was_in_it() {
    let data = tempfile::tempdir().unwrap();
    let file = config(
        data.path(),
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n[workers]\ncount = 1\n",
    );
    let (child, address) = started(data.path(), &["--config", &file]);
    let http = reqwest::Client::new();
    let sign_in = serde_json::json!({ "account": "system-admin", "password": "hunter2-secret" });
    let refused = http
        .post(format!("{address}/api/v1/sessions"))
        .json(&sign_in)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let trace_id = refused.headers()["x-trace-id"].to_str().unwrap().to_owned();
    let refused = http
        .post(format!("{address}/api/v1/sql:check?secret-query"))
        .bearer_auth("secret-token")
        .header("user-agent", "secret-agent")
        .json(&serde_json::json!({ "grant": "grt_secret", "sql": "select secret_column" }))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let lost = http
        .get(format!("{address}/secret-path"))
        .send()
        .await
        .unwrap();
    assert_eq!(lost.status(), 404);
    let ended = stopped(child);
    assert_eq!(ended.status.code(), Some(0));
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered = |line: &&Value| line["message"] == "request answered";
    let sign_in = lines
        .iter()
        .filter(answered)
        .find(|line| line["trace.id"] == *trace_id)
        .unwrap();
    assert_eq!(sign_in["http.method"], "POST");
    assert_eq!(sign_in["http.route"], "/api/v1/sessions");
    assert_eq!(sign_in["http.status"], 401);
    assert!(sign_in["latency_us"].as_u64().is_some());
    let routes: Vec<&str> = lines
        .iter()
        .filter(answered)
        .map(|line| line["http.route"].as_str().unwrap())
        .collect();
    assert_eq!(routes, ["/api/v1/sessions", "/api/v1/sql:check", "-"]);
}

#[test]
fn what_is_in_the_way_is_one_message_in_the_language_of_the_caller_and_the_exit_code_is_1() {
    let data = tempfile::tempdir().unwrap();
    let (mut first, address) = started(data.path(), &[]);
    let taken = address.trim_start_matches("http://").to_owned();
    let refused = |arguments: &[&str], locale: &str| {
        let other = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_egret"))
            .env_clear()
            .env("LANG", locale)
            .args(["serve", "--data-dir"])
            .arg(other.path().join("data"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let english = refused(&["--listen", &taken], "C.UTF-8");
    assert!(
        english.contains(&taken) && english.contains("taken by another program"),
        "{english}"
    );
    let chinese = refused(&["--listen", &taken], "zh_CN.UTF-8");
    assert!(
        chinese.contains(&taken) && chinese.contains("占用"),
        "{chinese}"
    );
    let asked = refused(&["--listen", &taken, "--lang", "zh"], "en_GB.UTF-8");
    assert_eq!(asked, chinese);

    let unknown = config(data.path(), "[http]\nport = 1\n");
    let said = refused(&["--config", &unknown], "C");
    assert!(
        said.contains(&unknown) && said.contains("line 2, column 1") && said.contains("`port`"),
        "{said}"
    );
    let absent = refused(&["--config", "/nowhere/egret.toml"], "C");
    assert!(absent.contains("/nowhere/egret.toml"), "{absent}");

    let second = egret(data.path(), &["--lang", "en"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    let folder = data.path().join("data");
    assert!(said.contains(folder.to_str().unwrap()), "{said}");
    assert!(
        first.try_wait().unwrap().is_none(),
        "the first server goes on"
    );
    assert_eq!(stopped(first).status.code(), Some(0));
}

#[test]
fn the_start_says_where_it_answers_what_it_keeps_and_what_isolates() {
    let data = tempfile::tempdir().unwrap();
    let (mut child, _address) = started(data.path(), &["--lang", "en"]);
    let mut output = child.stdout.take().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(0),
        "SIGINT is an orderly end as well"
    );
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert!(
        said.contains(data.path().join("data").to_str().unwrap()),
        "{said}"
    );
    assert!(said.contains("this host takes jobs"), "{said}");
    for layer in [
        "user_namespace",
        "network_namespace",
        "seccomp",
        "empty_root",
    ] {
        let line = said
            .lines()
            .find(|line| line.contains(layer))
            .unwrap_or_default();
        assert!(
            line.contains("isolation") && line.contains("required"),
            "{said}"
        );
    }
}

#[test]
fn tables_of_a_folder_are_read_at_start_and_told_to_the_workers() {
    let data = tempfile::tempdir().unwrap();
    let tables = data.path().join("tables");
    std::fs::create_dir(&tables).unwrap();
    let file = config(
        data.path(),
        &format!(
            "tables_dir = {:?}\n[workers]\ncount = 1\n",
            tables.display().to_string()
        ),
    );
    let refused = |word: &str| {
        let ended = egret(data.path(), &["--config", &file, "--lang", "en"])
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(word), "no `{word}` in: {said}");
    };
    refused("mobile.txt");
    std::fs::write(tables.join("mobile.txt"), "138\n13x\n").unwrap();
    refused("mobile.txt, line 2");
    std::fs::write(tables.join("mobile.txt"), "138\n").unwrap();
    let (child, _) = started(data.path(), &["--config", &file]);
    // A worker is warmed up beside whatever else a start does.
    let arguments = (0..200)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            workers(child.id())
        })
        .find(|found| !found.is_empty())
        .unwrap_or_default();
    let ended = stopped(child);
    assert_eq!(ended.status.code(), Some(0));
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(log.contains("mobile.txt"), "{log}");
    assert!(!arguments.is_empty(), "the server has workers");
    let folder = tables.display().to_string();
    assert!(
        arguments.iter().all(|line| line.contains(&folder)),
        "{arguments:?}"
    );
}

/// The command lines of a server's workers.
fn workers(parent: u32) -> Vec<String> {
    let children = format!("/proc/{parent}/task");
    let threads = std::fs::read_dir(children).unwrap().flatten();
    let pids =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<String> = pids
        .flat_map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let line = |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok();
    let lines = pids.iter().filter_map(line);
    lines
        .filter(|line| line.contains(portal::WORKER_SUBCOMMAND))
        .collect()
}
