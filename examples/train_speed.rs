//! One of five networks in training, as fast as this machine goes: the partner of `benches/train_peers.py`.
//!
//! `cargo run --release --example train_speed -- MODEL [THREADS] [ENGINE]`, where MODEL is `plain`, `nas`, `qnn`,
//! `nasnet` or `top4` and ENGINE `cpu`, `candle`, `cuda`, `scale` or `graph`. It trains some steps and prints the time of
//! each operation. `scale` prints a table of images a second, by images in a step and by threads up to THREADS; `graph` the
//! network's layer graph as JSON. With `SERVE=1` in its environment it says `ready
//! PARAMETERS MULTIPLY_ADDS BATCH`; for each line `go STEPS` on its input it trains so many steps and answers `ms
//! MEDIAN PEAK`, the peak of its memory in MiB.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use phytotron::net::{Builder, Network, NodeId, Op, Shape, Window};
use phytotron::seed::Seed;
use phytotron::space::Space as _;
use phytotron::space::chain::Chain;
use phytotron::space::nasnet::{NasnetConfig, NasnetSpace};
use phytotron::train::{
    Batch, CandleCpu, Child, Cpu, Device, Engine, Moment, Optimizer, Outline, Precision, Recipe,
    Timing, engine_for,
};

fn square(side: usize) -> Shape {
    Shape { channels: 3, height: side, width: side }
}

/// A network under construction.
struct Net(Builder);

impl Net {
    fn conv(
        &mut self,
        name: &str,
        node: NodeId,
        filters: usize,
        kernel: usize,
        bias: bool,
    ) -> NodeId {
        let window = Window::same(kernel, 1, self.0.shape(node).height);
        self.0.add(name, Op::Conv { filters, window, dilation: 1, bias }, &[node])
    }

    fn unary(&mut self, name: String, op: Op, node: NodeId) -> NodeId {
        self.0.add(name, op, &[node])
    }

    fn norm(&mut self, name: &str, node: NodeId) -> NodeId {
        self.unary(format!("{name}.norm"), Op::BatchNorm, node)
    }

    fn relu(&mut self, name: &str, node: NodeId) -> NodeId {
        self.unary(format!("{name}.relu"), Op::Relu, node)
    }

    fn halve(&mut self, name: &str, node: NodeId) -> NodeId {
        self.unary(name.to_owned(), Op::MaxPool { window: Window::valid(2, 2) }, node)
    }

    fn finish(mut self, node: NodeId) -> Network {
        let node = self.unary("mean".to_owned(), Op::GlobalAvgPool, node);
        self.0.add("logits", Op::Dense { units: 10 }, &[node]);
        self.0.finish()
    }
}

/// Three convolutions with bias, two poolings.
fn plain() -> Network {
    let mut net = Net(Builder::new(square(64)));
    let mut node = net.0.image();
    for (place, filters) in [32, 64, 128].into_iter().enumerate() {
        if place > 0 {
            node = net.halve(&format!("pool{place}"), node);
        }
        let name = format!("conv{place}");
        node = net.conv(&name, node, filters, 3, true);
        node = net.relu(&name, node);
    }
    net.finish(node)
}

/// Five wide convolutions with batch norm, two poolings.
fn qnn() -> Network {
    let mut net = Net(Builder::new(square(32)));
    let mut node = net.0.image();
    let layers = [(64, 3), (128, 3), (128, 5), (256, 3), (256, 1)];
    for (place, (filters, kernel)) in layers.into_iter().enumerate() {
        if place == 2 || place == 3 {
            node = net.halve(&format!("pool{place}"), node);
        }
        let name = format!("conv{place}");
        node = net.conv(&name, node, filters, kernel, false);
        node = net.norm(&name, node);
        node = net.relu(&name, node);
    }
    net.finish(node)
}

/// A stem and two cells of separable convolutions, averages and sums.
fn nas() -> Network {
    const FILTERS: usize = 32;
    let mut net = Net(Builder::new(square(32)));
    let image = net.0.image();
    let stem = net.conv("stem", image, FILTERS, 3, false);
    let stem = net.norm("stem", stem);
    let first = cell(&mut net, "cell0", stem, stem, FILTERS);
    let second = cell(&mut net, "cell1", stem, first, FILTERS);
    let last = net.relu("last", second);
    net.finish(last)
}

fn cell(net: &mut Net, name: &str, before: NodeId, last: NodeId, filters: usize) -> NodeId {
    let mut align = |part: &str, node| {
        let name = format!("{name}.{part}");
        let node = net.relu(&name, node);
        let node = net.conv(&name, node, filters, 1, false);
        net.norm(&name, node)
    };
    let (p, h) = (align("p", before), align("h", last));
    let window = Window::same(3, 1, net.0.shape(h).height);
    let mut mean =
        |part: &str, node| net.unary(format!("{name}.{part}"), Op::AvgPool { window }, node);
    let (mean_h, mean_p) = (mean("mean_h", h), mean("mean_p", p));
    let mut separable = |part: &str, mut node, kernel| {
        for twice in 0..2 {
            let name = format!("{name}.{part}{twice}");
            node = net.relu(&name, node);
            let window = Window::same(kernel, 1, net.0.shape(node).height);
            node = net.unary(format!("{name}.depthwise"), Op::Depthwise { window }, node);
            node = net.conv(&name, node, filters, 1, false);
            node = net.norm(&name, node);
        }
        node
    };
    let [a, b, c, d, e] = [("a", h, 3), ("b", p, 3), ("c", h, 5), ("d", p, 5), ("e", p, 3)]
        .map(|(part, node, kernel)| separable(part, node, kernel));
    let pairs = [(a, h), (b, c), (mean_h, p), (mean_p, mean_p), (d, e)];
    let mut sums = Vec::new();
    for (place, (left, right)) in pairs.into_iter().enumerate() {
        sums.push(net.0.add(format!("{name}.sum{place}"), Op::Add, &[left, right]));
    }
    net.0.add(format!("{name}.out"), Op::Concat, &sums)
}

fn network(model: &str) -> Result<(Network, usize), Box<dyn std::error::Error>> {
    Ok(match model {
        "plain" => (plain(), 64),
        "qnn" => (qnn(), 64),
        "nas" => (nas(), 32),
        "nasnet" => {
            let config = NasnetConfig { cells: 2, filters: 16, ..NasnetConfig::default() };
            let space = NasnetSpace::open(&config, square(64), 10)?;
            (space.network(&space.parse("NASNet-A")?), 64)
        }
        "top4" => {
            let text = "[C(256,3,1), C(256,3,1), P(5,3), C(256,1,1), C(128,3,1), P(2,2), C(128,3,1), SM(10)]";
            let chain = Chain::parse(text)?;
            (chain.network(square(32), false), 64)
        }
        other => return Err(format!("no model `{other}`").into()),
    })
}

fn train(child: &mut dyn Child, batch: &Batch, steps: u64) -> f64 {
    let mut times: Vec<f64> = (0..steps)
        .map(|step| {
            let began = Instant::now();
            child.step(batch, Moment { step, lr: 0.01 }).expect("a step");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The largest memory that this process had, 0 where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Numbers for a network, and classes.
fn batch(network: &Network, size: usize) -> Batch {
    let mut stream = Seed::root(2).stream("images", 0);
    #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
    let images =
        (0..size * network.image().len()).map(|_| stream.range(-2.0, 2.0) as f32).collect();
    Batch { images, labels: (0..10).cycle().take(size).collect() }
}

/// Images a second by images in a step and by threads, each a median of at least 5 steps.
fn scale(outline: &Outline<'_>, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    println!("images a second by images in a step (rows) and threads (1 to {threads})");
    for size in (0..10).map(|power| 1_usize << power) {
        let batch = batch(outline.network, size);
        print!("{size:5}");
        for threads in 1..=threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let mut child = Cpu.plan(outline)?;
            let steps = (256 / size as u64).clamp(5, 100);
            let ms = pool.install(|| {
                train(child.as_mut(), &batch, 2);
                train(child.as_mut(), &batch, steps)
            });
            #[expect(clippy::cast_precision_loss, reason = "few images")]
            let images = size as f64 / ms * 1e3;
            print!(" {images:9.0}");
            std::io::stdout().flush()?;
        }
        println!();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| "plain".to_owned());
    let threads = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let engine = arguments.next();
    let (network, size) = network(&model)?;
    if engine.as_deref() == Some("graph") {
        println!("{}", serde_json::json!({ "batch": size, "network": network }));
        return Ok(());
    }
    let scales = engine.as_deref() == Some("scale");
    let is_mixed = engine.as_deref() == Some("cuda-bf16");
    let engine: &dyn Engine = match engine.as_deref() {
        Some("candle") => &CandleCpu,
        Some("cuda" | "cuda-bf16") => engine_for(Device::Cuda),
        _ => &Cpu,
    };
    let recipe = Recipe {
        precision: if is_mixed { Precision::Bf16 } else { Precision::F32 },
        optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
        weight_decay: 0.0,
        auxiliary_weight: 0.0,
        ..Recipe::default()
    };
    let outline = Outline {
        network: &network,
        recipe: &recipe,
        class_weights: Vec::new(),
        steps: 1000,
        seed: Seed::root(1),
    };
    if scales {
        return scale(&outline, threads);
    }
    let batch = batch(&network, size);
    let mut child = engine.plan(&outline)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("ready {} {} {size}", network.parameters(), network.multiply_adds());
    std::io::stdout().flush()?;
    if std::env::var_os("SERVE").is_none() {
        pool.install(|| train(child.as_mut(), &batch, 2));
        let ms = pool.install(|| train(child.as_mut(), &batch, 15));
        println!("ms {ms:.2} for a step of {size} images");
        child.profile();
        pool.install(|| train(child.as_mut(), &batch, 5));
        let profile = child.profile();
        for Timing { phase, operation, path, secs, .. } in &profile {
            println!("{:9.3} ms, phase {phase}: {operation} {path}", secs / 5.0 * 1e3);
        }
        #[expect(clippy::cast_precision_loss, reason = "rates")]
        let [direct, executed] = [
            profile.iter().map(|timing| timing.direct_flops).sum::<u64>(),
            profile.iter().map(|timing| timing.executed_flops).sum(),
        ]
        .map(|flops| flops as f64 / 5.0 / ms / 1e6);
        println!(
            "{direct:.0} GFLOP/s as direct convolutions count them, {executed:.0} carried out"
        );
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some(steps) = line.strip_prefix("go ") else { continue };
        let ms = pool.install(|| train(child.as_mut(), &batch, steps.trim().parse().unwrap_or(1)));
        println!("ms {ms:.3} {:.0}", peak_mib());
        std::io::stdout().flush()?;
    }
    Ok(())
}
