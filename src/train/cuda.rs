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
        // A stream of its own: the default one would be another for every thread that steps the child.
        let device = candle_core::Device::new_cuda_with_stream(0)
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
        let Err(error) = Cuda.plan(&outline(&network, &recipe)) else { panic!("there is no GPU") };
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
        use crate::train::{Batch, CandleCpu, Moment, Optimizer, State};

        fn recipe() -> Recipe {
            Recipe {
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

        fn trained(engine: &dyn Engine) -> (Vec<f64>, State, Vec<f32>) {
            let (network, recipe) = (network(), recipe());
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
            let (ours, theirs) = (trained(&Cuda), trained(&CandleCpu));
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
            assert_eq!(trained(&Cuda), trained(&Cuda));
        }

        #[test]
        fn looks_equal_those_of_the_cpu() {
            if Gpu::shared().is_none() {
                return;
            }
            let (network, recipe) = (network(), recipe());
            let children = [&Cuda as &dyn Engine, &CandleCpu]
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
