//! The task of the networks in a job: shape and number of classes of its images, from the dataset or from
//! `with.image`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, StageError};
use crate::dataset::Dataset;
use crate::net::Shape;

/// Name of the port.
pub(super) const DATA: &str = "data";

/// The images of a search that needs none: what its networks would read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Rows and columns.
    #[schemars(range(min = 1, max = 4096))]
    pub side: usize,
    /// Channels: 3 for colour.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 1024))]
    pub channels: usize,
    /// Number of classes.
    #[schemars(range(min = 2, max = 100_000))]
    pub classes: usize,
}

fn three() -> usize {
    3
}

/// What networks read and tell apart, and the images when there are any.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) image: Shape,
    pub(super) classes: usize,
    pub(super) data: Option<Dataset>,
}

impl Task {
    /// The task of the dataset on the job's `data` port, else of `config`.
    pub(super) fn of(job: &Job<'_>, config: Option<ImageConfig>) -> Result<Self, StageError> {
        match (Self::of_data(job)?, config.map(ImageConfig::task)) {
            (Some(found), Some(wanted)) if (found.image, found.classes) != wanted => {
                Err(contradiction((found.image, found.classes), wanted))
            }
            (Some(found), _) => Ok(found),
            (None, Some((image, classes))) => Ok(Self { image, classes, data: None }),
            (None, None) => Err(StageError::Failed(
                "neither a dataset on `data` nor `with.image` says what images are".to_owned(),
            )),
        }
    }

    /// The task of the dataset on the job's `data` port, when one is bound.
    pub(super) fn of_data(job: &Job<'_>) -> Result<Option<Self>, StageError> {
        let data = job.input(DATA).map(Dataset::open).transpose();
        let data = data.map_err(|error| StageError::Failed(sentence(&error)))?;
        Ok(data.map(|data| Self {
            image: data.card.image,
            classes: data.card.classes.len(),
            data: Some(data),
        }))
    }
}

impl ImageConfig {
    /// Shape of the images and number of classes.
    pub(super) fn task(self) -> (Shape, usize) {
        let Self { side, channels, classes } = self;
        (Shape { channels, height: side, width: side }, classes)
    }
}

fn contradiction(found: (Shape, usize), wanted: (Shape, usize)) -> StageError {
    let say = |(image, classes): (Shape, usize)| {
        let Shape { channels, height, width } = image;
        format!("{height} x {width} x {channels} in {classes} classes")
    };
    StageError::Failed(format!(
        "`with.image` says {} and the dataset has {}: leave `image` out",
        say(wanted),
        say(found)
    ))
}

/// An error with its causes in one line.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
