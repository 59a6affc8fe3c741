//! The chosen network drawn as layers with sizes, or as the cells that it is made of.
//!
//! Normalisation, rectifiers and dropout are drawn with the layer they follow: they change no shape, and
//! a network reads as its convolutions, pools and dense layers.

mod cells;
mod diagram;

use std::borrow::Cow;

use super::{Study, figure_name, headed, spaces};
use crate::net::{Diagram, Drawing, Network, Node, Op};
use crate::report::document::Block;
use crate::report::findings::Finals;
use crate::report::plot::{Anchor, Figure, Svg, clipped};
use crate::report::table::{Cell, Table};
use crate::report::words;

/// Letters of a diagram's title.
const TITLE_MAX: usize = 60;
/// Letters of a genotype in its text form.
const GENOTYPE_MAX: usize = 4000;
/// Room above the first row.
const TOP: f64 = 26.0;

/// Networks drawn beside the best.
const MORE: usize = 4;
/// Operations of a network that are listed one by one in a page.
const LISTED: usize = 400;

/// A network to be drawn.
struct Shown<'a> {
    /// Which it is: `chosen`, `best`, `next`.
    which: &'static str,
    genotype: &'a str,
    network: Cow<'a, Network>,
    drawing: Cow<'a, Drawing>,
}

/// The section: the chosen networks, or the best one where none was trained in full; then the next best.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let mut drawn: Vec<(&str, Shown<'_>)> = study
        .findings
        .finals
        .iter()
        .filter_map(|one| Some((one.label.as_str(), chosen(one)?)))
        .collect();
    let mut rest = top(study);
    if drawn.is_empty() && !rest.is_empty() {
        drawn.push(("best", Shown { which: "best", ..rest.remove(0) }));
    } else {
        rest.retain(|other| drawn.iter().all(|(_, shown)| shown.genotype != other.genotype));
    }
    rest.truncate(MORE);
    let many = drawn.len() > 1;
    let mut blocks = Vec::new();
    for (i, (label, shown)) in drawn.iter().enumerate() {
        let mut one = one(shown, i);
        one.extend(listed(&shown.network).map(|table| {
            Block::Folded("Every operation with its size".to_owned(), vec![Block::Table(table)])
        }));
        blocks.extend(headed(label, many, one));
    }
    let next: Vec<Block> =
        rest.iter().enumerate().flat_map(|(i, shown)| one(shown, drawn.len() + i)).collect();
    if !next.is_empty() {
        blocks.push(Block::Folded("The next best networks of the search".to_owned(), next));
    }
    blocks
}

fn chosen(finals: &Finals) -> Option<Shown<'_>> {
    let network = Cow::Borrowed(finals.network.as_ref()?);
    let drawing = Cow::Borrowed(&finals.drawing);
    let genotype = &finals.summary.chosen.genotype;
    Some(Shown { which: "chosen", genotype, network, drawing })
}

/// The first networks of the first ranking, built from their texts where the space is known here.
fn top<'a>(study: &'a Study<'_>) -> Vec<Shown<'a>> {
    let Some(ranking) = study.rankings.first() else { return Vec::new() };
    let cards = study.findings.searches.iter().map(|search| &search.card);
    let card = cards.into_iter().find(|card| card.space == ranking.space);
    let Some(space) = card.and_then(spaces::open) else { return Vec::new() };
    let built = |genotype: &'a str| {
        let read = space.parse(genotype).ok()?;
        let (network, drawing) = (space.network(&read), space.drawing(&read));
        let (network, drawing) = (Cow::Owned(network), Cow::Owned(drawing));
        Some(Shown { which: "next", genotype, network, drawing })
    };
    let first = ranking.networks.iter().take(MORE + 1);
    first.filter_map(|network| built(&network.genotype)).collect()
}

fn one(shown: &Shown<'_>, index: usize) -> Vec<Block> {
    let sizes = format!(
        "{} parameters and {} multiply-adds for one image.",
        words::large(shown.network.parameters()),
        words::large(shown.network.multiply_adds())
    );
    let figures = if cells::fits(&shown.drawing.diagrams) {
        vec![Block::Figure(of_cells(shown, &sizes, index))]
    } else if shown.drawing.diagrams.is_empty() {
        vec![Block::Figure(of_layers(shown, &sizes, index))]
    } else {
        of_diagrams(shown, &sizes, index)
    };
    let text = Block::Copy(words::cut(shown.genotype, GENOTYPE_MAX));
    figures.into_iter().chain([text]).collect()
}

/// Cells side by side.
fn of_cells(shown: &Shown<'_>, sizes: &str, index: usize) -> Figure {
    let diagrams = &shown.drawing.diagrams;
    Figure {
        name: figure_name("architecture", index),
        title: shown.title("Cells"),
        caption: format!(
            "{sizes} From the bottom: the outputs of the last two cells, operations on them, and sums (+) or \
             concatenations (∪), numbered as in the text form."
        ),
        wide: cells::draw(diagrams, 1048, diagrams.len() == 2),
        narrow: Some(cells::draw(diagrams, 360, false)),
    }
}

impl Shown<'_> {
    /// `Cells of the best network`.
    fn title(&self, what: &str) -> String {
        format!("{what} of the {} network", self.which)
    }
}

/// The table of all operations, unless there are too many to read.
fn listed(network: &Network) -> Option<Table> {
    (network.nodes().len() <= LISTED).then(|| table(network))
}

/// All layers, one below the other.
fn of_layers(shown: &Shown<'_>, sizes: &str, index: usize) -> Figure {
    let layers = layers(&shown.network);
    Figure {
        name: figure_name("architecture", index),
        title: shown.title("Layers"),
        caption: format!(
            "{sizes} Each box is the layer's output: its width is the side of the map, its shade the \
             number of channels."
        ),
        wide: draw(&layers, 760),
        narrow: Some(draw(&layers, 380)),
    }
}

/// The diagrams, one figure each.
fn of_diagrams(shown: &Shown<'_>, sizes: &str, index: usize) -> Vec<Block> {
    let figure = |(place, diagram): (usize, &Diagram)| {
        let name =
            if place == 0 { "architecture".to_owned() } else { format!("architecture-{place}") };
        Block::Figure(Figure {
            name: figure_name(&name, index),
            title: shown.title(&words::cut(&diagram.title, TITLE_MAX)),
            caption: format!(
                "{sizes} Each box is a feature map, named by its number, and what makes it of earlier \
                 ones."
            ),
            wide: diagram::draw(diagram, 760),
            narrow: Some(diagram::draw(diagram, 380)),
        })
    };
    shown.drawing.diagrams.iter().enumerate().map(figure).collect()
}

/// A row of the drawing.
struct Layer<'a> {
    node: &'a Node,
    words: String,
    /// What follows it without changing a shape.
    companions: Vec<String>,
    parameters: u64,
    /// Paths of what it reads, when that is not simply the row above.
    reads: Option<String>,
}

fn layers(network: &Network) -> Vec<Layer<'_>> {
    let mut layers: Vec<Layer<'_>> = Vec::new();
    // For each node the row that it became part of.
    let mut rows: Vec<usize> = Vec::new();
    for node in network.nodes() {
        let sources: Vec<usize> = node.inputs.iter().map(|input| rows[input.0]).collect();
        let parameters = network.node_parameters(node);
        let last = layers.len().wrapping_sub(1);
        if is_companion(node.op) && sources == [last] {
            let layer = &mut layers[last];
            layer.companions.push(words_of(node));
            layer.parameters += parameters;
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
        let (words, companions) = (words_of(node), Vec::new());
        layers.push(Layer { node, words, companions, parameters, reads });
    }
    layers
}

/// Whether it changes numbers but no shape, and reads best with the layer before it.
fn is_companion(op: Op) -> bool {
    matches!(op, Op::BatchNorm | Op::Relu | Op::Dropout { .. } | Op::DropPath { .. })
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
        Op::Dropout { rate } => format!("dropout {}", (rate * 1000.0).round() / 1000.0),
        Op::DropPath { .. } => "drop path".to_owned(),
        Op::Pad { .. } => "pad".to_owned(),
        Op::Add => "add".to_owned(),
        Op::Concat => "concatenate".to_owned(),
    }
}

/// Sizes of a drawing.
struct Sheet {
    is_wide: bool,
    /// Height of a layer's row.
    row: f64,
    /// Width of the largest map.
    map: f64,
    /// Where words begin and end.
    words: (f64, f64),
    /// Where bars of parameters begin.
    bars: f64,
}

impl Sheet {
    fn new(width: u32) -> Self {
        let (width, is_wide) = (f64::from(width), width > 500);
        let bars = width - 190.0;
        if is_wide {
            Self { is_wide, row: 46.0, map: 150.0, words: (174.0, bars - 16.0), bars }
        } else {
            Self { is_wide, row: 58.0, map: 84.0, words: (104.0, width - 4.0), bars }
        }
    }

    /// Lines of words beside a map: the layer first, its companions and sizes below.
    fn lines(&self, layer: &Layer<'_>) -> Vec<String> {
        let mut size = words::shape(layer.node.shape);
        if let Some(reads) = &layer.reads {
            size = format!("{size}; {reads}");
        }
        let companions = layer.companions.join(", ");
        if self.is_wide {
            let joint = if companions.is_empty() { "" } else { "; " };
            return vec![layer.words.clone(), format!("{size}{joint}{companions}")];
        }
        if layer.parameters > 0 {
            size = format!("{size}; {} parameters", words::large(layer.parameters));
        }
        let lines = [layer.words.clone(), companions, size];
        lines.into_iter().filter(|line| !line.is_empty()).collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn draw(layers: &[Layer<'_>], width: u32) -> Svg {
    let sheet = Sheet::new(width);
    let mut svg = Svg::new(width, (TOP + layers.len() as f64 * sheet.row + 8.0) as u32);
    let middle = 4.0 + sheet.map / 2.0;
    svg.text("name", (middle, 14.0), Anchor::Middle, "output");
    svg.text("name", (sheet.words.0, 14.0), Anchor::Start, "layer");
    if sheet.is_wide {
        svg.text("name", (sheet.bars, 14.0), Anchor::Start, "parameters");
    }
    let largest = layers.iter().map(side).max().unwrap_or(1) as f64;
    // A flattened map has so many numbers that beside it all real maps would look empty.
    let maps = layers.iter().filter(|layer| side(layer) > 1);
    let channels = maps.map(|layer| layer.node.shape.channels).max().unwrap_or(1) as f64;
    let heaviest = layers.iter().map(|layer| layer.parameters).max().unwrap_or(0).max(1) as f64;
    for (i, layer) in layers.iter().enumerate() {
        let y = TOP + i as f64 * sheet.row;
        if i > 0 {
            svg.line("edge", (middle, y + 36.0 - sheet.row), (middle, y + 6.0));
        }
        let box_width = (sheet.map * side(layer) as f64 / largest).max(8.0);
        let shade = 0.1 + 0.7 * (layer.node.shape.channels as f64 / channels).min(1.0).sqrt();
        svg.rect("map", (middle - box_width / 2.0, y + 6.0), (box_width, 30.0), shade);
        let room = sheet.words.1 - sheet.words.0;
        for (line, words) in sheet.lines(layer).iter().enumerate() {
            let (class, size) = if line == 0 { ("layer", 13.0) } else { ("small", 11.0) };
            let at = (sheet.words.0, y + 18.0 + line as f64 * 15.0);
            svg.text(class, at, Anchor::Start, &clipped(words, size, room));
        }
        if sheet.is_wide && layer.parameters > 0 {
            let length = (110.0 * layer.parameters as f64 / heaviest).max(1.0);
            svg.rect("bar", (sheet.bars, y + 13.0), (length, 14.0), 1.0);
            let at = (sheet.bars + length + 6.0, y + 24.0);
            svg.text("small", at, Anchor::Start, &words::large(layer.parameters));
        }
    }
    svg
}

fn side(layer: &Layer<'_>) -> usize {
    layer.node.shape.height.max(layer.node.shape.width)
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
        let sheet = Sheet::new(760);
        let shown: Vec<String> =
            layers(&network).iter().map(|layer| sheet.lines(layer).join(" | ")).collect();
        let expected = [
            "image | 8 × 8 × 3",
            "convolution 3 × 3, 4 filters | 8 × 8 × 4; ReLU",
            "convolution 3 × 3, 4 filters | 8 × 8 × 4",
            "add | 8 × 8 × 4; reads conv0.relu, conv1; ReLU",
        ];
        assert_eq!(shown, expected);
    }
}
