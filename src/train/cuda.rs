//! The engine `cuda-f32-sm80`: candle's tensors on a GPU, over our own kernels and tape.
//!
//! Its bits are those of `kernels/`, compiled to PTX for compute capability 8.0; whether two GPUs agree in them
//! has not been seen yet.

use super::engine::{Child, Engine, Outline};
use super::error::TrainError;

/// Most GPUs that one process trains on.
const GPUS_MAX: usize = 16;

/// The engine of each GPU.
static GPUS: [Cuda; GPUS_MAX] = {
    let mut gpus = [Cuda { gpu: 0 }; GPUS_MAX];
    let mut gpu = 0;
    while gpu < GPUS_MAX {
        gpus[gpu].gpu = gpu;
        gpu += 1;
    }
    gpus
};

/// Candle on one of the GPUs that the process sees (`CUDA_VISIBLE_DEVICES`), by default the first.
///
/// Sums run in orders that the shape fixes, without atomics, and without the tensor cores' shorter numbers unless the
/// recipe's `precision` asks for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cuda {
    /// Its number among those that the process sees.
    gpu: usize,
}

impl Cuda {
    /// That of the GPU `gpu`, counted round.
    pub(super) fn nth(gpu: usize) -> &'static Self {
        &GPUS[gpu % GPUS_MAX]
    }

    /// GPUs that the process sees and trains on.
    #[cfg(feature = "cuda")]
    pub(super) fn count() -> usize {
        use candle_core::cuda_backend::cudarc::driver::CudaContext;
        let count = CudaContext::device_count().ok();
        count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0).min(GPUS_MAX)
    }

    /// GPUs that the process sees and trains on: none, in a build without CUDA.
    #[cfg(not(feature = "cuda"))]
    pub(super) fn count() -> usize {
        0
    }
}

impl Engine for Cuda {
    fn numerics(&self) -> &'static str {
        "cuda-f32-sm80"
    }

    fn component(&self) -> (&'static str, u32) {
        ("trainer.cuda", 1)
    }

    #[cfg(feature = "cuda")]
    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        // A stream of its own: the default one would be another for every thread that steps the child.
        let device = candle_core::Device::new_cuda_with_stream(self.gpu)
            .map_err(|error| TrainError::NoGpu { reason: first_line(&error.to_string()) })?;
        Ok(Box::new(super::candle::CandleChild::on_gpu(outline, device)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;
    use crate::seed::Seed;
    use crate::train::Recipe;
    use crate::train::reference::tests::network;

    fn outline<'a>(network: &'a Network, recipe: &'a Recipe) -> Outline<'a> {
        Outline {
            network,
            recipe,
            class_weights: vec![0.5, 1.5, 1.0],
            steps: 5,
            seed: Seed::root(3),
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_gpu_that_cannot_be_used_is_one_clear_error() {
        let (network, recipe) = (network(), Recipe::default());
        let Err(error) = Cuda::default().plan(&outline(&network, &recipe)) else {
            panic!("there is no GPU")
        };
        let text = error.to_string();
        assert!(
            text.contains("`device: cuda`") && text.contains("scripts/check-cuda.sh"),
            "{text}"
        );
    }

    /// On a GPU only: the CPU's reference engine on the same network, with everything that drops.
    #[cfg(feature = "cuda")]
    mod on_a_gpu {
        use super::*;
        use crate::kernel::gpu::Cuda as Gpu;
        use crate::train::reference::tests::{LABELS, images};
        use crate::train::{Batch, CandleCpu, Moment, Optimizer, Precision, State};

        fn recipe(precision: Precision) -> Recipe {
            Recipe {
                precision,
                optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true },
                clip: Some(1.0),
                label_smoothing: 0.1,
                drop_path: Some(0.7),
                auxiliary_weight: 0.4,
                ..Recipe::default()
            }
        }

        fn batch() -> Batch {
            Batch { images: images(), labels: LABELS.to_vec() }
        }

        fn trained(engine: &dyn Engine, precision: Precision) -> (Vec<f64>, State, Vec<f32>) {
            let (network, recipe) = (network(), recipe(precision));
            let mut child = engine.plan(&outline(&network, &recipe)).unwrap();
            let step = |step| child.step(&batch(), Moment { step, lr: 0.01 }).unwrap().loss;
            let losses = (0..5).map(step).collect();
            (losses, child.state().unwrap(), child.evaluate(&images()).unwrap())
        }

        fn near(what: &str, found: &[f32], expected: &[f32]) {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (found, expected) in found.iter().zip(expected) {
                let allowed = 1e-4 * expected.abs().max(1.0);
                assert!((found - expected).abs() <= allowed, "{what}: {found} and {expected}");
            }
        }

        #[test]
        fn five_steps_equal_those_of_the_cpu() {
            if Gpu::shared().is_none() {
                return;
            }
            let [ours, theirs] = [Cuda::nth(0) as &dyn Engine, &CandleCpu]
                .map(|engine| trained(engine, Precision::F32));
            for (ours, theirs) in ours.0.iter().zip(&theirs.0) {
                assert!((ours - theirs).abs() < 1e-4, "losses {ours} and {theirs}");
            }
            for (name, values) in theirs.1.weights.iter().chain(&theirs.1.training) {
                let found = ours.1.weights.get(name).unwrap_or_else(|| &ours.1.training[name]);
                near(name, &found.values, &values.values);
            }
            near("logits", &ours.2, &theirs.2);
        }

        #[test]
        fn two_trainings_have_the_same_bits() {
            if Gpu::shared().is_none() {
                return;
            }
            for precision in [Precision::F32, Precision::Bf16] {
                assert_eq!(trained(Cuda::nth(0), precision), trained(Cuda::nth(0), precision));
            }
        }

        /// Numbers between two of bfloat16 fall to one side here and to the other there, which is an eighth bit.
        #[test]
        fn losses_in_mixed_precision_are_near_those_of_the_cpu() {
            if Gpu::shared().is_none() {
                return;
            }
            let [ours, theirs] = [Cuda::nth(0) as &dyn Engine, &CandleCpu]
                .map(|engine| trained(engine, Precision::Bf16));
            for (ours, theirs) in ours.0.iter().zip(&theirs.0) {
                assert!((ours - theirs).abs() < 0.02, "losses {ours} and {theirs}");
            }
        }

        #[test]
        fn all_gpus_have_the_same_bits() {
            if Gpu::shared().is_none() {
                return;
            }
            let first = trained(Cuda::nth(0), Precision::F32);
            for gpu in 1..Cuda::count() {
                assert_eq!(trained(Cuda::nth(gpu), Precision::F32), first, "GPU {gpu}");
            }
        }

        #[test]
        fn looks_equal_those_of_the_cpu() {
            if Gpu::shared().is_none() {
                return;
            }
            let (network, recipe) = (network(), recipe(Precision::F32));
            let children = [Cuda::nth(0) as &dyn Engine, &CandleCpu]
                .map(|engine| engine.plan(&outline(&network, &recipe)).unwrap());
            let [ours, theirs] = children.each_ref().map(|child| {
                (child.gradients(&batch()).unwrap(), child.image_gradients(&images()).unwrap())
            });
            for (name, values) in &theirs.0 {
                near(name, &ours.0[name].values, &values.values);
            }
            near("pixels", &ours.1, &theirs.1);
            let [ours, theirs] = children.map(|child| child.codes(&images()).unwrap());
            assert_eq!(ours.len, theirs.len);
        }
    }
}
