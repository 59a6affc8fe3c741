//! `dataset` artifacts: the card, how many images there are, and a few of them.

use super::{Artifact, Data, Source};
use crate::dataset::{self, Dataset, Images};
use crate::report::ReportError;

/// Images shown in all.
const SHOWN: usize = 60;
/// Images shown of one class.
const OF_A_CLASS: usize = 8;
/// Longest side of an image in the page.
const SIDE_MAX: usize = 48;

/// Reads the artifact of `source`. A card alone is enough for its facts.
pub(super) fn read(source: &Source) -> Result<Data, ReportError> {
    let artifact = Artifact { folder: &source.folder, name: "data".to_owned() };
    let card: dataset::Card = artifact.json(dataset::CARD_FILE)?;
    if !artifact.has(dataset::IMAGES_FILE) {
        let (training, validation, samples) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(Data { card, training, validation, samples });
    }
    let images = Dataset::open(&source.folder)
        .map_err(|error| artifact.malformed(dataset::IMAGES_FILE, error.to_string()))?;
    let classes = images.card.classes.len();
    let training = count(&images.training, classes);
    let validation = count(&images.validation, classes);
    let samples = samples(&images.training, classes);
    Ok(Data { card: images.card, training, validation, samples })
}

fn count(images: &Images, classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    images.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
    counts
}

/// The first training images of each class: their order is drawn by the dataset's seed.
fn samples(images: &Images, classes: usize) -> Vec<Vec<Vec<u8>>> {
    let each = (SHOWN / classes).clamp(1, OF_A_CLASS);
    let mut samples = vec![Vec::new(); classes.min(SHOWN)];
    let mut missing = samples.len();
    for (place, label) in images.labels.iter().enumerate() {
        let Some(sample) = samples.get_mut(usize::from(*label)) else { continue };
        if sample.len() < each {
            sample.push(dataset::thumbnail(images.image(place), images.shape, SIDE_MAX));
            missing -= usize::from(sample.len() == each);
        }
        if missing == 0 {
            break;
        }
    }
    samples
}
