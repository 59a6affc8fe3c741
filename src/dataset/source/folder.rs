//! A folder of classes: one folder of PNG or JPEG images for each class, named after it.
//!
//! Classes follow the folders' names in byte order. Nothing is passed over in silence: what is no image
//! counts as broken, but for the droppings of operating systems (`.DS_Store`, `Thumbs.db`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, Listing, Opened, PictureError, Pictures};
use crate::dataset::files::normal;
use crate::dataset::{DatasetError, Picture, ProjectFiles, csv};
use crate::net::Shape;

/// Larger sides are taken for damage, or for an attack.
const SIDE_MAX: u32 = 20_000;
/// What decoding one image may allocate.
const DECODED_MAX: u64 = 1 << 30;

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

/// How an image's group is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum Group {
    /// By the beginning of its file name: `oak7_3.jpg` and `oak7_4.jpg` with `before: _`.
    Prefix(GroupPrefix),
    /// By a CSV table with the columns `file` (class folder and name) and `group`.
    Table(GroupTable),
}

/// The file name's beginning is the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPrefix {
    /// The group ends before the last of these in the name.
    #[schemars(length(min = 1))]
    pub before: String,
}

/// A table has the groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// The CSV file.
    pub path: String,
}

impl Folder {
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = vec![normal(&self.path)];
        if let Some(Group::Table(table)) = &self.group {
            files.push(normal(&table.path));
        }
        files
    }

    pub(super) fn open<'a>(&'a self, files: ProjectFiles<'a>) -> Result<Opened<'a>, DatasetError> {
        let names = self.image_names(files)?;
        let classes = classes_of(&names);
        for folder in files.folders_in(&self.path)? {
            if !folder.starts_with('.') && !classes.contains(&folder) {
                return Err(DatasetError::EmptyClass { class: folder });
            }
        }
        let groups = self.groups(files, &names)?;
        let pool = names.iter().enumerate().map(|(place, name)| Item {
            name: (*name).to_owned(),
            label: label_of(name, &classes),
            group: groups.get(*name).cloned(),
            place,
        });
        let listing = Listing {
            pool: pool.collect(),
            test: None,
            description: "folder of classes".to_owned(),
            synthetic: false,
            classes,
        };
        Ok(Opened { listing, pictures: Box::new(ImageFiles { files, folder: &self.path }) })
    }

    /// `class/name` of everything that stands in a class folder.
    fn image_names<'a>(&self, files: ProjectFiles<'a>) -> Result<Vec<&'a str>, DatasetError> {
        let mut names = Vec::new();
        for name in files.below(&self.path) {
            if is_dropping(name) {
                continue;
            }
            match name.split('/').collect::<Vec<_>>()[..] {
                [_, _] => names.push(name),
                // Tables and READMEs may lie beside the classes, images may not.
                [file] if format_of(file).is_some() => {
                    return Err(DatasetError::NoClass { name: name.to_owned() });
                }
                [class, folder, _, ..] => {
                    let (class, folder) = (class.to_owned(), folder.to_owned());
                    return Err(DatasetError::NestedClass { class, folder });
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn groups(
        &self,
        files: ProjectFiles<'_>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, DatasetError> {
        match &self.group {
            None => Ok(BTreeMap::new()),
            Some(Group::Prefix(prefix)) => Ok(names
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), prefix.of(name)?)))
                .collect()),
            Some(Group::Table(table)) => table.read(files, names),
        }
    }
}

/// Whether an operating system or editor left it there.
fn is_dropping(name: &str) -> bool {
    name.split('/')
        .any(|part| part.starts_with('.') || part == "Thumbs.db" || part == "desktop.ini")
}

fn class_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(class, _)| class)
}

fn classes_of(names: &[&str]) -> Vec<String> {
    let classes: BTreeSet<&str> = names.iter().map(|name| class_of(name)).collect();
    classes.into_iter().map(str::to_owned).collect()
}

fn label_of(name: &str, classes: &[String]) -> u16 {
    let place = classes.binary_search_by(|class| class.as_str().cmp(class_of(name)));
    // More classes than labels are refused when the listing is checked.
    u16::try_from(place.expect("BUG: classes come from the names")).unwrap_or(u16::MAX)
}

/// The format that a name's ending promises.
fn format_of(name: &str) -> Option<ImageFormat> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "png" => Some(ImageFormat::Png),
        "jpg" | "jpeg" => Some(ImageFormat::Jpeg),
        _ => None,
    }
}

impl GroupPrefix {
    /// Class and beginning: equal beginnings in two classes are two plants.
    fn of(&self, name: &str) -> Option<String> {
        let (class, file) = name.split_once('/')?;
        let (beginning, _) = file.rsplit_once(self.before.as_str())?;
        Some(format!("{class}/{beginning}"))
    }
}

impl GroupTable {
    fn read(
        &self,
        files: ProjectFiles<'_>,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, DatasetError> {
        let wrong = |reason: String| DatasetError::Groups { path: self.path.clone(), reason };
        let text = String::from_utf8(files.read(&self.path)?)
            .map_err(|_| wrong("is not UTF-8 text".to_owned()))?;
        let records = csv::records(&text)
            .map_err(|line| wrong(format!("has a quote out of place in line {line}")))?;
        let Some((head, rows)) = records.split_first() else {
            return Err(wrong("is empty".to_owned()));
        };
        let column = |name: &str| {
            head.fields
                .iter()
                .position(|field| field.trim() == name)
                .ok_or_else(|| wrong(format!("has no column `{name}`")))
        };
        let (file, group) = (column("file")?, column("group")?);
        let mut groups = BTreeMap::new();
        for row in rows {
            let field = |column: usize| row.fields.get(column).map(|field| field.trim());
            let (Some(file), Some(group)) = (field(file), field(group)) else {
                return Err(wrong(format!("has too few fields in line {}", row.line)));
            };
            if groups.insert(normal(file), group.to_owned()).is_some() {
                return Err(wrong(format!("names `{file}` again in line {}", row.line)));
            }
        }
        match names.iter().find(|name| !groups.contains_key(**name)) {
            Some(name) => Err(wrong(format!("does not name `{name}`"))),
            None => Ok(groups),
        }
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
        decode(&item.name, &bytes)
    }
}

/// The picture in an image file's bytes: upright as its camera says, in three channels, and on white
/// where it is transparent.
fn decode(name: &str, bytes: &[u8]) -> Result<Picture, PictureError> {
    let broken = |reason, detail: String| PictureError::Broken { reason, detail };
    if bytes.is_empty() {
        return Err(broken("empty file", "0 bytes".to_owned()));
    }
    if format_of(name).is_none() {
        return Err(broken("not a PNG or JPEG image", "by its name".to_owned()));
    }
    // Names lie: a JPEG called .png is a good image.
    let Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = image::guess_format(bytes) else {
        return Err(broken("not a PNG or JPEG image", "by its first bytes".to_owned()));
    };
    // The decoder fills what is missing of a JPEG with grey and calls it good.
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err(broken("damaged", "it is cut off".to_owned()));
    }
    let image = decoded(bytes, format).map_err(|error| broken("damaged", error.to_string()))?;
    Ok(opaque(&image))
}

/// Whether an end marker follows the picture's data; thumbnails in the head have one of their own.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        // A marker may be padded with more of its first byte; else a segment says its length.
        let len = if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

fn decoded(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, image::ImageError> {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn opaque(image: &DynamicImage) -> Picture {
    let pixels = if image.color().has_alpha() {
        image.to_rgba8().pixels().flat_map(|pixel| on_white(pixel.0)).collect()
    } else {
        image.to_rgb8().into_raw()
    };
    let shape =
        Shape { channels: 3, height: image.height() as usize, width: image.width() as usize };
    Picture { shape, pixels }
}

fn on_white([r, g, b, alpha]: [u8; 4]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    [r, g, b].map(|value| {
        let mixed = (u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255;
        u8::try_from(mixed).expect("a mean of two bytes is a byte")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_lies_on_white() {
        assert_eq!(on_white([10, 20, 30, 255]), [10, 20, 30]);
        assert_eq!(on_white([10, 20, 30, 0]), [255, 255, 255]);
        assert_eq!(on_white([0, 255, 100, 128]), [127, 255, 177]);
    }

    #[test]
    fn a_prefix_ends_before_the_last_mark() {
        let prefix = GroupPrefix { before: "_".to_owned() };
        assert_eq!(prefix.of("oak/tree_7_3.jpg").as_deref(), Some("oak/tree_7"));
        assert_eq!(prefix.of("oak/single.jpg"), None);
    }
}
