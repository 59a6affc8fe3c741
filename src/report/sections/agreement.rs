//! How far two evaluators agree on the networks that both scored.

use super::search::mark;
use super::{Study, figure_name};
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::plot::{Axis, Chart, Figure, Shape, Ticks, thinned};
use crate::report::table::{Cell, Table};
use crate::results::{Agreement, word};
use crate::seed::Seed;
use crate::statistics::bootstrap_spearman;
use crate::wording;

/// Fewer common networks than this make no picture.
const ENOUGH: usize = 3;
/// From this many on, a random sample carries a claim about the space.
const MANY: usize = 20;
/// Networks drawn in one picture.
const DOTS: usize = 3000;

/// The section: a figure and the correlations for each input of networks that were scored again.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let searches = &study.findings.searches;
    let mut before = searches.iter().filter(|search| search.agreement.is_none()).peekable();
    // What all of them were, if they were one thing.
    let first = before.peek().map(|search| Meaning::of(&search.card));
    let was = first.filter(|first| before.all(|search| Meaning::of(&search.card) == *first));
    let mut blocks = Vec::new();
    let mut table = Table::new(
        "Rank correlations",
        &["scored again", "#networks", "#Spearman", "#95 % interval", "#Kendall tau-b"],
    );
    for search in searches {
        let Some(agreement) = &search.agreement else { continue };
        if agreement.pairs.len() >= ENOUGH {
            blocks.push(Block::Figure(figure(search, agreement, was, blocks.len())));
        }
        table.row(vec![
            Cell::text(&search.label),
            Cell::count(agreement.n as u64),
            correlation(agreement.spearman),
            interval_cell(interval(agreement)),
            correlation(agreement.kendall_tau_b),
        ]);
    }
    if table.rows.is_empty() {
        return Vec::new();
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(Prose::new(
        "A correlation of 1 means the same order, 0 no relation. Networks that were picked because one \
         evaluator liked them cover a narrow range of its scores: their correlation says little about the \
         whole space, for which a random sample of at least 20 is needed.",
    )));
    blocks
}

/// A seed of the report's own: equal findings have an equal interval.
fn interval(agreement: &Agreement) -> Option<[f64; 2]> {
    let mut stream = Seed::root(0).child("report").stream("correlation", 0);
    let (before, now): (Vec<f64>, Vec<f64>) =
        agreement.pairs.iter().map(|pair| (pair.before, pair.now)).unzip();
    bootstrap_spearman(&before, &now, |bound| stream.index(bound))
}

fn interval_cell(interval: Option<[f64; 2]>) -> Cell {
    let words = |[low, high]: [f64; 2]| Cell::number(low, format!("{low:.2} to {high:.2}"));
    interval.map_or_else(Cell::none, words)
}

fn correlation(value: Option<f64>) -> Cell {
    value.map_or_else(Cell::none, |value| Cell::number(value, format!("{value:.3}")))
}

fn figure(search: &Search, agreement: &Agreement, was: Option<Meaning>, index: usize) -> Figure {
    let pairs: Vec<(f64, f64)> =
        agreement.pairs.iter().map(|pair| (pair.before, pair.now)).collect();
    let axis = |label: &str, is_percent: bool, values: Vec<f64>| {
        let ticks = if is_percent { Ticks::Percent } else { Ticks::Decimal };
        Axis::around(label, values, ticks)
    };
    let now = format!("score by {}", word(&search.card.evaluator));
    let before = match was {
        Some(meaning) if meaning.is_untrained() => meaning.noun(),
        _ => "mean score in the search",
    };
    let chart = Chart {
        x: axis(before, was == Some(Meaning::Accuracy), pairs.iter().map(|pair| pair.0).collect()),
        y: axis(
            &now,
            Meaning::of(&search.card).is_percent(),
            pairs.iter().map(|pair| pair.1).collect(),
        ),
        bands: Vec::new(),
        marks: vec![mark(Shape::Discs, 0, "a network", thinned(&pairs, DOTS))],
    };
    let few = if agreement.n < MANY { ", which is few" } else { "" };
    let rho = agreement.spearman.map_or_else(
        || "one side has all equal scores, so there is no rank correlation".to_owned(),
        |rho| {
            let words = |[low, high]: [f64; 2]| format!(" (95 % bootstrap: {low:.2} to {high:.2})");
            let interval = interval(agreement).map(words).unwrap_or_default();
            format!("Spearman's rank correlation is {rho:.2}{interval}")
        },
    );
    let networks = wording::count(agreement.n, "network");
    Figure {
        name: figure_name("agreement", index),
        title: "Scores before and now".to_owned(),
        caption: format!("{networks} scored twice{few}; {rho}."),
        wide: chart.draw(560, 360),
        narrow: Some(chart.draw(380, 300)),
    }
}
