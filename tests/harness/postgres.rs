//! A PostgreSQL server of the suite's own: `initdb` and `pg_ctl` in a temporary folder, on a free port of the loopback.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// A running server; dropping it stops the server and removes its files.
pub struct Postgres {
    folder: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
}

impl Postgres {
    /// Initialises and starts a server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed (`make test` installs it) or does not start: a suite without its database has
    /// no meaning.
    #[must_use]
    pub fn start() -> Self {
        let bin = server_binaries();
        let folder = tempfile::Builder::new()
            .prefix("egret-pg-")
            .tempdir()
            .expect("a temporary folder");
        // `initdb` refuses to run as root, so root hands the folder to the account that the package made.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        run(unprivileged(&bin.join("initdb")).args([
            "--pgdata",
            text(&data),
            "--username",
            "egret",
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]));
        let port = free_port();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c max_connections=200",
            text(folder.path())
        );
        run(unprivileged(&bin.join("pg_ctl")).args([
            "--pgdata",
            text(&data),
            "--log",
            text(&folder.path().join("log")),
            "--wait",
            "--options",
            &options,
            "start",
        ]));
        Self { folder, bin, port }
    }

    /// Creates an empty database and answers its URL.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    pub fn database(&self, name: &str) -> String {
        run(unprivileged(&self.bin.join("createdb")).args([
            "--host",
            "127.0.0.1",
            "--port",
            &self.port.to_string(),
            "--username",
            "egret",
            name,
        ]));
        format!("postgres://egret@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        // Nothing useful can be done when stopping fails; the folder goes all the same.
        let _ = unprivileged(&self.bin.join("pg_ctl"))
            .args([
                "--pgdata",
                text(&data),
                "--mode",
                "immediate",
                "--wait",
                "stop",
            ])
            .output();
    }
}

/// The folder of the newest installed server.
fn server_binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop().unwrap_or_else(|| {
        panic!("PostgreSQL's server binaries are missing; run deploy/prepare.sh test")
    })
}

fn unprivileged(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
            "--",
        ]);
        command.arg(program).current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port on the loopback")
        .port()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
