//! Random networks of every space train without a crash or a surprise.
//!
//! `PHYTOTRON_GENOTYPES=200` asks for that many of each space.

use phytotron::artifact::{Coordinates, StageId};
use phytotron::event::Silent;
use phytotron::net::Shape;
use phytotron::seed::Seed;
use phytotron::space::{Genotype, Space};
use phytotron::statistics::Bar;
use phytotron::train::{
    Assignment, Augmentation, Cpu, Examples, Fitted, Outcome, Recipe, Watch, fit,
};

use super::noise;
use crate::space::small;

const SIDE: usize = 16;
const SHAPE: Shape = Shape { channels: 3, height: SIDE, width: SIDE };

/// An epoch of a network, with everything that a recipe may ask of it.
fn train(space: &dyn Space, genotype: &Genotype, number: u64) -> Fitted {
    let network = space.network(genotype);
    let recipe = Recipe {
        batch: 20,
        micro_batch: number.is_multiple_of(2).then_some(8),
        drop_path: Some(0.7),
        augment: vec![Augmentation::Mirror, Augmentation::Shift { pixels: 2 }],
        ..Recipe::default()
    };
    let (training, validation, standard) = (
        noise::images("training", 50, SHAPE),
        noise::images("validation", 10, SHAPE),
        noise::standard(SHAPE),
    );
    let assignment = Assignment {
        engine: &Cpu,
        network: &network,
        recipe: &recipe,
        standard: &standard,
        training: Examples::all(&training),
        validation: Some(Examples::all(&validation)),
        epochs: 1,
        lr_factor: 1.0,
        gate: None,
        bar: Bar::default(),
        seed: Seed::root(number),
    };
    // Guard rails look at an estimate; what is laid out must not be another order of magnitude.
    let memory = assignment.memory().unwrap();
    let estimate = space.features(genotype).memory(8) << 20;
    let text = space.text(genotype);
    assert!(memory < 16 * estimate + (16 << 20), "{text}: {memory} bytes, {estimate} estimated");
    let stage = StageId { name: "stage".to_owned(), coordinates: Coordinates::default() };
    let watch = Watch {
        events: &Silent,
        stage: &stage,
        child: "child",
        stop: &|| false,
        checkpoint: None,
        memory: Some(memory),
        profile: false,
    };
    fit(&assignment, &watch).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn random_networks_of_every_space_train_an_epoch() {
    let wanted = std::env::var("PHYTOTRON_GENOTYPES").map_or(10, |text| text.parse().unwrap());
    for (kind, config) in small::configs().into_iter().enumerate() {
        let space = small::open(&config, SIDE);
        for number in 0..wanted {
            let mut genotype = Genotype::default();
            let mut stream = Seed::root(kind as u64).stream("draw", number);
            space.process().draw(&mut stream, &mut genotype);
            let fitted = train(&*space, &genotype, number);
            let text = space.text(&genotype);
            assert_eq!((fitted.outcome, fitted.steps), (Outcome::Finished, 2), "{text}");
            let loss = fitted.history[0].loss;
            // Two steps of Adam move 130,000 weights of a wide layer by a thousandth each: logits in the hundreds
            // are no fault of the trainer.
            assert!(loss > 0.0 && loss.is_finite(), "{text}: loss {loss}");
            let weights = fitted.child.state().unwrap().weights;
            let mut numbers = weights.values().flat_map(|values| &values.values);
            assert!(numbers.all(|number| number.is_finite()), "{text}");
        }
    }
}
