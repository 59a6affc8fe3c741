//! Provenance: every parameter that the artifacts' cards name, and which searches share it.

use serde_json::Value;

use super::Study;
use crate::report::document::{Block, Prose};
use crate::report::findings::{Search, leaves};
use crate::report::table::{Cell, Table};
use crate::report::words;

/// A parameter's name, its value as text, and the labels of the searches that have it.
type Parameter<'a> = (String, String, Vec<&'a str>);

/// One entry of a card.
type Part = fn(&Search) -> &Value;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let searches = &study.findings.searches;
    if searches.is_empty() {
        return Vec::new();
    }
    let parts: [(&str, Part); 4] = [
        ("Search space", |search| &search.card.space),
        ("Strategy", |search| &search.card.strategy),
        ("Evaluator", |search| &search.card.evaluator),
        ("Reward", |search| &search.card.reward),
    ];
    let mut blocks = vec![Block::Text(Prose::new(
        "What the input artifacts say of themselves. This report depends on nothing else: equal inputs \
         give the same page, byte for byte.",
    ))];
    for (caption, part) in parts {
        let parameters = shared(searches, part);
        if !parameters.is_empty() {
            blocks.push(Block::Table(table(caption, &parameters, searches.len())));
        }
    }
    let settings = shared_settings(searches);
    if !settings.is_empty() {
        blocks.push(Block::Table(table("Course of the search", &settings, searches.len())));
    }
    let images = shared_shapes(searches);
    blocks.push(Block::Table(table(
        "Images that networks were built for",
        &images,
        searches.len(),
    )));
    blocks
}

/// Every leaf with its values in order of appearance, each once; an entry that says nothing has none.
fn shared<'a>(searches: &'a [Search], part: Part) -> Vec<Parameter<'a>> {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for search in searches.iter().filter(|search| !part(search).is_null()) {
        for (name, value) in named_leaves(part(search)) {
            add(&mut parameters, name, plain(&value), &search.label);
        }
    }
    side_by_side(parameters)
}

/// What else a stage was told: budget, fidelity, batch, seed, and which genotypes it scored again.
fn shared_settings(searches: &[Search]) -> Vec<Parameter<'_>> {
    let mut parameters = Vec::new();
    for search in searches {
        let card = &search.card;
        let entries =
            [("budget", &card.budget), ("fidelity", &card.fidelity), ("choice", &card.choice)];
        for (entry, value) in entries.into_iter().filter(|(_, value)| !value.is_null()) {
            for (name, value) in leaves(value) {
                let name =
                    if name.is_empty() { entry.to_owned() } else { format!("{entry}.{name}") };
                add(&mut parameters, name, plain(&value), &search.label);
            }
        }
        for (name, value) in [("batch", card.batch), ("seed", card.seed)] {
            if let Some(value) = value {
                add(&mut parameters, name.to_owned(), value.to_string(), &search.label);
            }
        }
    }
    side_by_side(parameters)
}

/// Values of one parameter stand together, in the order in which parameters appeared.
fn side_by_side(mut parameters: Vec<Parameter<'_>>) -> Vec<Parameter<'_>> {
    let names: Vec<String> = parameters.iter().map(|(name, ..)| name.clone()).collect();
    parameters.sort_by_key(|(name, ..)| names.iter().position(|first| first == name));
    parameters
}

fn shared_shapes(searches: &[Search]) -> Vec<Parameter<'_>> {
    let mut parameters = Vec::new();
    for search in searches {
        let card = &search.card;
        add(&mut parameters, "shape".to_owned(), words::shape(card.image), &search.label);
        add(&mut parameters, "classes".to_owned(), card.classes.to_string(), &search.label);
    }
    parameters
}

fn add<'a>(parameters: &mut Vec<Parameter<'a>>, name: String, value: String, label: &'a str) {
    let known = |(n, v, _): &&mut Parameter<'a>| *n == name && *v == value;
    match parameters.iter_mut().find(known) {
        Some((_, _, labels)) => labels.push(label),
        None => parameters.push((name, value, vec![label])),
    }
}

/// Leaves; a card that is only a word has one without a name.
fn named_leaves(value: &Value) -> Vec<(String, Value)> {
    let mut leaves = leaves(value);
    leaves
        .iter_mut()
        .filter(|(name, _)| name.is_empty())
        .for_each(|leaf| "kind".clone_into(&mut leaf.0));
    leaves
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(list) if list.is_empty() => "[]".to_owned(),
        Value::Array(list) => {
            let nested = |item: &Value| match item {
                Value::Array(_) => format!("[{}]", plain(item)),
                other => plain(other),
            };
            list.iter().map(nested).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn table(caption: &str, parameters: &[Parameter<'_>], searches: usize) -> Table {
    let is_shared = parameters.iter().all(|(_, _, labels)| labels.len() == searches);
    let mut columns = vec!["parameter", "value"];
    columns.extend((!is_shared).then_some("in"));
    let mut table = Table::new(caption, &columns);
    for (name, value, labels) in parameters {
        let mut cells = vec![Cell::code(name), Cell::code(value)];
        if !is_shared {
            let all = labels.len() == searches;
            cells.push(Cell::text(if all { "all".to_owned() } else { labels.join("; ") }));
        }
        table.row(cells);
    }
    table
}
