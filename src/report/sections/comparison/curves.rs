//! Incumbent curves of settings: the best score so far, over trials and over cost.

use std::collections::BTreeSet;

use super::Setting;
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::plot::{Axis, Chart, Figure, Mark, Shape, Ticks, thinned};
use crate::report::ranking::incumbents_after;
use crate::report::sections::search::{LINE_POINTS, figure, mark, score_axis};
use crate::statistics::quantile;

/// Share of the x axis whose heights the y axis does not follow.
const BEGINNING: f64 = 0.04;

/// Lower quartile, median and upper quartile of the incumbents of all repeats, by place on an axis.
pub(super) type Spread = Vec<(f64, [f64; 3])>;

/// What incumbents are shown over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Networks.
    Trials,
    /// Epochs charged, over all rungs and tries.
    Cost,
    /// Likewise, where fidelities differ: only networks with so many epochs behind their score count.
    CostOf {
        /// Epochs at least.
        epochs: u64,
    },
}

impl Over {
    /// Quartiles at each place that all repeats reached.
    pub(super) fn spread(self, setting: &Setting<'_>) -> Spread {
        let courses: Vec<Course> = setting.searches.iter().map(|s| self.course(s)).collect();
        let ends = courses.iter().map(|course| course.places.last().copied().unwrap_or(0));
        let end = ends.min().unwrap_or(0);
        let places: BTreeSet<u64> =
            courses.iter().flat_map(|course| course.places.iter().copied()).collect();
        let places: Vec<u64> = places.into_iter().filter(|place| *place <= end).collect();
        places.into_iter().filter_map(|place| quartiles(&courses, place)).collect()
    }

    fn course(self, search: &Search) -> Course {
        let places = match self {
            Self::Trials => (1..=search.trials.len() as u64).collect(),
            Self::Cost | Self::CostOf { .. } => {
                let charged = search.charged.iter();
                let sum = |sum: &mut u64, epochs: &u64| {
                    *sum += epochs;
                    Some(*sum)
                };
                charged.scan(0, sum).collect()
            }
        };
        let least = if let Self::CostOf { epochs } = self { epochs } else { 0 };
        Course { places, best: incumbents_after(&search.trials, least) }
    }

    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Trials => ["trials", "Strategies compared", "after equally many trials"],
            Self::CostOf { .. } => {
                ["epochs charged", "Fidelities compared by cost", "after equally many epochs"]
            }
            Self::Cost => {
                ["epochs charged", "Strategies compared by cost", "after equally many epochs"]
            }
        }
    }

    /// The curves of all settings.
    pub(super) fn figure(self, name: String, settings: &[Setting<'_>], meaning: Meaning) -> Figure {
        let marks: Vec<Mark> =
            settings.iter().enumerate().flat_map(|(i, s)| self.marks(i, s)).collect();
        let ends = marks.iter().flat_map(|mark| &mark.points).map(|point| point.0);
        let end = ends.fold(2.0, f64::max);
        // The first networks are far below all others, and would press the curves into one line.
        let heights: Vec<f64> =
            marks.iter().flat_map(|mark| heights(mark, end * BEGINNING)).collect();
        let [axis, title, after] = self.words();
        let title = if settings.len() == 1 { "Best score so far by cost" } else { title };
        let chart = Chart {
            x: Axis::exact(axis, 1.0, end, Ticks::Whole),
            y: score_axis(meaning, heights),
            bands: Vec::new(),
            marks,
        };
        let is_spread = settings.iter().any(|setting| setting.searches.len() > 2);
        let mut caption = format!("Best score so far {after}");
        caption.push_str(if is_spread {
            ": the median over repeats, and the quartiles as a band."
        } else {
            "."
        });
        if let Self::CostOf { epochs } = self {
            let only = format!(" Only networks with {epochs} epochs behind their score count.");
            caption.push_str(&only);
        }
        if self != Self::Trials {
            caption.push_str(
                " All rungs and all tries of a network are charged where it stands in the search.",
            );
        }
        figure(name, title, caption, &chart)
    }

    fn marks(self, series: usize, setting: &Setting<'_>) -> Vec<Mark> {
        let spread = self.spread(setting);
        let [lower, median, upper] = [0, 1, 2].map(|part| {
            let points: Vec<(f64, f64)> =
                spread.iter().map(|(x, values)| (*x, values[part])).collect();
            thinned(&points, LINE_POINTS)
        });
        let line = mark(Shape::Line, series, &setting.label, median);
        let area = Mark { shape: Shape::Area(lower), series, word: None, points: upper };
        let is_spread = setting.searches.len() > 2;
        is_spread.then_some(area).into_iter().chain([line]).collect()
    }
}

/// One search: where its networks stand, in ascending order, and the best score so far at each.
struct Course {
    places: Vec<u64>,
    best: Vec<Option<f64>>,
}

impl Course {
    /// The best score up to `place`; nothing before the first.
    fn at(&self, place: u64) -> Option<f64> {
        let known = self.places.partition_point(|at| *at <= place);
        known.checked_sub(1).and_then(|last| self.best[last])
    }
}

#[expect(clippy::cast_precision_loss, reason = "trials and epochs stay far below 2^53")]
fn quartiles(courses: &[Course], place: u64) -> Option<(f64, [f64; 3])> {
    let best = courses.iter().map(|course| course.at(place));
    let mut best: Vec<f64> = best.collect::<Option<_>>()?;
    best.sort_by(f64::total_cmp);
    let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&best, share));
    Some((place as f64, [low?, median?, high?]))
}

/// Heights of a mark from a place on, or of its end where it does not go so far.
fn heights(mark: &Mark, from: f64) -> Vec<f64> {
    let lower = if let Shape::Area(lower) = &mark.shape { lower.as_slice() } else { &[] };
    let late = mark.points.iter().chain(lower).filter(|point| point.0 >= from);
    late.chain(mark.points.last()).map(|point| point.1).collect()
}
