//! The same work compiled for several instruction sets, the best of which is chosen when it runs.
//!
//! Work is written with plain arrays and `f32::mul_add`; the compiler makes vectors of whatever width the
//! set has. Vectors run over independent numbers, never along a sum, so the set changes no bit.

/// Something to compute: its `run` must be `#[inline(always)]`, or it is compiled for no set at all.
pub(super) trait Work {
    /// Computes it.
    fn run<const WIDE: bool>(self);
}

/// Runs `work` with the best instructions of this machine.
pub(super) fn run<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the machine has the instructions.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the machine has the instructions.
            return unsafe { avx2(work) };
        }
    }
    work.run::<false>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512<W: Work>(work: W) {
    work.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<W: Work>(work: W) {
    work.run::<false>();
}
