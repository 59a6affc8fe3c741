//! What this machine's cores can do at most: billions of floating-point operations a second in fused multiply-adds
//! that wait for nothing, by the number of threads. What a training does is held against it.
//!
//! `cargo run --release --example fma_peak -- [THREADS]`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::hint::black_box;
use std::time::Instant;

use pulp::{Simd, WithSimd};

/// Sums at a time: more than the cycles of an instruction times the units that take one.
const SUMS: usize = 16;
/// Rounds of a measurement.
const ROUNDS: u32 = 20_000_000;

/// Multiplies and adds; returns the operations and a number that they lead to.
struct Work;

impl WithSimd for Work {
    type Output = (f64, f32);

    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f32) {
        // A compiler that knew the numbers would know the sum.
        let [factor, term, first] = black_box([0.999, 0.001, 1.5]);
        let (factor, term) = (simd.splat_f32s(factor), simd.splat_f32s(term));
        let mut sums = [simd.splat_f32s(first); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, term);
            }
        }
        let total = sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum();
        let lanes = size_of::<S::f32s>() / size_of::<f32>();
        #[expect(clippy::cast_precision_loss, reason = "a handful of lanes")]
        let operations = f64::from(ROUNDS) * (SUMS * lanes * 2) as f64;
        (operations, total)
    }
}

fn main() {
    let most = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(2);
    for threads in 1..=most {
        let began = Instant::now();
        let (operations, total) = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| pulp::Arch::new().dispatch(Work))).collect();
            workers.into_iter().fold((0.0, 0.0), |(operations, total), worker| {
                let (more, sum) = worker.join().expect("a thread only computes");
                (operations + more, total + sum)
            })
        });
        let giga = operations / began.elapsed().as_secs_f64() / 1e9;
        println!("{threads} threads: {giga:.0} GFLOP/s (sum {total:.3})");
    }
}
