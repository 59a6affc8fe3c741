// Sums in a fixed order: of channels, of parts, of squares. Twins: `Chunks::reduce` in src/kernel/chunks.rs, the bias
// gradient of src/kernel/conv.rs, and `norm` in src/train/parameters.rs.
#include "columns.cuh"

// Grid: warps of channels, parts; block: WARP x ROWS.
KERNEL(column_sums)(In<float> xs, Out<float> parts, Columns p) {
    sum_columns<1>(p, parts, [=](int at, int, float* sums) { sums[0] += xs[at]; });
}

struct Fold {
    int len, parts;
    int divisor;
};

// Grid: sums. `sums[i]` is the sum of `parts[part, i]` over `divisor`, in double precision: few numbers of many.
KERNEL(fold)(In<float> parts, Out<float> sums, Fold p) {
    const int at = place();
    if (at >= p.len) return;
    double sum = 0.0;
    for (int part = 0; part < p.parts; ++part) sum += static_cast<double>(parts[part * p.len + at]);
    sums[at] = static_cast<float>(sum / p.divisor);
}

struct Squares {
    int len;
};

// Grid: parts of 256 * 16 numbers; block: 256. The sum of squares of each part.
KERNEL(squares)(In<float> xs, Out<float> parts, Squares p) {
    SHARED(double, held, 256 / WARP);
    const int thread = static_cast<int>(threadIdx.x), first = static_cast<int>(blockIdx.x) * 256 * 16;
    double sum = 0.0;
    for (int i = 0; i < 16; ++i) {
        const int at = first + i * 256 + thread;
        if (at < p.len) sum += static_cast<double>(xs[at]) * static_cast<double>(xs[at]);
    }
    sum = warp_sum(sum);
    if (thread % WARP == 0) held[thread / WARP] = sum;
    barrier();
    if (thread > 0) return;
    for (int warp = 1; warp < 256 / WARP; ++warp) sum += held[warp];
    parts[blockIdx.x] = static_cast<float>(sum);
}
