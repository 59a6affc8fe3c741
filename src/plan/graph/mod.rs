//! Drawings of a study: who feeds whom, as text, Mermaid, Graphviz or a picture.
//!
//! A matrix stage is one box that says how many cells it has, unless every cell is asked for. Knows
//! nothing of results.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod text;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::wording;

use super::{StageIndex, Study};

/// How a study is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// Indented lines for a terminal.
    Text,
    /// A Mermaid flow chart, for Markdown.
    Mermaid,
    /// Graphviz' language.
    Dot,
    /// A self-contained picture.
    Svg,
}

/// Draws a study; `cells` draws every cell of a matrix stage by itself.
#[must_use]
pub fn draw(study: &Study, drawing: Drawing, cells: bool) -> String {
    let graph = Graph::of(study, cells);
    match drawing {
        Drawing::Text => text::draw(&graph),
        Drawing::Mermaid => mermaid::draw(&graph),
        Drawing::Dot => dot::draw(&graph),
        Drawing::Svg => svg::draw(&graph, None),
    }
}

/// What is drawn of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The pipeline's name.
    pub title: String,
    /// In topological order of their first stages.
    pub nodes: Vec<Node>,
    /// In the order of the nodes they lead to, each pair of nodes at most once.
    edges: Vec<Edge>,
}

/// A stage, or all cells of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The stage's name, with its coordinates where every cell is a node.
    pub name: String,
    /// The stage's kind.
    pub kind: String,
    /// How many cells it stands for; 1 without matrix.
    pub cells: usize,
    is_published: bool,
}

/// How a node looks while its stage is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// One of the style's words for a state: `pending`, `waiting`, `running`, `done`, `known`, `failed`, `stopped`.
    pub class: &'static str,
    /// What stands below the name, a few words.
    pub caption: String,
}

/// One node feeds another or must come before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    from: usize,
    to: usize,
    /// Names of the outputs that flow; empty for mere order.
    outputs: Vec<String>,
}

impl Edge {
    fn is_order(&self) -> bool {
        self.outputs.is_empty()
    }
}

impl Node {
    /// `search · 12 cells`.
    fn caption(&self) -> String {
        match self.cells {
            1 => self.kind.clone(),
            n => format!("{} · {}", self.kind, wording::count(n, "cell")),
        }
    }
}

impl Graph {
    /// The graph of a study; `cells` makes every cell of a matrix stage a node.
    #[must_use]
    pub fn of(study: &Study, cells: bool) -> Self {
        let mut graph =
            Self { title: study.pipeline.name.clone(), nodes: Vec::new(), edges: Vec::new() };
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut node_of = Vec::with_capacity(study.stages.len());
        for (index, stage) in study.iter() {
            let name = if cells { stage.id.to_string() } else { stage.id.name.clone() };
            let place = *places.entry(name.clone()).or_insert_with(|| {
                graph.nodes.push(Node {
                    name,
                    kind: stage.stage.kind().to_owned(),
                    cells: 0,
                    is_published: study.is_published(index),
                });
                graph.nodes.len() - 1
            });
            graph.nodes[place].cells += 1;
            node_of.push(place);
        }
        graph.connect(study, &node_of);
        graph
    }

    /// The picture with a face for each node.
    #[must_use]
    pub fn svg(&self, face: impl Fn(&Node) -> Face) -> String {
        let faces: Vec<Face> = self.nodes.iter().map(face).collect();
        svg::draw(self, Some(&faces))
    }

    fn connect(&mut self, study: &Study, node_of: &[usize]) {
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        let mut connect = |from: StageIndex, to: StageIndex, output: Option<&str>| {
            let pair = (node_of[from.0], node_of[to.0]);
            let place = *known.entry(pair).or_insert_with(|| {
                self.edges.push(Edge { from: pair.0, to: pair.1, outputs: Vec::new() });
                self.edges.len() - 1
            });
            let outputs = &mut self.edges[place].outputs;
            if let Some(output) = output.filter(|output| !outputs.iter().any(|o| o == output)) {
                outputs.push(output.to_owned());
            }
        };
        for (index, stage) in study.iter() {
            for feed in stage.inputs.iter().flat_map(|(_, feeds)| feeds) {
                connect(feed.stage, index, Some(&feed.output));
            }
            for &before in &stage.needs {
                connect(before, index, None);
            }
        }
        self.edges.sort_by_key(|edge| (edge.to, edge.from));
    }

    /// How many nodes lie before each one at most. Cells of two matrices may wait for each other in turn,
    /// so that their collapsed nodes form a ring: an edge against the order of nodes counts for nothing.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        for edge in self.edges.iter().filter(|edge| edge.from < edge.to) {
            depths[edge.to] = depths[edge.to].max(depths[edge.from] + 1);
        }
        depths
    }
}
