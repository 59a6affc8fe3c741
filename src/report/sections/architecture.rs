//! The chosen network drawn as layers with sizes.
//!
//! Normalisation, rectifiers and dropout are drawn with the layer they follow: they change no shape, and
//! a network reads as its convolutions, pools and dense layers.

use super::{Study, figure_name, headed};
use crate::net::{Network, Node, Op};
use crate::report::document::Block;
use crate::report::findings::Finals;
use crate::report::plot::{Anchor, Figure, Svg, clipped};
use crate::report::table::{Cell, Table};
use crate::report::words;

/// Height of a layer's row.
const ROW: f64 = 46.0;
/// Room above the first row.
const TOP: f64 = 26.0;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let drawn: Vec<(&Finals, &Network)> = study
        .findings
        .finals
        .iter()
        .filter_map(|finals| finals.network.as_ref().map(|network| (finals, network)))
        .collect();
    let many = drawn.len() > 1;
    let part = |(i, (finals, network)): (usize, &(&Finals, &Network))| {
        headed(&finals.label, many, one(network, i))
    };
    drawn.iter().enumerate().flat_map(part).collect()
}

fn one(network: &Network, index: usize) -> Vec<Block> {
    let layers = layers(network);
    let caption = format!(
        "{} parameters and {} multiply-adds for one image. Each box is the layer's output: its width \
         is the side of the map, its shade the number of channels.",
        words::large(network.parameters()),
        words::large(network.multiply_adds())
    );
    let figure = Figure {
        name: figure_name("architecture", index),
        title: "Layers of the chosen network".to_owned(),
        caption,
        wide: draw(&layers, 760),
        narrow: Some(draw(&layers, 380)),
    };
    let table = vec![Block::Table(table(network))];
    vec![Block::Figure(figure), Block::Folded("Every operation with its size".to_owned(), table)]
}

/// A row of the drawing.
struct Layer<'a> {
    node: &'a Node,
    words: String,
    parameters: u64,
    multiply_adds: u64,
    /// Paths of what it reads, when that is not simply the row above.
    reads: Option<String>,
}

fn layers(network: &Network) -> Vec<Layer<'_>> {
    let mut layers: Vec<Layer<'_>> = Vec::new();
    // For each node the row that it became part of.
    let mut rows: Vec<usize> = Vec::new();
    for node in network.nodes() {
        let sources: Vec<usize> = node.inputs.iter().map(|input| rows[input.0]).collect();
        let (parameters, multiply_adds) =
            (network.node_parameters(node), network.node_multiply_adds(node));
        let last = layers.len().wrapping_sub(1);
        if is_companion(node.op) && sources == [last] {
            let layer = &mut layers[last];
            layer.words = format!("{}, {}", layer.words, words_of(node));
            layer.parameters += parameters;
            layer.multiply_adds += multiply_adds;
            rows.push(last);
            continue;
        }
        let follows = sources.is_empty() || sources == [last];
        let reads = (!follows).then(|| {
            let paths: Vec<&str> =
                node.inputs.iter().map(|&input| network.node(input).path.as_str()).collect();
            format!("reads {}", paths.join(", "))
        });
        rows.push(layers.len());
        layers.push(Layer { node, words: words_of(node), parameters, multiply_adds, reads });
    }
    layers
}

/// Whether it changes numbers but no shape, and reads best with the layer before it.
fn is_companion(op: Op) -> bool {
    matches!(op, Op::BatchNorm | Op::Relu | Op::Dropout { .. })
}

fn words_of(node: &Node) -> String {
    let square = |(rows, columns): (usize, usize)| format!("{rows} × {columns}");
    let stride = |(rows, columns): (usize, usize)| match (rows, columns) {
        (1, 1) => String::new(),
        (a, b) if a == b => format!(", stride {a}"),
        (a, b) => format!(", stride {a} × {b}"),
    };
    match node.op {
        Op::Input => "image".to_owned(),
        Op::Conv { filters, window, dilation, .. } => {
            let dilated =
                if dilation > 1 { format!(", dilation {dilation}") } else { String::new() };
            format!(
                "convolution {}, {filters} filters{}{dilated}",
                square(window.kernel),
                stride(window.stride)
            )
        }
        Op::Depthwise { window } => {
            format!("depthwise {}{}", square(window.kernel), stride(window.stride))
        }
        Op::BatchNorm => "batch norm".to_owned(),
        Op::Relu => "ReLU".to_owned(),
        Op::MaxPool { window } => {
            format!("max pool {}{}", square(window.kernel), stride(window.stride))
        }
        Op::AvgPool { window } => {
            format!("average pool {}{}", square(window.kernel), stride(window.stride))
        }
        Op::GlobalAvgPool => "global average pool".to_owned(),
        Op::Flatten => "flatten".to_owned(),
        Op::Dense { units } => format!("dense, {units} units"),
        Op::Dropout { rate } => format!("dropout {:.0} %", rate * 100.0),
        Op::Add => "add".to_owned(),
        Op::Concat => "concatenate".to_owned(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn draw(layers: &[Layer<'_>], width: u32) -> Svg {
    let is_wide = width > 500;
    let mut svg = Svg::new(width, (TOP + layers.len() as f64 * ROW + 8.0) as u32);
    let map_width = if is_wide { 150.0 } else { 84.0 };
    let (middle, words_at) = (4.0 + map_width / 2.0, map_width + 24.0);
    let share_at = f64::from(width) - 190.0;
    let words_end = if is_wide { share_at - 16.0 } else { f64::from(width) - 4.0 };
    let side = layers.iter().map(|layer| side(layer)).max().unwrap_or(1) as f64;
    let channels = layers.iter().map(|layer| layer.node.shape.channels).max().unwrap_or(1) as f64;
    let heaviest = layers.iter().map(|layer| layer.parameters).max().unwrap_or(0).max(1) as f64;
    svg.text("name", (middle, 14.0), Anchor::Middle, "output");
    svg.text("name", (words_at, 14.0), Anchor::Start, "layer");
    if is_wide {
        svg.text("name", (share_at, 14.0), Anchor::Start, "parameters");
    }
    for (i, layer) in layers.iter().enumerate() {
        let y = TOP + i as f64 * ROW;
        let box_width = (map_width * (side_share(layer, side))).max(8.0);
        if i > 0 {
            svg.line("edge", (middle, y - ROW + 36.0), (middle, y + 6.0));
        }
        let shade = 0.15 + 0.7 * (layer.node.shape.channels as f64 / channels).sqrt();
        let corner = (middle - box_width / 2.0, y + 6.0);
        svg.rect("map", corner, (box_width, 30.0), shade);
        let words = clipped(&layer.words, 13.0, words_end - words_at);
        svg.text("layer", (words_at, y + 18.0), Anchor::Start, &words);
        let mut below = words::shape(layer.node.shape);
        if !is_wide && layer.parameters > 0 {
            below = format!("{below}; {} parameters", words::large(layer.parameters));
        }
        if let Some(reads) = &layer.reads {
            below = format!("{below}; {reads}");
        }
        svg.text(
            "small",
            (words_at, y + 34.0),
            Anchor::Start,
            &clipped(&below, 11.0, words_end - words_at),
        );
        if is_wide && layer.parameters > 0 {
            let length = (110.0 * layer.parameters as f64 / heaviest).max(1.0);
            svg.rect("bar", (share_at, y + 13.0), (length, 14.0), 1.0);
            let at = (share_at + length + 6.0, y + 24.0);
            svg.text("small", at, Anchor::Start, &words::large(layer.parameters));
        }
    }
    svg
}

fn side(layer: &Layer<'_>) -> usize {
    layer.node.shape.height.max(layer.node.shape.width)
}

#[expect(clippy::cast_precision_loss, reason = "sides of images")]
fn side_share(layer: &Layer<'_>, largest: f64) -> f64 {
    side(layer) as f64 / largest
}

fn table(network: &Network) -> Table {
    let columns = ["name", "operation", "output", "#parameters", "#multiply-adds"];
    let mut table = Table::new("Operations in order", &columns);
    for node in network.nodes() {
        table.row(vec![
            Cell::code(&node.path),
            Cell::text(words_of(node)),
            Cell::text(words::shape(node.shape)),
            Cell::count(network.node_parameters(node)),
            Cell::count(network.node_multiply_adds(node)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Builder, Shape, Window};

    #[test]
    fn companions_join_their_layer_and_branches_name_what_they_read() {
        let mut net = Builder::new(Shape { channels: 3, height: 8, width: 8 });
        let window = Window::same(3, 1, 8);
        let conv = Op::Conv { filters: 4, window, dilation: 1, bias: true };
        let a = net.add("conv0", conv, &[net.image()]);
        let b = net.add("conv0.relu", Op::Relu, &[a]);
        let c = net.add("conv1", Op::Conv { filters: 4, window, dilation: 1, bias: false }, &[b]);
        let sum = net.add("sum", Op::Add, &[b, c]);
        net.add("sum.relu", Op::Relu, &[sum]);
        let network = net.finish();
        let shown: Vec<(String, Option<String>)> =
            layers(&network).into_iter().map(|layer| (layer.words, layer.reads)).collect();
        let expected = [
            ("image", None),
            ("convolution 3 × 3, 4 filters, ReLU", None),
            ("convolution 3 × 3, 4 filters", None),
            ("add, ReLU", Some("reads conv0.relu, conv1".to_owned())),
        ];
        assert_eq!(shown, expected.map(|(words, reads)| (words.to_owned(), reads)));
    }
}
