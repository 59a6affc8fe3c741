//! The `train` evaluator: scores, retries, and a trial cache that nobody can tell from training.

use phytotron::artifact::ArtifactType;
use phytotron::dataset::Dataset;
use phytotron::search::{Candidate, EvaluateError, Evaluation};
use phytotron::seed::Seed;
use phytotron::stage::evaluators::{Retries, Score, TrainConfig};
use phytotron::statistics::Bar;
use phytotron::train::Recipe;

use super::job::{Bench, Heard};
use super::toy;
use crate::dataset::project::bind_as;

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 6,
        images: Some(60),
        recipe: Recipe { batch: 16, lr: 0.02, ..Recipe::default() },
        // Three steps an epoch teach nothing within the first: no test.
        retries: Retries { tries: 1, ..Retries::default() },
        ..TrainConfig::default()
    }
}

fn bench(data: &Dataset) -> Bench {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..200).map(|i| format!("{i}.png")).collect();
    let count = data.training.len() + data.validation.len();
    bench.bind("data", ArtifactType::Dataset, |dir| data.write(dir, &names[..count]).unwrap());
    bench
}

fn candidates(count: u64) -> Vec<Candidate> {
    (0..count)
        .map(|trial| Candidate {
            bar: Bar::default(),
            trial,
            genotype: format!("toy {trial}"),
            network: toy::network(),
            seed: Seed::root(3).nth(trial),
            epochs: None,
        })
        .collect()
}

fn evaluate(
    bench: &mut Bench,
    heard: &Heard,
    config: &TrainConfig,
    count: u64,
) -> Result<Vec<Evaluation>, EvaluateError> {
    let data = toy::dataset(90, 30);
    bench.attempt(heard, |job| config.open(job, data).unwrap().evaluate(&candidates(count))).0
}

#[test]
fn a_warm_trial_cache_changes_nothing_but_time() {
    let mut bench = bench(&toy::dataset(90, 30));
    let (config, heard) = (config(), Heard::default());
    let half = evaluate(&mut bench, &heard, &config, 1).unwrap();
    assert_eq!(heard.epochs(), 6);
    let half_warm = Heard::default();
    let all = evaluate(&mut bench, &half_warm, &config, 2).unwrap();
    assert_eq!((half_warm.epochs(), &all[0]), (6, &half[0]));
    let warm = Heard::default();
    assert_eq!(evaluate(&mut bench, &warm, &config, 2).unwrap(), all);
    assert_eq!((warm.epochs(), warm.warnings().len()), (0, 0));
    bench.forget();
    let cold = Heard::default();
    assert_eq!(evaluate(&mut bench, &cold, &config, 2).unwrap(), all);
    assert_eq!(cold.epochs(), 12);
}

#[test]
fn children_side_by_side_come_out_as_one_after_another() {
    let scores = |threads: usize, stop: Option<usize>| {
        let mut bench = bench(&toy::dataset(90, 30));
        bench.threads = threads;
        if let Some(epochs) = stop {
            let stopped = evaluate(&mut bench, &Heard::stopping_after(epochs), &config(), 5);
            assert!(matches!(stopped, Err(EvaluateError::Interrupted)));
        }
        let heard = Heard::default();
        (evaluate(&mut bench, &heard, &config(), 5).unwrap(), heard.epochs())
    };
    let (alone, epochs) = scores(1, None);
    assert_eq!(epochs, 5 * 6);
    for threads in [2, 3, 8] {
        assert_eq!(scores(threads, None), (alone.clone(), epochs), "{threads} threads");
    }
    // Each child that was under way had a checkpoint of its own.
    let (resumed, epochs) = scores(3, Some(8));
    assert_eq!(resumed, alone);
    assert!(epochs <= 5 * 6 - 8, "{epochs} epochs after 8 were done");
}

#[test]
fn another_parameter_is_another_trial() {
    let mut bench = bench(&toy::dataset(90, 30));
    evaluate(&mut bench, &Heard::default(), &config(), 1).unwrap();
    let other = TrainConfig { images: Some(59), ..config() };
    let heard = Heard::default();
    evaluate(&mut bench, &heard, &other, 1).unwrap();
    assert_eq!(heard.epochs(), 6);
}

#[test]
fn a_child_learns_and_is_charged_what_it_cost() {
    let mut bench = bench(&toy::dataset(90, 30));
    let last = evaluate(&mut bench, &Heard::default(), &config(), 1).unwrap().remove(0);
    assert!(last.score > 0.5 && last.failure.is_none(), "{last:?}");
    assert_eq!((last.epochs, last.steps, last.curve.len()), (6, 18, 6));
    assert_eq!(Some(&last.score), last.curve.last());
    let best = TrainConfig { score: Score::Best, ..config() };
    let best = evaluate(&mut bench, &Heard::default(), &best, 1).unwrap().remove(0);
    assert_eq!(Some(best.score), best.curve.iter().copied().reduce(f64::max));
}

#[test]
fn a_child_that_never_learns_scores_chance_after_all_tries() {
    let mut bench = bench(&toy::dataset(90, 30));
    let retries = Retries { tries: 3, factor: 0.5, threshold: 2.9 };
    let recipe = Recipe { lr: 1e-8, ..config().recipe };
    let hopeless = TrainConfig { retries, recipe, ..config() };
    let failed = evaluate(&mut bench, &Heard::default(), &hopeless, 1).unwrap().remove(0);
    assert!((failed.score - 1.0 / 3.0).abs() < 1e-12);
    // 18 steps in 6 epochs: the test comes after a quarter, but not within the second epoch.
    assert_eq!((failed.steps, failed.epochs), (3 * 4, 3 * 2));
    let reason = failed.failure.unwrap();
    assert!(
        reason.starts_with("did not learn: accuracy 0.") && reason.ends_with("the last of 3 tries"),
        "{reason}"
    );
}

#[test]
fn a_child_that_diverges_is_tried_lower_and_may_still_score() {
    let mut bench = bench(&toy::dataset(90, 30));
    let recipe = Recipe {
        lr: 1e30,
        optimizer: phytotron::train::Optimizer::Sgd { momentum: 0.9, nesterov: true },
        ..config().recipe
    };
    let retries = Retries { tries: 4, factor: 1e-16, threshold: 0.0 };
    let wild = TrainConfig { retries, recipe, ..config() };
    let saved = evaluate(&mut bench, &Heard::default(), &wild, 1).unwrap().remove(0);
    assert_eq!(saved.failure, None);
    assert!(saved.steps > 18 && saved.score.is_finite(), "{saved:?}");
}

#[test]
fn a_stopped_evaluation_goes_on_and_ends_the_same() {
    let mut bench = bench(&toy::dataset(90, 30));
    let whole = evaluate(&mut bench, &Heard::default(), &config(), 2).unwrap();
    bench.forget();
    let stopped = evaluate(&mut bench, &Heard::stopping_after(8), &config(), 2);
    assert!(matches!(stopped, Err(EvaluateError::Interrupted)));
    let heard = Heard::default();
    assert_eq!(evaluate(&mut bench, &heard, &config(), 2).unwrap(), whole);
    // The other of two side by side may have ended an epoch while it was asked to stop.
    let epochs = heard.epochs();
    assert!(
        (1..=12 - 8).contains(&epochs),
        "{epochs}: finished trials and epochs are not repeated"
    );
}

#[test]
fn data_that_cannot_score_is_refused_in_words() {
    let refuse = |config: &TrainConfig, data: Dataset| {
        let mut bench = Bench::new();
        let heard = Heard::default();
        bench.attempt(&heard, |job| config.open(job, data).map(drop).unwrap_err().to_string()).0
    };
    let text = refuse(&config(), toy::dataset(90, 0));
    assert!(text.contains("no validation images") && text.contains("`validation` share"), "{text}");
    let text = refuse(&TrainConfig { fraction: 0.001, ..config() }, toy::dataset(90, 30));
    assert!(text.contains("none of 90 training images"), "{text}");
}

#[test]
fn a_trial_cache_that_cannot_be_written_is_a_warning() {
    let mut bench = bench(&toy::dataset(90, 30));
    let data = toy::dataset(90, 30);
    let (config, heard) = (config(), Heard::default());
    let store = bench.folder("store");
    let (scores, _) = bench.attempt(&heard, |job| {
        let mut evaluator = config.open(job, data).unwrap();
        // A file where the folder of trials was.
        std::fs::remove_dir_all(store.join("trials")).unwrap();
        std::fs::write(store.join("trials"), "in the way").unwrap();
        evaluator.evaluate(&candidates(1)).unwrap()
    });
    assert!(scores[0].score > 0.5);
    assert!(
        heard.warnings().iter().any(|text| text.contains("is not kept")),
        "{:?}",
        heard.warnings()
    );
}

#[test]
fn keeping_the_best_weights_of_children_that_are_thrown_away_is_a_mistake() {
    let with = |weights: &str| {
        let recipe = serde_json::json!({ "weights": weights });
        serde_json::json!({ "evaluator": { "kind": "train", "recipe": recipe } })
    };
    let mistakes = bind_as("evaluate", &with("best")).unwrap_err();
    assert_eq!(mistakes[0].code, "evaluator::weights");
    bind_as("evaluate", &with("last")).unwrap();
}
