//! A server process of the suite's own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{api::Api, postgres::free_port, s3::Bucket};

/// Where a server keeps its state.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file in the data folder.
    Sqlite,
    /// A PostgreSQL database by its URL.
    Postgres(String),
}

/// Where a server keeps its objects.
#[derive(Clone, Debug)]
pub enum Objects {
    /// A folder in the data folder.
    Folder,
    /// A bucket of an S3 server.
    S3(Bucket),
}

/// A running `egret serve`; dropping it kills the process, as a power cut would.
pub struct Server {
    folder: tempfile::TempDir,
    database: Database,
    objects: Objects,
    /// Lines beside those of the configuration.
    lines: String,
    child: Child,
    port: u16,
}

/// The binary under test: built by `make test`, beside the test's own.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn egret() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/suites-… and target/<profile>/bench
    let found = own
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("egret"))
        .find(|path| path.is_file());
    found.expect(
        "the binary `egret` is not built: run `make test`, or `cargo build -p portal` before",
    )
}

impl Server {
    /// Starts a server on an empty data folder.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn start(database: Database, objects: Objects) -> Self {
        Self::start_with(database, objects, "").await
    }

    /// Starts a server on an empty data folder with more lines of configuration: a key of its own, or a table.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn start_with(database: Database, objects: Objects, lines: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("egret-test-")
            .tempdir()
            .expect("a temporary folder");
        let port = free_port();
        let child = spawn(folder.path(), (&database, &objects), port, lines);
        let mut server = Self {
            folder,
            database,
            objects,
            lines: lines.to_owned(),
            child,
            port,
        };
        server.wait_until_healthy().await;
        server
    }

    /// Kills the process at once and starts another on the same data.
    ///
    /// # Panics
    /// When the new one does not answer within a minute.
    pub async fn crash_and_restart(&mut self) {
        self.kill();
        self.restart().await;
    }

    /// Kills the process at once (`SIGKILL`).
    pub fn kill(&mut self) {
        // A process that is gone already is as dead as we want it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts another process on the same data.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn restart(&mut self) {
        self.child = self.spawn(&self.lines);
        self.wait_until_healthy().await;
    }

    fn spawn(&self, lines: &str) -> Child {
        let kept = (&self.database, &self.objects);
        spawn(self.folder.path(), kept, self.port, lines)
    }

    /// Stops the process and starts another on the same data with other lines beside those of the configuration.
    ///
    /// # Panics
    /// When the new one does not answer within a minute.
    pub async fn restart_with(&mut self, lines: &str) {
        self.kill();
        lines.clone_into(&mut self.lines);
        self.restart().await;
    }

    /// Stops the process, and answers what a start with other lines says when it ends instead of serving.
    ///
    /// # Panics
    /// When it ends well.
    pub fn refused_restart(&mut self, lines: &str) -> String {
        self.kill();
        let before = self.log().len();
        let status = self.spawn(lines).wait().expect("an end");
        assert!(!status.success(), "it ended well: {}", self.log());
        self.log().get(before..).unwrap_or_default().to_owned()
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client that has not signed in.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.port))
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("egret.toml")
    }

    /// The password that the first start wrote down for an account.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn first_password(&self, account: &str) -> String {
        let text = std::fs::read_to_string(self.data().join("initial-sign-ins.txt"))
            .expect("the first start writes the sign-ins down");
        text.lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(name, _)| name.trim_end_matches(':') == account)
            .map(|(_, password)| password.trim().to_owned())
            .unwrap_or_else(|| panic!("no first password of {account}"))
    }

    /// What the server logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn wait_until_healthy(&mut self) {
        let api = self.api();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if let Ok(answer) = api.try_send("GET", "/healthz", "", Vec::new()).await
                && answer.status == 200
            {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not answer:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server that cannot begin, and answers what it says to standard error.
///
/// # Panics
/// When it serves within 30 seconds, or does not end.
#[must_use]
pub fn refused_start(database: &Database, objects: &Objects) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = spawn(folder.path(), (database, objects), free_port(), "");
    let start = Instant::now();
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            assert!(!status.success(), "it ended well: {}", log());
            return log();
        }
        if start.elapsed() > Duration::from_secs(30) {
            let _ = child.kill();
            panic!("it did not end: {}", log());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(folder: &Path, kept: (&Database, &Objects), port: u16, lines: &str) -> Child {
    let config = folder.join("egret.toml");
    let text = configuration(folder, kept, port);
    // A key belongs before the first table, a table behind the last.
    let text = match lines.starts_with('[') {
        true => format!("{text}{lines}"),
        false => format!("{lines}{text}"),
    };
    std::fs::write(&config, text).expect("a configuration file");
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("a log file");
    Command::new(egret())
        .args(["serve", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the server starts")
}

fn configuration(folder: &Path, (database, objects): (&Database, &Objects), port: u16) -> String {
    let secret = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("a file with a secret");
        restrict(&file);
        file
    };
    let database = match database {
        Database::Sqlite => String::new(),
        Database::Postgres(url) => {
            let file = secret("database-url", url);
            format!("[database]\nkind = \"postgres\"\nurl_file = {file:?}\n")
        }
    };
    let objects = match objects {
        Objects::Folder => String::new(),
        Objects::S3(at) => format!(
            "[objects]\nkind = \"s3\"\nendpoint = {:?}\nbucket = {:?}\nregion = \"cn-suite-1\"\n\
             access_key_id_file = {:?}\nsecret_access_key_file = {:?}\n",
            at.endpoint,
            at.bucket,
            secret("s3-access-key-id", &at.access_key_id),
            secret("s3-secret-access-key", &at.secret_access_key),
        ),
    };
    format!(
        "listen = \"127.0.0.1:{port}\"\ndata_dir = {:?}\n{database}{objects}",
        folder.join("data")
    )
}

fn restrict(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("mode 0600");
}

/// Runs the command line to its end and answers exit code, output and errors.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run_egret(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(egret())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("egret starts");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
