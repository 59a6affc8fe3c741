//! Passes over whole maps, number by number, compiled for the widest vectors that the processor has.
//!
//! Each number is a product, a sum or a choice by itself, so vectors of any width give the same bits. What belongs
//! to channels comes as a [`Pattern`]: maps of few channels would else be walked in loops of a few rounds.

/// Numbers of a pattern, at least: loops over it pay, and it stays in the first-level cache.
const PATTERN: usize = 256;

/// Runs `work` compiled for the vectors of this processor. What it calls must be inlined into it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the wider vectors")]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// A number for each channel, repeated for as many pixels as make a long run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pattern(Vec<f32>);

impl Pattern {
    /// Of one number a channel.
    pub(crate) fn new(channels: &[f32]) -> Self {
        Self(channels.repeat(Self::pixels(channels.len())))
    }

    /// Pixels in a run of `channels` channels.
    pub(super) fn pixels(channels: usize) -> usize {
        (PATTERN / channels.max(1)).max(1)
    }

    /// The numbers, for [`Pattern::pixels`] pixels.
    pub(super) fn numbers(&self) -> &[f32] {
        &self.0
    }
}

/// Overwrites `ys` with what is above zero, and NaN.
pub(crate) fn rectify(xs: &[f32], ys: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (y, x) in ys.iter_mut().zip(xs) {
                *y = if *x < 0.0 { 0.0 } else { *x };
            }
        },
    );
}

/// Overwrites `dx` with the gradient where the map `seen`, before or behind a rectifier, is above zero.
pub(crate) fn mask(seen: &[f32], gradient: &[f32], dx: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for ((dx, y), g) in dx.iter_mut().zip(seen).zip(gradient) {
                *dx = if *y > 0.0 { *g } else { 0.0 };
            }
        },
    );
}

/// Adds `xs` to `sums`.
pub(crate) fn add(xs: &[f32], sums: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (sum, x) in sums.iter_mut().zip(xs) {
                *sum += x;
            }
        },
    );
}

/// Overwrites `ys` with `xs`, but for -0, which becomes 0: what adding to zeros gives.
pub(crate) fn add_zero(xs: &[f32], ys: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (y, x) in ys.iter_mut().zip(xs) {
                *y = 0.0 + x;
            }
        },
    );
}

/// Overwrites `ys` with the sums of `a` and `b`.
pub(crate) fn add_pair(a: &[f32], b: &[f32], ys: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for ((y, a), b) in ys.iter_mut().zip(a).zip(b) {
                *y = a + b;
            }
        },
    );
}

/// Overwrites `ys` with the differences of `a` and `b`.
pub(crate) fn subtract_pair(a: &[f32], b: &[f32], ys: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for ((y, a), b) in ys.iter_mut().zip(a).zip(b) {
                *y = a - b;
            }
        },
    );
}

/// Copies the channels of `from` to channel `first` on of pixels with `channels` channels.
pub(crate) fn put_channels(
    from: &[f32],
    width: usize,
    to: &mut [f32],
    channels: usize,
    first: usize,
) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(channels)) {
        to[first..first + width].copy_from_slice(from);
    }
}

/// Copies channels of pixels with `channels` channels, from `first` on, to pixels of `width` channels.
pub(crate) fn take_channels(
    from: &[f32],
    channels: usize,
    first: usize,
    to: &mut [f32],
    width: usize,
) {
    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[first..first + width]);
    }
}
