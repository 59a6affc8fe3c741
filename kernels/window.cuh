// A window that slides over maps `[image, row, column, channel]`. Its twin is src/kernel/slide.rs.
#ifndef WINDOW_CUH
#define WINDOW_CUH

#include "device.cuh"

struct Window {
    int images;
    int channels, height, width;             // of the input
    int out_channels, out_height, out_width; // of the output
    int rows, columns;                       // of the kernel
    int stride_rows, stride_columns;
    int pad_rows, pad_columns; // before the map
    int dilation;
};

// Place in a map, counted through all images.
struct Pixel {
    int image, row, column;
};

DEVICE Pixel pixel(int at, int height, int width) {
    return {at / (height * width), at / width % height, at % width};
}

// Input row under `tap` at the output row `row`; outside of the map where the window sees padding.
DEVICE int source_row(const Window& w, int row, int tap) {
    return row * w.stride_rows + tap * w.dilation - w.pad_rows;
}

DEVICE int source_column(const Window& w, int column, int tap) {
    return column * w.stride_columns + tap * w.dilation - w.pad_columns;
}

DEVICE bool is_inside(const Window& w, int row, int column) {
    return row >= 0 && column >= 0 && row < w.height && column < w.width;
}

// Step at which a window sees `place` under `tap`; -1 when at none.
DEVICE int reader(int place, int tap, int stride, int pad, int dilation, int steps) {
    const int moved = place + pad - tap * dilation;
    if (moved < 0 || moved % stride != 0 || moved / stride >= steps) return -1;
    return moved / stride;
}

DEVICE int reader_row(const Window& w, int row, int tap) {
    return reader(row, tap, w.stride_rows, w.pad_rows, w.dilation, w.out_height);
}

DEVICE int reader_column(const Window& w, int column, int tap) {
    return reader(column, tap, w.stride_columns, w.pad_columns, w.dilation, w.out_width);
}

// Where the channels of an input pixel begin.
DEVICE int input_at(const Window& w, int image, int row, int column) {
    return ((image * w.height + row) * w.width + column) * w.channels;
}

// Where the channels of an output pixel begin.
DEVICE int output_at(const Window& w, int image, int row, int column) {
    return ((image * w.out_height + row) * w.out_width + column) * w.out_channels;
}

// A number of one map that a tap of the window joins with a number of the other, in the same channel.
struct Joined {
    int place, tap;
    int row, column;
};

// Hands what the output number `at` sees of its channel of the input to `visit`, in row order.
template <class Visit>
DEVICE void each_source(const Window& w, int at, Visit visit) {
    const int c = w.channels;
    const Pixel to = pixel(at / c, w.out_height, w.out_width);
    for (int i = 0; i < w.rows; ++i)
        for (int j = 0; j < w.columns; ++j) {
            const int row = source_row(w, to.row, i), column = source_column(w, to.column, j);
            if (!is_inside(w, row, column)) continue;
            visit(Joined{input_at(w, to.image, row, column) + at % c, i * w.columns + j, row, column});
        }
}

// Hands the output numbers that saw the input number `at` to `visit`, in row order.
template <class Visit>
DEVICE void each_reader(const Window& w, int at, Visit visit) {
    const int c = w.channels;
    const Pixel from = pixel(at / c, w.height, w.width);
    for (int i = w.rows - 1; i >= 0; --i)
        for (int j = w.columns - 1; j >= 0; --j) {
            const int row = reader_row(w, from.row, i), column = reader_column(w, from.column, j);
            if (row < 0 || column < 0) continue;
            visit(Joined{output_at(w, from.image, row, column) + at % c, i * w.columns + j, row, column});
        }
}

DEVICE int input_pixels(const Window& w) { return w.images * w.height * w.width; }
DEVICE int output_pixels(const Window& w) { return w.images * w.out_height * w.out_width; }

#endif
