//! Looks into a child that change nothing: gradients of weights and pixels, rectifiers.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{CandleChild, judge};
use crate::kernel::{floats, on_cpu};
use crate::train::engine::{Batch, Codes, Values};
use crate::train::error::TrainError;
use crate::train::plan::Layers;
use crate::train::tape::{Found, Pass, Run, forward};

impl CandleChild {
    /// As [`crate::train::Child::gradients`].
    pub(super) fn weight_gradients(
        &self,
        batch: &Batch,
    ) -> Result<BTreeMap<String, Values>, TrainError> {
        let criterion = self.criterion(&batch.labels);
        let found = self.probe(&self.layers, &batch.images, &mut |_| {}, |logits| {
            judge(&criterion, logits, 1.0).map(|(_, gradient)| gradient)
        })?;
        let mut gradients = BTreeMap::new();
        for (gradient, weight) in found.weights.iter().zip(&self.layers.weights) {
            if let Some(gradient) = gradient {
                let values = floats(&on_cpu(gradient)?)?.to_vec();
                let shape = weight.shape.clone();
                gradients.insert(weight.name.clone(), Values { shape, values });
            }
        }
        Ok(gradients)
    }

    /// As [`crate::train::Child::image_gradients`].
    pub(super) fn pixel_gradients(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        let layers = Layers::of(&self.network, true).in_precision(self.recipe.precision);
        let found = self.probe(&layers, images, &mut |_| {}, |logits| Ok(logits.ones_like()?))?;
        let gradient = found.images.expect("BUG: the layers were planned for it");
        let gradient = floats(&on_cpu(&gradient)?)?.to_vec();
        Ok(gradient)
    }

    /// As [`crate::train::Child::codes`].
    pub(super) fn rectifier_codes(&self, images: &[f32]) -> Result<Codes, TrainError> {
        let count = images.len() / self.image.len();
        let mut codes = Codes { len: 0, words: vec![Vec::new(); count] };
        let weights = self.tensors()?;
        let pass = Pass::Probing { rectified: &mut |map| codes.add(map) };
        forward(&self.layers, self.input(images)?, &weights, pass)?;
        Ok(codes)
    }

    /// Forward and, with the gradient that `start` gives the logits, back.
    fn probe(
        &self,
        layers: &Layers,
        images: &[f32],
        rectified: &mut dyn FnMut(&[f32]),
        start: impl FnOnce(&Tensor) -> Result<Tensor, TrainError>,
    ) -> Result<Found, TrainError> {
        let weights = self.tensors()?;
        let pass = Pass::Probing { rectified };
        let Run { logits, tape, .. } = forward(layers, self.input(images)?, &weights, pass)?;
        let gradient = start(&logits)?;
        Ok(tape.backward(gradient, None)?)
    }
}

impl Codes {
    /// Adds the bits of one layer's map, whose images stand one after another. A layer begins a word of
    /// its own; the bits that fill its last one are 0 in every image.
    pub(crate) fn add(&mut self, map: &[f32]) {
        let size = map.len() / self.words.len().max(1);
        self.len += size;
        for (words, image) in self.words.iter_mut().zip(map.chunks_exact(size.max(1))) {
            words.extend(image.chunks(64).map(|numbers| {
                let bits = numbers.iter().enumerate().filter(|(_, number)| **number > 0.0);
                bits.fold(0_u64, |word, (place, _)| word | 1 << place)
            }));
        }
    }
}
