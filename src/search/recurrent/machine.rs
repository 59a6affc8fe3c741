//! The same work compiled for several instruction sets, the best of which is chosen when it runs.
//!
//! Vectors run over independent numbers, never along a sum, and every operation rounds once, as IEEE 754
//! says. So neither their width nor the machine changes a bit.

/// Something to compute: its `run` must be `#[inline(always)]`, or it is compiled for no set at all.
pub(super) trait Work {
    /// Computes it with vectors of `V`.
    fn run<V: Vector>(self);
}

/// Some numbers side by side.
pub(super) trait Vector: Copy {
    /// How many.
    const LANES: usize;
    /// Rows of a matrix product's tile that, two vectors wide, still fits the registers.
    const ROWS: usize;
    /// A narrower vector of the same set, for what is left at an edge.
    type Narrow: Vector;

    /// The first numbers of a slice.
    fn load(numbers: &[f32]) -> Self;

    /// One number in all lanes.
    fn splat(number: f32) -> Self;

    /// `self * factor + term`, rounded once.
    fn fused(self, factor: Self, term: Self) -> Self;

    /// Writes to the beginning of a slice.
    fn store(self, numbers: &mut [f32]);
}

/// Runs `work` with the best instructions of this machine.
pub(super) fn run<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the machine has the instructions.
            return unsafe { x86::avx512(work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the machine has the instructions.
            return unsafe { x86::avx2(work) };
        }
    }
    work.run::<Portable>();
}

/// Four numbers that the compiler makes a vector of where it can.
#[derive(Debug, Clone, Copy)]
struct Portable([f32; 4]);

impl Vector for Portable {
    const LANES: usize = 4;
    const ROWS: usize = 4;
    type Narrow = f32;

    fn load(numbers: &[f32]) -> Self {
        Self(*numbers.first_chunk().expect("a strip lies within its rows"))
    }

    fn splat(number: f32) -> Self {
        Self([number; 4])
    }

    fn fused(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].mul_add(factor.0[lane], term.0[lane])))
    }

    fn store(self, numbers: &mut [f32]) {
        numbers[..4].copy_from_slice(&self.0);
    }
}

impl Vector for f32 {
    const LANES: usize = 1;
    const ROWS: usize = 4;
    type Narrow = f32;

    fn load(numbers: &[f32]) -> Self {
        numbers[0]
    }

    fn splat(number: f32) -> Self {
        number
    }

    fn fused(self, factor: Self, term: Self) -> Self {
        self.mul_add(factor, term)
    }

    fn store(self, numbers: &mut [f32]) {
        numbers[0] = self;
    }
}

/// The sets of x86-64. Their vectors are used only in work that [`run`] started for their set.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128, __m256, __m512, _mm_fmadd_ps, _mm_loadu_ps, _mm_set1_ps, _mm_storeu_ps,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::{Vector, Work};

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512<W: Work>(work: W) {
        work.run::<__m512>();
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<W: Work>(work: W) {
        work.run::<__m256>();
    }

    macro_rules! vector {
        ($vector:ty, $lanes:literal, $rows:literal, $narrow:ty, $load:ident, $splat:ident, $fused:ident, $store:ident) => {
            impl Vector for $vector {
                const LANES: usize = $lanes;
                const ROWS: usize = $rows;
                type Narrow = $narrow;

                #[inline(always)]
                fn load(numbers: &[f32]) -> Self {
                    assert!(numbers.len() >= $lanes, "BUG: a vector beyond its slice");
                    // SAFETY: the slice is long enough; `run` has seen that the machine has the set.
                    unsafe { $load(numbers.as_ptr()) }
                }

                #[inline(always)]
                fn splat(number: f32) -> Self {
                    // SAFETY: `run` has seen that the machine has the set.
                    unsafe { $splat(number) }
                }

                #[inline(always)]
                fn fused(self, factor: Self, term: Self) -> Self {
                    // SAFETY: `run` has seen that the machine has the set.
                    unsafe { $fused(self, factor, term) }
                }

                #[inline(always)]
                fn store(self, numbers: &mut [f32]) {
                    assert!(numbers.len() >= $lanes, "BUG: a vector beyond its slice");
                    // SAFETY: the slice is long enough; `run` has seen that the machine has the set.
                    unsafe { $store(numbers.as_mut_ptr(), self) }
                }
            }
        };
    }

    vector!(
        __m512,
        16,
        8,
        __m128,
        _mm512_loadu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_storeu_ps
    );
    vector!(
        __m256,
        8,
        4,
        __m128,
        _mm256_loadu_ps,
        _mm256_set1_ps,
        _mm256_fmadd_ps,
        _mm256_storeu_ps
    );
    vector!(__m128, 4, 4, f32, _mm_loadu_ps, _mm_set1_ps, _mm_fmadd_ps, _mm_storeu_ps);
}
