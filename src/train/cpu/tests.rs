//! The engine against the reference, and against candle's tape over whole trainings.

use super::*;
use crate::kernel::reference::close;
use crate::net::{Builder, NodeId, Op, Shape, Window};
use crate::train::optimizer::Optimizer;
use crate::train::reference::tests::{LABELS, images, network};
use crate::train::reference::{Gradients, Norms, Reference, loss};
use crate::train::{CandleCpu, Precision};

fn outline<'a>(network: &'a Network, recipe: &'a Recipe) -> Outline<'a> {
    Outline { network, recipe, class_weights: Vec::new(), steps: 10, seed: Seed::root(5) }
}

fn child(network: &Network, recipe: &Recipe) -> CpuChild {
    CpuChild::new(&outline(network, recipe))
}

/// A recipe that drops nothing, so that the reference says what comes out.
fn still() -> Recipe {
    Recipe { dropout: false, weight_decay: 0.0, ..Recipe::default() }
}

fn batch() -> Batch {
    Batch { images: images(), labels: LABELS.to_vec() }
}

/// The child's weights by name, in f64.
fn weights(child: &CpuChild) -> BTreeMap<String, Vec<f64>> {
    let weights = child.layers.weights.iter().enumerate().map(|(place, weight)| {
        let values = &child.parameters.values()[child.parameters.span(place)];
        (weight.name.clone(), values.iter().map(|&x| f64::from(x)).collect())
    });
    weights.collect()
}

/// The reference's total loss and gradients with the child's weights, in f64.
fn expected(child: &CpuChild, auxiliary: f64) -> (f64, Gradients<f64>) {
    let reference = Reference::new(&child.network, weights(child), Norms::Batch);
    let images: Vec<f64> = images().into_iter().map(f64::from).collect();
    let maps = reference.forward(&images);
    let head = child.network.auxiliary().expect("it has one");
    let (main, logits) = loss(&maps[maps.len() - 1], &LABELS, 0.0);
    let (other, gradient) = loss(&maps[head.0], &LABELS, 0.0);
    let gradient = gradient.into_iter().map(|g| auxiliary * g).collect();
    let from = vec![(NodeId(maps.len() - 1), logits), (head, gradient)];
    (main + auxiliary * other, reference.backward(&maps, from))
}

#[test]
fn mixed_precision_is_refused() {
    let recipe = Recipe { precision: Precision::Bf16, ..still() };
    let Err(error) = Cpu.plan(&outline(&network(), &recipe)) else { panic!("it is computed") };
    assert!(error.to_string().contains("`device: cuda`"), "{error}");
}

#[test]
fn the_whole_network_equals_the_reference() {
    let network = network();
    let mut child = child(&network, &still());
    let (total, expected) = expected(&child, 0.4);
    let seen = child.learn(&batch(), 0);
    assert!((seen.loss - total).abs() < 1e-5, "{seen:?}");
    for (place, weight) in child.layers.weights.iter().enumerate() {
        let found = &child.training.gradients[child.parameters.span(place)];
        // f32 through a dozen layers; the gradients are between 1e-3 and 1.
        close(&weight.name, found, &expected.weights[&weight.name], 1e-4);
    }
}

/// Every operation, both engines: losses of a training, logits, and looks that change nothing.
#[test]
fn whole_trainings_agree_with_those_on_tensors() {
    let network = network();
    let recipe = Recipe { drop_path: Some(0.5), ..Recipe::default() };
    let outline = outline(&network, &recipe);
    let mut children = [Cpu.plan(&outline).unwrap(), CandleCpu.plan(&outline).unwrap()];
    let [ours, theirs] = &mut children;
    for step in 0..6 {
        let moment = Moment { step, lr: 0.01 };
        let (a, b) = (ours.step(&batch(), moment).unwrap(), theirs.step(&batch(), moment).unwrap());
        assert!((a.loss - b.loss).abs() < 1e-4, "step {step}: {} and {}", a.loss, b.loss);
    }
    ours.load(&theirs.state().unwrap()).unwrap();
    let wide = |numbers: Vec<f32>| numbers.into_iter().map(f64::from).collect::<Vec<_>>();
    let logits = [ours.evaluate(&images()).unwrap(), theirs.evaluate(&images()).unwrap()];
    let [a, b] = logits;
    close("logits", &a, &wide(b), 1e-5);
    let before = ours.state().unwrap();
    let (a, b) = (ours.gradients(&batch()).unwrap(), theirs.gradients(&batch()).unwrap());
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, values) in &a {
        close(name, &values.values, &wide(b[name].values.clone()), 1e-4);
    }
    let pixels =
        [ours.image_gradients(&images()).unwrap(), theirs.image_gradients(&images()).unwrap()];
    let [a, b] = pixels;
    close("pixels", &a, &wide(b), 1e-4);
    assert_eq!(ours.codes(&images()).unwrap(), theirs.codes(&images()).unwrap());
    assert_eq!(ours.state().unwrap(), before);
}

/// Chain, dropout, pooling and dense layers, no batch norm.
fn plain() -> Network {
    let mut net = Builder::new(Shape { channels: 3, height: 6, width: 6 });
    let image = net.image();
    let window = Window::same(3, 1, 6);
    let conv = net.add("conv", Op::Conv { filters: 9, window, dilation: 1, bias: true }, &[image]);
    let relu = net.add("relu", Op::Relu, &[conv]);
    let pool = net.add("pool", Op::MaxPool { window: Window::valid(2, 2) }, &[relu]);
    let drop = net.add("drop", Op::Dropout { rate: 0.25 }, &[pool]);
    let flat = net.add("flat", Op::Flatten, &[drop]);
    net.add("logits", Op::Dense { units: 4 }, &[flat]);
    net.finish()
}

#[test]
fn a_profile_counts_what_is_multiplied_in_its_steps() {
    let network = plain();
    let mut child = child(&network, &still());
    let batch = Batch { images: vec![0.5; LABELS.len() * 108], labels: LABELS.to_vec() };
    let step = |child: &mut CpuChild, step| {
        child.step(&batch, Moment { step, lr: 0.01 }).unwrap();
    };
    step(&mut child, 0);
    child.profile();
    step(&mut child, 1);
    step(&mut child, 2);
    let profile = child.profile();
    // Forward and two gradients, but for that of the images.
    let first = network.node_multiply_adds(&network.nodes()[1]);
    let expected = 2 * 2 * LABELS.len() as u64 * (3 * network.multiply_adds() - first);
    assert_eq!(profile.iter().map(|timing| timing.direct_flops).sum::<u64>(), expected);
    // Too few channels for a shorter way.
    assert!(profile.iter().all(|timing| timing.executed_flops == timing.direct_flops));
    assert!(child.profile().iter().all(|timing| timing.direct_flops == 0), "counted twice");
}

/// Smoothed, weighted losses and dropout, of the whole batch and of parts of it, in both engines.
#[test]
fn without_batch_norm_parts_of_a_batch_make_the_step_of_the_whole() {
    let network = plain();
    let numbers = |count: u16| (0..count).map(|i| f32::from(i * 37 % 101) / 50.0 - 1.0).collect();
    let batch = Batch { images: numbers(11 * 108), labels: vec![0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 1] };
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let step = |engine: &dyn Engine, micro_batch| {
        let recipe =
            Recipe { micro_batch, optimizer: sgd, label_smoothing: 0.1, ..Recipe::default() };
        let class_weights = vec![0.5, 1.0, 1.5, 2.0];
        let mut child =
            engine.plan(&Outline { class_weights, ..outline(&network, &recipe) }).unwrap();
        let seen = child.step(&batch, Moment { step: 3, lr: 1.0 }).unwrap();
        (seen, child.state().unwrap().weights)
    };
    for engine in [&Cpu as &dyn Engine, &CandleCpu] {
        let (whole, expected) = step(engine, None);
        assert_eq!(step(engine, Some(11)), (whole, expected.clone()));
        for parts in [1, 2, 4, 10] {
            let (seen, weights) = step(engine, Some(parts));
            assert_eq!(seen.correct, whole.correct);
            assert!((seen.loss - whole.loss).abs() < 1e-6, "{seen:?} {whole:?}");
            for (name, values) in &expected {
                let exact: Vec<f64> = values.values.iter().map(|&x| f64::from(x)).collect();
                // Sums of the same few hundred terms near 1 in another order.
                close(name, &weights[name].values, &exact, 2e-6);
            }
        }
    }
}

/// Two dense layers of more weights than a chunk should sum up, behind a batch norm and dropout.
fn wide() -> Network {
    let mut net = Builder::new(Shape { channels: 3, height: 20, width: 20 });
    let image = net.image();
    let window = Window::same(3, 1, 20);
    let conv =
        net.add("conv", Op::Conv { filters: 20, window, dilation: 1, bias: false }, &[image]);
    let norm = net.add("norm", Op::BatchNorm, &[conv]);
    let relu = net.add("relu", Op::Relu, &[norm]);
    let drop = net.add("drop", Op::Dropout { rate: 0.25 }, &[relu]);
    let flat = net.add("flat", Op::Flatten, &[drop]);
    let dense = net.add("dense", Op::Dense { units: 100 }, &[flat]);
    let relu = net.add("dense.relu", Op::Relu, &[dense]);
    let drop = net.add("dense.drop", Op::Dropout { rate: 0.25 }, &[relu]);
    net.add("logits", Op::Dense { units: 4 }, &[drop]);
    net.finish()
}

/// The same bits, whether chunks sum up the gradients of large dense layers or they are found from all images at once;
/// with fewer images than there are chunks, too, and with as many again.
#[test]
fn gradients_that_are_found_late_have_the_bits_of_sums() {
    let network = wide();
    let number = |i: usize| f32::from(u8::try_from(i * 37 % 101).unwrap()) / 50.0 - 1.0;
    let numbers = |count| (0..count).map(number).collect();
    let batch = |images: u16| Batch {
        images: numbers(usize::from(images) * 1200),
        labels: (0..images).map(|image| image % 4).collect(),
    };
    let trained = |micro_batch| {
        let mut child = child(&network, &Recipe { batch: 19, micro_batch, ..Recipe::default() });
        for (step, images) in [19, 3, 19].into_iter().enumerate() {
            let moment = Moment { step: step as u64, lr: 0.01 };
            assert!(child.step(&batch(images), moment).unwrap().sound);
        }
        (child.training.program.late.len(), child.state().unwrap())
    };
    let (late, weights) = trained(None);
    let (summed, expected) = trained(Some(19));
    assert_eq!((late, summed), (1, 0));
    assert_eq!(weights, expected);
}

/// With batch norm each part is normalised by itself: as the mean of the reference's gradients of the parts.
#[test]
fn with_batch_norm_parts_of_a_batch_are_normalised_each_by_itself() {
    let network = network();
    let half = LABELS.len() / 2;
    let recipe =
        Recipe { micro_batch: Some(LABELS.len().div_ceil(2)), auxiliary_weight: 0.0, ..still() };
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let recipe = Recipe { optimizer: sgd, ..recipe };
    let size = network.image().len();
    let parts =
        [(&images()[..half * size], &LABELS[..half]), (&images()[half * size..], &LABELS[half..])]
            .map(|(images, labels)| Batch { images: images.to_vec(), labels: labels.to_vec() });
    for engine in [&Cpu as &dyn Engine, &CandleCpu] {
        let mut child = engine.plan(&outline(&network, &recipe)).unwrap();
        let before = child.state().unwrap().weights;
        let gradients = parts.each_ref().map(|part| child.gradients(part).unwrap());
        child.step(&batch(), Moment { step: 0, lr: 1.0 }).unwrap();
        let after = child.state().unwrap().weights;
        for (name, first) in &gradients[0] {
            let images = |labels: &[u16]| f64::from(u16::try_from(labels.len()).unwrap());
            let shares = parts.each_ref().map(|part| images(&part.labels) / images(&LABELS));
            let both = first.values.iter().zip(&gradients[1][name].values);
            let mean = both.map(|(a, b)| shares[0] * f64::from(*a) + shares[1] * f64::from(*b));
            let expected = before[name].values.iter().zip(mean).map(|(w, g)| f64::from(*w) - g);
            close(name, &after[name].values, &expected.collect::<Vec<f64>>(), 1e-5);
        }
    }
}

#[test]
fn the_auxiliary_head_is_trained_kept_for_resuming_and_nothing_else() {
    let network = network();
    let mut child = child(&network, &still());
    let before = child.state().unwrap();
    assert!(before.weights.keys().all(|name| !name.starts_with("aux")));
    let moment = Moment { step: 0, lr: 0.1 };
    child.step(&batch(), moment).unwrap();
    let after = child.state().unwrap();
    let head = "auxiliary.aux.logits.weight";
    assert_ne!(before.training[head], after.training[head]);
    // Whatever the head holds, evaluation does not see it.
    let logits = child.evaluate(&images()).unwrap();
    let mut other = after.clone();
    other.training.get_mut(head).unwrap().values.fill(f32::NAN);
    child.load(&other).unwrap();
    assert_eq!(child.evaluate(&images()).unwrap(), logits);
    let mut unweighted = self::child(&network, &Recipe { auxiliary_weight: 0.0, ..still() });
    unweighted.step(&batch(), moment).unwrap();
    assert_eq!(unweighted.state().unwrap().training[head], before.training[head]);
}

#[test]
fn drop_path_drops_by_its_name_and_only_where_the_recipe_says_so() {
    let network = network();
    let loss = |recipe: &Recipe, step: u64| child(&network, recipe).learn(&batch(), step).loss;
    let dropping = Recipe { drop_path: Some(0.1), ..still() };
    // In the first step everything is kept; of the 4 paths of later steps some are not.
    assert_eq!(loss(&dropping, 0).to_bits(), loss(&still(), 0).to_bits());
    let changed =
        (1..10).filter(|&step| (loss(&dropping, step) - loss(&still(), step)).abs() > 1e-9);
    assert!(changed.count() > 6);
    assert_eq!(loss(&dropping, 7).to_bits(), loss(&dropping, 7).to_bits());
    let evaluated = |recipe: &Recipe| child(&network, recipe).evaluate(&images()).unwrap();
    assert_eq!(evaluated(&dropping), evaluated(&still()));
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "a norm near 1")]
fn a_long_gradient_is_clipped_and_a_short_one_left_alone() {
    let network = network();
    let sgd = Recipe { optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false }, ..still() };
    let moved = |clip: Option<f64>| {
        let mut child = child(&network, &Recipe { clip, ..sgd.clone() });
        let before = child.parameters.values().to_vec();
        child.step(&batch(), Moment { step: 0, lr: 1.0 }).unwrap();
        let after = child.parameters.values().iter();
        after.zip(before).map(|(after, before)| before - after).collect::<Vec<f32>>()
    };
    let length = |steps: &[f32]| crate::train::parameters::norm(&[Some(steps)]);
    let free = moved(None);
    assert_eq!(moved(Some(1000.0)), free);
    let clipped = moved(Some(length(&free) / 4.0));
    assert!((length(&clipped) - length(&free) / 4.0).abs() < 1e-5);
    close(
        "a quarter",
        &clipped,
        &free.iter().map(|x| f64::from(x / 4.0)).collect::<Vec<_>>(),
        1e-6,
    );
    assert!(length(&free) as f32 > 0.1);
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let network = network();
    let mut child = child(&network, &Recipe::default());
    let mut state = child.state().unwrap();
    child.load(&state).unwrap();
    let scale = state.weights.remove("left.norm.scale").unwrap();
    assert!(child.load(&state).unwrap_err().to_string().contains("`left.norm.scale` is missing"));
    state.weights.insert("left.norm.scale".to_owned(), scale.clone());
    state.weights.insert("extra".to_owned(), scale);
    assert!(child.load(&state).unwrap_err().to_string().contains("`extra` belongs"));
}

#[test]
fn a_network_without_rectifiers_has_no_code() {
    let mut net = Builder::new(Shape { channels: 2, height: 1, width: 1 });
    let image = net.image();
    net.add("logits", Op::Dense { units: 3 }, &[image]);
    let network = net.finish();
    let codes = child(&network, &still()).codes(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!((codes.len, codes.words), (0, vec![Vec::new(); 2]));
}
