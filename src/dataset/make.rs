//! Makes a dataset: lists a source, splits the list, reads the pictures in their final order.
//!
//! Work is spread over rayon's current threads; where a picture ends up is decided before it is read, so
//! their number changes nothing.

use rayon::prelude::*;

use super::artifact::FORMAT;
use super::image_file::Damage;
use super::order::stratified;
use super::picture::Preparation;
use super::source::{Broken, Item, Listing, Opened, PictureError, Source};
use super::split::{self, Parts, Sizes, limited, subset};
use super::{
    Amount, Card, Dataset, DatasetError, Fit, Images, Picture, ProjectFiles, TestAmount, Testset,
};
use crate::net::Shape;
use crate::seed::Seed;
use crate::wording;

/// Pictures read between two looks at the watch.
const CHUNK: usize = 128;
/// Bytes of pixels in all parts; more does not fit the memory of the machines this is for.
const PIXELS_MAX: u64 = 16 << 30;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// Where images come from.
    pub source: &'a Source,
    /// Validation images.
    pub validation: Amount,
    /// Test images.
    pub test: TestAmount,
    /// Side that all images are scaled to.
    pub resize: Option<usize>,
    /// How they become square then.
    pub fit: Fit,
    /// Whether colours become one grey channel.
    pub grayscale: bool,
    /// Most training and validation images of a class.
    pub limit: Option<usize>,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// Training and validation images.
    pub dataset: Dataset,
    /// Names of the training images, then of the validation images.
    pub names: Vec<String>,
    /// Test images with their names, when any were wanted.
    pub test: Option<(Testset, Vec<String>)>,
}

/// Sees work done of all work, in images; answers whether to go on.
pub type Watch<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

impl Recipe<'_> {
    /// Makes it. The same recipe, files and seed give the same bytes on any number of threads.
    ///
    /// # Errors
    /// What is wrong with the source, the split, or single images.
    pub fn make(
        &self,
        files: ProjectFiles<'_>,
        seed: &Seed,
        watch: Watch<'_>,
    ) -> Result<Made, DatasetError> {
        let test_images = match (self.source, self.test) {
            (Source::Leaves(leaves), TestAmount::Some(amount)) => amount.of(leaves.images),
            _ => 0,
        };
        let Opened { listing, pictures } = self.source.open(files, *seed, test_images)?;
        check_classes(&listing)?;
        let plan = self.plan(listing, &seed.child("split"))?;
        let mut reader = Reader {
            preparation: Preparation {
                resize: self.resize.map(|side| (side, side)),
                fit: self.fit,
                grayscale: self.grayscale,
            },
            pictures: pictures.as_ref(),
            first: None,
            done: 0,
            total: plan.len(),
            watch,
        };
        let training = reader.read(&plan.training)?;
        let validation = reader.read(&plan.validation)?;
        let test = reader.read(&plan.test)?;
        self.refuse_broken([&training, &validation, &test])?;
        plan.finish(training.restratified(), validation, test)
    }

    /// Decides what goes where.
    fn plan(&self, listing: Listing, seed: &Seed) -> Result<Plan, DatasetError> {
        let pool = match self.limit {
            Some(limit) => limited(listing.pool, limit, seed),
            None => listing.pool,
        };
        let mut sizes = Sizes::of(pool.len(), self.validation, self.test);
        let given = match listing.test {
            Some(items) => {
                sizes.test = 0;
                Some(self.test_part(&items, &listing.classes, seed)?)
            }
            None if self.test == TestAmount::Given => return Err(DatasetError::NoTestPart),
            None => None,
        };
        let Parts { training, validation, test } =
            split::split(&pool, &listing.classes, sizes, seed)?;
        Ok(Plan {
            training: picked(&pool, &training),
            validation: picked(&pool, &validation),
            test: given.unwrap_or_else(|| picked(&pool, &test)),
            classes: listing.classes,
            description: listing.description,
            synthetic: listing.synthetic,
            // Where nothing is resized no fit was asked for.
            fit: self.resize.map_or(Fit::Stretch, |_| self.fit),
        })
    }

    /// As much of the source's own test part as is wanted.
    fn test_part(
        &self,
        items: &[Item],
        classes: &[String],
        seed: &Seed,
    ) -> Result<Vec<Item>, DatasetError> {
        let wanted = match (self.source, self.test) {
            // A generator has made exactly as many as were asked for.
            (Source::Leaves(_), TestAmount::Some(_)) => items.len(),
            (Source::Leaves(_), TestAmount::Given) => return Err(DatasetError::NoTestPart),
            (_, TestAmount::Given) => return Ok(items.to_vec()),
            (_, TestAmount::Some(amount)) => amount.of(items.len()),
        };
        if wanted > items.len() {
            return Err(DatasetError::TestPartTooSmall { wanted, given: items.len() });
        }
        let places = subset(items, wanted, seed);
        split::check_part("test", &places, items, classes, wanted > 0)?;
        Ok(picked(items, &places))
    }

    fn refuse_broken(&self, parts: [&Part; 3]) -> Result<(), DatasetError> {
        if self.source.broken() == Broken::Skip {
            return Ok(());
        }
        let mut broken: Vec<&BrokenImage> = parts.iter().flat_map(|part| &part.broken).collect();
        if broken.is_empty() {
            return Ok(());
        }
        broken.sort_by(|a, b| a.name.cmp(&b.name));
        let read: usize = parts.iter().map(|part| part.images.len()).sum();
        let mut examples: Vec<String> = broken.iter().take(3).map(ToString::to_string).collect();
        if broken.len() > examples.len() {
            examples.push(format!("and {} more", broken.len() - examples.len()));
        }
        Err(DatasetError::Broken {
            count: broken.len(),
            total: broken.len() + read,
            examples: examples.join(", "),
        })
    }
}

fn picked(items: &[Item], places: &[usize]) -> Vec<Item> {
    places.iter().map(|&place| items[place].clone()).collect()
}

fn check_classes(listing: &Listing) -> Result<(), DatasetError> {
    let count = listing.classes.len();
    if count < 2 || count > usize::from(u16::MAX) {
        return Err(DatasetError::Classes { count });
    }
    let mut is_used = vec![false; count];
    for item in &listing.pool {
        is_used[usize::from(item.label)] = true;
    }
    match is_used.iter().position(|is_used| !is_used) {
        Some(label) => Err(DatasetError::EmptyClass { class: listing.classes[label].clone() }),
        None => Ok(()),
    }
}

/// Which images go where, and what is known of all.
struct Plan {
    classes: Vec<String>,
    description: String,
    synthetic: bool,
    fit: Fit,
    training: Vec<Item>,
    validation: Vec<Item>,
    test: Vec<Item>,
}

impl Plan {
    fn len(&self) -> usize {
        self.training.len() + self.validation.len() + self.test.len()
    }

    /// Puts the parts that were read together.
    fn finish(self, training: Part, validation: Part, test: Part) -> Result<Made, DatasetError> {
        self.check_full(&training, "training")?;
        self.check_full(&validation, "validation")?;
        let (mean, deviation) = training.images.statistics();
        let broken = [training.broken, validation.broken].concat();
        let card = Card { mean, deviation, ..self.card(training.images.shape, broken) };
        let names = [training.names, validation.names].concat();
        let dataset = Dataset { card, training: training.images, validation: validation.images };
        let test = (!self.test.is_empty()).then(|| {
            let card = self.card(dataset.card.image, test.broken);
            (Testset { card, images: test.images }, test.names)
        });
        if test.as_ref().is_some_and(|(testset, _)| testset.images.is_empty()) {
            return Err(self.emptied(0, "test"));
        }
        Ok(Made { dataset, names, test })
    }

    fn card(&self, image: Shape, mut broken: Vec<BrokenImage>) -> Card {
        broken.sort_by(|a, b| a.name.cmp(&b.name));
        Card {
            format: FORMAT,
            source: self.description.clone(),
            synthetic: self.synthetic,
            image,
            classes: self.classes.clone(),
            mean: Vec::new(),
            deviation: Vec::new(),
            fit: self.fit,
            broken: broken.into_iter().map(|one| (one.name, one.reason.to_owned())).collect(),
        }
    }

    /// Skipped images may have emptied a class.
    fn check_full(&self, part: &Part, word: &'static str) -> Result<(), DatasetError> {
        let labels = &part.images.labels;
        let is_missing = |label: &usize| !labels.iter().any(|&used| usize::from(used) == *label);
        match (0..self.classes.len()).find(is_missing) {
            Some(label) => Err(self.emptied(label, word)),
            None => Ok(()),
        }
    }

    fn emptied(&self, label: usize, part: &'static str) -> DatasetError {
        let items = self.training.iter().chain(&self.validation).chain(&self.test);
        let images = items.filter(|item| usize::from(item.label) == label).count();
        let held = wording::count(images, "image");
        DatasetError::TooSmall { class: self.classes[label].clone(), part, held }
    }
}

/// An image that could not be read.
#[derive(Debug, Clone)]
struct BrokenImage {
    name: String,
    reason: &'static str,
    detail: String,
}

impl std::fmt::Display for BrokenImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({}: {})", self.name, self.reason, self.detail)
    }
}

/// Images that were read, and those that could not be.
struct Part {
    images: Images,
    names: Vec<String>,
    broken: Vec<BrokenImage>,
}

impl Part {
    /// Takes up the stratified order again where skipped images left gaps in it.
    fn restratified(self) -> Self {
        if self.broken.is_empty() {
            return self;
        }
        let order = stratified(&self.images.labels);
        let pixels = order.iter().flat_map(|&place| self.images.image(place)).copied().collect();
        let labels = order.iter().map(|&place| self.images.labels[place]).collect();
        let names = order.iter().map(|&place| self.names[place].clone()).collect();
        let images = Images { pixels, labels, shape: self.images.shape };
        Self { images, names, broken: self.broken }
    }
}

/// Reads pictures, prepares them and lays them one after another.
struct Reader<'a> {
    preparation: Preparation,
    pictures: &'a dyn super::source::Pictures,
    /// Name and shape of the first image; all must have its shape.
    first: Option<(String, Shape)>,
    done: usize,
    total: usize,
    watch: Watch<'a>,
}

impl Reader<'_> {
    fn read(&mut self, items: &[Item]) -> Result<Part, DatasetError> {
        let shape = self.shape();
        let images = Images { pixels: Vec::new(), labels: Vec::new(), shape };
        let mut part = Part { images, names: Vec::new(), broken: Vec::new() };
        let mut rest = items;
        while !rest.is_empty() {
            // The first image comes alone: with its shape known, too much is refused at once.
            let len = if self.first.is_none() { 1 } else { CHUNK.min(rest.len()) };
            let (chunk, after) = rest.split_at(len);
            rest = after;
            let (pictures, preparation) = (self.pictures, self.preparation);
            let read: Vec<_> = chunk
                .par_iter()
                .map(|item| pictures.picture(item).map(|picture| preparation.apply(picture)))
                .collect();
            for (item, picture) in chunk.iter().zip(read) {
                match picture {
                    Ok(picture) => self.lay(&mut part, item, &picture, items.len())?,
                    Err(PictureError::Fatal(error)) => return Err(error),
                    Err(PictureError::Broken(Damage { reason, detail })) => {
                        part.broken.push(BrokenImage { name: item.name.clone(), reason, detail });
                    }
                }
            }
            self.done += chunk.len();
            if !(self.watch)(self.done as u64, self.total as u64) {
                return Err(DatasetError::Interrupted);
            }
        }
        Ok(part)
    }

    fn shape(&self) -> Shape {
        self.first.as_ref().map_or(Shape { channels: 0, height: 0, width: 0 }, |(_, shape)| *shape)
    }

    fn lay(
        &mut self,
        part: &mut Part,
        item: &Item,
        picture: &Picture,
        expected: usize,
    ) -> Result<(), DatasetError> {
        if self.first.is_none() {
            check_bytes(self.total, picture.shape)?;
            self.first = Some((item.name.clone(), picture.shape));
        }
        let (first, shape) = self.first.as_ref().expect("BUG: it was just set");
        if picture.shape != *shape {
            return Err(DatasetError::Sizes {
                name: item.name.clone(),
                found: sides(picture.shape),
                first: first.clone(),
                wanted: sides(*shape),
            });
        }
        if part.images.is_empty() {
            part.images.shape = *shape;
            part.images.pixels.reserve_exact(expected * shape.len());
        }
        part.images.pixels.extend_from_slice(&picture.pixels);
        part.images.labels.push(item.label);
        part.names.push(item.name.clone());
        Ok(())
    }
}

fn sides(shape: Shape) -> String {
    format!("{} x {}", shape.width, shape.height)
}

fn check_bytes(images: usize, shape: Shape) -> Result<(), DatasetError> {
    let bytes = images as u64 * shape.len() as u64;
    if bytes <= PIXELS_MAX {
        return Ok(());
    }
    let what = format!("{} of {}", wording::count(images, "image"), sides(shape));
    Err(DatasetError::TooLarge { what, limit: wording::bytes(PIXELS_MAX) })
}
