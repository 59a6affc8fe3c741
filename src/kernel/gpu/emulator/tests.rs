//! Mistakes that the emulator must find.

use super::*;
use crate::kernel::gpu::{Kernel, Parameters};

/// What the checks are worth: each of these mistakes is found, and told by its own words.
#[test]
fn the_emulator_finds_mistakes() {
    let Some(gpu) = Emulator::shared() else { return };
    for (name, [blocks, threads], said) in [
        ("reads_behind_the_end", [1, 64], "an input's [64] of 64 is read"),
        ("writes_before_the_beginning", [1, 64], "an output's [-1] of 64 is touched"),
        ("two_threads_write_one_number", [1, 64], "an output's [0] is touched by two threads"),
        ("adds_across_blocks", [2, 32], "an output's [0] is touched by two threads"),
        ("lacks_a_barrier", [1, 64], "held[63] is read, and nobody wrote it"),
        ("lacks_a_barrier_that_order_hides", [1, 64], "thread 0 wrote it without a barrier"),
        ("overwrites_what_is_still_read", [1, 64], "another thread read it without a barrier"),
        ("reads_what_nobody_wrote", [1, 64], "is read, and nobody wrote it"),
        ("leaves_before_the_barrier", [1, 64], "not all threads of the block reach the barrier"),
        ("leaves_a_warp", [1, 64], "not all lanes of the warp take part"),
        ("leaves_a_warp", [1, 40], "which are no whole warps"),
        ("leaves_a_product", [1, 64], "not all lanes of the warp take part"),
        ("leaves_a_product", [1, 40], "which are no whole warps"),
        ("shares_too_much", [1, 64], "more than 49152 bytes of shared memory"),
        ("reads_a_crooked_quad", [1, 64], "a quad at 1, which is no multiple of 4"),
        ("adds_across_blocks", [1, 512], "a block of 512 threads, of at most 256"),
        ("does_not_exist", [1, 64], "there is no kernel"),
    ] {
        let launch = Launch {
            kernel: Kernel::new("wrong", name),
            grid: [blocks, 1, 1],
            block: [threads, 1, 1],
            parameters: Parameters::ints(&[0]),
        };
        let (xs, mut ys) = (gpu.numbers(&[1.0; 64]).unwrap(), gpu.floats(64).unwrap());
        let failure =
            gpu.launch(&launch, &[View::of(&xs)], &mut [&mut ys]).unwrap_err().to_string();
        assert!(failure.contains(said), "{name}: {failure}");
    }
}

/// A structure whose size is not the kernel's, and memories in another order, are refused, too.
#[test]
fn launches_must_fit_their_kernel() {
    let Some(gpu) = Emulator::shared() else { return };
    let launch = |reads: usize, parameters: Parameters| {
        let kernel = Kernel::new("pointwise", "rectify");
        let xs = gpu.numbers(&[1.0; 8])?;
        let mut ys = gpu.floats(8)?;
        let reads = vec![View::of(&xs); reads];
        gpu.launch(&Launch::over(kernel, 8, parameters), &reads, &mut [&mut ys])
    };
    let of = |failure: Result<()>| failure.unwrap_err().to_string();
    launch(1, Parameters::ints(&[8])).unwrap();
    assert!(of(launch(1, Parameters::ints(&[8, 8]))).contains("parameters of 8 bytes, not 4"));
    assert!(of(launch(2, Parameters::ints(&[8]))).contains("reads come first, then writes"));
}
