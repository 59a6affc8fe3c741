//! The allocator's habit of giving large blocks back to the system.
//!
//! A training step allocates and frees the same few hundred megabytes each time. By default glibc maps
//! and unmaps them, and the kernel clears every page again: about a third of a step.

/// Tells glibc to keep freed memory in this process; nothing elsewhere. For worker processes, whose
/// memory goes back when they end.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::keep();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    /// `M_TRIM_THRESHOLD`, `M_TOP_PAD` and `M_MMAP_MAX` of `malloc.h`.
    const TRIM_THRESHOLD: c_int = -1;
    const TOP_PAD: c_int = -2;
    const MMAP_MAX: c_int = -4;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }

    pub(super) fn keep() {
        // SAFETY: mallopt takes two integers, locks its own state and may be called at any time; a
        // value it does not like is ignored.
        unsafe {
            mallopt(MMAP_MAX, 0);
            mallopt(TRIM_THRESHOLD, c_int::MAX);
            mallopt(TOP_PAD, 64 << 20);
        }
    }
}
