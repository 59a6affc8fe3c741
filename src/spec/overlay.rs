//! Overlays: several partial trees as one, the upper ones winning.
//!
//! Maps merge, lists replace, `null` deletes, and a map whose `kind` or `use` changes is replaced whole:
//! the keys of the old kind would be mistakes in the new one. Serves `extends` (texts as they are) and
//! presets (texts with their expressions filled in, because only then is a kind known).

use std::collections::HashMap;

use super::{Key, Node, Value};
use crate::span::Span;

/// Keys whose change replaces the map that holds them.
const IDENTITIES: [&str; 2] = ["kind", "use"];

/// One tree of an overlay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'n> {
    pub(super) node: &'n Node,
    /// What pulled the tree in, when it is not the file itself.
    pub(super) used: Option<Span>,
}

impl<'n> Layer<'n> {
    /// The layer's value under `key`.
    pub(super) fn get(&self, key: &str) -> Option<Layer<'n>> {
        self.node.get(key).map(|node| Layer { node, used: self.used })
    }
}

/// What a text becomes; nothing when it is no value at all (a failed expression).
pub(super) type Fill<'f> = dyn FnMut(&Node) -> Option<Node> + 'f;

/// Leaves every text as it is.
#[expect(clippy::unnecessary_wraps, reason = "has the form of a `Fill`")]
pub(super) fn verbatim(node: &Node) -> Option<Node> {
    Some(node.clone())
}

/// The one tree that `layers` make, the first on top; at least one layer.
pub(super) fn overlay(layers: &[Layer<'_>], fill: &mut Fill<'_>) -> Option<Node> {
    let (top, below) = layers.split_first().expect("BUG: an overlay of nothing");
    let value = match &top.node.value {
        Value::Map(entries) if below.is_empty() => Value::Map(
            entries
                .iter()
                .filter_map(|(key, node)| {
                    let layer = Layer { node, used: top.used };
                    Some((key.clone(), overlay(&[layer], fill)?))
                })
                .collect(),
        ),
        Value::Map(_) => merged(layers, fill),
        Value::List(items) => Value::List(
            items
                .iter()
                .filter_map(|node| overlay(&[Layer { node, used: top.used }], fill))
                .collect(),
        ),
        Value::Text(_) => return text(*top, below, fill),
        value => value.clone(),
    };
    Some(Node { value, span: top.node.span, used: top.used.or(top.node.used) })
}

/// A text on top: a word that names the kind of the map below keeps that map's settings, so that
/// `strategy: ${{ matrix.strategy }}` means the preset's settings of the strategy that the preset names.
fn text(top: Layer<'_>, below: &[Layer<'_>], fill: &mut Fill<'_>) -> Option<Node> {
    let marked = top.used.map(|used| Node { used: Some(used), ..top.node.clone() });
    let filled = fill(marked.as_ref().unwrap_or(top.node))?;
    match &filled.value {
        Value::Text(word) => {
            let next = below.first();
            let is_kind =
                next.is_some_and(|next| identity(next, "kind", fill).as_ref() == Some(word));
            if is_kind { overlay(below, fill) } else { Some(filled) }
        }
        Value::Map(_) if !below.is_empty() => {
            let mut layers = vec![Layer { node: &filled, used: None }];
            layers.extend(below);
            overlay(&layers, fill)
        }
        _ => Some(filled),
    }
}

fn merged(layers: &[Layer<'_>], fill: &mut Fill<'_>) -> Value {
    let layers = &layers[..alike(layers, fill)];
    let mut order = Vec::new();
    let mut by_key: HashMap<&str, (&Key, Vec<Layer<'_>>)> = HashMap::new();
    // From the bottom, so that keys stand where the base has them.
    for layer in layers.iter().rev() {
        let Value::Map(entries) = &layer.node.value else { continue };
        for (key, node) in entries {
            let found = by_key.entry(&key.name).or_insert_with(|| {
                order.push(key.name.as_str());
                (key, Vec::new())
            });
            found.0 = key;
            found.1.insert(0, Layer { node, used: layer.used });
        }
    }
    let mut entries = Vec::with_capacity(order.len());
    for name in order {
        let (key, found) = &by_key[name];
        let is_deleted = found.len() > 1 && found[0].node.value == Value::Null;
        if let Some(node) = (!is_deleted).then(|| overlay(found, fill)).flatten() {
            entries.push(((*key).clone(), node));
        }
    }
    Value::Map(entries)
}

/// How many layers, from the top, are maps of one kind.
fn alike(layers: &[Layer<'_>], fill: &mut Fill<'_>) -> usize {
    let mut known: [Option<String>; 2] = [None, None];
    for (count, layer) in layers.iter().enumerate() {
        if !matches!(layer.node.value, Value::Map(_)) {
            return count;
        }
        for (key, known) in IDENTITIES.into_iter().zip(&mut known) {
            match (identity(layer, key, fill), &known) {
                (Some(found), Some(above)) if found != *above => return count,
                (Some(found), None) => *known = Some(found),
                _ => {}
            }
        }
    }
    layers.len()
}

fn identity(layer: &Layer<'_>, key: &str, fill: &mut Fill<'_>) -> Option<String> {
    let node = layer.node.get(key).filter(|node| matches!(node.value, Value::Text(_)))?;
    match fill(node)?.value {
        Value::Text(word) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Sources;

    /// The overlay of YAML texts, the first on top, as JSON-like text.
    fn overlaid(texts: &[&str]) -> String {
        let mut sources = Sources::default();
        let trees: Vec<Node> = texts
            .iter()
            .map(|text| {
                let source = sources.add("x", *text);
                super::super::yaml::parse(source, text, &mut Vec::new()).unwrap()
            })
            .collect();
        let layers: Vec<Layer<'_>> = trees.iter().map(|node| Layer { node, used: None }).collect();
        flat(&overlay(&layers, &mut verbatim).unwrap())
    }

    fn flat(node: &Node) -> String {
        match &node.value {
            Value::Map(entries) => {
                let entry = |(key, node): &(Key, Node)| format!("{}: {}", key.name, flat(node));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Value::List(items) => {
                format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", "))
            }
            Value::Int(n) => n.to_string(),
            Value::Text(text) => text.clone(),
            value => format!("{value:?}"),
        }
    }

    #[test]
    fn maps_merge_lists_replace_null_deletes() {
        assert_eq!(
            overlaid(&[
                "{b: {x: 9}, l: [3], d: ~, n: 1}",
                "{a: 1, b: {x: 1, y: 2}, l: [1, 2], d: 4}"
            ]),
            "{a: 1, b: {x: 9, y: 2}, l: [3], n: 1}"
        );
        assert_eq!(overlaid(&["{a: ~}", "{b: 1}"]), "{b: 1, a: Null}");
    }

    #[test]
    fn a_map_of_another_kind_is_replaced_whole() {
        assert_eq!(overlaid(&["{kind: b, y: 1}", "{kind: a, x: 1}"]), "{kind: b, y: 1}");
        assert_eq!(overlaid(&["{kind: a, y: 1}", "{kind: a, x: 1}"]), "{kind: a, x: 1, y: 1}");
        assert_eq!(overlaid(&["{y: 1}", "{kind: a, x: 1}"]), "{kind: a, x: 1, y: 1}");
        assert_eq!(overlaid(&["{s: {use: b}}", "{s: {use: a, with: 1}}"]), "{s: {use: b}}");
        assert_eq!(
            overlaid(&["{y: 1}", "{kind: b, z: 1}", "{kind: a, x: 1}"]),
            "{kind: b, z: 1, y: 1}"
        );
    }

    #[test]
    fn the_name_of_the_same_kind_keeps_its_settings() {
        assert_eq!(overlaid(&["{s: a}", "{s: {kind: a, x: 1}}"]), "{s: {kind: a, x: 1}}");
        assert_eq!(overlaid(&["{s: b}", "{s: {kind: a, x: 1}}"]), "{s: b}");
    }
}
