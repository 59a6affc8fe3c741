//! How fast children are trained: GFLOP/s of convolutions, images a second of whole networks.
//!
//! Elements a second are floating-point operations in the group `conv` (a multiply-add is two) and
//! images in the group `child`.

use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phytotron::kernel::{Conv, keep_freed_memory};
use phytotron::net::{Builder, Network, NodeId, Op, Shape, Window};
use phytotron::seed::Seed;
use phytotron::train::{Batch, Cpu, Engine, Moment, Outline, Recipe};

/// Images in a step.
const BATCH: usize = 64;

/// Input channels, output channels, side, kernel.
const CONVOLUTIONS: [(usize, usize, usize, usize); 6] = [
    (3, 32, 64, 3),
    (32, 64, 32, 3),
    (64, 128, 16, 3),
    (16, 32, 28, 3),
    (64, 64, 14, 5),
    (256, 256, 8, 1),
];

fn map(channels: usize, side: usize) -> Shape {
    Shape { channels, height: side, width: side }
}

fn variable(dims: &[usize]) -> Var {
    let numbers = Tensor::rand(-1_f32, 1.0, dims, &Device::Cpu);
    numbers.and_then(|numbers| Var::from_tensor(&numbers)).expect("memory for a tensor")
}

fn convolutions(criterion: &mut Criterion) {
    keep_freed_memory();
    let mut group = criterion.benchmark_group("conv");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for (inputs, filters, side, kernel) in CONVOLUTIONS {
        // Images need no gradient: two passes and not three.
        let (wanted, passes) = if inputs > 3 { (true, 3) } else { (false, 2) };
        let window = Window::same(kernel, 1, side);
        let conv = Conv::new(map(inputs, side), map(filters, side), window, 1)
            .relu(true)
            .input_gradient(wanted);
        let xs = variable(&[BATCH, side, side, inputs]);
        let weight = variable(&[kernel, kernel, inputs, filters]);
        let bias = variable(&[filters]);
        let products = BATCH * side * side * kernel * kernel * inputs * filters;
        let name = format!("{inputs} to {filters} at {side}, {kernel}x{kernel}");
        group.throughput(Throughput::Elements(2 * products as u64));
        group.bench_function(format!("{name}, forward"), |bench| {
            bench.iter(|| xs.apply_op3_no_bwd(&weight, &bias, &conv).expect("shapes fit"));
        });
        group.throughput(Throughput::Elements(2 * passes * products as u64));
        group.bench_function(format!("{name}, with gradients"), |bench| {
            bench.iter(|| {
                let loss = xs.apply_op3(&weight, &bias, conv).and_then(|ys| ys.sum_all());
                loss.and_then(|loss| loss.backward()).expect("shapes fit")
            });
        });
    }
    group.finish();
}

/// Adds a 3x3 convolution, with batch norm when `norm`, and a rectifier.
fn block(net: &mut Builder, node: NodeId, filters: usize, norm: bool) -> NodeId {
    let (side, name) = (net.shape(node).height, format!("conv{filters}"));
    let window = Window::same(3, 1, side);
    let mut node = net.add(&name, Op::Conv { filters, window, dilation: 1, bias: !norm }, &[node]);
    if norm {
        node = net.add(format!("{name}.norm"), Op::BatchNorm, &[node]);
    }
    net.add(format!("{name}.relu"), Op::Relu, &[node])
}

/// Three convolutions, two poolings, global average, dense.
fn chain(image: Shape, filters: [usize; 3], norm: bool) -> Network {
    let mut net = Builder::new(image);
    let mut node = net.image();
    for (place, filters) in filters.into_iter().enumerate() {
        if place > 0 {
            let window = Window::valid(2, 2);
            node = net.add(format!("pool{place}"), Op::MaxPool { window }, &[node]);
        }
        node = block(&mut net, node, filters, norm);
    }
    let node = net.add("mean", Op::GlobalAvgPool, &[node]);
    net.add("logits", Op::Dense { units: 10 }, &[node]);
    net.finish()
}

fn children(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("child");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(BATCH as u64));
    let plain = chain(map(3, 64), [32, 64, 128], false);
    let grey = chain(map(1, 28), [32, 64, 64], true);
    for (name, network) in [("plain, 3 x 64 x 64", plain), ("batch norm, 1 x 28 x 28", grey)] {
        let recipe = Recipe::default();
        let outline = Outline {
            network: &network,
            recipe: &recipe,
            class_weights: Vec::new(),
            steps: 1,
            seed: Seed::root(1),
        };
        let mut child = Cpu.plan(&outline).expect("the engine knows every operation");
        let mut stream = Seed::root(2).stream("images", 0);
        let len = BATCH * network.image().len();
        #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
        let images = (0..len).map(|_| stream.range(-2.0, 2.0) as f32).collect();
        let batch = Batch { images, labels: (0..10).cycle().take(BATCH).collect() };
        let mut step = 0;
        group.bench_function(format!("{name}, step"), |bench| {
            bench.iter(|| {
                step += 1;
                child.step(&batch, Moment { step, lr: 1e-4 }).expect("a step")
            });
        });
        group.bench_function(format!("{name}, evaluation"), |bench| {
            bench.iter(|| child.evaluate(&batch.images).expect("an evaluation"));
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions, children);
criterion_main!(benches);
