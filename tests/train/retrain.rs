//! `retrain`: what it writes, that the test set comes last, and that nothing outside changes a byte.

use std::fs;
use std::path::Path;

use phytotron::artifact::ArtifactType;
use phytotron::dataset::thumbnail;
use phytotron::manifest::Manifest;
use phytotron::results::{
    By, CARD_FILE, MISTAKES_FILE, Mistake, ModelsSummary, SUMMARY_FILE, TRIALS_FILE, TRIALS_FORMAT,
    Trial, TrialsCard, write_card,
};
use phytotron::space::SpaceConfig;
use phytotron::space::chain::ChainConfig;
use phytotron::stage::{Outcome, RetrainConfig, Stage, StageError, Validation};
use phytotron::train::{Augmentation, Kept, Optimizer, Recipe, Schedule};

use super::job::{Bench, Heard, digest, files};
use super::toy;
use crate::dataset::project::bind_as;

/// Best first, by the scores in [`trials`].
const GENOTYPES: [&str; 3] = [
    "[C(8,3,1), P(2,2), C(12,3,1), SM(3)]",
    "[C(8,3,1), C(8,3,1), GAP(3), SM(3)]",
    "[C(8,1,1), P(2,2), SM(3)]",
];

fn config() -> RetrainConfig {
    let augment = vec![Augmentation::Mirror, Augmentation::Shift { pixels: 1 }];
    let recipe = Recipe { batch: 16, lr: 0.02, augment, ..Recipe::default() };
    RetrainConfig { top: 2, epochs: 4, recipe, ..RetrainConfig::default() }
}

fn space() -> SpaceConfig {
    SpaceConfig::Chain(ChainConfig {
        filters: vec![8, 12],
        batch_norm: true,
        ..ChainConfig::default()
    })
}

fn card(space: &SpaceConfig) -> TrialsCard {
    TrialsCard {
        format: TRIALS_FORMAT,
        space: serde_json::to_value(space).unwrap(),
        strategy: serde_json::Value::Null,
        evaluator: serde_json::Value::Null,
        reward: serde_json::Value::Null,
        fidelity: serde_json::Value::Null,
        batch: None,
        budget: serde_json::Value::Null,
        seed: None,
        choice: serde_json::Value::Null,
        image: toy::SHAPE,
        classes: 3,
        mock: true,
    }
}

fn write_trials(folder: &Path, card: &TrialsCard, scores: &[(&str, f64)]) {
    let rewarded: Vec<(&str, f64, f64)> = scores.iter().map(|&(text, s)| (text, s, s)).collect();
    write_rewarded(folder, card, &rewarded);
}

/// Genotypes with score and reward.
fn write_rewarded(folder: &Path, card: &TrialsCard, trials: &[(&str, f64, f64)]) {
    write_card(folder, card).unwrap();
    assert!(folder.join(CARD_FILE).is_file());
    let lines = trials.iter().zip(0..).map(|(&(genotype, score, reward), trial)| {
        let genotype = genotype.to_owned();
        let (failure, epsilon, curve) = (None, None, Vec::new());
        Trial {
            trial,
            genotype,
            score,
            failure,
            reward,
            parameters: 0,
            multiply_adds: 0,
            epochs: 0,
            steps: 0,
            epsilon,
            policy: None,
            rung: None,
            curve,
            measures: std::collections::BTreeMap::new(),
        }
        .line()
    });
    fs::write(folder.join(TRIALS_FILE), lines.collect::<String>()).unwrap();
}

/// A bench with two searches, a dataset and a test set.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..200).map(|i| format!("{i}.png")).collect();
    let [best, second, worst] = GENOTYPES;
    bench.bind("trials", ArtifactType::Trials, |dir| {
        write_trials(dir, &card(&space()), &[(worst, 0.3), (second, 0.7), (best, 0.6)]);
    });
    bench.bind("trials", ArtifactType::Trials, |dir| {
        write_trials(dir, &card(&space()), &[(best, 0.9)]);
    });
    bench.bind("data", ArtifactType::Dataset, |dir| {
        toy::dataset(60, 30).write(dir, &names[..90]).unwrap();
    });
    bench.bind("test", ArtifactType::Testset, |dir| {
        toy::testset(45).write(dir, &names[..45]).unwrap();
    });
    bench
}

fn run(bench: &mut Bench, heard: &Heard) -> (Result<Outcome, StageError>, std::path::PathBuf) {
    bench.attempt(heard, |job| config().run(job))
}

fn summary(models: &Path) -> ModelsSummary {
    serde_json::from_slice(&fs::read(models.join(SUMMARY_FILE)).unwrap()).unwrap()
}

#[test]
fn the_best_of_all_searches_are_trained_tested_and_written() {
    let (mut bench, heard) = (bench(), Heard::default());
    let (outcome, models) = run(&mut bench, &heard);
    let summary = summary(&models);
    let texts: Vec<&str> = summary.models.iter().map(|model| model.genotype.as_str()).collect();
    assert_eq!(texts, GENOTYPES[..2], "by mean score, each text once");
    assert_eq!(summary.chosen.genotype, GENOTYPES[0]);
    let accuracy = summary.chosen.test_accuracy.to_bits();
    assert_eq!(accuracy, summary.models[0].test_accuracy.to_bits());
    assert!(summary.chosen.test_accuracy > 0.5, "{summary:?}");
    assert_eq!((summary.test_images, &summary.test_images_by_class), (45, &vec![15; 3]));
    assert_eq!(summary.ensemble.as_ref().unwrap().genotype, "2 networks");
    assert_eq!((summary.ensemble_ranks.as_slice(), summary.chosen_rank()), (&[1, 2][..], Some(1)));
    let metrics = outcome.unwrap().metrics;
    assert_eq!(metrics["test_accuracy"].to_bits(), accuracy);
    assert!(metrics["test_accuracy_low"] < metrics["test_accuracy_high"]);
    let names: Vec<String> = files(&models)
        .iter()
        .map(|path| path.strip_prefix(&models).unwrap().to_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("models/01/mistakes/"))
        .collect();
    assert_eq!(
        names,
        [
            "models/01/confusion.csv",
            "models/01/history.jsonl",
            "models/01/mistakes.json",
            "models/01/network.json",
            "models/01/signature.json",
            "models/01/weights.safetensors",
            "models/02/confusion.csv",
            "models/02/history.jsonl",
            "models/02/network.json",
            "models/02/signature.json",
            "models/02/weights.safetensors",
            "summary.json",
        ]
    );
    let history = fs::read_to_string(models.join("models/01/history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 4);
    assert!(!history.contains("validation"), "finals learn from the validation images too");
}

#[test]
fn the_chosen_networks_surest_mistakes_are_kept_with_their_images() {
    let (mut bench, heard) = (bench(), Heard::default());
    let (_, models) = run(&mut bench, &heard);
    let chosen = models.join("models/01");
    let mistakes: Vec<Mistake> =
        serde_json::from_slice(&fs::read(chosen.join(MISTAKES_FILE)).unwrap()).unwrap();
    let confusion = &summary(&models).models[0].confusion;
    let all: u64 = confusion.iter().flatten().sum();
    let wrong = all - (0..3).map(|class| confusion[class][class]).sum::<u64>();
    assert_eq!(mistakes.len() as u64, wrong.min(12));
    assert!(mistakes.is_sorted_by(|a, b| a.probability >= b.probability), "{mistakes:?}");
    let test = toy::testset(45).images;
    for mistake in &mistakes {
        let place = usize::try_from(mistake.image).unwrap();
        assert_eq!(usize::from(test.labels[place]), mistake.label);
        assert!(mistake.prediction != mistake.label);
        assert!(mistake.probability >= mistake.probability_of_label);
        let png = fs::read(chosen.join(&mistake.file)).unwrap();
        assert_eq!(png, thumbnail(test.image(place), test.shape, 96));
    }
}

#[test]
fn threads_and_stops_do_not_change_a_byte() {
    let (mut bench, heard) = (bench(), Heard::default());
    let whole = digest(&run(&mut bench, &heard).1);
    assert_eq!(heard.epochs(), 8);
    bench.forget();
    bench.threads = 1;
    assert_eq!(digest(&run(&mut bench, &Heard::default()).1), whole);
    for stop in 1..8 {
        bench.forget();
        let (stopped, _) = run(&mut bench, &Heard::stopping_after(stop));
        assert!(matches!(stopped, Err(StageError::Interrupted)), "{stopped:?}");
        let heard = Heard::default();
        let (finished, models) = run(&mut bench, &heard);
        finished.unwrap();
        assert_eq!(heard.epochs(), 8 - stop, "epochs are not repeated");
        assert_eq!(digest(&models), whole, "stopped after epoch {stop}");
    }
}

#[test]
fn the_test_set_is_not_touched_before_all_training_is_done() {
    let (mut bench, heard) = (bench(), Heard::default());
    fs::remove_dir_all(bench.folder("test-0")).unwrap();
    let (outcome, models) = run(&mut bench, &heard);
    assert!(outcome.unwrap_err().to_string().contains("test-0"));
    assert_eq!((heard.epochs(), files(&models).len()), (8, 0));
}

#[test]
fn test_labels_cannot_change_what_is_chosen_or_learned() {
    let (mut honest, mut wrong) = (bench(), bench());
    fs::remove_dir_all(wrong.folder("test-0")).unwrap();
    fs::create_dir(wrong.folder("test-0")).unwrap();
    let mut test = toy::testset(45);
    test.images.labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    let names: Vec<String> = (0..45).map(|i| format!("{i}.png")).collect();
    test.write(&wrong.folder("test-0"), &names).unwrap();
    let (_, honest) = run(&mut honest, &Heard::default());
    let (_, wrong) = run(&mut wrong, &Heard::default());
    let (a, b) = (summary(&honest), summary(&wrong));
    assert_ne!(a.chosen.interval.map(f64::to_bits), b.chosen.interval.map(f64::to_bits));
    assert_eq!(a.chosen.genotype, b.chosen.genotype);
    for file in ["models/01/weights.safetensors", "models/02/weights.safetensors"] {
        assert_eq!(fs::read(honest.join(file)).unwrap(), fs::read(wrong.join(file)).unwrap());
    }
}

#[test]
fn a_network_that_diverges_is_named_and_all_of_them_fail_the_stage() {
    let mut bench = bench();
    let recipe = Recipe {
        lr: 1e30,
        optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true },
        schedule: Schedule::Constant,
        ..config().recipe
    };
    let wild = RetrainConfig { recipe, ..config() };
    let (outcome, _) = bench.attempt(&Heard::default(), |job| wild.run(job));
    let text = outcome.unwrap_err().to_string();
    assert!(
        text.contains("no network could be trained") && text.contains("diverged at epoch 1"),
        "{text}"
    );
}

#[test]
fn trials_of_other_spaces_or_images_are_refused() {
    let mut mixed = bench();
    let other = SpaceConfig::Chain(ChainConfig { batch_norm: false, ..ChainConfig::default() });
    mixed.bind("trials", ArtifactType::Trials, |dir| {
        write_trials(dir, &card(&other), &[(GENOTYPES[0], 0.5)]);
    });
    let text = run(&mut mixed, &Heard::default()).0.unwrap_err().to_string();
    assert!(text.contains("different spaces"), "{text}");
    let mut foreign = Bench::new();
    foreign.bind("trials", ArtifactType::Trials, |dir| {
        let card = TrialsCard { classes: 10, ..card(&space()) };
        write_trials(dir, &card, &[(GENOTYPES[0], 0.5)]);
    });
    foreign.bind("data", ArtifactType::Dataset, |dir| {
        let names: Vec<String> = (0..90).map(|i| format!("{i}.png")).collect();
        toy::dataset(60, 30).write(dir, &names).unwrap();
    });
    let text = run(&mut foreign, &Heard::default()).0.unwrap_err().to_string();
    assert!(text.contains("10 classes apart") && text.contains("bind the dataset"), "{text}");
}

#[test]
fn finals_follow_a_reward_that_has_a_cost_unless_the_score_is_asked_for() {
    let [large, small, _] = GENOTYPES;
    let cost = serde_json::json!({ "measure": "parameters", "target": 500 });
    let card = TrialsCard { reward: serde_json::json!({ "cost": cost }), ..card(&space()) };
    let bench_of = |cards: &[&TrialsCard]| {
        let mut bench = Bench::new();
        for &card in cards {
            bench.bind("trials", ArtifactType::Trials, |dir| {
                write_rewarded(dir, card, &[(large, 0.9, 0.5), (small, 0.8, 0.7)]);
            });
        }
        let names: Vec<String> = (0..200).map(|i| format!("{i}.png")).collect();
        bench.bind("data", ArtifactType::Dataset, |dir| {
            toy::dataset(60, 30).write(dir, &names[..90]).unwrap();
        });
        bench.bind("test", ArtifactType::Testset, |dir| {
            toy::testset(45).write(dir, &names[..45]).unwrap();
        });
        bench
    };
    let first = |cards: &[&TrialsCard], by: Option<By>| {
        let config = RetrainConfig { top: 1, epochs: 1, by, ..config() };
        let mut bench = bench_of(cards);
        let (outcome, models) = bench.attempt(&Heard::default(), |job| config.run(job));
        outcome.map(|_| summary(&models))
    };
    let penalised = first(&[&card], None).unwrap();
    assert_eq!((penalised.by, penalised.models[0].genotype.as_str()), (By::Reward, small));
    assert_eq!(penalised.models[0].search_reward, Some(0.7));
    let accurate = first(&[&card], Some(By::Score)).unwrap();
    assert_eq!((accurate.by, accurate.models[0].genotype.as_str()), (By::Score, large));
    assert_eq!(accurate.models[0].search_reward, None);

    let plain = TrialsCard { reward: serde_json::json!({ "cost": null }), ..card.clone() };
    let error = first(&[&card, &plain], None).unwrap_err().to_string();
    assert!(error.contains("set `by: score`"), "{error}");
    assert_eq!(first(&[&card, &plain], Some(By::Score)).unwrap().models[0].genotype, large);
}

#[test]
fn watched_validation_images_are_not_trained_on_and_may_stop_a_training() {
    let mut bench = bench();
    let recipe = Recipe { patience: Some(1), weights: Kept::Best, lr: 1e-8, ..config().recipe };
    let watched = RetrainConfig { recipe, validation: Validation::Watch, ..config() };
    let (outcome, models) = bench.attempt(&Heard::default(), |job| watched.run(job));
    outcome.unwrap();
    let history = fs::read_to_string(models.join("models/01/history.jsonl")).unwrap();
    assert_eq!(history.lines().filter(|line| line.contains("\"validation\":")).count(), 2);
    assert_eq!(summary(&models).models[0].epochs, 2, "the first epoch stays the best");
}

#[test]
fn the_ensemble_is_of_the_first_finals_that_were_asked_for() {
    let mut bench = bench();
    let three = RetrainConfig { top: 3, epochs: 1, ensemble: Some(2), ..config() };
    let (outcome, models) = bench.attempt(&Heard::default(), |job| three.run(job));
    outcome.unwrap();
    let summary = summary(&models);
    assert_eq!(
        (summary.models.len(), summary.ensemble.unwrap().genotype.as_str()),
        (3, "2 networks")
    );
}

#[test]
fn words_that_need_validation_images_are_mistakes_where_these_are_trained_on() {
    let with = |validation: &str| {
        serde_json::json!({
            "validation": validation,
            "recipe": {
                "patience": 3,
                "weights": "best",
                "augment": ["mirror", { "kind": "shift", "pixels": 5 }],
                "schedule": { "kind": "levels", "levels": [{ "from": 0.5, "share": 0.1 }] },
            },
        })
    };
    let mistakes = bind_as("retrain", &with("train")).unwrap_err();
    let codes: Vec<&str> = mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, ["retrain::no_validation"; 2]);
    assert!(mistakes[0].message.starts_with("`patience` goes by validation images"));
    bind_as("retrain", &with("watch")).unwrap();
}

#[test]
fn changes_of_the_space_are_in_the_network_and_in_the_manifest() {
    let changes = r#"{"batch_norm": false}"#;
    let plain = RetrainConfig { space: serde_json::from_str(changes).unwrap(), ..config() };
    let text = |config: &RetrainConfig| {
        let mut manifest = Manifest::default();
        config.parameters(&mut manifest);
        manifest.text()
    };
    assert!(text(&plain).contains("with.space.batch_norm false"), "{}", text(&plain));
    assert!(!text(&config()).contains("with.space"));
    let mut bench = bench();
    let short = RetrainConfig { epochs: 1, top: 1, ..plain };
    let (outcome, models) = bench.attempt(&Heard::default(), |job| short.run(job));
    outcome.unwrap();
    let network = fs::read_to_string(models.join("models/01/network.json")).unwrap();
    assert!(!network.contains("BatchNorm"), "the trials were of a space with it");
}

/// Which space was searched is known when it runs; what no space takes is a mistake before.
#[test]
fn changes_that_fit_no_space_are_mistakes() {
    let mistakes = |space: serde_json::Value| {
        let of = |kind: &str, evaluator: serde_json::Value| {
            let mut with = serde_json::json!({ "space": space });
            if kind == "evaluate" {
                with["evaluator"] = evaluator;
            }
            bind_as(kind, &with).err().unwrap_or_default()
        };
        let [retrain, evaluate] = ["retrain", "evaluate"].map(|kind| of(kind, "mock".into()));
        assert_eq!(retrain.len(), evaluate.len());
        retrain
    };
    for fits in [
        serde_json::json!({ "cells": 6, "filters": 32 }),
        serde_json::json!({ "filters": [16, 32], "layers_max": 3 }),
        serde_json::json!({ "size": "6 @ 768", "auxiliary": true }),
        serde_json::json!({ "kind": "nasnet", "cells": 1 }),
    ] {
        assert!(mistakes(fits.clone()).is_empty(), "{fits}");
    }
    let unknown = mistakes(serde_json::json!({ "filterz": 3 }));
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].message.contains("filterz"), "{}", unknown[0].message);
    // Each is a key of some space, but of none together.
    assert!(!mistakes(serde_json::json!({ "cells": 6, "layers_max": 3 })).is_empty());
    for wrong in [serde_json::json!({ "cells": "six" }), serde_json::json!({ "cells": 0 })] {
        assert_eq!(mistakes(wrong.clone()).len(), 1, "{wrong}");
    }
    assert!(!mistakes(serde_json::json!({ "kind": "chain", "cells": 6 })).is_empty());
}

#[test]
fn an_ensemble_of_more_networks_than_are_trained_is_a_mistake() {
    let with = |ensemble: usize| serde_json::json!({ "top": 4, "ensemble": ensemble });
    let mistakes = bind_as("retrain", &with(5)).unwrap_err();
    assert_eq!(mistakes[0].code, "retrain::ensemble");
    bind_as("retrain", &with(4)).unwrap();
}

#[test]
fn mixed_precision_is_for_gpus_and_part_of_the_manifest() {
    let with =
        |device: &str| serde_json::json!({ "device": device, "recipe": { "precision": "bf16" } });
    let mistakes = bind_as("retrain", &with("cpu")).unwrap_err();
    assert_eq!(mistakes[0].code, "recipe::precision");
    assert!(mistakes[0].message.contains("`device: cuda`"), "{}", mistakes[0].message);
    let evaluator = serde_json::json!({ "kind": "train", "recipe": { "precision": "bf16" } });
    let mistakes = bind_as("evaluate", &serde_json::json!({ "evaluator": evaluator })).unwrap_err();
    assert_eq!(mistakes[0].code, "recipe::precision");

    let manifest = |with: &serde_json::Value| {
        let mut manifest = Manifest::default();
        bind_as("retrain", with).unwrap().parameters(&mut manifest);
        manifest.fingerprint()
    };
    let single = serde_json::json!({ "device": "cuda" });
    assert_ne!(manifest(&with("cuda")), manifest(&single));
}

#[test]
fn given_networks_are_read_before_anything_runs_where_the_images_are_known() {
    let with = |networks: &[&str], image: bool| {
        let mut with = serde_json::json!({
            "space": { "kind": "chain" },
            "strategy": { "kind": "given", "networks": networks },
            "evaluator": "mock",
            "budget": { "trials": 2 },
        });
        if image {
            with["image"] = serde_json::json!({ "side": 32, "classes": 10 });
        }
        with
    };
    let networks = ["[SM(10)]", "[P(2,2), SM(10)]", "[C(64,3,1), SM(9)]"];
    let mistakes = bind_as("search", &with(&networks, true)).unwrap_err();
    let found: Vec<&str> = mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(found, ["search::given"; 2]);
    assert!(mistakes[0].message.contains("P(2,2)"), "{}", mistakes[0].message);
    bind_as("search", &with(&networks[..1], true)).unwrap();
    // Without images nobody knows the classes yet.
    bind_as("search", &with(&networks, false)).unwrap();
}
