//! Calls that open files and tell what they are.

use super::command::{Answer, Command};
use super::descriptors::{Descriptor, FLAGS_KNOWN, Open};
use super::errno::{Errno, Refusal};
use super::tree::{Directory, Place};
use super::view::View;

const CREATE: u32 = 1;
const MUST_BE_DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;
const OPEN_FLAGS_KNOWN: u32 = 0xf;
const LOOKUP_FLAGS_KNOWN: u32 = 1;

const KIND_UNKNOWN: u8 = 0;
const KIND_DIRECTORY: u8 = 3;
const KIND_REGULAR: u8 = 4;

const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK: u64 = 1 << 2;
const RIGHT_SET_FLAGS: u64 = 1 << 3;
const RIGHT_TELL: u64 = 1 << 5;
const RIGHT_WRITE: u64 = 1 << 6;
const RIGHT_CREATE_FILE: u64 = 1 << 10;
const RIGHT_OPEN: u64 = 1 << 13;
const RIGHT_READ_DIRECTORY: u64 = 1 << 14;
const RIGHT_STAT_PATH: u64 = 1 << 18;
const RIGHT_STAT: u64 = 1 << 21;
const RIGHTS_OF_FILE: u64 = RIGHT_SEEK | RIGHT_SET_FLAGS | RIGHT_TELL | RIGHT_STAT;
const RIGHTS_OF_DIRECTORY: u64 =
    RIGHT_CREATE_FILE | RIGHT_OPEN | RIGHT_READ_DIRECTORY | RIGHT_STAT_PATH | RIGHT_STAT;

const PREOPEN_DIRECTORY: u8 = 0;
const ENTRY_BYTES: usize = 24;

/// What is asked of a path.
pub(super) struct OpenRequest {
    /// Where it is in memory, and how long.
    pub(super) path: (u32, u32),
    pub(super) lookup_flags: u32,
    pub(super) flags: u32,
    pub(super) rights: u64,
    pub(super) descriptor_flags: u32,
}

impl Command {
    pub(super) fn path_open(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        request: &OpenRequest,
        opened: u32,
    ) -> Answer {
        let from = self.descriptors.find(number)?.directory()?;
        let flags = u16::try_from(request.descriptor_flags).map_err(|_| Errno::Invalid)?;
        if request.lookup_flags & !LOOKUP_FLAGS_KNOWN != 0
            || request.flags & !OPEN_FLAGS_KNOWN != 0
            || flags & !FLAGS_KNOWN != 0
        {
            return Err(Errno::Invalid.into());
        }
        let path = memory.span(request.path.0, request.path.1)?;
        let place = self.tree.find(from, memory.bytes(path))?;
        // Before anything is created: a number that cannot be told would be lost.
        memory.span(opened, 4)?;
        let open = self.open(place, request)?;
        let number = self.descriptors.add(Descriptor::new(open, flags))?;
        Ok(memory.write_u32(opened, number)?)
    }

    fn open(&mut self, place: Place, request: &OpenRequest) -> Result<Open, Errno> {
        let asked = |flag| request.flags & flag != 0;
        let writes = request.rights & RIGHT_WRITE != 0;
        let exists = match place {
            Place::Directory(_) | Place::Table(_) => true,
            Place::Result => self.tree.result.exists(),
            Place::Nothing(_) => false,
        };
        if exists && asked(CREATE) && asked(EXCLUSIVE) {
            return Err(Errno::Exists);
        }
        if !exists && !asked(CREATE) {
            return Err(Errno::NoEntry);
        }
        if asked(MUST_BE_DIRECTORY) && !matches!(place, Place::Directory(_)) {
            return Err(Errno::NotDirectory);
        }
        match place {
            Place::Directory(_) if asked(TRUNCATE) || writes => Err(Errno::IsDirectory),
            Place::Directory(directory) => Ok(Open::Directory {
                directory,
                preopen: false,
            }),
            Place::Table(_) if asked(TRUNCATE) || writes => Err(Errno::ReadOnly),
            Place::Table(position) => Ok(Open::Table { position, at: 0 }),
            // What was written cannot be read again.
            Place::Result if !writes => Err(Errno::Access),
            Place::Result => {
                self.tree.result.create(asked(TRUNCATE));
                Ok(Open::Result { at: 0 })
            }
            Place::Nothing(Directory::In) => Err(Errno::ReadOnly),
            Place::Nothing(Directory::Out) => Err(Errno::NotPermitted),
        }
    }

    pub(super) fn fd_fdstat_get(&mut self, memory: &mut View<'_>, number: u32, at: u32) -> Answer {
        let descriptor = *self.descriptors.find(number)?;
        let (kind, rights, inherited) = match descriptor.open {
            Open::Input { .. } => (KIND_UNKNOWN, RIGHT_READ | RIGHT_SET_FLAGS, 0),
            Open::Output | Open::Log => (KIND_UNKNOWN, RIGHT_WRITE | RIGHT_SET_FLAGS, 0),
            Open::Table { .. } => (KIND_REGULAR, RIGHTS_OF_FILE | RIGHT_READ, 0),
            Open::Result { .. } => (KIND_REGULAR, RIGHTS_OF_FILE | RIGHT_WRITE, 0),
            // C libraries ask only for rights that are inherited: with both of them a file that cannot
            // be written is refused when it is opened, not when it is written.
            Open::Directory { .. } => {
                let inherited = RIGHTS_OF_DIRECTORY | RIGHTS_OF_FILE | RIGHT_READ | RIGHT_WRITE;
                (KIND_DIRECTORY, RIGHTS_OF_DIRECTORY, inherited)
            }
        };
        let mut stat = [0; 24];
        stat[0] = kind;
        stat[2..4].copy_from_slice(&descriptor.flags.to_le_bytes());
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        stat[16..24].copy_from_slice(&inherited.to_le_bytes());
        Ok(memory.write(at, &stat)?)
    }

    pub(super) fn fd_fdstat_set_flags(
        &mut self,
        _: &mut View<'_>,
        number: u32,
        flags: u32,
    ) -> Answer {
        let descriptor = self.descriptors.find(number)?;
        let known = u16::try_from(flags)
            .ok()
            .filter(|flags| flags & !FLAGS_KNOWN == 0);
        descriptor.flags = known.ok_or(Errno::Invalid)?;
        Ok(())
    }

    pub(super) fn fd_filestat_get(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        at: u32,
    ) -> Answer {
        let place = self.descriptors.find(number)?.place();
        let stat = self.filestat(place)?;
        Ok(memory.write(at, &stat)?)
    }

    pub(super) fn path_filestat_get(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        lookup_flags: u32,
        path: u32,
        path_bytes: u32,
        at: u32,
    ) -> Answer {
        let from = self.descriptors.find(number)?.directory()?;
        if lookup_flags & !LOOKUP_FLAGS_KNOWN != 0 {
            return Err(Errno::Invalid.into());
        }
        let path = memory.span(path, path_bytes)?;
        let place = self.tree.find(from, memory.bytes(path))?;
        if place == Place::Result && !self.tree.result.exists() {
            return Err(Errno::NoEntry.into());
        }
        let stat = self.filestat(Some(place))?;
        Ok(memory.write(at, &stat)?)
    }

    /// Device 1; a number per file; one link; the length; no times.
    fn filestat(&mut self, place: Option<Place>) -> Result<[u8; 64], Refusal> {
        let (kind, length) = match place {
            None => (KIND_UNKNOWN, 0),
            Some(Place::Directory(_)) => (KIND_DIRECTORY, 0),
            Some(Place::Table(position)) => (KIND_REGULAR, self.tree.table(position)?.len()?),
            Some(Place::Result) => (KIND_REGULAR, self.tree.result.len()),
            Some(Place::Nothing(_)) => return Err(Errno::NoEntry.into()),
        };
        let mut stat = [0; 64];
        stat[0..8].copy_from_slice(&1u64.to_le_bytes());
        stat[8..16].copy_from_slice(&place.map_or(0, inode).to_le_bytes());
        stat[16] = kind;
        stat[24..32].copy_from_slice(&1u64.to_le_bytes());
        stat[32..40].copy_from_slice(&length.to_le_bytes());
        Ok(stat)
    }

    pub(super) fn fd_prestat_get(&mut self, memory: &mut View<'_>, number: u32, at: u32) -> Answer {
        let name = self.preopen(number)?;
        let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
        let mut stat = [0; 8];
        stat[0] = PREOPEN_DIRECTORY;
        stat[4..8].copy_from_slice(&length.to_le_bytes());
        Ok(memory.write(at, &stat)?)
    }

    pub(super) fn fd_prestat_dir_name(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        at: u32,
        length: u32,
    ) -> Answer {
        let name = self.preopen(number)?;
        if (length as usize) < name.len() {
            return Err(Errno::NameTooLong.into());
        }
        Ok(memory.write(at, name.as_bytes())?)
    }

    fn preopen(&mut self, number: u32) -> Result<&'static str, Errno> {
        match self.descriptors.find(number)?.open {
            Open::Directory {
                directory,
                preopen: true,
            } => Ok(directory.path()),
            _ => Err(Errno::NotSupported),
        }
    }

    /// The entries after the cookie, the last one cut where the buffer ends.
    pub(super) fn fd_readdir(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        buffer: u32,
        length: u32,
        cookie: u64,
        used: u32,
    ) -> Answer {
        let directory = self.descriptors.find(number)?.directory()?;
        let span = memory.span(buffer, length)?;
        let buffer = memory.bytes_mut(span);
        let mut filled = 0;
        for (next, (name, place)) in (1u64..).zip(self.tree.list(directory)) {
            if next <= cookie {
                continue;
            }
            let head = entry(next, name, place)?;
            for byte in head.iter().chain(name.as_bytes()) {
                let Some(free) = buffer.get_mut(filled) else {
                    break;
                };
                *free = *byte;
                filled += 1;
            }
        }
        let filled = u32::try_from(filled).map_err(|_| Errno::Overflow)?;
        Ok(memory.write_u32(used, filled)?)
    }
}

/// The fixed part of a directory entry: where the next one starts, the file's number, the length of
/// its name, its kind.
fn entry(next: u64, name: &str, place: Place) -> Result<[u8; ENTRY_BYTES], Errno> {
    let length = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    let mut entry = [0; ENTRY_BYTES];
    entry[0..8].copy_from_slice(&next.to_le_bytes());
    entry[8..16].copy_from_slice(&inode(place).to_le_bytes());
    entry[16..20].copy_from_slice(&length.to_le_bytes());
    entry[20] = KIND_REGULAR;
    Ok(entry)
}

fn inode(place: Place) -> u64 {
    match place {
        Place::Directory(Directory::In) => 1,
        Place::Directory(Directory::Out) => 2,
        Place::Result => 3,
        Place::Table(position) => 4 + position as u64,
        Place::Nothing(_) => 0,
    }
}
