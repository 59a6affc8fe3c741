// What kernels are written in. A device compiles it to CUDA, a test to checked C++ (`emulator/machine.h`), from the
// same source.
//
// Every kernel is `KERNEL(name)(In<..>.., Out<..>.., Params)`: what it reads, what it writes, then one structure of
// 32-bit numbers. A block has at most 256 threads. No kernel uses an atomic: a number is written by one thread, and
// sums run in an order that the shape fixes. Products that may be fused say so (`fmaf`); compile with --fmad=false.
#ifndef DEVICE_CUH
#define DEVICE_CUH

#ifdef EMULATED
#include "emulator/machine.h"
#else

#define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name
#define DEVICE __device__ __forceinline__
// Memory that the threads of a block share, at a boundary of 16 bytes.
#define SHARED(type, name, len) __shared__ __align__(16) type name[len]

// Memory that nobody writes during a launch.
template <class T>
using In = const T* __restrict__;
// Memory of which each number is written, and then read, by one thread only.
template <class T>
using Out = T* __restrict__;

typedef unsigned char u8;
typedef unsigned int u32;

// Waits for all threads of the block.
DEVICE void barrier() { __syncthreads(); }

// The number that the lane `across` (an exclusive or) holds. All lanes of the warp must take part.
DEVICE float from_lane(float mine, int across) { return __shfl_xor_sync(0xffffffffu, mine, across); }
DEVICE double from_lane(double mine, int across) { return __shfl_xor_sync(0xffffffffu, mine, across); }

// The double whose bits are given in halves.
DEVICE double from_bits(u32 low, u32 high) {
    return __hiloint2double(static_cast<int>(high), static_cast<int>(low));
}

DEVICE float infinity() { return __int_as_float(0x7f800000); }

// Two numbers rounded to bfloat16, to nearest and ties to even; the first is in the low half.
DEVICE u32 bf16_pair(float first, float second) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}

// Adds a product of 16 x 16 and 16 x 8 numbers of bfloat16 to 16 x 8 sums, which the lanes of a warp hold as PTX says of
// `mma.m16n8k16`. All lanes must take part. Lane l has: of the left the rows l / 4 and l / 4 + 8 (second, fourth) at the
// pairs l % 4 and l % 4 + 4 (third, fourth); of the right the column l / 4 at the same pairs; of the sums the columns
// 2 (l % 4) and the next in the row l / 4, then in l / 4 + 8.
DEVICE void warp_product(const u32 (&left)[4], const u32 (&right)[2], float (&sums)[4]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}

// Four neighbours in shared memory; `at` is a multiple of 4.
DEVICE float4 quad(const float* shared, int at) { return *reinterpret_cast<const float4*>(shared + at); }

#endif

constexpr int WARP = 32;

// Place of this thread in a launch along x.
DEVICE int place() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

// Sum over a warp, the same in all lanes and always in the same order.
template <class T>
DEVICE T warp_sum(T mine) {
    for (int across = WARP / 2; across > 0; across /= 2) mine += from_lane(mine, across);
    return mine;
}

// Maximum over a warp, the same in all lanes.
DEVICE float warp_max(float mine) {
    for (int across = WARP / 2; across > 0; across /= 2) mine = fmaxf(mine, from_lane(mine, across));
    return mine;
}

#endif
