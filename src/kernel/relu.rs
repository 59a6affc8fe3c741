//! The rectifier by itself, where no convolution or batch norm stands before it.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda};

/// `max(x, 0)`; NaN stays NaN, so that a diverged training is seen.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let xs = input(xs, layout)?;
        let ys = xs.iter().map(|&x| if x < 0.0 { 0.0 } else { x }).collect();
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let len = layout.shape().elem_count();
        let ys = gpu::rectify(&Cuda::new(&xs.device), view(xs, layout)?, len)?;
        Ok((ys, layout.shape().clone()))
    }

    fn bwd(&self, _xs: &Tensor, ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if ys.device().is_cuda() {
            let dx = on_gpu([ys, &gradient], |gpu, [ys, g]| {
                gpu::mask(gpu, ys, g, gradient.elem_count())
            })?;
            return Ok(Some(device_tensor(dx, ys.shape())));
        }
        let (y, g) = (floats(ys)?, floats(&gradient)?);
        let dx = y.iter().zip(&*g).map(|(y, g)| if *y > 0.0 { *g } else { 0.0 }).collect();
        Ok(Some(tensor(dx, ys.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{check, numbers};
    use super::*;

    #[test]
    fn relu_equals_its_twin() {
        check(
            &[numbers("xs", &[2, 3, 4, 5])],
            |xs| xs[0].apply_op1(Relu),
            |xs| xs[0].iter().map(|x| x.max(0.0)).collect(),
        );
    }
}
