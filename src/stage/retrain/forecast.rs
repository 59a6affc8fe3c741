//! What the finals would cost: the smallest, the middle and the largest of them timed.

use super::RetrainConfig;
use super::finals::Finals;
use crate::stage::forecast::{Costs, PATIENCE};
use crate::stage::{Forecast, Job, Range, StageError};
use crate::train::pace;

/// Networks that are timed.
const TIMED: usize = 3;

impl Finals {
    /// The forecast. One look at the test images is small beside the epochs, and is left out.
    pub(super) fn forecast(
        &self,
        config: &RetrainConfig,
        job: &Job<'_>,
    ) -> Result<Forecast, StageError> {
        let mut finals: Vec<_> =
            self.networks.iter().map(|is| (is.network.multiply_adds(), is)).collect();
        finals.sort_by_key(|(multiply_adds, _)| *multiply_adds);
        let sizes: Vec<u64> = finals.iter().map(|(multiply_adds, _)| *multiply_adds).collect();
        let last = finals.len() - 1;
        let mut places: Vec<usize> = (0..TIMED).map(|i| i * last / (TIMED - 1)).collect();
        places.dedup();
        let threads = job.threads()?;
        let costs = Costs::of(places.iter().map(|&place| finals[place]).collect(), |is| {
            let assignment = self.assignment(is, config, job);
            let pace = threads.install(|| pace(&assignment, PATIENCE));
            let pace = pace.map_err(|error| StageError::caused_by(&error))?;
            Ok(pace.epoch_secs(&assignment))
        })?;
        let parameters = |(_, is): &(u64, &super::finals::Final)| is.network.parameters();
        let weights: u64 = finals.iter().map(parameters).sum();
        let epochs = Range::of(config.epochs * finals.len() as u64);
        let mut secs = costs.mean(&sizes).by(epochs);
        if config.recipe.patience.is_some() {
            secs = Range { low: 0.0, ..secs };
        }
        Ok(Forecast {
            secs,
            memory: costs.memory,
            // Weights as single-precision numbers; while they are trained a checkpoint with the optimizer's
            // two averages, too.
            disk: 4 * (weights + 3 * weights),
            networks: Some((finals.len() as u64, "top")),
            timed: costs.timed,
        })
    }
}
