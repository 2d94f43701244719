//! Closing descriptors: the system call has no safe wrapper.
#![allow(unsafe_code)]

use std::io;

/// Marks every descriptor but the standard three as closed on exec, whoever opened it.
///
/// A descriptor that was open before Landlock was entered stays usable under it, so one that a careless
/// parent let through would be a hole.
pub(super) fn close_all_but_standard_on_exec() -> io::Result<()> {
    let first: libc::c_uint = 3;
    // SAFETY: the call takes three integers, touches no memory of ours, and only sets a flag on
    // descriptors, so that Rust's owners of descriptors stay valid until the exec ends them all.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
