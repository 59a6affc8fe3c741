//! The numbers of many draws of a [`Seed`]'s stream at once: `ChaCha8` (Bernstein 2008) with a block in each lane of a
//! vector. [`crate::seed::Stream`] draws the same one by one; a map of a million numbers takes a million of them.

use pulp::{Simd, WithSimd};

/// Words of a block.
const WORDS: usize = 16;
/// Lanes of the widest vector.
const LANES: usize = 16;
/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Words that are drawn at a time: blocks for all lanes.
pub(super) const STEP: usize = WORDS * LANES;

/// Overwrites `words`, whole steps, with those of the stream with this key, from its word `first` on, the beginning of
/// a step.
pub(super) fn draw(key: &[u32; 8], first: usize, words: &mut [u32]) {
    assert!(
        first.is_multiple_of(STEP) && words.len().is_multiple_of(STEP),
        "BUG: a step is cut in two"
    );
    let blocks = Blocks { key, first: (first / WORDS) as u64, words };
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return blocks.draw(simd);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return blocks.draw(simd);
        }
    }
    blocks.draw(pulp::Scalar::new());
}

struct Blocks<'a> {
    key: &'a [u32; 8],
    /// Number of the first block.
    first: u64,
    words: &'a mut [u32],
}

impl Blocks<'_> {
    /// With vectors of one kind.
    fn draw<S: Simd>(self, simd: S) {
        simd.vectorize(self);
    }
}

impl WithSimd for Blocks<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::U32_LANES;
        let all = |word| simd.splat_u32s(word);
        let mut state = [all(0); WORDS];
        for (state, word) in state.iter_mut().zip(CONSTANTS.iter().chain(self.key)) {
            *state = all(*word);
        }
        let mut number = self.first;
        for blocks in self.words.chunks_exact_mut(WORDS * lanes) {
            let (mut low, mut high) = ([0; LANES], [0; LANES]);
            for (low, high) in low.iter_mut().zip(&mut high).take(lanes) {
                let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
                (*low, *high) =
                    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                number += 1;
            }
            state[12] = simd.partial_load_u32s(&low[..lanes]);
            state[13] = simd.partial_load_u32s(&high[..lanes]);
            let mut mixed = state;
            for _ in 0..4 {
                for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
                    quarter(simd, &mut mixed, a, b, c, d);
                }
                for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
                    quarter(simd, &mut mixed, a, b, c, d);
                }
            }
            let mut rows = [[0; LANES]; WORDS];
            for (row, (mixed, state)) in rows.iter_mut().zip(mixed.into_iter().zip(state)) {
                simd.partial_store_u32s(&mut row[..lanes], simd.add_u32s(mixed, state));
            }
            for (lane, block) in blocks.chunks_exact_mut(WORDS).enumerate() {
                for (word, row) in block.iter_mut().zip(&rows) {
                    *word = row[lane];
                }
            }
        }
    }
}

/// A quarter of a round, in every lane.
#[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
#[inline(always)]
fn quarter<S: Simd>(simd: S, state: &mut [S::u32s; WORDS], a: usize, b: usize, c: usize, d: usize) {
    for (to, from, other, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[to] = simd.add_u32s(state[to], state[from]);
        let mixed = simd.xor_u32s(state[other], state[to]);
        let (left, right) = (simd.splat_u32s(by), simd.splat_u32s(32 - by));
        state[other] = simd.or_u32s(
            simd.wrapping_dyn_shl_u32s(mixed, left),
            simd.wrapping_dyn_shr_u32s(mixed, right),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// Against the library's generator, on every path, across the edge of the counter's halves.
    #[test]
    fn words_are_those_of_the_stream() {
        let key = Seed::root(1).key("x", 2);
        for first in [0, STEP, 16 * ((1 << 32) - 16), 16 << 32] {
            let mut stream = Seed::root(1).stream("x", 2);
            stream.seek(first as u64);
            let expected: Vec<u64> = (0..STEP).map(|_| stream.bits()).collect();
            let check = |path: &str, words: &[u32]| {
                let pairs = words.as_chunks().0.iter();
                let found: Vec<u64> =
                    pairs.map(|[low, high]| u64::from(*high) << 32 | u64::from(*low)).collect();
                assert_eq!(found, expected, "{path}, from {first} on");
            };
            let mut words = vec![0; 2 * STEP];
            draw(&key, first, &mut words);
            check("default", &words);
            let first = (first / WORDS) as u64;
            Blocks { key: &key, first, words: &mut words }.draw(pulp::Scalar::new());
            check("portable", &words);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                words.fill(0);
                Blocks { key: &key, first, words: &mut words }.draw(simd);
                check("AVX2", &words);
            }
        }
    }
}
