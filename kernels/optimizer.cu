// A step of an optimizer over one weight tensor, all of it in one pass. Twin: src/train/optimizer.rs, bit by bit.
// `state` holds weights, velocities or mean gradients, and mean squares, `stride` numbers each.
#include "device.cuh"

struct Span {
    int start, len, stride;
    float factor; // what the gradient is multiplied with first
};

struct Sgd {
    Span span;
    float lr, momentum, decay;
    int nesterov;
};

// Grid: weights.
KERNEL(sgd)(In<float> gradients, Out<float> state, Sgd p) {
    const int i = place(), at = p.span.start + i;
    if (i >= p.span.len) return;
    const float weight = state[at];
    const float gradient = gradients[i] * p.span.factor + p.decay * weight;
    const float velocity = p.momentum * state[p.span.stride + at] + gradient;
    const float step = p.nesterov ? gradient + p.momentum * velocity : velocity;
    state[p.span.stride + at] = velocity;
    state[at] = weight - p.lr * step;
}

struct Adam {
    Span span;
    float mean_kept, mean_taken, square_kept, square_taken;
    float size, root; // the step and one over the root's bias correction
    float added;      // decay that is added to the gradient
    float kept;       // what decoupled decay leaves of a weight
};

// Grid: weights.
KERNEL(adam)(In<float> gradients, Out<float> state, Adam p) {
    const int i = place(), at = p.span.start + i;
    if (i >= p.span.len) return;
    const int first = p.span.stride + at, second = 2 * p.span.stride + at;
    const float weight = state[at];
    const float gradient = gradients[i] * p.span.factor + p.added * weight;
    const float mean = p.mean_kept * state[first] + p.mean_taken * gradient;
    const float square = p.square_kept * state[second] + p.square_taken * gradient * gradient;
    state[first] = mean;
    state[second] = square;
    state[at] = p.kept * weight - p.size * mean / (sqrtf(square) * p.root + 1e-8f);
}

struct Rmsprop {
    Span span;
    float lr, momentum, epsilon, decay;
    float square_kept, square_taken;
};

// Grid: weights.
KERNEL(rmsprop)(In<float> gradients, Out<float> state, Rmsprop p) {
    const int i = place(), at = p.span.start + i;
    if (i >= p.span.len) return;
    const int first = p.span.stride + at, second = 2 * p.span.stride + at;
    const float weight = state[at];
    const float gradient = gradients[i] * p.span.factor + p.decay * weight;
    const float square = p.square_kept * state[second] + p.square_taken * gradient * gradient;
    const float velocity = p.momentum * state[first] + gradient / (sqrtf(square) + p.epsilon);
    state[first] = velocity;
    state[second] = square;
    state[at] = weight - p.lr * velocity;
}
