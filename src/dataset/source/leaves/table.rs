//! Functions asked too often to be computed each time: values at equal steps, joined by lines.

use super::noise::mix;

/// A function on `0..=end`.
#[derive(Debug, Clone)]
pub(super) struct Table {
    end: f64,
    values: Vec<f64>,
}

impl Table {
    /// `function` at `steps` equal steps from 0 to `end`.
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    pub(super) fn of(steps: usize, end: f64, function: impl Fn(f64) -> f64) -> Self {
        let values = (0..=steps).map(|step| function(end * step as f64 / steps as f64));
        Self { end, values: values.collect() }
    }

    /// The function at `x`, which lies in `0..=end`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the place lies between the first and the last step"
    )]
    pub(super) fn at(&self, x: f64) -> f64 {
        let last = self.values.len() - 2;
        let place = x / self.end * (last + 1) as f64;
        let step = (place as usize).min(last);
        mix(self.values[step], self.values[step + 1], place - step as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_met_and_joined_by_lines() {
        let table = Table::of(4, 2.0, |x| x * x);
        for (x, y) in [(0.0, 0.0), (0.5, 0.25), (2.0, 4.0), (0.75, 0.625)] {
            assert!((table.at(x) - y).abs() < 1e-12, "{x}");
        }
    }
}
