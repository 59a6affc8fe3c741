//! The stage kind: binding, manifest, splits, interruption, and frozen outputs of every source.

use std::collections::BTreeSet;

use phytotron::event::Event;
use phytotron::stage::{Component, StageError, Stop};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::project::{Project, Run, bind, manifest};
use super::{cifar, folder, idx};

fn leaves(images: usize) -> Json {
    let species = ["ovate-parallel", "round-palmate", "lance-entire", "star-7lobe"];
    json!({ "source": { "kind": "leaves", "images": images, "size": 8, "species": species } })
}

/// The message of the only mistake.
fn mistake(with: &Json) -> String {
    match bind(with) {
        Ok(_) => panic!("it should not bind"),
        Err(mistakes) => {
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            format!("{}: {}", mistakes[0].code, mistakes[0].message)
        }
    }
}

#[test]
fn defaults_are_the_leaves_study() {
    assert_eq!(
        manifest(&json!({ "source": { "kind": "leaves" } })),
        manifest(&json!({
            "source": { "kind": "leaves", "preset": "easy", "images": 4000, "size": 64 },
            "split": { "validation": 0.15, "test": 0.5 },
            "fit": "crop",
            "seed": 3,
        })),
    );
    let text = manifest(&json!({ "source": { "kind": "leaves" } }));
    insta::assert_snapshot!(text, @r"
    with.source.kind leaves
    with.source.preset easy
    with.source.species.0 ovate-entire
    with.source.species.1 ovate-serrate
    with.source.species.2 ovate-parallel
    with.source.species.3 obovate-crenate
    with.source.species.4 round-palmate
    with.source.species.5 round-crenate
    with.source.species.6 lance-entire
    with.source.species.7 maple-5lobe
    with.source.species.8 oak-lobed
    with.source.species.9 star-7lobe
    with.source.images 4000
    with.source.size 64
    with.split.validation 0.15
    with.split.test 0.5
    with.grayscale false
    ");
}

#[test]
fn only_used_components_count() {
    let stage = bind(&leaves(40)).unwrap();
    let component = |name, version| Component { name, version };
    assert_eq!(stage.components(), [component("dataset", 2), component("dataset.leaves", 1)]);
    assert_eq!(stage.files(), Vec::<String>::new());
    assert_eq!(bind(&idx::with_test()).unwrap().components()[1], component("dataset.idx", 1));
}

#[test]
fn files_are_declared_for_the_plan() {
    let group = json!({ "kind": "table", "path": "./groups.csv" });
    let with = json!({ "source": { "kind": "folder", "path": "a//b/", "group": group } });
    assert_eq!(bind(&with).unwrap().files(), ["a/b", "groups.csv"]);
    assert_eq!(bind(&idx::with_test()).unwrap().files().len(), 4);
    let with = json!({ "source": { "kind": "cifar", "path": "c", "variant": "cifar100" } });
    let files = bind(&with).unwrap().files();
    assert_eq!(files, ["c/train.bin", "c/test.bin", "c/fine_label_names.txt"]);
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let split = |split: Json| {
        let mut with = leaves(40);
        with["split"] = split;
        mistake(&with)
    };
    assert!(split(json!({ "test": "given" })).starts_with("dataset::no_test_part"));
    assert!(split(json!({ "validation": 1.5 })).contains("1.5"));
    assert!(split(json!({ "validation": 0 })).contains('0'));
    assert!(split(json!({ "test": "all" })).contains("all"));
    let everything = json!({ "validation": 0.5, "test": 0.5 });
    let with = json!({ "source": { "kind": "folder", "path": "a" }, "split": everything });
    assert!(mistake(&with).starts_with("dataset::no_training"));
    let with = json!({ "source": { "kind": "leaves", "species": ["oak-lobed", "oak-lobed"] } });
    assert!(mistake(&with).starts_with("dataset::species_twice"));
    let mut with = idx::with_test();
    with["source"].as_object_mut().unwrap().remove("test_labels");
    assert_eq!(mistake(&with), "dataset::half_test_part: `test_images` needs `test_labels`");
}

#[test]
fn a_whole_number_may_be_written_as_a_float() {
    let mut with = leaves(40);
    with["split"] = json!({ "validation": 8.0, "test": 4 });
    let outputs = Project::new().run(&with).unwrap();
    assert_eq!((outputs.dataset().validation.len(), outputs.testset().images.len()), (8, 4));
}

#[test]
fn without_test_images_there_is_no_test_output() {
    let mut with = leaves(40);
    with["split"] = json!({ "test": 0 });
    assert_eq!(bind(&with).unwrap().outputs().len(), 1);
    let outputs = Project::new().run(&with).unwrap();
    assert!(!outputs.has("test") && outputs.has("dataset/card.json"));
    let project = folder::project();
    let with = json!({
        "source": { "kind": "folder", "path": "plants" },
        "split": { "test": 0, "validation": 4 },
    });
    assert_eq!(project.run(&with).unwrap().dataset().training.len(), 16);
}

#[test]
fn a_split_too_fine_for_the_classes_is_refused() {
    let mut with = leaves(40);
    with["split"] = json!({ "validation": 3 });
    let error = Project::new().failure(&with);
    assert!(error.contains("would have no validation image, for it has 10 images:"), "{error}");
    with["split"] = json!({ "validation": 38 });
    let error = Project::new().failure(&with);
    assert!(error.contains("would have no training image"), "{error}");
    with["split"] = json!({ "test": 2 });
    assert!(Project::new().failure(&with).contains("would have no test image"));
}

#[test]
fn statistics_come_from_training_images_only() {
    let dataset = Project::new().run(&leaves(40)).unwrap().dataset();
    assert_eq!(
        (dataset.card.mean.clone(), dataset.card.deviation.clone()),
        dataset.training.statistics()
    );
    assert_ne!(dataset.card.mean, dataset.training_and_validation().statistics().0);
}

#[test]
fn absurd_sizes_are_refused_before_they_are_made() {
    let with = json!({ "source": { "kind": "leaves", "images": 30_000, "size": 512 } });
    let error = Project::new().failure(&with);
    assert!(error.contains("images of 512 x 512 would take more than 16.0 GiB"), "{error}");
}

#[test]
fn a_file_that_changed_since_the_plan_stops_the_stage() {
    let run = Run {
        meanwhile: |project| project.write("plants/oak/oak0_0.png", folder::png(4, 4, [9; 3])),
        ..Run::default()
    };
    let with = json!({ "source": { "kind": "folder", "path": "plants" } });
    let error = folder::project().run_as(&with, &run).err().unwrap();
    assert!(
        matches!(&error, StageError::Changed { path } if path == "plants/oak/oak0_0.png"),
        "{error}"
    );
    let run = Run {
        meanwhile: |project| std::fs::remove_file(project.path("train-labels")).unwrap(),
        ..Run::default()
    };
    let project = Project::new();
    idx::write_pair(&project, "train", 40, 4);
    idx::write_pair(&project, "test", 8, 4);
    let error = project.run_as(&idx::with_test(), &run).err().unwrap();
    assert!(matches!(&error, StageError::Changed { path } if path == "train-labels"), "{error}");
}

#[test]
fn a_file_that_appears_after_the_plan_is_not_read() {
    let with = json!({ "source": { "kind": "folder", "path": "plants" } });
    let run = Run {
        meanwhile: |project| project.write("plants/oak/new.png", folder::png(4, 4, [9; 3])),
        ..Run::default()
    };
    let planned = folder::project().run(&with).unwrap();
    assert_eq!(folder::project().run_as(&with, &run).unwrap().digest(), planned.digest());
}

#[test]
fn a_stop_is_heard_and_progress_told() {
    let run = Run::default();
    run.stop.request();
    let error = Project::new().run_as(&leaves(40), &run).err().unwrap();
    assert!(matches!(error, StageError::Interrupted));
    let run = Run { stop: Stop::default(), ..Run::default() };
    let outputs = Project::new().run_as(&leaves(400), &run).unwrap();
    let told: Vec<(u64, u64)> = outputs
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { unit, done, total, .. } if unit == "images" => Some((*done, *total)),
            _ => None,
        })
        .collect();
    assert!(told.is_sorted() && told.len() > 3);
    assert_eq!(told.last(), Some(&(600, 600)));
    assert!((outputs.outcome.metrics["classes"] - 4.0).abs() < 1e-9);
}

/// Other bytes need a higher version of `dataset` (split, format, preparation) or of the source's component.
#[test]
fn outputs_of_every_source_are_frozen() {
    let leaves = Project::new().run(&leaves(40)).unwrap().digest();
    let with = json!({
        "source": { "kind": "folder", "path": "data/tiny-leaves" },
        "resize": 12,
        "grayscale": true,
        "limit": 6,
        "split": { "validation": 3, "test": 3 },
    });
    let folder = super::data::tiny_leaves().run(&with).unwrap().digest();
    let project = Project::new();
    idx::write_pair(&project, "train", 40, 4);
    idx::write_pair(&project, "test", 8, 4);
    let idx = project.run(&idx::with_test()).unwrap().digest();
    let project = Project::new();
    cifar::write_cifar_10(&project);
    let with =
        json!({ "source": { "kind": "cifar", "path": "cifar" }, "split": { "validation": 10 } });
    let cifar = project.run(&with).unwrap().digest();
    assert_eq!(
        [leaves, folder, idx, cifar],
        ["20af80d15d75", "0c59d02ab57a", "16c715df1810", "410900376a30"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_are_disjoint_stratified_and_nested(
        // Fewer in a class may leave it without a validation image, which is refused.
        images in 10_u8..60,
        validation in 0.15_f64..0.4,
        seed in 0_u64..1000,
    ) {
        let project = Project::new();
        idx::write_pair(&project, "train", images * 4, 4);
        let with = json!({
            "source": { "kind": "idx", "images": "train-images", "labels": "train-labels" },
            "split": { "validation": validation, "test": 0.2 },
            "seed": seed,
        });
        let outputs = project.run(&with).unwrap();
        let parts = [("dataset", "training"), ("dataset", "validation"), ("test", "test")]
            .map(|(output, split)| outputs.names(output, split));
        let all: BTreeSet<&String> = parts.iter().flatten().collect();
        prop_assert_eq!(all.len(), usize::from(images) * 4);
        prop_assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), all.len());

        let dataset = outputs.dataset();
        let count = |labels: &[u16], class: u16| labels.iter().filter(|&&one| one == class).count();
        for class in 0..4 {
            let quarter = dataset.validation.len() / 4;
            prop_assert!(count(&dataset.validation.labels, class).abs_diff(quarter) <= 1);
        }
        let mut smaller = dataset.training_fraction(0.1);
        for fraction in [0.2, 0.5, 0.7, 1.0] {
            let larger = dataset.training_fraction(fraction);
            prop_assert!(larger.pixels.starts_with(&smaller.pixels));
            for class in 0..4 {
                let quarter = larger.len() / 4;
                prop_assert!(count(&larger.labels, class).abs_diff(quarter) <= 2);
            }
            smaller = larger;
        }
    }
}
