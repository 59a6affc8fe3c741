//! Figures of a study that is still going on, drawn as the report draws one that has ended.

use super::plot::{Axis, Chart, Figure, Mark, Shape, Ticks, escape};
use super::sections::{figure, mark};
use crate::statistics::moving_average;

/// A trial of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveTrial {
    /// Its number, from 0.
    pub trial: u64,
    /// Its score; missing when it failed.
    pub score: Option<f64>,
    /// The best until then.
    pub best: Option<f64>,
}

/// A training.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTraining<'a> {
    /// Which network.
    pub child: &'a str,
    /// Epochs it is trained for.
    pub epochs: u64,
    /// Epoch (from 1), mean loss and accuracy (0 to 1).
    pub curve: &'a [(u64, f64, Option<f64>)],
}

/// The style of pages and figures, for pages that are not reports.
#[must_use]
pub fn style() -> String {
    format!("{}{}", super::html::FIGURE_STYLE, include_str!("templates/page.css"))
}

/// `text` as it may stand in a page, whoever wrote it.
#[must_use]
pub fn escaped(text: &str) -> String {
    escape(text)
}

/// Scores over the trials of a search, of which `trials` may be a sample; none of fewer than two. `name` is unique
/// in the page.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
pub fn search(name: &str, trials: &[LiveTrial]) -> Option<Figure> {
    let (first, last) = (trials.first()?, trials.last()?);
    let place = |trial: &LiveTrial| trial.trial as f64 + 1.0;
    let dots: Vec<(f64, f64)> =
        trials.iter().filter_map(|trial| Some((place(trial), trial.score?))).collect();
    if dots.len() < 2 || first.trial == last.trial {
        return None;
    }
    let best: Vec<(f64, f64)> =
        trials.iter().filter_map(|trial| Some((place(trial), trial.best?))).collect();
    let scores: Vec<f64> = dots.iter().map(|dot| dot.1).collect();
    let window = (scores.len() / 15).clamp(3, 200);
    let mean: Vec<(f64, f64)> =
        dots.iter().map(|dot| dot.0).zip(moving_average(&scores, window)).collect();
    let heights = scores.iter().copied().chain(best.iter().map(|point| point.1));
    let chart = Chart {
        x: Axis::exact("trial", place(first), place(last), Ticks::Whole),
        y: Axis::around("score", heights, Ticks::Decimal),
        bands: Vec::new(),
        marks: vec![
            mark(Shape::Dots, 0, "score of a trial", dots),
            mark(Shape::Line, 2, &format!("mean of the last {window} drawn"), mean),
            mark(Shape::Step, 1, "best so far", best),
        ],
    };
    Some(figure(name.to_owned(), "Scores so far", String::new(), &chart))
}

/// Loss, or accuracy where it is measured, over the epochs of trainings; the last is drawn to stand out.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "epochs stay far below 2^53")]
pub fn trainings(name: &str, trainings: &[LiveTraining<'_>]) -> Option<Figure> {
    let latest = trainings.last().filter(|training| !training.curve.is_empty())?;
    let is_accuracy = latest.curve.iter().any(|point| point.2.is_some());
    let value = |&(epoch, loss, accuracy): &(u64, f64, Option<f64>)| {
        let value = if is_accuracy { accuracy } else { Some(loss) };
        Some((epoch as f64, value.filter(|value| value.is_finite())?))
    };
    let points = |training: &LiveTraining<'_>| training.curve.iter().filter_map(value).collect();
    let (_, earlier) = trainings.split_last()?;
    let mut marks: Vec<Mark> = earlier
        .iter()
        .map(|training| Mark {
            shape: Shape::Guide,
            series: 0,
            word: None,
            points: points(training),
        })
        .collect();
    if let Some(one) = marks.first_mut() {
        one.word = Some("networks before it".to_owned());
    }
    marks.push(mark(Shape::Line, 0, "the latest network", points(latest)));
    let heights: Vec<f64> =
        marks.iter().flat_map(|mark| &mark.points).map(|point| point.1).collect();
    let last = trainings.iter().map(|training| training.epochs).max().unwrap_or(1).max(2);
    let (noun, ticks) =
        if is_accuracy { ("accuracy", Ticks::Percent) } else { ("training loss", Ticks::Decimal) };
    let chart = Chart {
        x: Axis::exact("epoch", 1.0, last as f64, Ticks::Whole),
        y: Axis::around(noun, heights, ticks),
        bands: Vec::new(),
        marks,
    };
    let title = format!("{} over the epochs", if is_accuracy { "Accuracy" } else { "Loss" });
    Some(figure(name.to_owned(), &title, String::new(), &chart))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_needs_two_points() {
        let trial = |trial| LiveTrial { trial, score: Some(0.5), best: Some(0.5) };
        assert_eq!(search("a", &[]), None);
        assert_eq!(search("a", &[trial(0)]), None);
        let failed = LiveTrial { trial: 1, score: None, best: None };
        assert_eq!(search("a", &[trial(0), failed]), None);
        assert!(search("a", &[trial(0), trial(1)]).is_some());
    }

    #[test]
    fn losses_that_are_no_numbers_are_left_out() {
        let curve = [(1, 0.5, None), (2, f64::NAN, None), (3, f64::INFINITY, None)];
        let figure = trainings("a", &[LiveTraining { child: "01", epochs: 3, curve: &curve }]);
        let text = figure.unwrap().inline();
        assert!(text.contains("training loss") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn earlier_trainings_are_thin_lines_with_one_entry() {
        let curve = [(1, 0.5, Some(0.4)), (2, 0.3, Some(0.6))];
        let one = LiveTraining { child: "01", epochs: 2, curve: &curve };
        let text = trainings("a", &[one.clone(), one.clone(), one]).unwrap().inline();
        assert_eq!(text.matches("networks before it").count(), 4, "{text}");
        assert!(text.contains(">accuracy<"), "{text}");
    }
}
