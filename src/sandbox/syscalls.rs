//! System calls by seccomp: a list of what programs need; the rest does not exist.
//!
//! Two filters. The first allows the listed calls and answers `ENOSYS` to all others, as a kernel does
//! that has never heard of them, so that programs fall back (glibc from `clone3` to `clone`, whose flags,
//! unlike those of `clone3`, a filter can see). An allow-list also covers calls of kernels to come and
//! x86-64's second numbering (x32). The second filter answers `EPERM` where "not permitted" is the
//! clearer answer; of two refusals the kernel reports the later filter's.
//!
//! With no namespaces around ([`Surround::Bare`]) the filter also stands in for what Landlock leaves open:
//!
//! - *Sockets.* Landlock knows TCP ports only: UDP and raw sockets pass, and so, before version 9, does
//!   `connect` to the path of a UNIX socket. So no socket can be made. `socketpair` can, but of UNIX
//!   streams only: a datagram socket of a pair could send to any path.
//! - *Attributes.* Landlock does not govern modes, owners, times and extended attributes: the calls that
//!   change them are denied altogether, and those that watch files. (Looking at attributes with `stat`
//!   cannot be denied: whether a path exists outside, and its size and times, can be seen.)
//! - *Other processes.* Scheduling and limits may be set for oneself only. Signals are Landlock's from
//!   version 6; before it only `SIGURG`, which Go needs between its threads and which is harmless, passes.
//! - *Truncation* needs a right of its own from Landlock version 3 on; before it `truncate`, and `open`
//!   that truncates what it does not open for writing, are denied.

use std::collections::BTreeMap;

use libc as c;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::policy::Surround;

/// Enters both filters for the calling thread.
pub(super) fn restrict(surround: Surround, landlock: u32) -> Result<(), String> {
    for filter in filters(surround, landlock).map_err(|error| format!("seccomp: {error}"))? {
        seccompiler::apply_filter(&filter).map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(())
}

fn filters(surround: Surround, landlock: u32) -> Result<[BpfProgram; 2], BackendError> {
    let errno = |code: i32| SeccompAction::Errno(code.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    let allowed = allowed(surround, landlock)?;
    let denied = denied(surround, landlock)?;
    Ok([
        SeccompFilter::new(allowed, errno(c::ENOSYS), SeccompAction::Allow, arch)?.try_into()?,
        SeccompFilter::new(denied, SeccompAction::Allow, errno(c::EPERM), arch)?.try_into()?,
    ])
}

/// Calls mapped to the conditions under which they match; none means always.
type Rules = BTreeMap<c::c_long, Vec<SeccompRule>>;

fn always(calls: &[&[c::c_long]]) -> Rules {
    calls.iter().copied().flatten().map(|call| (*call, Vec::new())).collect()
}

/// A condition on the low half of an argument: all that are looked at are ints to the kernel.
fn condition(argument: u8, operator: SeccompCmpOp, value: i32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, u64::from(value.cast_unsigned()))
}

fn when(argument: u8, operator: SeccompCmpOp, value: i32) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(argument, operator, value)?])
}

/// One rule: these bits of an argument have this value.
fn when_bits(argument: u8, mask: i32, value: i32) -> Result<SeccompRule, BackendError> {
    when(argument, SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned())), value)
}

/// A signal the runtime of Go sends to its own threads; ignored by whoever does not expect it.
const SIGURG: i32 = c::SIGURG;

/// The flags of `clone` that make namespaces.
const NAMESPACES: &[i32] = &[
    c::CLONE_NEWNS,
    c::CLONE_NEWCGROUP,
    c::CLONE_NEWUTS,
    c::CLONE_NEWIPC,
    c::CLONE_NEWUSER,
    c::CLONE_NEWPID,
    c::CLONE_NEWNET,
];

fn allowed(surround: Surround, landlock: u32) -> Result<Rules, BackendError> {
    use SeccompCmpOp::Eq;
    let mut rules = always(&[MEMORY, FILES, PROCESSES, TIME, EVENTS, CONNECTED, LEGACY]);
    let every_namespace = NAMESPACES.iter().fold(0, |all, flag| all | flag);
    rules.insert(c::SYS_clone, vec![when_bits(0, every_namespace, 0)?]);
    match surround {
        Surround::Namespaces => {
            rules.extend(always(&[ATTRIBUTES, WATCHES, SOCKETS, SIGNALS, OTHERS, TRUNCATION]));
            let families =
                [c::AF_UNIX, c::AF_INET, c::AF_INET6].into_iter().map(|family| when(0, Eq, family));
            let mut sockets = families.collect::<Result<Vec<_>, _>>()?;
            // How programs list the network's interfaces.
            let netlink = condition(0, Eq, c::AF_NETLINK)?;
            sockets.push(SeccompRule::new(vec![netlink, condition(2, Eq, c::NETLINK_ROUTE)?])?);
            rules.insert(c::SYS_socket, sockets);
            rules.insert(c::SYS_socketpair, vec![when(0, Eq, c::AF_UNIX)?]);
        }
        Surround::Bare => {
            const KIND: i32 = 0xf;
            let stream = SeccompCmpOp::MaskedEq(u64::from(KIND.cast_unsigned()));
            let pair = vec![condition(0, Eq, c::AF_UNIX)?, condition(1, stream, c::SOCK_STREAM)?];
            rules.insert(c::SYS_socketpair, vec![SeccompRule::new(pair)?]);
            for call in OTHERS {
                rules.insert(*call, vec![when(0, Eq, 0)?]);
            }
            if landlock >= 6 {
                rules.extend(always(&[SIGNALS]));
            } else {
                rules.insert(c::SYS_tgkill, vec![when(2, Eq, SIGURG)?]);
            }
            if landlock >= 3 {
                rules.extend(always(&[TRUNCATION]));
            }
        }
    }
    Ok(rules)
}

fn denied(surround: Surround, landlock: u32) -> Result<Rules, BackendError> {
    use SeccompCmpOp::Eq;
    let mut rules = always(&[PRIVILEGED]);
    let bits = NAMESPACES.iter().map(|flag| when_bits(0, *flag, *flag));
    rules.insert(c::SYS_clone, bits.collect::<Result<_, _>>()?);
    // Typing into the terminal that started us.
    let typing = TYPING.into_iter().map(|request| when(1, Eq, request));
    rules.insert(c::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    if surround == Surround::Bare {
        rules.extend(always(&[ATTRIBUTES, WATCHES, SOCKETS]));
        rules.insert(c::SYS_socket, Vec::new());
        if landlock < 3 {
            rules.extend(always(&[TRUNCATION]));
            for (call, flags) in OPENS {
                let truncating = when_bits(*flags, c::O_TRUNC | c::O_ACCMODE, c::O_TRUNC)?;
                let accessless = when_bits(*flags, c::O_ACCMODE, c::O_ACCMODE)?;
                rules.insert(*call, vec![truncating, accessless]);
            }
        }
        if landlock < 6 {
            rules.extend(always(&[&[c::SYS_kill, c::SYS_tkill, c::SYS_pidfd_send_signal]]));
            let owning = [c::F_SETOWN, F_SETSIG, F_SETOWN_EX].into_iter().map(|command| when(1, Eq, command));
            rules.insert(c::SYS_fcntl, owning.collect::<Result<_, _>>()?);
            let owning = TYPING.into_iter().chain([FIOSETOWN, SIOCSPGRP]).map(|request| when(1, Eq, request));
            rules.insert(c::SYS_ioctl, owning.collect::<Result<_, _>>()?);
        }
    }
    Ok(rules)
}

/// Requests of `ioctl` that type into a terminal: `TIOCSTI` and `TIOCLINUX`, as ints, which C libraries disagree on.
const TYPING: [i32; 2] = [0x5412, 0x541c];

/// Ways to have the kernel send a signal when a file is ready, to anybody.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const FIOSETOWN: i32 = 0x8901;
const SIOCSPGRP: i32 = 0x8902;

#[rustfmt::skip]
const MEMORY: &[c::c_long] = &[
    c::SYS_brk, c::SYS_madvise, c::SYS_mincore, c::SYS_mlock, c::SYS_mlock2, c::SYS_mmap, c::SYS_mprotect,
    c::SYS_mremap, c::SYS_msync, c::SYS_munlock, c::SYS_munmap, c::SYS_membarrier, c::SYS_get_mempolicy,
    c::SYS_pkey_alloc, c::SYS_pkey_free, c::SYS_pkey_mprotect,
];

#[rustfmt::skip]
const FILES: &[c::c_long] = &[
    c::SYS_openat, c::SYS_close, c::SYS_close_range, c::SYS_read, c::SYS_write, c::SYS_readv, c::SYS_writev,
    c::SYS_pread64, c::SYS_pwrite64, c::SYS_preadv, c::SYS_pwritev, c::SYS_preadv2, c::SYS_pwritev2, c::SYS_lseek,
    c::SYS_fstat, c::SYS_newfstatat, c::SYS_statx, c::SYS_statfs, c::SYS_fstatfs, c::SYS_faccessat,
    c::SYS_faccessat2, c::SYS_readlinkat, c::SYS_getdents64, c::SYS_getcwd, c::SYS_chdir, c::SYS_fchdir,
    c::SYS_mkdirat, c::SYS_unlinkat, c::SYS_renameat, c::SYS_renameat2, c::SYS_linkat, c::SYS_symlinkat,
    c::SYS_mknodat, c::SYS_umask, c::SYS_fsync, c::SYS_fdatasync, c::SYS_sync_file_range, c::SYS_fallocate,
    c::SYS_ftruncate, c::SYS_flock, c::SYS_fcntl, c::SYS_ioctl, c::SYS_dup, c::SYS_dup3, c::SYS_pipe2,
    c::SYS_copy_file_range, c::SYS_sendfile, c::SYS_splice, c::SYS_tee, c::SYS_fadvise64, c::SYS_readahead,
    c::SYS_getxattr, c::SYS_lgetxattr, c::SYS_fgetxattr, c::SYS_listxattr, c::SYS_llistxattr, c::SYS_flistxattr,
];

#[rustfmt::skip]
const PROCESSES: &[c::c_long] = &[
    c::SYS_execve, c::SYS_execveat, c::SYS_exit, c::SYS_exit_group, c::SYS_wait4, c::SYS_waitid, c::SYS_getpid,
    c::SYS_getppid, c::SYS_gettid, c::SYS_getpgid, c::SYS_getsid, c::SYS_getuid, c::SYS_geteuid, c::SYS_getgid,
    c::SYS_getegid, c::SYS_getresuid, c::SYS_getresgid, c::SYS_getgroups, c::SYS_set_tid_address,
    c::SYS_set_robust_list, c::SYS_get_robust_list, c::SYS_rseq, c::SYS_futex, c::SYS_sched_yield,
    c::SYS_sched_getaffinity, c::SYS_sched_getparam, c::SYS_sched_getscheduler, c::SYS_sched_get_priority_max,
    c::SYS_sched_get_priority_min, c::SYS_getpriority, c::SYS_getrusage, c::SYS_getcpu, c::SYS_uname,
    c::SYS_sysinfo, c::SYS_times, c::SYS_prctl, c::SYS_seccomp, c::SYS_landlock_create_ruleset,
    c::SYS_landlock_add_rule, c::SYS_landlock_restrict_self, c::SYS_capget, c::SYS_getrlimit, c::SYS_setrlimit, c::SYS_personality, c::SYS_getrandom,
    c::SYS_rt_sigaction, c::SYS_rt_sigprocmask, c::SYS_rt_sigreturn, c::SYS_rt_sigpending, c::SYS_rt_sigsuspend,
    c::SYS_rt_sigtimedwait, c::SYS_sigaltstack, c::SYS_restart_syscall, c::SYS_pidfd_open,
];

#[rustfmt::skip]
const TIME: &[c::c_long] = &[
    c::SYS_clock_gettime, c::SYS_clock_getres, c::SYS_clock_nanosleep, c::SYS_gettimeofday, c::SYS_nanosleep,
    c::SYS_getitimer, c::SYS_setitimer, c::SYS_timer_create, c::SYS_timer_settime, c::SYS_timer_gettime,
    c::SYS_timer_getoverrun, c::SYS_timer_delete, c::SYS_timerfd_create, c::SYS_timerfd_settime,
    c::SYS_timerfd_gettime,
];

#[rustfmt::skip]
const EVENTS: &[c::c_long] = &[
    c::SYS_epoll_create1, c::SYS_epoll_ctl, c::SYS_epoll_pwait, c::SYS_epoll_pwait2, c::SYS_eventfd2, c::SYS_ppoll,
    c::SYS_pselect6, c::SYS_signalfd4,
];

/// What is done with a socket that is connected already; to others these calls are no use.
#[rustfmt::skip]
const CONNECTED: &[c::c_long] = &[
    c::SYS_recvfrom, c::SYS_recvmsg, c::SYS_recvmmsg, c::SYS_sendto, c::SYS_sendmsg, c::SYS_sendmmsg,
    c::SYS_shutdown, c::SYS_getsockopt, c::SYS_setsockopt, c::SYS_getsockname, c::SYS_getpeername,
];

/// Calls that only the oldest architecture still has beside their successors.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const LEGACY: &[c::c_long] = &[
    c::SYS_open, c::SYS_creat, c::SYS_stat, c::SYS_lstat, c::SYS_access, c::SYS_readlink, c::SYS_getdents,
    c::SYS_mkdir, c::SYS_rmdir, c::SYS_unlink, c::SYS_rename, c::SYS_link, c::SYS_symlink, c::SYS_mknod, c::SYS_dup2,
    c::SYS_pipe, c::SYS_poll, c::SYS_select, c::SYS_epoll_create, c::SYS_epoll_wait, c::SYS_eventfd, c::SYS_signalfd,
    c::SYS_alarm, c::SYS_pause, c::SYS_time, c::SYS_arch_prctl, c::SYS_fork, c::SYS_vfork, c::SYS_getpgrp,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c::c_long] = &[];

/// Changes to files that Landlock does not govern.
#[rustfmt::skip]
const ATTRIBUTES: &[c::c_long] = &[
    c::SYS_fchmod, c::SYS_fchmodat, c::SYS_fchown, c::SYS_fchownat, c::SYS_utimensat, c::SYS_setxattr,
    c::SYS_lsetxattr, c::SYS_fsetxattr, c::SYS_removexattr, c::SYS_lremovexattr, c::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")] c::SYS_chmod,
    #[cfg(target_arch = "x86_64")] c::SYS_chown,
    #[cfg(target_arch = "x86_64")] c::SYS_lchown,
    #[cfg(target_arch = "x86_64")] c::SYS_utime,
    #[cfg(target_arch = "x86_64")] c::SYS_utimes,
    #[cfg(target_arch = "x86_64")] c::SYS_futimesat,
];

/// Watching files, which needs no right to open them.
#[rustfmt::skip]
const WATCHES: &[c::c_long] = &[
    c::SYS_inotify_init1, c::SYS_inotify_add_watch, c::SYS_inotify_rm_watch,
    #[cfg(target_arch = "x86_64")] c::SYS_inotify_init,
];

/// Sockets that reach somebody. `socket` and `socketpair` have their own conditions.
const SOCKETS: &[c::c_long] = &[c::SYS_bind, c::SYS_connect, c::SYS_listen, c::SYS_accept, c::SYS_accept4];

const SIGNALS: &[c::c_long] = &[
    c::SYS_kill,
    c::SYS_tkill,
    c::SYS_tgkill,
    c::SYS_pidfd_send_signal,
    c::SYS_rt_sigqueueinfo,
    c::SYS_rt_tgsigqueueinfo,
];

/// Calls whose first argument is the process they change; 0 is the caller.
const OTHERS: &[c::c_long] = &[c::SYS_prlimit64, c::SYS_sched_setaffinity];

const TRUNCATION: &[c::c_long] = &[c::SYS_truncate];

/// Calls that open by flags, and which argument those are.
const OPENS: &[(c::c_long, u8)] = &[
    (c::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (c::SYS_open, 1),
];

/// Calls that are known, and not for programs under test.
#[rustfmt::skip]
const PRIVILEGED: &[c::c_long] = &[
    // The whole job stays in one process group, so that one signal ends it.
    c::SYS_setsid, c::SYS_setpgid,
    // Other worlds.
    c::SYS_unshare, c::SYS_setns, c::SYS_mount, c::SYS_umount2, c::SYS_pivot_root, c::SYS_chroot, c::SYS_open_tree,
    c::SYS_move_mount, c::SYS_fsopen, c::SYS_fsmount, c::SYS_mount_setattr, c::SYS_open_by_handle_at,
    // Other processes.
    c::SYS_ptrace, c::SYS_process_vm_readv, c::SYS_process_vm_writev, c::SYS_pidfd_getfd, c::SYS_process_madvise,
    c::SYS_kcmp, c::SYS_setpriority, c::SYS_sched_setscheduler, c::SYS_sched_setparam, c::SYS_sched_setattr,
    // What goes around the filters, or widens the kernel's surface.
    c::SYS_io_uring_setup, c::SYS_io_uring_enter, c::SYS_io_uring_register, c::SYS_bpf, c::SYS_perf_event_open,
    c::SYS_userfaultfd, c::SYS_keyctl, c::SYS_add_key, c::SYS_request_key, c::SYS_fanotify_init,
    // Memory that no process's count shows.
    c::SYS_memfd_create, c::SYS_memfd_secret, c::SYS_shmget, c::SYS_shmat, c::SYS_msgget, c::SYS_semget, c::SYS_mq_open,
    // The machine.
    c::SYS_reboot, c::SYS_kexec_load, c::SYS_init_module, c::SYS_finit_module, c::SYS_delete_module, c::SYS_swapon,
    c::SYS_sethostname, c::SYS_settimeofday, c::SYS_clock_settime, c::SYS_syslog, c::SYS_acct, c::SYS_quotactl,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_compile_for_every_kernel() {
        for surround in [Surround::Bare, Surround::Namespaces] {
            for landlock in 1..=10 {
                assert!(filters(surround, landlock).unwrap().iter().all(|filter| filter.len() > 50));
            }
        }
    }

    #[test]
    fn nothing_is_both_needed_and_privileged() {
        let needed = [MEMORY, FILES, PROCESSES, TIME, EVENTS, CONNECTED, LEGACY].concat();
        assert!(PRIVILEGED.iter().all(|call| !needed.contains(call)));
    }
}
