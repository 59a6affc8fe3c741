//! Batches: from bytes to standardised numbers, with augmentation drawn by trial, step and image.

use rayon::prelude::*;

use super::TrainError;
use super::augment::{Augmentation, Picture, vary};
use super::engine::Batch;
use super::recipe::Preprocessing;
use crate::dataset::{Card, Images};
use crate::net::Shape;
use crate::results::{CONTRAST_BIAS, SIGNATURE_FORMAT, Scaling, Signature};
use crate::seed::Seed;

/// Images to train on or to evaluate: beginnings of image sets, one after another.
#[derive(Debug, Clone)]
pub struct Examples<'a> {
    parts: Vec<(&'a Images, usize)>,
}

impl<'a> Examples<'a> {
    /// All of `images`.
    #[must_use]
    pub fn all(images: &'a Images) -> Self {
        Self::first(images, images.len())
    }

    /// The first `count` of `images`, or all when there are fewer.
    #[must_use]
    pub fn first(images: &'a Images, count: usize) -> Self {
        Self { parts: vec![(images, count.min(images.len()))] }
    }

    /// These and all of `images`.
    #[must_use]
    pub fn and(mut self, images: &'a Images) -> Self {
        self.parts.push((images, images.len()));
        self
    }

    /// The first `count` of these, or all when there are fewer.
    #[must_use]
    pub fn beginning(mut self, mut count: usize) -> Self {
        for (_, part) in &mut self.parts {
            *part = count.min(*part);
            count -= *part;
        }
        self
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|&(_, count)| count).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes and class of the `index`-th image.
    ///
    /// # Panics
    /// When `index` is not below [`Examples::len`].
    #[must_use]
    pub fn get(&self, mut index: usize) -> (&'a [u8], u16) {
        for &(images, count) in &self.parts {
            if index < count {
                return (images.image(index), images.labels[index]);
            }
            index -= count;
        }
        panic!("BUG: an image beyond the last was asked for");
    }

    /// Classes in order.
    pub fn labels(&self) -> impl Iterator<Item = u16> {
        self.parts.iter().flat_map(|&(images, count)| images.labels[..count].iter().copied())
    }
}

/// Takes bytes to the numbers that networks read.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    shape: Shape,
    preprocessing: Preprocessing,
    /// Mean of each channel over the training images.
    mean: Vec<f64>,
    /// Deviation of each channel, at least 1.
    deviation: Vec<f64>,
    /// One over the deviation of each channel.
    scale: Vec<f64>,
    /// Standardised number of each byte, by channel.
    table: Vec<[f32; 256]>,
}

impl Standard {
    /// By `preprocessing` and the statistics of a dataset's training images.
    ///
    /// # Errors
    /// When the card has no statistics, as a test set's.
    pub fn of(card: &Card, preprocessing: Preprocessing) -> Result<Self, TrainError> {
        let channels = card.image.channels;
        if card.mean.len() != channels || card.deviation.len() != channels {
            let text = "the dataset has no mean and deviation for each of its channels";
            return Err(TrainError::Data(text.to_owned()));
        }
        // A channel that never changes carries nothing; a deviation under one byte is noise.
        let deviation: Vec<f64> =
            card.deviation.iter().map(|deviation| deviation.max(1.0)).collect();
        Ok(Self::new(card.image, preprocessing, card.mean.clone(), deviation))
    }

    /// As the network of this signature was trained.
    #[must_use]
    pub fn signed(signature: &Signature) -> Self {
        let shape = signature.image;
        match &signature.scaling {
            Scaling::Standard { mean, deviation } => {
                Self::new(shape, Preprocessing::Standard, mean.clone(), deviation.clone())
            }
            Scaling::GlobalContrast => {
                let (mean, deviation) = (vec![0.0; shape.channels], vec![1.0; shape.channels]);
                Self::new(shape, Preprocessing::GlobalContrast, mean, deviation)
            }
        }
    }

    /// What a network needs to be used as it was trained, on the dataset of `card`.
    #[must_use]
    pub fn signature(&self, card: &Card) -> Signature {
        let scaling = match self.preprocessing {
            Preprocessing::Standard => {
                Scaling::Standard { mean: self.mean.clone(), deviation: self.deviation.clone() }
            }
            Preprocessing::GlobalContrast => Scaling::GlobalContrast,
        };
        Signature {
            format: SIGNATURE_FORMAT,
            image: self.shape,
            fit: card.fit,
            scaling,
            classes: card.classes.clone(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers near 1")]
    fn new(
        shape: Shape,
        preprocessing: Preprocessing,
        mean: Vec<f64>,
        deviation: Vec<f64>,
    ) -> Self {
        let scale: Vec<f64> = deviation.iter().map(|deviation| 1.0 / deviation).collect();
        let channel = |(mean, scale): (&f64, &f64)| {
            let mut table = [0.0; 256];
            for (byte, number) in (0..=u8::MAX).zip(&mut table) {
                *number = ((f64::from(byte) - mean) * scale) as f32;
            }
            table
        };
        let table = mean.iter().zip(&scale).map(channel).collect();
        Self { shape, preprocessing, mean, deviation, scale, table }
    }

    /// Shape of one image.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The examples at `indices`, as they are.
    #[must_use]
    pub fn plain(&self, examples: &Examples<'_>, indices: &[usize]) -> Batch {
        self.varied(examples, indices, &[], &Seed::root(0))
    }

    /// The examples at `indices`, varied in the ways of `augment`; `seed` is the step's.
    #[must_use]
    pub fn varied(
        &self,
        examples: &Examples<'_>,
        indices: &[usize],
        augment: &[Augmentation],
        seed: &Seed,
    ) -> Batch {
        let mut images = vec![0.0; indices.len() * self.shape.len()];
        images.par_chunks_mut(self.shape.len()).zip(indices).for_each(|(numbers, &index)| {
            let bytes = examples.get(index).0;
            if augment.is_empty() && self.preprocessing == Preprocessing::Standard {
                self.look_up(bytes, numbers);
            } else {
                let mut picture = self.picture(bytes);
                vary(&mut picture, augment, seed, index);
                self.finish(&picture.numbers, numbers);
            }
        });
        let labels = indices.iter().map(|&index| examples.get(index).1).collect();
        Batch { images, labels }
    }

    /// What [`Standard::finish`] would write for an image that nothing varies, from a table.
    fn look_up(&self, bytes: &[u8], numbers: &mut [f32]) {
        let channels = self.shape.channels;
        let pixels = numbers.chunks_exact_mut(channels).zip(bytes.chunks_exact(channels));
        for (pixel, bytes) in pixels {
            for ((number, &byte), table) in pixel.iter_mut().zip(bytes).zip(&self.table) {
                *number = table[usize::from(byte)];
            }
        }
    }

    fn picture(&self, bytes: &[u8]) -> Picture<'_> {
        let numbers = bytes.iter().map(|&byte| f64::from(byte)).collect();
        Picture { shape: self.shape, numbers, outside: &self.mean }
    }

    /// Preprocesses one image.
    #[expect(clippy::cast_possible_truncation, reason = "numbers near 1")]
    fn finish(&self, picture: &[f64], numbers: &mut [f32]) {
        let channels = self.shape.channels;
        match self.preprocessing {
            Preprocessing::Standard => {
                for (i, (number, value)) in numbers.iter_mut().zip(picture).enumerate() {
                    let channel = i % channels;
                    *number = ((value - self.mean[channel]) * self.scale[channel]) as f32;
                }
            }
            Preprocessing::GlobalContrast => {
                let (mean, variance) = mean_and_variance(picture);
                let scale = 1.0 / libm::sqrt(variance + CONTRAST_BIAS);
                for (number, value) in numbers.iter_mut().zip(picture) {
                    *number = ((value - mean) * scale) as f32;
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels of an image")]
fn mean_and_variance(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    (mean, squares / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Fit;

    fn images() -> Images {
        let shape = Shape { channels: 1, height: 2, width: 3 };
        Images { pixels: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], labels: vec![0, 1], shape }
    }

    fn standard(mean: f64, deviation: f64, preprocessing: Preprocessing) -> Standard {
        let card = Card {
            format: 1,
            source: String::new(),
            synthetic: true,
            image: images().shape,
            classes: Vec::new(),
            mean: vec![mean],
            deviation: vec![deviation],
            fit: Fit::Stretch,
            broken: Vec::new(),
        };
        Standard::of(&card, preprocessing).unwrap()
    }

    #[test]
    fn pixels_are_standardised_and_what_moves_in_is_zero() {
        let (images, standard) = (images(), standard(5.0, 2.0, Preprocessing::Standard));
        let examples = Examples::all(&images);
        assert_eq!(standard.plain(&examples, &[0]).images, [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5]);
        let far = [Augmentation::Cutout { side: 100 }];
        assert_eq!(standard.varied(&examples, &[0], &far, &Seed::root(1)).images, [0.0; 6]);
    }

    #[test]
    fn the_table_gives_what_a_picture_gives() {
        let (images, standard) = (images(), standard(5.3, 2.7, Preprocessing::Standard));
        let mut numbers = [0.0; 6];
        standard.finish(&standard.picture(images.image(1)).numbers, &mut numbers);
        let plain = standard.plain(&Examples::all(&images), &[1]).images;
        assert_eq!(
            plain.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            numbers.map(f32::to_bits)
        );
    }

    #[test]
    fn global_contrast_centres_each_image_and_leaves_an_empty_one_alone() {
        let images = Images { pixels: vec![10, 20, 30, 40, 50, 60, 7, 7, 7, 7, 7, 7], ..images() };
        let standard = standard(5.0, 2.0, Preprocessing::GlobalContrast);
        let batch = standard.plain(&Examples::all(&images), &[0, 1]).images;
        // Variance 1750 / 6; the deviation is a little below 1 for the bias of 10.
        let first = f64::from(batch[0]) * f64::sqrt(1750.0 / 6.0 + 10.0);
        assert!((first + 25.0).abs() < 1e-5, "{first}");
        assert!(batch[..6].iter().sum::<f32>().abs() < 1e-6 && batch[6..] == [0.0; 6], "{batch:?}");
    }

    #[test]
    fn parts_join_and_prefixes_end() {
        let images = images();
        let examples = Examples::first(&images, 1).and(&images);
        assert_eq!((examples.len(), examples.get(2).1), (3, 1));
        assert_eq!(examples.labels().collect::<Vec<_>>(), [0, 0, 1]);
    }

    #[test]
    fn an_image_is_varied_by_its_own_number_not_by_its_place_in_the_batch() {
        let (images, standard) = (images(), standard(5.0, 2.0, Preprocessing::Standard));
        let (examples, seed) = (Examples::all(&images), Seed::root(3));
        let augment = [Augmentation::Mirror, Augmentation::Shift { pixels: 1 }];
        let both = standard.varied(&examples, &[0, 1], &augment, &seed).images;
        let other = standard.varied(&examples, &[1, 0], &augment, &seed).images;
        assert_eq!((&both[..6], &both[6..]), (&other[6..], &other[..6]));
        let later: Vec<_> = (0..20)
            .map(|step| standard.varied(&examples, &[0], &augment, &seed.nth(step)).images)
            .collect();
        assert!(later.iter().any(|image| image != &later[0]));
    }
}
