// Batch normalisation with the rectifier behind it. Twin: src/kernel/batch_norm.rs and `reference::batch_norm`.
// Statistics take two passes over the map: the mean, then the squared distances from it.
#include "columns.cuh"

constexpr double EPSILON = 1e-3;

// Grid: warps of channels, parts; block: WARP x ROWS. Squared distances from the mean; see `fold`.
KERNEL(squared_distances)(In<float> xs, In<float> mean, Out<float> parts, Columns p) {
    sum_columns<1>(p, parts, [=](int at, int channel, float* sums) {
        const float apart = xs[at] - mean[channel];
        sums[0] += apart * apart;
    });
}

struct Channels {
    int channels;
};

// Grid: channels. `normal` is `[factor, offset, one over the deviation]`, each a number a channel.
KERNEL(norm_coefficients)(In<float> mean, In<float> variance, In<float> scale, In<float> shift, Out<float> normal,
                          Channels p) {
    const int c = place();
    if (c >= p.channels) return;
    const float inverse = static_cast<float>(1.0 / sqrt(static_cast<double>(variance[c]) + EPSILON));
    const float factor = scale[c] * inverse;
    normal[c] = factor;
    normal[p.channels + c] = shift[c] - mean[c] * factor;
    normal[2 * p.channels + c] = inverse;
}

struct Norm {
    int len, channels;
    int relu;
};

// Grid: numbers.
KERNEL(norm_forward)(In<float> xs, In<float> normal, Out<float> ys, Norm p) {
    const int at = place();
    if (at >= p.len) return;
    const int c = at % p.channels;
    const float y = xs[at] * normal[c] + normal[p.channels + c];
    ys[at] = p.relu && y < 0.0f ? 0.0f : y;
}

// The gradient behind the norm: nothing where the rectifier gave nothing.
DEVICE float passed(float x, float g, In<float> normal, int channels, int c, bool relu) {
    return relu && x * normal[c] + normal[channels + c] <= 0.0f ? 0.0f : g;
}

struct NormSums {
    Columns columns;
    int relu;
};

// Grid: warps of channels, parts; block: WARP x ROWS. Sums of g (x - mean) and of g; see `fold`.
KERNEL(norm_sums)(In<float> xs, In<float> gradient, In<float> normal, In<float> mean, Out<float> parts, NormSums p) {
    const int channels = p.columns.channels;
    sum_columns<2>(p.columns, parts, [=](int at, int c, float* sums) {
        const float g = passed(xs[at], gradient[at], normal, channels, c, p.relu);
        sums[0] += g * (xs[at] - mean[c]);
        sums[1] += g;
    });
}

struct Turn {
    int channels, pixels;
};

// Grid: channels. From the sums to the gradients of scale and shift, and to `back`: the factors of g, of x and of 1
// in the gradient of the map.
KERNEL(norm_turn)(In<float> sums, In<float> normal, In<float> mean, In<float> scale, Out<float> dscale,
                  Out<float> dshift, Out<float> back, Turn p) {
    const int c = place();
    if (c >= p.channels) return;
    const float inverse = normal[2 * p.channels + c], pixels = static_cast<float>(p.pixels);
    const float to_scale = sums[c] * inverse, to_shift = sums[p.channels + c];
    const float a = scale[c] * inverse, b = -a * inverse * to_scale / pixels;
    dscale[c] = to_scale;
    dshift[c] = to_shift;
    back[c] = a;
    back[p.channels + c] = b;
    back[2 * p.channels + c] = -a * to_shift / pixels - b * mean[c];
}

// Grid: numbers.
KERNEL(norm_gradient)(In<float> xs, In<float> gradient, In<float> normal, In<float> back, Out<float> dx, Norm p) {
    const int at = place();
    if (at >= p.len) return;
    const int c = at % p.channels;
    const float g = passed(xs[at], gradient[at], normal, p.channels, c, p.relu);
    dx[at] = back[c] * g + back[p.channels + c] * xs[at] + back[2 * p.channels + c];
}
