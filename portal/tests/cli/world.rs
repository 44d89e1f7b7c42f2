//! A server that the demonstration left running, and the command line as somebody uses it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server, its accounts, and a folder for files.
pub(crate) struct World {
    server: Child,
    pub(crate) address: String,
    passwords: BTreeMap<String, String>,
    pub(crate) folder: tempfile::TempDir,
}

/// What a command said.
pub(crate) struct Said {
    code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32, word: &str) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(self.err.contains(word), "no `{word}` in: {}", self.err);
        self.err
    }
}

impl World {
    /// Waits until the demonstration has been played and its sign-ins are told.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["demo", "--keep", "--lang", "en"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let going_on = lines
            .by_ref()
            .find(|line| line.starts_with("the server goes on: "))
            .unwrap();
        let address = going_on.split_whitespace().nth(4).unwrap().to_owned();
        let passwords = lines
            .by_ref()
            .take_while(|line| !line.contains("egret login"))
            .filter_map(|line| {
                let mut words = line.split_whitespace().map(str::to_owned);
                Some((words.next()?, words.next()?))
            })
            .collect();
        Self {
            server,
            address,
            passwords,
            folder,
        }
    }

    /// A command as somebody, who has a folder of sign-ins of one's own.
    pub(crate) fn egret(&self, who: &str, arguments: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(arguments)
            .args(["--lang", "en"])
            .env_clear()
            .env("XDG_CONFIG_HOME", self.folder.path().join(who))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn as_(&self, who: &str, arguments: &[&str]) -> Said {
        self.egret(who, arguments, "")
    }

    pub(crate) fn sign_in(&self, who: &str) {
        let password = format!("{}\n", self.passwords[who]);
        let said = self
            .egret(who, &["login", who, "--server", &self.address], &password)
            .ok();
        assert!(said.contains(who), "{said}");
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        File::create(&path).unwrap().write_all(content).unwrap();
        path
    }

    pub(crate) fn id(&self, who: &str, arguments: &[&str]) -> String {
        self.as_(who, arguments).json()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // By SIGTERM, so that the server removes its folder.
        let pid = i32::try_from(self.server.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.server.wait();
    }
}
