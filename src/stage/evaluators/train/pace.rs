//! What the evaluator's trainings take, for forecasts.

use super::TrainConfig;
use crate::dataset::Dataset;
use crate::net::Network;
use crate::seed::Seed;
use crate::stage::forecast::PATIENCE;
use crate::stage::{Job, StageError};
use crate::statistics::Bar;
use crate::train::{Assignment, Examples, Standard, pace};

impl TrainConfig {
    /// Seconds that an epoch of `network` takes here, with the look at the validation images.
    pub(in crate::stage) fn epoch_secs(
        &self,
        job: &Job<'_>,
        data: &Dataset,
        network: &Network,
    ) -> Result<f64, StageError> {
        let standard = Standard::of(&data.card, self.recipe.preprocessing)
            .map_err(|error| StageError::caused_by(&error))?;
        let images = self.images(data)?;
        let assignment = Assignment {
            engine: self.engine(),
            network,
            recipe: &self.recipe,
            standard: &standard,
            training: Examples::first(&data.training, images),
            validation: Some(Examples::all(&data.validation)),
            epochs: self.epochs,
            lr_factor: 1.0,
            gate: None,
            bar: Bar::default(),
            seed: Seed::root(0),
        };
        let pace = job.threads()?.install(|| pace(&assignment, PATIENCE));
        let pace = pace.map_err(|error| StageError::caused_by(&error))?;
        Ok(pace.epoch_secs(&assignment))
    }
}
