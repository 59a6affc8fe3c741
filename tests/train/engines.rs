//! Both engines on networks of every space: what the executor lays out, repeats and leaves out may change no number.

use phytotron::net::Network;
use phytotron::seed::Seed;
use phytotron::space::Genotype;
use phytotron::train::{Batch, CandleCpu, Child, Cpu, Engine as _, Moment, Outline, Recipe};

use crate::space::small;

const IMAGES: usize = 5;

fn batch(network: &Network, seed: u64) -> Batch {
    let mut stream = Seed::root(seed).stream("images", 0);
    let len = IMAGES * network.image().len();
    #[expect(clippy::cast_possible_truncation, reason = "test numbers")]
    let images = (0..len).map(|_| stream.normal() as f32).collect();
    Batch { images, labels: (0..10).cycle().skip(3).take(IMAGES).collect() }
}

/// Whether two lists of numbers differ by less than a share of their largest.
fn agree(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let largest = b.iter().fold(1e-3_f32, |largest, x| largest.max(x.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 2e-3 * largest, "{what}: {a} and {b}, largest {largest}");
    }
}

#[test]
fn networks_of_every_space_have_equal_gradients_and_logits() {
    for config in small::configs() {
        for (side, seed) in [(8, 1), (13, 2), (16, 3)] {
            let space = small::open(&config, side);
            let mut genotype = Genotype::default();
            space.process().draw(&mut Seed::root(seed).stream("draw", 0), &mut genotype);
            let (network, name) = (space.network(&genotype), space.text(&genotype));
            let recipe = Recipe { dropout: false, ..Recipe::default() };
            let outline = Outline {
                network: &network,
                recipe: &recipe,
                class_weights: Vec::new(),
                steps: 4,
                seed: Seed::root(seed),
            };
            let batch = batch(&network, seed);
            let mut ours = Cpu.plan(&outline).unwrap();
            let mut theirs = CandleCpu.plan(&outline).unwrap();
            let expected = theirs.gradients(&batch).unwrap();
            let found = ours.gradients(&batch).unwrap();
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (weight, values) in &found {
                agree(&format!("{name}: {weight}"), &values.values, &expected[weight].values);
            }
            let moment = Moment { step: 0, lr: 0.01 };
            let losses =
                [&mut ours, &mut theirs].map(|child| child.step(&batch, moment).unwrap().loss);
            assert!((losses[0] - losses[1]).abs() < 1e-3, "{name}: {losses:?}");
            ours.load(&theirs.state().unwrap()).unwrap();
            let logits = |child: &dyn Child| child.evaluate(&batch.images).unwrap();
            agree(&format!("{name}: logits"), &logits(ours.as_ref()), &logits(theirs.as_ref()));
        }
    }
}

/// An image's logits do not depend on those beside it, nor on how many go together.
#[test]
fn an_image_is_evaluated_alike_alone_and_among_others() {
    let space = small::open(&small::configs()[1], 12);
    let mut genotype = Genotype::default();
    space.process().draw(&mut Seed::root(9).stream("draw", 0), &mut genotype);
    let network = space.network(&genotype);
    let recipe = Recipe::default();
    let (class_weights, seed) = (Vec::new(), Seed::root(9));
    let outline = Outline { network: &network, recipe: &recipe, class_weights, steps: 1, seed };
    let child = Cpu.plan(&outline).unwrap();
    let images = batch(&network, 9).images;
    let together = child.evaluate(&images).unwrap();
    let alone =
        images.chunks(network.image().len()).flat_map(|image| child.evaluate(image).unwrap());
    let bits = |logits: Vec<f32>| logits.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(together), bits(alone.collect()));
}
