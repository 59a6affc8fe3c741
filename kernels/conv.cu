// Convolution, forward and both gradients, as products of matrices whose patches are never written down.
// Twin: src/kernel/conv.rs and `reference::conv`. Weights are `[row, column, in, out]`; a dense layer is the 1x1 case.
#include "window.cuh"

// A block computes TILE x TILE numbers, DEPTH terms of their sums at a time; a thread EACH x EACH of them.
constexpr int TILE = 64, DEPTH = 16, EACH = 4, SIDE = TILE / EACH, THREADS = SIDE * SIDE;
// Numbers in a line of shared memory: 4 more, so that a column falls on different banks and quads stay aligned.
constexpr int LINE = TILE + 4;

// Adds `left(row, k) * right(k, column)` for `first <= k < last` to the sums of this thread's rows and columns.
//
// Each sum is one chain of fused multiply-adds in the order of k, as on the CPU. With DEEP, neighbouring threads load
// neighbouring k of `left`, else neighbouring rows: whichever lies together in memory. What a row costs to find does
// not depend on k and leaves the loop.
template <bool DEEP, class Left, class Right>
DEVICE void product(int rows, int columns, int first, int last, Left left, Right right, float (&sums)[EACH][EACH]) {
    SHARED(float, lefts, DEPTH * LINE);
    SHARED(float, rights, DEPTH * LINE);
    const int thread = static_cast<int>(threadIdx.x);
    const int top = static_cast<int>(blockIdx.x) * TILE, side = static_cast<int>(blockIdx.y) * TILE;
    for (int base = first; base < last; base += DEPTH) {
        for (int at = thread; at < TILE * DEPTH; at += THREADS) {
            const int depth = DEEP ? at % DEPTH : at / TILE, row = DEEP ? at / DEPTH : at % TILE;
            const bool inside = top + row < rows && base + depth < last;
            lefts[depth * LINE + row] = inside ? left(top + row, base + depth) : 0.0f;
        }
        for (int at = thread; at < TILE * DEPTH; at += THREADS) {
            const int depth = at / TILE, column = at % TILE;
            const bool inside = side + column < columns && base + depth < last;
            rights[depth * LINE + column] = inside ? right(base + depth, side + column) : 0.0f;
        }
        barrier();
        for (int depth = 0; depth < DEPTH; ++depth) {
            const float4 l = quad(lefts, depth * LINE + thread / SIDE * EACH);
            const float4 r = quad(rights, depth * LINE + thread % SIDE * EACH);
            const float own[EACH] = {l.x, l.y, l.z, l.w}, others[EACH] = {r.x, r.y, r.z, r.w};
            for (int i = 0; i < EACH; ++i)
                for (int j = 0; j < EACH; ++j) sums[i][j] = fmaf(own[i], others[j], sums[i][j]);
        }
        barrier();
    }
}

// Hands this thread's sums to `put(row, column, sum)`.
template <class Put>
DEVICE void each_sum(int rows, int columns, const float (&sums)[EACH][EACH], Put put) {
    const int thread = static_cast<int>(threadIdx.x);
    const int top = static_cast<int>(blockIdx.x) * TILE + thread / SIDE * EACH;
    const int side = static_cast<int>(blockIdx.y) * TILE + thread % SIDE * EACH;
    for (int i = 0; i < EACH && top + i < rows; ++i)
        for (int j = 0; j < EACH && side + j < columns; ++j) put(top + i, side + j, sums[i][j]);
}

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

// Grid: tiles of output pixels, tiles of filters. `bias` is read when `biased`.
KERNEL(conv_forward)(In<float> xs, In<float> weight, In<float> bias, Out<float> ys, ConvForward p) {
    const Window w = p.window;
    const int rows = output_pixels(w), filters = w.out_channels;
    float sums[EACH][EACH] = {};
    const int side = static_cast<int>(blockIdx.y) * TILE + static_cast<int>(threadIdx.x) % SIDE * EACH;
    if (p.biased)
        for (int i = 0; i < EACH; ++i)
            for (int j = 0; j < EACH && side + j < filters; ++j) sums[i][j] = bias[side + j];
    product<true>(
        rows, filters, 0, w.rows * w.columns * w.channels, [=](int at, int k) { return patch(w, xs, at, k); },
        [=](int k, int filter) { return weight[k * filters + filter]; }, sums);
    each_sum(rows, filters, sums,
             [=](int at, int filter, float y) { ys[at * filters + filter] = p.relu && y < 0.0f ? 0.0f : y; });
}

// Grid: tiles of input pixels, tiles of input channels. Reads, for each input pixel, the outputs that saw it.
KERNEL(conv_input_gradient)(In<float> gradient, In<float> weight, Out<float> dx, Window w) {
    const int rows = input_pixels(w), channels = w.channels, filters = w.out_channels;
    float sums[EACH][EACH] = {};
    product<true>(
        rows, channels, 0, w.rows * w.columns * filters,
        [=](int at, int k) {
            const Pixel from = pixel(at, w.height, w.width);
            const int tap = k / filters;
            const int row = reader_row(w, from.row, tap / w.columns);
            const int column = reader_column(w, from.column, tap % w.columns);
            return row < 0 || column < 0 ? 0.0f : gradient[output_at(w, from.image, row, column) + k % filters];
        },
        [=](int k, int channel) { return weight[(k / filters * channels + channel) * filters + k % filters]; }, sums);
    each_sum(rows, channels, sums, [=](int at, int channel, float sum) { dx[at * channels + channel] = sum; });
}

struct ConvWeightGradient {
    Window window;
    int part; // output pixels that are summed together
};

// Grid: tiles of patch places, tiles of filters, parts. `parts` is `[part, row, column, in, out]`; see `fold`.
KERNEL(conv_weight_gradient)(In<float> xs, In<float> gradient, Out<float> parts, ConvWeightGradient p) {
    const Window w = p.window;
    const int rows = w.rows * w.columns * w.channels, filters = w.out_channels, pixels = output_pixels(w);
    const int part = static_cast<int>(blockIdx.z);
    float sums[EACH][EACH] = {};
    product<false>(
        rows, filters, part * p.part, min((part + 1) * p.part, pixels),
        [=](int k, int at) { return patch(w, xs, at, k); },
        [=](int at, int filter) { return gradient[at * filters + filter]; }, sums);
    each_sum(rows, filters, sums,
             [=](int k, int filter, float sum) { parts[(part * rows + k) * filters + filter] = sum; });
}
