//! A folder of classes: one folder of PNG or JPEG images for each class, named after it.
//!
//! The files lie in the project; the plan says which there are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, Item, Opened, PictureError, Pictures, classes};
use crate::dataset::files::normal;
use crate::dataset::image_file::decode;
use crate::dataset::{DatasetError, Picture, ProjectFiles};

/// A folder of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder that the class folders lie in.
    pub path: String,
    /// What to do about images that cannot be read.
    #[serde(default)]
    pub broken: Broken,
    /// Which images are near-duplicates that must share a split; each stands alone when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

/// What to do about images that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// The stage fails and names them.
    #[default]
    Refuse,
    /// They are left out, and named and counted in the card.
    Skip,
}

impl Folder {
    pub(super) fn files(&self) -> Vec<String> {
        let group = self.group.as_ref().and_then(Group::files);
        [normal(&self.path)].into_iter().chain(group).collect()
    }

    pub(super) fn open<'a>(&'a self, files: ProjectFiles<'a>) -> Result<Opened<'a>, DatasetError> {
        let names = classes::image_names(files.below(&self.path))?;
        let groups = match &self.group {
            Some(group) => group.of(files, &names)?,
            None => BTreeMap::new(),
        };
        let folders = files.folders_in(&self.path)?;
        let folders = folders.iter().map(String::as_str);
        let listing = classes::listing(&names, folders, &groups, "folder of classes")?;
        Ok(Opened { listing, pictures: Box::new(ImageFiles { files, folder: &self.path }) })
    }
}

struct ImageFiles<'a> {
    files: ProjectFiles<'a>,
    folder: &'a str,
}

impl Pictures for ImageFiles<'_> {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let path = format!("{}/{}", self.folder, item.name);
        let bytes = self.files.read(&path).map_err(PictureError::Fatal)?;
        decode(&item.name, &bytes).map_err(PictureError::Broken)
    }
}
