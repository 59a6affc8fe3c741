//! Batches: from bytes to standardised numbers, with augmentation drawn by trial, step and image.

use rayon::prelude::*;

use super::engine::Batch;
use super::recipe::Augmentation;
use crate::dataset::{Card, Images};
use crate::net::Shape;
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

/// Takes bytes to numbers with mean 0 and deviation 1 in each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    shape: Shape,
    /// Number of each byte, by channel.
    table: Vec<[f32; 256]>,
}

impl Standard {
    /// By the statistics of a dataset's training images.
    ///
    /// # Errors
    /// When the card has no statistics, as a test set's.
    #[expect(clippy::cast_possible_truncation, reason = "numbers near 1")]
    pub fn of(card: &Card) -> Result<Self, super::TrainError> {
        let channels = card.image.channels;
        if card.mean.len() != channels || card.deviation.len() != channels {
            let text = "the dataset has no mean and deviation for each of its channels";
            return Err(super::TrainError::Data(text.to_owned()));
        }
        let channel = |(mean, deviation): (&f64, &f64)| {
            // A channel that never changes carries nothing; a deviation under one byte is noise.
            let scale = 1.0 / deviation.max(1.0);
            let mut table = [0.0; 256];
            for (byte, number) in (0..=u8::MAX).zip(&mut table) {
                *number = ((f64::from(byte) - mean) * scale) as f32;
            }
            table
        };
        let table = card.mean.iter().zip(&card.deviation).map(channel).collect();
        Ok(Self { shape: card.image, table })
    }

    /// Shape of one image.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The examples at `indices`, as they are.
    #[must_use]
    pub fn plain(&self, examples: &Examples<'_>, indices: &[usize]) -> Batch {
        self.assemble(examples, indices, |_| Variation::default())
    }

    /// The examples at `indices`, varied; `seed` is the step's.
    #[must_use]
    pub fn varied(
        &self,
        examples: &Examples<'_>,
        indices: &[usize],
        augment: Augmentation,
        seed: &Seed,
    ) -> Batch {
        self.assemble(examples, indices, |index| Variation::draw(augment, seed, index))
    }

    fn assemble(
        &self,
        examples: &Examples<'_>,
        indices: &[usize],
        variation: impl Fn(usize) -> Variation + Sync,
    ) -> Batch {
        let mut images = vec![0.0; indices.len() * self.shape.len()];
        images.par_chunks_mut(self.shape.len()).zip(indices).for_each(|(numbers, &index)| {
            self.write(examples.get(index).0, variation(index), numbers);
        });
        let labels = indices.iter().map(|&index| examples.get(index).1).collect();
        Batch { images, labels }
    }

    /// Writes one image; what a shift brings in from outside is 0, the channel's mean.
    fn write(&self, bytes: &[u8], variation: Variation, numbers: &mut [f32]) {
        let Shape { channels, width, .. } = self.shape;
        for (row, line) in numbers.chunks_exact_mut(width * channels).enumerate() {
            for (column, pixel) in line.chunks_exact_mut(channels).enumerate() {
                let Some(place) = variation.source(self.shape, row, column) else { continue };
                let bytes = &bytes[place * channels..][..channels];
                for ((number, &byte), table) in pixel.iter_mut().zip(bytes).zip(&self.table) {
                    *number = table[usize::from(byte)];
                }
            }
        }
    }
}

/// How one image is varied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Variation {
    mirrored: bool,
    /// Pixels that the picture moves down and right.
    down: isize,
    right: isize,
}

impl Variation {
    fn draw(augment: Augmentation, seed: &Seed, index: usize) -> Self {
        if augment == Augmentation::default() {
            return Self::default();
        }
        let mut stream = seed.stream("augment", index as u64);
        let mirrored = stream.below(2) == 1 && augment.mirror;
        let reach = augment.shift.cast_signed();
        let mut shift = || stream.index(2 * augment.shift + 1).cast_signed() - reach;
        Self { mirrored, down: shift(), right: shift() }
    }

    /// The pixel of the image that comes to stand at `row`, `column`, unless that is outside.
    fn source(&self, shape: Shape, row: usize, column: usize) -> Option<usize> {
        let row = row.checked_add_signed(-self.down).filter(|&row| row < shape.height)?;
        let column = column.checked_add_signed(-self.right).filter(|&c| c < shape.width)?;
        let column = if self.mirrored { shape.width - 1 - column } else { column };
        Some(row * shape.width + column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        let shape = Shape { channels: 1, height: 2, width: 3 };
        Images { pixels: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], labels: vec![0, 1], shape }
    }

    fn standard(mean: f64, deviation: f64) -> Standard {
        let card = Card {
            format: 1,
            source: String::new(),
            synthetic: true,
            image: images().shape,
            classes: Vec::new(),
            mean: vec![mean],
            deviation: vec![deviation],
            broken: Vec::new(),
        };
        Standard::of(&card).unwrap()
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "quarters are exact")]
    fn pixels_are_standardised_and_shifts_bring_in_the_mean() {
        let (images, standard) = (images(), standard(5.0, 2.0));
        let examples = Examples::all(&images);
        assert_eq!(standard.plain(&examples, &[0]).images, [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5]);
        let mut numbers = [0.0; 6];
        let variation = Variation { mirrored: true, down: 1, right: -1 };
        standard.write(examples.get(0).0, variation, &mut numbers);
        assert_eq!(numbers, [0.0, 0.0, 0.0, -1.5, -2.0, 0.0]);
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
        let (images, standard) = (images(), standard(5.0, 2.0));
        let (examples, seed) = (Examples::all(&images), Seed::root(3));
        let augment = Augmentation { mirror: true, shift: 1 };
        let both = standard.varied(&examples, &[0, 1], augment, &seed).images;
        let other = standard.varied(&examples, &[1, 0], augment, &seed).images;
        assert_eq!((&both[..6], &both[6..]), (&other[6..], &other[..6]));
        let later: Vec<_> = (0..20)
            .map(|step| standard.varied(&examples, &[0], augment, &seed.nth(step)).images)
            .collect();
        assert!(later.iter().any(|image| image != &later[0]));
    }
}
