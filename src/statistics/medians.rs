//! The median rule: a training that stays below the middle of the finished ones ends early.

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
    pub fn bar(&self, epochs_min: u64) -> Vec<f64> {
        let median = |(means, epoch): (&Vec<f64>, u64)| match quantile(means, 0.5) {
            Some(median) if epoch >= epochs_min => median,
            _ => f64::NEG_INFINITY,
        };
        self.means.iter().zip(1..).map(median).collect()
    }
}

/// Whether the best value of `curve` is strictly below what `bar` wants by its last epoch; never before
/// the first value, nor where the bar says nothing.
#[must_use]
pub fn is_below(curve: &[f64], bar: &[f64]) -> bool {
    let wanted = curve.len().checked_sub(1).and_then(|last| bar.get(last));
    let best = curve.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    wanted.is_some_and(|wanted| best < wanted - ROUNDING)
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
        assert!(is_below(&[0.1, 0.4], &bar));
        assert!(!is_below(&[0.1, 0.5], &bar) && !is_below(&[], &bar) && !is_below(&[0.1], &[]));
        assert!(!is_below(&[0.1, 0.2, 0.3], &bar), "no finished curve is so long");
    }

    #[test]
    fn nothing_stops_before_the_least_epochs() {
        let bar = medians(&[vec![0.5; 4]]).bar(3);
        assert!(!is_below(&[0.1; 2], &bar) && is_below(&[0.1; 3], &bar));
    }

    proptest! {
        #[test]
        fn sorted_means_judge_as_all_curves_do(
            finished in prop::collection::vec(prop::collection::vec(0.0..1.0, 0..6), 0..9),
            running in prop::collection::vec(0.0..1.0, 0..6),
        ) {
            let bar = medians(&finished).bar(0);
            prop_assert_eq!(is_below(&running, &bar), should_stop(&running, &finished));
        }
    }
}
