// Passes over maps number by number, and moves of channels and rows. Twins: src/kernel/pointwise.rs, relu.rs, sum.rs
// and pad.rs.
#include "device.cuh"

struct Len {
    int len;
};

// Grid: numbers. NaN stays.
KERNEL(rectify)(In<float> xs, Out<float> ys, Len p) {
    const int at = place();
    if (at < p.len) ys[at] = xs[at] < 0.0f ? 0.0f : xs[at];
}

// Grid: numbers. The gradient where the map `seen` behind a rectifier is above zero.
KERNEL(mask)(In<float> seen, In<float> gradient, Out<float> dx, Len p) {
    const int at = place();
    if (at < p.len) dx[at] = seen[at] > 0.0f ? gradient[at] : 0.0f;
}

// Grid: numbers.
KERNEL(add)(In<float> a, In<float> b, Out<float> sums, Len p) {
    const int at = place();
    if (at < p.len) sums[at] = a[at] + b[at];
}

struct Slice {
    int pixels;
    int width;           // channels of the narrow map
    int channels, first; // of the wide map, and where the narrow one begins in it
};

// Grid: numbers of the narrow map. A part of a concatenation.
KERNEL(put_channels)(In<float> narrow, Out<float> wide, Slice p) {
    const int at = place();
    if (at < p.pixels * p.width) wide[at / p.width * p.channels + p.first + at % p.width] = narrow[at];
}

// Grid: numbers of the narrow map. The way back of a concatenation.
KERNEL(take_channels)(In<float> wide, Out<float> narrow, Slice p) {
    const int at = place();
    if (at < p.pixels * p.width) narrow[at] = wide[at / p.width * p.channels + p.first + at % p.width];
}

struct Sheet {
    int images, channels;
    int height, width;         // of the map
    int out_height, out_width; // of the sheet
    int down, right;           // how far the map moves; what leaves the sheet is cut off
};

// Grid: numbers of the sheet.
KERNEL(pad)(In<float> xs, Out<float> ys, Sheet p) {
    const int at = place();
    if (at >= p.images * p.out_height * p.out_width * p.channels) return;
    const int pixel = at / p.channels;
    const int row = pixel / p.out_width % p.out_height - p.down, column = pixel % p.out_width - p.right;
    const int image = pixel / (p.out_height * p.out_width);
    const bool inside = row >= 0 && column >= 0 && row < p.height && column < p.width;
    ys[at] = inside ? xs[((image * p.height + row) * p.width + column) * p.channels + at % p.channels] : 0.0f;
}
