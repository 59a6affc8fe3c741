//! Seeds and streams: one root of all randomness, one named stream for each consumer.
//!
//! A stream is found by its name and index, never by the order of calls, so work may be split over
//! any number of threads and still draw the same numbers. The generator is `ChaCha8`, whose output is
//! fixed for all platforms and versions; `rand`'s own distributions are not, so ours are written here.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};

/// A place in the tree of randomness that grows from a pipeline's `seed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(Digest);

impl Seed {
    /// The root that a pipeline's `seed: N` names.
    #[must_use]
    pub fn root(pipeline_seed: u64) -> Self {
        Self(Digest::of(&pipeline_seed.to_le_bytes()))
    }

    /// The seed below this one that `purpose` names.
    #[must_use]
    pub fn child(&self, purpose: &str) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(self.0.bytes());
        hasher.update(&(purpose.len() as u64).to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self(hasher.digest())
    }

    /// The `index`-th seed below this one.
    #[must_use]
    pub fn nth(&self, index: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(self.0.bytes());
        hasher.update(&index.to_le_bytes());
        Self(hasher.digest())
    }

    /// The stream of random numbers that `purpose` and `index` name.
    #[must_use]
    pub fn stream(&self, purpose: &str, index: u64) -> Stream {
        let seed = self.child(purpose).nth(index);
        Stream(ChaCha8Rng::from_seed(*seed.0.bytes()))
    }

    /// The key of [`Seed::stream`], for who computes the stream elsewhere: eight little-endian words.
    pub(crate) fn key(&self, purpose: &str, index: u64) -> [u32; 8] {
        let seed = self.child(purpose).nth(index);
        let words = seed.0.bytes().as_chunks().0;
        std::array::from_fn(|word| u32::from_le_bytes(words[word]))
    }

    /// The digest behind the seed, for manifests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0
    }
}

/// A stream of random numbers with fixed bits on every platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0.0..1.0`, with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `low..high`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..bound`, without bias (Lemire 2019, with rejection).
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "BUG: a choice among nothing");
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform index into a collection of `len` items.
    ///
    /// # Panics
    /// When `len` is zero.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index below a usize is a usize")
    }

    /// Standard normal (Box-Muller, cosine branch; always two uniforms).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.unit(), self.unit());
        libm::sqrt(-2.0 * libm::log(1.0 - a)) * libm::cos(2.0 * std::f64::consts::PI * b)
    }

    /// Puts `items` in uniformly random order (Fisher-Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// How many 32-bit words were drawn: a checkpoint keeps it and [`Stream::seek`] goes back to it.
    #[must_use]
    pub fn position(&self) -> u64 {
        u64::try_from(self.0.get_word_pos()).expect("no stream is drawn 2^64 times")
    }

    /// Moves to a position that [`Stream::position`] returned.
    pub fn seek(&mut self, position: u64) {
        self.0.set_word_pos(u128::from(position));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_name_not_by_order() {
        let seed = Seed::root(7);
        let first = seed.stream("shuffle", 0).bits();
        let _other = seed.stream("noise", 0).bits();
        assert_eq!(first, seed.stream("shuffle", 0).bits());
        assert_ne!(first, seed.stream("shuffle", 1).bits());
        assert_ne!(first, seed.stream("noise", 0).bits());
        assert_ne!(first, Seed::root(8).stream("shuffle", 0).bits());
    }

    #[test]
    fn bits_are_frozen() {
        let mut stream = Seed::root(7).stream("golden", 3);
        let drawn = [stream.bits(), stream.below(10), stream.below(1 << 40)];
        assert_eq!(drawn, [13_788_617_529_736_193_510, 8, 704_949_971_853]);
    }

    #[test]
    fn seeking_resumes_the_stream() {
        let mut stream = Seed::root(1).stream("x", 0);
        stream.bits();
        let position = stream.position();
        let expected = [stream.bits(), stream.bits()];
        let mut resumed = Seed::root(1).stream("x", 0);
        resumed.seek(position);
        assert_eq!([resumed.bits(), resumed.bits()], expected);
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Seed::root(2).stream("dice", 0);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[stream.index(6)] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
    }
}
