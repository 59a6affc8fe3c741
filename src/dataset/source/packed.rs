//! Packed images: files one after another in one nameless file, where any thread can read any of them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::{Item, PictureError, Pictures};
use crate::dataset::image_file::decode;
use crate::dataset::{DatasetError, Picture};

/// Where a file's bytes lie among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Few enough for memory: sources refuse larger files.
    pub(super) size: u64,
}

/// Images by their places in a file.
pub(super) struct Packed {
    pub(super) file: File,
    pub(super) places: Vec<Place>,
}

impl Pictures for Packed {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let Place { offset, size } = self.places[item.place];
        let mut bytes =
            vec![0; usize::try_from(size).expect("BUG: a source let a huge file through")];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| PictureError::Fatal(DatasetError::read("unpacked images")(error)))?;
        decode(&item.name, &bytes).map_err(PictureError::Broken)
    }
}
