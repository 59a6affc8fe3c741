// Pooling with any window. Twins: src/kernel/max_pool.rs, src/kernel/avg_pool.rs, `reference::max_pool` and
// `reference::avg_pool`. The gradients gather: each input asks the windows that saw it, in row order.
#include "window.cuh"

// The winner where a window saw padding only.
constexpr u8 NOBODY = 255;

// Grid: output numbers. The first of equals in row order wins, and NaN, which stays.
KERNEL(max_pool_forward)(In<float> xs, Out<float> ys, Out<u8> winners, Window w) {
    const int at = place();
    if (at >= output_pixels(w) * w.channels) return;
    float largest = -infinity();
    u8 winner = NOBODY;
    each_source(w, at, [&](Joined from) {
        const float x = xs[from.place];
        if (winner != NOBODY && !(x > largest) && x == x) return;
        largest = x;
        winner = static_cast<u8>(from.tap);
    });
    ys[at] = largest;
    winners[at] = winner;
}

// Grid: input numbers.
KERNEL(max_pool_gradient)(In<float> gradient, In<u8> winners, Out<float> dx, Window w) {
    const int at = place();
    if (at >= input_pixels(w) * w.channels) return;
    float sum = 0.0f;
    each_reader(w, at, [&](Joined to) {
        if (winners[to.place] == to.tap) sum += gradient[to.place];
    });
    dx[at] = sum;
}

// One over the pixels of the map that a window sees; one wholly in the padding has mean 0.
DEVICE float share(const Window& w, int row, int column) {
    const int top = source_row(w, row, 0), left = source_column(w, column, 0);
    const int rows = min(top + w.rows, w.height) - max(top, 0);
    const int columns = min(left + w.columns, w.width) - max(left, 0);
    return rows <= 0 || columns <= 0 ? 0.0f : 1.0f / static_cast<float>(rows * columns);
}

// Grid: output numbers.
KERNEL(avg_pool_forward)(In<float> xs, Out<float> ys, Window w) {
    const int at = place();
    if (at >= output_pixels(w) * w.channels) return;
    const Pixel to = pixel(at / w.channels, w.out_height, w.out_width);
    float sum = 0.0f;
    each_source(w, at, [&](Joined from) { sum += xs[from.place]; });
    ys[at] = sum * share(w, to.row, to.column);
}

// Grid: input numbers.
KERNEL(avg_pool_gradient)(In<float> gradient, Out<float> dx, Window w) {
    const int at = place();
    if (at >= input_pixels(w) * w.channels) return;
    float sum = 0.0f;
    each_reader(w, at, [&](Joined to) { sum += gradient[to.place] * share(w, to.row, to.column); });
    dx[at] = sum;
}
