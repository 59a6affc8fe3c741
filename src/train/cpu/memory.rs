//! What a child will take, before any of it is there: from the same layout that its steps run on.

use super::Cpu;
use super::program::{Program, Purpose};
use super::sums::WeightSums;
use crate::kernel::{Memory, parts};
use crate::train::engine::{Footprint, Outline};
use crate::train::parameters::Parameters;
use crate::train::plan::{Layers, Work};

/// Bytes of the child of `outline`, when so many images are stepped and evaluated together.
pub(super) fn footprint(outline: &Outline<'_>, stepped: usize, evaluated: usize) -> Footprint {
    let layers = Layers::of(outline.network, false);
    let (weights, parameters) = Parameters::size(&layers, outline.recipe.optimizer);
    let (purpose, whole) = Cpu::training(outline.recipe);
    let training = Program::of(outline.network, &layers, purpose, whole);
    let sums = WeightSums::of(&layers, &training.late).len();
    let evaluation = Program::of(outline.network, &layers, Purpose::Evaluation, None);
    let chunks = |program: &Program, images: usize, sums: usize| -> usize {
        let parts = parts(images, 1).into_iter();
        parts.map(|part| chunk(program, &layers, part.len(), sums)).sum()
    };
    let (panels, backs) = panels(&layers);
    let held = parameters
        + Memory::bytes(weights)
        + chunks(&training, stepped, sums)
        + chunks(&evaluation, evaluated, 0)
        + panels
        + backs;
    Footprint { held: held as u64, evaluation: panels as u64 }
}

/// Bytes of a chunk of `images`, with `sums` numbers for the gradients of weights.
fn chunk(program: &Program, layers: &Layers, images: usize, sums: usize) -> usize {
    // Statistics: three double-precision numbers for each channel of a norm, and two sums.
    let norms: usize = layers.norms.iter().map(|norm| 5 * size_of::<f64>() * norm.channels).sum();
    let mut scratch = [0; 3];
    for layer in &layers.list {
        let own = match &layer.work {
            Work::Conv { conv, .. } => conv.scratch_lens(images),
            Work::Depthwise { conv, .. } => [conv.scratch_len(), 0, 0],
            _ => [0; 3],
        };
        scratch = [0, 1, 2].map(|place| scratch[place].max(own[place]));
    }
    // Panels are filled on the way back only.
    let panels = if program.trains() { Memory::bytes(scratch[1]) } else { 0 };
    Memory::bytes(scratch[0])
        + panels
        + Memory::bytes(program.maps.len(images))
        + program.bytes * images
        + Memory::bytes(sums)
        + Memory::bytes(scratch[2])
        + norms
}

/// Bytes of the weights of convolutions as their passes need them, forward and back.
fn panels(layers: &Layers) -> (usize, usize) {
    let (mut forward, mut back) = (0, 0);
    for layer in &layers.list {
        let Work::Conv { conv, .. } = &layer.work else { continue };
        let [own, turned] = conv.weights_lens().map(Memory::bytes);
        forward += own;
        back += turned;
    }
    (forward, back)
}
