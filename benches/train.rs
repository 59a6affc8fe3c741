//! How fast children are trained: GFLOP/s of each convolution shape, forward and backward.

use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phytotron::kernel::{Conv, keep_freed_memory};
use phytotron::net::{Shape, Window};

/// Input channels, output channels, side, kernel.
const SHAPES: [(usize, usize, usize, usize); 6] = [
    (3, 32, 64, 3),
    (32, 64, 32, 3),
    (64, 128, 16, 3),
    (16, 32, 28, 3),
    (64, 64, 14, 5),
    (256, 256, 8, 1),
];

fn convolutions(criterion: &mut Criterion) {
    keep_freed_memory();
    let mut group = criterion.benchmark_group("conv");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500));
    for (inputs, filters, side, kernel) in SHAPES {
        let shape = |channels| Shape { channels, height: side, width: side };
        let images = inputs > 3;
        let conv = Conv::new(shape(inputs), shape(filters), Window::same(kernel, 1, side), 1)
            .relu(true)
            .input_gradient(images);
        let tensor = |dims: &[usize]| Tensor::rand(-1_f32, 1.0, dims, &Device::Cpu).unwrap();
        let xs = Var::from_tensor(&tensor(&[64, side, side, inputs])).unwrap();
        let weight = Var::from_tensor(&tensor(&[kernel, kernel, inputs, filters])).unwrap();
        let bias = Var::from_tensor(&tensor(&[filters])).unwrap();
        let passes = if images { 3 } else { 2 };
        let products = 64 * side * side * kernel * kernel * inputs * filters;
        let name = format!("{inputs} to {filters} at {side}, {kernel}x{kernel}");
        group.throughput(Throughput::Elements(2 * products as u64));
        group.bench_function(format!("{name}, forward"), |bench| {
            bench.iter(|| xs.apply_op3_no_bwd(&weight, &bias, &conv).unwrap());
        });
        group.throughput(Throughput::Elements(2 * passes * products as u64));
        group.bench_function(format!("{name}, with gradients"), |bench| {
            bench.iter(|| {
                let ys = xs.apply_op3(&weight, &bias, conv).unwrap();
                ys.sum_all().unwrap().backward().unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
