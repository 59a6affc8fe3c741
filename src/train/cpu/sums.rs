//! What a chunk sums up for the gradient of each weight tensor: the gradient itself, or what a convolution's shorter
//! way makes it of once all images have been added.

use std::ops::Range;

use rayon::prelude::*;

use super::program::Late;
use crate::kernel::{Conv, Memory};
use crate::train::parameters::Parameters;
use crate::train::plan::{Layers, Work};

/// Where the sums of each weight tensor lie.
#[derive(Debug)]
pub(super) struct WeightSums {
    tensors: Vec<Tensor>,
    len: usize,
}

#[derive(Debug)]
struct Tensor {
    span: Range<usize>,
    /// The convolution whose weights these are.
    conv: Option<Conv>,
    /// Whether there are none, since the gradient is found late.
    is_late: bool,
}

impl WeightSums {
    /// Of a network's weights, but for those of layers that are `late`.
    pub(super) fn of(layers: &Layers, late: &[Late]) -> Self {
        let mut convs = vec![(None, false); layers.weights.len()];
        for (place, layer) in layers.list.iter().enumerate() {
            if let Work::Conv { conv, weight, .. } = &layer.work {
                convs[*weight] = (Some(*conv), late.iter().any(|late| late.layer == place));
            }
        }
        let mut len = 0;
        let tensors = layers.weights.iter().zip(convs).map(|(weight, (conv, is_late))| {
            let plain = weight.shape.iter().product();
            let start = Memory::aligned(len);
            let own = conv.map_or(plain, |conv| conv.sums());
            len = start + if is_late { 0 } else { own };
            Tensor { span: start..len, conv, is_late }
        });
        Self { tensors: tensors.collect(), len }
    }

    /// Numbers of all.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where those of a weight tensor lie.
    pub(super) fn span(&self, weight: usize) -> Range<usize> {
        self.tensors[weight].span.clone()
    }

    /// Overwrites the gradients, which lie as the parameters do, with what the sums say; late ones are left alone.
    pub(super) fn finish(&self, sums: &[f32], parameters: &Parameters, gradients: &mut [f32]) {
        let mut rest = gradients;
        let mut done = 0;
        let own = self.tensors.iter().enumerate().map(|(weight, tensor)| {
            let span = parameters.span(weight);
            let (_, tail) = std::mem::take(&mut rest).split_at_mut(span.start - done);
            let (gradient, tail) = tail.split_at_mut(span.len());
            (rest, done) = (tail, span.end);
            (tensor, gradient)
        });
        own.collect::<Vec<_>>().into_par_iter().for_each(|(tensor, gradient)| {
            let sums = &sums[tensor.span.clone()];
            match tensor.conv {
                Some(_) if tensor.is_late => {}
                Some(conv) => conv.gradient_of_sums(sums, gradient),
                None => gradient.copy_from_slice(sums),
            }
        });
    }
}
