//! Trained networks of every space, and one that has all that is lopsided, with the logits of 200 images.

use std::fs;
use std::path::Path;

use phytotron::dataset::Images;
use phytotron::export::Export;
use phytotron::net::{Builder, Network, Op, Shape, Window};
use phytotron::results::{Fit, SIGNATURE_FORMAT, SavedModel, Scaling, Signature};
use phytotron::seed::{Seed, Stream};
use phytotron::space::chain::ChainConfig;
use phytotron::space::layerwise::LayerwiseConfig;
use phytotron::space::nasbench201::Nasbench201Config;
use phytotron::space::nasnet::NasnetConfig;
use phytotron::space::{Genotype, SpaceConfig};
use phytotron::train::{Cpu, Engine as _, Outline, Predictor, Recipe, Scores};

/// Images of every case.
const IMAGES: usize = 200;

/// One network, or several that are asked together.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) models: Vec<SavedModel>,
}

/// Every case. Sides are odd, of one channel or three, with two classes or ten.
pub(crate) fn all() -> Vec<Case> {
    let shape = |channels, height, width| Shape { channels, height, width };
    let one =
        |name, network: Network, scaling| Case { name, models: vec![model(network, scaling, 1)] };
    let chain = |text: &str, shape, classes| {
        let config = ChainConfig {
            filters: vec![8, 12],
            fc_sizes: vec![16],
            batch_norm: text.contains("GAP"),
            dropout: true,
            ..ChainConfig::default()
        };
        let space = SpaceConfig::Chain(config).open(shape, classes).unwrap();
        space.network(&space.parse(text).unwrap())
    };
    let dense = "[C(8,3,1), P(3,2), C(12,3,1), P(2,2), FC(16), SM(10)]";
    let nasnet = NasnetConfig { cells: 1, filters: 4, ..NasnetConfig::default() };
    let layerwise =
        LayerwiseConfig { layers: 6, strides: vec![1, 2], ..LayerwiseConfig::default() };
    let bench = Nasbench201Config { cells: 1, ..Nasbench201Config::default() };
    let ensemble = |seed| model(chain(dense, shape(3, 13, 13), 10), Scale::Channels, seed);
    vec![
        one("chain", chain(dense, shape(3, 13, 13), 10), Scale::Channels),
        one(
            "grey-chain",
            chain("[C(8,3,1), P(2,2), GAP(2), SM(2)]", shape(1, 11, 11), 2),
            Scale::Contrast,
        ),
        one(
            "nasnet",
            drawn(&SpaceConfig::Nasnet(nasnet), shape(3, 15, 15), 10, 3),
            Scale::Channels,
        ),
        one(
            "layerwise",
            drawn(&SpaceConfig::Layerwise(layerwise), shape(1, 13, 13), 2, 5),
            Scale::Channels,
        ),
        one(
            "bench",
            drawn(&SpaceConfig::Nasbench201(bench), shape(3, 17, 17), 10, 2),
            Scale::Contrast,
        ),
        one("lopsided", lopsided(), Scale::Channels),
        Case { name: "ensemble", models: vec![ensemble(1), ensemble(2), ensemble(3)] },
    ]
}

/// A network that `seed` draws.
fn drawn(config: &SpaceConfig, image: Shape, classes: usize, seed: u64) -> Network {
    let space = config.open(image, classes).unwrap();
    let mut genotype = Genotype::default();
    space.process().draw(&mut Seed::root(seed).stream("draw", 0), &mut genotype);
    space.network(&genotype)
}

/// Pads on one side, shifts out of the frame, vectors between maps, a flattened map that is normalised and joined.
fn lopsided() -> Network {
    let mut net = Builder::new(Shape { channels: 3, height: 9, width: 7 });
    let window =
        |kernel, stride, pad_rows, pad_columns| Window { kernel, stride, pad_rows, pad_columns };
    let conv = |filters, window, dilation, bias| Op::Conv { filters, window, dilation, bias };
    let image = net.image();
    let stem = net.add("1x3", conv(6, window((1, 3), (1, 1), (0, 0), (2, 0)), 1, true), &[image]);
    let stem = net.add("stem.norm", Op::BatchNorm, &[stem]);
    let stem = net.add("stem-norm", Op::Relu, &[stem]);
    let wide = net.add("for", conv(6, window((3, 3), (1, 1), (1, 3), (2, 2)), 2, false), &[stem]);
    let deep =
        net.add("x", Op::Depthwise { window: window((2, 4), (1, 1), (1, 0), (2, 1)) }, &[stem]);
    let most =
        net.add("most", Op::MaxPool { window: window((3, 3), (1, 1), (0, 2), (1, 1)) }, &[stem]);
    let mean =
        net.add("mean", Op::AvgPool { window: window((3, 2), (1, 1), (1, 1), (0, 1)) }, &[stem]);
    let even =
        net.add("even", Op::AvgPool { window: window((3, 3), (1, 1), (1, 1), (1, 1)) }, &[stem]);
    let shift = net.add("shift", Op::Pad { rows: (-2, 2), columns: (3, -3) }, &[stem]);
    let gone = net.add("gone", Op::Pad { rows: (-9, 9), columns: (0, 0) }, &[stem]);
    let sum = net.add("sum", Op::Add, &[wide, deep, most, mean, even, shift, gone, stem]);
    let half =
        net.add("half", Op::MaxPool { window: window((3, 3), (2, 2), (1, 1), (1, 2)) }, &[sum]);
    let part =
        net.add("part", Op::AvgPool { window: window((2, 2), (2, 2), (0, 1), (1, 0)) }, &[sum]);
    let both = net.add("both", Op::Concat, &[half, part]);
    let flat = net.add("flat", Op::Flatten, &[both]);
    let norm = net.add("flat.norm", Op::BatchNorm, &[flat]);
    let narrow = net.add("narrow", Op::Dense { units: 8 }, &[flat]);
    let point = net.add("point", conv(8, Window::valid(1, 1), 1, true), &[narrow]);
    let drop = net.add("drop", Op::Dropout { rate: 0.5 }, &[point]);
    let joined = net.add("joined", Op::Concat, &[norm, narrow, drop]);
    let last = net.add("last.flat", Op::Flatten, &[both]);
    let last = net.add("last.relu", Op::Relu, &[last]);
    let last = net.add("last", Op::Dense { units: 10 }, &[last]);
    let logits = net.add("logits", Op::Dense { units: 10 }, &[joined]);
    net.add("total", Op::Add, &[logits, last]);
    net.finish()
}

/// How a case's bytes become numbers.
#[derive(Clone, Copy)]
enum Scale {
    Channels,
    Contrast,
}

/// The network with weights as after a training: nothing is left at what it begins with.
#[expect(clippy::cast_possible_truncation, reason = "test numbers")]
fn model(network: Network, scale: Scale, seed: u64) -> SavedModel {
    let recipe = Recipe::default();
    let seed = Seed::root(seed);
    let outline =
        Outline { network: &network, recipe: &recipe, class_weights: Vec::new(), steps: 1, seed };
    let mut weights = Cpu.plan(&outline).unwrap().state().unwrap().weights;
    for (name, values) in &mut weights {
        let mut stream = seed.stream(name, 0);
        let mut draw = |middle: f64, spread: f64| {
            let number = |stream: &mut Stream| (middle + spread * stream.normal()) as f32;
            values.values.iter_mut().for_each(|value| *value = number(&mut stream));
        };
        match name.rsplit('.').next().unwrap() {
            "bias" | "shift" | "mean" => draw(0.0, 0.3),
            "scale" => draw(1.0, 0.2),
            // Deep cells multiply what a small variance lets grow, and two orders of f32 sums then differ by more.
            "variance" => {
                values.values.iter_mut().for_each(|v| *v = (0.3 * stream.normal()).exp() as f32);
            }
            _ => {}
        }
    }
    let image = network.image();
    let per_channel = |numbers: [f64; 3]| numbers[..image.channels].to_vec();
    let scaling = match scale {
        Scale::Channels => Scaling::Standard {
            mean: per_channel([101.25, 93.1, 120.7]),
            deviation: per_channel([61.3, 57.9, 1.0 + 59.2]),
        },
        Scale::Contrast => Scaling::GlobalContrast,
    };
    let classes = (0..network.classes()).map(|class| format!("class \"{class}\"")).collect();
    let signature =
        Signature { format: SIGNATURE_FORMAT, image, fit: Fit::Stretch, scaling, classes };
    SavedModel { folder: "memory".into(), network, weights, signature }
}

/// Noise of many contrasts over many shades, so that images differ in what they are taken for.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to bytes")]
fn images(shape: Shape) -> Images {
    let mut stream = Seed::root(9).stream("images", 0);
    let mut pixels = Vec::with_capacity(IMAGES * shape.len());
    for _ in 0..IMAGES {
        let (shade, contrast) = (255.0 * stream.unit(), 80.0 * stream.unit());
        let byte = |stream: &mut Stream| shade + contrast * stream.normal();
        pixels.extend((0..shape.len()).map(|_| byte(&mut stream).clamp(0.0, 255.0) as u8));
    }
    Images { pixels, labels: vec![0; IMAGES], shape }
}

impl Case {
    /// What the engine gives for the images; of several networks the logarithm of their mean probabilities.
    fn logits(&self, images: &Images) -> Vec<f32> {
        let predictors = self.models.iter().map(|model| Predictor::new(model, &Cpu).unwrap());
        let predictors: Vec<Predictor> = predictors.collect();
        if let [one] = predictors.as_slice() {
            return one.logits(images).unwrap();
        }
        let scores = predictors.iter().map(|predictor| predictor.predict(images).unwrap());
        let mean = Scores::mean(&scores.collect::<Vec<_>>());
        mean.probabilities.iter().map(|probability| probability.ln()).collect()
    }

    /// Writes the network in every format, the images and what the engine makes of them.
    pub(crate) fn write(&self, folder: &Path) {
        let folder = folder.join(self.name);
        fs::create_dir(&folder).unwrap();
        let export = Export::new(&self.models).unwrap();
        fs::write(folder.join("model.onnx"), export.onnx().unwrap()).unwrap();
        let page = export.pytorch().unwrap();
        fs::write(folder.join("model.py"), page.script).unwrap();
        fs::write(folder.join("weights.safetensors"), page.weights).unwrap();
        let images = images(self.models[0].signature.image);
        fs::write(folder.join("images.bin"), &images.pixels).unwrap();
        let logits: Vec<u8> = self.logits(&images).iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(folder.join("logits.bin"), logits).unwrap();
        let Shape { channels, height, width } = images.shape;
        let shape = serde_json::json!([IMAGES, height, width, channels]);
        fs::write(folder.join("shape.json"), shape.to_string()).unwrap();
    }
}
