//! The `dataset` kind: images from a source, split into training, validation and test.
//!
//! Binds parameters and speaks to the job; how images are found, split and kept is `dataset`'s.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forecast::bytes_below;
use super::mistakes::place;
use super::{Component, Config, Forecast, Job, Outcome, Output, Ports, Range, Stage, StageError};
use crate::artifact::ArtifactType;
use crate::dataset::source::{Archive, Source};
use crate::dataset::{Amount, DatasetError, Fit, Made, Outside, ProjectFiles, Recipe, TestAmount};
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::manifest::Manifest;
use crate::remote;
use crate::s3::Location;
use crate::spec::{Node, Project};
use crate::store::DOWNLOADS;
use crate::wording;

/// Name of the training and validation images.
const DATASET: &str = "dataset";
/// Name of the test images.
const TEST: &str = "test";

/// Images from a source, split into training, validation and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Where the images come from.
    pub source: Source,
    /// How they are divided.
    #[serde(default)]
    pub split: Split,
    /// Side in pixels that every image is scaled to, by a triangle filter; needed when sizes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub resize: Option<usize>,
    /// How an image that is not square becomes so when it is resized.
    #[serde(default)]
    pub fit: Fit,
    /// One grey channel instead of three colours.
    #[serde(default)]
    pub grayscale: bool,
    /// Most training and validation images of a class, drawn by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub limit: Option<usize>,
    /// Mixed into the pipeline's seed: another one, other leaves and another split.
    #[serde(default)]
    pub seed: u64,
}

/// How the images are divided; every part holds the classes in proportion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// Validation images: a share of the source's images (below 1) or a number of them. Images of the
    /// source's own test part are not counted.
    pub validation: Amount,
    /// Test images: a share (below 1), a number, or `given` for the source's own test part. When
    /// missing: `given` where there is one, half as many as `images` for leaves, else 0.15. With 0 there is
    /// no `test` output.
    pub test: Option<TestAmount>,
}

impl Default for Split {
    fn default() -> Self {
        Self { validation: Amount::Share(0.15), test: None }
    }
}

/// The parameters that a result depends on, as the manifest lists them.
#[derive(Serialize)]
struct Parameters<'a> {
    source: Cow<'a, Source>,
    split: Split,
    #[serde(skip_serializing_if = "Option::is_none")]
    resize: Option<usize>,
    /// Means nothing where nothing is resized.
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
    grayscale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

impl DatasetConfig {
    /// The test images, the default filled in.
    fn test(&self) -> TestAmount {
        self.split.test.unwrap_or(match &self.source {
            source if source.has_test_part() => TestAmount::Given,
            Source::Leaves(_) => TestAmount::Some(Amount::Share(0.5)),
            _ => TestAmount::Some(Amount::Share(0.15)),
        })
    }

    /// Whether the shares take every image; counts are only known to be too many when they are read.
    fn leaves_no_training(&self) -> bool {
        // Generators and test parts bring test images of their own.
        let is_split_off =
            !self.source.has_test_part() && !matches!(self.source, Source::Leaves(_));
        match (self.split.validation, self.test()) {
            (Amount::Share(validation), TestAmount::Some(Amount::Share(test))) => {
                is_split_off && validation + test >= 1.0
            }
            _ => false,
        }
    }

    /// Where the source's bucket is, by the settings of the project at `root`: they are this machine's and
    /// change nothing about what is read.
    fn bucket(&self, root: &Path) -> Result<Option<Location>, StageError> {
        let Some(url) = self.source.address().filter(|url| url.starts_with("s3://")) else {
            return Ok(None);
        };
        let project = Project::open(root).map_err(|mistakes| StageError::caused_by(&mistakes))?;
        let location = remote::locate(url, &project.remotes);
        location.map(Some).map_err(|error| StageError::caused_by(&error))
    }

    fn recipe(&self) -> Recipe<'_> {
        Recipe {
            source: &self.source,
            validation: self.split.validation,
            test: self.test(),
            resize: self.resize,
            fit: self.fit,
            grayscale: self.grayscale,
            limit: self.limit,
        }
    }
}

impl Config for DatasetConfig {
    const KIND: &'static str = "dataset";
    const SUMMARY: &'static str = "images from a source, split into training, validation and test";
    const EXAMPLE: &'static str = "\
leaves:
  use: dataset
  with:
    source: { kind: folder, path: data/leaves } # a folder for each class
    split: { validation: 0.15, test: 0.15 }
# makes leaves.dataset and leaves.test, which only `retrain` may read
";

    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        if self.split.test == Some(TestAmount::Given) && !self.source.has_test_part() {
            let text = format!("the source `{}` has no test part of its own", self.source.word());
            let mistake = Diagnostic::error("dataset::no_test_part", text)
                .help("give a share such as `0.15`, or a number of images");
            mistakes.push(place(with, &["split", "test"]).blame(mistake, "nothing is given"));
        }
        if self.leaves_no_training() {
            let mistake =
                Diagnostic::error("dataset::no_training", "no image is left for training")
                    .help("usual shares are 0.15 for validation and 0.15 for the test");
            mistakes.push(place(with, &["split"]).blame(mistake, "takes all images"));
        }
        mistakes.extend(source_mistakes(&self.source, with));
        mistakes
    }
}

/// What is wrong inside a source.
fn source_mistakes(source: &Source, with: &Node) -> Option<Diagnostic> {
    match source {
        Source::Leaves(leaves) => {
            let is_twice = |i: usize| leaves.species[..i].contains(&leaves.species[i]);
            let twice = (0..leaves.species.len()).find(|&i| is_twice(i))?;
            let text = format!("species `{}` is named twice", leaves.species[twice].word());
            let mistake = Diagnostic::error("dataset::species_twice", text);
            Some(place(with, &["source", "species"]).blame(mistake, "each is one class"))
        }
        Source::Idx(idx) if idx.test_images.is_some() != idx.test_labels.is_some() => {
            let (given, missing) = match idx.test_images {
                Some(_) => ("test_images", "test_labels"),
                None => ("test_labels", "test_images"),
            };
            let text = format!("`{given}` needs `{missing}`");
            let mistake = Diagnostic::error("dataset::half_test_part", text);
            Some(place(with, &["source", given]).blame(mistake, "alone it is of no use"))
        }
        Source::Archive(archive) => archive_mistake(archive, with),
        Source::S3(s3) if s3.url.is_none() => {
            let mistake =
                Diagnostic::error("dataset::bucket_place", "the source `s3` has no `url`").help(
                    "`url: s3://bucket/prefix` is the prefix that the class folders lie under",
                );
            Some(place(with, &["source"]).blame(mistake, "is nowhere"))
        }
        _ => None,
    }
}

/// What is wrong with an archive's place.
fn archive_mistake(archive: &Archive, with: &Node) -> Option<Diagnostic> {
    let is_web =
        |url: &str| ["https://", "http://", "s3://"].iter().any(|begin| url.starts_with(begin));
    let (text, key, label) = match (&archive.path, &archive.url) {
        (None, None) => ("the archive has neither `path` nor `url`", None, "is nowhere"),
        (Some(_), Some(_)) => {
            ("the archive has a `path` and a `url`", Some("url"), "one of them is enough")
        }
        (None, Some(url)) if !is_web(url) => (
            "the archive's address is not of the web",
            Some("url"),
            "begins with neither `https://`, `http://` nor `s3://`",
        ),
        _ => return None,
    };
    let mistake = Diagnostic::error("dataset::archive_place", text)
        .help("`path: data/plants.zip` is a file of the project, `url: https://…` with `sha256` one of the web");
    let at: Vec<&str> = ["source"].into_iter().chain(key).collect();
    Some(place(with, &at).blame(mistake, label))
}

impl Stage for DatasetConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("BUG: a config is plain data")
    }

    fn ports(&self) -> Ports {
        Ports::Fixed(Vec::new())
    }

    fn outputs(&self) -> Vec<Output> {
        let dataset = Output { name: DATASET.to_owned(), kind: ArtifactType::Dataset };
        let test = Output { name: TEST.to_owned(), kind: ArtifactType::Testset };
        if self.test() == TestAmount::NONE { vec![dataset] } else { vec![dataset, test] }
    }

    fn components(&self) -> Vec<Component> {
        let source = match &self.source {
            Source::Leaves(_) => Component { name: "dataset.leaves", version: 1 },
            Source::Folder(_) => Component { name: "dataset.folder", version: 1 },
            Source::Archive(_) => Component { name: "dataset.archive", version: 1 },
            Source::S3(_) => Component { name: "dataset.s3", version: 1 },
            Source::Idx(_) => Component { name: "dataset.idx", version: 1 },
            Source::Cifar(_) => Component { name: "dataset.cifar", version: 1 },
        };
        vec![Component { name: "dataset", version: 2 }, source]
    }

    fn parameters(&self, manifest: &mut Manifest) {
        let parameters = Parameters {
            source: self.source.content(),
            split: Split { test: Some(self.test()), ..self.split.clone() },
            resize: self.resize,
            fit: self.resize.map(|_| self.fit),
            grayscale: self.grayscale,
            limit: self.limit,
        };
        manifest.section("with", &parameters);
    }

    fn seed(&self) -> Option<u64> {
        Some(self.seed)
    }

    fn files(&self) -> Vec<String> {
        self.source.files()
    }

    fn pin(&self) -> Option<(String, String)> {
        Some((self.source.address()?.to_owned(), self.source.pin()?))
    }

    /// Makes the dataset: what comes after it can only be timed on it.
    fn forecast(&self, job: &Job<'_>) -> Result<Option<Forecast>, StageError> {
        let began = Instant::now();
        self.run(job)?;
        Ok(Some(Forecast {
            secs: Range::exactly(began.elapsed().as_secs_f64()),
            memory: None,
            disk: bytes_below(&job.file.paths.outputs),
            networks: None,
            timed: 0,
        }))
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let paths = &job.file.paths;
        let bucket = self.bucket(&paths.project)?;
        let outside = Outside {
            scratch: &paths.scratch,
            downloads: &paths.store.join(DOWNLOADS),
            bucket: bucket.as_ref(),
        };
        let files = ProjectFiles::new(&paths.project, &job.file.files, outside);
        let watch = |done: u64, total: u64| {
            let (stage, unit) = (job.file.stage.clone(), "images".to_owned());
            job.events.emit(Event::Progress { stage, unit, done, total, note: String::new() });
            !job.stop.is_requested()
        };
        let seed = job.stage_seed(self.seed);
        let made = job.threads()?.install(|| self.recipe().make(files, &seed, &watch))?;
        write(&made, &job.output(DATASET), &job.output(TEST))?;
        let broken = broken(&made);
        if broken > 0 {
            let text = format!(
                "{} could not be read and left out: `card.json` names them",
                wording::count(broken, "image")
            );
            job.events.emit(Event::Warning { stage: Some(job.file.stage.clone()), text });
        }
        Ok(outcome(&made, broken))
    }
}

fn write(made: &Made, dataset: &Path, test: &Path) -> Result<(), DatasetError> {
    made.dataset.write(dataset, &made.names)?;
    match &made.test {
        Some((testset, names)) => testset.write(test, names),
        None => Ok(()),
    }
}

fn broken(made: &Made) -> usize {
    let in_test = made.test.as_ref().map_or(0, |(testset, _)| testset.card.broken.len());
    made.dataset.card.broken.len() + in_test
}

#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
fn outcome(made: &Made, broken: usize) -> Outcome {
    let images = made.names.len() + made.test.as_ref().map_or(0, |(_, names)| names.len());
    let classes = made.dataset.card.classes.len();
    let metrics = [("images", images), ("classes", classes), ("broken", broken)];
    let metrics = metrics.map(|(name, count)| (name.to_owned(), count as f64));
    Outcome { metrics: metrics.into() }
}

impl From<DatasetError> for StageError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Changed { path } => Self::Changed { path },
            DatasetError::Interrupted => Self::Interrupted,
            DatasetError::Io { action, path, source } => Self::Io { action, path, source },
            other => Self::caused_by(&other),
        }
    }
}
