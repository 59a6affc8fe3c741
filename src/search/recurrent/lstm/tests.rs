//! The fused network against candle's and against central differences.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};

use super::*;
use crate::seed::{Seed, Stream};

const SHAPE: Shape = Shape { tokens: 5, embedding: 3, hidden: 6, layers: 2 };
const LENGTHS: [usize; 4] = [3, 7, 1, 7];

#[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
fn numbers(stream: &mut Stream, count: usize) -> Vec<f32> {
    (0..count).map(|_| (0.5 * stream.normal()) as f32).collect()
}

/// A network, its weights, what the sequences read and how much each output counts in a loss.
struct Case {
    lstm: Lstm,
    weights: Vec<f32>,
    packing: Packing,
    tokens: Vec<usize>,
    importance: Vec<f32>,
}

fn case(shape: Shape) -> Case {
    let mut stream = Seed::root(9).stream("lstm", 0);
    let lstm = Lstm::new(shape);
    let weights = numbers(&mut stream, lstm.weights());
    let packing = Packing::new(&LENGTHS);
    let tokens = (0..packing.rows()).map(|_| stream.index(shape.tokens)).collect();
    let importance = numbers(&mut stream, packing.rows() * shape.hidden);
    Case { lstm, weights, packing, tokens, importance }
}

impl Case {
    fn outputs(&mut self) -> Trace {
        let mut trace = Trace::default();
        self.lstm.prepare(&self.weights);
        self.lstm.forward(&self.weights, &self.packing, &self.tokens, &mut trace);
        trace
    }

    fn loss(&mut self) -> f64 {
        let trace = self.outputs();
        let weighed = trace.output().iter().zip(&self.importance);
        weighed.map(|(output, weight)| f64::from(*output) * f64::from(*weight)).sum()
    }

    fn gradient(&mut self) -> Vec<f32> {
        let trace = self.outputs();
        let mut gradient = vec![0.0; self.weights.len()];
        let mut slopes = self.importance.clone();
        let Self { lstm, weights, packing, tokens, .. } = self;
        lstm.backward(weights, packing, tokens, &trace, &mut slopes, &mut gradient);
        gradient
    }
}

/// A row of outputs for each (sequence, step).
type Outputs = HashMap<(usize, usize), Vec<f32>>;

/// Candle's layers with the same weights: outputs by (sequence, step), and the loss's gradient.
fn candle(case: &Case, shape: Shape) -> (Outputs, Vec<f32>) {
    let device = Device::Cpu;
    let parts = case.lstm.parts();
    let vars: Vec<Var> = parts
        .iter()
        .map(|(_, dims, place)| {
            let values = case.weights[place.clone()].to_vec();
            Var::from_tensor(&Tensor::from_vec(values, (dims[0], dims[1]), &device).unwrap())
                .unwrap()
        })
        .collect();
    let layers: Vec<LSTM> = (0..shape.layers)
        .map(|layer| {
            let part = |nth: usize| vars[1 + 3 * layer + nth].as_tensor();
            let tensors = HashMap::from([
                ("weight_ih_l0".to_owned(), part(0).t().unwrap()),
                ("weight_hh_l0".to_owned(), part(1).t().unwrap()),
                ("bias_ih_l0".to_owned(), part(2).squeeze(0).unwrap()),
            ]);
            let config = LSTMConfig { b_hh_init: None, ..LSTMConfig::default() };
            let vb = VarBuilder::from_tensors(tensors, DType::F32, &device);
            let inputs = if layer == 0 { shape.embedding } else { shape.hidden };
            candle_nn::lstm(inputs, shape.hidden, config, vb).unwrap()
        })
        .collect();
    let mut outputs = HashMap::new();
    let mut loss = Tensor::new(0.0_f32, &device).unwrap();
    for (sequence, &length) in LENGTHS.iter().enumerate() {
        let mut states: Vec<LSTMState> =
            layers.iter().map(|layer| layer.zero_state(1).unwrap()).collect();
        for step in 0..length {
            let place = case.packing.running(step).iter().position(|&s| s == sequence).unwrap();
            let row = case.packing.step(step).start + place;
            let token = case.tokens[row];
            let mut x = vars[0].as_tensor().narrow(0, token, 1).unwrap();
            for (layer, state) in layers.iter().zip(&mut states) {
                *state = layer.step(&x, state).unwrap();
                x = state.h().clone();
            }
            let weights = &case.importance[row * shape.hidden..(row + 1) * shape.hidden];
            let weights = Tensor::from_slice(weights, (1, shape.hidden), &device).unwrap();
            loss = (loss + (&x * weights).unwrap().sum_all().unwrap()).unwrap();
            outputs.insert((sequence, step), x.squeeze(0).unwrap().to_vec1().unwrap());
        }
    }
    let slopes = loss.backward().unwrap();
    let gradient = vars
        .iter()
        .flat_map(|var| {
            slopes.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        })
        .collect();
    (outputs, gradient)
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let scale = 1.0_f32.max(expected.abs());
        assert!((found - expected).abs() <= tolerance * scale, "{found} is not {expected}");
    }
}

#[test]
fn outputs_and_gradients_equal_candles() {
    for layers in [1, 2] {
        let shape = Shape { layers, ..SHAPE };
        let mut case = case(shape);
        let (outputs, gradient) = candle(&case, shape);
        let trace = case.outputs();
        for step in 0..case.packing.steps() {
            for (place, &sequence) in case.packing.running(step).iter().enumerate() {
                let row = case.packing.step(step).start + place;
                let found = &trace.output()[row * shape.hidden..(row + 1) * shape.hidden];
                assert_close(found, &outputs[&(sequence, step)], 2e-6);
            }
        }
        // Sums of some twenty terms in another order.
        assert_close(&case.gradient(), &gradient, 1e-5);
    }
}

#[test]
fn gradients_equal_central_differences() {
    let mut case = case(SHAPE);
    let gradient = case.gradient();
    for place in (0..case.weights.len()).step_by(7) {
        let (weight, step) = (case.weights[place], 1e-2);
        case.weights[place] = weight + step;
        let above = case.loss();
        case.weights[place] = weight - step;
        let below = case.loss();
        case.weights[place] = weight;
        let expected = (above - below) / (2.0 * f64::from(step));
        // Curvature over 0.02 and f32 outputs leave a few thousandths.
        let found = f64::from(gradient[place]);
        assert!((found - expected).abs() < 4e-3 * expected.abs().max(1.0), "{found} {expected}");
    }
}

#[test]
fn steps_one_by_one_equal_a_pass_over_whole_sequences_bit_for_bit() {
    let mut case = case(SHAPE);
    let hidden = SHAPE.hidden;
    let trace = case.outputs();
    let mut memory = case.lstm.begin(LENGTHS.len());
    let mut running: Vec<usize> = (0..LENGTHS.len()).collect();
    for step in 0..case.packing.steps() {
        for sequence in (0..running.len()).rev() {
            if LENGTHS[running[sequence]] <= step {
                running.swap_remove(sequence);
                memory.swap_remove(sequence, hidden);
            }
        }
        let row = |sequence: usize| {
            let place = case.packing.running(step).iter().position(|&s| s == sequence).unwrap();
            case.packing.step(step).start + place
        };
        let tokens: Vec<usize> = running.iter().map(|&s| case.tokens[row(s)]).collect();
        case.lstm.step(&case.weights, &tokens, &mut memory);
        for (found, &sequence) in memory.output().chunks(hidden).zip(&running) {
            let row = row(sequence);
            assert_eq!(found, &trace.output()[row * hidden..(row + 1) * hidden]);
        }
    }
}
