//! Strip plots: the end of every repeat as a dot, with median and quartiles, a row for each setting.

use super::Setting;
use crate::report::meaning::Meaning;
use crate::report::plot::{Anchor, Axis, Figure, Svg, clipped, text_width};
use crate::report::ranking::incumbents;
use crate::report::sections::search::{score_axis, score_word};
use crate::statistics::{mean, quantile};

/// Height of a setting's row.
const ROW: f64 = 34.0;
/// Room above the first row.
const TOP: f64 = 26.0;
/// Share of the trials, the last ones, whose mean says what was learned.
const LATE: usize = 10;

/// What a row shows of a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The best score.
    Best,
    /// The mean of the last tenth of the trials.
    Late,
}

impl End {
    fn of(self, setting: &Setting<'_>) -> Vec<f64> {
        setting.each(|trials| match self {
            Self::Best => incumbents(trials).last().copied().flatten(),
            Self::Late => {
                let late = &trials[trials.len() - trials.len().div_ceil(LATE)..];
                mean(&late.iter().map(|trial| trial.score).collect::<Vec<f64>>())
            }
        })
    }

    /// The picture; nothing where no setting has a repeat.
    pub(super) fn figure(
        self,
        name: String,
        settings: &[Setting<'_>],
        meaning: Meaning,
    ) -> Option<Figure> {
        let rows: Vec<(&str, Vec<f64>)> =
            settings.iter().map(|setting| (setting.label.as_str(), self.of(setting))).collect();
        if rows.iter().all(|(_, values)| values.len() < 2) {
            return None;
        }
        let axis = score_axis(meaning, rows.iter().flat_map(|(_, values)| values.iter().copied()));
        let (title, what) = match self {
            Self::Best => ("Best score of each repeat", "the best score"),
            Self::Late => ("Mean of the last tenth of each repeat", "the mean of its last tenth"),
        };
        Some(Figure {
            name,
            title: title.to_owned(),
            caption: format!(
                "A dot is {what} of one repeat after equally many trials; the box has median and quartiles."
            ),
            wide: draw(&rows, &axis, meaning, 760),
            narrow: Some(draw(&rows, &axis, meaning, 380)),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn draw(rows: &[(&str, Vec<f64>)], axis: &Axis, meaning: Meaning, width: u32) -> Svg {
    let names = rows.iter().map(|(name, _)| text_width(name, 12.0));
    let left = names.fold(0.0, f64::max).min(f64::from(width) * 0.36) + 16.0;
    let right = f64::from(width) - 24.0;
    let bottom = TOP + rows.len() as f64 * ROW;
    let mut svg = Svg::new(width, (bottom + 44.0) as u32);
    let place = |value: f64| left + axis.share(value) * (right - left);
    for (value, word) in axis.marks(((right - left) / 76.0) as usize) {
        svg.line("grid", (place(value), TOP - 10.0), (place(value), bottom));
        svg.text("tick", (place(value), bottom + 18.0), Anchor::Middle, &word);
    }
    svg.line("axis", (left, bottom), (right, bottom));
    svg.text("name", (f64::midpoint(left, right), bottom + 36.0), Anchor::Middle, &axis.label);
    for (i, (name, values)) in rows.iter().enumerate() {
        let middle = TOP + (i as f64 + 0.5) * ROW;
        svg.text(
            "label",
            (left - 10.0, middle + 4.0),
            Anchor::End,
            &clipped(name, 12.0, left - 16.0),
        );
        row(&mut svg, values, middle, i % 6, place);
        for value in values {
            let tip = format!("{name}: {}", score_word(*value, meaning));
            svg.dot_with_tip(&format!("discs s{}", i % 6), (place(*value), middle), &tip);
        }
    }
    svg
}

/// The box.
fn row(svg: &mut Svg, values: &[f64], middle: f64, series: usize, place: impl Fn(f64) -> f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| quantile(&sorted, share).map(&place);
    let (Some(low), Some(median), Some(high)) = (at(0.25), at(0.5), at(0.75)) else { return };
    let class = format!("box s{series}");
    svg.rect(&class, (low, middle - 10.0), ((high - low).max(1.0), 20.0), 1.0);
    svg.line(&format!("line s{series}"), (median, middle - 13.0), (median, middle + 13.0));
}
