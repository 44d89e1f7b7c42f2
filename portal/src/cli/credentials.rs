//! Who is signed in where: a file of mode 0600 under the user's configuration folder.

use super::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Tokens by server.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The server that was signed in at last: what `--server` defaults to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    #[serde(default)]
    servers: BTreeMap<String, SignIn>,
}

/// A sign-in at one server.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) account: String,
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

impl Credentials {
    /// Reads the file; a missing one is empty, one that others may read is refused.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::unreadable(path, &error)),
        };
        let mode = std::fs::metadata(path)
            .map_err(|error| Failure::unreadable(path, &error))?
            .permissions()
            .mode();
        let shown = path.display();
        if mode & 0o077 != 0 {
            return Err(Failure::new(
                format!("{shown} 可被他人读取；请执行 chmod 600 {shown}"),
                format!("others may read {shown}; run chmod 600 {shown}"),
            ));
        }
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(
                format!(
                    "{shown} 已损坏：{}",
                    sandbox::parse_error(&error.to_string()).zh
                ),
                format!("{shown} is damaged: {error}"),
            )
        })
    }

    /// Writes the file in one step.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let beside = path.with_extension("new");
            let _ = std::fs::remove_file(&beside);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|error| Failure::unwritable(path, &error))
    }

    /// The sign-in at a server.
    pub(crate) fn of(&self, server: &str) -> Option<&SignIn> {
        self.servers.get(server)
    }

    /// Keeps a sign-in, and makes its server the default.
    pub(crate) fn keep(&mut self, server: &str, sign_in: SignIn) {
        self.server = Some(server.to_owned());
        self.servers.insert(server.to_owned(), sign_in);
    }

    /// Forgets a sign-in; whether there was one. The server stays the default: whoever signs out of it will sign in to it.
    pub(crate) fn forget(&mut self, server: &str) -> bool {
        self.servers.remove(server).is_some()
    }
}

/// Where the file stands: `$XDG_CONFIG_HOME/egret`, or `~/.config/egret`.
pub(crate) fn path(env: impl Fn(&str) -> Option<String>) -> Result<PathBuf, Failure> {
    let set = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("egret").join("credentials.json"))
        .ok_or_else(|| {
            Failure::new(
                "没有设置 HOME，无法保存登录信息",
                "HOME is not set: there is no place for sign-ins",
            )
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn sign_in() -> SignIn {
        SignIn {
            account: "dev".to_owned(),
            token: "t0ken".to_owned(),
            expires_at: "2030-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn sign_ins_are_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("egret").join("credentials.json");
        let mut credentials = Credentials::load(&path).unwrap();
        credentials.keep("http://a", sign_in());
        credentials.save(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let mut again = Credentials::load(&path).unwrap();
        assert_eq!(again.server.as_deref(), Some("http://a"));
        assert_eq!(again.of("http://a").unwrap().token, "t0ken");
        assert!(again.of("http://b").is_none());
        assert!(again.forget("http://a"));
        again.save(&path).unwrap();
        assert!(Credentials::load(&path).unwrap().of("http://a").is_none());
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        let mut credentials = Credentials::default();
        credentials.keep("http://a", sign_in());
        credentials.save(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Credentials::load(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{").unwrap();
        assert!(Credentials::load(&path).is_err());
    }

    #[test]
    fn the_place_follows_the_environment() {
        let at = |pairs: &'static [(&str, &str)]| {
            path(move |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            at(&[("HOME", "/h")]).unwrap(),
            Path::new("/h/.config/egret/credentials.json")
        );
        assert_eq!(
            at(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).unwrap(),
            Path::new("/x/egret/credentials.json")
        );
        assert!(at(&[("HOME", "")]).is_err());
    }
}
