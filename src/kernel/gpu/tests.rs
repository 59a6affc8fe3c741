//! Kernels against the slow twins in f64: on the host with checks, or, in a build with CUDA, on the GPU.

use super::super::reference::check::Argument as Numbers;
use super::super::reference::{self, close, numbers, slide};
use super::super::slide::Slide;
use super::super::{CrossEntropy, DropPath, Dropout, Moments, rounded_to_bf16};
use super::*;
use crate::net::{Shape, Window};
use crate::seed::Seed;

/// What the tests run on.
#[cfg(not(feature = "cuda"))]
type Gpu = Emulator;
#[cfg(feature = "cuda")]
type Gpu = Cuda;
type Memory = <Gpu as Machine>::Memory;

#[cfg(not(feature = "cuda"))]
fn shared() -> Option<&'static Gpu> {
    Emulator::shared()
}

#[cfg(feature = "cuda")]
fn shared() -> Option<&'static Gpu> {
    Cuda::shared()
}

/// The numbers of a memory.
#[cfg(not(feature = "cuda"))]
fn read(memory: &Memory) -> Vec<f32> {
    Emulator::read(memory)
}

#[cfg(feature = "cuda")]
fn read(memory: &Memory) -> Vec<f32> {
    memory.device.clone_dtoh(memory.as_cuda_slice::<f32>().unwrap()).unwrap()
}

/// Rounding of sums of some hundred terms.
const TOLERANCE: f64 = 2e-5;

/// Numbers on the machine.
fn put(gpu: &Gpu, numbers: &Numbers) -> Memory {
    gpu.numbers(numbers.single()).unwrap()
}

/// All of a memory.
fn at(memory: &Memory) -> View<'_, Memory> {
    View::of(memory)
}

/// Holds a memory against its twin.
fn held(what: &str, memory: &Memory, expected: &[f64]) {
    close(what, &read(memory), expected, TOLERANCE);
}

/// Windows that overhang, skip, dilate and see nothing, on maps that no tile divides.
fn slides(filters: Option<usize>) -> Vec<Slide> {
    let pads = |window, rows, columns| Window { pad_rows: rows, pad_columns: columns, ..window };
    let image = |channels| Shape { channels, height: 9, width: 7 };
    let out = |channels| filters.unwrap_or(channels);
    [
        (image(1), Window::valid(1, 1), 1),
        (image(3), pads(Window::valid(2, 2), (0, 1), (1, 0)), 1),
        (image(5), Window::same(3, 1, 9), 1),
        (image(33), Window::same(3, 2, 9), 1),
        (image(2), pads(Window::valid(5, 2), (1, 2), (2, 1)), 1),
        (image(4), pads(Window::valid(7, 3), (3, 3), (3, 3)), 1),
        (image(2), Window { kernel: (1, 3), stride: (2, 1), ..Window::valid(1, 1) }, 1),
        (image(2), pads(Window::valid(2, 3), (0, 1), (4, 3)), 1),
    ]
    .map(|(image, window, dilation)| slide(image, out(image.channels), window, dilation))
    .to_vec()
}

fn input(slide: &Slide) -> Numbers {
    let Shape { channels, height, width } = slide.input;
    numbers("xs", &[3, height, width, channels])
}

fn output(slide: &Slide) -> Numbers {
    let Shape { channels, height, width } = slide.output;
    numbers("gradient", &[3, height, width, channels])
}

#[test]
fn convolutions_equal_their_twin() {
    let Some(gpu) = shared() else { return };
    let mut cases = slides(Some(67));
    cases.extend(slides(Some(4)));
    let window = Window { pad_rows: (2, 2), pad_columns: (2, 1), ..Window::valid(3, 1) };
    cases.push(slide(Shape { channels: 3, height: 9, width: 7 }, 5, window, 2));
    for (i, slide) in cases.into_iter().enumerate() {
        for bf16 in [false, true] {
            convolution_equals_its_twin(
                gpu,
                i,
                Convolution { slide, images: 3, relu: i % 2 == 0, bf16 },
            );
        }
    }
}

/// Numbers as products in mixed precision take them.
#[expect(clippy::cast_possible_truncation, reason = "made of single precision")]
fn operands(numbers: &[f64], bf16: bool) -> Vec<f64> {
    let operand = |&number| if bf16 { rounded_to_bf16(number as f32).into() } else { number };
    numbers.iter().map(operand).collect()
}

fn convolution_equals_its_twin(gpu: &Gpu, i: usize, conv: Convolution) {
    let Convolution { slide, relu, bf16, .. } = conv;
    let (kernel, filters) = (slide.window.kernel, slide.output.channels);
    let (xs, gradient) = (input(&slide), output(&slide));
    let weight = numbers("weight", &[kernel.0, kernel.1, slide.input.channels, filters]);
    let bias = (!i.is_multiple_of(3)).then(|| numbers("bias", &[filters]));

    let [x, w] = [&xs, &weight].map(|numbers| operands(&numbers.exact(), bf16));
    let exact_bias = bias.as_ref().map(Numbers::exact);
    let ys = reference::conv(&slide, &x, &w, exact_bias.as_deref());
    let (ys, dys) = if relu {
        let ys = reference::relu(&ys);
        let dys = reference::relu_gradient(&ys, &gradient.exact());
        (ys, dys)
    } else {
        (ys, gradient.exact())
    };
    let (dx, dw, _) = reference::conv_gradient(&slide, &x, &w, &operands(&dys, bf16));
    let (_, _, db) = reference::conv_gradient(&slide, &x, &w, &dys);

    let (x, w, g) = (put(gpu, &xs), put(gpu, &weight), put(gpu, &gradient));
    let b = bias.map(|bias| put(gpu, &bias));
    let y = conv.forward(gpu, at(&x), at(&w), b.as_ref().map(at)).unwrap();
    held("forward", &y, &ys);
    let found = conv.gradients(gpu, [&x, &w, &y, &g].map(at), i != 2).unwrap();
    assert_eq!(found.input.is_some(), i != 2);
    found.input.inspect(|found| held("dx", found, &dx));
    held("dw", &found.weight, &dw);
    held("db", &found.bias, &db);
}

/// Ties, what is too small and too large, and what is no number: times one, an operand comes out as it was rounded.
#[test]
fn operands_are_rounded_as_on_the_cpu() {
    let Some(gpu) = shared() else { return };
    let xs: Vec<f32> = (0..512_u32)
        .map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B9)))
        .chain(
            [0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0x7F7F_FFFF, 0x7F80_0000].map(f32::from_bits),
        )
        .collect();
    let slide = slide(Shape { channels: 1, height: xs.len(), width: 1 }, 1, Window::valid(1, 1), 1);
    let conv = Convolution { slide, images: 1, relu: false, bf16: true };
    let [x, one] = [xs.as_slice(), &[1.0]].map(|numbers| gpu.numbers(numbers).unwrap());
    let ys = read(&conv.forward(gpu, at(&x), at(&one), None).unwrap());
    for (x, y) in xs.into_iter().zip(ys) {
        let expected = rounded_to_bf16(x);
        // A zero has lost its sign in a sum.
        let same = (y + 0.0).to_bits() == (expected + 0.0).to_bits();
        assert!(same || y.is_nan() && expected.is_nan(), "{x:e}: {y:e}, not {expected:e}");
    }
}

/// Several parts, of which the last is short, and several tiles of pixels.
#[test]
fn weight_gradients_of_many_pixels_join_their_parts() {
    let Some(gpu) = shared() else { return };
    let slide = slide(Shape { channels: 3, height: 30, width: 25 }, 5, Window::same(3, 1, 30), 1);
    let (xs, g) = (input(&slide), output(&slide));
    let weight = numbers("weight", &[3, 3, 3, 5]);
    let (_, dw, db) = reference::conv_gradient(&slide, &xs.exact(), &weight.exact(), &g.exact());
    let conv = Convolution { slide, images: 3, relu: false, bf16: false };
    let (x, w, g) = (put(gpu, &xs), put(gpu, &weight), put(gpu, &g));
    let found = conv.gradients(gpu, [&x, &w, &g, &g].map(at), false).unwrap();
    close("dw", &read(&found.weight), &dw, 1e-4);
    close("db", &read(&found.bias), &db, 1e-4);
    let weight = numbers("weight", &[3, 3, 3]);
    let slide = Slide { output: slide.input, ..slide };
    let (_, dw) = reference::depthwise_gradient(&slide, &xs.exact(), &weight.exact(), &xs.exact());
    let found = depthwise_weight_gradient(gpu, &slide, 3, at(&x), at(&x)).unwrap();
    close("depthwise dw", &read(&found), &dw, 1e-4);
}

#[test]
fn depthwise_convolutions_equal_their_twin() {
    let Some(gpu) = shared() else { return };
    for slide in slides(None) {
        let (xs, gradient) = (input(&slide), output(&slide));
        let kernel = slide.window.kernel;
        let weight = numbers("weight", &[kernel.0, kernel.1, slide.input.channels]);
        let ys = reference::depthwise(&slide, &xs.exact(), &weight.exact());
        let (dx, dw) =
            reference::depthwise_gradient(&slide, &xs.exact(), &weight.exact(), &gradient.exact());
        let (x, w, g) = (put(gpu, &xs), put(gpu, &weight), put(gpu, &gradient));
        held("forward", &depthwise(gpu, &slide, 3, at(&x), at(&w)).unwrap(), &ys);
        held("dx", &depthwise_input_gradient(gpu, &slide, 3, at(&g), at(&w)).unwrap(), &dx);
        held("dw", &depthwise_weight_gradient(gpu, &slide, 3, at(&x), at(&g)).unwrap(), &dw);
    }
}

#[test]
fn pools_equal_their_twin() {
    let Some(gpu) = shared() else { return };
    for slide in slides(None) {
        let (xs, gradient) = (input(&slide), output(&slide));
        // Few values, so that there are ties.
        let xs: Vec<f32> = xs.single().iter().map(|x| (x * 3.0).round()).collect();
        let exact: Vec<f64> = xs.iter().map(|&x| f64::from(x)).collect();
        let (x, g) = (gpu.numbers(&xs).unwrap(), put(gpu, &gradient));
        let found = max(gpu, &slide, 3, at(&x)).unwrap();
        // A window that sees padding only gives minus infinity, which has no distance from itself.
        let finite = |y: f64| y.max(-9.0);
        let expected: Vec<f64> =
            reference::max_pool(&slide, &exact).into_iter().map(finite).collect();
        let ys = read(&found.output).into_iter().map(|y| y.max(-9.0));
        close("maxima", &ys.collect::<Vec<f32>>(), &expected, 0.0);
        let dx = max_gradient(gpu, &slide, 3, at(&g), at(&found.winners)).unwrap();
        held("max dx", &dx, &reference::max_pool_gradient(&slide, &exact, &gradient.exact()));
        let ys = avg(gpu, &slide, 3, at(&x)).unwrap();
        held("means", &ys, &reference::avg_pool(&slide, &exact));
        let dx = avg_gradient(gpu, &slide, 3, at(&g)).unwrap();
        let expected = reference::avg_pool_gradient(&slide, exact.len(), &gradient.exact());
        held("avg dx", &dx, &expected);
    }
}

#[test]
fn nan_wins_a_maximum_and_stays() {
    let Some(gpu) = shared() else { return };
    let slide = slide(Shape { channels: 1, height: 2, width: 4 }, 1, Window::valid(2, 2), 1);
    let xs = [0.0, f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY, 9.0, 1.0]
        .into_iter()
        .chain([f32::NEG_INFINITY; 2])
        .collect::<Vec<f32>>();
    let found = max(gpu, &slide, 1, at(&gpu.numbers(&xs).unwrap())).unwrap();
    let ys = read(&found.output);
    assert!(ys[0].is_nan() && ys[1].is_infinite(), "{ys:?}");
    let gradient = gpu.numbers(&[1.0, 2.0]).unwrap();
    let dx = max_gradient(gpu, &slide, 1, at(&gradient), at(&found.winners)).unwrap();
    close("dx", &read(&dx), &[0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0);
}

#[test]
fn batch_norm_equals_its_twin() {
    let Some(gpu) = shared() else { return };
    for (pixels, channels) in [(6, 1), (150, 3), (1100, 35)] {
        let xs = numbers("xs", &[pixels, channels]);
        let gradient = numbers("gradient", &[pixels, channels]);
        let (scale, shift) = (numbers("scale", &[channels]), numbers("shift", &[channels]));
        for relu in [false, true] {
            let ys = reference::batch_norm(&xs.exact(), &scale.exact(), &shift.exact());
            let (ys, dys) = if relu {
                let ys = reference::relu(&ys);
                let dys = reference::relu_gradient(&ys, &gradient.exact());
                (ys, dys)
            } else {
                (ys, gradient.exact())
            };
            let (dx, dscale, dshift) =
                reference::batch_norm_gradient(&xs.exact(), &scale.exact(), &dys);

            let (x, g) = (put(gpu, &xs), put(gpu, &gradient));
            let affine = [put(gpu, &scale), put(gpu, &shift)];
            let affine = affine.each_ref().map(at);
            let found = moments(gpu, at(&x), pixels, channels).unwrap();
            let cpu = Moments::of(xs.single(), channels);
            held("mean", &found[0], &cpu.mean.iter().map(|&x| x.into()).collect::<Vec<_>>());
            held(
                "variance",
                &found[1],
                &cpu.variance.iter().map(|&x| x.into()).collect::<Vec<_>>(),
            );
            let moments = found.each_ref().map(at);
            let size = [pixels, channels];
            held("forward", &normalise(gpu, at(&x), moments, affine, size, relu).unwrap(), &ys);
            let found = norm_gradients(gpu, [at(&x), at(&g)], moments, affine, size, relu).unwrap();
            close("dx", &read(&found.input), &dx, 1e-4);
            close("dscale", &read(&found.scale), &dscale, 1e-4);
            close("dshift", &read(&found.shift), &dshift, 1e-4);
        }
    }
}

/// Means far from zero lose digits in one pass over squares, and not in two.
#[test]
fn variances_of_large_numbers_keep_their_digits() {
    let Some(gpu) = shared() else { return };
    let xs: Vec<f32> = numbers("xs", &[3000]).single().iter().map(|x| 1000.0 + x).collect();
    let mean = xs.iter().map(|&x| f64::from(x)).sum::<f64>() / 3000.0;
    let variance = xs.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / 3000.0;
    let found = moments(gpu, at(&gpu.numbers(&xs).unwrap()), 3000, 1).unwrap();
    close("mean", &read(&found[0]), &[mean], 1e-6);
    close("variance", &read(&found[1]), &[variance], 1e-4);
}

#[test]
fn dropout_and_drop_path_draw_the_bits_of_the_cpu() {
    let Some(gpu) = shared() else { return };
    for (i, size) in [1, 15, 16, 17, 300].into_iter().enumerate() {
        let seed = Seed::root(7).nth(i as u64);
        let images = 9;
        let xs = numbers("xs", &[images, size]);
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        let same = |found: &Memory, change: &dyn Fn(usize, &mut [f32])| {
            let mut expected = xs.single().to_vec();
            expected.chunks_mut(size).enumerate().for_each(|(image, map)| change(image, map));
            assert_eq!(bits(&read(found)), bits(&expected), "{size} numbers");
        };
        let drop = Dropout::new(seed, 0.375);
        let found = drop.on(gpu, at(&put(gpu, &xs)), images, size).unwrap();
        same(&found, &|image, map| drop.change(image, map));
        let path = DropPath::new(seed, 0.6);
        let found = path.on(gpu, at(&put(gpu, &xs)), images, size).unwrap();
        same(&found, &|image, map| path.change(image, map));
    }
}

#[test]
fn cross_entropy_equals_its_twin() {
    let Some(gpu) = shared() else { return };
    for classes in [2_u16, 10, 67] {
        let labels: Vec<u16> = (0..9).map(|image| image * 5 % classes).collect();
        let logits = numbers("logits", &[9, classes.into()]);
        let exact = logits.exact();
        let judged =
            Judged { labels: &labels, classes: classes.into(), smoothing: 0.1, weights: &[] };
        let x = put(gpu, &logits);
        let loss = reference::cross_entropy(&exact, &labels, f64::from(0.1_f32));
        held("loss", &losses(gpu, at(&x), judged).unwrap(), &[loss]);
        let dx = reference::cross_entropy_gradient(&exact, &labels, f64::from(0.1_f32));
        held("gradient", &loss_gradient(gpu, at(&x), judged, 1.0).unwrap(), &dx);

        let weights: Vec<f32> = (0..classes).map(|class| 0.5 + f32::from(class)).collect();
        let cpu =
            CrossEntropy::new(labels.clone().into(), 0.1).class_weights(weights.clone().into());
        let judged = Judged { weights: &weights, ..judged };
        held("weighted", &losses(gpu, at(&x), judged).unwrap(), &[cpu.mean_loss(logits.single())]);
        let expected = cpu.gradient(logits.single(), 1.0);
        let expected: Vec<f64> = expected.iter().map(|&x| x.into()).collect();
        held("weighted", &loss_gradient(gpu, at(&x), judged, 1.0).unwrap(), &expected);
    }
}

#[test]
fn moves_and_sums_equal_their_twin() {
    let Some(gpu) = shared() else { return };
    let (a, b) = (numbers("a", &[300]), numbers("b", &[300]));
    let (x, y) = (put(gpu, &a), put(gpu, &b));
    held("relu", &rectify(gpu, at(&x), 300).unwrap(), &reference::relu(&a.exact()));
    let masked = reference::relu_gradient(&a.exact(), &b.exact());
    held("mask", &mask(gpu, at(&x), at(&y), 300).unwrap(), &masked);
    let sums: Vec<f64> = a.exact().iter().zip(b.exact()).map(|(a, b)| a + b).collect();
    held("add", &add(gpu, at(&x), at(&y), 300).unwrap(), &sums);

    let joined = reference::concat(&[&a.exact(), &b.exact()[..100]], &[3, 1]);
    let found = concat(gpu, &[at(&x), at(&y)], &[3, 1], 100).unwrap();
    held("concat", &found, &joined);
    let parts = split(gpu, at(&found), &[3, 1], 100).unwrap();
    held("first part", &parts[0], &a.exact());
    held("second part", &parts[1], &b.exact()[..100]);

    let squares = square_sum_parts(gpu, at(&x), 300).unwrap();
    let expected = a.exact().iter().map(|x| x * x).sum();
    held("squares", &squares, &[expected]);
}

#[test]
fn padding_and_cutting_equal_their_twin() {
    let Some(gpu) = shared() else { return };
    let input = Shape { channels: 3, height: 4, width: 5 };
    let xs = numbers("xs", &[2, 4, 5, 3]);
    for (height, width, down, right) in
        [(7, 8, 1, 0), (4, 5, -1, 1), (1, 2, -1, -2), (6, 7, -4, -5)]
    {
        let output = Shape { height, width, ..input };
        let found = pad(gpu, Sheet { input, output, down, right }, 2, at(&put(gpu, &xs))).unwrap();
        held("pad", &found, &reference::pad(input, output, (down, right), &xs.exact()));
    }
}
