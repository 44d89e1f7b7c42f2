//! The open files of a command, by number.

use super::errno::Errno;
use super::tree::{Directory, Place};

/// Most files open at a time.
pub(super) const OPEN_MAX: usize = 64;
/// The flags of a descriptor that exist: append, dsync, nonblock, rsync, sync.
pub(super) const FLAGS_KNOWN: u16 = 0x1f;
/// Writes go to the end.
const APPEND: u16 = 1;

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// The stream of the first input.
    Input {
        at: u64,
    },
    /// The standard output.
    Output,
    /// The standard error.
    Log,
    Directory {
        directory: Directory,
        /// Whether it was open from the start.
        preopen: bool,
    },
    Table {
        position: usize,
        at: u64,
    },
    Result {
        at: u64,
    },
}

/// An open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) open: Open,
    pub(super) flags: u16,
}

impl Descriptor {
    pub(super) fn new(open: Open, flags: u16) -> Self {
        Self { open, flags }
    }

    pub(super) fn appends(&self) -> bool {
        self.flags & APPEND != 0
    }

    /// The directory that it is, as paths start from.
    pub(super) fn directory(&self) -> Result<Directory, Errno> {
        match self.open {
            Open::Directory { directory, .. } => Ok(directory),
            _ => Err(Errno::NotDirectory),
        }
    }

    /// What is open; nothing for the three standard streams.
    pub(super) fn place(&self) -> Option<Place> {
        match self.open {
            Open::Input { .. } | Open::Output | Open::Log => None,
            Open::Directory { directory, .. } => Some(Place::Directory(directory)),
            Open::Table { position, .. } => Some(Place::Table(position)),
            Open::Result { .. } => Some(Place::Result),
        }
    }
}

/// All of them. The lowest free number is taken next.
pub(super) struct Descriptors {
    open: Vec<Option<Descriptor>>,
}

impl Descriptors {
    /// The three standard ones and the two directories.
    pub(super) fn new() -> Self {
        let preopen = |directory| Open::Directory {
            directory,
            preopen: true,
        };
        let open = [
            Open::Input { at: 0 },
            Open::Output,
            Open::Log,
            preopen(Directory::In),
            preopen(Directory::Out),
        ];
        Self {
            open: open
                .into_iter()
                .map(|open| Some(Descriptor::new(open, 0)))
                .collect(),
        }
    }

    pub(super) fn find(&mut self, number: u32) -> Result<&mut Descriptor, Errno> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.open.get_mut(number))
            .and_then(Option::as_mut)
            .ok_or(Errno::BadDescriptor)
    }

    pub(super) fn add(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.open.iter().position(Option::is_none);
        let number = free.unwrap_or(self.open.len());
        if number >= OPEN_MAX {
            return Err(Errno::TooManyOpen);
        }
        match self.open.get_mut(number) {
            Some(place) => *place = Some(descriptor),
            None => self.open.push(Some(descriptor)),
        }
        u32::try_from(number).map_err(|_| Errno::TooManyOpen)
    }

    pub(super) fn close(&mut self, number: u32) -> Result<(), Errno> {
        self.find(number)?;
        if let Some(place) = usize::try_from(number)
            .ok()
            .and_then(|number| self.open.get_mut(number))
        {
            *place = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn numbers_are_taken_again_and_end() {
        let mut descriptors = Descriptors::new();
        let one = Descriptor::new(Open::Result { at: 0 }, 0);
        for number in 5..64 {
            assert_eq!(descriptors.add(one), Ok(number));
        }
        assert_eq!(descriptors.add(one), Err(Errno::TooManyOpen));
        descriptors.close(7).unwrap();
        assert_eq!(descriptors.close(7), Err(Errno::BadDescriptor));
        assert_eq!(descriptors.close(u32::MAX), Err(Errno::BadDescriptor));
        assert_eq!(descriptors.add(one), Ok(7));
    }
}
