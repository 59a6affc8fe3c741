//! Matrices: one stage written once, run once for each cell.
//!
//! Lists span a product, `exclude` takes cells out and `include` adds some. Knows nothing of what a cell is
//! used for.

use std::collections::{BTreeMap, HashSet};

use super::{Key, Node, Value};
use crate::artifact::Coordinates;
use crate::diagnostic::Diagnostic;
use crate::wording;

/// Stages that a pipeline may have, all cells counted.
pub(super) const STAGES_MAX: usize = 10_000;

/// One cell: where it lies and what `matrix.KEY` is there.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) coordinates: Coordinates,
    /// A map from key to value.
    pub(super) values: Node,
}

/// A matrix whose form was checked.
pub(super) struct Matrix<'n> {
    node: &'n Node,
    axes: Vec<Axis<'n>>,
    include: Vec<&'n Node>,
    exclude: Vec<&'n Node>,
}

/// One key with its values and their words.
struct Axis<'n> {
    key: &'n Key,
    values: Vec<(String, &'n Node)>,
}

impl<'n> Matrix<'n> {
    /// Reads `matrix:`; nothing when its form is wrong.
    pub(super) fn read(node: &'n Node, mistakes: &mut Vec<Diagnostic>) -> Option<Self> {
        let before = mistakes.len();
        let Value::Map(entries) = &node.value else {
            let message = format!("`matrix` must be a map, not {}", node.value.noun());
            let mistake = Diagnostic::error("spec::wrong_type", message)
                .help("write `matrix: {repeat: [1, 2, 3]}`");
            mistakes.push(node.blame(mistake, "expected a map"));
            return None;
        };
        let mut matrix = Self { node, axes: Vec::new(), include: Vec::new(), exclude: Vec::new() };
        for (key, value) in entries {
            match key.name.as_str() {
                "include" => matrix.include = maps("include", value, mistakes),
                "exclude" => matrix.exclude = maps("exclude", value, mistakes),
                _ => matrix.axes.extend(Axis::read(key, value, mistakes)),
            }
        }
        if matrix.axes.is_empty() && matrix.include.is_empty() && mistakes.len() == before {
            let mistake = Diagnostic::error("spec::empty_matrix", "the matrix has no cells")
                .help("give it a list, `repeat: [1, 2, 3]`, or take it out");
            mistakes.push(node.blame(mistake, "empty"));
        }
        (mistakes.len() == before).then_some(matrix)
    }

    /// How many cells it has at most, without making any.
    pub(super) fn count(&self) -> usize {
        let product = self.axes.iter().fold(1_usize, |n, axis| n.saturating_mul(axis.values.len()));
        let product = if self.axes.is_empty() { 0 } else { product };
        product.saturating_add(self.include.len())
    }

    /// The keys, each with its place.
    pub(super) fn keys(&self) -> Vec<&'n Key> {
        if !self.axes.is_empty() {
            return self.axes.iter().map(|axis| axis.key).collect();
        }
        match self.include.first().map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key).collect(),
            _ => Vec::new(),
        }
    }

    /// All cells; [`Matrix::count`] was found bearable before.
    pub(super) fn cells(&self, mistakes: &mut Vec<Diagnostic>) -> Vec<Cell> {
        let before = mistakes.len();
        let excluded: Vec<Vec<(&str, String)>> =
            self.exclude.iter().filter_map(|node| self.exclusion(node, mistakes)).collect();
        let mut cells = Vec::new();
        let mut choice = vec![0; self.axes.len()];
        while !self.axes.is_empty() {
            let chosen = self.axes.iter().zip(&choice).map(|(axis, &n)| {
                let (words, value) = &axis.values[n];
                (axis.key, words.clone(), *value)
            });
            let cell = self.cell(chosen.collect());
            let matches = |pattern: &Vec<(&str, String)>| {
                pattern.iter().all(|(key, words)| cell.coordinates.0.get(*key) == Some(words))
            };
            if !excluded.iter().any(matches) {
                cells.push(cell);
            }
            if !self.advance(&mut choice) {
                break;
            }
        }
        for node in &self.include {
            self.include(node, &mut cells, mistakes);
        }
        if cells.is_empty() && mistakes.len() == before {
            let mistake = Diagnostic::error("spec::empty_matrix", "`exclude` leaves no cells");
            mistakes.push(self.node.blame(mistake, "empty"));
        }
        cells
    }

    /// The next choice of one value per axis, the last axis fastest; false after the last.
    fn advance(&self, choice: &mut [usize]) -> bool {
        for (axis, n) in self.axes.iter().zip(choice.iter_mut()).rev() {
            *n += 1;
            if *n < axis.values.len() {
                return true;
            }
            *n = 0;
        }
        false
    }

    fn cell(&self, chosen: Vec<(&Key, String, &Node)>) -> Cell {
        let mut coordinates = BTreeMap::new();
        let mut values = Vec::with_capacity(chosen.len());
        for (key, words, value) in chosen {
            coordinates.insert(key.name.clone(), words);
            values.push((key.clone(), value.clone()));
        }
        let values = Node { value: Value::Map(values), ..*self.node };
        Cell { coordinates: Coordinates(coordinates), values }
    }

    /// The coordinates that an entry of `exclude` names.
    fn exclusion<'e>(
        &self,
        node: &'e Node,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Option<Vec<(&'e str, String)>> {
        let Value::Map(entries) = &node.value else { return None };
        let mut pattern = Vec::new();
        for (key, value) in entries {
            let Some(axis) = self.axes.iter().find(|axis| axis.key.name == key.name) else {
                mistakes.push(self.unknown_key("exclude", key, value));
                return None;
            };
            let words = words_of(value).unwrap_or_default();
            if !axis.values.iter().any(|(known, _)| *known == words) {
                let known: Vec<&str> =
                    axis.values.iter().map(|(words, _)| words.as_str()).collect();
                let message = format!("`exclude` matches no cell: `{}` is never this", key.name);
                let help = match wording::nearest(&words, known.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("`{}` is {}", key.name, wording::list(&known)),
                };
                let mistake = Diagnostic::error("spec::unknown_matrix_value", message).help(help);
                mistakes.push(value.blame(mistake, "no such value"));
                return None;
            }
            pattern.push((key.name.as_str(), words));
        }
        Some(pattern)
    }

    fn include(&self, node: &Node, cells: &mut Vec<Cell>, mistakes: &mut Vec<Diagnostic>) {
        let Value::Map(entries) = &node.value else { return };
        let keys = self.keys();
        for (key, value) in entries {
            if !keys.iter().any(|known| known.name == key.name) {
                mistakes.push(self.unknown_key("include", key, value));
                return;
            }
        }
        let mut chosen = Vec::new();
        for key in keys {
            let Some((key, value)) = entries.iter().find(|(given, _)| given.name == key.name)
            else {
                let message = format!("an included cell needs `{}`", key.name);
                let mistake = Diagnostic::error("spec::missing_key", message)
                    .help("every cell has a value for every key of the matrix");
                mistakes.push(node.blame(mistake, format!("has no `{}`", key.name)));
                return;
            };
            let Some(words) = words_of(value) else {
                mistakes.push(unreadable_value(value));
                return;
            };
            chosen.push((key, words, value));
        }
        let cell = self.cell(chosen);
        if cells.iter().any(|known| known.coordinates == cell.coordinates) {
            let message = format!("the matrix has the cell {} already", cell.coordinates);
            let mistake =
                Diagnostic::error("spec::duplicate_cell", message).help("take this one out");
            mistakes.push(node.blame(mistake, "included again"));
        } else {
            cells.push(cell);
        }
    }

    fn unknown_key(&self, section: &str, key: &Key, value: &Node) -> Diagnostic {
        let known: Vec<&str> = self.keys().iter().map(|key| key.name.as_str()).collect();
        let message = format!("`{section}` names `{}`, which the matrix does not have", key.name);
        let help = match wording::nearest(&key.name, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("its keys are {}", wording::list(&known)),
        };
        let place = Node { value: Value::Null, span: key.span, used: value.used };
        place.blame(Diagnostic::error("spec::unknown_key", message).help(help), "no such key")
    }
}

impl<'n> Axis<'n> {
    fn read(key: &'n Key, node: &'n Node, mistakes: &mut Vec<Diagnostic>) -> Option<Self> {
        let name = &key.name;
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || name.starts_with(|c: char| c.is_ascii_digit()) {
            let place = Node { value: Value::Null, span: key.span, used: node.used };
            let message = format!("`{name}` cannot be a key of a matrix");
            let mistake = Diagnostic::error("spec::bad_name", message)
                .help("use letters, digits and `_`: expressions say `matrix.KEY`");
            mistakes.push(place.blame(mistake, "here"));
            return None;
        }
        let Value::List(items) = &node.value else {
            let message = format!("`{name}` must be a list of values, not {}", node.value.noun());
            let mistake = Diagnostic::error("spec::wrong_type", message)
                .help(format!("write `{name}: [1, 2, 3]`"));
            mistakes.push(node.blame(mistake, "expected a list"));
            return None;
        };
        if items.is_empty() {
            let mistake =
                Diagnostic::error("spec::empty_matrix", format!("`{name}` has no values"));
            mistakes.push(node.blame(mistake, "empty"));
            return None;
        }
        let mut values = Vec::with_capacity(items.len());
        let mut known = HashSet::new();
        for item in items {
            let Some(words) = words_of(item) else {
                mistakes.push(unreadable_value(item));
                continue;
            };
            if !known.insert(words.clone()) {
                let message = format!("two cells would be called `{name}={words}`");
                let mistake = Diagnostic::error("spec::duplicate_cell", message)
                    .help("every value of a matrix key stands once");
                mistakes.push(item.blame(mistake, "again here"));
                continue;
            }
            values.push((words, item));
        }
        Some(Self { key, values })
    }
}

/// A value's words in coordinates: a scalar's own, a map's `name` or else its scalars, `filters-8_depth-2`.
fn words_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Map(entries) => match node.get("name") {
            Some(name) => name.value.words(),
            None if entries.is_empty() => None,
            None => {
                let word = |(key, value): &(Key, Node)| {
                    Some(format!("{}-{}", key.name, value.value.words()?))
                };
                Some(entries.iter().map(word).collect::<Option<Vec<_>>>()?.join("_"))
            }
        },
        value => value.words(),
    }
}

fn unreadable_value(node: &Node) -> Diagnostic {
    let mistake = Diagnostic::error("spec::bad_matrix_value", "this value has no readable name")
        .help("make it a map with a `name`: `{name: small, filters: [8, 8]}`");
    node.blame(mistake, "cells are told apart by their values")
}

/// The maps of `include` or `exclude`.
fn maps<'n>(section: &str, node: &'n Node, mistakes: &mut Vec<Diagnostic>) -> Vec<&'n Node> {
    let mistake = |found: &Value| {
        let message = format!("`{section}` must be a list of maps, not {}", found.noun());
        Diagnostic::error("spec::wrong_type", message)
            .help(format!("write `{section}: [{{key: value}}]`"))
    };
    let Value::List(items) = &node.value else {
        mistakes.push(node.blame(mistake(&node.value), "expected a list"));
        return Vec::new();
    };
    for item in items.iter().filter(|item| !matches!(item.value, Value::Map(_))) {
        mistakes.push(item.blame(mistake(&item.value), "expected a map"));
    }
    items.iter().filter(|item| matches!(item.value, Value::Map(_))).collect()
}
