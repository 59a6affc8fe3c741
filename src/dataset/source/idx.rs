//! IDX files, the format of MNIST and its family: big-endian sizes, then bytes; plain or gzipped.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, Listing, Opened, PictureError, Pictures};
use crate::dataset::files::normal;
use crate::dataset::{DatasetError, Picture, ProjectFiles};
use crate::net::Shape;
use crate::wording;

/// The first bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What one file may unpack to: the largest relative of MNIST has 0.6 GB.
const UNPACKED_MAX: u64 = 8 << 30;
/// Larger sides are taken for damage.
const SIDE_MAX: usize = 4096;

/// IDX files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idx {
    /// Images for training and validation: a file of three dimensions, perhaps gzipped.
    pub images: String,
    /// Their labels: a file of one dimension, perhaps gzipped.
    pub labels: String,
    /// The test part's images; when missing, test images are split off the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<String>,
    /// The test part's labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<String>,
    /// Class names by label; the labels themselves when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256))]
    pub classes: Option<Vec<String>>,
}

/// A file of images and the file of their labels.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    images: &'a str,
    labels: &'a str,
}

impl Idx {
    pub(super) fn files(&self) -> Vec<String> {
        let pairs = [self.train()].into_iter().chain(self.test());
        pairs.flat_map(|pair| [normal(pair.images), normal(pair.labels)]).collect()
    }

    fn train(&self) -> Pair<'_> {
        Pair { images: &self.images, labels: &self.labels }
    }

    pub(super) fn has_test_part(&self) -> bool {
        self.test().is_some()
    }

    fn test(&self) -> Option<Pair<'_>> {
        Some(Pair { images: self.test_images.as_deref()?, labels: self.test_labels.as_deref()? })
    }

    pub(super) fn open(&self, files: ProjectFiles<'_>) -> Result<Opened<'static>, DatasetError> {
        let train = self.train().read(files)?;
        let classes = self.class_names(&train);
        self.train().check_labels(&train, classes.len())?;
        let mut items = train.items("train", 0);
        let mut tensors = vec![train];
        let mut test_items = None;
        if let Some(pair) = self.test() {
            let test = pair.read(files)?;
            pair.check_labels(&test, classes.len())?;
            test_items = Some(test.items("test", items.len()));
            tensors.push(test);
        }
        items.shrink_to_fit();
        let listing = Listing {
            classes,
            pool: items,
            test: test_items,
            description: "IDX files".to_owned(),
            synthetic: false,
        };
        Ok(Opened { listing, pictures: Box::new(Tensors(tensors)) })
    }

    /// The names given, or as many numbers as the training labels use.
    fn class_names(&self, train: &Tensor) -> Vec<String> {
        let used = train.labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
        self.classes.clone().unwrap_or_else(|| (0..used).map(|label| label.to_string()).collect())
    }
}

impl Pair<'_> {
    fn read(self, files: ProjectFiles<'_>) -> Result<Tensor, DatasetError> {
        let (sizes, pixels) = read::<3>(files, self.images)?;
        let ([count], labels) = read::<1>(files, self.labels)?;
        let [images, height, width] = sizes;
        if height == 0 || width == 0 || height > SIDE_MAX || width > SIDE_MAX {
            let reason = format!("has images of {height} x {width} pixels");
            return Err(DatasetError::malformed(self.images, reason));
        }
        if images != count {
            let reason = format!(
                "has {} but `{}` has {}",
                wording::count(count, "label"),
                self.images,
                wording::count(images, "image")
            );
            return Err(DatasetError::malformed(self.labels, reason));
        }
        let shape = Shape { channels: 1, height, width };
        Ok(Tensor { shape, pixels, labels })
    }

    fn check_labels(self, tensor: &Tensor, classes: usize) -> Result<(), DatasetError> {
        let wrong = tensor.labels.iter().position(|&label| usize::from(label) >= classes);
        let Some(place) = wrong else { return Ok(()) };
        let label = tensor.labels[place];
        let reason = format!("has label {label} at image {place}, but there are {classes} classes");
        Err(DatasetError::malformed(self.labels, reason))
    }
}

/// Sizes and bytes of the IDX file at `path`, which must have `N` dimensions.
fn read<const N: usize>(
    files: ProjectFiles<'_>,
    path: &str,
) -> Result<([usize; N], Vec<u8>), DatasetError> {
    let bytes = files.read(path)?;
    let wrong = |reason: String| DatasetError::malformed(path, reason);
    let mut stream: Box<dyn Read> = if bytes.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(bytes.as_slice()))
    } else {
        Box::new(bytes.as_slice())
    };
    let ended = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => wrong("is cut off".to_owned()),
        _ => wrong(format!("cannot be unpacked: {error}")),
    };
    let mut magic = [0; 4];
    stream.read_exact(&mut magic).map_err(ended)?;
    check_magic(magic, N).map_err(wrong)?;
    let mut sizes = [0; N];
    for size in &mut sizes {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).map_err(ended)?;
        *size = u32::from_be_bytes(bytes) as usize;
    }
    let total = sizes.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64));
    let Some(total) = total.filter(|&total| total <= UNPACKED_MAX) else {
        let limit = wording::bytes(UNPACKED_MAX);
        return Err(DatasetError::TooLarge {
            what: format!("`{path}`, as {sizes:?} bytes,"),
            limit,
        });
    };
    // One byte more than promised is asked for, to notice that there is more; the buffer grows with what
    // really comes, so a header that lies takes no memory.
    let mut content = Vec::new();
    stream.take(total + 1).read_to_end(&mut content).map_err(ended)?;
    match (content.len() as u64).cmp(&total) {
        std::cmp::Ordering::Equal => Ok((sizes, content)),
        std::cmp::Ordering::Less => {
            Err(wrong(format!("is cut off: {} of {total} bytes are there", content.len())))
        }
        std::cmp::Ordering::Greater => Err(wrong(format!("goes on after its {total} bytes"))),
    }
}

fn check_magic(magic: [u8; 4], dimensions: usize) -> Result<(), String> {
    match magic {
        [0, 0, 8, found] if usize::from(found) == dimensions => Ok(()),
        [0, 0, 8, found] => {
            Err(format!("has {found} dimensions, not {dimensions}: are images and labels swapped?"))
        }
        [0, 0, 9 | 11 | 12 | 13 | 14, _] => Err("holds numbers other than bytes".to_owned()),
        _ => Err("is not an IDX file".to_owned()),
    }
}

/// Images and labels of one pair of files.
struct Tensor {
    shape: Shape,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Tensor {
    fn items(&self, part: &str, first_place: usize) -> Vec<Item> {
        let item = |(index, &label): (usize, &u8)| Item {
            name: format!("{part}/{index:06}"),
            label: u16::from(label),
            group: None,
            place: first_place + index,
        };
        self.labels.iter().enumerate().map(item).collect()
    }
}

/// Places count through all tensors.
struct Tensors(Vec<Tensor>);

impl Pictures for Tensors {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let mut index = item.place;
        for tensor in &self.0 {
            if let Some(after) = index.checked_sub(tensor.labels.len()) {
                index = after;
                continue;
            }
            let size = tensor.shape.len();
            let pixels = tensor.pixels[index * size..(index + 1) * size].to_vec();
            return Ok(Picture { shape: tensor.shape, pixels });
        }
        panic!("BUG: `{}` was never listed", item.name)
    }
}
