//! The files of a `dataset` or `testset` artifact, written and read back with all they promise checked.
//!
//! `card.json` has the facts, `images.npy` the pixels (image, row, column, channel), `index.csv` a row
//! for each image. A `command` stage may write them too, so nothing in them is believed.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use super::npy::{self, NpyError};
use super::{Card, Dataset, DatasetError, Images, Testset, csv, order};
use crate::artifact::ArtifactType;
use crate::net::Shape;

/// Facts, as JSON.
pub const CARD_FILE: &str = "card.json";
/// Pixels, as a `NumPy` tensor of bytes.
pub const IMAGES_FILE: &str = "images.npy";
/// Label, class, split and source name of each image, in the tensor's order.
pub const INDEX_FILE: &str = "index.csv";
/// Version of the three files; an older reader refuses a newer one.
pub const FORMAT: u32 = 1;

const COLUMNS: [&str; 4] = ["label", "class", "split", "source"];

/// Checks that `dir` holds a sound artifact of this type, with the type's own reader.
///
/// # Errors
/// What is wrong, when the type is `dataset` or `testset`; other types are not known here and pass.
pub fn validate(kind: ArtifactType, dir: &Path) -> Result<(), DatasetError> {
    match kind {
        ArtifactType::Dataset => Dataset::open(dir).map(drop),
        ArtifactType::Testset => Testset::open(dir).map(drop),
        _ => Ok(()),
    }
}

impl Dataset {
    /// Reads the artifact in `dir`.
    ///
    /// Training images come in the stratified order whatever order the files have, and a card without
    /// statistics gets them, so that an artifact made by a script is as good as ours.
    ///
    /// # Errors
    /// When a file is missing or breaks the format: sizes that differ, a label outside the classes.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let mut card = read_card(dir)?;
        let rows = read_index(dir, &card.classes)?;
        let pixels = read_pixels(dir, card.image, rows.len())?;
        let part = |split: Split| -> Vec<usize> {
            (0..rows.len()).filter(|&row| rows[row].split == split).collect()
        };
        let (training, validation) = (part(Split::Training), part(Split::Validation));
        if training.len() + validation.len() != rows.len() {
            return Err(DatasetError::artifact(
                INDEX_FILE,
                "has test images: they belong into a `testset` artifact of their own",
            ));
        }
        for (rows, word) in [(&training, "training"), (&validation, "validation")] {
            if rows.is_empty() {
                return Err(DatasetError::artifact(INDEX_FILE, format!("has no {word} image")));
            }
        }
        let labels: Vec<u16> = training.iter().map(|&row| rows[row].label).collect();
        let order = order::stratified(&labels);
        let training: Vec<usize> = order.into_iter().map(|place| training[place]).collect();
        let is_in_place = training.iter().chain(&validation).copied().eq(0..rows.len());
        let (training, validation) = if is_in_place {
            halves(pixels, &rows, training.len(), card.image)
        } else {
            let part = |places: &[usize]| gather(&pixels, &rows, places, card.image);
            (part(&training), part(&validation))
        };
        if card.mean.is_empty() && card.deviation.is_empty() {
            (card.mean, card.deviation) = training.statistics();
        }
        check_statistics(&card)?;
        Ok(Self { card, training, validation })
    }

    /// Writes the artifact into the folder `dir`; `names` are the sources of the training images and
    /// then of the validation images.
    ///
    /// # Errors
    /// When a file cannot be written.
    ///
    /// # Panics
    /// When there is not one name for each image.
    pub fn write(&self, dir: &Path, names: &[String]) -> Result<(), DatasetError> {
        let parts = [(Split::Training, &self.training), (Split::Validation, &self.validation)];
        write(dir, &self.card, &parts, names)
    }

    /// The first `fraction` (0 to 1) of the training images, rounded to a whole number of images.
    /// Smaller fractions are prefixes of larger ones and each is stratified.
    #[must_use]
    pub fn training_fraction(&self, fraction: f64) -> Images {
        self.training.prefix(share(fraction, self.training.len()))
    }

    /// All images that finals train on: training, then validation.
    #[must_use]
    pub fn training_and_validation(&self) -> Images {
        Images {
            pixels: [self.training.pixels.as_slice(), &self.validation.pixels].concat(),
            labels: [self.training.labels.as_slice(), &self.validation.labels].concat(),
            shape: self.card.image,
        }
    }
}

impl Testset {
    /// Reads the artifact in `dir`.
    ///
    /// # Errors
    /// When a file is missing or breaks the format.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let card = read_card(dir)?;
        let rows = read_index(dir, &card.classes)?;
        let pixels = read_pixels(dir, card.image, rows.len())?;
        if rows.is_empty() || rows.iter().any(|row| row.split != Split::Test) {
            return Err(DatasetError::artifact(INDEX_FILE, "must have test images and no others"));
        }
        let labels = rows.iter().map(|row| row.label).collect();
        let images = Images { pixels, labels, shape: card.image };
        Ok(Self { card, images })
    }

    /// Writes the artifact into the folder `dir`; `names` are the sources of the images.
    ///
    /// # Errors
    /// When a file cannot be written.
    ///
    /// # Panics
    /// When there is not one name for each image.
    pub fn write(&self, dir: &Path, names: &[String]) -> Result<(), DatasetError> {
        write(dir, &self.card, &[(Split::Test, &self.images)], names)
    }
}

/// How many of `total` images a share of them is, a half counting as one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "image counts are far below 2^53 and the product is not negative"
)]
pub(crate) fn share(fraction: f64, total: usize) -> usize {
    ((fraction.clamp(0.0, 1.0) * total as f64 + 0.5) as usize).min(total)
}

/// Which part an image belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Training,
    Validation,
    Test,
}

impl Split {
    const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    fn word(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// A row of the index.
struct Row {
    label: u16,
    split: Split,
}

fn write(
    dir: &Path,
    card: &Card,
    parts: &[(Split, &Images)],
    names: &[String],
) -> Result<(), DatasetError> {
    let total: usize = parts.iter().map(|(_, images)| images.len()).sum();
    assert_eq!(total, names.len(), "BUG: every image has a name");
    let path = dir.join(IMAGES_FILE);
    write_pixels(&path, card.image, total, parts).map_err(DatasetError::write(path))?;
    let path = dir.join(INDEX_FILE);
    fs::write(&path, index(card, parts, names)).map_err(DatasetError::write(path))?;
    let mut text = serde_json::to_vec_pretty(card).expect("BUG: a card is plain data");
    text.push(b'\n');
    let path = dir.join(CARD_FILE);
    fs::write(&path, text).map_err(DatasetError::write(path))
}

fn write_pixels(
    path: &Path,
    image: Shape,
    total: usize,
    parts: &[(Split, &Images)],
) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = BufWriter::new(File::create(path)?);
    let shape = [total, image.height, image.width, image.channels];
    npy::write(&mut file, shape, &[])?;
    for (_, images) in parts {
        file.write_all(&images.pixels)?;
    }
    file.into_inner()?;
    Ok(())
}

fn index(card: &Card, parts: &[(Split, &Images)], names: &[String]) -> String {
    let mut text = String::new();
    csv::push_record(&mut text, &COLUMNS);
    let rows = parts
        .iter()
        .flat_map(|(split, images)| images.labels.iter().map(|&label| (label, split.word())));
    for ((label, split), name) in rows.zip(names) {
        let class = &card.classes[usize::from(label)];
        csv::push_record(&mut text, &[&label.to_string(), class, split, name]);
    }
    text
}

fn read_card(dir: &Path) -> Result<Card, DatasetError> {
    let path = dir.join(CARD_FILE);
    let text = fs::read(&path).map_err(DatasetError::read(path))?;
    let wrong = |reason: String| DatasetError::artifact(CARD_FILE, reason);
    let card: Card = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("cannot be understood: {error}")))?;
    if card.format != FORMAT {
        return Err(wrong(format!("has format {}; this version reads {FORMAT}", card.format)));
    }
    if card.image.is_empty() {
        return Err(wrong("describes images without pixels".to_owned()));
    }
    if card.classes.len() < 2 || card.classes.len() > usize::from(u16::MAX) {
        return Err(wrong(format!("has {} classes, not 2 to 65,535", card.classes.len())));
    }
    Ok(card)
}

fn read_index(dir: &Path, classes: &[String]) -> Result<Vec<Row>, DatasetError> {
    let path = dir.join(INDEX_FILE);
    let text = fs::read_to_string(&path).map_err(DatasetError::read(path))?;
    let wrong = |reason: String| DatasetError::artifact(INDEX_FILE, reason);
    let records = csv::records(&text)
        .map_err(|line| wrong(format!("line {line}: a quote is out of place")))?;
    let Some((head, records)) = records.split_first() else {
        return Err(wrong("is empty".to_owned()));
    };
    if head.fields != COLUMNS {
        return Err(wrong(format!("must begin with the line `{}`", COLUMNS.join(","))));
    }
    records
        .iter()
        .map(|record| {
            row(&record.fields, classes)
                .map_err(|reason| wrong(format!("line {}: {reason}", record.line)))
        })
        .collect()
}

fn row(fields: &[String], classes: &[String]) -> Result<Row, String> {
    let [label, class, split, _] = fields else {
        return Err(format!("has {} fields, not {}", fields.len(), COLUMNS.len()));
    };
    let last = classes.len() - 1;
    let number: u16 = label
        .parse()
        .ok()
        .filter(|&number| usize::from(number) <= last)
        .ok_or_else(|| format!("label `{label}` is not a class number from 0 to {last}"))?;
    let named = &classes[usize::from(number)];
    if class != named {
        return Err(format!("label {number} is class `{named}`, not `{class}`"));
    }
    let split = Split::ALL
        .into_iter()
        .find(|known| known.word() == split)
        .ok_or_else(|| format!("split `{split}` is not training, validation or test"))?;
    Ok(Row { label: number, split })
}

fn read_pixels(dir: &Path, image: Shape, rows: usize) -> Result<Vec<u8>, DatasetError> {
    let path = dir.join(IMAGES_FILE);
    let (shape, pixels) = npy::read(&path).map_err(|error| match error {
        NpyError::Io(error) => DatasetError::read(path)(error),
        NpyError::Format(reason) => DatasetError::artifact(IMAGES_FILE, reason),
    })?;
    let full = [rows, image.height, image.width, image.channels];
    // A grey tensor is often kept without its channel axis.
    if shape == full || (image.channels == 1 && shape == full[..3]) {
        return Ok(pixels);
    }
    let reason = format!(
        "has shape {shape:?}; {rows} rows of `{INDEX_FILE}` and the card's image ask for {full:?}"
    );
    Err(DatasetError::artifact(IMAGES_FILE, reason))
}

/// Two parts that already stand one after the other, as our own writer leaves them: pixels are the bulk
/// of an artifact and need not be copied then.
fn halves(mut pixels: Vec<u8>, rows: &[Row], first_len: usize, shape: Shape) -> (Images, Images) {
    let labels = |rows: &[Row]| rows.iter().map(|row| row.label).collect();
    let (first, second) = rows.split_at(first_len);
    let rest = pixels.split_off(first_len * shape.len());
    let first = Images { pixels, labels: labels(first), shape };
    (first, Images { pixels: rest, labels: labels(second), shape })
}

/// The images at `places`, in that order.
fn gather(pixels: &[u8], rows: &[Row], places: &[usize], shape: Shape) -> Images {
    let size = shape.len();
    let mut gathered = Vec::with_capacity(places.len() * size);
    for &place in places {
        gathered.extend_from_slice(&pixels[place * size..(place + 1) * size]);
    }
    let labels = places.iter().map(|&place| rows[place].label).collect();
    Images { pixels: gathered, labels, shape }
}

fn check_statistics(card: &Card) -> Result<(), DatasetError> {
    let sound = |values: &[f64], low: f64| {
        values.len() == card.image.channels
            && values.iter().all(|value| (low..=255.0).contains(value))
    };
    if sound(&card.mean, 0.0) && sound(&card.deviation, f64::MIN_POSITIVE) {
        return Ok(());
    }
    let reason = format!(
        "needs `mean` and `deviation` of {} channels, within 0 to 255 and the latter not 0; \
         leave both out to have them computed",
        card.image.channels
    );
    Err(DatasetError::artifact(CARD_FILE, reason))
}

impl Images {
    /// The first `len` images.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Self {
        let size = self.shape.len();
        Self {
            pixels: self.pixels[..len * size].to_vec(),
            labels: self.labels[..len].to_vec(),
            shape: self.shape,
        }
    }

    /// Mean and standard deviation of each channel, from exact sums. A channel whose pixels are all
    /// equal has deviation 1, so that dividing by it is safe.
    #[must_use]
    pub fn statistics(&self) -> (Vec<f64>, Vec<f64>) {
        (0..self.shape.channels).map(|channel| self.channel_statistics(channel)).unzip()
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded once, from exact whole numbers")]
    fn channel_statistics(&self, channel: usize) -> (f64, f64) {
        let values = self.pixels.iter().skip(channel).step_by(self.shape.channels);
        let (mut n, mut sum, mut squares) = (0_u128, 0_u128, 0_u128);
        for &value in values {
            n += 1;
            sum += u128::from(value);
            squares += u128::from(value) * u128::from(value);
        }
        let n_or_one = n.max(1);
        let mean = sum as f64 / n_or_one as f64;
        let variance = (n * squares - sum * sum) as f64 / (n_or_one * n_or_one) as f64;
        (mean, if variance > 0.0 { libm::sqrt(variance) } else { 1.0 })
    }
}
