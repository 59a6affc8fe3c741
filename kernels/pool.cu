// Pooling with any window. Twins: src/kernel/max_pool.rs, src/kernel/avg_pool.rs, `reference::max_pool` and
// `reference::avg_pool`. The gradients gather: each input asks the windows that saw it, in row order.
#include "window.cuh"

// The winner where a window saw padding only.
constexpr u8 NOBODY = 255;

// Grid: output numbers. The first of equals in row order wins, and NaN, which stays.
KERNEL(max_pool_forward)(In<float> xs, Out<float> ys, Out<u8> winners, Window w) {
    const int at = place(), c = w.channels;
    if (at >= output_pixels(w) * c) return;
    const Pixel to = pixel(at / c, w.out_height, w.out_width);
    float largest = -infinity();
    u8 winner = NOBODY;
    for (int i = 0; i < w.rows; ++i)
        for (int j = 0; j < w.columns; ++j) {
            const int row = source_row(w, to.row, i), column = source_column(w, to.column, j);
            if (!is_inside(w, row, column)) continue;
            const float x = xs[input_at(w, to.image, row, column) + at % c];
            if (winner != NOBODY && !(x > largest) && x == x) continue;
            largest = x;
            winner = static_cast<u8>(i * w.columns + j);
        }
    ys[at] = largest;
    winners[at] = winner;
}

// Grid: input numbers.
KERNEL(max_pool_gradient)(In<float> gradient, In<u8> winners, Out<float> dx, Window w) {
    const int at = place(), c = w.channels;
    if (at >= input_pixels(w) * c) return;
    const Pixel from = pixel(at / c, w.height, w.width);
    float sum = 0.0f;
    for (int i = w.rows - 1; i >= 0; --i)
        for (int j = w.columns - 1; j >= 0; --j) {
            const int row = reader_row(w, from.row, i), column = reader_column(w, from.column, j);
            if (row < 0 || column < 0) continue;
            const int to = output_at(w, from.image, row, column) + at % c;
            if (winners[to] == i * w.columns + j) sum += gradient[to];
        }
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
    const int at = place(), c = w.channels;
    if (at >= output_pixels(w) * c) return;
    const Pixel to = pixel(at / c, w.out_height, w.out_width);
    float sum = 0.0f;
    for (int i = 0; i < w.rows; ++i)
        for (int j = 0; j < w.columns; ++j) {
            const int row = source_row(w, to.row, i), column = source_column(w, to.column, j);
            if (is_inside(w, row, column)) sum += xs[input_at(w, to.image, row, column) + at % c];
        }
    ys[at] = sum * share(w, to.row, to.column);
}

// Grid: input numbers.
KERNEL(avg_pool_gradient)(In<float> gradient, Out<float> dx, Window w) {
    const int at = place(), c = w.channels;
    if (at >= input_pixels(w) * c) return;
    const Pixel from = pixel(at / c, w.height, w.width);
    float sum = 0.0f;
    for (int i = w.rows - 1; i >= 0; --i)
        for (int j = w.columns - 1; j >= 0; --j) {
            const int row = reader_row(w, from.row, i), column = reader_column(w, from.column, j);
            if (row < 0 || column < 0) continue;
            sum += gradient[output_at(w, from.image, row, column) + at % c] * share(w, row, column);
        }
    dx[at] = sum;
}
