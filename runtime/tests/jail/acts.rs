//! What is tried from inside, one act a name. An act answers with the error number that it got, or
//! `done` where it was let through.
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::cast_possible_truncation,
    reason = "an attacker's calls; what keeps them from harm is the jail"
)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};

use libc::{c_int, c_long};
use runtime::TaskFn;

pub(crate) const TASKS: &[(&str, TaskFn)] = &[
    ("act", act),
    ("echo", |request, _| Ok(request.to_vec())),
    ("read", read_inputs),
    ("refuse", |_, _| Err(())),
    ("panic", |request, _| {
        panic!("{}", String::from_utf8_lossy(request))
    }),
    ("abort", |_, _| std::process::abort()),
    ("crash", |_, _| crash()),
    ("spin", |_, _| spin()),
    ("memory", memory_bomb),
    ("threads", thread_bomb),
    ("descriptors", descriptor_bomb),
    ("answer", |request, _| {
        let bytes: usize = std::str::from_utf8(request).unwrap().parse().unwrap();
        Ok(vec![7; bytes])
    }),
    ("overflow-output", overflow_output),
    ("open-descriptors", open_descriptors),
    ("say", say),
];

const ROOT: &CStr = c"/";
const PASSWD: &CStr = c"/etc/passwd";

fn act(request: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    let name = std::str::from_utf8(request).map_err(|_| ())?;
    let (_, try_it) = ACTS.iter().find(|(known, _)| *known == name).ok_or(())?;
    // SAFETY: each act passes pointers to what lives long enough, or none.
    let answer = unsafe { try_it() };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    Ok(if answer < 0 {
        format!("errno {errno}")
    } else {
        "done".to_owned()
    }
    .into_bytes())
}

type Act = unsafe fn() -> c_long;

macro_rules! syscall {
    ($number:ident $(, $argument:expr)*) => {
        (|| unsafe { libc::syscall(libc::$number $(, $argument)*) }) as Act
    };
}

/// Something that is not null, for calls that look at their pointers first.
static SCRATCH: [u64; 64] = [0; 64];

fn scratch() -> *const u64 {
    SCRATCH.as_ptr()
}

const EXECUTABLE: c_int = libc::PROT_READ | libc::PROT_EXEC;
const PRIVATE: c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

pub(crate) const ACTS: &[(&str, Act)] = &[
    (
        "openat",
        syscall!(SYS_openat, libc::AT_FDCWD, PASSWD.as_ptr(), libc::O_RDONLY),
    ),
    (
        "openat-root",
        syscall!(SYS_openat, libc::AT_FDCWD, ROOT.as_ptr(), libc::O_PATH),
    ),
    (
        "openat-create",
        syscall!(
            SYS_openat,
            libc::AT_FDCWD,
            c"x".as_ptr(),
            libc::O_CREAT | libc::O_RDWR,
            0o600
        ),
    ),
    (
        "openat2",
        syscall!(SYS_openat2, libc::AT_FDCWD, PASSWD.as_ptr(), scratch(), 24),
    ),
    (
        "stat",
        syscall!(
            SYS_newfstatat,
            libc::AT_FDCWD,
            PASSWD.as_ptr(),
            scratch(),
            0
        ),
    ),
    (
        "statx",
        syscall!(
            SYS_statx,
            libc::AT_FDCWD,
            PASSWD.as_ptr(),
            0,
            0x7ff,
            scratch()
        ),
    ),
    (
        "readlink",
        syscall!(
            SYS_readlinkat,
            libc::AT_FDCWD,
            PASSWD.as_ptr(),
            scratch(),
            64
        ),
    ),
    (
        "mkdir",
        syscall!(SYS_mkdirat, libc::AT_FDCWD, c"/x".as_ptr(), 0o700),
    ),
    (
        "unlink",
        syscall!(SYS_unlinkat, libc::AT_FDCWD, c"/x".as_ptr(), 0),
    ),
    ("chdir", syscall!(SYS_chdir, ROOT.as_ptr())),
    ("chroot", syscall!(SYS_chroot, ROOT.as_ptr())),
    (
        "mount",
        syscall!(
            SYS_mount,
            c"none".as_ptr(),
            ROOT.as_ptr(),
            c"proc".as_ptr(),
            0,
            0
        ),
    ),
    ("umount", syscall!(SYS_umount2, ROOT.as_ptr(), 0)),
    (
        "pivot-root",
        syscall!(SYS_pivot_root, ROOT.as_ptr(), ROOT.as_ptr()),
    ),
    (
        "open-by-handle",
        syscall!(SYS_open_by_handle_at, 0, scratch(), 0),
    ),
    (
        "socket-inet",
        syscall!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
    ),
    (
        "socket-inet6",
        syscall!(SYS_socket, libc::AF_INET6, libc::SOCK_DGRAM, 0),
    ),
    (
        "socket-unix",
        syscall!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
    ),
    (
        "socket-netlink",
        syscall!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0),
    ),
    (
        "socketpair",
        syscall!(
            SYS_socketpair,
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            0,
            scratch()
        ),
    ),
    ("connect", syscall!(SYS_connect, 3, scratch(), 16)),
    ("bind", syscall!(SYS_bind, 3, scratch(), 16)),
    ("sendto", syscall!(SYS_sendto, 3, scratch(), 8, 0, 0, 0)),
    ("sendmsg-elsewhere", syscall!(SYS_sendmsg, 4, scratch(), 0)),
    ("recvmsg-elsewhere", syscall!(SYS_recvmsg, 4, scratch(), 0)),
    ("execve", syscall!(SYS_execve, c"/bin/sh".as_ptr(), 0, 0)),
    (
        "execveat",
        syscall!(SYS_execveat, 4, c"".as_ptr(), 0, 0, libc::AT_EMPTY_PATH),
    ),
    ("fork", || unsafe {
        libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)
    }),
    (
        "clone-namespace",
        syscall!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0),
    ),
    (
        "clone-thread-and-namespace",
        syscall!(
            SYS_clone,
            libc::CLONE_THREAD
                | libc::CLONE_VM
                | libc::CLONE_SIGHAND
                | libc::CLONE_FS
                | libc::CLONE_NEWNS,
            0,
            0,
            0,
            0
        ),
    ),
    ("clone3", syscall!(SYS_clone3, scratch(), 88)),
    ("kill-self", || unsafe {
        c_long::from(libc::kill(libc::getpid(), libc::SIGTERM))
    }),
    ("kill-all", || unsafe {
        c_long::from(libc::kill(-1, libc::SIGKILL))
    }),
    ("kill-host-init", || unsafe {
        c_long::from(libc::kill(1, libc::SIGKILL))
    }),
    ("tgkill", syscall!(SYS_tgkill, 1, 1, libc::SIGTERM)),
    (
        "ptrace",
        syscall!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
    ),
    (
        "process-vm-readv",
        syscall!(SYS_process_vm_readv, 1, scratch(), 1, scratch(), 1, 0),
    ),
    (
        "process-vm-writev",
        syscall!(SYS_process_vm_writev, 1, scratch(), 1, scratch(), 1, 0),
    ),
    ("pidfd-open", syscall!(SYS_pidfd_open, 1, 0)),
    ("pidfd-getfd", syscall!(SYS_pidfd_getfd, 3, 0, 0)),
    ("unshare", syscall!(SYS_unshare, libc::CLONE_NEWUSER)),
    ("setns", syscall!(SYS_setns, 3, 0)),
    ("setuid", syscall!(SYS_setuid, 0)),
    ("capset", syscall!(SYS_capset, scratch(), scratch())),
    ("setrlimit", || {
        let raised = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        unsafe {
            libc::syscall(
                libc::SYS_prlimit64,
                0,
                libc::RLIMIT_DATA,
                &raw const raised,
                0,
            )
        }
    }),
    (
        "setrlimit-of-another",
        syscall!(SYS_prlimit64, 2, libc::RLIMIT_DATA, scratch(), 0),
    ),
    (
        "seccomp",
        syscall!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, scratch()),
    ),
    (
        "dumpable",
        syscall!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
    ),
    (
        "undo-parent-death",
        syscall!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0),
    ),
    ("sethostname", syscall!(SYS_sethostname, c"x".as_ptr(), 1)),
    (
        "clock-settime",
        syscall!(SYS_clock_settime, libc::CLOCK_REALTIME, scratch()),
    ),
    ("settimeofday", syscall!(SYS_settimeofday, scratch(), 0)),
    ("adjtimex", syscall!(SYS_adjtimex, scratch())),
    ("io-uring", syscall!(SYS_io_uring_setup, 8, scratch())),
    ("userfaultfd", syscall!(SYS_userfaultfd, 0)),
    ("bpf", syscall!(SYS_bpf, 0, scratch(), 64)),
    (
        "perf-event",
        syscall!(SYS_perf_event_open, scratch(), 0, -1, -1, 0),
    ),
    ("keyctl", syscall!(SYS_keyctl, 0, 0, 0, 0, 0)),
    (
        "init-module",
        syscall!(SYS_init_module, scratch(), 8, c"".as_ptr()),
    ),
    ("kexec", syscall!(SYS_kexec_load, 0, 0, scratch(), 0)),
    (
        "reboot",
        syscall!(SYS_reboot, 0xfee1_dead_u32, 672_274_793, 0, 0),
    ),
    ("memfd", syscall!(SYS_memfd_create, c"x".as_ptr(), 0)),
    ("memfd-secret", syscall!(SYS_memfd_secret, 0)),
    ("pipe", syscall!(SYS_pipe2, scratch(), 0)),
    ("eventfd", syscall!(SYS_eventfd2, 0, 0)),
    ("epoll", syscall!(SYS_epoll_create1, 0)),
    ("timerfd", syscall!(SYS_timerfd_create, 1, 0)),
    ("inotify", syscall!(SYS_inotify_init1, 0)),
    ("dup", syscall!(SYS_dup, 2)),
    ("ioctl", syscall!(SYS_ioctl, 0, libc::TIOCSTI, scratch())),
    ("fcntl-seals", syscall!(SYS_fcntl, 4, libc::F_ADD_SEALS, 0)),
    ("fcntl-owner", syscall!(SYS_fcntl, 3, libc::F_SETOWN, 1)),
    ("truncate", syscall!(SYS_ftruncate, 5, 1u64 << 40)),
    ("fallocate", syscall!(SYS_fallocate, 5, 0, 0, 1u64 << 40)),
    ("write-program", syscall!(SYS_write, 4, scratch(), 8)),
    ("read-output", syscall!(SYS_pread64, 5, scratch(), 8, 0)),
    ("shmget", syscall!(SYS_shmget, 0, 4096, 0o1600)),
    ("mq-open", syscall!(SYS_mq_open, c"x".as_ptr(), 0)),
    (
        "mmap-executable",
        syscall!(SYS_mmap, 0, 4096, EXECUTABLE, PRIVATE, -1, 0),
    ),
    (
        "mmap-writable-executable",
        syscall!(
            SYS_mmap,
            0,
            4096,
            EXECUTABLE | libc::PROT_WRITE,
            PRIVATE,
            -1,
            0
        ),
    ),
    (
        "mmap-shared",
        syscall!(
            SYS_mmap,
            0,
            4096,
            libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0
        ),
    ),
    (
        "mmap-file",
        syscall!(SYS_mmap, 0, 4096, libc::PROT_READ, libc::MAP_PRIVATE, 4, 0),
    ),
    ("mprotect-executable", || unsafe {
        let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, PRIVATE, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        c_long::from(libc::mprotect(page, 4096, EXECUTABLE))
    }),
    (
        "pkey-mprotect",
        syscall!(SYS_pkey_mprotect, scratch(), 4096, EXECUTABLE, -1),
    ),
    #[cfg(target_arch = "x86_64")]
    (
        "open-legacy",
        syscall!(SYS_open, PASSWD.as_ptr(), libc::O_RDONLY),
    ),
    #[cfg(target_arch = "x86_64")]
    ("fork-legacy", syscall!(SYS_fork)),
    #[cfg(target_arch = "x86_64")]
    ("x32", || unsafe {
        libc::syscall(
            0x4000_0000 + libc::SYS_openat,
            libc::AT_FDCWD,
            PASSWD.as_ptr(),
            0,
        )
    }),
    #[cfg(target_arch = "x86_64")]
    ("i386", || unsafe {
        let answer: u64;
        // Number 5 is `open` there; the address would be cut to 32 bits.
        std::arch::asm!("int 0x80", inlateout("rax") 5u64 => answer, options(nostack));
        if answer as i32 as i64 >= 0 { 0 } else { -1 }
    }),
    ("getpid", syscall!(SYS_getpid)),
];

fn read_inputs(_: &[u8], inputs: Vec<File>) -> Result<Vec<u8>, ()> {
    let mut all = Vec::new();
    for mut input in inputs {
        input.read_to_end(&mut all).map_err(|_| ())?;
        if input.write(b"x").is_ok() {
            return Err(());
        }
    }
    Ok(all)
}

fn crash() -> ! {
    // SAFETY: the crash is the point.
    unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) };
    std::process::abort()
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

fn memory_bomb(request: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    if request == b"once" {
        return Ok(vec![std::hint::black_box(1u8); 1 << 40]);
    }
    // As many MiB as are asked for, or all that there are.
    let asked = std::str::from_utf8(request).map_err(|_| ())?.parse();
    let mut held = Vec::new();
    while asked.as_ref().map_or(true, |asked| held.len() < *asked) {
        held.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
    Ok(Vec::new())
}

fn thread_bomb(_: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    let mut threads = 0;
    let started = std::thread::Builder::new().stack_size(64 * 1024);
    let mut next = Some(started);
    while let Some(builder) = next.take() {
        if builder
            .spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)))
            .is_err()
        {
            break;
        }
        threads += 1;
        if threads < 10_000 {
            next = Some(std::thread::Builder::new().stack_size(64 * 1024));
        }
    }
    Ok(threads.to_string().into_bytes())
}

fn descriptor_bomb(_: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    let mut count = 0;
    // SAFETY: duplicates a descriptor that exists and is not used otherwise.
    while count < 100_000 && unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 0) } >= 0 {
        count += 1;
    }
    Ok(count.to_string().into_bytes())
}

/// Writes to the output's descriptor past its limit, as code that took the worker over would.
fn overflow_output(_: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    let block = [1u8; 65_536];
    for number in 4..16 {
        loop {
            // SAFETY: the buffer lives; the number may be anything.
            let written = unsafe { libc::write(number, block.as_ptr().cast(), block.len()) };
            if written < 0 {
                break;
            }
        }
    }
    Ok(Vec::new())
}

/// Which descriptors are open, and what they are.
fn open_descriptors(_: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    let mut seen = Vec::new();
    for number in 0..1024 {
        // SAFETY: `stat` is plain data.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the structure lives; the number may be anything.
        if unsafe { libc::fstat(number, &raw mut stat) } == 0 {
            let kind = match stat.st_mode & libc::S_IFMT {
                libc::S_IFREG => "file",
                libc::S_IFSOCK => "socket",
                libc::S_IFCHR => "null",
                libc::S_IFDIR => "folder",
                _ => "other",
            };
            // SAFETY: reads flags of a number.
            let flags = unsafe { libc::fcntl(number, libc::F_GETFL) } & libc::O_ACCMODE;
            seen.push(format!("{number}:{kind}:{flags}"));
        }
    }
    Ok(seen.join(" ").into_bytes())
}

/// Sends bytes of its own over the control socket, then waits to be killed.
fn say(request: &[u8], _: Vec<File>) -> Result<Vec<u8>, ()> {
    // SAFETY: `msghdr` is plain data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut part = libc::iovec {
        iov_base: request.as_ptr().cast_mut().cast(),
        iov_len: request.len(),
    };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: the message and its part live during the call.
    unsafe { libc::sendmsg(3, &raw const message, 0) };
    std::thread::sleep(std::time::Duration::from_secs(600));
    Ok(Vec::new())
}
