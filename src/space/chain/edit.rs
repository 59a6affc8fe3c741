//! Edits of chains: insert, delete or replace one layer.

use std::collections::HashSet;

use super::{Chain, ChainSpace, Layer};
use crate::seed::Stream;
use crate::space::{Genotype, Space, edit};

/// A change of one layer; the closing softmax is never touched.
#[derive(Debug, Clone, Copy)]
enum Edit {
    /// The layer before place `at`.
    Insert { at: usize, layer: Layer },
    /// The layer at a place.
    Delete { at: usize },
    /// The layer at a place by another one.
    Replace { at: usize, layer: Layer },
}

impl ChainSpace {
    /// All legal chains with one layer more, less or changed; place by place, then by the tables' order.
    pub(super) fn edited_once(&self, genotype: &Genotype) -> Vec<Genotype> {
        let chain = self.chain(genotype);
        let layers = chain.layers();
        let choices = self.choices();
        let mut seen = HashSet::from([genotype.clone()]);
        let mut neighbours = Vec::new();
        for at in 0..layers.len() {
            let inserts = choices.iter().map(|&layer| Edit::Insert { at, layer });
            let has_layer = at + 1 < layers.len();
            let deletes = has_layer.then_some(Edit::Delete { at });
            let replaces = choices.iter().filter(|_| has_layer);
            let replaces = replaces.map(|&layer| Edit::Replace { at, layer });
            for edit in deletes.into_iter().chain(replaces).chain(inserts) {
                let neighbour = self.apply(layers, edit);
                neighbours.extend(neighbour.filter(|neighbour| seen.insert(neighbour.clone())));
            }
        }
        neighbours
    }

    /// A random one of them: the kind of edit, its place and its layer are each drawn uniformly, again
    /// until the chain is legal and another one.
    pub(super) fn edited(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        let chain = self.chain(genotype);
        let layers = chain.layers();
        let choices = self.choices();
        let draw = |stream: &mut Stream| match stream.index(3) {
            0 => Some(Edit::Insert {
                at: stream.index(layers.len()),
                layer: choices[stream.index(choices.len())],
            }),
            _ if layers.len() == 1 => None,
            1 => Some(Edit::Delete { at: stream.index(layers.len() - 1) }),
            _ => Some(Edit::Replace {
                at: stream.index(layers.len() - 1),
                layer: choices[stream.index(choices.len())],
            }),
        };
        (0..edit::TRIES)
            .filter_map(|_| draw(stream))
            .filter_map(|edit| self.apply(layers, edit))
            .find(|edited| edited != genotype)
    }

    /// Layers that may be chosen before the end.
    fn choices(&self) -> &[Layer] {
        // The softmax is the last of the tables.
        self.rules.layers().split_last().map_or(&[], |(_, others)| others)
    }

    /// The edited chain, when it is legal.
    fn apply(&self, layers: &[Layer], edit: Edit) -> Option<Genotype> {
        let mut layers = layers.to_vec();
        match edit {
            Edit::Insert { at, layer } => layers.insert(at, layer),
            Edit::Delete { at } => drop(layers.remove(at)),
            Edit::Replace { at, layer } => layers[at] = layer,
        }
        let edited = self.genotype(&Chain::new(layers)).ok()?;
        debug_assert!(self.process().is_complete(&edited));
        Some(edited)
    }
}
