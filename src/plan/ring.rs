//! Rings: stages that wait for each other.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::diagnostic::Diagnostic;
use crate::spec::Pipeline;

use super::findings::Findings;
use super::wire::{Wait, Wiring};

/// Edges run from a stage to those that wait for it.
type Graph = DiGraph<(), Wait>;

/// Finds the shortest ring through the first stage of every knot.
pub(super) fn check(pipeline: &Pipeline, wiring: &Wiring, findings: &mut Findings) {
    let graph = graph(wiring);
    let mut knots: Vec<Vec<NodeIndex>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .collect();
    for knot in &mut knots {
        knot.sort();
    }
    knots.sort();
    for knot in knots {
        findings.add_once(diagnostic(pipeline, &ring(&graph, &knot)));
    }
}

fn graph(wiring: &Wiring) -> Graph {
    let mut graph = Graph::new();
    let nodes: Vec<NodeIndex> = wiring.waits().map(|_| graph.add_node(())).collect();
    for (place, waits) in wiring.waits().enumerate() {
        for wait in waits {
            graph.add_edge(nodes[wait.on], nodes[place], *wait);
        }
    }
    graph
}

/// The shortest way from the knot's first stage back to it: who waits, and how.
fn ring(graph: &Graph, knot: &[NodeIndex]) -> Vec<(NodeIndex, Wait)> {
    let (first, members) = (knot[0], knot.iter().collect::<HashSet<_>>());
    let mut came_by: HashMap<NodeIndex, (NodeIndex, Wait)> = HashMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        if came_by.contains_key(&first) {
            break;
        }
        // petgraph walks edges newest first; the file's order is what a reader expects.
        let mut edges: Vec<_> = graph.edges(node).collect();
        edges.sort_by_key(EdgeRef::id);
        for edge in edges.into_iter().filter(|edge| members.contains(&edge.target())) {
            if let Entry::Vacant(unseen) = came_by.entry(edge.target()) {
                unseen.insert((node, *edge.weight()));
                queue.push_back(edge.target());
            }
        }
    }
    let mut ring = Vec::new();
    let mut node = first;
    loop {
        let (previous, wait) = came_by[&node];
        ring.push((node, wait));
        node = previous;
        if node == first {
            break;
        }
    }
    ring.reverse();
    ring
}

fn diagnostic(pipeline: &Pipeline, ring: &[(NodeIndex, Wait)]) -> Diagnostic {
    let name = |node: NodeIndex| pipeline.stages[node.index()].id.name.as_str();
    let verb = |wait: &Wait| if wait.reads { "reads" } else { "needs" };
    let message = if let [(node, wait)] = ring {
        format!("stage `{}` {} itself", name(*node), verb(wait))
    } else {
        let nodes = || ring.iter().map(|&(node, _)| node);
        let way: Vec<String> =
            nodes().next_back().into_iter().chain(nodes()).map(name).map(quoted).collect();
        format!("stages wait for each other in a ring: {}", way.join(" → "))
    };
    let mut diagnostic = Diagnostic::error("plan::cycle", message);
    for (node, wait) in ring {
        let what = format!("`{}` {} `{}`", name(*node), verb(wait), name(NodeIndex::new(wait.on)));
        diagnostic = diagnostic.label(wait.span, what);
    }
    diagnostic.help("take one of these references away")
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}
