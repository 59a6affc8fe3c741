// A CUDA device for tests: runs a kernel's source on the host, one thread of the device after another, and stops at
// whatever a device would silently get wrong.
//
// - Every index is held against the length of its memory.
// - Shared memory: a number that one thread writes and another reads or writes without a barrier between them, a
//   number that nobody wrote, a quad that is not aligned, more than 48 KiB of it.
// - Memory of the device: a number that two threads write, or that one reads and another wrote, in one launch.
// - A barrier, or an exchange within a warp, that not all threads reach; blocks and grids beyond the limits.
//
// Threads of a block are fibers that run from one wait to the next, so a launch costs what its arithmetic costs.
// Says nothing about speed, nor about what a compiler for devices makes of the source.
#pragma once
#include <bit>
#include <cmath>
#include <csetjmp>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <ucontext.h>
#include <vector>

#define KERNEL(name) static void name
#define DEVICE inline
#define SHARED(type, name, len)                             \
    static emulator::Shared<type, (len)> name##_memory(#name); \
    emulator::Shared<type, (len)>& name = name##_memory

typedef unsigned char u8;
typedef uint32_t u32;

struct Point {
    unsigned x = 1, y = 1, z = 1;
};
struct float4 {
    float x, y, z, w;
};
inline Point threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr unsigned THREADS_MAX = 256, SHARED_MAX = 48 * 1024, LANES = 32;
constexpr size_t STACK = 64 * 1024;

// Ends the process: what a kernel did is wrong.
[[noreturn]] inline void fail(const char* format, ...) {

    std::fprintf(stderr, "block (%u, %u, %u), thread (%u, %u): ", blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
                 threadIdx.y);
    va_list values;
    va_start(values, format);
    std::vfprintf(stderr, format, values);
    va_end(values);
    std::fputc('\n', stderr);
    std::_Exit(3);
}

enum class State { Ready, AtBarrier, InWarp, Done };

// One thread of a block. The fiber lives on from block to block.
struct Fiber {
    ucontext_t start;
    jmp_buf at;
    std::vector<char> stack;
    State state = State::Done;
    bool begun = false;
};

// What a lane brings to a product of its warp: pairs of bfloat16.
struct Fragments {
    u32 left[4], right[2];
};

// What runs now.
struct Machine {
    std::vector<Fiber> fibers;
    jmp_buf scheduler;
    unsigned running = 0;
    void (*body)(void*) = nullptr;
    void* closure = nullptr;
    // Counts barriers through all blocks and launches, so that no memory has to be cleared between them.
    uint64_t epoch = 1, block_began = 1, launch = 0;
    size_t shared_bytes = 0;
    double lanes[THREADS_MAX];
    Fragments fragments[THREADS_MAX];
};
inline Machine machine;

inline unsigned threads() { return blockDim.x * blockDim.y * blockDim.z; }

// Number of this thread among all of the launch, from 1.
inline uint64_t global_thread() {
    const uint64_t block = (uint64_t(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    return block * threads() + machine.running + 1;
}

// Gives the processor back until the scheduler finds that the wait is over.
inline void wait(State state) {
    Fiber& fiber = machine.fibers[machine.running];
    fiber.state = state;
    if (_setjmp(fiber.at) == 0) _longjmp(machine.scheduler, 1);
}

inline void live() {
    for (;;) {
        machine.body(machine.closure);
        wait(State::Done);
    }
}

// Runs a thread to its next wait. `ucontext` only makes the stack: its switches would cost two system calls each.
inline void resume(unsigned thread) {
    Fiber& fiber = machine.fibers[thread];
    machine.running = thread;
    threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y)};
    if (_setjmp(machine.scheduler) != 0) return;
    if (fiber.begun) _longjmp(fiber.at, 1);
    fiber.begun = true;
    fiber.stack.resize(STACK);
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = STACK;
    makecontext(&fiber.start, live, 0);
    setcontext(&fiber.start);
}

inline unsigned count(State state, unsigned first, unsigned last) {
    unsigned found = 0;
    for (unsigned t = first; t < last; ++t) found += machine.fibers[t].state == state;
    return found;
}

inline void release(unsigned first, unsigned last) {
    for (unsigned t = first; t < last; ++t) machine.fibers[t].state = State::Ready;
}

// Lets go on who has waited long enough; whether anybody may.
inline bool let_go() {
    bool any = false;
    for (unsigned warp = 0; warp < threads(); warp += LANES) {
        const unsigned end = warp + LANES < threads() ? warp + LANES : threads();
        if (count(State::InWarp, warp, end) == LANES) release(warp, end), any = true;
    }
    if (count(State::AtBarrier, 0, threads()) == threads()) {
        ++machine.epoch;
        release(0, threads());
        any = true;
    }
    return any;
}

inline void run_block() {
    machine.block_began = ++machine.epoch;
    release(0, threads());
    do {
        for (unsigned t = 0; t < threads(); ++t)
            if (machine.fibers[t].state == State::Ready) resume(t);
    } while (let_go());
    if (count(State::Done, 0, threads()) == threads()) return;
    if (count(State::AtBarrier, 0, threads()) > 0) fail("not all threads of the block reach the barrier");
    fail("not all lanes of the warp take part in the exchange");
}

template <class Body>
void run(Point grid, Point block, Body body) {
    gridDim = grid, blockDim = block, blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0};
    if (threads() == 0 || threads() > THREADS_MAX) fail("a block of %u threads, of at most %u", threads(), THREADS_MAX);
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        fail("a grid of %u x %u x %u blocks", grid.x, grid.y, grid.z);
    if (machine.fibers.empty()) machine.fibers.resize(THREADS_MAX);
    machine.body = [](void* closure) { (*static_cast<Body*>(closure))(); };
    machine.closure = &body;
    ++machine.launch;
    machine.shared_bytes = 0;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) run_block();
}

// A number that is read and written through its owner's checks.
template <class Owner, class T>
struct Place {
    const Owner& owner;
    int at;

    operator T() const { return owner.read(at); }
    const Place& operator=(T value) const {
        owner.write(at, value);
        return *this;
    }
    const Place& operator=(const Place& other) const { return *this = static_cast<T>(other); }
    const Place& operator+=(T value) const { return *this = static_cast<T>(owner.read(at) + value); }
};

// Memory that the threads of a block share.
template <class T, int N>
class Shared {
    struct Seen {
        uint64_t written = 0, read = 0; // epochs
        unsigned writer = 0, reader = 0;
        bool several = false; // readers
    };
    alignas(16) mutable T values[N];
    mutable Seen seen[N];
    mutable uint64_t launch = 0;
    const char* name;

    Seen& check(int at) const {
        if (launch != machine.launch) {
            launch = machine.launch;
            machine.shared_bytes += sizeof(values);
            if (machine.shared_bytes > SHARED_MAX) fail("more than %u bytes of shared memory", SHARED_MAX);
        }
        if (at < 0 || at >= N) fail("%s[%d] of %d", name, at, N);
        return seen[at];
    }

  public:
    explicit Shared(const char* name) : name(name) {}

    T read(int at) const {
        Seen& s = check(at);
        if (s.written < machine.block_began) fail("%s[%d] is read, and nobody wrote it", name, at);
        if (s.written == machine.epoch && s.writer != machine.running)
            fail("%s[%d] is read, and thread %u wrote it without a barrier between", name, at, s.writer);
        s.several = s.read == machine.epoch && (s.several || s.reader != machine.running);
        s.read = machine.epoch, s.reader = machine.running;
        return values[at];
    }
    void write(int at, T value) const {
        Seen& s = check(at);
        if (s.written == machine.epoch && s.writer != machine.running)
            fail("%s[%d] is written, and thread %u wrote it without a barrier between", name, at, s.writer);
        if (s.read == machine.epoch && (s.several || s.reader != machine.running))
            fail("%s[%d] is written, and another thread read it without a barrier between", name, at);
        s.written = machine.epoch, s.writer = machine.running;
        values[at] = value;
    }
    Place<Shared, T> operator[](int at) const { return {*this, at}; }
};

// Memory of the device that nobody writes.
template <class T>
struct Reads {
    const T* values;
    int len;

    T operator[](int at) const {
        if (at < 0 || at >= len) fail("an input's [%d] of %d is read", at, len);
        return values[at];
    }
};

// Memory of the device of which each number belongs to one thread.
template <class T>
struct Writes {
    T* values;
    uint64_t* owners; // of each number, 0 while nobody wrote it
    int len;

    uint64_t& check(int at) const {
        if (at < 0 || at >= len) fail("an output's [%d] of %d is touched", at, len);
        if (owners[at] != 0 && owners[at] != global_thread()) fail("an output's [%d] is touched by two threads", at);
        return owners[at];
    }
    T read(int at) const {
        check(at);
        return values[at];
    }
    void write(int at, T value) const {
        check(at) = global_thread();
        values[at] = value;
    }
    Place<Writes, T> operator[](int at) const { return {*this, at}; }
};

template <class T>
T exchange(T mine, int across) {
    const unsigned self = machine.running, other = self ^ static_cast<unsigned>(across);
    if (threads() % LANES != 0) fail("an exchange in a block of %u threads, which are no whole warps", threads());
    if (self / LANES != other / LANES) fail("an exchange with a lane of another warp");
    machine.lanes[self] = static_cast<double>(mine);
    wait(State::InWarp);
    const T found = static_cast<T>(machine.lanes[other]);
    wait(State::InWarp);
    return found;
}

// The bits of a number in bfloat16: to nearest, ties to even. All NaN become one, as on a device.
inline u32 bf16(float number) {
    if (number != number) return 0x7fff;
    const u32 bits = std::bit_cast<u32>(number);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// The number whose bits are in a half of a pair.
inline double of_pair(u32 pair, int half) {
    return static_cast<double>(std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xffff0000u));
}

// Element (row, k) of the left fragments of a warp, and (k, column) of the right ones: the tables of `mma.m16n8k16` in
// the PTX ISA, read from the element to the lane and register that hold it.
inline double left_element(unsigned warp, int row, int k) {
    const unsigned lane = row % 8 * 4 + k % 8 / 2;
    return of_pair(machine.fragments[warp + lane].left[row / 8 + k / 8 * 2], k % 2);
}
inline double right_element(unsigned warp, int k, int column) {
    const unsigned lane = column * 4 + k % 8 / 2;
    return of_pair(machine.fragments[warp + lane].right[k / 8], k % 2);
}

inline void product(const u32 (&left)[4], const u32 (&right)[2], float (&sums)[4]) {
    const unsigned self = machine.running, lane = self % LANES, warp = self - lane;
    if (threads() % LANES != 0) fail("a product in a block of %u threads, which are no whole warps", threads());
    std::memcpy(machine.fragments[self].left, left, sizeof left);
    std::memcpy(machine.fragments[self].right, right, sizeof right);
    wait(State::InWarp);
    for (int i = 0; i < 4; ++i) {
        const int row = static_cast<int>(lane / 4) + i / 2 * 8, column = static_cast<int>(lane % 4) * 2 + i % 2;
        double sum = static_cast<double>(sums[i]);
        for (int k = 0; k < 16; ++k) sum += left_element(warp, row, k) * right_element(warp, k, column);
        sums[i] = static_cast<float>(sum);
    }
    wait(State::InWarp);
}

} // namespace emulator

template <class T>
using In = emulator::Reads<T>;
template <class T>
using Out = emulator::Writes<T>;

inline void barrier() { emulator::wait(emulator::State::AtBarrier); }
inline float from_lane(float mine, int across) { return emulator::exchange(mine, across); }
inline double from_lane(double mine, int across) { return emulator::exchange(mine, across); }
inline u32 bf16_pair(float first, float second) { return emulator::bf16(first) | emulator::bf16(second) << 16; }
inline void warp_product(const u32 (&left)[4], const u32 (&right)[2], float (&sums)[4]) {
    emulator::product(left, right, sums);
}
inline double from_bits(u32 low, u32 high) { return std::bit_cast<double>(uint64_t(high) << 32 | low); }
inline float infinity() { return HUGE_VALF; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

template <class S>
float4 quad(const S& shared, int at) {
    if (at % 4 != 0) emulator::fail("a quad at %d, which is no multiple of 4", at);
    return {shared[at], shared[at + 1], shared[at + 2], shared[at + 3]};
}
