//! Q-values by depth: what a table of Q-learning says a kind of layer is worth, layer by layer.

use std::collections::BTreeMap;

use super::actions::meaning;
use super::search::{figure, mark};
use super::{Study, figure_name};
use crate::report::document::Block;
use crate::report::findings::{Controller, QValue};
use crate::report::plot::{Axis, Chart, Figure, Shape, Ticks};
use crate::report::words;

/// Pictures in one page.
const PICTURES: usize = 6;
/// Lines in one picture.
const LINES: usize = 6;

/// A picture for each controller with a table whose states have a depth.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let drawn = study.findings.controllers.iter().filter_map(|one| picture(one).map(|p| (one, p)));
    let figures = drawn
        .take(PICTURES)
        .enumerate()
        .map(|(i, (controller, chart))| Block::Figure(named(controller, &chart, i)));
    figures.collect()
}

fn named(controller: &Controller, chart: &Chart, index: usize) -> Figure {
    let caption = format!(
        "{}: mean of the table's values over all states at a depth, weighted by how often each was learned \
         from, for each kind of next layer. The value of an action is the reward expected after it.",
        controller.label
    );
    figure(figure_name("q-values", index), "Q-values by depth", caption, chart)
}

fn picture(controller: &Controller) -> Option<Chart> {
    let mut lines: BTreeMap<String, BTreeMap<u32, (f64, f64)>> = BTreeMap::new();
    for value in &controller.values {
        let Some(depth) = depth(value) else { continue };
        let label = kind(&value.action);
        let (sum, weight) = lines.entry(label).or_default().entry(depth).or_default();
        *sum += value.value * value.visits;
        *weight += value.visits;
    }
    let deepest = lines.values().filter_map(|line| line.keys().last()).max().copied()?;
    if deepest < 2 {
        return None;
    }
    let marks: Vec<_> = lines
        .iter()
        .take(LINES)
        .enumerate()
        .map(|(series, (label, depths))| {
            let points =
                depths.iter().map(|(d, (sum, weight))| (f64::from(*d) + 1.0, sum / weight));
            mark(Shape::Line, series, label, points.collect())
        })
        .collect();
    let heights: Vec<f64> = marks.iter().flat_map(|m| &m.points).map(|point| point.1).collect();
    Some(Chart {
        x: Axis::exact("depth of the chosen layer", 1.0, f64::from(deepest) + 1.0, Ticks::Whole),
        y: Axis::around("mean Q-value", heights, Ticks::Decimal),
        bands: Vec::new(),
        marks,
    })
}

/// Layers before the decision, where the state's name begins with them.
fn depth(value: &QValue) -> Option<u32> {
    let counts = value.visits > 0.0;
    value.state.split(' ').next().filter(|_| counts)?.parse().ok()
}

/// Coarser than what is proposed: all convolutions are one, and both ends.
fn kind(action: &str) -> String {
    if ["SM", "GAP"].contains(&action) {
        return "end of the network".to_owned();
    }
    let label = meaning(action).map_or_else(|| action.to_owned(), |(_, label)| label);
    if label.starts_with("convolution") { "convolution".to_owned() } else { words::cut(label, 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_a_depth_are_weighted_by_visits() {
        let value = |state: &str, action: &str, value, visits| QValue {
            state: state.to_owned(),
            action: action.to_owned(),
            value,
            visits,
        };
        let values = vec![
            value("0 start bin 32", "C(64,3,1)", 0.4, 1.0),
            value("0 start bin 32", "C(64,5,1)", 0.8, 3.0),
            value("2 P(2,2) bin 16", "SM", 0.6, 2.0),
            value("2 P(2,2) bin 16", "C(64,5,1)", 0.9, 0.0),
            value("normal block 0 state 1", "1", 0.9, 5.0),
        ];
        let chart = picture(&Controller { label: String::new(), values }).unwrap();
        let lines: Vec<_> =
            chart.marks.iter().map(|m| (m.word.as_deref().unwrap(), m.points.clone())).collect();
        assert_eq!(lines[0].0, "convolution");
        assert!((lines[0].1[0].1 - 0.7).abs() < 1e-12 && lines[0].1.len() == 1);
        assert_eq!(lines[1], ("end of the network", vec![(3.0, 0.6)]));
    }
}
