//! Dropout whose every decision is found by name: layer, step, image and place.
//!
//! The mask is never stored. The gradient draws it again from the same streams, which costs less than
//! keeping it would, and a resumed training draws what an uninterrupted one does.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
use super::chacha::{self, STEP};
use super::chunks::changed_by_image;
#[cfg(any(test, feature = "cuda"))]
use super::gpu::{self, Machine, View};
use super::pointwise::wide;
use crate::seed::Seed;

/// Numbers that are decided on at a time: their draws stay in the first-level cache.
const RUN: usize = 8 * STEP;

/// Drops numbers with probability `rate` and scales the others by `1 / (1 - rate)`.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Of this layer at this step; each image of the batch has a stream below it.
    seed: Seed,
    rate: f64,
    /// Place in the batch of the first image.
    first: usize,
}

impl Dropout {
    /// Dropout with probability `rate` in `0.0..1.0`.
    #[must_use]
    pub fn new(seed: Seed, rate: f64) -> Self {
        assert!((0.0..1.0).contains(&rate), "BUG: dropout rate {rate} passed the space's checks");
        Self { seed, rate, first: 0 }
    }

    /// For a part of a batch that begins at its image `first`.
    #[must_use]
    pub fn starting_at(self, first: usize) -> Self {
        Self { first, ..self }
    }

    fn apply(&self, xs: &[f32], images: usize) -> Vec<f32> {
        changed_by_image(xs, images, |image, ys| self.change(self.first + image, ys))
    }

    /// Drops and scales the map of the `image`-th image of the batch; a gradient all the same.
    pub(crate) fn change(&self, image: usize, map: &mut [f32]) {
        let key = self.seed.key("dropout", image as u64);
        let (dropped, scale) = self.rule();
        let mut words = [0; RUN];
        for (number, run) in map.chunks_mut(RUN).enumerate() {
            let words = &mut words[..run.len().next_multiple_of(STEP)];
            chacha::draw(&key, number * RUN, words);
            drop(run, words, dropped, scale);
        }
    }

    /// What a number's word of the image's stream is below when it is dropped, and the factor of the others.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32 bits")]
    fn rule(&self) -> (u32, f32) {
        ((self.rate * 4_294_967_296.0) as u32, (1.0 / (1.0 - self.rate)) as f32)
    }
}

/// Drops those whose draw is below `dropped`, and scales the others.
fn drop(ys: &mut [f32], draws: &[u32], dropped: u32, scale: f32) {
    wide(
        #[inline(always)]
        || {
            for (y, draw) in ys.iter_mut().zip(draws) {
                *y = if *draw < dropped { 0.0 } else { *y * scale };
            }
        },
    );
}

#[cfg(any(test, feature = "cuda"))]
impl Dropout {
    /// The maps of `images` images of `size` numbers, dropped and scaled; a gradient all the same.
    pub(super) fn on<M: Machine>(
        &self,
        machine: &M,
        xs: View<'_, M::Memory>,
        images: usize,
        size: usize,
    ) -> Result<M::Memory> {
        let keys = (0..images).flat_map(|image| self.seed.key("dropout", image as u64));
        let (threshold, scale) = self.rule();
        gpu::dropout(machine, xs, &keys.collect::<Vec<u32>>(), size, threshold, scale)
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let ys = self.apply(input(xs, layout)?, layout.dims()[0]);
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let images = layout.dims()[0];
        let size = layout.shape().elem_count() / images.max(1);
        let ys = self.on(&gpu::Cuda::new(&xs.device), view(xs, layout)?, images, size)?;
        Ok((ys, layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let images = xs.dim(0)?;
            let size = xs.elem_count() / images.max(1);
            let dx = on_gpu([&gradient], |gpu, [g]| self.on(gpu, g, images, size))?;
            return Ok(Some(device_tensor(dx, xs.shape())));
        }
        let dx = self.apply(&floats(&gradient)?, xs.dim(0)?);
        Ok(Some(tensor(dx, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{check, numbers};
    use super::*;

    #[test]
    fn the_gradient_has_the_mask_of_the_forward_pass() {
        let op = Dropout::new(Seed::root(1), 0.375);
        let ones = op.apply(&[1.0; 30], 2);
        check(
            &[numbers("xs", &[2, 3, 5, 1])],
            |xs| xs[0].apply_op1(op),
            |xs| xs[0].iter().zip(&ones).map(|(x, &one)| x * f64::from(one)).collect(),
        );
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "a number is dropped or scaled, nothing else")]
    fn the_share_dropped_is_the_rate_and_the_mean_stays() {
        let ys = Dropout::new(Seed::root(2), 0.25).apply(&vec![1.0; 40_000], 10);
        let kept = ys.iter().filter(|&&y| y != 0.0).count();
        // Four standard deviations of a binomial share are 350.
        assert!((29_650..30_350).contains(&kept), "{kept}");
        assert!(ys.iter().all(|&y| y == 0.0 || y == 1.0 / 0.75));
    }

    /// Word for word: two decisions from each draw of 64 bits, the low one first.
    #[test]
    fn decisions_are_those_of_the_draws_in_turn() {
        let dropout = Dropout::new(Seed::root(4), 0.3);
        let mut ys: Vec<f32> = (0..5001_u16).map(|number| f32::from(number) - 2500.0).collect();
        let mut expected = ys.clone();
        dropout.change(6, &mut ys);
        let mut stream = dropout.seed.stream("dropout", 6);
        let (dropped, scale) = dropout.rule();
        for pair in expected.chunks_mut(2) {
            let bits = stream.bits();
            for (y, draw) in pair.iter_mut().zip([bits & 0xFFFF_FFFF, bits >> 32]) {
                *y = if draw < u64::from(dropped) { 0.0 } else { *y * scale };
            }
        }
        assert_eq!(ys, expected);
    }

    #[test]
    fn a_part_of_a_batch_has_the_mask_of_its_images() {
        let dropout = Dropout::new(Seed::root(3), 0.5);
        let whole = dropout.apply(&[1.0; 300], 3);
        assert_eq!(dropout.starting_at(1).apply(&[1.0; 200], 2), whole[100..]);
    }

    #[test]
    fn images_layers_and_steps_have_masks_of_their_own() {
        let mask = |seed: Seed| Dropout::new(seed, 0.5).apply(&[1.0; 200], 2);
        let (a, b) = (mask(Seed::root(3).nth(0)), mask(Seed::root(3).nth(1)));
        assert_ne!(a, b);
        assert_ne!(a[..100], a[100..]);
        assert_eq!(a, mask(Seed::root(3).nth(0)));
    }
}
