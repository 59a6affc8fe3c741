//! What a search would cost: its strategy rehearsed on the mock, a few of the networks that it came to timed.

use std::time::Instant;

use super::{Budget, SearchConfig};
use crate::search::FidelityConfig;
use crate::stage::evaluators::EvaluatorConfig;
use crate::stage::forecast::{self, Work};
use crate::stage::task::Task;
use crate::stage::{Forecast, Job, Range, Stage as _, StageError, rungs};

/// Networks of a rehearsal at most: enough for a strategy to come to what it prefers.
const REHEARSED: u64 = 2000;

impl SearchConfig {
    /// The forecast; leaves the rehearsal's trials and controller as stand-ins.
    pub(super) fn foresee(&self, job: &Job<'_>) -> Result<Forecast, StageError> {
        let trials = self.budget.trials.min(REHEARSED);
        let rehearsal = Self {
            evaluator: EvaluatorConfig::rehearsal(),
            budget: Budget { trials },
            fidelity: None,
            ..self.clone()
        };
        let began = Instant::now();
        rehearsal.run(job)?;
        let rehearsed = began.elapsed().as_secs_f64();
        let task = Task::of(job, self.image)?;
        let space = self.space.open(task.image, task.classes);
        let space = space.map_err(|error| StageError::caused_by(&error))?;
        let trials = forecast::read(job)?;
        let costs = forecast::costs(&self.evaluator, job, &*space, task.data, &trials)?;
        let work = Work {
            networks: self.budget.trials,
            parameter: "budget.trials",
            epochs: self.epochs(),
        };
        Ok(work.forecast(rehearsed, costs.as_ref(), &trials))
    }

    /// Epochs that all networks together are trained for; one each where the evaluator knows none.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn epochs(&self) -> Range {
        let (networks, each) = (self.budget.trials, self.evaluator.epochs());
        match self.fidelity {
            None => Range::of(networks * each),
            Some(FidelityConfig::MedianStopping { epochs_min, networks_min }) => {
                // At best every second network ends at the first bar.
                let judged = networks.saturating_sub(networks_min) as f64;
                let all = (networks * each) as f64;
                let saved = judged / 2.0 * each.saturating_sub(epochs_min) as f64;
                Range { low: all - saved, likely: all - saved / 2.0, high: all }
            }
            Some(fidelity) => Range::of(rungs::epochs(&fidelity, networks)),
        }
    }
}
