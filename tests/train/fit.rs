//! The training loop.

use std::sync::atomic::{AtomicU64, Ordering};

use phytotron::artifact::{Coordinates, StageId};
use phytotron::digest::Hasher;
use phytotron::event::{Emit, Event, Silent};
use phytotron::results::Epoch;
use phytotron::seed::Seed;
use phytotron::statistics::Bar;
use phytotron::train::{
    Assignment, Augmentation, Checkpoint, ClassWeights, Cpu, Engine, Examples, Fitted, Gate, Kept,
    Optimizer, Outcome, Preprocessing, RECIPE_VERSION, Recipe, Schedule, Standard, State,
    TrainError, Watch, fit, predict,
};

use super::toy;

fn stage() -> StageId {
    StageId { name: "retrain".to_owned(), coordinates: Coordinates::default() }
}

/// A recipe that uses everything that draws: order, augmentation, dropout.
fn recipe() -> Recipe {
    Recipe {
        batch: 16,
        lr: 0.01,
        augment: vec![Augmentation::Mirror, Augmentation::Shift { pixels: 1 }],
        ..Recipe::default()
    }
}

/// Trains the toy network, stopping before the steps in `stops` and going on each time.
fn train(recipe: &Recipe, epochs: u64, stops: &[u64], gate: Option<Gate>) -> Fitted {
    train_above(&[], recipe, epochs, stops, gate)
}

/// The same, under a bar.
fn train_above(
    bar: &[f64],
    recipe: &Recipe,
    epochs: u64,
    stops: &[u64],
    gate: Option<Gate>,
) -> Fitted {
    let data = toy::dataset(70, 30);
    let network = toy::network();
    let standard = Standard::of(&data.card, recipe.preprocessing).unwrap();
    let assignment = Assignment {
        engine: &Cpu,
        network: &network,
        recipe,
        standard: &standard,
        training: Examples::all(&data.training),
        validation: Some(Examples::all(&data.validation)),
        epochs,
        lr_factor: 1.0,
        gate,
        bar: Bar::from(bar.to_vec()),
        seed: Seed::root(9),
    };
    let folder = tempfile::tempdir().unwrap();
    let (asked, stops) = (AtomicU64::new(0), stops.iter().copied().chain([u64::MAX]));
    for stop in stops {
        let enough = || {
            // Asked once before every step, so the count of questions is the count of steps.
            asked.fetch_add(1, Ordering::Relaxed) >= stop
        };
        let watch = Watch {
            events: &Silent,
            stage: &stage(),
            child: "toy",
            stop: &enough,
            checkpoint: Some(Checkpoint::at(folder.path().join("toy"))),
            memory: None,
            profile: false,
        };
        match fit(&assignment, &watch) {
            Ok(fitted) => {
                assert_eq!(asked.into_inner(), fitted.steps, "a step was done twice");
                return fitted;
            }
            Err(TrainError::Interrupted) => {
                asked.fetch_sub(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the last attempt is never stopped")
}

fn bits(state: &State) -> Vec<(String, Vec<u32>)> {
    let named = state.weights.iter().chain(&state.training);
    named.map(|(k, v)| (k.clone(), v.values.iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn a_training_stopped_at_any_step_ends_in_the_same_bits() {
    let recipe = recipe();
    let whole = train(&recipe, 3, &[], None);
    assert_eq!((whole.steps, whole.history.len()), (12, 3));
    for stop in 0..12 {
        let resumed = train(&recipe, 3, &[stop], None);
        assert_eq!(resumed.history, whole.history, "stopped before step {stop}");
        assert_eq!(
            bits(&resumed.child.state().unwrap()),
            bits(&whole.child.state().unwrap()),
            "step {stop}"
        );
    }
    let often = train(&recipe, 3, &[1, 2, 5, 9], None);
    assert_eq!(bits(&often.child.state().unwrap()), bits(&whole.child.state().unwrap()));
}

#[test]
fn one_thread_and_many_give_the_same_bits() {
    let run = |threads: usize, optimizer: Optimizer| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let recipe = Recipe { optimizer, ..recipe() };
        pool.install(|| {
            let fitted = train(&recipe, 2, &[], None);
            (bits(&fitted.child.state().unwrap()), fitted.history)
        })
    };
    for optimizer in [Optimizer::default(), Optimizer::Sgd { momentum: 0.9, nesterov: true }] {
        assert_eq!(run(1, optimizer), run(3, optimizer));
    }
}

#[test]
fn a_small_network_learns_a_small_set_by_heart() {
    let recipe = Recipe { augment: Vec::new(), dropout: false, ..recipe() };
    let fitted = train(&recipe, 25, &[], None);
    let data = toy::dataset(70, 30);
    let standard = Standard::of(&data.card, Preprocessing::Standard).unwrap();
    let all = Examples::all(&data.training);
    let scores = predict(fitted.child.as_ref(), &all, &standard, 3, &|| false).unwrap();
    assert_eq!(fitted.outcome, Outcome::Finished);
    assert!(scores.accuracy(all.labels()) > 0.99, "{:?}", fitted.history);
    assert!(fitted.history[24].validation.unwrap() > 0.8, "{:?}", fitted.history[24]);
}

#[test]
fn a_learning_rate_that_explodes_is_named() {
    let recipe = Recipe {
        lr: 1e30,
        optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true },
        schedule: Schedule::Constant,
        ..recipe()
    };
    let fitted = train(&recipe, 2, &[], None);
    let Outcome::Diverged { epoch: 1, step, .. } = fitted.outcome else {
        panic!("{:?}", fitted.outcome)
    };
    assert!((1..=4).contains(&step));
    let text = fitted.outcome.to_string();
    assert!(text.starts_with("diverged at epoch 1, step ") && text.contains("not a finite number"));
}

/// A rectifier turns NaN into 0, so the loss stays finite: the weights tell.
#[test]
fn weights_that_are_no_numbers_any_more_are_named_at_the_step_that_made_them() {
    let recipe = Recipe {
        lr: 1e39,
        optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
        schedule: Schedule::Constant,
        ..recipe()
    };
    let fitted = train(&recipe, 2, &[], None);
    // The loss of the first step was of the weights before it, and no number is small enough for the update.
    let outcome = fitted.outcome;
    assert!(matches!(outcome, Outcome::Diverged { epoch: 1, step: 1, .. }), "{outcome:?}");
    let unsound = bits(&fitted.child.state().unwrap());
    assert!(
        unsound.iter().flat_map(|(_, bits)| bits).any(|&bits| !f32::from_bits(bits).is_finite())
    );
}

#[test]
fn a_training_below_its_bar_ends_there_also_when_resumed() {
    let whole = train(&recipe(), 4, &[], None);
    let accuracy: Vec<f64> = whole.history.iter().filter_map(|epoch| epoch.validation).collect();
    let best = accuracy[..2].iter().copied().fold(0.0, f64::max);
    let bar = [f64::NEG_INFINITY, best + 0.01, 0.0, 0.0];
    for stops in [&[][..], &[3], &[10]] {
        let stopped = train_above(&bar, &recipe(), 4, stops, None);
        assert_eq!((stopped.history.len(), stopped.outcome), (2, Outcome::Finished));
        assert_eq!(stopped.history[..], whole.history[..2]);
    }
    let reached = [f64::NEG_INFINITY, best, 0.0, 0.0];
    assert_eq!(train_above(&reached, &recipe(), 4, &[], None).history.len(), 4);
}

#[test]
fn a_child_that_does_not_pass_the_gate_ends_there() {
    let hopeless = Recipe { lr: 1e-8, ..recipe() };
    let gate = Some(Gate { step: 6, threshold: 0.999 });
    let fitted = train(&hopeless, 3, &[], gate);
    assert!(matches!(fitted.outcome, Outcome::GaveUp { step: 6, .. }), "{:?}", fitted.outcome);
    assert_eq!((fitted.steps, fitted.history.len()), (6, 1));
    let resumed = train(&hopeless, 3, &[5], gate);
    assert_eq!((resumed.outcome, resumed.steps), (fitted.outcome, 6));
}

#[test]
fn a_training_without_progress_ends_after_its_patience_at_the_same_step_when_resumed() {
    // A learning rate that changes nothing leaves an early epoch the best.
    let recipe = Recipe { lr: 1e-8, patience: Some(2), ..recipe() };
    let whole = train(&recipe, 30, &[], None);
    let accuracies: Vec<f64> = whole.history.iter().filter_map(|epoch| epoch.validation).collect();
    let best = accuracies.iter().copied().fold(0.0, f64::max);
    let first = accuracies.iter().position(|accuracy| *accuracy >= best).unwrap();
    assert_eq!(whole.outcome, Outcome::Finished);
    assert_eq!((accuracies.len(), whole.steps), (first + 3, 4 * (first as u64 + 3)));
    assert!(accuracies.len() < 30);
    for stop in [3, whole.steps - 1] {
        let resumed = train(&recipe, 30, &[stop], None);
        assert_eq!((&resumed.history, resumed.steps), (&whole.history, whole.steps));
    }
}

#[test]
fn the_best_epochs_weights_are_kept_also_through_a_stop() {
    let best = |history: &[Epoch]| {
        let accuracies: Vec<f64> = history.iter().filter_map(|epoch| epoch.validation).collect();
        accuracies.iter().copied().fold(0.0, f64::max)
    };
    let accuracy = |fitted: &Fitted| {
        let data = toy::dataset(70, 30);
        let standard = Standard::of(&data.card, Preprocessing::Standard).unwrap();
        let all = Examples::all(&data.validation);
        let scores = predict(fitted.child.as_ref(), &all, &standard, 3, &|| false).unwrap();
        scores.accuracy(all.labels())
    };
    // A learning rate that is too high makes accuracies go up and down.
    let recipe = Recipe { lr: 0.1, schedule: Schedule::Constant, weights: Kept::Best, ..recipe() };
    let whole = train(&recipe, 6, &[], None);
    assert_eq!(accuracy(&whole).to_bits(), best(&whole.history).to_bits(), "{:?}", whole.history);
    let last = train(&Recipe { weights: Kept::Last, ..recipe.clone() }, 6, &[], None);
    assert!(accuracy(&last) <= accuracy(&whole));
    for stop in [13, 22] {
        let resumed = train(&recipe, 6, &[stop], None);
        assert_eq!(
            bits(&resumed.child.state().unwrap()),
            bits(&whole.child.state().unwrap()),
            "stop {stop}"
        );
    }
}

#[test]
fn every_word_of_a_recipe_trains_to_the_same_bits_through_stops_and_threads() {
    let augment = vec![
        Augmentation::Rot90,
        Augmentation::Rotate { degrees: 20.0 },
        Augmentation::MirrorVertical,
        Augmentation::Gain { image: 0.2, channel: 0.1 },
        Augmentation::Cutout { side: 3 },
    ];
    let recipe = Recipe {
        augment,
        optimizer: Optimizer::Rmsprop { decay: 0.9, momentum: 0.9, epsilon: 1e-3 },
        schedule: Schedule::Cosine { end: 0.0, restarts: 1, stretch: 2.0 },
        clip: Some(1.0),
        label_smoothing: 0.1,
        class_weights: ClassWeights::Balanced,
        drop_path: Some(0.5),
        preprocessing: Preprocessing::GlobalContrast,
        ..recipe()
    };
    let run = |threads: usize, stops: &[u64]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&train(&recipe, 2, stops, None).child.state().unwrap()))
    };
    let whole = run(2, &[]);
    assert_eq!(run(1, &[3, 6]), whole);
    assert!(whole.iter().flat_map(|(_, bits)| bits).all(|&bits| f32::from_bits(bits).is_finite()));
}

/// Everything that a checkpoint must carry at once: parts of batches, what drops, an average of squares, a
/// schedule, the best weights, in epochs that are cut anywhere.
#[test]
fn parts_of_batches_go_on_from_any_step_to_the_same_bits() {
    let recipe = Recipe {
        micro_batch: Some(7),
        drop_path: Some(0.5),
        weights: Kept::Best,
        lr: 0.05,
        ..recipe()
    };
    let run = |threads: usize, stops: &[u64]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&train(&recipe, 3, stops, None).child.state().unwrap()))
    };
    let whole = run(2, &[]);
    for stop in [1, 3, 6, 11] {
        assert_eq!(run(1, &[stop]), whole, "stop {stop}");
    }
    let other = Recipe { micro_batch: None, ..recipe.clone() };
    assert_ne!(
        bits(&train(&other, 3, &[], None).child.state().unwrap()),
        whole,
        "the network has batch norm"
    );
}

#[test]
fn every_epoch_is_announced_and_nothing_twice_after_a_stop() {
    #[derive(Default)]
    struct Heard(std::sync::Mutex<Vec<u64>>);
    impl Emit for Heard {
        fn emit(&self, event: Event) {
            if let Event::EpochEnded { epoch, epochs: 2, .. } = event {
                self.0.lock().unwrap().push(epoch);
            }
        }
    }
    let (data, network, recipe) = (toy::dataset(40, 10), toy::network(), recipe());
    let standard = Standard::of(&data.card, Preprocessing::Standard).unwrap();
    let heard = Heard::default();
    let assignment = Assignment {
        engine: &Cpu,
        network: &network,
        recipe: &recipe,
        standard: &standard,
        training: Examples::all(&data.training).and(&data.validation),
        validation: None,
        epochs: 2,
        lr_factor: 1.0,
        gate: None,
        bar: Bar::default(),
        seed: Seed::root(1),
    };
    let watch = Watch {
        events: &heard,
        stage: &stage(),
        child: "toy",
        stop: &|| false,
        checkpoint: None,
        memory: None,
        profile: false,
    };
    let fitted = fit(&assignment, &watch).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), [1, 2]);
    assert_eq!((fitted.steps, fitted.history[0].validation), (6, None));
}

/// Golden bits of two epochs, on every processor. When they change on purpose, raise the version of
/// `trainer.cpu` or of `train.recipe`, so that no cache mixes old and new.
#[test]
fn golden_a_tiny_training_keeps_its_bits() {
    let digest = |recipe: &Recipe| {
        let mut hasher = Hasher::new();
        for (name, bits) in bits(&train(recipe, 2, &[], None).child.state().unwrap()) {
            hasher.update(name.as_bytes());
            for number in bits {
                hasher.update(&number.to_le_bytes());
            }
        }
        hasher.digest().short()
    };
    assert_eq!((Cpu.component().1, RECIPE_VERSION), (2, 4));
    assert_eq!(digest(&recipe()), "3a2635bb0935");
    assert_eq!(digest(&Recipe { augment: Vec::new(), ..recipe() }), "26c93c743f00");
}
