//! Both engines on networks of every space: what the executor lays out, repeats and leaves out may change no number.

use phytotron::digest::Hasher;
use phytotron::net::{Builder, Network, Op, Shape, Window};
use phytotron::seed::Seed;
use phytotron::space::chain::ChainConfig;
use phytotron::space::nasnet::NasnetConfig;
use phytotron::space::{Genotype, SpaceConfig};
use phytotron::train::{Batch, CandleCpu, Child, Cpu, Engine as _, Moment, Outline, Recipe};

use super::leaves;
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

/// An epoch on leaves, by both, batch after batch: rounding grows from step to step, a mistake would grow at once.
#[test]
fn an_epoch_by_the_reference_has_the_same_curve_of_losses() {
    const BATCH: usize = 17;
    let data = leaves::dataset(200, 32).training;
    let scaled = |&pixel: &u8| (f32::from(pixel) - 127.5) / 74.0;
    let images: Vec<f32> = data.pixels.iter().map(scaled).collect();
    let steps = data.len() / BATCH;
    let batches: Vec<Batch> = images
        .chunks_exact(BATCH * data.shape.len())
        .zip(data.labels.chunks_exact(BATCH))
        .map(|(images, labels)| Batch { images: images.to_vec(), labels: labels.to_vec() })
        .collect();
    assert_eq!((steps, batches.len()), (10, 10));
    let cells = NasnetConfig { cells: 1, filters: 4, ..NasnetConfig::default() };
    let chain = "[C(64,3,1), P(2,2), C(64,5,1), P(3,2), GAP(10), SM(10)]";
    for (config, text) in [
        (SpaceConfig::Chain(ChainConfig::default()), chain),
        (SpaceConfig::Nasnet(cells), "NASNet-A"),
    ] {
        let space = small::open(&config, 32);
        let network = space.network(&space.parse(text).unwrap());
        let recipe = Recipe::default();
        let outline = Outline {
            network: &network,
            recipe: &recipe,
            class_weights: Vec::new(),
            steps: steps as u64,
            seed: Seed::root(4),
        };
        let mut engines = [Cpu.plan(&outline).unwrap(), CandleCpu.plan(&outline).unwrap()];
        for (step, batch) in (0..).zip(&batches) {
            let moment = Moment { step, lr: 0.01 };
            let [ours, reference] =
                engines.each_mut().map(|child| child.step(batch, moment).unwrap().loss);
            let far = (ours - reference).abs();
            assert!(far <= 1e-2 * reference, "{text}: {ours} and {reference} at step {step}");
        }
    }
}

/// Golden bits of two steps of convolutions wide enough for the shorter way. When they change on purpose, raise the
/// version of `trainer.cpu`.
#[test]
fn golden_wide_convolutions_keep_their_bits() {
    let mut net = Builder::new(Shape { channels: 3, height: 11, width: 11 });
    let conv =
        |filters| Op::Conv { filters, window: Window::same(3, 1, 11), dilation: 1, bias: true };
    let node = net.image();
    let node = net.add("conv0", conv(40), &[node]);
    let node = net.add("relu0", Op::Relu, &[node]);
    let node = net.add("conv1", conv(36), &[node]);
    let node = net.add("relu1", Op::Relu, &[node]);
    let node = net.add("mean", Op::GlobalAvgPool, &[node]);
    net.add("logits", Op::Dense { units: 10 }, &[node]);
    let network = net.finish();
    let recipe = Recipe::default();
    let (class_weights, seed) = (Vec::new(), Seed::root(9));
    let outline = Outline { network: &network, recipe: &recipe, class_weights, steps: 2, seed };
    let mut child = Cpu.plan(&outline).unwrap();
    for step in 0..2 {
        child.step(&batch(&network, step), Moment { step, lr: 0.01 }).unwrap();
    }
    let mut hasher = Hasher::new();
    for (name, weight) in &child.state().unwrap().weights {
        hasher.update(name.as_bytes());
        weight.values.iter().for_each(|number| hasher.update(&number.to_bits().to_le_bytes()));
    }
    assert_eq!((Cpu.component().1, hasher.digest().short().as_str()), (2, "65e5ab95f0ee"));
}
