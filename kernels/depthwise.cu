// Convolution of each channel by itself, weights `[row, column, channel]`. Twin: src/kernel/depthwise.rs and
// `reference::depthwise`. Neighbouring threads have neighbouring channels, which lie together in memory.
#include "window.cuh"

// Grid: output numbers.
KERNEL(depthwise_forward)(In<float> xs, In<float> weight, Out<float> ys, Window w) {
    const int at = place(), c = w.channels;
    if (at >= output_pixels(w) * c) return;
    float sum = 0.0f;
    each_source(w, at, [&](Joined from) { sum = fmaf(xs[from.place], weight[from.tap * c + at % c], sum); });
    ys[at] = sum;
}

// Grid: input numbers.
KERNEL(depthwise_input_gradient)(In<float> gradient, In<float> weight, Out<float> dx, Window w) {
    const int at = place(), c = w.channels;
    if (at >= input_pixels(w) * c) return;
    float sum = 0.0f;
    each_reader(w, at, [&](Joined to) { sum = fmaf(gradient[to.place], weight[to.tap * c + at % c], sum); });
    dx[at] = sum;
}

// Rows of threads in a block, each with pixels of its own.
constexpr int ROWS = 8;

struct DepthwiseWeightGradient {
    Window window;
    int part; // output pixels that are summed together
};

// Grid: warps of channels, taps, parts; block: WARP x ROWS. `parts` is `[part, row, column, channel]`; see `fold`.
KERNEL(depthwise_weight_gradient)(In<float> xs, In<float> gradient, Out<float> parts, DepthwiseWeightGradient p) {
    SHARED(float, held, ROWS * WARP);
    const Window w = p.window;
    const int lane = static_cast<int>(threadIdx.x), line = static_cast<int>(threadIdx.y);
    const int c = static_cast<int>(blockIdx.x) * WARP + lane, tap = static_cast<int>(blockIdx.y);
    const int part = static_cast<int>(blockIdx.z), end = min((part + 1) * p.part, output_pixels(w));
    float sum = 0.0f;
    for (int at = part * p.part + line; at < end && c < w.channels; at += ROWS) {
        const Pixel to = pixel(at, w.out_height, w.out_width);
        const int row = source_row(w, to.row, tap / w.columns), column = source_column(w, to.column, tap % w.columns);
        if (!is_inside(w, row, column)) continue;
        sum = fmaf(xs[input_at(w, to.image, row, column) + c], gradient[at * w.channels + c], sum);
    }
    held[line * WARP + lane] = sum;
    barrier();
    if (line > 0 || c >= w.channels) return;
    for (int other = 1; other < ROWS; ++other) sum += held[other * WARP + lane];
    parts[(part * w.rows * w.columns + tap) * w.channels + c] = sum;
}
