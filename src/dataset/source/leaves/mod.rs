//! Leaves that never grew: a dataset of photographs' difficulty without download or licence.
//!
//! An image is a pure function of seed, species and index: any image can be made alone, in any order and
//! on any number of threads, with the same bytes. The margin and vein details that tell the first species
//! apart are two or three pixels wide, which makes architectures matter.

mod noise;
mod outline;
mod picture;
mod species;
mod table;
mod variation;

pub use species::Species;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, Listing, Opened, PictureError, Pictures};
use crate::dataset::Picture;
use crate::net::Shape;
use crate::seed::Seed;

/// Leaves to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Leaves {
    /// How much the leaves vary.
    pub preset: Preset,
    /// The classes, in this order.
    #[schemars(length(min = 2, max = 10))]
    pub species: Vec<Species>,
    /// Training and validation images in all; species get equal shares. Test images come on top.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub images: usize,
    /// Side of an image in pixels.
    #[schemars(range(min = 8, max = 1024))]
    pub size: usize,
}

impl Default for Leaves {
    fn default() -> Self {
        Self { preset: Preset::Easy, species: Species::ALL.to_vec(), images: 4000, size: 64 }
    }
}

/// How much leaves of one species vary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Nearly upright, large, mostly on paper: a small network learns them in twenty epochs.
    #[default]
    Easy,
    /// Any rotation, size and ground: for searches with fifty epochs and more.
    Standard,
}

impl Preset {
    fn word(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Standard => "standard",
        }
    }
}

/// Test images have indices from here on, so that more training images never change the test set.
const FIRST_TEST_INDEX: usize = 1 << 32;

impl Leaves {
    /// The `index`-th image of a species: `size * size` pixels of red, green and blue.
    #[must_use]
    pub fn image(&self, seed: &Seed, species: Species, index: usize) -> Vec<u8> {
        let stream = seed.child("leaf").stream(species.word(), index as u64);
        picture::draw(stream, species, self.preset, self.size)
    }

    /// How many images each species gets of `total`: equal shares, the first ones one more.
    fn shares(&self, total: usize) -> impl Iterator<Item = (Species, usize)> {
        let classes = self.species.len();
        let share = move |class: usize| total / classes + usize::from(class < total % classes);
        self.species.iter().enumerate().map(move |(class, species)| (*species, share(class)))
    }

    fn items(&self, total: usize, first_index: usize) -> Vec<Item> {
        let part = if first_index == 0 { "" } else { "test-" };
        let mut items = Vec::with_capacity(total);
        for ((species, share), label) in self.shares(total).zip(0..) {
            items.extend((0..share).map(|index| Item {
                name: format!("{}/{part}{index:06}", species.word()),
                label,
                group: None,
                place: first_index + index,
            }));
        }
        items
    }

    pub(super) fn open(&self, seed: Seed, test_images: usize) -> Opened<'_> {
        let classes = self.species.iter().map(|species| species.word().to_owned()).collect();
        let description =
            format!("made-up leaves, {}, {} species", self.preset.word(), self.species.len());
        let listing = Listing {
            classes,
            pool: self.items(self.images, 0),
            test: Some(self.items(test_images, FIRST_TEST_INDEX)),
            description,
            synthetic: true,
        };
        Opened { listing, pictures: Box::new(Generator { leaves: self, seed }) }
    }
}

struct Generator<'a> {
    leaves: &'a Leaves,
    seed: Seed,
}

impl Pictures for Generator<'_> {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let Leaves { species, size, .. } = self.leaves;
        let species = species[usize::from(item.label)];
        let shape = Shape { channels: 3, height: *size, width: *size };
        Ok(Picture { shape, pixels: self.leaves.image(&self.seed, species, item.place) })
    }
}
