// One launch as a process: the request on stdin, what was written on stdout; ends with 3 where a check failed.
//
// The request is 32-bit words: grid, block, number of memories; for each 1 if it is written and its length in bytes;
// length of the parameters in bytes; then the memories and the parameters themselves.
#pragma once
#include <tuple>
#include <utility>

#include "machine.h"

namespace emulator {

struct Memory {
    bool written;
    std::vector<char> bytes;
    std::vector<uint64_t> owners;
};

struct Request {
    Point grid, block;
    std::vector<Memory> memories;
    std::vector<char> parameters;
    size_t next = 0;
};

inline void take(void* to, size_t bytes) {
    if (bytes > 0 && std::fread(to, 1, bytes, stdin) != bytes) fail("the request is too short");
}

inline u32 word() {
    u32 value = 0;
    take(&value, sizeof value);
    return value;
}

inline Request request() {
    Request r;
    r.grid.x = word(), r.grid.y = word(), r.grid.z = word();
    r.block.x = word(), r.block.y = word(), r.block.z = word();
    r.memories.resize(word());
    for (Memory& memory : r.memories) {
        memory.written = word() != 0;
        memory.bytes.resize(word());
    }
    r.parameters.resize(word());
    for (Memory& memory : r.memories) take(memory.bytes.data(), memory.bytes.size());
    take(r.parameters.data(), r.parameters.size());
    return r;
}

template <class T>
Memory& next(Request& r, bool written) {
    if (r.next == r.memories.size()) fail("the kernel takes more memories than the %zu given", r.next);
    Memory& memory = r.memories[r.next++];
    if (memory.written != written) fail("memory %zu: reads come first, then writes", r.next - 1);
    if (memory.bytes.size() % sizeof(T) != 0) fail("memory %zu holds other numbers", r.next - 1);
    return memory;
}

// A kernel's argument from the request.
template <class T>
struct Argument {
    static T of(Request& r) {
        if (r.parameters.size() != sizeof(T)) fail("parameters of %zu bytes, not %zu", r.parameters.size(), sizeof(T));
        T value;
        std::memcpy(&value, r.parameters.data(), sizeof value);
        return value;
    }
};
template <class T>
struct Argument<Reads<T>> {
    static Reads<T> of(Request& r) {
        Memory& memory = next<T>(r, false);
        return {reinterpret_cast<const T*>(memory.bytes.data()), static_cast<int>(memory.bytes.size() / sizeof(T))};
    }
};
template <class T>
struct Argument<Writes<T>> {
    static Writes<T> of(Request& r) {
        Memory& memory = next<T>(r, true);
        const size_t len = memory.bytes.size() / sizeof(T);
        memory.owners.assign(len, 0);
        return {reinterpret_cast<T*>(memory.bytes.data()), memory.owners.data(), static_cast<int>(len)};
    }
};

template <class... A>
void launch(void (*kernel)(A...), Request& r) {
    // Braces, so that the arguments are taken from left to right.
    std::tuple<A...> arguments{Argument<A>::of(r)...};
    if (r.next != r.memories.size()) fail("the kernel takes %zu memories, not %zu", r.next, r.memories.size());
    run(r.grid, r.block, [&] { std::apply(kernel, arguments); });
}

inline void reply(const Request& r) {
    for (const Memory& memory : r.memories)
        if (memory.written) std::fwrite(memory.bytes.data(), 1, memory.bytes.size(), stdout);
}

} // namespace emulator
