//! What goes into a trained network and what comes out: `signature.json` beside its weights.
//!
//! With it a network can be used without the dataset that it was trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Shape;

/// Version of the file's format.
pub const SIGNATURE_FORMAT: u32 = 1;
/// Name of the file, inside a network's folder.
pub const SIGNATURE_FILE: &str = "signature.json";

/// Added to an image's variance before global contrast normalisation divides by its root, in squared
/// bytes: without it the noise of an empty image would be blown up.
pub const CONTRAST_BIAS: f64 = 10.0;

/// How an image becomes the numbers that a network reads, and what its logits stand for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Version of the format.
    pub format: u32,
    /// Shape that images are scaled to; one channel is grey.
    pub image: Shape,
    /// How an image of another form takes that shape.
    pub fit: Fit,
    /// How bytes become numbers.
    pub scaling: Scaling,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
}

/// How a picture that is not square becomes so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, with its sides changed.
    #[default]
    Stretch,
    /// The middle of it, as large as fits.
    Crop,
}

impl Fit {
    /// Whether sides are changed.
    #[must_use]
    pub fn is_stretch(&self) -> bool {
        *self == Self::Stretch
    }
}

/// How bytes become numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Less the mean of their channel, over its deviation.
    Standard {
        /// Mean of each channel over the training images, 0 to 255.
        mean: Vec<f64>,
        /// Deviation of each channel, at least 1.
        deviation: Vec<f64>,
    },
    /// Less the mean of the image, over the root of its variance plus [`CONTRAST_BIAS`].
    GlobalContrast,
}

impl Signature {
    /// Whether its parts fit together and fit a network for `image` and `classes`.
    ///
    /// # Errors
    /// What does not fit, for people.
    pub fn check(&self, image: Shape, classes: usize) -> Result<(), String> {
        if self.image != image {
            return Err(format!("its images are {:?}, the network's {image:?}", self.image));
        }
        if self.classes.len() != classes {
            let named = self.classes.len();
            return Err(format!("it names {named} classes and the network has {classes}"));
        }
        match &self.scaling {
            Scaling::Standard { mean, deviation } => {
                let fits = mean.len() == image.channels && deviation.len() == image.channels;
                let is_sound = deviation.iter().all(|deviation| *deviation >= 1.0);
                if fits && is_sound {
                    return Ok(());
                }
                Err("it needs a mean, and a deviation of at least 1, for each channel".to_owned())
            }
            Scaling::GlobalContrast => Ok(()),
        }
    }
}
