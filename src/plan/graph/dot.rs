//! A study in Graphviz' language.
//!
//! Not `petgraph::dot`: it draws node weights only, and ours have a caption, a shape and cells.

use super::Graph;

/// The graph, from left to right.
pub(super) fn draw(graph: &Graph) -> String {
    let mut lines = vec![
        format!("digraph \"{}\" {{", escaped(&graph.title)),
        "    rankdir=LR;".to_owned(),
        "    node [shape=box, style=rounded, fontname=\"sans-serif\"];".to_owned(),
        "    edge [fontname=\"sans-serif\", fontsize=10];".to_owned(),
    ];
    for (place, node) in graph.nodes.iter().enumerate() {
        let label = format!("{}\\n{}", escaped(&node.name), escaped(&node.caption()));
        let twice = if node.cells > 1 { ", peripheries=2" } else { "" };
        lines.push(format!("    s{place} [label=\"{label}\"{twice}];"));
    }
    for edge in &graph.edges {
        let style = if edge.is_order() {
            "style=dashed".to_owned()
        } else {
            format!("label=\"{}\"", escaped(&edge.outputs.join(", ")))
        };
        lines.push(format!("    s{} -> s{} [{style}];", edge.from, edge.to));
    }
    lines.push("}".to_owned());
    lines.join("\n") + "\n"
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
