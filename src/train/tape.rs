//! A pass over a network with candle's tensors, and the way back.
//!
//! The tape is ours: candle's would begin every gradient with zeros and add to them in a pool of
//! spinning threads, which took a third of a step. Here a gradient is handed on as it is, and added to
//! only where a map has several readers.

use std::sync::Arc;

use candle_core::{CustomOp1, CustomOp2, CustomOp3, Result, Tensor};

use super::plan::{Layer, Layers, Work};
use crate::kernel::{BatchNorm, Conv, Dropout, Moments, Relu, floats, sum};
use crate::seed::Seed;

/// Share of the running statistics that a batch leaves in place.
const MOMENTUM: f32 = 0.9;

/// What a forward pass is for.
pub(super) enum Pass<'a> {
    /// Batch statistics, which also move the running ones, and dropout unless it is off.
    Training { step: u64, dropout: Option<Seed>, running: &'a mut [Moments] },
    /// Running statistics, no dropout.
    Evaluation { running: &'a [Moments] },
}

/// What has to be done to go back.
pub(super) struct Tape<'a> {
    entries: Vec<(&'a Layer, Backward)>,
    logits: usize,
    nodes: usize,
}

/// Gradients of a layer's inputs and weights, in their order, from that of its output.
type Backward = Box<dyn FnOnce(&Tensor) -> Result<Gradients>>;

/// Gradients that a layer found; nothing where nobody needs one.
struct Gradients {
    inputs: Vec<Option<Tensor>>,
    weights: Vec<Option<Tensor>>,
}

/// Logits of `images`, and the tape when the pass is a training.
pub(super) fn forward<'a>(
    layers: &'a Layers,
    images: Tensor,
    weights: &[Tensor],
    mut pass: Pass<'_>,
) -> Result<(Tensor, Tape<'a>)> {
    let mut tape = Tape { entries: Vec::new(), logits: layers.logits, nodes: layers.nodes };
    let mut maps: Vec<Option<Tensor>> = vec![None; layers.nodes];
    maps[0] = Some(images);
    for layer in &layers.list {
        let inputs = layer.inputs.iter().map(|&input| maps[input].clone());
        let inputs: Vec<Tensor> =
            inputs.collect::<Option<_>>().expect("BUG: a layer reads what no earlier one wrote");
        let (output, backward) = layer.apply(inputs, weights, &mut pass)?;
        if matches!(pass, Pass::Training { .. }) {
            tape.entries.push((layer, backward));
        }
        // A map that is read no more goes here, unless the tape holds it.
        for &done in &layer.last_of {
            maps[done] = None;
        }
        maps[layer.output] = Some(output);
    }
    let logits = maps[layers.logits].take().expect("BUG: no layer wrote the logits");
    Ok((logits, tape))
}

impl Tape<'_> {
    /// Gradients of all `count` weight tensors from that of the logits; nothing for a weight that does
    /// not lead to them. Maps are freed on the way.
    pub(super) fn backward(self, logits: Tensor, count: usize) -> Result<Vec<Option<Tensor>>> {
        let mut found = vec![None; count];
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.nodes];
        gradients[self.logits] = Some(logits);
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
        Ok(found)
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
                let norm = BatchNorm::new(moments(&xs, *norm, pass)?, *relu);
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
            Work::Dropout { rate } => match pass {
                Pass::Training { step, dropout: Some(seed), .. } if *rate > 0.0 => {
                    simple(Dropout::new(seed.child(&self.path).nth(*step), *rate), xs)
                }
                _ => Ok((xs, Box::new(|gradient| Ok(Gradients::of(gradient.clone()))))),
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
                let ys = Tensor::cat(&inputs, 3)?.contiguous()?;
                Ok((ys, Box::new(move |gradient| split(gradient, &inputs))))
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

impl Work {
    /// The weights that a layer's gradients belong to.
    fn weights(&self) -> Vec<usize> {
        match self {
            Self::Conv { weight, bias, .. } => [*weight].into_iter().chain(*bias).collect(),
            Self::Depthwise { weight, .. } => vec![*weight],
            Self::BatchNorm { scale, shift, .. } => vec![*scale, *shift],
            _ => Vec::new(),
        }
    }
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

/// Each input's channels of the gradient of a concatenation.
fn split(gradient: &Tensor, inputs: &[Tensor]) -> Result<Gradients> {
    let mut first = 0;
    let mut parts = Vec::with_capacity(inputs.len());
    for input in inputs {
        let channels = input.dim(3)?;
        parts.push(Some(gradient.narrow(3, first, channels)?.contiguous()?));
        first += channels;
    }
    Ok(Gradients { inputs: parts, weights: Vec::new() })
}

/// Statistics to normalise with; in training those of the batch, which the running ones follow.
fn moments(xs: &Tensor, norm: usize, pass: &mut Pass<'_>) -> Result<Arc<Moments>> {
    match pass {
        Pass::Evaluation { running } => Ok(Arc::new(running[norm].clone())),
        Pass::Training { running, .. } => {
            let batch = Moments::of(&floats(xs)?, xs.dim(3)?);
            follow(&mut running[norm].mean, &batch.mean);
            follow(&mut running[norm].variance, &batch.variance);
            Ok(Arc::new(batch))
        }
    }
}

fn follow(running: &mut [f32], batch: &[f32]) {
    for (running, batch) in running.iter_mut().zip(batch) {
        *running = MOMENTUM * *running + (1.0 - MOMENTUM) * batch;
    }
}
