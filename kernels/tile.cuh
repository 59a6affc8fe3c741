// A tile of a product of matrices: what a block computes of it, in single precision. `tile_bf16.cuh` has the same in
// mixed precision.
#ifndef TILE_CUH
#define TILE_CUH

#include "device.cuh"

// A block of THREADS computes TILE x TILE numbers, DEPTH terms of their sums at a time.
constexpr int TILE = 64, DEPTH = 16, THREADS = 256;

DEVICE int thread_of_tile() { return static_cast<int>(threadIdx.x); }
DEVICE int first_row() { return static_cast<int>(blockIdx.x) * TILE; }
DEVICE int first_column() { return static_cast<int>(blockIdx.y) * TILE; }

// Sums of which a thread has EACH x EACH neighbours.
struct Tile {
    static constexpr int EACH = 4, SIDE = TILE / EACH;
    // Numbers in a line of shared memory: 4 more, so that a column falls on different banks and quads stay aligned.
    static constexpr int LINE = TILE + 4;

    float sums[EACH][EACH] = {};

    // Adds `left(row, k) * right(k, column)` for `first <= k < last`.
    //
    // Each sum is one chain of fused multiply-adds in the order of k, as on the CPU. With DEEP, neighbouring threads
    // load neighbouring k of `left`, else neighbouring rows: whichever lies together in memory. What a row costs to
    // find does not depend on k and leaves the loop.
    template <bool DEEP, class Left, class Right>
    DEVICE void add(int rows, int columns, int first, int last, Left left, Right right) {
        SHARED(float, lefts, DEPTH * LINE);
        SHARED(float, rights, DEPTH * LINE);
        const int thread = thread_of_tile(), top = first_row(), side = first_column();
        for (int base = first; base < last; base += DEPTH) {
            for (int at = thread; at < TILE * DEPTH; at += THREADS) {
                const int depth = DEEP ? at % DEPTH : at / TILE, row = DEEP ? at / DEPTH : at % TILE;
                const bool inside = top + row < rows && base + depth < last;
                lefts[depth * LINE + row] = inside ? left(top + row, base + depth) : 0.0f;
            }
            for (int at = thread; at < TILE * DEPTH; at += THREADS) {
                const int depth = at / TILE, column = at % TILE;
                const bool inside = side + column < columns && base + depth < last;
                rights[depth * LINE + column] = inside ? right(base + depth, side + column) : 0.0f;
            }
            barrier();
            for (int depth = 0; depth < DEPTH; ++depth) {
                const float4 l = quad(lefts, depth * LINE + thread / SIDE * EACH);
                const float4 r = quad(rights, depth * LINE + thread % SIDE * EACH);
                const float own[EACH] = {l.x, l.y, l.z, l.w}, others[EACH] = {r.x, r.y, r.z, r.w};
                for (int i = 0; i < EACH; ++i)
                    for (int j = 0; j < EACH; ++j) sums[i][j] = fmaf(own[i], others[j], sums[i][j]);
            }
            barrier();
        }
    }

    // Hands this thread's sums to `visit(row, column, sum)`.
    template <class Visit>
    DEVICE void each(int rows, int columns, Visit visit) {
        const int thread = thread_of_tile();
        const int top = first_row() + thread / SIDE * EACH, side = first_column() + thread % SIDE * EACH;
        for (int i = 0; i < EACH && top + i < rows; ++i)
            for (int j = 0; j < EACH && side + j < columns; ++j) visit(top + i, side + j, sums[i][j]);
    }
};

#endif
