//! A pass over a network with candle's tensors, and the way back.
//!
//! The tape is ours: candle's would begin every gradient with zeros and add to them in a pool of
//! spinning threads, which took a third of a step. Here a gradient is handed on as it is, and added to
//! only where a map has several readers.

use candle_core::{CustomOp1, CustomOp2, CustomOp3, Result, Tensor};

use super::plan::{Layer, Layers, Work};
use crate::kernel::{
    self, BatchNorm, Conv, DropPath, Dropout, Moments, Relu, Statistics, floats, on_cpu, sum,
};
use crate::seed::Seed;

/// What a forward pass is for.
pub(super) enum Pass<'a> {
    /// Batch statistics, which are noted so that the running ones can follow, and whatever drops; the
    /// auxiliary head, when it is trained.
    Training { chance: Chance, seen: &'a mut Vec<(usize, Statistics)>, auxiliary: bool },
    /// Batch statistics that move nothing; nothing is dropped. Hears of what each rectifier gives.
    Probing { rectified: &'a mut dyn FnMut(&[f32]) },
    /// Running statistics; nothing is dropped.
    Evaluation { running: &'a [Moments] },
}

/// What is left to chance in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// Of the trial; every layer has a seed below it for each purpose and step.
    pub(super) seed: Seed,
    /// Steps before this one.
    pub(super) step: u64,
    /// Steps of the whole training.
    pub(super) steps: u64,
    /// Place in the batch of the first image that goes through the network.
    pub(super) first: usize,
    /// Whether dropout drops.
    pub(super) dropout: bool,
    /// Probability that the deepest path is kept at the end of the training; 1 drops nothing.
    pub(super) path_kept: f64,
}

/// What a forward pass gives.
pub(super) struct Run<'a> {
    pub(super) logits: Tensor,
    /// Logits of the auxiliary head, when it was run.
    pub(super) auxiliary: Option<Tensor>,
    pub(super) tape: Tape<'a>,
}

/// What has to be done to go back.
pub(super) struct Tape<'a> {
    layers: &'a Layers,
    entries: Vec<(&'a Layer, Backward)>,
}

/// What the way back gives.
pub(super) struct Found {
    /// Of each weight tensor; nothing for one that does not lead to the logits.
    pub(super) weights: Vec<Option<Tensor>>,
    /// Of the images, when the layers were planned for it.
    pub(super) images: Option<Tensor>,
}

/// Gradients of a layer's inputs and weights, in their order, from that of its output.
type Backward = Box<dyn FnOnce(&Tensor) -> Result<Gradients>>;

/// Gradients that a layer found; nothing where nobody needs one.
struct Gradients {
    inputs: Vec<Option<Tensor>>,
    weights: Vec<Option<Tensor>>,
}

/// Runs `images` through the layers, with a tape unless the pass is an evaluation.
pub(super) fn forward<'a>(
    layers: &'a Layers,
    images: Tensor,
    weights: &[Tensor],
    mut pass: Pass<'_>,
) -> Result<Run<'a>> {
    let mut tape = Tape { layers, entries: Vec::new() };
    let mut maps: Vec<Option<Tensor>> = vec![None; layers.nodes];
    maps[0] = Some(images);
    for layer in &layers.list {
        if layer.used || pass.runs_auxiliary() {
            let inputs = layer.inputs.iter().map(|&input| maps[input].clone());
            let inputs: Vec<Tensor> = inputs
                .collect::<Option<_>>()
                .expect("BUG: a layer reads what no earlier one wrote");
            let (output, backward) = layer.apply(inputs, weights, &mut pass)?;
            match &mut pass {
                Pass::Evaluation { .. } => {}
                Pass::Probing { rectified } if layer.work.rectifies() => {
                    rectified(&floats(&on_cpu(&output)?)?);
                    tape.entries.push((layer, backward));
                }
                _ => tape.entries.push((layer, backward)),
            }
            maps[layer.output] = Some(output);
        }
        // A map that is read no more goes here, unless the tape holds it.
        for &done in &layer.last_of {
            maps[done] = None;
        }
    }
    let logits = maps[layers.logits].take().expect("BUG: no layer wrote the logits");
    let auxiliary = layers.auxiliary.and_then(|node| maps[node].take());
    Ok(Run { logits, auxiliary, tape })
}

impl Pass<'_> {
    fn runs_auxiliary(&self) -> bool {
        matches!(self, Self::Training { auxiliary: true, .. })
    }
}

impl Chance {
    /// Seed of what `path` draws for `purpose` in this step.
    pub(super) fn seed(&self, purpose: &str, path: &str) -> Seed {
        self.seed.child(purpose).child(path).nth(self.step)
    }
}

impl Tape<'_> {
    /// Gradients from those of the logits and, when it was run, of the auxiliary head's. Maps are freed
    /// on the way.
    pub(super) fn backward(self, logits: Tensor, auxiliary: Option<Tensor>) -> Result<Found> {
        let mut found = vec![None; self.layers.weights.len()];
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.layers.nodes];
        gradients[self.layers.logits] = Some(logits);
        if let Some(node) = self.layers.auxiliary {
            gradients[node] = auxiliary;
        }
        for (layer, backward) in self.entries.into_iter().rev() {
            let Some(gradient) = gradients[layer.output].take() else { continue };
            let Gradients { inputs, weights } = backward(&gradient)?;
            for (&input, gradient) in layer.inputs.iter().zip(inputs) {
                let Some(gradient) = gradient else { continue };
                gradients[input] = Some(match gradients[input].take() {
                    None => gradient,
                    Some(others) => sum(&others, &gradient)?,
                });
            }
            for (weight, gradient) in layer.work.weights().into_iter().zip(weights) {
                found[weight] = gradient;
            }
        }
        Ok(Found { weights: found, images: gradients[0].take() })
    }
}

impl Layer {
    fn apply(
        &self,
        mut inputs: Vec<Tensor>,
        weights: &[Tensor],
        pass: &mut Pass<'_>,
    ) -> Result<(Tensor, Backward)> {
        let xs = inputs[0].clone();
        match &self.work {
            Work::Conv { conv, weight, bias } => {
                convolve(*conv, xs, &weights[*weight], bias.map(|bias| &weights[bias]))
            }
            Work::Depthwise { conv, weight } => {
                let (conv, weight) = (*conv, weights[*weight].clone());
                let ys = xs.apply_op2_no_bwd(&weight, &conv)?;
                let out = ys.clone();
                Ok((
                    out,
                    Box::new(move |gradient| {
                        let (dx, dw) = conv.bwd(&xs, &weight, &ys, gradient)?;
                        Ok(Gradients { inputs: vec![dx], weights: vec![dw] })
                    }),
                ))
            }
            Work::BatchNorm { norm, scale, shift, relu } => {
                let norm = BatchNorm::new(statistics(&xs, *norm, pass)?, *relu);
                let (scale, shift) = (weights[*scale].clone(), weights[*shift].clone());
                let ys = xs.apply_op3_no_bwd(&scale, &shift, &norm)?;
                let out = ys.clone();
                Ok((
                    out,
                    Box::new(move |gradient| {
                        let (dx, dscale, dshift) = norm.bwd(&xs, &scale, &shift, &ys, gradient)?;
                        Ok(Gradients { inputs: vec![dx], weights: vec![dscale, dshift] })
                    }),
                ))
            }
            Work::Relu => simple(Relu, xs),
            Work::MaxPool(pool) => simple(*pool, xs),
            Work::AvgPool(pool) => simple(*pool, xs),
            Work::Pad(pad) => simple(*pad, xs),
            Work::Dropout { rate } => match pass {
                Pass::Training { chance, .. } if chance.dropout && *rate > 0.0 => {
                    let dropout = Dropout::new(chance.seed("dropout", &self.path), *rate);
                    simple(dropout.starting_at(chance.first), xs)
                }
                _ => Ok(identity(xs)),
            },
            Work::DropPath { share } => match pass {
                Pass::Training { chance, .. } if chance.path_kept < 1.0 => {
                    let keep = DropPath::keep(*share, chance.path_kept, chance.step, chance.steps);
                    let path = DropPath::new(chance.seed("drop path", &self.path), keep);
                    simple(path.starting_at(chance.first), xs)
                }
                _ => Ok(identity(xs)),
            },
            Work::Flatten => {
                let images = xs.dim(0)?;
                let ys = xs.reshape((images, 1, 1, xs.elem_count() / images))?;
                let shape = xs.shape().clone();
                Ok((ys, Box::new(move |gradient| Ok(Gradients::of(gradient.reshape(shape)?)))))
            }
            Work::Add => {
                let count = inputs.len();
                let first = inputs.remove(0);
                let ys = inputs.iter().try_fold(first, |total, input| sum(&total, input))?;
                Ok((
                    ys,
                    Box::new(move |gradient| {
                        Ok(Gradients {
                            inputs: vec![Some(gradient.clone()); count],
                            weights: vec![],
                        })
                    }),
                ))
            }
            Work::Concat => {
                let ys = kernel::concat(&inputs)?;
                Ok((
                    ys,
                    Box::new(move |gradient| {
                        let parts = kernel::split(gradient, &inputs)?;
                        let inputs = parts.into_iter().map(Some).collect();
                        Ok(Gradients { inputs, weights: Vec::new() })
                    }),
                ))
            }
        }
    }
}

impl Gradients {
    /// Of one input and no weight.
    fn of(input: Tensor) -> Self {
        Self { inputs: vec![Some(input)], weights: Vec::new() }
    }
}

/// Nothing is done.
fn identity(xs: Tensor) -> (Tensor, Backward) {
    (xs, Box::new(|gradient| Ok(Gradients::of(gradient.clone()))))
}

/// An operation with one input and no weights.
fn simple(op: impl CustomOp1 + 'static, xs: Tensor) -> Result<(Tensor, Backward)> {
    let ys = xs.apply_op1_no_bwd(&op)?;
    let out = ys.clone();
    Ok((
        out,
        Box::new(move |gradient| {
            Ok(Gradients { inputs: vec![op.bwd(&xs, &ys, gradient)?], weights: Vec::new() })
        }),
    ))
}

fn convolve(
    conv: Conv,
    xs: Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Backward)> {
    let weight = weight.clone();
    if let Some(bias) = bias.cloned() {
        let ys = xs.apply_op3_no_bwd(&weight, &bias, &conv)?;
        let out = ys.clone();
        return Ok((
            out,
            Box::new(move |gradient| {
                let (dx, dw, db) = CustomOp3::bwd(&conv, &xs, &weight, &bias, &ys, gradient)?;
                Ok(Gradients { inputs: vec![dx], weights: vec![dw, db] })
            }),
        ));
    }
    let ys = xs.apply_op2_no_bwd(&weight, &conv)?;
    let out = ys.clone();
    Ok((
        out,
        Box::new(move |gradient| {
            let (dx, dw) = CustomOp2::bwd(&conv, &xs, &weight, &ys, gradient)?;
            Ok(Gradients { inputs: vec![dx], weights: vec![dw] })
        }),
    ))
}

/// Statistics to normalise with; in training those of the batch, which are noted.
fn statistics(xs: &Tensor, norm: usize, pass: &mut Pass<'_>) -> Result<Statistics> {
    match pass {
        Pass::Evaluation { running } => Statistics::on(xs.device(), &running[norm]),
        Pass::Probing { .. } => Moments::of_map(xs),
        Pass::Training { seen, .. } => {
            let batch = Moments::of_map(xs)?;
            seen.push((norm, batch.clone()));
            Ok(batch)
        }
    }
}
