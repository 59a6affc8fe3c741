//! `PyTorch`: a page of Python that a person can read, and the weights that it loads.
//!
//! Layers with weights are modules, the rest is written out in `forward`. A value that only the next line reads is
//! called `x`; the others have the names of their layers.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::ExportError;
use super::graph::{Graph, Step, Value, Work};
use crate::net::Window;
use crate::results::{CONTRAST_BIAS, Fit, Scaling, Signature, Values, tensors_file};

/// A network for `PyTorch`, in two files that lie side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyTorch {
    /// `model.py`.
    pub script: String,
    /// `weights.safetensors`, in `PyTorch`'s layout and under the names of the script.
    pub weights: Vec<u8>,
}

/// The page.
#[derive(Template)]
#[template(path = "model.py", config = "src/export/templates/askama.toml", escape = "none")]
struct Page<'a> {
    title: String,
    classes: String,
    height: usize,
    width: usize,
    channels: usize,
    crops: bool,
    scaling: &'a Scaling,
    has_mean_pool: bool,
    networks: Vec<Class>,
}

/// A network as a class.
struct Class {
    title: String,
    /// Its attribute in the model.
    name: String,
    /// Lines of its constructor.
    layers: Vec<String>,
    /// Lines of its `forward`.
    forward: Vec<String>,
    /// By the name in the class.
    weights: BTreeMap<String, Values>,
}

/// The page and the weights of these networks.
pub(super) fn page(graphs: &[Graph], signature: &Signature) -> Result<PyTorch, ExportError> {
    let networks: Vec<Class> = (1..)
        .zip(graphs)
        .map(|(number, graph)| {
            let number = if graphs.len() == 1 { String::new() } else { number.to_string() };
            Class::of(graph, format!("Network{number}"), format!("network{number}"))
        })
        .collect();
    let named = networks.iter().flat_map(|class| {
        let name = |(name, values)| (format!("{}.{name}", class.name), values);
        class.weights.iter().map(name)
    });
    let weights = tensors_file(&named.collect()).map_err(ExportError::Serialize)?;
    let is_lopsided =
        |step: &Step| matches!(step.work, Work::AvgPool(window) if pads(window, true).is_none());
    let page = Page {
        title: match graphs.len() {
            1 => "A network".to_owned(),
            several => format!("An ensemble of {several} networks"),
        },
        classes: signature.classes.iter().map(|name| text(name)).collect::<Vec<_>>().join(", "),
        height: signature.image.height,
        width: signature.image.width,
        channels: signature.image.channels,
        crops: signature.fit == Fit::Crop,
        scaling: &signature.scaling,
        has_mean_pool: graphs.iter().flat_map(|graph| &graph.steps).any(is_lopsided),
        networks,
    };
    let script = page.render().expect("BUG: the template writes into a string");
    Ok(PyTorch { script, weights })
}

impl Class {
    fn of(graph: &Graph, title: String, name: String) -> Self {
        let names = names(graph);
        let results = results(graph, &names);
        let mut this =
            Self { title, name, layers: Vec::new(), forward: Vec::new(), weights: BTreeMap::new() };
        for (place, step) in graph.steps.iter().enumerate() {
            let inputs: Vec<&str> = step
                .inputs
                .iter()
                .map(|input| match input {
                    Value::Images => "images",
                    Value::Of(step) => results[*step].as_str(),
                })
                .collect();
            let expression = this.expression(&step.work, &names[place], &inputs);
            if section(graph, place) != place.checked_sub(1).and_then(|last| section(graph, last)) {
                this.forward.extend(section(graph, place).map(|name| format!("# {}", word(name))));
            }
            this.forward.push(format!("{} = {expression}", results[place]));
        }
        this.forward.push(format!("return {}", results[results.len() - 1]));
        this
    }

    /// What a step computes; its layer and weights are put down where it has any.
    fn expression(&mut self, work: &Work, name: &str, inputs: &[&str]) -> String {
        let x = inputs[0];
        match work {
            Work::Conv { weight, bias, window, dilation, groups } => {
                let (channels, filters) = (weight.shape[1] * groups, weight.shape[0]);
                let mut arguments = vec![channels.to_string(), filters.to_string()];
                arguments.push(pair(window.kernel));
                arguments.extend(keyword("stride", &pair(window.stride), "1"));
                let pads = pads(*window, false);
                arguments.extend(pads.and_then(|pads| keyword("padding", &pair(pads), "0")));
                arguments.extend(keyword("dilation", &dilation.to_string(), "1"));
                arguments.extend(keyword("groups", &groups.to_string(), "1"));
                arguments.extend(bias.is_none().then(|| "bias=False".to_owned()));
                self.layer(name, &format!("nn.Conv2d({})", arguments.join(", ")));
                self.weigh(name, &[("weight", Some(weight)), ("bias", bias.as_ref())]);
                let padded = || format!("F.pad({x}, {})", four_pads(*window));
                format!("self.{name}({})", if pads.is_some() { x.to_owned() } else { padded() })
            }
            Work::Dense { weight, bias } => {
                let (units, len) = (weight.shape[0], weight.shape[1]);
                self.layer(name, &format!("nn.Linear({len}, {units})"));
                self.weigh(name, &[("weight", Some(weight)), ("bias", Some(bias))]);
                format!("self.{name}({x})")
            }
            Work::BatchNorm { scale, shift, mean, variance } => {
                self.layer(name, &format!("nn.BatchNorm2d({}, eps=1e-3)", scale.values.len()));
                let running = [("running_mean", Some(mean)), ("running_var", Some(variance))];
                let affine = [("weight", Some(scale)), ("bias", Some(shift))];
                self.weigh(name, &[affine, running].concat());
                format!("self.{name}({x})")
            }
            Work::Add => inputs.join(" + "),
            Work::Concat => format!("torch.cat([{}], 1)", inputs.join(", ")),
            other => plain(other, x),
        }
    }

    fn layer(&mut self, name: &str, module: &str) {
        self.layers.push(format!("self.{name} = {module}"));
    }

    fn weigh(&mut self, name: &str, tensors: &[(&str, Option<&Values>)]) {
        for (part, values) in tensors {
            if let Some(values) = values {
                self.weights.insert(format!("{name}.{part}"), (*values).clone());
            }
        }
    }
}

/// The cell or block that a step belongs to: the first part of its name, where that has several.
fn section(graph: &Graph, place: usize) -> Option<&str> {
    graph.steps[place].name.split_once('.').map(|(section, _)| section)
}

/// What a step without weights makes of `x`.
fn plain(work: &Work, x: &str) -> String {
    match work {
        Work::Relu => format!("F.relu({x})"),
        Work::MaxPool(window) => {
            let (kernel, stride) = (pair(window.kernel), pair(window.stride));
            match pads(*window, true) {
                Some((0, 0)) => format!("F.max_pool2d({x}, {kernel}, {stride})"),
                Some(pads) => format!("F.max_pool2d({x}, {kernel}, {stride}, {})", pair(pads)),
                None => {
                    let pads = four_pads(*window);
                    let padded = format!("F.pad({x}, {pads}, value=-torch.inf)");
                    format!("F.max_pool2d({padded}, {kernel}, {stride})")
                }
            }
        }
        Work::AvgPool(window) => {
            let (kernel, stride) = (pair(window.kernel), pair(window.stride));
            match pads(*window, true) {
                Some((0, 0)) => format!("F.avg_pool2d({x}, {kernel}, {stride})"),
                Some(pads) => {
                    let pads = pair(pads);
                    format!(
                        "F.avg_pool2d({x}, {kernel}, {stride}, {pads}, count_include_pad=False)"
                    )
                }
                None => format!("mean_pool({x}, {kernel}, {stride}, {})", four_pads(*window)),
            }
        }
        Work::GlobalAvgPool => format!("{x}.mean((2, 3), keepdim=True)"),
        Work::Flatten { channels_last: false } => format!("{x}.flatten(1)"),
        Work::Flatten { channels_last: true } => format!("{x}.permute(0, 2, 3, 1).flatten(1)"),
        Work::Unflatten => format!("{x}[:, :, None, None]"),
        Work::Pad { rows, columns, .. } => shifted(*rows, *columns, x),
        Work::Conv { .. } | Work::Dense { .. } | Work::BatchNorm { .. } => {
            panic!("BUG: a layer with weights is a module")
        }
        Work::Add | Work::Concat => panic!("BUG: this step reads several values"),
    }
}

/// Zeros first, cuts after, so that nothing is empty on the way.
fn shifted(rows: (isize, isize), columns: (isize, isize), x: &str) -> String {
    let added = |pad: isize| pad.max(0);
    let cut = |(before, after): (isize, isize)| {
        let from = if before < 0 { (-before).to_string() } else { String::new() };
        let to = if after < 0 { after.to_string() } else { String::new() };
        format!("{from}:{to}")
    };
    let [left, right, above, below] = [columns.0, columns.1, rows.0, rows.1].map(added);
    let padded = format!("F.pad({x}, ({left}, {right}, {above}, {below}))");
    format!("{padded}[:, :, {}, {}]", cut(rows), cut(columns))
}

/// The pads of a window as rows and columns where both ends are alike; pools want them to be at most half of the
/// kernel, too.
fn pads(window: Window, of_pool: bool) -> Option<(usize, usize)> {
    let Window { kernel, pad_rows, pad_columns, .. } = window;
    let is_even = pad_rows.0 == pad_rows.1 && pad_columns.0 == pad_columns.1;
    let is_short = 2 * pad_rows.0 <= kernel.0 && 2 * pad_columns.0 <= kernel.1;
    (is_even && (is_short || !of_pool)).then_some((pad_rows.0, pad_columns.0))
}

/// The pads of a window as `F.pad` has them.
fn four_pads(window: Window) -> String {
    let Window { pad_rows: (above, below), pad_columns: (left, right), .. } = window;
    format!("({left}, {right}, {above}, {below})")
}

/// A path with nothing but letters, digits and `_`.
fn word(path: &str) -> String {
    path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Text as Python has it, which reads what JSON writes.
fn text(text: &str) -> String {
    serde_json::to_string(text).expect("BUG: text is JSON")
}

/// Rows and columns as a Python argument; one number where both are alike.
fn pair((rows, columns): (usize, usize)) -> String {
    if rows == columns { rows.to_string() } else { format!("({rows}, {columns})") }
}

/// A keyword argument, unless it is the default.
fn keyword(name: &str, value: &str, default: &str) -> Option<String> {
    (value != default).then(|| format!("{name}={value}"))
}

/// What Python, the page or `nn.Module` call something already.
const TAKEN: &str = "F False None Tensor True T_destination and as assert async await bfloat16 break buffers call_super_init \
    children class continue cpu cuda def del dict double dump_patches elif else eval except extra_repr finally float for \
    forward from get_buffer get_parameter get_submodule global half if images import in ipu is json lambda \
    load_state_dict mean_pool modules named_buffers named_children named_modules named_parameters nn nonlocal not or \
    parameters pass raise requires_grad_ return self share_memory state_dict struct sys to to_empty torch train training \
    try type while with x xpu yield zero_grad add_module apply compile register_buffer";

/// A Python name for each step, from the path of its layer.
fn names(graph: &Graph) -> Vec<String> {
    let mut taken: BTreeSet<String> = TAKEN.split_whitespace().map(str::to_owned).collect();
    let free = |step: &Step| {
        let mut name = word(&step.name);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "layer");
        }
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        name
    };
    graph.steps.iter().map(free).collect()
}

/// What the value of each step is called: `x` where the next step alone reads it, and once.
fn results(graph: &Graph, names: &[String]) -> Vec<String> {
    let reads = |step: &Step, place: usize| {
        step.inputs.iter().filter(|input| **input == Value::Of(place)).count()
    };
    (0..names.len())
        .map(|place| {
            let readers: usize = graph.steps.iter().map(|step| reads(step, place)).sum();
            let next = graph.steps.get(place + 1).map_or(0, |next| reads(next, place));
            if readers == next { "x".to_owned() } else { names[place].clone() }
        })
        .collect()
}
