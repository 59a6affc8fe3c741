//! The files in `data/`: their digests, what is in them, and where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use phytotron::dataset::source::{Leaves, Species};
use phytotron::seed::Seed;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::project::Project;

const TINY_SPECIES: [Species; 3] = [Species::LanceEntire, Species::Maple, Species::OvateParallel];
const TINY_SIDE: usize = 16;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path)
}

/// A project that holds `data/tiny-leaves`.
pub(crate) fn tiny_leaves() -> Project {
    let project = Project::new();
    for species in TINY_SPECIES {
        for index in 0..8 {
            let path = format!("tiny-leaves/{}/{index}.png", species.word());
            project.write(&format!("data/{path}"), fs::read(data(&path)).unwrap());
        }
    }
    project
}

#[test]
fn data_files_have_the_digests_of_their_readme() {
    let readme = fs::read_to_string(data("README.md")).unwrap();
    let rows: Vec<(&str, &str)> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"))
        .collect();
    assert_eq!(rows.len(), 4);
    for (file, said) in rows {
        let digest = Sha256::digest(fs::read(data(file)).unwrap());
        assert_eq!(format!("{digest:x}"), said, "{file}");
    }
}

#[test]
fn fashion_mnist_is_balanced_and_whole() {
    let project = Project::new();
    let mut source = json!({ "kind": "idx" });
    for (key, file) in [
        ("images", "train-images-idx3-ubyte.gz"),
        ("labels", "train-labels-idx1-ubyte.gz"),
        ("test_images", "test-images-idx3-ubyte.gz"),
        ("test_labels", "test-labels-idx1-ubyte.gz"),
    ] {
        let path = format!("fashion-mnist/{file}");
        project.write(&path, fs::read(data(&path)).unwrap());
        source[key] = json!(path);
    }
    let outputs = project.run(&json!({ "source": source })).unwrap();
    let (dataset, testset) = (outputs.dataset(), outputs.testset());
    let count = |labels: &[u16], class| labels.iter().filter(|&&label| label == class).count();
    for class in 0..10 {
        assert_eq!(count(&dataset.training.labels, class), 340);
        assert_eq!(count(&dataset.validation.labels, class), 60);
        assert_eq!(count(&testset.images.labels, class), 100);
    }
    // The mean of the full training set is 72.94 of 255.
    assert!((dataset.card.mean[0] - 72.94).abs() < 2.0, "{:?}", dataset.card.mean);
}

#[test]
fn tiny_leaves_are_what_the_generator_draws() {
    let leaves = Leaves { size: TINY_SIDE, ..Leaves::default() };
    for species in TINY_SPECIES {
        for index in 0..8 {
            let drawn = leaves.image(&Seed::root(7), species, index);
            let path = data(&format!("tiny-leaves/{}/{index}.png", species.word()));
            let side = u32::try_from(TINY_SIDE).unwrap();
            let drawn = RgbImage::from_raw(side, side, drawn).unwrap();
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                drawn.save(&path).unwrap();
            }
            assert_eq!(image::open(&path).unwrap().to_rgb8(), drawn, "{}", path.display());
        }
    }
}
