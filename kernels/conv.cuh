// Convolution, forward and both gradients, as products of matrices whose patches are never written down; `T` is the
// tile of the products. Weights are `[row, column, in, out]`; a dense layer is the 1x1 case.
#ifndef CONV_CUH
#define CONV_CUH

#include "window.cuh"

// The number of `xs` that the output pixel `at` sees as the `k`-th of its patch; 0 for padding.
DEVICE float patch(const Window& w, In<float> xs, int at, int k) {
    const Pixel to = pixel(at, w.out_height, w.out_width);
    const int tap = k / w.channels, channel = k % w.channels;
    const int row = source_row(w, to.row, tap / w.columns), column = source_column(w, to.column, tap % w.columns);
    return is_inside(w, row, column) ? xs[input_at(w, to.image, row, column) + channel] : 0.0f;
}

struct ConvForward {
    Window window;
    int biased, relu;
};

template <class T>
DEVICE void convolve(In<float> xs, In<float> weight, In<float> bias, Out<float> ys, const ConvForward& p) {
    const Window w = p.window;
    const int rows = output_pixels(w), filters = w.out_channels;
    T tile;
    if (p.biased) tile.each(rows, filters, [=](int, int filter, float& sum) { sum = bias[filter]; });
    tile.template add<true>(
        rows, filters, 0, w.rows * w.columns * w.channels, [=](int at, int k) { return patch(w, xs, at, k); },
        [=](int k, int filter) { return weight[k * filters + filter]; });
    tile.each(rows, filters,
              [=](int at, int filter, float y) { ys[at * filters + filter] = p.relu && y < 0.0f ? 0.0f : y; });
}

// Reads, for each input pixel, the outputs that saw it.
template <class T>
DEVICE void convolve_back(In<float> gradient, In<float> weight, Out<float> dx, const Window& w) {
    const int rows = input_pixels(w), channels = w.channels, filters = w.out_channels;
    T tile;
    tile.template add<true>(
        rows, channels, 0, w.rows * w.columns * filters,
        [=](int at, int k) {
            const Pixel from = pixel(at, w.height, w.width);
            const int tap = k / filters;
            const int row = reader_row(w, from.row, tap / w.columns);
            const int column = reader_column(w, from.column, tap % w.columns);
            return row < 0 || column < 0 ? 0.0f : gradient[output_at(w, from.image, row, column) + k % filters];
        },
        [=](int k, int channel) { return weight[(k / filters * channels + channel) * filters + k % filters]; });
    tile.each(rows, channels, [=](int at, int channel, float sum) { dx[at * channels + channel] = sum; });
}

struct ConvWeightGradient {
    Window window;
    int part; // output pixels that are summed together
};

// `parts` is `[part, row, column, in, out]`; see `fold`.
template <class T>
DEVICE void convolve_weights(In<float> xs, In<float> gradient, Out<float> parts, const ConvWeightGradient& p) {
    const Window w = p.window;
    const int rows = w.rows * w.columns * w.channels, filters = w.out_channels, pixels = output_pixels(w);
    const int part = static_cast<int>(blockIdx.z);
    T tile;
    tile.template add<false>(
        rows, filters, part * p.part, min((part + 1) * p.part, pixels),
        [=](int k, int at) { return patch(w, xs, at, k); },
        [=](int at, int filter) { return gradient[at * filters + filter]; });
    tile.each(rows, filters,
              [=](int k, int filter, float sum) { parts[(part * rows + k) * filters + filter] = sum; });
}

#endif
