//! Softmax and cross-entropy in one operation: the mean loss of a batch.

use std::sync::Arc;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor, bail};

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda, Judged};

/// Mean cross-entropy of logits `[n, classes]` (in any shape that starts with `n`) against labels.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    labels: Arc<[u16]>,
    /// Images that the sum is divided by.
    images: usize,
    smoothing: f32,
    /// Of each class; empty when all are 1.
    weights: Arc<[f32]>,
}

impl CrossEntropy {
    /// Against `labels`; with `smoothing` that share of the target is spread over all classes.
    #[must_use]
    pub fn new(labels: Arc<[u16]>, smoothing: f32) -> Self {
        Self { images: labels.len(), labels, smoothing, weights: Arc::from([]) }
    }

    /// As a part of a batch of `images`: the sum is divided by their number, so that what the parts give adds up
    /// to what the whole batch gives.
    #[must_use]
    pub fn part_of(self, images: usize) -> Self {
        Self { images, ..self }
    }

    /// With the loss of each image multiplied by the weight of its class, none when `weights` is empty.
    /// The sum is still divided by the number of images.
    #[must_use]
    pub fn class_weights(self, weights: Arc<[f32]>) -> Self {
        Self { weights, ..self }
    }

    fn weight(&self, label: u16) -> f32 {
        self.weights.get(usize::from(label)).copied().unwrap_or(1.0)
    }

    /// Class probabilities of each row of `classes` logits.
    #[must_use]
    pub fn softmax(logits: &[f32], classes: usize) -> Vec<f32> {
        let mut shares = logits.to_vec();
        for row in shares.chunks_exact_mut(classes) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for x in row.iter_mut() {
                *x = libm::expf(*x - largest);
            }
            let total: f32 = row.iter().sum();
            for x in row {
                *x /= total;
            }
        }
        shares
    }

    /// Target share of `class` where `label` is right.
    #[expect(clippy::cast_precision_loss, reason = "few classes")]
    fn target(&self, class: usize, label: u16, classes: usize) -> f32 {
        let spread = self.smoothing / classes as f32;
        if class == usize::from(label) { 1.0 - self.smoothing + spread } else { spread }
    }

    /// Mean loss of `logits`, a row of classes for each label.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a batch has few images")]
    pub fn mean_loss(&self, logits: &[f32]) -> f64 {
        self.loss(logits, logits.len() / self.labels.len()) / self.images as f64
    }

    /// Gradient of `factor` times the mean loss.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a batch has few images")]
    pub fn gradient(&self, logits: &[f32], factor: f32) -> Vec<f32> {
        let classes = logits.len() / self.labels.len();
        let scale = factor / self.images as f32;
        let mut dx = Self::softmax(logits, classes);
        for (row, &label) in dx.chunks_exact_mut(classes).zip(self.labels.iter()) {
            let scale = self.weight(label) * scale;
            for (class, x) in row.iter_mut().enumerate() {
                *x = (*x - self.target(class, label, classes)) * scale;
            }
        }
        dx
    }

    #[cfg(feature = "cuda")]
    fn judged(&self, logits: usize) -> Judged<'_> {
        Judged {
            labels: &self.labels,
            classes: logits / self.labels.len(),
            smoothing: self.smoothing,
            weights: &self.weights,
        }
    }

    fn loss(&self, logits: &[f32], classes: usize) -> f64 {
        let rows = logits.chunks_exact(classes).zip(self.labels.iter());
        rows.map(|(row, &label)| f64::from(self.weight(label)) * self.row_loss(row, label)).sum()
    }

    fn row_loss(&self, row: &[f32], label: u16) -> f64 {
        // NaN falls through `max`, so the sum below has it again.
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total: f64 = row.iter().map(|&x| libm::exp(f64::from(x) - largest)).sum();
        let log_total = libm::log(total) + largest;
        let terms = row.iter().enumerate().map(|(class, &x)| {
            f64::from(self.target(class, label, row.len())) * (log_total - f64::from(x))
        });
        terms.sum()
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    #[expect(clippy::cast_possible_truncation, reason = "a mean loss")]
    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let logits = input(xs, layout)?;
        let images = self.labels.len();
        if images == 0 || !logits.len().is_multiple_of(images) {
            bail!("{} logits do not belong to {images} labels", logits.len());
        }
        Ok((CpuStorage::F32(vec![self.mean_loss(logits) as f32]), Dims::from(())))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let judged = self.judged(layout.shape().elem_count());
        let loss = gpu::losses(&Cuda::new(&xs.device), view(xs, layout)?, judged)?;
        Ok((loss, Dims::from(())))
    }

    fn bwd(&self, xs: &Tensor, _loss: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let factor = gradient.to_scalar::<f32>()?;
            let judged = self.judged(xs.elem_count());
            let dx = on_gpu([xs], |gpu, [xs]| gpu::loss_gradient(gpu, xs, judged, factor))?;
            return Ok(Some(device_tensor(dx, xs.shape())));
        }
        let dx = self.gradient(&floats(xs)?, gradient.to_scalar::<f32>()?);
        Ok(Some(tensor(dx, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers};
    use super::*;

    #[test]
    fn plain_and_smoothed_losses_equal_their_twin() {
        let labels: Arc<[u16]> = vec![2, 0, 3].into();
        for smoothing in [0.0, 0.1] {
            check(
                &[numbers("logits", &[3, 4])],
                |xs| xs[0].apply_op1(CrossEntropy::new(labels.clone(), smoothing)),
                |xs| vec![reference::cross_entropy(&xs[0], &labels, f64::from(smoothing))],
            );
        }
    }

    #[test]
    fn classes_weigh_as_much_as_they_are_told() {
        let labels: Arc<[u16]> = vec![2, 0, 3].into();
        let weights = [0.5, 1.0, 2.0, 3.0];
        check(
            &[numbers("logits", &[3, 4])],
            |xs| {
                let plain = CrossEntropy::new(labels.clone(), 0.1);
                xs[0].apply_op1(plain.class_weights(Arc::from(weights)))
            },
            |xs| {
                let rows = xs[0].chunks_exact(4).zip(labels.iter());
                let losses = rows.map(|(row, &label)| {
                    f64::from(weights[usize::from(label)])
                        * reference::cross_entropy(row, &[label], f64::from(0.1_f32))
                });
                vec![losses.sum::<f64>() / 3.0]
            },
        );
    }

    #[test]
    fn what_the_parts_of_a_batch_give_adds_up_to_the_whole() {
        let labels: [u16; 4] = [2, 0, 3, 1];
        let logits: Vec<f32> = (0..16_u8).map(|i| f32::from(i * 7 % 5) - 1.5).collect();
        let weights: Arc<[f32]> = Arc::from([0.5, 1.0, 2.0, 3.0]);
        let of =
            |labels: &[u16]| CrossEntropy::new(labels.into(), 0.1).class_weights(weights.clone());
        let whole = of(&labels);
        let parts = [of(&labels[..3]).part_of(4), of(&labels[3..]).part_of(4)];
        let logits_of = [&logits[..12], &logits[12..]];
        let loss = parts[0].mean_loss(logits_of[0]) + parts[1].mean_loss(logits_of[1]);
        assert!((loss - whole.mean_loss(&logits)).abs() < 1e-12);
        let gradient = [0, 1].map(|part| parts[part].gradient(logits_of[part], 0.5)).concat();
        assert_eq!(gradient, whole.gradient(&logits, 0.5));
    }

    /// candle's own loss is a chain of stock operations, none of which is among the wrong ones.
    #[test]
    fn loss_and_gradient_equal_candles_own() {
        let logits: Vec<f32> = (0..12_u8).map(|i| f32::from(i * 7 % 5) - 1.5).collect();
        let device = candle_core::Device::Cpu;
        let xs = candle_core::Var::from_vec(logits, (3, 4), &device).unwrap();
        let labels = Tensor::from_vec(vec![2_u32, 0, 3], 3, &device).unwrap();
        let ours = xs.apply_op1(CrossEntropy::new(vec![2, 0, 3].into(), 0.0)).unwrap();
        let theirs = candle_nn::loss::cross_entropy(&xs, &labels).unwrap();
        let gradient = |loss: &Tensor| {
            let gradients = loss.backward().unwrap();
            gradients.get(&xs).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let loss = |loss: &Tensor| loss.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let numbers = |loss_: &Tensor| [loss(loss_), gradient(loss_)].concat();
        for (a, b) in numbers(&ours).iter().zip(numbers(&theirs)) {
            // Two summation orders of a dozen numbers near 1.
            assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        }
    }

    #[test]
    fn huge_logits_do_not_overflow_and_nan_is_seen() {
        let loss = |logits: &[f32]| CrossEntropy::new(vec![1].into(), 0.0).loss(logits, 2);
        assert!((loss(&[0.0, 1e4])).abs() < 1e-6);
        assert!((loss(&[1e4, 0.0]) - 1e4).abs() < 1e-3);
        assert!(loss(&[f32::NAN, 0.0]).is_nan());
    }
}
