//! From a network to a program: what is done with each image, in phases, and where every map lies.
//!
//! All images of a batch wait for each other only where a batch norm needs the statistics of all of them. Between
//! two such points lies a phase: its instructions run over a few images at a time, whose maps stay in the
//! second-level cache from the first instruction to the last. A map that is read in its own phase only has a place
//! in a scratch that the next images use again; a map that is read in a later phase is kept. What is cheap to
//! compute (a normalised map, a rectified one, the gradient before a pooling) is not kept but computed again in
//! each phase that reads it: reading one map and writing none costs less than writing and reading another.

use std::collections::HashMap;
use std::time::Duration;

use super::place::{Draft, Maps};
use crate::kernel::{AvgPool, MaxPool, MultiplyAdds, Pad, parts};
use crate::net::Network;
use crate::train::engine::Timing;
use crate::train::plan::{Layers, Work};

/// Weights from which on a dense layer's gradient may be found late.
const LATE: usize = 1 << 16;

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Batch statistics, whatever drops, gradients of the weights; the auxiliary head, when it is trained.
    Training { auxiliary: bool, dropout: bool, drop_path: bool },
    /// Batch statistics, nothing dropped, gradients of weights and images.
    Gradients { images: bool },
    /// Batch statistics, nothing dropped; what each rectifier gives is kept.
    Rectifiers,
    /// Running statistics, nothing dropped.
    Evaluation,
}

/// A map by its number in [`Maps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MapId(pub(super) usize);

/// One thing that is done with the images of a group. Layers and norms are places in [`Layers`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    /// Writes the images themselves.
    Load,
    Conv {
        layer: usize,
    },
    Depthwise {
        layer: usize,
    },
    /// Takes in the statistics of what it reads.
    Spread {
        norm: usize,
    },
    Normalise {
        norm: usize,
        relu: bool,
    },
    Rectify,
    /// `winners`: where the places of the maxima are kept, when a gradient will need them.
    MaxPool {
        pool: MaxPool,
        winners: Option<usize>,
    },
    AvgPool(AvgPool),
    Pad(Pad),
    /// Dropout or drop path; a gradient all the same.
    Drop {
        layer: usize,
    },
    Copy,
    AddPair,
    /// Adds what it reads to what it writes.
    Accumulate,
    /// Writes `width` channels from `first` on, of `channels`.
    Put {
        first: usize,
        width: usize,
        channels: usize,
    },
    /// Reads them.
    Take {
        first: usize,
        width: usize,
        channels: usize,
    },
    /// Of a map and a gradient: what of the gradient a rectifier lets through.
    Mask,
    /// Of the input and the gradient before the rectifier: adds the weights' gradients, writes the input's.
    ConvBack {
        layer: usize,
    },
    /// Of the gradient before the rectifier: as `ConvBack`, but for the weights.
    DenseBack {
        layer: usize,
    },
    DepthwiseBack {
        layer: usize,
    },
    /// Of a norm's input and the gradient of its output: takes in the sums that its gradient needs.
    NormSums {
        norm: usize,
        relu: bool,
    },
    NormBack {
        norm: usize,
        relu: bool,
    },
    MaxPoolBack {
        pool: MaxPool,
        winners: usize,
    },
    AvgPoolBack(AvgPool),
}

impl Task {
    /// What it is called in profiles.
    fn name(&self) -> String {
        let name = format!("{self:?}");
        name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    /// The path of the layer that it works for, where it is known.
    fn path(self, layers: &Layers) -> &str {
        match self {
            Self::Conv { layer }
            | Self::Depthwise { layer }
            | Self::Drop { layer }
            | Self::ConvBack { layer }
            | Self::DenseBack { layer }
            | Self::DepthwiseBack { layer } => &layers.list[layer].path,
            Self::Spread { norm }
            | Self::Normalise { norm, .. }
            | Self::NormSums { norm, .. }
            | Self::NormBack { norm, .. } => &layers.norms[norm].path,
            _ => "",
        }
    }
}

/// A task with what it reads and what it writes.
#[derive(Debug, Clone)]
pub(super) struct Instruction {
    pub(super) task: Task,
    pub(super) reads: Vec<MapId>,
    pub(super) write: Option<MapId>,
}

impl Instruction {
    /// What it multiplies with weights for an image.
    fn multiply_adds(&self, layers: &Layers) -> MultiplyAdds {
        let writes = self.write.is_some();
        let (layer, is_back) = match self.task {
            Task::DenseBack { .. } if !writes => return MultiplyAdds::default(),
            // Of a dense layer the input's gradient alone: as many as on the way forward.
            Task::DenseBack { layer } | Task::Conv { layer } | Task::Depthwise { layer } => {
                (layer, false)
            }
            Task::ConvBack { layer } | Task::DepthwiseBack { layer } => (layer, true),
            _ => return MultiplyAdds::default(),
        };
        match &layers.list[layer].work {
            Work::Conv { conv, .. } if is_back => conv.multiply_adds_back(writes),
            Work::Conv { conv, .. } => conv.multiply_adds(),
            Work::Depthwise { conv, .. } => {
                let passes = 1 + usize::from(is_back && writes);
                let direct = passes * conv.multiply_adds();
                MultiplyAdds { direct, executed: direct }
            }
            _ => unreachable!("BUG: another kind of layer"),
        }
    }
}

/// Instructions between two points at which all images wait for each other.
#[derive(Debug, Default)]
pub(super) struct Phase {
    pub(super) instructions: Vec<Instruction>,
    /// Norms whose statistics are complete behind this phase.
    pub(super) spreads: Vec<usize>,
    /// Norms whose gradient has its sums behind this phase.
    pub(super) sums: Vec<usize>,
    /// Weights of its largest dense layer.
    pub(super) dense: usize,
}

/// A dense layer of many weights, whose gradient is found once all phases are over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Late {
    /// Its place in [`Layers`].
    pub(super) layer: usize,
    /// What goes in.
    pub(super) input: MapId,
    /// The gradient of what comes out, before the rectifier.
    pub(super) gradient: MapId,
}

/// A network ready to run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) phases: Vec<Phase>,
    /// The place of the loss: phases before it go forward, those behind it back.
    pub(super) loss: usize,
    pub(super) maps: Maps,
    pub(super) logits: MapId,
    pub(super) auxiliary: Option<MapId>,
    /// Gradients of the logits and of the auxiliary head's, to be written before the way back.
    pub(super) seeds: Vec<MapId>,
    /// Gradient of the images.
    pub(super) image_gradient: Option<MapId>,
    /// What each rectifier gives, in order.
    pub(super) rectified: Vec<MapId>,
    /// Weight tensors that get a gradient.
    pub(super) trained: Vec<bool>,
    pub(super) late: Vec<Late>,
    /// Bytes that each image keeps for places of maxima.
    pub(super) bytes: usize,
}

/// What a node holds.
#[derive(Debug, Clone, Copy)]
enum Source {
    Map(MapId),
    /// Computed in each phase that reads it.
    Again(Task, Option<usize>),
    /// The same as another node.
    Same(usize),
}

#[derive(Debug, Clone, Copy)]
struct Value {
    source: Source,
    /// The first phase that can read it.
    phase: usize,
}

/// Gradient of a node.
#[derive(Debug, Clone, Copy)]
enum Slope {
    Map(MapId),
    /// Computed in each phase that reads it.
    Again(Task, MapId),
}

struct Compiler<'a> {
    network: &'a Network,
    layers: &'a Layers,
    purpose: Purpose,
    drafts: Vec<Draft>,
    phases: Vec<Phase>,
    values: Vec<Option<Value>>,
    /// Values that were computed again, by node and phase.
    again: HashMap<(usize, usize), MapId>,
    slopes: Vec<Option<(Slope, usize)>>,
    /// The same of gradients, by what they are computed from.
    slopes_again: HashMap<(usize, MapId, usize), MapId>,
    /// Nodes whose gradient somebody needs.
    wanted: Vec<bool>,
    /// Layers that read a node.
    readers: Vec<Vec<usize>>,
    bytes: usize,
    winners: Vec<usize>,
    /// Images of a batch that goes through in one part.
    whole: Option<usize>,
    /// What goes into layers whose weights get their gradient late.
    late_inputs: HashMap<usize, MapId>,
    late: Vec<Late>,
}

impl Program {
    /// The program of a network whose layers are `layers`; batches are of `whole` images when all go through as one part.
    pub(super) fn of(
        network: &Network,
        layers: &Layers,
        purpose: Purpose,
        whole: Option<usize>,
    ) -> Self {
        let mut compiler = Compiler::new(network, layers, purpose, whole);
        compiler.forward();
        let auxiliary = layers.auxiliary.filter(|_| compiler.runs_auxiliary());
        let (logits, auxiliary) =
            (compiler.output(layers.logits), auxiliary.map(|node| compiler.output(node)));
        let mut rectified = Vec::new();
        if purpose == Purpose::Rectifiers {
            let nodes = layers.list.iter().filter(|layer| layer.used && layer.work.rectifies());
            rectified = nodes.map(|layer| compiler.output(layer.output)).collect();
        }
        let loss = compiler.phases.len();
        compiler.phase(loss);
        let (mut seeds, mut image_gradient) = (Vec::new(), None);
        if purpose.goes_back() {
            let heads = [Some(layers.logits), layers.auxiliary.filter(|_| auxiliary.is_some())];
            for node in heads.into_iter().flatten() {
                let seed = compiler.map(network.nodes()[node].shape.len());
                seeds.push(seed);
                compiler.give(node, Slope::Map(seed), loss + 1);
            }
            compiler.backward();
            if purpose == (Purpose::Gradients { images: true }) {
                image_gradient = Some(compiler.image_gradient());
            }
        }
        let outside: Vec<MapId> =
            [logits].into_iter().chain(auxiliary).chain(seeds.iter().copied()).collect();
        let last = compiler.phases.len();
        let mut uses: Vec<(MapId, usize)> = outside.iter().map(|map| (*map, loss)).collect();
        uses.extend(rectified.iter().map(|map| (*map, loss)));
        uses.extend(image_gradient.map(|map| (map, last)));
        uses.extend(
            compiler
                .late
                .iter()
                .flat_map(|late| [late.input, late.gradient])
                .map(|map| (map, last)),
        );
        let maps = Maps::place(&compiler.drafts, &compiler.phases, &uses);
        let trained = compiler.trained();
        let Compiler { phases, bytes, late, .. } = compiler;
        Self {
            phases,
            loss,
            maps,
            logits,
            auxiliary,
            seeds,
            image_gradient,
            rectified,
            trained,
            late,
            bytes,
        }
    }
}

impl Program {
    /// Whether it goes back.
    pub(super) fn trains(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Rows of a profile, from nanoseconds by phase and place that `images` took.
    #[expect(clippy::cast_precision_loss, reason = "times")]
    pub(super) fn timings(
        &self,
        layers: &Layers,
        images: usize,
        times: impl Fn(usize, usize) -> u64,
    ) -> Vec<Timing> {
        let mut timings = Vec::new();
        for (number, phase) in self.phases.iter().enumerate() {
            for (place, instruction) in phase.instructions.iter().enumerate() {
                let MultiplyAdds { direct, executed } = instruction.multiply_adds(layers);
                timings.push(Timing {
                    phase: number,
                    operation: instruction.task.name(),
                    path: instruction.task.path(layers).to_owned(),
                    secs: times(number, place) as f64 / 1e9,
                    direct_flops: 2 * (images * direct) as u64,
                    executed_flops: 2 * (images * executed) as u64,
                });
            }
        }
        timings
    }

    /// The row of a gradient that is found late.
    pub(super) fn late_timing(
        &self,
        layers: &Layers,
        images: usize,
        late: &Late,
        time: Duration,
    ) -> Timing {
        let (conv, ..) = layers.conv(late.layer);
        let flops = 2 * (images * conv.multiply_adds().direct) as u64;
        Timing {
            phase: self.phases.len(),
            operation: "DenseGradient".to_owned(),
            path: layers.list[late.layer].path.clone(),
            secs: time.as_secs_f64(),
            direct_flops: flops,
            executed_flops: flops,
        }
    }
}

impl Purpose {
    fn goes_back(self) -> bool {
        matches!(self, Self::Training { .. } | Self::Gradients { .. })
    }
}

impl<'a> Compiler<'a> {
    fn new(
        network: &'a Network,
        layers: &'a Layers,
        purpose: Purpose,
        whole: Option<usize>,
    ) -> Self {
        let nodes = network.nodes().len();
        let mut compiler = Self {
            network,
            layers,
            purpose,
            drafts: Vec::new(),
            phases: Vec::new(),
            values: vec![None; nodes],
            again: HashMap::new(),
            slopes: vec![None; nodes],
            slopes_again: HashMap::new(),
            wanted: vec![false; nodes],
            readers: vec![Vec::new(); nodes],
            bytes: 0,
            winners: vec![0; layers.list.len()],
            whole,
            late_inputs: HashMap::new(),
            late: Vec::new(),
        };
        compiler.wanted[0] = purpose == Purpose::Gradients { images: true };
        for (place, layer) in layers.list.iter().enumerate() {
            if !compiler.runs(place) {
                continue;
            }
            let own = !layer.work.weights().is_empty();
            let wanted = own || layer.inputs.iter().any(|&input| compiler.wanted[input]);
            compiler.wanted[layer.output] = wanted;
            for &input in &layer.inputs {
                compiler.readers[input].push(place);
            }
        }
        compiler
    }

    fn runs_auxiliary(&self) -> bool {
        matches!(self.purpose, Purpose::Training { auxiliary: true, .. })
    }

    fn runs(&self, layer: usize) -> bool {
        self.layers.list[layer].used || self.runs_auxiliary()
    }

    /// Weight tensors of the layers that the way back went through.
    fn trained(&self) -> Vec<bool> {
        let mut trained = vec![false; self.layers.weights.len()];
        for layer in &self.layers.list {
            if self.slopes[layer.output].is_some() {
                layer.work.weights().into_iter().for_each(|weight| trained[weight] = true);
            }
        }
        trained
    }

    fn len(&self, node: usize) -> usize {
        self.network.nodes()[node].shape.len()
    }

    fn channels(&self, node: usize) -> usize {
        self.network.nodes()[node].shape.channels
    }

    /// Whether a node holds one pixel: what works on vectors gets phases of its own, in which all images of a chunk
    /// go together, since their weights are larger than their maps.
    fn is_vector(&self, node: usize) -> bool {
        let shape = self.network.nodes()[node].shape;
        shape.height == 1 && shape.width == 1
    }

    fn map(&mut self, len: usize) -> MapId {
        self.drafts.push(Draft { len });
        MapId(self.drafts.len() - 1)
    }

    fn phase(&mut self, phase: usize) -> &mut Phase {
        while self.phases.len() <= phase {
            self.phases.push(Phase::default());
        }
        &mut self.phases[phase]
    }

    fn push(&mut self, phase: usize, task: Task, reads: Vec<MapId>, write: Option<MapId>) {
        self.phase(phase).instructions.push(Instruction { task, reads, write });
    }

    /// The same with a new map of `len` numbers to write.
    fn compute(&mut self, phase: usize, task: Task, reads: Vec<MapId>, len: usize) -> MapId {
        let map = self.map(len);
        self.push(phase, task, reads, Some(map));
        map
    }

    /// The map of a node in a phase, which computes it again where it is not kept.
    fn value(&mut self, node: usize, phase: usize) -> MapId {
        let value = self.values[node].expect("BUG: a layer reads what no earlier one wrote");
        match value.source {
            Source::Map(map) => map,
            Source::Same(other) => self.value(other, phase),
            Source::Again(task, of) => {
                if let Some(&map) = self.again.get(&(node, phase)) {
                    return map;
                }
                let reads = of.map(|of| self.value(of, phase)).into_iter().collect();
                let map = self.compute(phase, task, reads, self.len(node));
                self.again.insert((node, phase), map);
                map
            }
        }
    }

    /// The map of a node that is read when all phases so far are over.
    fn output(&mut self, node: usize) -> MapId {
        let phase = self.values[node].expect("BUG: no layer wrote it").phase;
        self.value(node, phase)
    }

    fn forward(&mut self) {
        self.values[0] = Some(Value { source: Source::Again(Task::Load, None), phase: 0 });
        for place in 0..self.layers.list.len() {
            if self.runs(place) {
                self.forward_layer(place);
            }
        }
    }

    fn forward_layer(&mut self, place: usize) {
        let layers = self.layers;
        let layer = &layers.list[place];
        let ready = |&input: &usize| self.values[input].expect("BUG: an earlier layer").phase;
        let phase = layer.inputs.iter().map(ready).max().unwrap_or(0);
        let (input, len) = (layer.inputs[0], self.len(layer.output));
        let mut later = 0;
        let source = match &layer.work {
            Work::Conv { .. } | Work::Depthwise { .. } => {
                let task = match layer.work {
                    Work::Conv { .. } => Task::Conv { layer: place },
                    _ => Task::Depthwise { layer: place },
                };
                let read = self.value(input, phase);
                if let Some(weights) = self.dense(place) {
                    self.meets(phase, weights);
                    if self.is_late(place, weights) {
                        self.late_inputs.insert(place, read);
                    }
                }
                Source::Map(self.compute(phase, task, vec![read], len))
            }
            Work::BatchNorm { norm, relu, .. } => {
                if self.purpose != Purpose::Evaluation {
                    let read = self.value(input, phase);
                    self.push(phase, Task::Spread { norm: *norm }, vec![read], None);
                    self.phase(phase).spreads.push(*norm);
                    later = 1;
                }
                Source::Again(Task::Normalise { norm: *norm, relu: *relu }, Some(input))
            }
            Work::Relu => Source::Again(Task::Rectify, Some(input)),
            Work::MaxPool(pool) => {
                let mut winners = None;
                if self.purpose.goes_back() && self.wanted[input] {
                    self.winners[place] = self.bytes;
                    winners = Some(self.bytes);
                    self.bytes += len;
                }
                let reads = vec![self.value(input, phase)];
                let task = Task::MaxPool { pool: *pool, winners };
                Source::Map(self.compute(phase, task, reads, len))
            }
            Work::AvgPool(pool) => {
                let reads = vec![self.value(input, phase)];
                Source::Map(self.compute(phase, Task::AvgPool(*pool), reads, len))
            }
            Work::Pad(pad) => Source::Again(Task::Pad(*pad), Some(input)),
            Work::Dropout { .. } | Work::DropPath { .. } if self.drops(place) => {
                let reads = vec![self.value(input, phase)];
                Source::Map(self.compute(phase, Task::Drop { layer: place }, reads, len))
            }
            Work::Flatten | Work::Dropout { .. } | Work::DropPath { .. } => Source::Same(input),
            Work::Add => {
                let reads: Vec<MapId> =
                    layer.inputs.iter().map(|&input| self.value(input, phase)).collect();
                Source::Map(self.sum(phase, &reads, len))
            }
            Work::Concat => Source::Map(self.concat(phase, &layer.inputs, layer.output)),
        };
        if self.is_vector(layer.output) && !self.is_vector(input) {
            later = later.max(1);
        }
        self.values[layer.output] = Some(Value { source, phase: phase + later });
    }

    /// Weights of a dense layer.
    fn dense(&self, place: usize) -> Option<usize> {
        let layer = &self.layers.list[place];
        let Work::Conv { .. } = layer.work else { return None };
        let (input, output) = (layer.inputs[0], layer.output);
        let is_dense = self.is_vector(input) && self.is_vector(output);
        is_dense.then(|| self.len(input) * self.len(output))
    }

    /// Notes that a phase walks through so many weights.
    fn meets(&mut self, phase: usize, weights: usize) {
        let phase = self.phase(phase);
        phase.dense = phase.dense.max(weights);
    }

    /// Whether a dense layer's gradient is found from all images at once: where the vectors of the batch, which are then
    /// kept, are smaller than what its chunks would sum up.
    fn is_late(&self, place: usize, weights: usize) -> bool {
        let vectors = self.len(self.layers.list[place].inputs[0]);
        let kept = self.whole.filter(|_| self.purpose.goes_back() && weights >= LATE);
        kept.is_some_and(|images| images * vectors <= parts(images, 1).len() * weights)
    }

    fn drops(&self, layer: usize) -> bool {
        match (&self.layers.list[layer].work, self.purpose) {
            (Work::Dropout { rate }, Purpose::Training { dropout, .. }) => dropout && *rate > 0.0,
            (Work::DropPath { .. }, Purpose::Training { drop_path, .. }) => drop_path,
            _ => false,
        }
    }

    /// A map with the sum of others.
    fn sum(&mut self, phase: usize, reads: &[MapId], len: usize) -> MapId {
        let sum = match reads {
            [a, b, ..] if a != b => self.compute(phase, Task::AddPair, vec![*a, *b], len),
            [a, ..] => {
                let sum = self.compute(phase, Task::Copy, vec![*a], len);
                if let [_, b, ..] = reads {
                    self.push(phase, Task::Accumulate, vec![*b], Some(sum));
                }
                sum
            }
            [] => panic!("BUG: a sum of nothing"),
        };
        for read in reads.iter().skip(2) {
            self.push(phase, Task::Accumulate, vec![*read], Some(sum));
        }
        sum
    }

    fn concat(&mut self, phase: usize, inputs: &[usize], output: usize) -> MapId {
        let channels = self.channels(output);
        let map = self.map(self.len(output));
        let mut first = 0;
        for &input in inputs {
            let width = self.channels(input);
            let read = self.value(input, phase);
            self.push(phase, Task::Put { first, width, channels }, vec![read], Some(map));
            first += width;
        }
        map
    }

    /// Takes a gradient of a node in.
    fn give(&mut self, node: usize, slope: Slope, phase: usize) {
        if !self.wanted[node] {
            return;
        }
        if let Some(Value { source: Source::Same(other), .. }) = self.values[node] {
            let leaves_vectors = self.is_vector(node) && !self.is_vector(other);
            return self.give(other, slope, if leaves_vectors { phase + 1 } else { phase });
        }
        let Some((own, ready)) = self.slopes[node] else {
            self.slopes[node] = Some((slope, phase));
            return;
        };
        let phase = phase.max(ready);
        let len = self.len(node);
        let reads = [self.slope(own, phase, len), self.slope(slope, phase, len)];
        let sum = self.sum(phase, &reads, len);
        self.slopes[node] = Some((Slope::Map(sum), phase));
    }

    /// The map of a gradient in a phase, which computes it again where it is not kept.
    fn slope(&mut self, slope: Slope, phase: usize, len: usize) -> MapId {
        match slope {
            Slope::Map(map) => map,
            Slope::Again(task, of) => {
                // A task on a map has one place in a network, so its kind is enough to tell it from others.
                let kind = match task {
                    Task::Take { first, .. } => first,
                    _ => usize::MAX,
                };
                if let Some(&map) = self.slopes_again.get(&(kind, of, phase)) {
                    return map;
                }
                let map = self.compute(phase, task, vec![of], len);
                self.slopes_again.insert((kind, of, phase), map);
                map
            }
        }
    }

    fn backward(&mut self) {
        for place in (0..self.layers.list.len()).rev() {
            if self.runs(place) {
                self.backward_layer(place);
            }
        }
    }

    fn backward_layer(&mut self, place: usize) {
        let layers = self.layers;
        let layer = &layers.list[place];
        let Some((slope, phase)) = self.slopes[layer.output] else { return };
        let (input, output, len) = (layer.inputs[0], layer.output, self.len(layer.output));
        // As on the way forward, vectors have phases of their own.
        let leaves_vectors = self.is_vector(output) && !self.is_vector(input);
        let phase = if leaves_vectors { phase + 1 } else { phase };
        match &layer.work {
            Work::Conv { conv, .. } => {
                let mut gradient = self.slope(slope, phase, len);
                if conv.rectifies() && !self.is_masked_by_pool(output) {
                    let seen = self.value(output, phase);
                    gradient = self.compute(phase, Task::Mask, vec![seen, gradient], len);
                }
                if let Some(weights) = self.dense(place) {
                    self.meets(phase, weights);
                }
                if let Some(&read) = self.late_inputs.get(&place) {
                    self.late.push(Late { layer: place, input: read, gradient });
                    let task = Task::DenseBack { layer: place };
                    return self.written_back(task, input, vec![gradient], phase);
                }
                self.weighted_back(Task::ConvBack { layer: place }, input, gradient, phase);
            }
            Work::Depthwise { .. } => {
                let gradient = self.slope(slope, phase, len);
                self.weighted_back(Task::DepthwiseBack { layer: place }, input, gradient, phase);
            }
            Work::BatchNorm { norm, relu, .. } => {
                let (norm, relu) = (*norm, *relu);
                let reads = vec![self.value(input, phase), self.slope(slope, phase, len)];
                self.push(phase, Task::NormSums { norm, relu }, reads, None);
                self.phase(phase).sums.push(norm);
                if self.wanted[input] {
                    let phase = phase + 1;
                    let reads = vec![self.value(input, phase), self.slope(slope, phase, len)];
                    let dx = self.compute(phase, Task::NormBack { norm, relu }, reads, len);
                    self.give(input, Slope::Map(dx), phase);
                }
            }
            Work::Relu => {
                let reads = vec![self.value(input, phase), self.slope(slope, phase, len)];
                let dx = self.compute(phase, Task::Mask, reads, len);
                self.give(input, Slope::Map(dx), phase);
            }
            Work::MaxPool(pool) => {
                if !self.wanted[input] {
                    return;
                }
                let mut gradient = self.slope(slope, phase, len);
                if self.is_masked_by_pool(input) {
                    let seen = self.value(output, phase);
                    gradient = self.compute(phase, Task::Mask, vec![seen, gradient], len);
                }
                let task = Task::MaxPoolBack { pool: *pool, winners: self.winners[place] };
                self.give(input, Slope::Again(task, gradient), phase);
            }
            Work::AvgPool(pool) => {
                let gradient = self.slope(slope, phase, len);
                self.give(input, Slope::Again(Task::AvgPoolBack(*pool), gradient), phase);
            }
            Work::Pad(pad) => {
                let gradient = self.slope(slope, phase, len);
                self.give(input, Slope::Again(Task::Pad(pad.reversed()), gradient), phase);
            }
            Work::Dropout { .. } | Work::DropPath { .. } if self.drops(place) => {
                let reads = vec![self.slope(slope, phase, len)];
                let dx = self.compute(phase, Task::Drop { layer: place }, reads, len);
                self.give(input, Slope::Map(dx), phase);
            }
            // The other node has been given it.
            Work::Flatten | Work::Dropout { .. } | Work::DropPath { .. } => {}
            Work::Add => {
                let gradient = self.slope(slope, phase, len);
                for &input in &layer.inputs {
                    self.give(input, Slope::Map(gradient), phase);
                }
            }
            Work::Concat => {
                let gradient = self.slope(slope, phase, len);
                let channels = self.channels(output);
                let mut first = 0;
                for &input in &layer.inputs {
                    let width = self.channels(input);
                    let task = Task::Take { first, width, channels };
                    self.give(input, Slope::Again(task, gradient), phase);
                    first += width;
                }
            }
        }
    }

    /// The way back of a layer with weights.
    fn weighted_back(&mut self, task: Task, input: usize, gradient: MapId, phase: usize) {
        let reads = vec![self.value(input, phase), gradient];
        self.written_back(task, input, reads, phase);
    }

    /// A task that writes the gradient of `input`, when somebody wants it.
    fn written_back(&mut self, task: Task, input: usize, reads: Vec<MapId>, phase: usize) {
        let dx = self.wanted[input].then(|| self.map(self.len(input)));
        self.push(phase, task, reads, dx);
        if let Some(dx) = dx {
            self.give(input, Slope::Map(dx), phase);
        }
    }

    /// Whether a rectified map is read by one pooling for maxima only. Then the pooled map says which maxima were above
    /// zero, and the large map need not be kept.
    fn is_masked_by_pool(&self, node: usize) -> bool {
        let written = self.layers.list.iter().find(|layer| layer.output == node);
        let rectified = written.is_some_and(
            |layer| matches!(&layer.work, Work::Conv { conv, .. } if conv.rectifies()),
        );
        let pooled = |&reader: &usize| matches!(self.layers.list[reader].work, Work::MaxPool(_));
        rectified && matches!(self.readers[node].as_slice(), [only] if pooled(only))
    }

    fn image_gradient(&mut self) -> MapId {
        let len = self.len(0);
        match self.slopes[0] {
            Some((slope, phase)) => self.slope(slope, phase, len),
            None => panic!("BUG: the images lead nowhere"),
        }
    }
}
