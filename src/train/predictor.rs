//! A trained network in use: images as bytes to class probabilities.

use super::TrainError;
use super::batch::{Examples, Standard};
use super::engine::{Child, Engine, Outline};
use super::predict::{Scores, predict};
use super::recipe::Recipe;
use crate::dataset::Images;
use crate::results::SavedModel;
use crate::seed::Seed;

/// A trained network that is planned and waits for images.
pub struct Predictor {
    child: Box<dyn Child>,
    standard: Standard,
    classes: usize,
}

impl Predictor {
    /// Plans the network of `model` on `engine` and gives it its weights.
    ///
    /// # Errors
    /// When the weights do not fit the network, or the engine lacks an operation.
    pub fn new(model: &SavedModel, engine: &dyn Engine) -> Result<Self, TrainError> {
        let recipe = Recipe::default();
        let outline = Outline {
            network: &model.network,
            recipe: &recipe,
            class_weights: Vec::new(),
            steps: 1,
            seed: Seed::root(0),
        };
        let mut child = engine.plan(&outline)?;
        let mut state = child.state()?;
        state.weights.clone_from(&model.weights);
        child.load(&state)?;
        let standard = Standard::signed(&model.signature);
        Ok(Self { child, standard, classes: model.signature.classes.len() })
    }

    /// Class probabilities of `images`, which have the shape of the signature; labels are not looked at.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn predict(&self, images: &Images) -> Result<Scores, TrainError> {
        let examples = Examples::all(images);
        predict(self.child.as_ref(), &examples, &self.standard, self.classes, &|| false)
    }

    /// Logits of `images`, a row of classes each.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn logits(&self, images: &Images) -> Result<Vec<f32>, TrainError> {
        let indices: Vec<usize> = (0..images.len()).collect();
        self.child.evaluate(&self.standard.plain(&Examples::all(images), &indices).images)
    }
}
