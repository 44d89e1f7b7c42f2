//! Each forbidden act is tried from inside; each has one expected answer.

use libtest_mimic::Trial;
use runtime::{Fault, Outcome};

use crate::acts::ACTS;
use crate::support::{answer, run_alone, task, test};

const EPERM: Expected = Expected::Errno(libc::EPERM);
const ENOSYS: Expected = Expected::Errno(libc::ENOSYS);
const EBADF: Expected = Expected::Errno(libc::EBADF);

#[derive(Clone, Copy)]
enum Expected {
    Errno(i32),
    Killed,
    Done,
}

fn expected(act: &str) -> Expected {
    match act {
        "getpid" => Expected::Done,
        "clone3" | "memfd" => ENOSYS,
        "read-output" => EBADF,
        "chroot" | "mount" | "umount" | "pivot-root" | "open-by-handle" | "socket-inet"
        | "socket-inet6" | "socket-unix" | "socket-netlink" | "connect" | "bind" | "execve"
        | "execveat" | "ptrace" | "process-vm-readv" | "process-vm-writev" | "pidfd-open"
        | "pidfd-getfd" | "unshare" | "setns" | "clock-settime" | "settimeofday" | "adjtimex"
        | "io-uring" | "userfaultfd" | "bpf" | "perf-event" | "keyctl" | "init-module"
        | "kexec" | "reboot" | "i386" => Expected::Killed,
        _ => EPERM,
    }
}

pub(crate) fn tests() -> Vec<Trial> {
    let descriptors = test("forbidden::descriptors_are_those_of_the_run", descriptors);
    let acts = ACTS.iter().map(|(act, _)| {
        let act = *act;
        test(format!("forbidden::{act}"), move || tried(act))
    });
    acts.chain([descriptors]).collect()
}

async fn tried(act: &'static str) {
    let completed = run_alone(task("act", act.as_bytes())).await;
    match expected(act) {
        Expected::Killed => assert_eq!(completed.outcome, Outcome::Faulted(Fault::ForbiddenCall)),
        Expected::Errno(errno) => assert_eq!(answer(&completed), format!("errno {errno}")),
        Expected::Done => assert_eq!(answer(&completed), "done"),
    }
}

/// Null device twice, fault text, socket, program, output, log: and nothing else.
async fn descriptors() {
    let completed = run_alone(task("open-descriptors", b"")).await;
    let seen = answer(&completed);
    let kinds: Vec<_> = seen
        .split(' ')
        .map(|one| one.split_once(':').unwrap().1)
        .collect();
    let write_only = format!("file:{}", libc::O_WRONLY);
    let read_write = libc::O_RDWR;
    let expected = [
        &format!("null:{read_write}"),
        &format!("null:{}", libc::O_WRONLY),
        &write_only,
        &format!("socket:{read_write}"),
    ];
    assert_eq!(&kinds[..4], expected.map(String::as_str), "{seen}");
    let mut rest: Vec<_> = kinds[4..].to_vec();
    rest.sort_unstable();
    // The program is sealed in its content; output and log can only be written.
    let mut files = vec![write_only.clone(), write_only, format!("file:{read_write}")];
    files.sort_unstable();
    assert_eq!(rest, files, "{seen}");
}
