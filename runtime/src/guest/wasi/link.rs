//! The imports of a command, each passed on with its memory.

use wasmtime::{Caller, Linker};

use super::command::{Answer, Command};
use super::errno::Refusal;
use super::files::OpenRequest;
use super::view::View;
use crate::guest::interface::GuestInterface;
use crate::guest::play::{memory, or_end};

const SUCCESS: i32 = 0;

type Linked = wasmtime::Result<()>;

/// Makes a call: success and error numbers are told, an end ends the guest.
fn call(
    caller: &mut Caller<'_, Command>,
    act: impl FnOnce(&mut Command, &mut View<'_>) -> Answer,
) -> wasmtime::Result<i32> {
    let answer = memory(caller).and_then(|memory| {
        let (bytes, command) = memory.data_and_store_mut(&mut *caller);
        match act(command, &mut View(bytes)) {
            Ok(()) => Ok(SUCCESS),
            Err(Refusal::Told(errno)) => Ok(i32::from(errno as u16)),
            Err(Refusal::Ended(outcome)) => Err(outcome),
        }
    });
    or_end(caller, answer)
}

/// Offers a call under its name: the arguments are passed on as they come.
macro_rules! offer {
    ($linker:ident, $name:ident($($argument:ident: $type:ty),*)) => {
        $linker.func_wrap(
            GuestInterface::WasiCommand.namespace(),
            stringify!($name),
            |mut caller: Caller<'_, Command>, $($argument: $type),*| {
                call(&mut caller, |command, memory| command.$name(memory, $($argument),*))
            },
        )?
    };
}

/// Offers the imports.
pub(super) fn link(linker: &mut Linker<Command>) -> Linked {
    offer!(linker, args_get(list: u32, text: u32));
    offer!(linker, args_sizes_get(count: u32, bytes: u32));
    offer!(linker, environ_get(list: u32, text: u32));
    offer!(linker, environ_sizes_get(count: u32, bytes: u32));
    offer!(linker, clock_res_get(clock: u32, at: u32));
    offer!(linker, clock_time_get(clock: u32, precision: u64, at: u32));
    offer!(linker, fd_close(fd: u32));
    offer!(linker, fd_fdstat_get(fd: u32, at: u32));
    offer!(linker, fd_fdstat_set_flags(fd: u32, flags: u32));
    offer!(linker, fd_filestat_get(fd: u32, at: u32));
    offer!(linker, fd_pread(fd: u32, buffers: u32, count: u32, at: i64, read: u32));
    offer!(linker, fd_prestat_dir_name(fd: u32, at: u32, length: u32));
    offer!(linker, fd_prestat_get(fd: u32, at: u32));
    offer!(linker, fd_read(fd: u32, buffers: u32, count: u32, read: u32));
    offer!(linker, fd_readdir(fd: u32, at: u32, length: u32, cookie: u64, used: u32));
    offer!(linker, fd_seek(fd: u32, offset: i64, whence: u32, at: u32));
    offer!(linker, fd_tell(fd: u32, at: u32));
    offer!(linker, fd_write(fd: u32, buffers: u32, count: u32, written: u32));
    offer!(linker, path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, at: u32));
    offer!(linker, poll_oneoff(asked: u32, events: u32, count: u32, answered: u32));
    offer!(linker, random_get(at: u32, length: u32));
    offer!(linker, sched_yield());
    path_open(linker)?;
    proc_exit(linker)
}

/// The one call with more arguments than a function should have.
fn path_open(linker: &mut Linker<Command>) -> Linked {
    linker.func_wrap(
        GuestInterface::WasiCommand.namespace(),
        "path_open",
        |mut caller: Caller<'_, Command>,
         fd: u32,
         lookup_flags: u32,
         path: u32,
         path_bytes: u32,
         flags: u32,
         rights: u64,
         _inherited: u64,
         descriptor_flags: u32,
         opened: u32| {
            let request = OpenRequest {
                path: (path, path_bytes),
                lookup_flags,
                flags,
                rights,
                descriptor_flags,
            };
            call(&mut caller, |command, memory| {
                command.path_open(memory, fd, &request, opened)
            })
        },
    )?;
    Ok(())
}

/// The one call that does not come back.
fn proc_exit(linker: &mut Linker<Command>) -> Linked {
    linker.func_wrap(
        GuestInterface::WasiCommand.namespace(),
        "proc_exit",
        |mut caller: Caller<'_, Command>, code: u32| -> wasmtime::Result<()> {
            let outcome = caller.data().exit(code);
            or_end(&mut caller, Err(outcome))
        },
    )?;
    Ok(())
}
