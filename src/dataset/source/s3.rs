//! A prefix of a bucket with one folder of PNG or JPEG images for each class.
//!
//! Its listing, which has a tag of each object's content, stands for all of it: it is pinned in the pipeline, and
//! what is fetched must be what was listed. One archive in a bucket is a source of kind `archive`.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::packed::{Packed, Place};
use super::{Broken, Group, Opened, classes};
use crate::dataset::bucket::{Held, Objects};
use crate::dataset::{DatasetError, ProjectFiles};
use crate::digest::{Digest, Hasher};
use crate::wording;

/// Bytes of one image: larger is no camera's.
const IMAGE_BYTES_MAX: u64 = 512 << 20;

/// Class folders below a prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// The prefix that the class folders lie under: `s3://bucket/prefix`. Server and region are those of the remote
    /// with the same bucket, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^s3://[^/]+"))]
    pub url: Option<String>,
    /// Digest of the listing, 64 hexadecimal digits: names, sizes and tags of all objects below the prefix. Leave it
    /// out once to be told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub listing: Option<String>,
    /// What to do about images that cannot be read.
    #[serde(default)]
    pub broken: Broken,
    /// Which images are near-duplicates that must share a split; each stands alone when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

impl S3 {
    pub(super) fn files(&self) -> Vec<String> {
        self.group.as_ref().and_then(Group::files).into_iter().collect()
    }

    pub(super) fn open<'a>(&'a self, files: ProjectFiles<'a>) -> Result<Opened<'a>, DatasetError> {
        let objects = Objects::open(files.bucket()?)?;
        let held = objects.list()?;
        self.check(&held)?;
        let by_name: HashMap<&str, &Held> =
            held.iter().map(|held| (held.name.as_str(), held)).collect();
        let names = classes::image_names(held.iter().map(|held| held.name.as_str()))?;
        let groups = match &self.group {
            Some(group) => group.of(files, &names)?,
            None => BTreeMap::new(),
        };
        let no_folders = std::iter::empty();
        let listing = classes::listing(&names, no_folders, &groups, "classes in a bucket")?;
        let images: Vec<&Held> = names.iter().map(|name| by_name[name]).collect();
        let places = places(&images)?;
        let file = files.nameless()?;
        let wanted: Vec<(&Held, u64)> =
            images.into_iter().zip(&places).map(|(held, place)| (held, place.offset)).collect();
        objects.fetch(&wanted, &file)?;
        Ok(Opened { listing, pictures: Box::new(Packed { file, places }) })
    }

    /// The prefix holds what it held when the study was made.
    fn check(&self, held: &[Held]) -> Result<(), DatasetError> {
        let url = self.url.clone().unwrap_or_default();
        let found = digest(held).to_string();
        match &self.listing {
            Some(wanted) if *wanted == found => Ok(()),
            Some(wanted) => Err(DatasetError::OtherListing { url, wanted: wanted.clone(), found }),
            None if held.is_empty() => Err(DatasetError::NoObject { url }),
            None => {
                let bytes = wording::bytes(held.iter().map(|held| held.size).sum());
                let objects = wording::count(held.len(), "object");
                Err(DatasetError::NoListing { url, listing: found, objects, bytes })
            }
        }
    }
}

/// Digest of a listing in the order of names. The lengths keep one listing's text from being another's.
fn digest(held: &[Held]) -> Digest {
    let mut hasher = Hasher::new();
    for Held { name, size, etag } in held {
        let [name_bytes, etag_bytes] = [name.len(), etag.len()];
        hasher.update(format!("{name_bytes} {name} {size} {etag_bytes} {etag}\n").as_bytes());
    }
    hasher.digest()
}

/// Each image's place, one after another.
fn places(images: &[&Held]) -> Result<Vec<Place>, DatasetError> {
    let mut offset = 0;
    let mut places = Vec::with_capacity(images.len());
    for Held { name, size, .. } in images {
        if *size > IMAGE_BYTES_MAX {
            let limit = wording::bytes(IMAGE_BYTES_MAX);
            return Err(DatasetError::TooLarge { what: format!("`{name}`"), limit });
        }
        places.push(Place { offset, size: *size });
        offset += size;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &str, size: u64, etag: &str) -> Held {
        Held { name: name.to_owned(), size, etag: etag.to_owned() }
    }

    #[test]
    fn a_listing_changes_with_every_name_size_and_tag() {
        let base = [held("a/1.png", 3, "x"), held("b/1.png", 3, "y")];
        let others = [
            vec![held("a/1.png", 3, "x")],
            vec![held("a/1.png", 3, "x"), held("b/1.png", 4, "y")],
            vec![held("a/1.png", 3, "x"), held("b/1.png", 3, "z")],
            vec![held("a/1.png", 3, "x"), held("b/2.png", 3, "y")],
            vec![held("a/1.png 3 1 x\n7 b/1.png", 3, "y")],
        ];
        for other in others {
            assert_ne!(digest(&base), digest(&other), "{other:?}");
        }
    }

    #[test]
    fn images_lie_one_after_another() {
        let [a, b] = [held("a", 3, ""), held("b", 4, "")];
        let places = places(&[&a, &b]).unwrap();
        assert_eq!(places, [Place { offset: 0, size: 3 }, Place { offset: 3, size: 4 }]);
        assert!(super::places(&[&held("c", 1 << 40, "")]).is_err());
    }
}
