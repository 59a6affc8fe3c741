//! What the slow twins ask of a number.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A number that the reference computes with: f32 or f64.
pub trait Float:
    Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Sum
    + Send
    + Sync
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// Below all others.
    const NEG_INFINITY: Self;

    /// The nearest to `x`.
    fn of(x: f64) -> Self;

    /// As f64.
    fn exact(self) -> f64;

    /// Square root.
    #[must_use]
    fn root(self) -> Self {
        Self::of(libm::sqrt(self.exact()))
    }
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    #[expect(clippy::cast_possible_truncation, reason = "the nearest is wanted")]
    fn of(x: f64) -> Self {
        x as Self
    }

    fn exact(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    fn of(x: f64) -> Self {
        x
    }

    fn exact(self) -> f64 {
        self
    }
}
