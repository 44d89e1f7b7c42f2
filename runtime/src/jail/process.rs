//! Process primitives without a safe wrapper: fork, wait with usage, descriptors by number.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which side of a fork.
pub(crate) enum Forked {
    /// The child.
    Child,
    /// The parent, with the child's number.
    Parent(i32),
}

/// How a process ended and what it and its own children used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    /// Exit code, or 128 + signal.
    pub(crate) code: i32,
    /// User and system time.
    pub(crate) cpu_us: u64,
    /// Largest resident set among them.
    pub(crate) resident_peak_bytes: u64,
}

/// Forks a process that has one thread.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the callers run before any thread is made, so the child holds no lock of a thread
    // that does not exist there.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid if pid > 0 => Ok(Forked::Parent(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends the process at once: no destructors, no exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Reaps a child, waiting for its end.
pub(crate) fn wait(pid: i32) -> io::Result<Ended> {
    let mut status = 0;
    // SAFETY: `rusage` is plain data for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live, writable values of the right type.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let code = if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    let micros = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds
            .saturating_mul(1_000_000)
            .saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    Ok(Ended {
        code,
        cpu_us: micros(usage.ru_utime).saturating_add(micros(usage.ru_stime)),
        resident_peak_bytes: u64::try_from(usage.ru_maxrss)
            .unwrap_or(0)
            .saturating_mul(1024),
    })
}

/// CPU time of this process so far.
pub(crate) fn cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0) / 1000)
}

/// Makes descriptor number `to` a copy of `from`, kept over exec.
pub(crate) fn replace_descriptor(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    // SAFETY: only numbers are passed; the callers replace standard descriptors, which no owned
    // value in this process refers to.
    if unsafe { libc::dup2(from.as_raw_fd(), to) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes every descriptor from `lowest` on.
pub(crate) fn close_from(lowest: RawFd) -> io::Result<()> {
    let first = libc::c_uint::try_from(lowest).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: only numbers are passed; the callers hold no owned descriptor in this range.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::ENOSYS) {
        return Err(error);
    }
    // Kernels before 5.9: every number that could be open.
    let highest = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let highest = highest
        .and_then(|highest| RawFd::try_from(highest).ok())
        .unwrap_or(1 << 20);
    (lowest..highest).for_each(close_number);
    Ok(())
}

/// Whether a descriptor of this number is open.
pub(crate) fn is_open(number: RawFd) -> bool {
    // SAFETY: `F_GETFD` reads a flag of a number and takes no pointer.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Closes a descriptor that no owned value of this process will use again: the caller waits and
/// ends without running destructors.
pub(crate) fn close_number(number: RawFd) {
    // SAFETY: closing a number has no memory effect; see above for why nothing dangles.
    unsafe { libc::close(number) };
}

/// Watches a handle of a process for its end. Must be called inside an async runtime.
pub(crate) fn watch(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open, under one number, until the watch is dropped with it.
    let watched = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) };
    watched.map_err(io::Error::from)
}
