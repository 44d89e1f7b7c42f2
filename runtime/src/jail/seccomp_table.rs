//! The system calls of a worker, as data. Seen under DataFusion scans, joins and aggregation and
//! under wasmtime's compiler, code memory and traps; whatever is not listed answers EPERM.

use libc::{
    CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID,
    CLONE_NEWUSER, CLONE_NEWUTS, CLONE_PTRACE, CLONE_SIGHAND, CLONE_THREAD, CLONE_UNTRACED,
    CLONE_VFORK, CLONE_VM, MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_WRITE,
};

/// What an argument must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Is {
    /// Equal to this, as 32 bits.
    Value(u32),
    /// Equal to this after masking with the first, as 32 bits.
    Masked(u32, u32),
    /// The control descriptor.
    Control,
    /// Not zero, as 64 bits: a pointer is passed.
    Pointer,
}

/// One way in which a call matches: all of these arguments, by position.
pub(super) type Rule = &'static [(u8, Is)];

/// A system call and the ways in which it matches; none means always.
pub(super) struct Call {
    pub(super) number: libc::c_long,
    pub(super) rules: &'static [Rule],
}

const fn always(number: libc::c_long) -> Call {
    Call { number, rules: &[] }
}

const fn when(number: libc::c_long, rules: &'static [Rule]) -> Call {
    Call { number, rules }
}

const fn flag(value: libc::c_int) -> u32 {
    value.cast_unsigned()
}

const EXEC: u32 = flag(PROT_EXEC);
const WRITE_EXEC: u32 = flag(PROT_WRITE | PROT_EXEC);
/// Private or shared, and whether there is a file behind it.
const SHARING: u32 = flag(libc::MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS);
const PRIVATE_MEMORY: u32 = flag(MAP_PRIVATE | MAP_ANONYMOUS);
const NOT_EXECUTABLE: Is = Is::Masked(EXEC, 0);
const EXECUTABLE_NOT_WRITABLE: Is = Is::Masked(WRITE_EXEC, EXEC);
const EXECUTABLE: Is = Is::Masked(EXEC, EXEC);
/// Flags that decide whether a clone is a thread, and those that would leave a namespace.
const CLONE_DECISIVE: u32 = flag(
    CLONE_THREAD
        | CLONE_VM
        | CLONE_FS
        | CLONE_SIGHAND
        | CLONE_VFORK
        | CLONE_PTRACE
        | CLONE_UNTRACED
        | CLONE_NEWNS
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET
        | CLONE_NEWIPC
        | CLONE_NEWUTS
        | CLONE_NEWCGROUP,
);
const CLONE_A_THREAD: u32 = flag(CLONE_THREAD | CLONE_VM | CLONE_FS | CLONE_SIGHAND);
const EMPTY_PATH: Is = Is::Masked(flag(libc::AT_EMPTY_PATH), flag(libc::AT_EMPTY_PATH));

/// Permitted from stage 1 on.
pub(super) const ALLOWED: &[Call] = &[
    // Threads: waiting, scheduling, starting and ending them.
    always(libc::SYS_futex),
    always(libc::SYS_sched_yield),
    always(libc::SYS_sched_getaffinity),
    always(libc::SYS_restart_syscall),
    when(
        libc::SYS_clone,
        &[&[(0, Is::Masked(CLONE_DECISIVE, CLONE_A_THREAD))]],
    ),
    always(libc::SYS_set_robust_list),
    always(libc::SYS_rseq),
    always(libc::SYS_gettid),
    always(libc::SYS_getpid),
    always(libc::SYS_exit),
    always(libc::SYS_exit_group),
    // A thread's name; the other one is what installing a further filter asks for.
    when(
        libc::SYS_prctl,
        &[
            &[(0, Is::Value(flag(libc::PR_SET_NAME)))],
            &[(0, Is::Value(flag(libc::PR_SET_NO_NEW_PRIVS)))],
        ],
    ),
    // Memory: private, without a file behind it, never writable and executable at once. Shared
    // memory would not count against RLIMIT_DATA.
    when(
        libc::SYS_mmap,
        &[
            &[
                (2, NOT_EXECUTABLE),
                (3, Is::Masked(SHARING, PRIVATE_MEMORY)),
            ],
            &[
                (2, EXECUTABLE_NOT_WRITABLE),
                (3, Is::Masked(SHARING, PRIVATE_MEMORY)),
            ],
        ],
    ),
    // The just-in-time compiler turns finished code from writable to executable.
    when(
        libc::SYS_mprotect,
        &[&[(2, NOT_EXECUTABLE)], &[(2, EXECUTABLE_NOT_WRITABLE)]],
    ),
    always(libc::SYS_munmap),
    always(libc::SYS_mremap),
    always(libc::SYS_madvise),
    always(libc::SYS_brk),
    // Makes new code visible to other cores where the architecture needs it.
    always(libc::SYS_membarrier),
    // The descriptors that are there: inputs by position, output and log by appending.
    always(libc::SYS_read),
    always(libc::SYS_pread64),
    always(libc::SYS_write),
    always(libc::SYS_writev),
    always(libc::SYS_lseek),
    always(libc::SYS_close),
    always(libc::SYS_fstat),
    when(libc::SYS_newfstatat, &[&[(3, EMPTY_PATH)]]),
    when(libc::SYS_statx, &[&[(2, EMPTY_PATH)]]),
    when(
        libc::SYS_fcntl,
        &[
            &[(1, Is::Value(flag(libc::F_GETFD)))],
            &[(1, Is::Value(flag(libc::F_GETFL)))],
            &[(1, Is::Value(flag(libc::F_DUPFD_CLOEXEC)))],
        ],
    ),
    // The control socket and no other.
    when(libc::SYS_recvmsg, &[&[(0, Is::Control)]]),
    when(libc::SYS_sendmsg, &[&[(0, Is::Control)]]),
    // Traps of guest code arrive as signals; so do stack overflows.
    always(libc::SYS_rt_sigaction),
    always(libc::SYS_rt_sigprocmask),
    always(libc::SYS_rt_sigreturn),
    always(libc::SYS_sigaltstack),
    // Seeds of hash tables. It gives a guest nothing: WASM cannot call it, SQL has no function
    // that does.
    always(libc::SYS_getrandom),
    // Timers of the engine. Native code can read the time through the vDSO without any call; a
    // guest has no instruction for it and SQL no function.
    always(libc::SYS_clock_gettime),
    always(libc::SYS_clock_getres),
    always(libc::SYS_clock_nanosleep),
    always(libc::SYS_nanosleep),
    // Stage 2 lowers its own limits with these two, and then loses them.
    when(libc::SYS_prlimit64, &[&[(0, Is::Value(0))]]),
    always(libc::SYS_seccomp),
];

/// Calls that only a program that is up to something makes: the process dies.
pub(super) const KILLING: &[Call] = &[
    // Network.
    always(libc::SYS_socket),
    always(libc::SYS_connect),
    always(libc::SYS_bind),
    always(libc::SYS_listen),
    always(libc::SYS_accept),
    always(libc::SYS_accept4),
    // Other programs, other processes.
    always(libc::SYS_execve),
    always(libc::SYS_execveat),
    always(libc::SYS_ptrace),
    always(libc::SYS_process_vm_readv),
    always(libc::SYS_process_vm_writev),
    always(libc::SYS_process_madvise),
    always(libc::SYS_pidfd_open),
    always(libc::SYS_pidfd_getfd),
    always(libc::SYS_pidfd_send_signal),
    always(libc::SYS_kcmp),
    // Kernel surface with a history.
    always(libc::SYS_bpf),
    always(libc::SYS_perf_event_open),
    always(libc::SYS_userfaultfd),
    always(libc::SYS_io_uring_setup),
    always(libc::SYS_io_uring_enter),
    always(libc::SYS_io_uring_register),
    always(libc::SYS_keyctl),
    always(libc::SYS_add_key),
    always(libc::SYS_request_key),
    always(libc::SYS_init_module),
    always(libc::SYS_finit_module),
    always(libc::SYS_delete_module),
    always(libc::SYS_kexec_load),
    // Leaving the jail.
    always(libc::SYS_mount),
    always(libc::SYS_umount2),
    always(libc::SYS_pivot_root),
    always(libc::SYS_chroot),
    always(libc::SYS_setns),
    always(libc::SYS_unshare),
    always(libc::SYS_open_by_handle_at),
    always(libc::SYS_fsopen),
    always(libc::SYS_fsmount),
    always(libc::SYS_move_mount),
    always(libc::SYS_open_tree),
    // The host's clock and power.
    always(libc::SYS_clock_settime),
    always(libc::SYS_settimeofday),
    always(libc::SYS_adjtimex),
    always(libc::SYS_clock_adjtime),
    always(libc::SYS_reboot),
];

/// Calls that libraries try first and do without only when the kernel seems not to know them.
pub(super) const UNKNOWN: &[Call] = &[
    // Its flags are behind a pointer where no filter sees them; libc falls back to `clone`.
    always(libc::SYS_clone3),
    // wasmtime falls back to plain memory.
    always(libc::SYS_memfd_create),
];

/// Taken away in stage 2.
pub(super) const SEALED: &[Call] = &[
    when(libc::SYS_mmap, &[&[(2, EXECUTABLE)]]),
    when(libc::SYS_mprotect, &[&[(2, EXECUTABLE)]]),
    // Reading a limit stays: libc does, when it measures a stack.
    when(libc::SYS_prlimit64, &[&[(2, Is::Pointer)]]),
    always(libc::SYS_seccomp),
];
