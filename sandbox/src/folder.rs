//! The data folder: of mode 0700, and of one server at a time.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::error::Error;

/// The data folder, held by this process until it is dropped.
pub(crate) struct DataFolder {
    // The kernel drops the lock with the last descriptor, however the process ends.
    _lock: File,
    folder: PathBuf,
    /// Whether there was nothing in it.
    was_empty: bool,
}

/// Makes a folder for the platform alone, where it is missing.
///
/// # Errors
/// It cannot be made. Names the folder.
pub(crate) fn make_private(folder: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| unusable(folder, &source))
}

fn unusable(folder: &Path, source: &std::io::Error) -> Error {
    let (shown, said) = (folder.display(), crate::words::os_error(source));
    Error::unavailable(
        "data_folder",
        format!("数据目录 {shown} 无法使用：{}。", said.zh),
        format!("the data folder {shown} cannot be used: {}.", said.en),
    )
    .with_remedy(
        "检查目录权限与磁盘空间，或在配置中换一个目录。",
        "look at its permissions and free space, or set another folder.",
    )
}

impl DataFolder {
    /// Makes the folder when it is missing, and locks it.
    ///
    /// # Errors
    /// Another server holds it, or it cannot be made. Names the folder.
    pub(crate) fn hold(folder: &Path) -> Result<Self, Error> {
        let shown = folder.display();
        let failed = |source| unusable(folder, &source);
        make_private(folder)?;
        let was_empty = std::fs::read_dir(folder).map_err(failed)?.next().is_none();
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(failed)?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut holder = String::new();
            // The number helps and is not needed.
            let _ = (&mut lock).take(32).read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(Error::conflict(
                "data_folder_in_use",
                format!("数据目录 {shown} 正被另一个 Egret 进程（{holder}）使用。"),
                format!("the data folder {shown} is in use by another Egret process ({holder})."),
            )
            .with_remedy(
                "停止那个进程，或为本进程配置另一个 data_dir。",
                "stop that process, or give this one another data_dir.",
            ));
        }
        let mut write = || -> std::io::Result<()> {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        write().map_err(failed)?;
        Ok(Self {
            _lock: lock,
            folder: folder.to_owned(),
            was_empty,
        })
    }

    /// Gives the folder up before anything was put into it: a folder that was empty is empty again.
    pub(crate) fn leave(self) {
        if self.was_empty {
            // What cannot be removed does no harm.
            let _ = std::fs::remove_file(self.folder.join("lock"));
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn the_second_holder_is_refused_with_the_first_ones_number() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::hold(folder.path()).unwrap();
        let error = DataFolder::hold(folder.path()).err().unwrap();
        assert_eq!(error.code(), "data_folder_in_use");
        assert!(error.message().en.contains(&std::process::id().to_string()));
        drop(first);
        assert!(DataFolder::hold(folder.path()).is_ok());
    }

    #[test]
    fn an_empty_folder_that_is_left_leaves_nothing_and_a_used_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("data");
        DataFolder::hold(&new).unwrap().leave();
        assert!(!new.exists());
        drop(DataFolder::hold(&new).unwrap());
        std::fs::write(new.join("anchor"), "0").unwrap();
        DataFolder::hold(&new).unwrap().leave();
        assert!(new.join("lock").exists() && new.join("anchor").exists());
    }
}
