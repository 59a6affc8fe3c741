// Convolution in mixed precision. Twin: src/kernel/conv/bf16.rs and `reference::conv` of rounded operands.
#include "conv.cuh"
#include "tile_bf16.cuh"

// Grid: tiles of output pixels, tiles of filters. `bias` is read when `biased`.
KERNEL(conv_forward)(In<float> xs, In<float> weight, In<float> bias, Out<float> ys, ConvForward p) {
    convolve<TileBf16>(xs, weight, bias, ys, p);
}

// Grid: tiles of input pixels, tiles of input channels.
KERNEL(conv_input_gradient)(In<float> gradient, In<float> weight, Out<float> dx, Window w) {
    convolve_back<TileBf16>(gradient, weight, dx, w);
}

// Grid: tiles of patch places, tiles of filters, parts.
KERNEL(conv_weight_gradient)(In<float> xs, In<float> gradient, Out<float> parts, ConvWeightGradient p) {
    convolve_weights<TileBf16>(xs, gradient, parts, p);
}
