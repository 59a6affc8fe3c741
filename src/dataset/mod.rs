//! Datasets: images in memory, and the few files that hold them as an artifact.
//!
//! An artifact is a tensor of bytes, an index and a card, not a folder of pictures.

mod amount;
mod artifact;
mod bucket;
pub(crate) mod csv;
mod downloads;
mod error;
mod files;
mod image_file;
mod make;
mod npy;
mod order;
mod picture;
pub mod source;
mod split;
mod thumbnail;

pub use crate::results::Fit;
pub use amount::{Amount, TestAmount};
pub use artifact::{CARD_FILE, FORMAT, IMAGES_FILE, INDEX_FILE, validate};
pub use error::DatasetError;
pub use files::{Outside, ProjectFiles};
pub use image_file::{images_below, read_image};
pub use make::{Made, Recipe, Watch};
pub use thumbnail::thumbnail;

use picture::Picture;

use serde::{Deserialize, Serialize};

use crate::net::Shape;

/// Images with labels in memory, rows of bytes in (image, row, column, channel) order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// `len * height * width * channels` bytes.
    pub pixels: Vec<u8>,
    /// Class of each image, below the number of classes.
    pub labels: Vec<u16>,
    /// Shape of one image.
    pub shape: Shape,
}

impl Images {
    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of the `index`-th image.
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.pixels[index * size..(index + 1) * size]
    }
}

/// Facts of a dataset that a reader needs before its pixels.
///
/// Only `format`, `image` and `classes` must stand in a `card.json` that a person's script writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the artifact's format.
    pub format: u32,
    /// Where the images came from, for people: `leaves, easy, seed 7`.
    #[serde(default)]
    pub source: String,
    /// Whether the images are made up.
    #[serde(default)]
    pub synthetic: bool,
    /// Shape of one image.
    pub image: Shape,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// Mean of each channel over the training images, 0 to 255; empty in a test set.
    #[serde(default)]
    pub mean: Vec<f64>,
    /// Standard deviation of each channel over the training images; 1 where all pixels are equal.
    #[serde(default)]
    pub deviation: Vec<f64>,
    /// How images that were not square became so.
    #[serde(default, skip_serializing_if = "Fit::is_stretch")]
    pub fit: Fit,
    /// Images that could not be read: name and reason.
    #[serde(default)]
    pub broken: Vec<(String, String)>,
}

/// Training and validation images; what `search` and `retrain` read.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Facts.
    pub card: Card,
    /// In a seeded, stratified order of which every prefix is a stratified subset, so fractions nest.
    pub training: Images,
    /// Held-out images for rewards and choices.
    pub validation: Images,
}

/// Test images; only `retrain` may bind them.
#[derive(Debug, Clone, PartialEq)]
pub struct Testset {
    /// Facts.
    pub card: Card,
    /// The images.
    pub images: Images,
}
