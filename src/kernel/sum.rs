//! Element-wise sums of maps.
//!
//! Candle's own addition keeps a pool of threads that spins between calls, whatever number of threads a
//! job was given; this one works in the caller's pool.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::access::{floats, tensor};
use super::chunks::UNIT;
#[cfg(feature = "cuda")]
use super::{
    access::{device_tensor, on_gpu},
    gpu,
};

/// The sum of two tensors of one shape.
///
/// # Errors
/// When the shapes differ or one is not contiguous.
pub fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.shape() != b.shape() {
        bail!("cannot add {:?} and {:?}", a.shape(), b.shape());
    }
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let total = on_gpu([a, b], |gpu, [x, y]| gpu::add(gpu, x, y, a.elem_count()))?;
        return Ok(device_tensor(total, a.shape()));
    }
    let guards = (floats(a)?, floats(b)?);
    let (x, y): (&[f32], &[f32]) = (&guards.0, &guards.1);
    let mut sums = vec![0.0; x.len()];
    let units = sums.par_chunks_mut(UNIT).zip(x.par_chunks(UNIT)).zip(y.par_chunks(UNIT));
    units.for_each(|((sums, x), y)| {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum = x + y;
        }
    });
    tensor(sums, a.shape())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cross_units_and_other_shapes_are_refused() {
        let numbers =
            |len: u16| tensor((0..len).map(f32::from).collect(), usize::from(len)).unwrap();
        let total = sum(&numbers(40_000), &numbers(40_000)).unwrap();
        let expected: Vec<u32> = (0..40_000_u16).map(|i| (2.0 * f32::from(i)).to_bits()).collect();
        let found: Vec<u32> = floats(&total).unwrap().iter().map(|x| x.to_bits()).collect();
        assert_eq!(found, expected);
        assert!(sum(&numbers(2), &numbers(3)).is_err());
    }
}
