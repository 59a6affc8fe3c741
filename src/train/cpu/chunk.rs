//! A run of a batch's images with all memory that a program needs for them.
//!
//! How a batch is cut into chunks is fixed by its size. A chunk shares nothing that it writes, so chunks run side by
//! side, and what they sum is added up in their order: the bits do not depend on how many threads there are.

use std::ops::Range;
use std::time::Instant;

use super::program::{Instruction, MapId, Program, Task};
use super::sums::WeightSums;
use crate::kernel::pointwise as pass;
use crate::kernel::{DropPath, Dropout, Memory, Normaliser, Scratch, Spread, WayBack, Weights};
use crate::train::parameters::Parameters;
use crate::train::plan::{Layers, Work};
use crate::train::tape::Chance;

/// What all chunks read.
pub(super) struct Context<'a> {
    pub(super) program: &'a Program,
    pub(super) layers: &'a Layers,
    /// Pixels of the part of the batch that is run.
    pub(super) images: &'a [f32],
    pub(super) parameters: &'a Parameters,
    /// Batch norms, once their statistics are complete.
    pub(super) normalisers: &'a [Normaliser],
    /// Weights of each layer that is a convolution.
    pub(super) weights: &'a [Weights],
    /// Where chunks sum up their gradients.
    pub(super) sums: &'a WeightSums,
    /// Its way back.
    pub(super) backs: &'a [WayBack],
    pub(super) chance: Option<Chance>,
}

/// Images of a batch and their maps.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Places in the part of the batch that is run.
    pub(super) images: Range<usize>,
    memory: Memory,
    /// Places of maxima.
    winners: Vec<u8>,
    /// Of all weights, laid out as they are.
    pub(super) weight_sums: Memory,
    /// Of each batch norm.
    pub(super) spreads: Vec<Spread>,
    /// Of each batch norm: sums of g (x - mean) and of g.
    pub(super) sums: Vec<Vec<f64>>,
    /// Of kernels.
    scratch: Scratch,
    /// Nanoseconds of each instruction, by phase, when a profile is wanted.
    pub(super) times: Vec<Vec<u64>>,
    /// Images that were run in these times.
    pub(super) timed: usize,
}

impl Chunk {
    /// Memory for `images` of a batch; `sums` numbers for their gradients.
    pub(super) fn new(
        program: &Program,
        layers: &Layers,
        images: Range<usize>,
        sums: usize,
    ) -> Self {
        let norms = layers.norms.iter();
        Self {
            memory: Memory::new(program.maps.len(images.len())),
            winners: vec![0; program.bytes * images.len()],
            weight_sums: Memory::new(sums),
            spreads: norms.clone().map(|norm| Spread::new(norm.channels)).collect(),
            sums: norms.map(|norm| vec![0.0; 2 * norm.channels]).collect(),
            scratch: Scratch::default(),
            times: Vec::new(),
            timed: 0,
            images,
        }
    }

    /// Goes over to other images, with more memory where they need it, and forgets the sums of the last ones. Gradients
    /// stay.
    pub(super) fn turn_to(&mut self, images: Range<usize>, program: &Program) {
        self.memory.of_len(program.maps.len(images.len()));
        self.winners.resize(self.winners.len().max(program.bytes * images.len()), 0);
        self.images = images;
        self.spreads.iter_mut().for_each(Spread::clear);
        self.sums.iter_mut().for_each(|sums| sums.fill(0.0));
    }

    /// Begins to take the times of instructions.
    pub(super) fn profile(&mut self, program: &Program) {
        let phases = program.phases.iter();
        self.times = phases.map(|phase| vec![0; phase.instructions.len()]).collect();
        self.timed = 0;
    }

    /// The numbers of a kept map, image by image.
    pub(super) fn kept(&self, program: &Program, map: MapId) -> &[f32] {
        &self.memory[program.maps.range(map, 0, self.images.len(), &(0..self.images.len()))]
    }

    /// The same to be written.
    pub(super) fn kept_mut(&mut self, program: &Program, map: MapId) -> &mut [f32] {
        let images = self.images.len();
        &mut self.memory[program.maps.range(map, 0, images, &(0..images))]
    }

    /// Runs one phase over all images.
    pub(super) fn run(&mut self, phase: usize, context: &Context<'_>) {
        let images = self.images.len();
        let size = context.program.maps.group(phase, images);
        self.timed += if phase == 0 { images } else { 0 };
        for start in (0..images).step_by(size) {
            let group = start..(start + size).min(images);
            for (place, instruction) in
                context.program.phases[phase].instructions.iter().enumerate()
            {
                let began = (!self.times.is_empty()).then(Instant::now);
                Step { chunk: self, context, phase, group: group.clone() }.run(instruction);
                if let Some(began) = began {
                    let nanoseconds = began.elapsed().as_nanos();
                    self.times[phase][place] += u64::try_from(nanoseconds).unwrap_or(u64::MAX);
                }
            }
        }
    }
}

/// A group of images at an instruction.
struct Step<'a, 'c> {
    chunk: &'a mut Chunk,
    context: &'a Context<'c>,
    phase: usize,
    group: Range<usize>,
}

/// Memory of one instruction, taken apart.
struct View<'a, const READS: usize> {
    reads: [&'a [f32]; READS],
    write: &'a mut [f32],
    scratch: &'a mut Scratch,
    sums: &'a mut [f32],
    winners: &'a mut [u8],
}

impl Step<'_, '_> {
    fn range(&self, map: MapId) -> Range<usize> {
        let images = self.chunk.images.len();
        self.context.program.maps.range(map, self.phase, images, &self.group)
    }

    /// What an instruction reads, what it writes, and the rest that it may need.
    fn view<const READS: usize>(&mut self, instruction: &Instruction) -> View<'_, READS> {
        let reads: [Range<usize>; READS] =
            std::array::from_fn(|place| self.range(instruction.reads[place]));
        let write = instruction.write.map_or(0..0, |map| self.range(map));
        let Chunk { memory, scratch, weight_sums, winners, .. } = &mut *self.chunk;
        let (reads, write) = apart(memory, &reads, write);
        View { reads, write, scratch, sums: weight_sums, winners }
    }

    /// Where the group's places of maxima are.
    fn winners(&self, offset: usize, len: usize) -> Range<usize> {
        let start = offset * self.chunk.images.len() + self.group.start * len;
        start..start + self.group.len() * len
    }

    #[expect(clippy::too_many_lines, reason = "a line or two for each task")]
    fn run(&mut self, instruction: &Instruction) {
        let context = self.context;
        let (layers, parameters) = (context.layers, context.parameters);
        let weight = |weight: usize| &parameters.values()[parameters.span(weight)];
        match instruction.task {
            Task::Load => {
                let first = self.chunk.images.start + self.group.start;
                let View { write, .. } = self.view::<0>(instruction);
                let len = write.len();
                let size = context.program.maps.map_len(instruction.write.expect("BUG: it writes"));
                write.copy_from_slice(&context.images[first * size..][..len]);
            }
            Task::Conv { layer } => {
                let (conv, _, bias) = layers.conv(layer);
                let View { reads: [xs], write, scratch, .. } = self.view(instruction);
                conv.forward_to(xs, &context.weights[layer], bias.map(weight), write, scratch);
            }
            Task::Depthwise { layer } => {
                let Work::Depthwise { conv, weight: w } = &layers.list[layer].work else {
                    unreachable!("BUG: another kind of layer")
                };
                let View { reads: [xs], write, scratch, .. } = self.view(instruction);
                conv.forward_to(xs, weight(*w), write, &mut scratch.numbers);
            }
            Task::Spread { norm } => {
                let (range, images) = (self.range(instruction.reads[0]), self.group.len());
                let Chunk { memory, spreads, .. } = &mut *self.chunk;
                let xs = &memory[range];
                xs.chunks_exact(xs.len() / images).for_each(|image| spreads[norm].add(image));
            }
            Task::Normalise { norm, relu } => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                context.normalisers[norm].apply(xs, relu, write);
            }
            Task::Rectify => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pass::rectify(xs, write);
            }
            Task::MaxPool { pool, winners: None } => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pool.forward_to(xs, write, &mut []);
            }
            Task::MaxPool { pool, winners: Some(offset) } => {
                let size = context.program.maps.map_len(instruction.write.expect("BUG: it writes"));
                let range = self.winners(offset, size);
                let View { reads: [xs], write, winners, .. } = self.view(instruction);
                pool.forward_to(xs, write, &mut winners[range]);
            }
            Task::AvgPool(pool) => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pool.forward_to(xs, write);
            }
            Task::Pad(pad) => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pad.forward_to(xs, write);
            }
            Task::Drop { layer } => self.drop(layer, instruction),
            Task::Copy => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                write.copy_from_slice(xs);
            }
            Task::AddPair => {
                let View { reads: [a, b], write, .. } = self.view(instruction);
                pass::add_pair(a, b, write);
            }
            Task::Accumulate => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pass::add(xs, write);
            }
            Task::Put { first, width, channels } => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pass::put_channels(xs, width, write, channels, first);
            }
            Task::Take { first, width, channels } => {
                let View { reads: [xs], write, .. } = self.view(instruction);
                pass::take_channels(xs, channels, first, write, width);
            }
            Task::Mask => {
                let View { reads: [seen, gradient], write, .. } = self.view(instruction);
                pass::mask(seen, gradient, write);
            }
            Task::ConvBack { layer } => {
                let (conv, weight, bias) = layers.conv(layer);
                let weight = context.sums.span(weight);
                let bias = bias.map(|bias| context.sums.span(bias));
                let View { reads: [xs, gradient], write, scratch, sums, .. } =
                    self.view(instruction);
                let (dw, db) = match bias {
                    None => (&mut sums[weight], None),
                    Some(bias) => {
                        let both = sums.get_disjoint_mut([weight, bias]);
                        let [dw, db] = both.expect("BUG: weights lie apart");
                        (dw, Some(db))
                    }
                };
                let back = &context.backs[layer];
                conv.backward_to(xs, gradient, back, dw, db, write, scratch);
            }
            Task::DenseBack { layer } => {
                let (conv, _, bias) = layers.conv(layer);
                let bias = bias.map(|bias| context.sums.span(bias));
                let View { reads: [gradient], write, scratch, sums, .. } = self.view(instruction);
                let db = bias.map(|bias| &mut sums[bias]);
                let back = &context.backs[layer];
                conv.rest_of_backward_to(gradient, back, db, write, scratch);
            }
            Task::DepthwiseBack { layer } => {
                let Work::Depthwise { conv, weight: w } = &layers.list[layer].work else {
                    unreachable!("BUG: another kind of layer")
                };
                let View { reads: [xs, gradient], write, scratch, sums, .. } =
                    self.view(instruction);
                let (dw, scratch) = (&mut sums[context.sums.span(*w)], &mut scratch.numbers);
                conv.weight_gradient_to(xs, gradient, dw, scratch);
                if !write.is_empty() {
                    conv.input_gradient_to(gradient, weight(*w), write, scratch);
                }
            }
            Task::NormSums { norm, relu } => {
                let images = self.group.len();
                let [xs, gradient] = [0, 1].map(|read| self.range(instruction.reads[read]));
                let Chunk { memory, sums, .. } = &mut *self.chunk;
                let (xs, gradient) = (&memory[xs], &memory[gradient]);
                let size = xs.len() / images;
                for (xs, gradient) in xs.chunks_exact(size).zip(gradient.chunks_exact(size)) {
                    context.normalisers[norm].add_sums(xs, gradient, relu, &mut sums[norm]);
                }
            }
            Task::NormBack { norm, relu } => {
                let View { reads: [xs, gradient], write, .. } = self.view(instruction);
                context.normalisers[norm].gradient(xs, gradient, relu, write);
            }
            Task::MaxPoolBack { pool, winners: offset } => {
                let size = context.program.maps.map_len(instruction.reads[0]);
                let range = self.winners(offset, size);
                let View { reads: [gradient], write, winners, .. } = self.view(instruction);
                pool.gradient_to(&winners[range], gradient, write);
            }
            Task::AvgPoolBack(pool) => {
                let View { reads: [gradient], write, .. } = self.view(instruction);
                pool.gradient_to(gradient, write);
            }
        }
    }

    /// Dropout or drop path, whose every decision is found by the image's place in the batch.
    fn drop(&mut self, layer: usize, instruction: &Instruction) {
        let layer = &self.context.layers.list[layer];
        let chance = self.context.chance.expect("BUG: something drops outside of a training");
        let first = chance.first + self.chunk.images.start + self.group.start;
        let images = self.group.len();
        let View { reads: [xs], write, .. } = self.view(instruction);
        write.copy_from_slice(xs);
        let size = write.len() / images;
        let maps = write.chunks_exact_mut(size).enumerate();
        match &layer.work {
            Work::Dropout { rate } => {
                let dropout = Dropout::new(chance.seed("dropout", &layer.path), *rate);
                maps.for_each(|(image, map)| dropout.change(first + image, map));
            }
            Work::DropPath { share } => {
                let keep = DropPath::keep(*share, chance.path_kept, chance.step, chance.steps);
                let path = DropPath::new(chance.seed("drop path", &layer.path), keep);
                maps.for_each(|(image, map)| path.change(first + image, map));
            }
            _ => unreachable!("BUG: another kind of layer"),
        }
    }
}

/// Parts of one memory, of which one is written.
fn apart<'a, const READS: usize>(
    memory: &'a mut [f32],
    reads: &[Range<usize>; READS],
    write: Range<usize>,
) -> ([&'a [f32]; READS], &'a mut [f32]) {
    const WHY: &str = "BUG: what is written lies apart from what is read";
    // As many ranges as the largest instruction has: what there is none of is empty.
    let mut ranges: [Range<usize>; 3] = [0..0, 0..0, write];
    for (range, read) in ranges.iter_mut().zip(reads) {
        *range = read.clone();
    }
    let [a, b, write] = memory.get_disjoint_mut(ranges).expect(WHY);
    let parts: [&[f32]; 2] = [a, b];
    (std::array::from_fn(|place| parts[place]), write)
}
