//! The engine `cuda-f32-sm80`: candle's tensors on a GPU, over our own kernels and tape.
//!
//! Its bits are those of `kernels/`, compiled to PTX for compute capability 8.0; whether two GPUs agree in them
//! has not been seen yet.

use super::engine::{Child, Engine, Outline};
use super::error::TrainError;

/// Candle on the first GPU that the process sees (`CUDA_VISIBLE_DEVICES`).
///
/// Sums run in orders that the shape fixes, without atomics and without the tensor cores' shorter numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cuda;

impl Engine for Cuda {
    fn numerics(&self) -> &'static str {
        "cuda-f32-sm80"
    }

    fn component(&self) -> (&'static str, u32) {
        ("trainer.cuda", 1)
    }

    #[cfg(feature = "cuda")]
    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        let device = candle_core::Device::new_cuda(0)
            .map_err(|error| TrainError::NoGpu { reason: first_line(&error.to_string()) })?;
        Ok(Box::new(super::candle::CandleChild::new(outline, device)?))
    }

    #[cfg(not(feature = "cuda"))]
    fn plan(&self, _: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        Err(TrainError::NoGpu { reason: "this phytotron was built without CUDA".to_owned() })
    }
}

/// Candle's errors go on with a trace of its own calls.
#[cfg(feature = "cuda")]
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::train::Recipe;
    use crate::train::reference::tests::network;

    #[test]
    fn a_gpu_that_cannot_be_used_is_one_clear_error() {
        let (network, recipe) = (network(), Recipe::default());
        let outline = Outline {
            network: &network,
            recipe: &recipe,
            class_weights: Vec::new(),
            steps: 1,
            seed: Seed::root(0),
        };
        let Err(error) = Cuda.plan(&outline) else { panic!("there is no GPU") };
        let text = error.to_string();
        assert!(text.contains("`device: cuda`") && text.contains("scripts/check-cuda.sh"), "{text}");
    }
}
