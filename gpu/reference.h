#pragma once

#include "gpu/numerics.h"
#include "sim/base/random.h"

namespace bethany {

/// The MoE layer and its gradients in float64, written plainly: loops, no libraries.
LayerOutput reference_layer(const LayerInput& input);

/// Σ y · y_gradient: the scalar whose gradients LayerOutput holds; for finite differences.
double reference_loss(const LayerInput& input);

/// One step of Adam with bias correction, in float64 rounded to float at the end.
void reference_adam(AdamState& state, const std::vector<float>& gradient,
                    const AdamOptions& options);

/// A random layer: normal inputs and weights scaled to keep activations near 1, distinct experts
/// per token; expert 1 (where there are three or more) gets no token. Values are exact in bf16.
LayerInput random_layer(LayerInput sizes, Rng& rng);

/// ‖a − b‖ / ‖b‖; NaN and different lengths never pass: infinity.
double relative_error(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace bethany
