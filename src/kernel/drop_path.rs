//! Drop path: the whole map of an image is dropped or kept, each decision found by name.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
use super::chunks::changed_by_image;
#[cfg(any(test, feature = "cuda"))]
use super::gpu::{self, Machine, View};
use crate::seed::Seed;

/// Keeps the map of an image with probability `keep` and divides it by `keep`; else it is zeros
/// (`ScheduledDropPath`, Zoph et al. 2018, section 3).
#[derive(Debug, Clone, Copy)]
pub struct DropPath {
    /// Of this layer at this step; each image of the batch has a stream below it.
    seed: Seed,
    keep: f64,
    /// Place in the batch of the first image.
    first: usize,
}

impl DropPath {
    /// Drop path that keeps with probability `keep`, above 0 and at most 1.
    #[must_use]
    pub fn new(seed: Seed, keep: f64) -> Self {
        assert!(keep > 0.0 && keep <= 1.0, "BUG: the probability {keep} to keep a path passed");
        Self { seed, keep, first: 0 }
    }

    /// For a part of a batch that begins at its image `first`.
    #[must_use]
    pub fn starting_at(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Probability to keep a path of depth `share` in step `step` (from 0) of `steps` when the deepest
    /// path is kept with probability `last` at the end:
    /// `1 - min(1, step / steps) · share · (1 - last)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
    pub fn keep(share: f64, last: f64, step: u64, steps: u64) -> f64 {
        let done = (step as f64 / steps.max(1) as f64).min(1.0);
        1.0 - done * share * (1.0 - last)
    }

    /// What the map of the `image`-th image of the batch is multiplied with.
    #[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
    fn factor(&self, image: usize) -> f32 {
        let kept = self.seed.stream("drop path", image as u64).unit() < self.keep;
        if kept { (1.0 / self.keep) as f32 } else { 0.0 }
    }

    fn apply(&self, xs: &[f32], images: usize) -> Vec<f32> {
        changed_by_image(xs, images, |image, ys| self.change(self.first + image, ys))
    }

    /// Drops or scales the map of the `image`-th image of the batch; a gradient all the same.
    pub(crate) fn change(&self, image: usize, map: &mut [f32]) {
        match self.factor(image) {
            // Not a product: nothing of a dropped map is left, not even its NaN.
            0.0 => map.fill(0.0),
            factor => map.iter_mut().for_each(|number| *number *= factor),
        }
    }
}

#[cfg(any(test, feature = "cuda"))]
impl DropPath {
    /// The maps of `images` images of `size` numbers, dropped or scaled; a gradient all the same.
    pub(super) fn on<M: Machine>(
        &self,
        machine: &M,
        xs: View<'_, M::Memory>,
        images: usize,
        size: usize,
    ) -> Result<M::Memory> {
        let keys = (0..images).flat_map(|image| self.seed.key("drop path", image as u64));
        gpu::drop_path(machine, xs, &keys.collect::<Vec<u32>>(), size, self.keep)
    }
}

impl CustomOp1 for DropPath {
    fn name(&self) -> &'static str {
        "drop path"
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
    fn the_gradient_drops_the_paths_that_the_forward_pass_drops() {
        let op = DropPath::new(Seed::root(1), 0.6);
        let ones = op.apply(&[1.0; 120], 8);
        check(
            &[numbers("xs", &[8, 3, 5, 1])],
            |xs| xs[0].apply_op1(op),
            |xs| xs[0].iter().zip(&ones).map(|(x, &one)| x * f64::from(one)).collect(),
        );
    }

    #[test]
    fn whole_images_are_dropped_as_often_as_said() {
        let ys = DropPath::new(Seed::root(2), 0.75).apply(&vec![1.0; 8000], 4000);
        let kept = ys.chunks(2).filter(|image| image[0] > 0.0).count();
        assert!(ys.chunks(2).all(|image| image[0].to_bits() == image[1].to_bits()));
        // Four standard deviations of a binomial share are 110.
        assert!((2890..3110).contains(&kept), "{kept}");
        assert!(ys.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn deeper_and_later_paths_are_dropped_more() {
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(DropPath::keep(1.0, 0.6, 0, 100), 1.0);
        near(DropPath::keep(1.0, 0.6, 50, 100), 0.8);
        near(DropPath::keep(0.5, 0.6, 50, 100), 0.9);
        near(DropPath::keep(1.0, 0.6, 300, 100), 0.6);
    }
}
