//! Bytes as a sealed descriptor: what a jail is given, since it has no path to open.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A descriptor over bytes that nobody can change any more, its holder included.
#[derive(Clone, Debug)]
pub(crate) struct SealedFile {
    /// The descriptor; its position is never used.
    pub(crate) file: Arc<File>,
    /// Its length.
    pub(crate) bytes: u64,
}

impl SealedFile {
    /// Copies the bytes into memory that is then sealed against writing, growing and shrinking.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        let descriptor = memfd_create(c"egret", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = File::from(descriptor);
        file.write_all(bytes)?;
        fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        // A jail takes descriptors that were opened for reading only; the seals alone are not seen
        // in a descriptor's flags.
        let reading = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok(Self {
            file: Arc::new(reading),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn sealed_bytes_are_read_at_any_place_and_never_written() {
        let sealed = SealedFile::new(b"egret").unwrap();
        let mut head = [0; 3];
        sealed.file.read_exact_at(&mut head, 1).unwrap();
        assert_eq!((&head, sealed.bytes), (b"gre", 5));
        assert!(sealed.file.write_at(b"x", 0).is_err());
        assert!(sealed.file.set_len(0).is_err());
    }
}
