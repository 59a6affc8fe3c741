//! The leaf generator: frozen pixels, and a task that pixels alone do not solve.

use phytotron::dataset::source::{Leaves, Preset, Species};
use phytotron::digest::Digest;
use phytotron::seed::Seed;
use rayon::prelude::*;
use serde_json::json;

use super::project::{Project, Run};

#[test]
fn ten_pictures_are_frozen() {
    let drawn = Species::ALL.map(|species| {
        let index = species as usize;
        let preset = if index.is_multiple_of(2) { Preset::Easy } else { Preset::Standard };
        let leaves = Leaves { preset, ..Leaves::default() };
        Digest::of(&leaves.image(&Seed::root(7), species, index)).short()
    });
    // Other pictures need a higher version of the component `dataset.leaves`.
    let frozen = [
        "0e5c5e788cd4",
        "974310af9a9b",
        "79643f6fef49",
        "ce911bc10868",
        "ca2eba0e8d3a",
        "9a65e17afe37",
        "3302c0689377",
        "0113a8b3c5ea",
        "e441bba28daa",
        "6c159691a573",
    ];
    assert_eq!(drawn, frozen);
}

#[test]
fn a_picture_depends_on_its_own_name_only() {
    let leaves = Leaves { size: 16, ..Leaves::default() };
    let draw = |seed: u64, species, index| leaves.image(&Seed::root(seed), species, index);
    let picture = draw(1, Species::Star, 3);
    assert_eq!(picture, draw(1, Species::Star, 3));
    assert_ne!(picture, draw(2, Species::Star, 3));
    assert_ne!(picture, draw(1, Species::Maple, 3));
    assert_ne!(picture, draw(1, Species::Star, 4));
}

#[test]
fn threads_change_nothing() {
    let with = json!({ "source": { "kind": "leaves", "images": 80, "size": 16 } });
    let digest = |threads: usize| {
        let run = Run { threads, ..Run::default() };
        Project::new().run_as(&with, &run).unwrap().digest()
    };
    assert_eq!(digest(1), digest(8));
}

#[test]
fn more_images_or_species_keep_the_pictures_that_were_there() {
    let project = Project::new();
    let species = ["ovate-parallel", "round-palmate"];
    let few = project
        .run(&json!({
            "source": { "kind": "leaves", "images": 20, "size": 16, "species": species },
            "split": { "test": 10 },
        }))
        .unwrap();
    let many = project
        .run(&json!({
            "source": { "kind": "leaves", "images": 40, "size": 16, "species": species },
            "split": { "test": 10 },
        }))
        .unwrap();
    assert_eq!(few.testset(), many.testset());
    assert_eq!(few.dataset().card.classes, species);
    assert_eq!(few.names("test", "test").len(), 10);
    assert!(few.names("test", "test").iter().all(|name| name.contains("/test-")));
}

/// Leaves must not be told apart by where their pixels are: a linear model gets 45 % in the study that
/// the generator comes from, a small convolutional network 97 %.
#[test]
fn a_linear_model_learns_something_and_far_from_all() {
    // Half the usual side: sixteen pixels a side are kept in any case.
    let leaves = Leaves { size: 32, ..Leaves::default() };
    let samples: Vec<(Vec<f64>, usize)> = (0..1000)
        .into_par_iter()
        .map(|i| {
            let picture = leaves.image(&Seed::root(7), Species::ALL[i % 10], i / 10);
            (grey_16x16(&picture), i % 10)
        })
        .collect();
    let (training, test) = samples.split_at(700);
    // The penalty that is kindest to it.
    let weights = ridge(training, 10.0);
    let right = test.iter().filter(|(pixels, label)| classify(&weights, pixels) == *label).count();
    // Of 300; chance is 30.
    assert!((75..180).contains(&right), "{right}");
}

/// Mean light of 2 x 2 pixels each, about 0, and a constant.
fn grey_16x16(picture: &[u8]) -> Vec<f64> {
    let mut pixels = vec![0.0; 257];
    for (i, rgb) in picture.chunks_exact(3).enumerate() {
        let sum: f64 = rgb.iter().map(|&value| f64::from(value)).sum();
        pixels[i / 32 / 2 * 16 + i % 32 / 2] += sum / (3.0 * 4.0 * 255.0) - 0.5 / 4.0;
    }
    pixels[256] = 1.0;
    pixels
}

/// Weights of each of ten classes: solves `(X'X + penalty I) W = X'Y` by Cholesky's factors.
fn ridge(samples: &[(Vec<f64>, usize)], penalty: f64) -> Vec<Vec<f64>> {
    let n = samples[0].0.len();
    let mut gram = vec![vec![0.0; n]; n];
    let mut weights = vec![vec![0.0; n]; 10];
    for (pixels, label) in samples {
        for i in 0..n {
            for j in 0..=i {
                gram[i][j] += pixels[i] * pixels[j];
            }
            weights[*label][i] += pixels[i];
        }
    }
    for i in 0..n {
        gram[i][i] += penalty;
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| gram[i][k] * gram[j][k]).sum();
            let rest = gram[i][j] - dot;
            gram[i][j] = if i == j { rest.sqrt() } else { rest / gram[j][j] };
        }
    }
    for column in &mut weights {
        for i in 0..n {
            let dot: f64 = (0..i).map(|k| gram[i][k] * column[k]).sum();
            column[i] = (column[i] - dot) / gram[i][i];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| gram[k][i] * column[k]).sum();
            column[i] = (column[i] - dot) / gram[i][i];
        }
    }
    weights
}

fn classify(weights: &[Vec<f64>], pixels: &[f64]) -> usize {
    let score = |class: usize| -> f64 {
        weights[class].iter().zip(pixels).map(|(weight, pixel)| weight * pixel).sum()
    };
    (0..10).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap()
}
