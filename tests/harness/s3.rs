//! An S3 server of the suite's own: `s3s-fs` on a folder, with a key that it checks, on a free port of the loopback.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{postgres::free_port, server::egret};

const BUCKET: &str = "egret-objects";
const ACCESS_KEY: &str = "egret-suite";
const SECRET_KEY: &str = "7d1f0c52b7a64e03a4b0";

/// A running server; dropping it ends the server and removes its objects.
pub struct S3 {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
}

/// How to reach a bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// `http://…`
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// Who signs requests.
    pub access_key_id: String,
    /// With what.
    pub secret_access_key: String,
}

impl S3 {
    /// Starts a server with one empty bucket.
    ///
    /// # Panics
    /// When `s3s-fs` is not installed (`make test` installs it) or does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("egret-s3-")
            .tempdir()
            .expect("a temporary folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket is a folder");
        let port = free_port();
        let child = spawn(folder.path(), port);
        let server = Self {
            folder,
            child,
            port,
        };
        server.wait();
        server
    }

    /// The bucket and its key.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        Bucket {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            bucket: BUCKET.to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned(),
        }
    }

    /// The folder of the bucket's objects.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Ends the server; its objects stay.
    pub fn stop(&mut self) {
        // A process that is gone already is as dead as we want it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same objects.
    pub fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), self.port);
        self.wait();
    }

    fn wait(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "s3s-fs does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    Command::new(binary())
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("s3s-fs starts")
}

/// Where `make test` puts it: `peers/bin` in the target folder.
fn binary() -> PathBuf {
    let found = egret()
        .ancestors()
        .map(|folder| folder.join("peers/bin/s3s-fs"))
        .find(|path| path.is_file());
    found.expect("the S3 server `s3s-fs` is not installed: run `make test`")
}
