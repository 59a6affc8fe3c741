//! The most confident mistakes of the chosen network, with their images.
//!
//! They are looked at after the choice is made and change nothing: a reader learns more of a network from
//! a dozen images that it is sure of and wrong about than from a hundredth of accuracy.

use std::fs;
use std::path::Path;

use crate::dataset::{Images, thumbnail};
use crate::results::{MISTAKES_FILE, Mistake};
use crate::stage::StageError;
use crate::train::Scores;

/// Mistakes that are kept.
const MOST: usize = 12;
/// Longest side of their images, in pixels.
const SIDE_MAX: usize = 96;

/// A mistake and its image as PNG.
pub(super) type Shown = (Mistake, Vec<u8>);

/// The wrong predictions with the highest probabilities, highest first; equal ones in the test set's order.
pub(super) fn most_confident(scores: &Scores, images: &Images) -> Vec<Shown> {
    let rows = scores.probabilities.chunks_exact(scores.classes);
    let judged = scores.predictions().zip(rows).zip(&images.labels).enumerate();
    let mut wrong: Vec<Mistake> = judged
        .filter(|(_, ((prediction, _), label))| *prediction != usize::from(**label))
        .map(|(image, ((prediction, row), label))| Mistake {
            image: image as u64,
            label: usize::from(*label),
            prediction,
            probability: row[prediction],
            probability_of_label: row[usize::from(*label)],
            file: String::new(),
        })
        .collect();
    wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.image.cmp(&b.image)));
    wrong.truncate(MOST);
    let show = |(place, mistake): (usize, Mistake)| {
        let image = usize::try_from(mistake.image).expect("BUG: it was a place in memory");
        let file = format!("mistakes/{:02}.png", place + 1);
        (Mistake { file, ..mistake }, thumbnail(images.image(image), images.shape, SIDE_MAX))
    };
    wrong.into_iter().enumerate().map(show).collect()
}

/// Writes them into the network's folder; nothing where there are none.
pub(super) fn write(folder: &Path, shown: &[Shown]) -> Result<(), StageError> {
    if shown.is_empty() {
        return Ok(());
    }
    let mistakes: Vec<&Mistake> = shown.iter().map(|(mistake, _)| mistake).collect();
    let mut text = serde_json::to_string_pretty(&mistakes).expect("numbers and text serialize");
    text.push('\n');
    put(&folder.join(MISTAKES_FILE), text.as_bytes())?;
    let images = folder.join("mistakes");
    fs::create_dir_all(&images).map_err(|source| StageError::Io {
        action: "cannot make",
        path: images.clone(),
        source,
    })?;
    shown.iter().try_for_each(|(mistake, png)| put(&folder.join(&mistake.file), png))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    fs::write(path, bytes).map_err(|source| StageError::Io {
        action: "cannot write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shape;

    #[test]
    fn the_surest_of_the_wrong_come_first_and_ties_keep_their_order() {
        let scores = Scores {
            probabilities: vec![0.9, 0.1, 0.2, 0.8, 0.7, 0.3, 0.7, 0.3],
            classes: 2,
            finite: true,
        };
        let shape = Shape { channels: 1, height: 1, width: 1 };
        let images = Images { pixels: vec![0, 50, 100, 150], labels: vec![0, 0, 1, 1], shape };
        let shown = most_confident(&scores, &images);
        let places: Vec<u64> = shown.iter().map(|(mistake, _)| mistake.image).collect();
        assert_eq!(places, [1, 2, 3]);
        let (first, png) = &shown[0];
        assert_eq!((first.label, first.prediction, first.file.as_str()), (0, 1, "mistakes/01.png"));
        assert!((first.probability - 0.8).abs() < 1e-6);
        assert_eq!(image::load_from_memory(png).unwrap().into_luma8().into_raw(), [50]);
    }
}
