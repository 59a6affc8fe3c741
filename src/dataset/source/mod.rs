//! Sources: where images come from. Each is one file here and one line in [`Source`].
//!
//! A source lists its images first and hands out one picture at a time, in any order and on any thread,
//! so that nobody holds pictures that no part asked for. It knows nothing of splits.

mod archive;
mod cifar;
mod classes;
mod folder;
mod group;
mod idx;
mod leaves;
mod packed;
mod s3;

pub use archive::Archive;
pub use cifar::{Cifar, CifarVariant};
pub use folder::{Broken, Folder};
pub use group::{Group, GroupPrefix, GroupTable};
pub use idx::Idx;
pub use leaves::{Leaves, Preset, Species};
pub use s3::S3;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::ProjectFiles;
use super::image_file::Damage;
use super::{DatasetError, Picture};
use crate::seed::Seed;

/// What a pin of an archive begins with; its SHA-256 follows.
pub const SHA256_PIN: &str = "sha256:";

/// Where the images come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum Source {
    /// Made-up leaves, drawn by a generator; reads no file.
    Leaves(Leaves),
    /// A folder with one folder of PNG or JPEG images for each class.
    Folder(Folder),
    /// A tar or zip archive with one folder of PNG or JPEG images for each class, from the project or the web.
    Archive(Archive),
    /// A prefix of an S3 bucket with one folder of PNG or JPEG images for each class.
    S3(S3),
    /// IDX files of the MNIST family, plain or gzipped.
    Idx(Idx),
    /// The binary batches of CIFAR-10 or CIFAR-100.
    Cifar(Cifar),
}

/// An image before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Unique in its source, and independent of where the source lies.
    pub(crate) name: String,
    /// Number of its class.
    pub(crate) label: u16,
    /// Images of one group share a split.
    pub(crate) group: Option<String>,
    /// Where the source finds it; means nothing to others.
    pub(crate) place: usize,
}

/// What a source has.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Class names by label.
    pub(crate) classes: Vec<String>,
    /// Images for training and validation, and for the test when there is no test part.
    pub(crate) pool: Vec<Item>,
    /// The source's own test part.
    pub(crate) test: Option<Vec<Item>>,
    /// What the images are, for the card.
    pub(crate) description: String,
    /// Whether they are made up.
    pub(crate) synthetic: bool,
}

/// Why one picture could not be had.
#[derive(Debug)]
pub(crate) enum PictureError {
    /// The image is broken; the rest may be fine.
    Broken(Damage),
    /// Nothing else can be had either.
    Fatal(DatasetError),
}

/// Hands out pictures.
pub(crate) trait Pictures: Sync {
    /// The picture of a listed item.
    fn picture(&self, item: &Item) -> Result<Picture, PictureError>;
}

/// A source that was opened.
pub(crate) struct Opened<'a> {
    /// What it has.
    pub(crate) listing: Listing,
    /// Its pictures.
    pub(crate) pictures: Box<dyn Pictures + 'a>,
}

impl Source {
    /// The word after `kind:`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Leaves(_) => "leaves",
            Self::Folder(_) => "folder",
            Self::Archive(_) => "archive",
            Self::S3(_) => "s3",
            Self::Idx(_) => "idx",
            Self::Cifar(_) => "cifar",
        }
    }

    /// Whether it has test images of its own, which `test: given` names.
    #[must_use]
    pub fn has_test_part(&self) -> bool {
        match self {
            Self::Leaves(_) | Self::Folder(_) | Self::Archive(_) | Self::S3(_) => false,
            Self::Idx(idx) => idx.has_test_part(),
            Self::Cifar(_) => true,
        }
    }

    /// Project files it reads: paths, folders or globs.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::Leaves(_) => Vec::new(),
            Self::Folder(folder) => folder.files(),
            Self::Archive(archive) => archive.files(),
            Self::S3(s3) => s3.files(),
            Self::Idx(idx) => idx.files(),
            Self::Cifar(cifar) => cifar.files(),
        }
    }

    /// What to do about images that cannot be read.
    #[must_use]
    pub fn broken(&self) -> Broken {
        match self {
            Self::Folder(folder) => folder.broken,
            Self::Archive(archive) => archive.broken,
            Self::S3(s3) => s3.broken,
            Self::Leaves(_) | Self::Idx(_) | Self::Cifar(_) => Broken::Refuse,
        }
    }

    /// The source as far as it decides what is made: an address where the same bytes may be had is not content.
    #[must_use]
    pub fn content(&self) -> Cow<'_, Self> {
        match self {
            Self::Archive(archive) if archive.url.is_some() => {
                Cow::Owned(Self::Archive(Archive { url: None, ..archive.clone() }))
            }
            Self::S3(s3) => Cow::Owned(Self::S3(S3 { url: None, ..s3.clone() })),
            other => Cow::Borrowed(other),
        }
    }

    /// Its address in the network, when it has one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Archive(archive) => archive.url.as_deref(),
            Self::S3(s3) => s3.url.as_deref(),
            _ => None,
        }
    }

    /// What it must hold in the network, by the digest that the pipeline gives.
    #[must_use]
    pub fn pin(&self) -> Option<String> {
        match self {
            Self::Archive(archive) => {
                archive.sha256.as_ref().map(|digest| format!("{SHA256_PIN}{digest}"))
            }
            Self::S3(s3) => s3.listing.as_ref().map(|digest| format!("listing:{digest}")),
            _ => None,
        }
    }

    /// Lists what there is; `test_images` is how many test images a generator shall make.
    pub(crate) fn open<'a>(
        &'a self,
        files: ProjectFiles<'a>,
        seed: Seed,
        test_images: usize,
    ) -> Result<Opened<'a>, DatasetError> {
        match self {
            Self::Leaves(leaves) => Ok(leaves.open(seed, test_images)),
            Self::Folder(folder) => folder.open(files),
            Self::Archive(archive) => archive.open(files),
            Self::S3(s3) => s3.open(files),
            Self::Idx(idx) => idx.open(files),
            Self::Cifar(cifar) => cifar.open(files),
        }
    }
}
