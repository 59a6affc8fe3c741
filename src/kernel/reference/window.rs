//! Operations that slide a window over maps, and padding.

use super::super::slide::Slide;
use super::{Float, grid};
use crate::net::Shape;

/// Runs over every output place and tap that lies on the map: `visit(output pixel, tap, input pixel)`,
/// pixels counted through all images.
fn taps(slide: &Slide, images: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (kernel, stride) = (slide.window.kernel, slide.window.stride);
    let pads = (slide.window.pad_rows.0, slide.window.pad_columns.0);
    let (input, output) = (slide.input, slide.output);
    for image in 0..images {
        for (row, column) in grid(output.height, output.width) {
            for (i, j) in grid(kernel.0, kernel.1) {
                let y = row * stride.0 + i * slide.dilation;
                let x = column * stride.1 + j * slide.dilation;
                let inside = y >= pads.0
                    && x >= pads.1
                    && y - pads.0 < input.height
                    && x - pads.1 < input.width;
                if inside {
                    let from = (image * input.height + y - pads.0) * input.width + x - pads.1;
                    let to = (image * output.height + row) * output.width + column;
                    visit(to, i * kernel.1 + j, from);
                }
            }
        }
    }
}

/// `sums += factor · numbers`.
fn add_product<F: Float>(sums: &mut [F], factor: F, numbers: &[F]) {
    for (sum, &number) in sums.iter_mut().zip(numbers) {
        *sum += factor * number;
    }
}

/// `sums += a · b`, number by number.
fn add_products<F: Float>(sums: &mut [F], a: &[F], b: &[F]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
        *sum += a * b;
    }
}

/// Convolution with weights `[row, column, in, out]`.
pub(crate) fn conv<F: Float>(slide: &Slide, xs: &[F], weight: &[F], bias: Option<&[F]>) -> Vec<F> {
    let (inputs, filters) = (slide.input.channels, slide.output.channels);
    let images = xs.len() / slide.input.len();
    let mut ys: Vec<F> = (0..images * slide.output.len())
        .map(|i| bias.map_or(F::ZERO, |bias| bias[i % filters]))
        .collect();
    taps(slide, images, |to, tap, from| {
        for c in 0..inputs {
            let weight = &weight[(tap * inputs + c) * filters..][..filters];
            add_product(&mut ys[to * filters..][..filters], xs[from * inputs + c], weight);
        }
    });
    ys
}

/// Gradients of a convolution's map, weight and bias.
pub(crate) fn conv_gradient<F: Float>(
    slide: &Slide,
    xs: &[F],
    weight: &[F],
    gradient: &[F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let (inputs, filters) = (slide.input.channels, slide.output.channels);
    let images = xs.len() / slide.input.len();
    let (mut dx, mut dw) = (vec![F::ZERO; xs.len()], vec![F::ZERO; weight.len()]);
    let mut db = vec![F::ZERO; filters];
    taps(slide, images, |to, tap, from| {
        let gradient = &gradient[to * filters..][..filters];
        for c in 0..inputs {
            let place = (tap * inputs + c) * filters;
            let products = weight[place..][..filters].iter().zip(gradient);
            dx[from * inputs + c] += products.map(|(&w, &g)| w * g).sum();
            add_product(&mut dw[place..][..filters], xs[from * inputs + c], gradient);
        }
    });
    for pixel in gradient.chunks_exact(filters) {
        add_product(&mut db, F::of(1.0), pixel);
    }
    (dx, dw, db)
}

/// Convolution of each channel by itself with weights `[row, column, channel]`.
pub(crate) fn depthwise<F: Float>(slide: &Slide, xs: &[F], weight: &[F]) -> Vec<F> {
    let c = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let mut ys = vec![F::ZERO; images * slide.output.len()];
    taps(slide, images, |to, tap, from| {
        add_products(&mut ys[to * c..][..c], &xs[from * c..][..c], &weight[tap * c..][..c]);
    });
    ys
}

/// Gradients of a depthwise convolution's map and weight.
pub(crate) fn depthwise_gradient<F: Float>(
    slide: &Slide,
    xs: &[F],
    weight: &[F],
    gradient: &[F],
) -> (Vec<F>, Vec<F>) {
    let c = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let (mut dx, mut dw) = (vec![F::ZERO; xs.len()], vec![F::ZERO; weight.len()]);
    taps(slide, images, |to, tap, from| {
        let gradient = &gradient[to * c..][..c];
        add_products(&mut dx[from * c..][..c], &weight[tap * c..][..c], gradient);
        add_products(&mut dw[tap * c..][..c], &xs[from * c..][..c], gradient);
    });
    (dx, dw)
}

/// Maximum and the input pixel that it comes from, the first of equals in row order.
fn maxima<F: Float>(slide: &Slide, xs: &[F]) -> (Vec<F>, Vec<Option<usize>>) {
    let channels = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let mut ys = vec![F::NEG_INFINITY; images * slide.output.len()];
    let mut winners = vec![None; ys.len()];
    taps(slide, images, |to, _, from| {
        for c in 0..channels {
            let (y, x) = (&mut ys[to * channels + c], xs[from * channels + c]);
            if x > *y {
                *y = x;
                winners[to * channels + c] = Some(from * channels + c);
            }
        }
    });
    (ys, winners)
}

/// Maximum pooling; padding never wins.
pub(crate) fn max_pool<F: Float>(slide: &Slide, xs: &[F]) -> Vec<F> {
    maxima(slide, xs).0
}

/// Gradient of a maximum pooling's map: all of it goes to the winner.
pub(crate) fn max_pool_gradient<F: Float>(slide: &Slide, xs: &[F], gradient: &[F]) -> Vec<F> {
    let mut dx = vec![F::ZERO; xs.len()];
    for (winner, &g) in maxima(slide, xs).1.into_iter().zip(gradient) {
        if let Some(place) = winner {
            dx[place] += g;
        }
    }
    dx
}

/// One over the pixels of the map under the window, for each output pixel; 0 where there are none.
#[expect(clippy::cast_precision_loss, reason = "windows have few pixels")]
fn shares<F: Float>(slide: &Slide, images: usize) -> Vec<F> {
    let mut counts = vec![0_usize; images * slide.output.height * slide.output.width];
    taps(slide, images, |to, _, _| counts[to] += 1);
    let share = |&count: &usize| if count == 0 { F::ZERO } else { F::of(1.0 / count as f64) };
    counts.iter().map(share).collect()
}

/// Average pooling without padding in the count.
pub(crate) fn avg_pool<F: Float>(slide: &Slide, xs: &[F]) -> Vec<F> {
    let c = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let shares: Vec<F> = shares(slide, images);
    let mut ys = vec![F::ZERO; images * slide.output.len()];
    taps(slide, images, |to, _, from| {
        add_product(&mut ys[to * c..][..c], shares[to], &xs[from * c..][..c]);
    });
    ys
}

/// Gradient of an average pooling's map; `len` numbers.
pub(crate) fn avg_pool_gradient<F: Float>(slide: &Slide, len: usize, gradient: &[F]) -> Vec<F> {
    let c = slide.input.channels;
    let images = len / slide.input.len();
    let shares: Vec<F> = shares(slide, images);
    let mut dx = vec![F::ZERO; len];
    taps(slide, images, |to, _, from| {
        add_product(&mut dx[from * c..][..c], shares[to], &gradient[to * c..][..c]);
    });
    dx
}

/// Zeros around maps, or less of them: `first` is how far rows and columns move down and right. Its
/// gradient is the way back, with shapes exchanged and `first` negated.
pub(crate) fn pad<F: Float>(
    input: Shape,
    output: Shape,
    first: (isize, isize),
    xs: &[F],
) -> Vec<F> {
    let images = xs.len() / input.len();
    let mut ys = vec![F::ZERO; images * output.len()];
    for (image, (row, column)) in
        (0..images).flat_map(|i| grid(output.height, output.width).map(move |at| (i, at)))
    {
        let y = row.checked_add_signed(-first.0).filter(|&y| y < input.height);
        let x = column.checked_add_signed(-first.1).filter(|&x| x < input.width);
        if let (Some(y), Some(x)) = (y, x) {
            let to = (image * output.height + row) * output.width + column;
            let from = (image * input.height + y) * input.width + x;
            let c = input.channels;
            ys[to * c..][..c].copy_from_slice(&xs[from * c..][..c]);
        }
    }
    ys
}
