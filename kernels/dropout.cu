// Dropout and drop path. Twins: src/kernel/dropout.rs and src/kernel/drop_path.rs, bit by bit: the same ChaCha8
// streams, one an image, of which the key comes from the host.
#include "device.cuh"

// Words of a key, and of a block of the stream.
constexpr int KEY = 8, BLOCK = 16;

DEVICE u32 rotated(u32 x, int bits) { return x << bits | x >> (32 - bits); }

DEVICE void quarter(u32& a, u32& b, u32& c, u32& d) {
    a += b, d = rotated(d ^ a, 16);
    c += d, b = rotated(b ^ c, 12);
    a += b, d = rotated(d ^ a, 8);
    c += d, b = rotated(b ^ c, 7);
}

// Block `counter` of the ChaCha8 stream of `key` (Bernstein 2008), stream number 0.
DEVICE void chacha8(const u32 (&key)[KEY], u32 counter, u32 (&words)[BLOCK]) {
    const u32 start[BLOCK] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u, key[0], key[1], key[2], key[3],
                              key[4],      key[5],      key[6],      key[7],      counter, 0u,    0u,     0u};
    for (int i = 0; i < BLOCK; ++i) words[i] = start[i];
    for (int twice = 0; twice < 4; ++twice) {
        for (int i = 0; i < 4; ++i) quarter(words[i], words[4 + i], words[8 + i], words[12 + i]);
        for (int i = 0; i < 4; ++i)
            quarter(words[i], words[4 + (i + 1) % 4], words[8 + (i + 2) % 4], words[12 + (i + 3) % 4]);
    }
    for (int i = 0; i < BLOCK; ++i) words[i] += start[i];
}

struct Dropout {
    int size;      // numbers in an image
    u32 threshold; // a draw below it drops
    float scale;
};

// Grid: blocks of an image's stream, images. A number takes one word: two from each draw of 64 bits.
KERNEL(dropout)(In<float> xs, In<u32> keys, Out<float> ys, Dropout p) {
    const int first = place() * BLOCK, image = static_cast<int>(blockIdx.y);
    if (first >= p.size) return;
    u32 key[KEY], words[BLOCK];
    for (int i = 0; i < KEY; ++i) key[i] = keys[image * KEY + i];
    chacha8(key, static_cast<u32>(place()), words);
    for (int i = 0; i < BLOCK && first + i < p.size; ++i) {
        const int at = image * p.size + first + i;
        ys[at] = words[i] < p.threshold ? 0.0f : xs[at] * p.scale;
    }
}

struct DropPath {
    int size;              // numbers in an image
    u32 keep_low, keep_high; // bits of the probability to keep, a double
    float scale;
};

// Grid: numbers of an image, images. The first draw of an image's stream decides for its whole map.
KERNEL(drop_path)(In<float> xs, In<u32> keys, Out<float> ys, DropPath p) {
    SHARED(u32, kept, 1);
    const int at = place(), image = static_cast<int>(blockIdx.y);
    if (threadIdx.x == 0) {
        u32 key[KEY], words[BLOCK];
        for (int i = 0; i < KEY; ++i) key[i] = keys[image * KEY + i];
        chacha8(key, 0u, words);
        const unsigned long long drawn = static_cast<unsigned long long>(words[1]) << 32 | words[0];
        const double unit = static_cast<double>(drawn >> 11) * (1.0 / 9007199254740992.0);
        kept[0] = unit < from_bits(p.keep_low, p.keep_high) ? 1u : 0u;
    }
    barrier();
    if (at >= p.size) return;
    const bool is_kept = kept[0] != 0u;
    ys[image * p.size + at] = is_kept ? xs[image * p.size + at] * p.scale : 0.0f;
}
