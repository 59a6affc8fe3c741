//! A study for a terminal: stages indented by how much lies before them.

use super::{Edge, Graph};

/// Most sources that a line lists: a gathering cell would read a hundred.
const LISTED_MAX: usize = 4;

/// A line for each node: name, kind, what it reads.
pub(super) fn draw(graph: &Graph) -> String {
    let depths = graph.depths();
    let names: Vec<String> = graph
        .nodes
        .iter()
        .zip(&depths)
        .map(|(node, depth)| format!("{}{}", "  ".repeat(*depth), node.name))
        .collect();
    let captions: Vec<String> = graph.nodes.iter().map(super::Node::caption).collect();
    let width = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max();
    let name_width = width(&names).unwrap_or_default();
    let caption_width = width(&captions).unwrap_or_default();
    let mut text = format!("{}\n\n", graph.title);
    for (place, (name, caption)) in names.iter().zip(&captions).enumerate() {
        let edges = graph.edges.iter().filter(|edge| edge.to == place);
        let (order, feeds): (Vec<&Edge>, Vec<&Edge>) = edges.partition(|edge| edge.is_order());
        let line = format!(
            "{name:name_width$}  {caption:caption_width$}{}{}",
            sources(graph, "  ← ", &feeds),
            sources(graph, "  after ", &order)
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `  ← leaves.data, leaves.test`; nothing without edges.
fn sources(graph: &Graph, head: &str, edges: &[&Edge]) -> String {
    let mut sources = Vec::new();
    for edge in edges {
        let name = &graph.nodes[edge.from].name;
        if edge.is_order() {
            sources.push(name.clone());
        }
        sources.extend(edge.outputs.iter().map(|output| format!("{name}.{output}")));
    }
    let more = match sources.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        n => format!(", {n} more"),
    };
    sources.truncate(LISTED_MAX);
    if sources.is_empty() { String::new() } else { format!("{head}{}{more}", sources.join(", ")) }
}
