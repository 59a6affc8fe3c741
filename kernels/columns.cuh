// Sums over the pixels of a map, one for each channel, in an order that its shape fixes: a part of the pixels for
// each block, a stride of them for each row of threads, then the rows, then the parts (`fold` in sums.cu).
#ifndef COLUMNS_CUH
#define COLUMNS_CUH

#include "device.cuh"

// Rows of threads in a block, each with pixels of its own.
constexpr int ROWS = 8;

struct Columns {
    int pixels, channels;
    int part; // pixels that are summed together
};

// Block: WARP x ROWS. `term(place, channel, sums)` adds what a number brings; `parts` is `[part, sum, channel]`.
template <int SUMS, class Term>
DEVICE void sum_columns(const Columns& of, Out<float> parts, Term term) {
    SHARED(float, held, SUMS * ROWS * WARP);
    const int lane = static_cast<int>(threadIdx.x), line = static_cast<int>(threadIdx.y);
    const int channel = static_cast<int>(blockIdx.x) * WARP + lane, part = static_cast<int>(blockIdx.y);
    const int end = min((part + 1) * of.part, of.pixels);
    float sums[SUMS] = {};
    for (int pixel = part * of.part + line; pixel < end && channel < of.channels; pixel += ROWS)
        term(pixel * of.channels + channel, channel, sums);
    for (int s = 0; s < SUMS; ++s) held[(s * ROWS + line) * WARP + lane] = sums[s];
    barrier();
    if (line > 0 || channel >= of.channels) return;
    for (int s = 0; s < SUMS; ++s) {
        float sum = sums[s];
        for (int other = 1; other < ROWS; ++other) sum += held[(s * ROWS + other) * WARP + lane];
        parts[(part * SUMS + s) * of.channels + channel] = sum;
    }
}

#endif
