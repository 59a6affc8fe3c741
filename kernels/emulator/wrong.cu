// Kernels with the mistakes that the emulator must find; see `src/kernel/gpu/tests.rs`.
#include "device.cuh"

struct Nothing {
    int none;
};

KERNEL(reads_behind_the_end)(In<float> xs, Out<float> ys, Nothing) {
    ys[place()] = xs[place() + 1];
}

KERNEL(writes_before_the_beginning)(In<float> xs, Out<float> ys, Nothing) {
    ys[place() - 1] = xs[place()];
}

KERNEL(two_threads_write_one_number)(In<float> xs, Out<float> ys, Nothing) {
    ys[place() / 2] = xs[place()];
}

KERNEL(adds_across_blocks)(In<float> xs, Out<float> ys, Nothing) {
    if (threadIdx.x == 0) ys[0] += xs[place()];
}

KERNEL(lacks_a_barrier)(In<float> xs, Out<float> ys, Nothing) {
    SHARED(float, held, 64);
    held[threadIdx.x] = xs[place()];
    ys[place()] = held[63 - threadIdx.x];
}

// Thread 0 reads in order, so that what it reads is there by chance.
KERNEL(lacks_a_barrier_that_order_hides)(In<float> xs, Out<float> ys, Nothing) {
    SHARED(float, held, 64);
    held[threadIdx.x] = xs[place()];
    ys[place()] = threadIdx.x == 0 ? 0.0f : static_cast<float>(held[threadIdx.x - 1]);
}

KERNEL(overwrites_what_is_still_read)(In<float> xs, Out<float> ys, Nothing) {
    SHARED(float, held, 64);
    held[threadIdx.x] = xs[place()];
    barrier();
    const float other = held[(threadIdx.x + 1) % 64];
    held[threadIdx.x] = 0.0f;
    ys[place()] = other;
}

KERNEL(reads_what_nobody_wrote)(In<float>, Out<float> ys, Nothing) {
    SHARED(float, held, 64);
    ys[place()] = held[threadIdx.x];
}

KERNEL(leaves_before_the_barrier)(In<float> xs, Out<float> ys, Nothing) {
    if (threadIdx.x == 7) return;
    barrier();
    ys[place()] = xs[place()];
}

KERNEL(leaves_a_warp)(In<float> xs, Out<float> ys, Nothing) {
    if (threadIdx.x == 7) return;
    ys[place()] = warp_sum(static_cast<float>(xs[place()]));
}

KERNEL(leaves_a_product)(In<float> xs, Out<float> ys, Nothing) {
    if (threadIdx.x == 7) return;
    const u32 left[4] = {}, right[2] = {};
    float sums[4] = {xs[place()]};
    warp_product(left, right, sums);
    ys[place()] = sums[0];
}

KERNEL(shares_too_much)(In<float> xs, Out<float> ys, Nothing) {
    SHARED(float, one, 8192);
    SHARED(float, other, 8192);
    one[threadIdx.x] = xs[place()];
    other[threadIdx.x] = xs[place()];
    ys[place()] = one[threadIdx.x] + other[threadIdx.x];
}

KERNEL(reads_a_crooked_quad)(In<float> xs, Out<float> ys, Nothing) {
    SHARED(float, held, 68);
    held[threadIdx.x] = xs[place()];
    barrier();
    ys[place()] = quad(held, 1).x;
}
