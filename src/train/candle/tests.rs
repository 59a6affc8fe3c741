//! The engine against the reference.

use super::*;
use crate::kernel::reference::close;
use crate::kernel::rounded_to_bf16;
use crate::net::{NodeId, Op};
use crate::train::Precision;
use crate::train::plan::Work;
use crate::train::reference::tests::{LABELS, images, network};
use crate::train::reference::{Gradients, Norms, Reference, loss};

fn child(network: &Network, recipe: &Recipe) -> CandleChild {
    let outline =
        Outline { network, recipe, class_weights: Vec::new(), steps: 10, seed: Seed::root(5) };
    CandleChild::new(&outline)
}

/// A recipe that drops nothing, so that the reference says what comes out.
fn still() -> Recipe {
    Recipe { dropout: false, weight_decay: 0.0, ..Recipe::default() }
}

fn batch() -> Batch {
    Batch { images: images(), labels: LABELS.to_vec() }
}

/// The reference's total loss and gradients with the child's weights, in f64.
fn expected(child: &CandleChild, auxiliary: f64) -> (f64, Gradients<f64>) {
    let weights = child.layers.weights.iter().enumerate().map(|(place, weight)| {
        let values = &child.parameters.values()[child.parameters.span(place)];
        (weight.name.clone(), values.iter().map(|&x| f64::from(x)).collect())
    });
    let reference = Reference::new(&child.network, weights.collect(), Norms::Batch);
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
fn the_whole_network_equals_the_reference() {
    let network = network();
    let mut child = child(&network, &still());
    let (total, expected) = expected(&child, 0.4);
    let (seen, gradients) = child.learn(&batch(), 0).unwrap();
    assert!((seen.loss - total).abs() < 1e-5, "{seen:?}");
    for (weight, gradient) in child.layers.weights.iter().zip(&gradients) {
        let found = floats(gradient.as_ref().expect("every weight leads to a head")).unwrap();
        // f32 through a dozen layers; the gradients are between 1e-3 and 1.
        close(&weight.name, &found, &expected.weights[&weight.name], 1e-4);
    }
}

fn mixed() -> Recipe {
    Recipe { precision: Precision::Bf16, ..still() }
}

/// The child's state with the operands among its weights rounded: those of convolutions and dense layers.
fn rounded(child: &CandleChild) -> State {
    let mut state = child.state().unwrap();
    for layer in &child.layers.list {
        if let Work::Conv { weight, .. } = &layer.work {
            let name = &child.layers.weights[*weight].name;
            let Some(weight) = state.weights.get_mut(name) else { continue };
            for value in &mut weight.values {
                *value = rounded_to_bf16(*value);
            }
        }
    }
    state
}

#[test]
fn mixed_precision_multiplies_rounded_weights_and_keeps_exact_ones() {
    let network = network();
    let [mut exact, mut mixed] = [still(), mixed()].map(|recipe| child(&network, &recipe));
    let before = mixed.evaluate(&images()).unwrap();
    assert_ne!(exact.evaluate(&images()).unwrap(), before);
    mixed.load(&rounded(&mixed)).unwrap();
    assert_eq!(mixed.evaluate(&images()).unwrap(), before, "a weight was not rounded before");

    mixed.load(&exact.state().unwrap()).unwrap();
    for step in 0..3 {
        let moment = Moment { step, lr: 1e-5 };
        let [ours, theirs] =
            [&mut mixed, &mut exact].map(|child| child.step(&batch(), moment).unwrap().loss);
        assert!((ours - theirs).abs() < 0.02, "{ours} and {theirs}");
    }
    assert_ne!(mixed.state().unwrap(), rounded(&mixed), "small steps are lost in rounded weights");
}

#[test]
fn gradients_in_mixed_precision_are_near_the_exact_ones() {
    let network = network();
    let [exact, mixed] = [still(), mixed()].map(|recipe| child(&network, &recipe));
    let (found, expected) =
        (mixed.gradients(&batch()).unwrap(), exact.gradients(&batch()).unwrap());
    for (name, expected) in expected {
        let norm = |xs: &[f32]| xs.iter().map(|x| x * x).sum::<f32>().sqrt();
        let apart: Vec<f32> =
            found[&name].values.iter().zip(&expected.values).map(|(a, b)| a - b).collect();
        // Eight bits of an operand, through a dozen layers.
        let share = norm(&apart) / norm(&expected.values).max(1e-3);
        assert!(share < 0.1, "{name}: {share}");
    }
    assert_ne!(
        mixed.image_gradients(&images()).unwrap(),
        exact.image_gradients(&images()).unwrap()
    );
}

#[test]
fn looking_gives_the_reference_and_changes_nothing() {
    let network = network();
    let child = child(&network, &Recipe::default());
    let before = child.state().unwrap();
    let (_, expected) = expected(&child, 0.0);
    let gradients = child.gradients(&batch()).unwrap();
    let leading = child.layers.weights.iter().filter(|weight| weight.used);
    let names: Vec<&String> = leading.map(|weight| &weight.name).collect();
    assert_eq!(gradients.len(), names.len());
    for name in names {
        close(name, &gradients[name].values, &expected.weights[name], 1e-4);
    }
    let ones = |maps: &[Vec<f64>]| vec![1.0; maps[maps.len() - 1].len()];
    let weights = child.layers.weights.iter().enumerate().map(|(place, weight)| {
        let values = &child.parameters.values()[child.parameters.span(place)];
        (weight.name.clone(), values.iter().map(|&x| f64::from(x)).collect())
    });
    let reference = Reference::new(&network, weights.collect(), Norms::Batch);
    let maps = reference.forward(&images().into_iter().map(f64::from).collect::<Vec<f64>>());
    let by_pixel = reference.backward(&maps, vec![(NodeId(maps.len() - 1), ones(&maps))]).images;
    close("pixels", &child.image_gradients(&images()).unwrap(), &by_pixel, 1e-4);
    let codes = child.codes(&images()).unwrap();
    let rectifiers = |map: &[f64], image: usize| {
        let size = map.len() / 4;
        map[image * size..(image + 1) * size].iter().filter(|x| **x > 0.0).count()
    };
    let relus = network.nodes().iter().zip(&maps).filter(|(node, _)| node.op == Op::Relu);
    let relus: Vec<&Vec<f64>> = relus.map(|(_, map)| map).collect();
    assert_eq!(codes.len, relus.iter().map(|map| map.len() / 4).sum::<usize>());
    for (image, words) in codes.words.iter().enumerate() {
        let bits: u32 = words.iter().map(|word| word.count_ones()).sum();
        let expected: usize = relus.iter().map(|map| rectifiers(map, image)).sum();
        assert_eq!(usize::try_from(bits).unwrap(), expected);
    }
    assert_eq!(child.state().unwrap(), before);
}
