//! Both policies on a small process whose walks can all be listed.

use super::*;
use crate::net::Shape;
use crate::seed::Seed;
use crate::space::chain::ChainConfig;
use crate::space::layerwise::LayerwiseConfig;
use crate::space::nasbench201::Nasbench201Config;
use crate::space::nasnet::{CellOp, NasnetConfig};
use crate::space::{Rules, SpaceConfig, Token};

/// Digits up to a length; a 0 ends early. Walks differ in length and states in their actions.
struct Digits;

impl Rules for Digits {
    type State = (usize, usize);
    type Seen = (usize, usize);

    fn start(&self) -> Self::State {
        (0, 0)
    }

    fn actions(&self, &(place, last): &Self::State) -> Vec<(Token, Self::State)> {
        if place == 3 {
            return Vec::new();
        }
        // After a 2 there is no 1.
        let legal = [0, 1, 2].into_iter().filter(|&digit| last != 2 || digit != 1);
        let next = |digit: usize| if digit == 0 { (3, 0) } else { (place + 1, digit) };
        let canonical = |(place, last)| if place == 3 { (3, 0) } else { (place, last) };
        legal.map(|digit| (Token(u16::try_from(digit).unwrap()), canonical(next(digit)))).collect()
    }

    fn seen(&self, state: &Self::State) -> Self::Seen {
        *state
    }

    fn name(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }

    /// The last digit is about the first.
    fn anchor(&self, &(place, _): &Self::State) -> Option<usize> {
        (place == 2).then_some(0)
    }

    fn vocabulary(&self) -> Vec<String> {
        (0..3).map(|digit| digit.to_string()).collect()
    }
}

fn process() -> Process {
    Process::build(&Digits).unwrap()
}

/// The small process, and that of a small space of every kind.
fn processes() -> Vec<Process> {
    let spaces = [
        SpaceConfig::Chain(ChainConfig { layers_max: 2, ..ChainConfig::default() }),
        SpaceConfig::Nasnet(NasnetConfig {
            blocks: 1,
            operations: vec![CellOp::Identity, CellOp::MaxPool3x3],
            ..NasnetConfig::default()
        }),
        SpaceConfig::Layerwise(LayerwiseConfig {
            layers: 3,
            heights: vec![1, 3],
            widths: vec![3],
            filters: vec![8],
            ..LayerwiseConfig::default()
        }),
        SpaceConfig::Nasbench201(Nasbench201Config::default()),
    ];
    let image = Shape { channels: 3, height: 32, width: 32 };
    let of = |config: &SpaceConfig| config.open(image, 10).unwrap().process().clone();
    std::iter::once(process()).chain(spaces.iter().map(of)).collect()
}

fn walks(process: &Process) -> Vec<Genotype> {
    let walk = |index| {
        let mut genotype = Genotype::default();
        process.nth(index, &mut genotype);
        genotype
    };
    (0..process.count().unwrap()).map(walk).collect()
}

/// A policy that is far from uniform.
fn policies(process: &Process) -> Vec<Box<dyn Policy>> {
    let seed = Seed::root(5);
    let sizes = |layers| Sizes { layers, hidden: 6, embedding: 4 };
    let recurrent = |layers, squash| -> Box<dyn Policy> {
        let mut start = Start { range: 1.0, stream: &mut seed.stream("controller", 0) };
        Box::new(Recurrent::new(process, sizes(layers), squash, &mut start))
    };
    let squash = Squash { temperature: 2.0, bound: Some(2.5) };
    let mut policies = vec![
        Box::new(Softmax::new(process, &mut seed.stream("controller", 0))) as Box<dyn Policy>,
        recurrent(1, Squash { temperature: 1.0, bound: None }),
        recurrent(2, squash),
    ];
    for policy in &mut policies {
        let mut stream = seed.stream("moved", 0);
        #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
        let moved = policy.weights().iter().map(|w| w + (0.5 * stream.normal()) as f32).collect();
        policy.set_weights(moved);
    }
    policies
}

/// Logarithm of each walk's probability.
fn log_probabilities(policy: &mut dyn Policy, process: &Process, walks: &[Genotype]) -> Vec<f64> {
    let mut logs = vec![0.0; walks.len()];
    let walks: Vec<&Genotype> = walks.iter().collect();
    policy.look(process, &walks, &mut |decision| logs[decision.walk] += decision.log_probability);
    logs
}

#[test]
fn probabilities_of_all_walks_add_up_to_one() {
    let process = process();
    let walks = walks(&process);
    for mut policy in policies(&process) {
        let logs = log_probabilities(&mut *policy, &process, &walks);
        let sum: f64 = logs.iter().map(|log| libm::exp(*log)).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}

#[test]
fn walks_are_drawn_with_their_probability() {
    let process = process();
    let walks = walks(&process);
    for mut policy in policies(&process) {
        let logs = log_probabilities(&mut *policy, &process, &walks);
        let mut counts = vec![0.0; walks.len()];
        for batch in 0..200 {
            let mut stream = Seed::root(1).stream("draws", batch);
            for drawn in policy.draw(&process, 50, &mut stream) {
                let walk = walks.iter().position(|walk| *walk == drawn.genotype).expect("legal");
                assert!((drawn.log_probability - logs[walk]).abs() < 1e-4, "{drawn:?}");
                counts[walk] += 1.0;
            }
        }
        for (count, log) in counts.iter().zip(&logs) {
            let expected = 10_000.0 * libm::exp(*log);
            // Four standard deviations, and one for the rarest.
            let band = 4.0 * libm::sqrt(expected) + 1.0;
            assert!((count - expected).abs() < band, "{count} {expected}");
        }
    }
}

/// The objective of a gradient: scores times log-probabilities, plus entropy.
fn objective(
    policy: &mut dyn Policy,
    process: &Process,
    walks: &[&Genotype],
    score: fn(Decision) -> f64,
) -> f64 {
    let mut sum = 0.0;
    policy.look(process, walks, &mut |d| sum += score(d) * d.log_probability);
    sum
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a few walks and steps")]
fn gradients_equal_central_differences() {
    let process = process();
    let walks = walks(&process);
    let chosen: Vec<&Genotype> = walks.iter().step_by(2).collect();
    let score = |d: Decision| 0.3 + 0.2 * d.walk as f64 - 0.4 * d.step as f64;
    for mut policy in policies(&process) {
        let mut gradient = vec![0.0; policy.weights().len()];
        policy.gradient(&process, &chosen, 0.0, &mut { score }, &mut gradient);
        let weights = policy.weights().to_vec();
        for place in (0..weights.len()).step_by(weights.len() / 40 + 1) {
            let mut moved = |step: f32| {
                let mut weights = weights.clone();
                weights[place] += step;
                policy.set_weights(weights);
                objective(&mut *policy, &process, &chosen, score)
            };
            let expected = (moved(0.01) - moved(-0.01)) / 0.02;
            let found = f64::from(gradient[place]);
            // Curvature over 0.02 and f32 logits leave some thousandths.
            assert!(
                (found - expected).abs() < 5e-3 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }
}

/// Whatever the weights: the mean of the gradient over all walks, weighed by their probability, vanishes
/// when all are rewarded alike. A baseline therefore biases nothing.
#[test]
fn the_expected_gradient_of_a_constant_reward_is_zero() {
    for process in processes() {
        let walks = walks(&process);
        for mut policy in policies(&process) {
            let logs = log_probabilities(&mut *policy, &process, &walks);
            let all: Vec<&Genotype> = walks.iter().collect();
            let mut expected = vec![0.0_f32; policy.weights().len()];
            let mut score = |d: Decision| 0.7 * libm::exp(logs[d.walk]);
            policy.gradient(&process, &all, 0.0, &mut score, &mut expected);
            assert!(expected.iter().all(|slope| slope.abs() < 1e-5), "{expected:?}");
            let mut one = vec![0.0_f32; policy.weights().len()];
            policy.gradient(&process, &all[..1], 0.0, &mut |_| 0.7, &mut one);
            assert!(one.iter().any(|slope| slope.abs() > 1e-2_f32), "a single walk has a gradient");
        }
    }
}

#[test]
fn entropy_alone_leads_to_a_uniform_policy() {
    let process = process();
    for mut policy in policies(&process) {
        let mut adam = super::super::adam::Adam::new(policy.weights().len(), 0.05, None);
        for step in 0..300 {
            let drawn = policy.draw(&process, 20, &mut Seed::root(2).stream("draws", step));
            let drawn: Vec<&Genotype> = drawn.iter().map(|drawn| &drawn.genotype).collect();
            let mut gradient = vec![0.0; policy.weights().len()];
            policy.gradient(&process, &drawn, 1.0, &mut |_| 0.0, &mut gradient);
            let mut weights = policy.weights().to_vec();
            adam.ascend(&mut weights, &mut gradient);
            policy.set_weights(weights);
        }
        let (_, choices) = policy.likeliest(&process);
        for choice in choices {
            let uniform = 1.0 / f64::from(u32::try_from(choice.probabilities().len()).unwrap());
            let close = |p: &f64| (p - uniform).abs() < 0.1;
            assert!(choice.probabilities().iter().all(close), "{choice:?}");
        }
    }
}

#[test]
fn the_table_shows_a_distribution_for_each_state_it_names() {
    let process = process();
    for policy in policies(&process) {
        let table = policy.table(&process);
        assert!(table.lines().next().unwrap().contains("state,action,probability"), "{table}");
        assert!(table.lines().count() > 3, "{table}");
    }
}
