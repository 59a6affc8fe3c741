//! The median rule: a training that stays below the middle of the finished ones ends early.

use serde::Serialize;

use super::quantile;

/// Accuracies closer than this are equal: a mean of few of them is not exact.
const ROUNDING: f64 = 1e-12;

/// Running means of the curves that were trained to their end, by epoch (Golovin et al. 2017, section
/// 3.2.2; as in NNI, whose curves are compared by their best value so far).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Medians {
    /// For each epoch the curves' means up to it, ascending.
    means: Vec<Vec<f64>>,
    curves: usize,
}

impl Medians {
    /// Takes in a finished curve: values after each epoch.
    pub fn add(&mut self, curve: &[f64]) {
        self.curves += 1;
        let mut sum = 0.0;
        for (epoch, (value, count)) in curve.iter().zip(1_u32..).enumerate() {
            sum += value;
            if self.means.len() == epoch {
                self.means.push(Vec::new());
            }
            let (means, mean) = (&mut self.means[epoch], sum / f64::from(count));
            let place = means.partition_point(|other| other.total_cmp(&mean).is_lt());
            means.insert(place, mean);
        }
    }

    /// Curves taken in.
    #[must_use]
    pub fn curves(&self) -> usize {
        self.curves
    }

    /// What a curve's best value must reach by each epoch; anything before `epochs_min` epochs are done.
    #[must_use]
    pub fn bar(&self, epochs_min: u64) -> Bar {
        let median = |(means, epoch): (&Vec<f64>, u64)| match quantile(means, 0.5) {
            Some(median) if epoch >= epochs_min => median,
            _ => f64::NEG_INFINITY,
        };
        Bar(self.means.iter().zip(1..).map(median).collect())
    }
}

/// What the best value of a curve must have reached by each epoch, or its training ends there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Bar(Vec<f64>);

impl From<Vec<f64>> for Bar {
    /// The value wanted after each epoch.
    fn from(wanted: Vec<f64>) -> Self {
        Self(wanted)
    }
}

impl Bar {
    /// A bar that every curve clears, but a bar: who is under one writes its curve down.
    #[must_use]
    pub fn low() -> Self {
        Self(vec![f64::NEG_INFINITY])
    }

    /// Whether there is a bar, however low.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether some curve could miss it.
    #[must_use]
    pub fn can_be_missed(&self) -> bool {
        self.0.iter().any(|wanted| wanted.is_finite())
    }

    /// Whether the best value of `curve` is strictly below what is wanted by its last epoch; never before
    /// the first value, nor after the bar's last epoch.
    #[must_use]
    pub fn is_missed_by(&self, curve: &[f64]) -> bool {
        let wanted = curve.len().checked_sub(1).and_then(|last| self.0.get(last));
        let best = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        wanted.is_some_and(|wanted| best < wanted - ROUNDING)
    }

    /// Whether a training with this `curve` was stopped by the bar: at its last epoch there is nothing left
    /// to stop.
    #[must_use]
    pub fn stopped(&self, curve: &[f64]) -> bool {
        curve.len() < self.0.len() && self.is_missed_by(curve)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule word for word, over all finished curves.
    fn should_stop(running: &[f64], finished: &[Vec<f64>]) -> bool {
        let steps = running.len();
        let mean = |curve: &Vec<f64>| {
            (steps > 0 && curve.len() >= steps).then(|| {
                curve[..steps].iter().sum::<f64>() / f64::from(u32::try_from(steps).unwrap())
            })
        };
        let mut means: Vec<f64> = finished.iter().filter_map(mean).collect();
        means.sort_by(f64::total_cmp);
        let best = running.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        quantile(&means, 0.5).is_some_and(|median| best < median - ROUNDING)
    }

    fn medians(finished: &[Vec<f64>]) -> Medians {
        let mut medians = Medians::default();
        for curve in finished {
            medians.add(curve);
        }
        medians
    }

    #[test]
    fn only_what_is_strictly_worse_than_the_median_stops() {
        let bar = medians(&[vec![0.4, 0.4], vec![0.6, 0.6]]).bar(0);
        assert!(bar.is_missed_by(&[0.1, 0.4]) && bar.can_be_missed());
        assert!(!bar.is_missed_by(&[0.1, 0.5]) && !bar.is_missed_by(&[]));
        assert!(!bar.is_missed_by(&[0.1, 0.2, 0.3]), "no finished curve is so long");
    }

    #[test]
    fn only_what_had_epochs_left_was_stopped() {
        let bar = medians(&[vec![0.4, 0.4], vec![0.6, 0.6]]).bar(0);
        assert!(bar.stopped(&[0.1]) && !bar.stopped(&[0.5]));
        assert!(!bar.stopped(&[0.1, 0.1]), "it has ended by itself");
    }

    #[test]
    fn a_low_bar_is_there_and_stops_nothing() {
        assert!(Bar::low().is_there() && !Bar::low().can_be_missed());
        assert!(!Bar::low().is_missed_by(&[0.0]));
        assert!(!Bar::default().is_there() && !Bar::default().is_missed_by(&[0.0]));
    }

    #[test]
    fn nothing_stops_before_the_least_epochs() {
        let bar = medians(&[vec![0.5; 4]]).bar(3);
        assert!(!bar.is_missed_by(&[0.1; 2]) && bar.is_missed_by(&[0.1; 3]));
    }

    proptest! {
        #[test]
        fn sorted_means_judge_as_all_curves_do(
            finished in prop::collection::vec(prop::collection::vec(0.0..1.0, 0..6), 0..9),
            running in prop::collection::vec(0.0..1.0, 0..6),
        ) {
            let bar = medians(&finished).bar(0);
            prop_assert_eq!(bar.is_missed_by(&running), should_stop(&running, &finished));
        }
    }
}
