//! Training curves of the retrained networks.

use super::figure_name;
use super::search::{figure, mark};
use crate::report::findings::Finals;
use crate::report::plot::{Axis, Chart, Figure, Mark, Shape, Ticks, thinned};
use crate::results::Epoch;

/// Points of a line.
const LINE_POINTS: usize = 600;

/// Accuracy of the chosen network, and the loss of all.
pub(super) fn figures(finals: &Finals, index: usize) -> Vec<Figure> {
    let chosen = finals.chosen_model().and_then(|model| history(finals, model.rank));
    let Some(chosen) = chosen.filter(|epochs| epochs.len() > 1) else { return Vec::new() };
    vec![accuracy(chosen, index), loss(finals, chosen, index)]
}

fn history(finals: &Finals, rank: usize) -> Option<&[Epoch]> {
    finals.histories.iter().find(|(of, _)| *of == rank).map(|(_, epochs)| epochs.as_slice())
}

fn accuracy(epochs: &[Epoch], index: usize) -> Figure {
    let training = line(epochs, |epoch| Some(epoch.accuracy));
    let validation = line(epochs, |epoch| epoch.validation);
    let mut caption =
        "Accuracy on the training images as they passed, augmented as in training.".to_owned();
    let mut marks = vec![mark(Shape::Line, 0, "training", training)];
    if !validation.is_empty() {
        caption.push_str(" Validation images were not trained on.");
        marks.push(mark(Shape::Line, 1, "validation", validation));
    }
    let heights: Vec<f64> = heights(&marks);
    let chart = Chart {
        x: epoch_axis(epochs),
        y: Axis::around("accuracy", heights, Ticks::Percent),
        bands: Vec::new(),
        marks,
    };
    figure(
        figure_name("training-accuracy", index),
        "Training of the chosen network",
        caption,
        &chart,
    )
}

fn loss(finals: &Finals, chosen: &[Epoch], index: usize) -> Figure {
    let mut marks: Vec<Mark> = finals
        .histories
        .iter()
        .filter(|(_, epochs)| !std::ptr::eq(epochs.as_slice(), chosen))
        .map(|(_, epochs)| Mark {
            shape: Shape::Guide,
            series: 0,
            word: None,
            points: line(epochs, |epoch| Some(epoch.loss)),
        })
        .collect();
    let mut caption = "Mean training loss of each epoch.".to_owned();
    if let Some(other) = marks.first_mut() {
        other.word = Some("other retrained networks".to_owned());
        caption.push_str(" Thin lines: the other retrained networks.");
    }
    let points = line(chosen, |epoch| Some(epoch.loss));
    marks.push(mark(Shape::Line, 0, "chosen network", points));
    let heights = heights(&marks);
    let chart = Chart {
        x: epoch_axis(chosen),
        y: Axis::around("training loss", heights.into_iter().chain([0.0]), Ticks::Decimal),
        bands: Vec::new(),
        marks,
    };
    figure(figure_name("training-loss", index), "Training loss", caption, &chart)
}

fn heights(marks: &[Mark]) -> Vec<f64> {
    marks.iter().flat_map(|mark| &mark.points).map(|point| point.1).collect()
}

#[expect(clippy::cast_precision_loss, reason = "epochs stay far below 2^53")]
fn epoch_axis(epochs: &[Epoch]) -> Axis {
    let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1);
    Axis::exact("epoch", 1.0, last as f64, Ticks::Whole)
}

#[expect(clippy::cast_precision_loss, reason = "epochs stay far below 2^53")]
fn line(epochs: &[Epoch], value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = epochs
        .iter()
        .filter_map(|epoch| value(epoch).map(|value| (epoch.epoch as f64, value)))
        .collect();
    thinned(&points, LINE_POINTS)
}
