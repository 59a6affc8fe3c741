//! Axes: ranges, round tick values and their words.

/// How an axis writes its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Ticks {
    /// `1,200`: no ticks between whole numbers.
    Whole,
    /// `0.85` as `85 %`.
    Percent,
    /// As many decimals as the step needs.
    Decimal,
}

/// One axis: what it measures and from where to where.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Axis {
    pub(in crate::report) label: String,
    pub(in crate::report) low: f64,
    pub(in crate::report) high: f64,
    pub(in crate::report) ticks: Ticks,
}

impl Axis {
    /// An axis that shows exactly `low` to `high`.
    pub(in crate::report) fn exact(label: &str, low: f64, high: f64, ticks: Ticks) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { label: label.to_owned(), low, high, ticks }
    }

    /// An axis around `values` that begins and ends at a round number.
    pub(in crate::report) fn around(
        label: &str,
        values: impl IntoIterator<Item = f64>,
        ticks: Ticks,
    ) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            return Self::exact(label, 0.0, 1.0, ticks);
        }
        let spread = if high > low { high - low } else { high.abs().max(0.1) };
        let step = round_step(spread / 4.0);
        let low = (low / step).floor() * step;
        let high = (high / step).ceil() * step;
        // All values equal and round: room on both sides instead of a line on the frame.
        let (low, high) = if high > low { (low, high) } else { (low - step, high + step) };
        Self { label: label.to_owned(), low, high, ticks }
    }

    /// Where `value` lies between the ends: 0 to 1.
    pub(in crate::report) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// About `wanted` round values with their words.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a dozen ticks in a drawing"
    )]
    pub(in crate::report) fn marks(&self, wanted: usize) -> Vec<(f64, String)> {
        let mut step = round_step((self.high - self.low) / wanted.max(1) as f64);
        if self.ticks == Ticks::Whole {
            step = step.max(1.0);
        }
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|n| n as f64 * step)
            .map(|value| (value, self.word(value, step)))
            .collect()
    }

    fn word(&self, value: f64, step: f64) -> String {
        match self.ticks {
            Ticks::Whole => {
                let digits = format!("{value:.0}");
                digits.parse().map_or(digits, crate::wording::thousands)
            }
            Ticks::Percent => format!("{:.*} %", decimals(step * 100.0), value * 100.0),
            Ticks::Decimal => format!("{value:.*}", decimals(step)),
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let mut power = 1.0;
    // By repeated multiplication and not by logarithm: the same bits on every platform.
    while power > step {
        power /= 10.0;
    }
    while power * 10.0 <= step {
        power *= 10.0;
    }
    let nearly = step * (1.0 - 1e-9);
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|s| *s >= nearly)
        .unwrap_or(power * 10.0)
}

/// Decimals that tell neighbouring ticks apart.
fn decimals(step: f64) -> usize {
    let mut decimals = 0;
    let mut scaled = step;
    while decimals < 9 && (scaled - scaled.round()).abs() > 1e-6 {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis, wanted: usize) -> Vec<String> {
        axis.marks(wanted).into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scores = Axis::around("score", [0.213, 0.874], Ticks::Percent);
        assert_eq!(words(&scores, 5), ["20 %", "40 %", "60 %", "80 %", "100 %"]);
        assert_eq!((scores.low, scores.high), (0.2, 1.0));
        let trials = Axis::exact("trial", 1.0, 1200.0, Ticks::Whole);
        assert_eq!(words(&trials, 6), ["200", "400", "600", "800", "1,000", "1,200"]);
        let narrow = Axis::exact("loss", 0.1, 0.13, Ticks::Decimal);
        assert_eq!(words(&narrow, 3), ["0.10", "0.11", "0.12", "0.13"]);
    }

    #[test]
    fn odd_values_still_give_an_axis() {
        for values in [vec![], vec![0.5], vec![0.0, 0.0], vec![-3.0, -3.0], vec![1e9, 1e-9]] {
            let axis = Axis::around("x", values.clone(), Ticks::Decimal);
            assert!(axis.high > axis.low, "{values:?}");
            assert!((1..20).contains(&axis.marks(5).len()), "{values:?}");
        }
    }

    #[test]
    fn whole_ticks_do_not_repeat() {
        assert_eq!(words(&Axis::exact("epoch", 1.0, 3.0, Ticks::Whole), 8), ["1", "2", "3"]);
    }
}
