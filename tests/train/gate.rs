//! MetaQNN's retry test on little data: networks that are known to be good must pass it.
//!
//! `PHYTOTRON_LEAF_SIDE=64` asks for leaves of full size, at four times the time: all ten pass there, at the first
//! learning rate.

use phytotron::artifact::{Coordinates, StageId};
use phytotron::dataset::Dataset;
use phytotron::event::Silent;
use phytotron::net::Network;
use phytotron::seed::Seed;
use phytotron::space::chain::{Chain, Layer};
use phytotron::stage::evaluators::{Retries, TrainConfig};
use phytotron::statistics::Bar;
use phytotron::train::{
    Assignment, Cpu, Examples, Init, Optimizer, Outcome, Preprocessing, Recipe, Schedule, Standard,
    Watch, fit,
};

use super::leaves;

/// Networks that Baker et al. trained to 93 % of CIFAR-10 (2017, table A2, in its order), and five more that their
/// search kept.
const KNOWN_GOOD: [&str; 10] = [
    "[C(512,5,1), C(256,3,1), C(256,5,1), C(256,3,1), P(5,3), C(512,3,1), C(512,5,1), P(2,2), SM(10)]",
    "[C(128,1,1), C(512,3,1), C(64,1,1), C(128,3,1), P(2,2), C(256,3,1), P(2,2), C(512,3,1), P(3,2), SM(10)]",
    "[C(128,3,1), C(128,1,1), C(512,5,1), P(2,2), C(128,3,1), P(2,2), C(64,3,1), C(64,5,1), SM(10)]",
    "[C(256,3,1), C(256,3,1), P(5,3), C(256,1,1), C(128,3,1), P(2,2), C(128,3,1), SM(10)]",
    "[C(64,3,1), C(128,3,1), P(5,3), C(256,3,1), P(3,2), FC(512), FC(128), SM(10)]",
    "[C(128,5,1), C(512,3,1), P(2,2), C(128,1,1), C(128,5,1), P(3,2), C(512,3,1), SM(10)]",
    "[C(64,5,1), C(512,3,1), C(512,1,1), C(64,1,1), C(128,5,1), P(3,2), C(512,5,1), C(512,3,1), P(5,3), SM(10)]",
    "[C(256,3,1), C(128,1,1), C(128,3,1), C(128,3,1), P(5,3), C(128,3,1), SM(10)]",
    "[C(128,3,1), P(2,2), C(64,5,1), C(512,5,1), C(256,3,1), C(512,3,1), P(2,2), C(512,3,1), C(256,5,1), C(256,3,1), C(128,5,1), C(64,3,1), SM(10)]",
    "[C(128,5,1), C(128,3,1), C(64,5,1), P(5,3), C(128,3,1), C(512,5,1), C(256,5,1), C(128,5,1), C(128,5,1), C(128,3,1), SM(10)]",
];

/// Convolutions and dense layers have this many times fewer channels here than published.
const NARROWER: usize = 16;

fn network(text: &str, data: &Dataset) -> Network {
    let layers = Chain::parse(text).unwrap().layers().to_vec();
    let narrower = layers.into_iter().map(|layer| match layer {
        Layer::Conv { filters, kernel, stride } => {
            Layer::Conv { filters: filters / NARROWER, kernel, stride }
        }
        Layer::Fc { units } => Layer::Fc { units: units / NARROWER },
        other => other,
    });
    Chain::new(narrower.collect()).with_dropout().network(data.card.image, false)
}

/// Accuracy where the test comes, and what it had to be above.
fn at_the_gate(network: &Network, data: &Dataset, factor: f64, seed: Seed) -> (f64, f64) {
    // That of the paper, with a batch for little data.
    let recipe = Recipe {
        batch: 32,
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999 },
        lr: 0.001,
        weight_decay: 0.0005,
        schedule: Schedule::Step { factor: 0.2, at: vec![0.25, 0.5, 0.75] },
        init: Init::Xavier,
        ..Recipe::default()
    };
    let standard = Standard::of(&data.card, Preprocessing::Standard).unwrap();
    let mut assignment = Assignment {
        engine: &Cpu,
        network,
        recipe: &recipe,
        standard: &standard,
        training: Examples::all(&data.training),
        validation: Some(Examples::all(&data.validation)),
        epochs: TrainConfig::default().epochs,
        lr_factor: factor,
        gate: None,
        bar: Bar::default(),
        seed,
    };
    let mut gate = Retries::default().gate(&assignment, 0.1).unwrap();
    let threshold = gate.threshold;
    // Nobody passes, so that nobody is trained beyond it.
    gate.threshold = f64::INFINITY;
    assignment.gate = Some(gate);
    let stage = StageId { name: "stage".to_owned(), coordinates: Coordinates::default() };
    let watch = Watch {
        events: &Silent,
        stage: &stage,
        child: "child",
        stop: &|| false,
        checkpoint: None,
        memory: None,
        profile: false,
    };
    match fit(&assignment, &watch).unwrap().outcome {
        Outcome::GaveUp { accuracy, .. } => (accuracy, threshold),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn good_networks_pass_the_retry_test_on_a_fifth_of_the_leaves() {
    // A fifth of the 4,000 leaves, without those for validation.
    let side = std::env::var("PHYTOTRON_LEAF_SIDE").map_or(32, |text| text.parse().unwrap());
    let data = leaves::dataset(800, side);
    assert_eq!(data.training.len(), 680);
    let Retries { tries, factor, .. } = Retries::default();
    let passes = |number: usize| {
        let network = network(KNOWN_GOOD[number], &data);
        (0..tries).find(|&tried| {
            let seed = Seed::root(7).nth(number as u64).nth(u64::from(tried));
            let (accuracy, threshold) =
                at_the_gate(&network, &data, factor.powi(i32::try_from(tried).unwrap()), seed);
            println!("network {number}, try {}: {accuracy:.3}", tried + 1);
            accuracy > threshold
        })
    };
    // Eight are enough.
    let passed = (0..KNOWN_GOOD.len()).filter(|&number| passes(number).is_some()).take(8).count();
    assert_eq!(passed, 8, "so many of ten known-good networks pass");
}
