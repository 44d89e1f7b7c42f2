//! Files in memory that pass between supervisor and worker.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open};
use rustix::io::Errno;

/// A file in memory that cannot be changed any more.
pub(super) fn sealed(bytes: &[u8]) -> io::Result<File> {
    let mut file = memory("egret-program")?;
    file.write_all(bytes)?;
    seal(&file)?;
    Ok(file)
}

/// A file that a worker writes and the supervisor reads afterwards.
#[derive(Debug)]
pub(super) struct Returned {
    file: File,
}

impl Returned {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            file: memory("egret-output")?,
        })
    }

    /// Another way into the file that can only write.
    pub(super) fn writer(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(open(
            path,
            OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// Its length.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// What is in it, up to a limit, once its writer has ended: from then on nothing can change it.
    pub(super) fn read(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        // Whoever still held it could change it between a check and its use.
        let _ = seal(&self.file);
        let bytes = usize::try_from(self.bytes()?.min(bytes_max))
            .map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut content = vec![0; bytes];
        self.file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }
}

/// A file without a name in a folder, for a worker to read and write.
pub(super) fn scratch(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => unnamed(folder),
        Err(error) => Err(error.into()),
    }
}

/// The same on a file system without files that have no name: it loses its name at once.
fn unnamed(folder: &Path) -> io::Result<File> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("scratch-{}-{made}", std::process::id()));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    let file = open(&path, flags, Mode::RUSR | Mode::WUSR)?;
    std::fs::remove_file(&path)?;
    Ok(file.into())
}

/// The same file, opened once more: a worker shares no position and no flags with anybody else.
pub(super) fn reopened(file: &File) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
}

fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(file, seals)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use std::io::Read;

    #[test]
    fn a_sealed_file_cannot_be_changed() {
        let mut file = sealed(b"plan").unwrap();
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
        let mut content = [0; 4];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(&content, b"plan");
    }

    #[test]
    fn a_file_opened_once_more_has_a_position_of_its_own() {
        let mut file = sealed(b"plan").unwrap();
        let mut content = String::new();
        for _ in 0..2 {
            content.clear();
            let mut again = File::from(reopened(&file).unwrap());
            again.read_to_string(&mut content).unwrap();
            assert_eq!(content, "plan");
            assert!(again.write_all(b"x").is_err());
        }
        // The first one stands where writing left it.
        assert_eq!(file.read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn a_scratch_has_no_name_and_is_gone_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        for mut file in [
            scratch(folder.path()).unwrap(),
            unnamed(folder.path()).unwrap(),
        ] {
            file.write_all(b"rows").unwrap();
            let mut content = [0; 4];
            file.read_exact_at(&mut content, 0).unwrap();
            assert_eq!(&content, b"rows");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn the_writer_of_a_returned_file_cannot_read_and_cannot_write_later() {
        let returned = Returned::new().unwrap();
        let mut writer = File::from(returned.writer().unwrap());
        writer.write_all(b"answer").unwrap();
        assert!(writer.read(&mut [0; 1]).is_err());
        assert_eq!(returned.read(100).unwrap(), b"answer");
        assert_eq!(returned.read(3).unwrap(), b"ans");
        assert!(writer.write_all(b"more").is_err());
    }
}
