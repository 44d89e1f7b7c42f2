//! Calls that read, write and move in open files.

use super::command::{Answer, Command};
use super::descriptors::Open;
use super::errno::{Errno, Refusal};
use super::table_file::MAGIC_BYTES;
use super::view::View;

const FROM_START: u32 = 0;
const FROM_HERE: u32 = 1;
const FROM_END: u32 = 2;

impl Command {
    pub(super) fn fd_read(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        buffers: u32,
        count: u32,
        read: u32,
    ) -> Answer {
        let descriptor = *self.descriptors.find(number)?;
        let at = match descriptor.open {
            Open::Input { at } | Open::Table { at, .. } => at,
            Open::Directory { .. } => return Err(Errno::IsDirectory.into()),
            Open::Output | Open::Log | Open::Result { .. } => {
                return Err(Errno::BadDescriptor.into());
            }
        };
        let bytes = self.scatter(memory, descriptor.open, at, buffers, count)?;
        match &mut self.descriptors.find(number)?.open {
            Open::Input { at } | Open::Table { at, .. } => {
                *at = at.saturating_add(u64::from(bytes))
            }
            _ => {}
        }
        Ok(memory.write_u32(read, bytes)?)
    }

    pub(super) fn fd_pread(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        buffers: u32,
        count: u32,
        at: i64,
        read: u32,
    ) -> Answer {
        let descriptor = *self.descriptors.find(number)?;
        let at = u64::try_from(at).map_err(|_| Errno::Invalid)?;
        match descriptor.open {
            Open::Table { .. } => {}
            Open::Directory { .. } => return Err(Errno::IsDirectory.into()),
            Open::Result { .. } => return Err(Errno::BadDescriptor.into()),
            Open::Input { .. } | Open::Output | Open::Log => {
                return Err(Errno::IllegalSeek.into());
            }
        }
        let bytes = self.scatter(memory, descriptor.open, at, buffers, count)?;
        Ok(memory.write_u32(read, bytes)?)
    }

    /// Reads into the buffers until they or the file end.
    fn scatter(
        &mut self,
        memory: &mut View<'_>,
        open: Open,
        at: u64,
        buffers: u32,
        count: u32,
    ) -> Result<u32, Refusal> {
        let mut total = 0u32;
        for span in memory.buffers(buffers, count)? {
            let buffer = memory.bytes_mut(span);
            let read = self.read_at(open, at.saturating_add(u64::from(total)), buffer)?;
            total += u32::try_from(read).map_err(|_| Errno::Overflow)?;
            if read < buffer.len() {
                break;
            }
        }
        Ok(total)
    }

    fn read_at(&mut self, open: Open, at: u64, buffer: &mut [u8]) -> Result<usize, Refusal> {
        let (table, at, end) = match open {
            Open::Table { position, .. } => (self.tree.table(position)?, at, u64::MAX),
            // The stream inside the file of the first input.
            Open::Input { .. } if self.tree.has_tables() => {
                let table = self.tree.table(0)?;
                let end = table.stream_end()?;
                (table, at.saturating_add(MAGIC_BYTES), end)
            }
            _ => return Ok(0),
        };
        let room = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(room);
        Ok(table.read_at(at, &mut buffer[..length])?)
    }

    pub(super) fn fd_write(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        buffers: u32,
        count: u32,
        written: u32,
    ) -> Answer {
        let descriptor = *self.descriptors.find(number)?;
        match descriptor.open {
            Open::Output | Open::Log | Open::Result { .. } => {}
            Open::Directory { .. } => return Err(Errno::IsDirectory.into()),
            Open::Input { .. } | Open::Table { .. } => return Err(Errno::BadDescriptor.into()),
        }
        let mut total = 0u32;
        for span in memory.buffers(buffers, count)? {
            self.put(number, memory.bytes(span))?;
            total += u32::try_from(memory.bytes(span).len()).map_err(|_| Errno::Overflow)?;
        }
        Ok(memory.write_u32(written, total)?)
    }

    fn put(&mut self, number: u32, bytes: &[u8]) -> Answer {
        let descriptor = self.descriptors.find(number)?;
        let appends = descriptor.appends();
        match &mut descriptor.open {
            Open::Output => self.tree.result.print(bytes),
            Open::Log => {
                // What does not fit is dropped, and the guest not told.
                self.common.log.add(bytes);
                Ok(())
            }
            Open::Result { at } => {
                if appends {
                    *at = self.tree.result.len();
                }
                self.tree.result.write_at(*at, bytes)?;
                *at = at.saturating_add(bytes.len() as u64);
                Ok(())
            }
            _ => Err(Errno::BadDescriptor.into()),
        }
    }

    pub(super) fn fd_seek(
        &mut self,
        memory: &mut View<'_>,
        number: u32,
        offset: i64,
        whence: u32,
        position: u32,
    ) -> Answer {
        let here = self.position(number)?;
        let base = match whence {
            FROM_START => 0,
            FROM_HERE => here,
            FROM_END => self.length(number)?,
            _ => return Err(Errno::Invalid.into()),
        };
        let target = base
            .checked_add_signed(offset)
            .filter(|target| i64::try_from(*target).is_ok())
            .ok_or(Errno::Invalid)?;
        memory.write_u64(position, target)?;
        match &mut self.descriptors.find(number)?.open {
            Open::Table { at, .. } | Open::Result { at } => *at = target,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn fd_tell(&mut self, memory: &mut View<'_>, number: u32, position: u32) -> Answer {
        let here = self.position(number)?;
        Ok(memory.write_u64(position, here)?)
    }

    fn position(&mut self, number: u32) -> Result<u64, Errno> {
        match self.descriptors.find(number)?.open {
            Open::Table { at, .. } | Open::Result { at } => Ok(at),
            Open::Directory { .. } => Err(Errno::IsDirectory),
            Open::Input { .. } | Open::Output | Open::Log => Err(Errno::IllegalSeek),
        }
    }

    fn length(&mut self, number: u32) -> Result<u64, Refusal> {
        match self.descriptors.find(number)?.open {
            Open::Table { position, .. } => Ok(self.tree.table(position)?.len()?),
            _ => Ok(self.tree.result.len()),
        }
    }

    pub(super) fn fd_close(&mut self, _: &mut View<'_>, number: u32) -> Answer {
        Ok(self.descriptors.close(number)?)
    }
}
