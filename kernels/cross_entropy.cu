// Softmax and cross-entropy. Twin: src/kernel/cross_entropy.rs and `reference::cross_entropy`. A warp has an image.
#include "device.cuh"

struct Loss {
    int images, classes;
    float smoothing;
    float factor; // what the gradient is multiplied with
    int weighted;
};

// Image of this warp; whole warps leave together.
DEVICE int image_of_warp() { return place() / WARP; }

// Largest logit of a row. NaN falls through, and is met again in the sum of powers.
DEVICE float row_max(In<float> logits, int row, int classes) {
    float largest = -infinity();
    for (int c = static_cast<int>(threadIdx.x) % WARP; c < classes; c += WARP)
        largest = fmaxf(largest, logits[row * classes + c]);
    return warp_max(largest);
}

DEVICE float target(const Loss& p, int c, u32 label) {
    const float spread = p.smoothing / static_cast<float>(p.classes);
    return static_cast<u32>(c) == label ? 1.0f - p.smoothing + spread : spread;
}

// Grid: warps of images. `weights` is read when `weighted`, here and below.
KERNEL(cross_entropy_loss)(In<float> logits, In<u32> labels, In<float> weights, Out<float> losses, Loss p) {
    const int image = image_of_warp(), lane = static_cast<int>(threadIdx.x) % WARP;
    if (image >= p.images) return;
    const double largest = static_cast<double>(row_max(logits, image, p.classes));
    double total = 0.0;
    for (int c = lane; c < p.classes; c += WARP)
        total += exp(static_cast<double>(logits[image * p.classes + c]) - largest);
    const double log_total = log(warp_sum(total)) + largest;
    double loss = 0.0;
    for (int c = lane; c < p.classes; c += WARP)
        loss += static_cast<double>(target(p, c, labels[image])) *
                (log_total - static_cast<double>(logits[image * p.classes + c]));
    loss = warp_sum(loss);
    if (p.weighted) loss *= static_cast<double>(weights[static_cast<int>(labels[image])]);
    if (lane == 0) losses[image] = static_cast<float>(loss);
}

// Grid: warps of images.
KERNEL(cross_entropy_gradient)(In<float> logits, In<u32> labels, In<float> weights, Out<float> dx, Loss p) {
    const int image = image_of_warp(), lane = static_cast<int>(threadIdx.x) % WARP;
    if (image >= p.images) return;
    const float largest = row_max(logits, image, p.classes);
    float total = 0.0f;
    for (int c = lane; c < p.classes; c += WARP) total += expf(logits[image * p.classes + c] - largest);
    total = warp_sum(total);
    const float factor = p.weighted ? p.factor * weights[static_cast<int>(labels[image])] : p.factor;
    for (int c = lane; c < p.classes; c += WARP) {
        const float found = expf(logits[image * p.classes + c] - largest) / total;
        dx[image * p.classes + c] = (found - target(p, c, labels[image])) * factor;
    }
}
