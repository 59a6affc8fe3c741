//! A study as a Mermaid flow chart, which Markdown viewers draw.

use super::Graph;

/// The chart, from left to right.
pub(super) fn draw(graph: &Graph) -> String {
    let mut lines = vec!["flowchart LR".to_owned()];
    for (place, node) in graph.nodes.iter().enumerate() {
        // Two strokes at the sides for a box that stands for many.
        let (open, close) = if node.cells > 1 { ("[[", "]]") } else { ("[", "]") };
        let label = format!("<b>{}</b><br/>{}", escaped(&node.name), escaped(&node.caption()));
        lines.push(format!("    s{place}{open}\"{label}\"{close}"));
    }
    for edge in &graph.edges {
        let arrow = if edge.is_order() {
            "-.->".to_owned()
        } else {
            format!("-->|\"{}\"|", escaped(&edge.outputs.join(", ")))
        };
        lines.push(format!("    s{} {arrow} s{}", edge.from, edge.to));
    }
    lines.join("\n") + "\n"
}

/// Text in Mermaid's quotes: entities are written with `#`.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
        .replace('`', "#96;")
}
