//! CIFAR-10 and CIFAR-100 in their binary version: records of labels and three planes of 32 x 32 bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, Listing, Opened, PictureError, Pictures};
use crate::dataset::files::normal;
use crate::dataset::{DatasetError, Picture, ProjectFiles};
use crate::net::Shape;

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
const PLANE: usize = 32 * 32;

/// The folder that the binary archive unpacks to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cifar {
    /// The folder: `cifar-10-batches-bin` or `cifar-100-binary`.
    pub path: String,
    /// Which of the two, and which labels.
    #[serde(default)]
    pub variant: CifarVariant,
}

/// Which CIFAR, and which labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CifarVariant {
    /// CIFAR-10.
    #[default]
    Cifar10,
    /// CIFAR-100 with its 100 fine labels.
    Cifar100,
    /// CIFAR-100 with its 20 coarse labels.
    Cifar100Coarse,
}

/// Where a variant keeps what.
struct Layout {
    description: &'static str,
    classes: usize,
    names: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// Label bytes before the pixels, and which of them counts.
    label_len: usize,
    label_place: usize,
}

impl CifarVariant {
    fn layout(self) -> Layout {
        match self {
            Self::Cifar10 => Layout {
                description: "CIFAR-10",
                classes: 10,
                names: "batches.meta.txt",
                train: &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                test: "test_batch.bin",
                label_len: 1,
                label_place: 0,
            },
            Self::Cifar100 => Layout {
                description: "CIFAR-100, fine labels",
                classes: 100,
                names: "fine_label_names.txt",
                train: &["train.bin"],
                test: "test.bin",
                label_len: 2,
                label_place: 1,
            },
            Self::Cifar100Coarse => Layout {
                description: "CIFAR-100, coarse labels",
                classes: 20,
                names: "coarse_label_names.txt",
                label_place: 0,
                ..Self::Cifar100.layout()
            },
        }
    }
}

impl Cifar {
    /// The archive's own files only, so that a note beside them changes nothing.
    pub(super) fn files(&self) -> Vec<String> {
        let layout = self.variant.layout();
        let files = layout.train.iter().chain([&layout.test, &layout.names]);
        files.map(|file| self.file(file)).collect()
    }

    fn file(&self, name: &str) -> String {
        normal(&format!("{}/{name}", self.path))
    }

    pub(super) fn open(&self, files: ProjectFiles<'_>) -> Result<Opened<'static>, DatasetError> {
        let layout = self.variant.layout();
        let classes = self.class_names(files, &layout)?;
        let mut records = Records { label_len: layout.label_len, bytes: Vec::new() };
        let mut pool = Vec::new();
        for name in layout.train {
            pool.extend(self.batch(files, &layout, name, &mut records)?);
        }
        let test = self.batch(files, &layout, layout.test, &mut records)?;
        let listing = Listing {
            classes,
            pool,
            test: Some(test),
            description: layout.description.to_owned(),
            synthetic: false,
        };
        Ok(Opened { listing, pictures: Box::new(records) })
    }

    fn class_names(
        &self,
        files: ProjectFiles<'_>,
        layout: &Layout,
    ) -> Result<Vec<String>, DatasetError> {
        let path = self.file(layout.names);
        let text = files.read(&path)?;
        let text = String::from_utf8_lossy(&text);
        let names: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if names.len() == layout.classes {
            return Ok(names);
        }
        let reason = format!("names {} classes, not {}", names.len(), layout.classes);
        Err(DatasetError::malformed(&path, reason))
    }

    /// Adds a batch to `records` and lists it.
    fn batch(
        &self,
        files: ProjectFiles<'_>,
        layout: &Layout,
        name: &str,
        records: &mut Records,
    ) -> Result<Vec<Item>, DatasetError> {
        let path = self.file(name);
        let bytes = files.read(&path)?;
        let record = records.record_len();
        if bytes.is_empty() || bytes.len() % record != 0 {
            let reason = format!(
                "has {} bytes, no multiple of {record}: it is cut off, or not a CIFAR batch of this variant",
                bytes.len()
            );
            return Err(DatasetError::malformed(&path, reason));
        }
        let stem = name.trim_end_matches(".bin");
        let first_place = records.bytes.len() / record;
        let mut items = Vec::with_capacity(bytes.len() / record);
        for (index, record) in bytes.chunks_exact(record).enumerate() {
            let label = record[layout.label_place];
            if usize::from(label) >= layout.classes {
                let classes = layout.classes;
                let reason =
                    format!("has label {label} at image {index}, but there are {classes} classes");
                return Err(DatasetError::malformed(&path, reason));
            }
            let name = format!("{stem}/{index:05}");
            let place = first_place + index;
            items.push(Item { name, label: u16::from(label), group: None, place });
        }
        records.bytes.extend_from_slice(&bytes);
        Ok(items)
    }
}

/// All batches, one after another.
struct Records {
    label_len: usize,
    bytes: Vec<u8>,
}

impl Records {
    fn record_len(&self) -> usize {
        self.label_len + SHAPE.len()
    }
}

impl Pictures for Records {
    fn picture(&self, item: &Item) -> Result<Picture, PictureError> {
        let start = item.place * self.record_len() + self.label_len;
        let planes = &self.bytes[start..start + SHAPE.len()];
        let pixels = (0..PLANE)
            .flat_map(|pixel| [0, 1, 2].map(|channel| planes[channel * PLANE + pixel]))
            .collect();
        Ok(Picture { shape: SHAPE, pixels })
    }
}
