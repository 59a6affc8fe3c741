//! `PyTorch` is a witness of what training means: operations, losses and optimizers give its numbers.
//!
//! `tests/fixtures/torch/make.py` wrote them, in f64, and writes them anew where Debian's `python3-torch` is
//! installed. Not here: dropout and drop path, whose masks are
//! drawn by name, and where the two differ on purpose (the script says so there): the variance that batch
//! norm's running statistics take in, and what weights of classes divide by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use phytotron::kernel::Float as _;
use phytotron::net::{Builder, NodeId, Op, Shape, Window};
use phytotron::seed::Seed;
use phytotron::train::reference::{Norms, Reference, loss};
use phytotron::train::{Batch, Child, Cpu, Engine as _, Moment, Outline, Recipe, State, Values};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::support::python;

/// Sums of up to a hundred terms in f64, in two orders.
const DOUBLE: f64 = 1e-12;
/// Four steps of the engine in f32. The furthest that was measured is 1.5e-6, a logit after plain SGD; with
/// Adam it is 1.2e-6.
const SINGLE: f64 = 3e-6;

#[test]
fn every_operation_and_its_gradients_are_those_of_torch() {
    let file = Fixtures::read();
    let mut seen = BTreeSet::new();
    for case in &file.cases.operations {
        let Operation { name, net } = case;
        let network = net.build().finish();
        seen.extend(network.nodes().iter().filter_map(|node| kind(node.op)));
        let reference =
            Reference::new(&network, file.below(&format!("{name}/weight/")), Norms::Batch);
        let maps = reference.forward(file.numbers(&format!("{name}/images")));
        let logits = maps.len() - 1;
        let output = &file.tensors[&format!("{name}/output")];
        let Shape { channels, height, width } = network.nodes()[logits].shape;
        assert_eq!(output.shape[1..], [height, width, channels], "{name}");
        close(name, &maps[logits], &output.values, DOUBLE);
        let gradient = file.numbers(&format!("{name}/gradient")).to_vec();
        let found = reference.backward(&maps, vec![(NodeId(logits), gradient)]);
        let of_images = file.numbers(&format!("{name}/gradient of images"));
        close(&format!("{name}, images"), &found.images, of_images, DOUBLE);
        let expected = file.below(&format!("{name}/gradient of/"));
        assert!(found.weights.keys().eq(expected.keys()), "{name}: {:?}", found.weights.keys());
        for (weight, expected) in expected {
            close(&format!("{name}, {weight}"), &found.weights[&weight], &expected, DOUBLE);
        }
    }
    let all =
        "Add AvgPool BatchNorm Concat Conv Dense Depthwise Flatten GlobalAvgPool MaxPool Pad Relu";
    assert_eq!(seen, all.split(' ').collect::<BTreeSet<_>>());
}

#[test]
fn plain_and_smoothed_losses_are_those_of_torch() {
    let file = Fixtures::read();
    for Loss { name, smoothing, labels } in &file.cases.losses {
        let logits = file.numbers(&format!("{name}/logits"));
        let (found, gradient) = loss(logits, labels, *smoothing);
        close(name, &[found], file.numbers(&format!("{name}/loss")), DOUBLE);
        close(name, &gradient, file.numbers(&format!("{name}/gradient")), DOUBLE);
    }
}

/// Four steps at changing rates, and an evaluation by the running statistics; with it the engine's own
/// operations, weights of classes and the auxiliary head.
#[test]
fn optimizers_clipping_and_running_statistics_step_as_torch_does() {
    let file = Fixtures::read();
    let Training { net, auxiliary, labels, recipes } = &file.cases.training;
    let network = net.build().finish_with_auxiliary(*auxiliary);
    let images = file.numbers("training/images").iter().map(|&x| f32::of(x)).collect();
    let batch = Batch { images, labels: labels.clone() };
    for Case { name, recipe, class_weights, rates } in recipes {
        let outline = Outline {
            network: &network,
            recipe,
            class_weights: class_weights.clone(),
            steps: rates.len() as u64,
            seed: Seed::root(0),
        };
        let mut child = Cpu.plan(&outline).unwrap();
        begin(child.as_mut(), &file);
        let losses = (0..).zip(rates).map(|(step, &lr)| {
            let seen = child.step(&batch, Moment { step, lr }).unwrap();
            seen.loss
        });
        let losses: Vec<f64> = losses.collect();
        close(name, &losses, file.numbers(&format!("{name}/losses")), SINGLE);
        let mut state = child.state().unwrap();
        for (weight, expected) in file.below(&format!("{name}/weight/")) {
            let found = exact(&place(&mut state, &weight).values);
            close(&format!("{name}, {weight}"), &found, &expected, SINGLE);
        }
        let logits = exact(&child.evaluate(&batch.images).unwrap());
        close(&format!("{name}, logits"), &logits, file.numbers(&format!("{name}/logits")), SINGLE);
    }
}

/// Debian's version computes what the stored file has, whichever version wrote that.
#[test]
fn the_fixtures_are_what_the_script_makes() {
    let Some(mut torch) = python::torch() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fixtures.safetensors");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch/make.py");
    python::run(torch.arg(script).arg(&path));
    let (stored, made) = (Fixtures::read(), Fixtures::at(&path));
    assert!(made.tensors.keys().eq(stored.tensors.keys()));
    for (name, tensor) in &made.tensors {
        assert_eq!(tensor.shape, stored.tensors[name].shape, "{name}");
        close(name, &tensor.values, stored.numbers(name), DOUBLE);
    }
    let without_version = |text: &str| {
        let mut cases: serde_json::Value = serde_json::from_str(text).unwrap();
        cases.as_object_mut().unwrap().remove("torch").expect("the version that wrote the file");
        cases
    };
    assert_eq!(without_version(&made.text), without_version(&stored.text));
}

/// Gives a child the weights and running statistics that torch began with.
fn begin(child: &mut dyn Child, file: &Fixtures) {
    let mut state = child.state().unwrap();
    let start = file.below("training/weight/");
    let heads = state.training.keys().filter(|name| name.starts_with("auxiliary."));
    assert_eq!(start.len(), state.weights.len() + heads.count());
    for (name, values) in start {
        let shape = &file.tensors[&format!("training/weight/{name}")].shape;
        let place = place(&mut state, &name);
        assert_eq!(&place.shape, shape, "{name}");
        place.values = values.into_iter().map(f32::of).collect();
    }
    child.load(&state).unwrap();
}

/// Where a state has a weight, also the auxiliary head's.
fn place<'a>(state: &'a mut State, name: &str) -> &'a mut Values {
    let head = state.training.get_mut(&format!("auxiliary.{name}"));
    state.weights.get_mut(name).or(head).unwrap_or_else(|| panic!("the child has no `{name}`"))
}

fn exact(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// Equality up to `tolerance`, absolute below 1 and relative above.
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= allowed, "{what} at {i}: {found} is not {expected}");
    }
}

/// What an operation that leaves nothing to chance is called.
fn kind(op: Op) -> Option<&'static str> {
    match op {
        Op::Input | Op::Dropout { .. } | Op::DropPath { .. } => None,
        Op::Conv { .. } => Some("Conv"),
        Op::Depthwise { .. } => Some("Depthwise"),
        Op::BatchNorm => Some("BatchNorm"),
        Op::Relu => Some("Relu"),
        Op::MaxPool { .. } => Some("MaxPool"),
        Op::AvgPool { .. } => Some("AvgPool"),
        Op::GlobalAvgPool => Some("GlobalAvgPool"),
        Op::Flatten => Some("Flatten"),
        Op::Dense { .. } => Some("Dense"),
        Op::Pad { .. } => Some("Pad"),
        Op::Add => Some("Add"),
        Op::Concat => Some("Concat"),
    }
}

/// The file that the script wrote.
struct Fixtures {
    cases: Cases,
    /// The cases as they stand in the file.
    text: String,
    tensors: BTreeMap<String, Tensor>,
}

struct Tensor {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Cases {
    operations: Vec<Operation>,
    losses: Vec<Loss>,
    training: Training,
}

#[derive(Deserialize)]
struct Operation {
    name: String,
    #[serde(flatten)]
    net: Net,
}

#[derive(Deserialize)]
struct Loss {
    name: String,
    smoothing: f64,
    labels: Vec<u16>,
}

#[derive(Deserialize)]
struct Training {
    #[serde(flatten)]
    net: Net,
    auxiliary: NodeId,
    labels: Vec<u16>,
    recipes: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    recipe: Recipe,
    class_weights: Vec<f32>,
    rates: Vec<f64>,
}

#[derive(Deserialize)]
struct Net {
    /// Rows, columns, channels.
    image: (usize, usize, usize),
    nodes: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    path: String,
    op: Op,
    inputs: Vec<NodeId>,
    /// Whether the script padded by SAME.
    same: bool,
}

impl Net {
    /// The network, whose SAME windows must be the script's.
    fn build(&self) -> Builder {
        let (height, width, channels) = self.image;
        let mut net = Builder::new(Shape { channels, height, width });
        for Line { path, op, inputs, same } in &self.nodes {
            if *same {
                let (window, dilation) = match *op {
                    Op::Conv { window, dilation, .. } => (window, dilation),
                    Op::Depthwise { window } | Op::MaxPool { window } | Op::AvgPool { window } => {
                        (window, 1)
                    }
                    _ => panic!("`{path}` slides no window"),
                };
                let map = net.shape(inputs[0]);
                let ours = Window::same_on(window.kernel, window.stride, dilation, map);
                assert_eq!(ours, window, "{path}");
            }
            net.add(path.as_str(), *op, inputs);
        }
        net
    }
}

impl Fixtures {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
        Self::at(&folder.join("fixtures.safetensors"))
    }

    fn at(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = &header.metadata().as_ref().unwrap()["cases"];
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let tensors = tensors.into_iter().map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F64, "{name}");
            let (numbers, _) = view.data().as_chunks::<8>();
            let values = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
            (name, Tensor { shape: view.shape().to_vec(), values })
        });
        let (text, tensors) = (cases.clone(), tensors.collect());
        Self { cases: serde_json::from_str(&text).unwrap(), text, tensors }
    }

    fn numbers(&self, name: &str) -> &[f64] {
        &self.tensors[name].values
    }

    /// Tensors whose names begin with `prefix`, without it.
    fn below(&self, prefix: &str) -> BTreeMap<String, Vec<f64>> {
        let inside = self.tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor.values.clone()))
        });
        inside.collect()
    }
}
