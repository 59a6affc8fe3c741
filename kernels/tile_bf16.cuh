// A tile of a product of matrices in mixed precision, by tensor cores: operands are rounded to bfloat16 on their way
// into shared memory, and nowhere else; their products are exact, and sums are kept in single precision.
//
// The order of the terms within each 16 is the device's own; what is summed after what is fixed by shape.
#ifndef TILE_BF16_CUH
#define TILE_BF16_CUH

#include "tile.cuh"

// Sums in the order of `warp_product`: four warps follow one another along the rows and two along the columns, and
// each has 16 rows and PIECES times 8 columns.
struct TileBf16 {
    static constexpr int PIECES = 4, PAIRS = DEPTH / 2;
    // Pairs in a line of shared memory: 8 more, so that the 4 x 8 that a warp reads fall on different banks.
    static constexpr int LINE = TILE + 8;

    float sums[PIECES][4] = {};

    // As `Tile::add`; neighbours in k lie together as pairs.
    template <bool DEEP, class Left, class Right>
    DEVICE void add(int rows, int columns, int first, int last, Left left, Right right) {
        SHARED(u32, lefts, PAIRS * LINE);
        SHARED(u32, rights, PAIRS * LINE);
        const int thread = thread_of_tile(), top = first_row(), side = first_column();
        for (int base = first; base < last; base += DEPTH) {
            for (int at = thread; at < TILE * PAIRS; at += THREADS) {
                const int pair = DEEP ? at % PAIRS : at / TILE, row = DEEP ? at / PAIRS : at % TILE;
                const auto number = [=](int k) { return top + row < rows && k < last ? left(top + row, k) : 0.0f; };
                lefts[pair * LINE + row] = bf16_pair(number(base + 2 * pair), number(base + 2 * pair + 1));
            }
            for (int at = thread; at < TILE * PAIRS; at += THREADS) {
                const int pair = at / TILE, column = at % TILE;
                const auto number = [=](int k) {
                    return side + column < columns && k < last ? right(k, side + column) : 0.0f;
                };
                rights[pair * LINE + column] = bf16_pair(number(base + 2 * pair), number(base + 2 * pair + 1));
            }
            barrier();
            multiply(lefts, rights);
            barrier();
        }
    }

    // As `Tile::each`.
    template <class Visit>
    DEVICE void each(int rows, int columns, Visit visit) {
        const int top = first_row() + row(), side = first_column() + column() + lane() % 4 * 2;
        for (int piece = 0; piece < PIECES; ++piece)
            for (int i = 0; i < 4; ++i) {
                const int r = top + i / 2 * 8, c = side + piece * 8 + i % 2;
                if (r < rows && c < columns) visit(r, c, sums[piece][i]);
            }
    }

  private:
    DEVICE static int lane() { return thread_of_tile() % WARP; }
    // This lane's first row, and the first column of its warp, within the tile.
    DEVICE static int row() { return thread_of_tile() / WARP % 4 * 16 + lane() / 4; }
    DEVICE static int column() { return thread_of_tile() / WARP / 4 * (PIECES * 8); }

    template <class Pairs>
    DEVICE void multiply(const Pairs& lefts, const Pairs& rights) {
        const int near = lane() % 4 * LINE, far = near + 4 * LINE, top = row();
        const u32 left[4] = {lefts[near + top], lefts[near + top + 8], lefts[far + top], lefts[far + top + 8]};
        for (int piece = 0; piece < PIECES; ++piece) {
            const int side = column() + piece * 8 + lane() / 4;
            const u32 right[2] = {rights[near + side], rights[far + side]};
            warp_product(left, right, sums[piece]);
        }
    }
};

#endif
