//! Cross-entropy and its gradient.

use candle_core::Result;

use super::sums::fold;
use super::{Kernel, Launch, Machine, Parameters, View};

/// What logits are judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) labels: &'a [u16],
    pub(crate) classes: usize,
    pub(crate) smoothing: f32,
    /// Of each class; empty when all are 1.
    pub(crate) weights: &'a [f32],
}

impl Judged<'_> {
    fn run<M: Machine>(
        self,
        machine: &M,
        kernel: Kernel,
        logits: View<'_, M::Memory>,
        len: usize,
        factor: f32,
    ) -> Result<M::Memory> {
        let images = self.labels.len();
        let labels: Vec<u32> = self.labels.iter().map(|&label| u32::from(label)).collect();
        let labels = machine.words(&labels)?;
        let weighted = !self.weights.is_empty();
        // Something must stand where the weights are expected.
        let weights = machine.numbers(if weighted { self.weights } else { &[1.0] })?;
        let mut out = machine.map(len)?;
        let parameters = Parameters::ints(&[images, self.classes]).real(self.smoothing);
        let launch = Launch::warps(kernel, images, parameters.real(factor).flag(weighted));
        let reads = [logits, View::of(&labels), View::of(&weights)];
        machine.launch(&launch, &reads, &mut [&mut out])?;
        Ok(out)
    }
}

/// The mean loss, one number.
pub(crate) fn losses<M: Machine>(
    machine: &M,
    logits: View<'_, M::Memory>,
    judged: Judged<'_>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("cross_entropy", "cross_entropy_loss");
    let images = judged.labels.len();
    let losses = judged.run(machine, KERNEL, logits, images, 1.0)?;
    fold(machine, View::of(&losses), 1, images, images)
}

/// `factor` times the gradient of the mean loss.
#[expect(clippy::cast_precision_loss, reason = "a batch has few images")]
pub(crate) fn gradient<M: Machine>(
    machine: &M,
    logits: View<'_, M::Memory>,
    judged: Judged<'_>,
    factor: f32,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("cross_entropy", "cross_entropy_gradient");
    let images = judged.labels.len();
    judged.run(machine, KERNEL, logits, images * judged.classes, factor / images as f32)
}
