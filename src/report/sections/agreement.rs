//! How far two evaluators agree on the networks that both scored.

use std::collections::HashMap;

use serde_json::Value;

use super::search::mark;
use super::{Study, figure_name};
use crate::report::document::{Block, Prose};
use crate::report::findings::{Search, word};
use crate::report::plot::{Axis, Chart, Figure, Shape, Ticks};
use crate::report::ranking::Ranking;
use crate::report::statistics::spearman;
use crate::report::table::{Cell, Table};

/// Fewer common networks than this have no correlation worth a number.
const ENOUGH: usize = 3;
/// From this many on a random sample could carry a general claim.
const MANY: usize = 20;

/// The section: what `agreement.json` says, and a figure for each pair of evaluators with common networks.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut figures = 0;
    for (i, first) in study.rankings.iter().enumerate() {
        for second in &study.rankings[i + 1..] {
            let pairs = common(first, second);
            if pairs.len() >= ENOUGH {
                blocks.push(Block::Figure(figure(first, second, &pairs, figures)));
                figures += 1;
            }
        }
    }
    if figures > 0 {
        blocks.push(Block::Text(Prose::new(
            "A rank correlation of 1 means the same order, 0 no relation. Networks that were picked \
             because one evaluator liked them cover a narrow range of its scores: their correlation says \
             little about the whole space, for which a random sample of at least 20 is needed.",
        )));
    }
    blocks.extend(study.findings.searches.iter().filter_map(recorded).map(Block::Table));
    blocks
}

/// Scores of the networks that both rankings have, the second's first: it is the cheaper one.
fn common(first: &Ranking, second: &Ranking) -> Vec<(f64, f64)> {
    let scores: HashMap<&str, f64> =
        second.networks.iter().map(|n| (n.genotype.as_str(), n.score)).collect();
    let pair = |genotype: &str, y: f64| scores.get(genotype).map(|&x| (x, y));
    first.networks.iter().filter_map(|n| pair(&n.genotype, n.score)).collect()
}

fn figure(first: &Ranking, second: &Ranking, pairs: &[(f64, f64)], index: usize) -> Figure {
    let axis = |ranking: &Ranking, values: Vec<f64>| {
        let kind = if ranking.mock { "score" } else { "validation accuracy" };
        let ticks = if ranking.mock { Ticks::Decimal } else { Ticks::Percent };
        Axis::around(&format!("{kind} by {}", word(&ranking.evaluator)), values, ticks)
    };
    let chart = Chart {
        x: axis(second, pairs.iter().map(|pair| pair.0).collect()),
        y: axis(first, pairs.iter().map(|pair| pair.1).collect()),
        bands: Vec::new(),
        marks: vec![mark(Shape::Discs, 0, "a network that both scored", pairs.to_vec())],
    };
    let rho = spearman(pairs).map_or_else(
        || "one of them gave all the same score, so there is no rank correlation".to_owned(),
        |rho| format!("Spearman's rank correlation is {rho:.2}"),
    );
    let few = if pairs.len() < MANY { ", which is few" } else { "" };
    let caption = format!(
        "{} networks were scored by both {} and {}{few}; {rho}.",
        pairs.len(),
        word(&second.evaluator),
        word(&first.evaluator)
    );
    Figure {
        name: figure_name("agreement", index),
        title: "Scores of two evaluators".to_owned(),
        caption,
        wide: chart.draw(560, 360),
        narrow: Some(chart.draw(380, 300)),
    }
}

/// What was recorded beside the trials; long lists stay in their file.
fn recorded(search: &Search) -> Option<Table> {
    let mut table = Table::new(format!("Recorded with {}", search.label), &["quantity", "#value"]);
    for (name, value) in &search.agreement {
        let cell = match value {
            Value::Number(number) => {
                let value = number.as_f64().unwrap_or_default();
                let text = if number.is_f64() { format!("{value:.4}") } else { number.to_string() };
                Cell::number(value, text)
            }
            Value::String(text) => Cell::text(text),
            Value::Bool(answer) => Cell::text(if *answer { "yes" } else { "no" }),
            Value::Null => Cell::none(),
            Value::Array(_) | Value::Object(_) => continue,
        };
        // Rows of a list of networks, `pairs.0.score`, are the figure's and the file's business.
        if name.split('.').all(|part| part.parse::<usize>().is_err()) {
            table.row(vec![Cell::text(name.replace('_', " ")), cell]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}
