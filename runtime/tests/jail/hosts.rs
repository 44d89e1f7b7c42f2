//! Other hosts than this one: an ordinary user's server, and a host that gives no namespaces.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::Trial;
use runtime::{Layer, LayerState, StartError, Supervisor};

use crate::support::{answer, config, eventually, never, task, test};

/// First argument of this executable when it plays the server on another host.
pub(crate) const INNER: &str = "server-on-another-host";
const ORDINARY: u32 = 12_345;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("hosts::workers_die_with_a_killed_server", killed_server),
        test("hosts::an_ordinary_users_server", || async {
            play("ordinary")
        }),
        test(
            "hosts::a_host_without_namespaces_takes_no_jobs_unless_told_to",
            || async {
                play("no-namespaces");
            },
        ),
    ]
}

/// Numbers of the processes whose command line names this path.
fn started_from(path: &Path) -> Vec<i32> {
    let path = path.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).starts_with(path)
        })
        .collect()
}

async fn killed_server() {
    let folder = tempfile::tempdir().unwrap();
    let executable = folder.path().join("server");
    std::fs::copy(std::env::current_exe().unwrap(), &executable).unwrap();
    let mut server = Command::new(&executable)
        .args([INNER, "busy"])
        .spawn()
        .unwrap();
    // The server; two warm workers and one that spins, each with its outer process.
    eventually("workers run", || started_from(&executable).len() == 7).await;
    server.kill().unwrap();
    server.wait().unwrap();
    eventually("workers are gone", || started_from(&executable).is_empty()).await;
}

async fn busy() {
    let pool = Supervisor::start(config(2)).await.unwrap();
    let _ = pool.run(task("spin", b""), never()).await;
}

/// Runs a scene in a process of its own, as an ordinary user where this is root.
fn play(scene: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let executable = folder.path().join("server");
    std::fs::copy(std::env::current_exe().unwrap(), &executable).unwrap();
    let mut command = Command::new(&executable);
    command.args([INNER, scene]).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    let ended = command.status().unwrap();
    assert!(ended.success(), "{scene}: {ended}");
}

pub(crate) fn inner(scene: Option<&str>) -> ExitCode {
    if scene == Some("no-namespaces") {
        deny_unshare();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match scene {
        Some("busy") => runtime.block_on(busy()),
        Some("ordinary") => runtime.block_on(ordinary()),
        Some("no-namespaces") => runtime.block_on(no_namespaces()),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

async fn ordinary() {
    let pool = Supervisor::start(config(1)).await.unwrap();
    for report in pool.layers() {
        println!("  {report}");
    }
    let completed = pool.run(task("act", b"openat"), never()).await.unwrap();
    assert_eq!(answer(&completed), format!("errno {}", libc::EPERM));
    let completed = pool
        .run(task("act", b"socket-unix"), never())
        .await
        .unwrap();
    assert_eq!(completed.outcome.to_string(), "faulted: forbidden_call");
    pool.shutdown().await;
}

/// What a container's default filter does.
fn deny_unshare() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let rules = BTreeMap::from([(libc::SYS_unshare, vec![])]);
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

async fn no_namespaces() {
    let mut config = config(1);
    let error = Supervisor::start(config.clone()).await.unwrap_err();
    let StartError::LayersMissing(missing) = &error else {
        panic!("{error}")
    };
    let missing: Vec<_> = missing.iter().map(|report| report.layer).collect();
    for layer in [
        Layer::UserNamespace,
        Layer::NetworkNamespace,
        Layer::PidNamespace,
        Layer::EmptyRoot,
    ] {
        assert!(missing.contains(&layer), "{missing:?}");
        assert!(error.to_string().contains(layer.code()));
    }
    assert!(!missing.contains(&Layer::Seccomp), "{missing:?}");

    config.allow_degraded = true;
    let pool = Supervisor::start(config).await.unwrap();
    // The rest still leaves no socket and no open, and every run says what was missing.
    let completed = pool.run(task("act", b"openat"), never()).await.unwrap();
    assert_eq!(answer(&completed), format!("errno {}", libc::EPERM));
    let state = |layer| {
        completed
            .layers
            .iter()
            .find(|report| report.layer == layer)
            .unwrap()
            .state
    };
    assert_eq!(
        state(Layer::UserNamespace),
        LayerState::Unavailable { errno: libc::EPERM }
    );
    assert_eq!(state(Layer::Seccomp), LayerState::Enforced);
    let completed = pool
        .run(task("act", b"socket-inet"), never())
        .await
        .unwrap();
    assert_eq!(completed.outcome.to_string(), "faulted: forbidden_call");
    pool.shutdown().await;
}
