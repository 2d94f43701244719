//! The group of a process. The safe wrapper at hand takes it for granted that there is one, but of kernel
//! threads, and of processes whose group began in another namespace, the kernel tells 0.
#![allow(unsafe_code)]

/// The number of a process's group; 0 where it has none here, none where the kernel says nothing about it.
pub(super) fn of(pid: i32) -> Option<i32> {
    // SAFETY: the call takes an integer and gives one, and touches no memory of ours.
    let group = unsafe { libc::getpgid(pid) };
    (group >= 0).then_some(group)
}
