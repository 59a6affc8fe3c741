// Convolution in single precision. Twin: src/kernel/conv.rs and `reference::conv`.
#include "conv.cuh"
#include "tile.cuh"

// Grid: tiles of output pixels, tiles of filters. `bias` is read when `biased`.
KERNEL(conv_forward)(In<float> xs, In<float> weight, In<float> bias, Out<float> ys, ConvForward p) {
    convolve<Tile>(xs, weight, bias, ys, p);
}

// Grid: tiles of input pixels, tiles of input channels.
KERNEL(conv_input_gradient)(In<float> gradient, In<float> weight, Out<float> dx, Window w) {
    convolve_back<Tile>(gradient, weight, dx, w);
}

// Grid: tiles of patch places, tiles of filters, parts.
KERNEL(conv_weight_gradient)(In<float> xs, In<float> gradient, Out<float> parts, ConvWeightGradient p) {
    convolve_weights<Tile>(xs, gradient, parts, p);
}
