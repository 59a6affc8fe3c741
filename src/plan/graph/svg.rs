//! A study as a picture: boxes in columns, arrows between them, in light and dark.

use super::layout::{Spacing, lay_out};
use super::{Edge, Face, Graph, Node};

/// Around everything.
const MARGIN: f64 = 24.0;
/// Between a box' edge and its words.
const PADDING: f64 = 14.0;
/// Widths of a letter of names (13 px, bold) and captions (11 px); fonts differ, so rather more.
const NAME_LETTER: f64 = 8.3;
const CAPTION_LETTER: f64 = 6.4;
const SPACING: Spacing = Spacing { height: 46.0, row_gap: 18.0, column_gap: 70.0 };
/// How far the box behind a stack of cells peeks out.
const STACK: f64 = 4.0;

/// Colours follow the reader's scheme; the system's own font needs no file.
const STYLE: &str = "\
    text { font-family: system-ui, 'DejaVu Sans', 'Segoe UI', sans-serif; fill: #1c2733; }
    .name { font-size: 13px; font-weight: 600; }
    .caption { font-size: 11px; fill: #5a6b7b; }
    .box { fill: #f4f8f4; stroke: #6b8f71; stroke-width: 1.2; }
    .published { fill: #e2f0e4; stroke: #3f7d4a; stroke-width: 1.8; }
    .edge { fill: none; stroke: #8696a5; stroke-width: 1.3; }
    .order { stroke-dasharray: 5 4; }
    .head { fill: #8696a5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e3e9ee; }
      .caption { fill: #9fb0bf; }
      .box { fill: #202b25; stroke: #6b8f71; }
      .published { fill: #24402b; stroke: #7fc08c; }
      .edge { stroke: #7d8c99; }
      .head { fill: #7d8c99; }
    }
";

/// Colours of states, which words in the captions tell apart, too.
const FACES: &str = "\
    .pending { stroke-dasharray: 4 4; fill: none; }
    .running { fill: #e3f1fa; stroke: #0072b2; stroke-width: 2.2; }
    .known { fill: #eef0f2; stroke: #8696a5; }
    .failed { fill: #fbe9e0; stroke: #c2410c; stroke-width: 2.2; }
    .stopped, .waiting { fill: #fdf4dc; stroke: #946800; }
    @media (prefers-color-scheme: dark) {
      .pending { fill: none; }
      .running { fill: #15344a; stroke: #58b4ec; }
      .known { fill: #262c32; stroke: #7d8c99; }
      .failed { fill: #46240f; stroke: #ff9a62; }
      .stopped, .waiting { fill: #3a2f10; stroke: #e5bd4a; }
    }
";
/// Letters of a caption for which a box with a face has room, so that boxes stand still while words change.
const FACE_LETTERS: f64 = 24.0;

/// The picture; with `faces` nodes look as these say.
pub(super) fn draw(graph: &Graph, faces: Option<&[Face]>) -> String {
    let least = if faces.is_some() { FACE_LETTERS * CAPTION_LETTER } else { 0.0 };
    let widths: Vec<f64> = graph.nodes.iter().map(|node| width(node, least)).collect();
    let edges: Vec<(usize, usize)> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = lay_out(&widths, &graph.depths(), &edges, SPACING);
    let (width, height) = (layout.size.0 + 2.0 * MARGIN, layout.size.1 + 2.0 * MARGIN);
    let mut lines = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        ),
        format!("  <title>{}</title>", escaped(&graph.title)),
        format!("  <style>\n{STYLE}{}  </style>", if faces.is_some() { FACES } else { "" }),
        "  <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path class=\"head\" d=\"M0 0 8 4 0 8Z\"/>\
         </marker></defs>"
            .to_owned(),
        format!("  <g transform=\"translate({MARGIN} {MARGIN})\">"),
    ];
    for (edge, path) in graph.edges.iter().zip(&layout.paths) {
        lines.push(arrow(graph, edge, path));
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        let face = faces.map(|faces| &faces[place]);
        lines.extend(boxed(node, face, layout.boxes[place], widths[place]));
    }
    lines.push("  </g>\n</svg>\n".to_owned());
    lines.join("\n")
}

/// Room for the words, at least `least` for the caption.
fn width(node: &Node, least: f64) -> f64 {
    let letters = |text: &str, letter: f64| text.chars().map(|_| letter).sum::<f64>();
    let name = letters(&node.name, NAME_LETTER);
    name.max(letters(&node.caption(), CAPTION_LETTER)).max(least) + 2.0 * PADDING
}

/// Curves from lane to lane that leave and arrive level.
fn arrow(graph: &Graph, edge: &Edge, path: &[(f64, f64)]) -> String {
    let (x, y) = path[0];
    let curve = |pair: &[(f64, f64)]| {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        let middle = f64::midpoint(x1, x2);
        format!(" C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}")
    };
    let curves: String = path.windows(2).map(curve).collect();
    let d = format!("M{x:.1} {y:.1}{curves}");
    let (class, what) = if edge.is_order() {
        ("edge order", "before".to_owned())
    } else {
        ("edge", edge.outputs.join(", "))
    };
    let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
    let title = escaped(&format!("{from} → {to}: {what}"));
    format!(
        "    <path class=\"{class}\" marker-end=\"url(#head)\" d=\"{d}\"><title>{title}</title></path>"
    )
}

/// The box and its words; a second box behind it where it stands for many.
fn boxed(node: &Node, face: Option<&Face>, (x, middle): (f64, f64), width: f64) -> Vec<String> {
    let (y, height) = (middle - SPACING.height / 2.0, SPACING.height);
    let class = match face {
        Some(face) => format!("box {}", face.class),
        None if node.is_published => "box published".to_owned(),
        None => "box".to_owned(),
    };
    let rectangle = |x: f64, y: f64| {
        format!(
            "    <rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             rx=\"8\"/>"
        )
    };
    let word = |class: &str, y: f64, text: &str| {
        let x = x + PADDING;
        format!("    <text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text))
    };
    let mut lines = Vec::new();
    if node.cells > 1 {
        lines.push(rectangle(x + STACK, y - STACK));
    }
    lines.push(rectangle(x, y));
    lines.push(word("name", middle - 3.0, &node.name));
    let caption = face.map_or_else(|| node.caption(), |face| face.caption.clone());
    lines.push(word("caption", middle + 14.0, &caption));
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
