//! What a command writes: `/out/result.arrow`, or the standard output; kept in memory up to the
//! limit of the output, and read when the command has ended.

use super::errno::{Errno, Refusal};
use crate::outcome::{Limit, Outcome};

const FULL: Refusal = Refusal::Ended(Outcome::LimitExceeded(Limit::OutputBytes));

/// The two places of a result, of which one may be used.
pub(super) struct ResultFile {
    file: Option<Vec<u8>>,
    stdout: Vec<u8>,
    bytes_max: u64,
}

impl ResultFile {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            file: None,
            stdout: Vec::new(),
            bytes_max,
        }
    }

    /// Whether the file was created.
    pub(super) fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// Creates the file where it does not exist, empties it where that is asked.
    pub(super) fn create(&mut self, truncate: bool) {
        let file = self.file.get_or_insert_default();
        if truncate {
            file.clear();
        }
    }

    /// Length of the file.
    pub(super) fn len(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.len() as u64)
    }

    /// Writes at a position of the file; a gap before it is zeroes. Ends the guest at the limit.
    pub(super) fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let file = self.file.as_mut().ok_or(Errno::BadDescriptor)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let end = at.checked_add(bytes.len() as u64).ok_or(FULL)?;
        if end > self.bytes_max {
            return Err(FULL);
        }
        let (start, end) = (
            usize::try_from(at).map_err(|_| FULL)?,
            usize::try_from(end).map_err(|_| FULL)?,
        );
        if start == file.len() {
            file.extend_from_slice(bytes);
            return Ok(());
        }
        if file.len() < end {
            file.resize(end, 0);
        }
        if let Some(place) = file.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Appends to the standard output. Ends the guest at the limit.
    pub(super) fn print(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let end = (self.stdout.len() as u64).saturating_add(bytes.len() as u64);
        if end > self.bytes_max {
            return Err(FULL);
        }
        self.stdout.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes of the result; none where both places were used.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        match (self.file, self.stdout) {
            (Some(_), stdout) if !stdout.is_empty() => None,
            (Some(file), _) => Some(file),
            (None, stdout) => Some(stdout),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn positions_gaps_and_the_limit() {
        let mut result = ResultFile::new(10);
        assert_eq!(
            result.write_at(0, b"a"),
            Err(Refusal::Told(Errno::BadDescriptor))
        );
        result.create(false);
        result.write_at(0, b"abc").unwrap();
        result.write_at(6, b"xyz").unwrap();
        result.write_at(1, b"B").unwrap();
        result.write_at(9, b"!").unwrap();
        assert_eq!(result.write_at(10, b"?"), Err(FULL));
        assert_eq!(result.write_at(u64::MAX, b"?"), Err(FULL));
        assert_eq!(result.write_at(0, &[1; 11]), Err(FULL));
        result.write_at(u64::MAX, b"").unwrap();
        assert_eq!(result.len(), 10);
        assert_eq!(result.into_bytes().unwrap(), b"aBc\0\0\0xyz!");
    }

    #[test]
    fn one_place_is_used() {
        let mut result = ResultFile::new(3);
        result.print(b"abc").unwrap();
        assert_eq!(result.print(b"d"), Err(FULL));
        result.create(true);
        assert!(result.into_bytes().is_none());
        assert!(ResultFile::new(3).into_bytes().unwrap().is_empty());
    }
}
