#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gpu/compute_shapes.h"
#include "sim/base/registry.h"

namespace bethany {

/// What products may round their operands to; they are accumulated in single precision. Weights
/// and moments stay fp32: the master state. Everything else is computed in fp32.
enum class Products {
  fp32,  // nothing is rounded
  tf32,  // 10 bits of fraction
  bf16,  // 7
  fp16,  // 10, and 5 bits of exponent: infinite from 65,520 on
};
std::string name_of(Products products);
std::vector<std::string> products_names();
/// Throws InputError on a name that is not of products_names().
Products products_named(const std::string& name);

/// The arithmetic of one rank on its device, on float tensors. Pointers are of device memory; calls
/// may return before the device is done, synchronize() waits. Used by one thread. Outputs never
/// overlap inputs unless it says so. Counts may be 0.
class Compute {
 public:
  virtual ~Compute() = default;
  /// What a report has to say of the device's use ("4 parts of 32 multiprocessors"), or nothing.
  virtual std::string remark() const { return ""; }

  virtual std::byte* allocate(std::size_t bytes) = 0;  // content undefined; throws MachineError
  virtual void release(std::byte* memory) = 0;
  /// The most bytes allocated at once so far, without what it holds for itself from the start; 0
  /// where nobody counts.
  virtual std::size_t peak_bytes() const { return 0; }
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;  // waits
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void clear(void* memory, std::size_t bytes) = 0;
  virtual void synchronize() = 0;
  /// Seconds that the host has waited for the device so far; empty where the host computes.
  virtual std::optional<double> waited_seconds() const { return {}; }
  /// Done when it returns. Within the device's memory, what other ranks have there included:
  /// fabrics copy with it.
  void copy_now(void* to, const void* from, std::size_t bytes) {
    copy(to, from, bytes);
    synchronize();
  }

  /// What product() may round its operands to.
  virtual Products products() const { return Products::fp32; }
  virtual void product(const ProductShape& shape, const float* a, const float* b, float* c) = 0;
  /// product() of each; results do not overlap.
  virtual void batched_product(const ProductShape& shape, const ProductBatch& batch, const float* a,
                               const float* b, float* c) {
    for (std::int64_t i = 0; i < batch.count; ++i) {
      product(shape, a + i * batch.a_step, b + i * batch.b_step, c + i * batch.c_step);
    }
  }

  /// out[i] = in[order[i] / top_k] · (weights ? weights[order[i]] : 1), for `rows` rows; zeros
  /// where order[i] is negative.
  virtual void gather(const float* in, const int* order, const float* weights, int top_k,
                      std::int64_t rows, int width, float* out) = 0;
  /// out[t] = Σ over j < top_k, in that order, of in[position[t·top_k + j]] · (weights ? … : 1).
  virtual void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                           std::int64_t tokens, int width, float* out) = 0;
  /// out[p] = Σ over columns of a[p / top_k] · b[position[p]]: gradients of the gate's weights.
  virtual void row_dot(const float* a, const float* b, const int* position, int top_k,
                       std::int64_t pairs, int width, float* out) = 0;
  /// values += other.
  virtual void add(float* values, const float* other, std::int64_t count) = 0;
  /// out = Σ of the slices (one or more), in order; it may be one of them.
  virtual void slice_sum(std::span<const float* const> slices, std::int64_t count, float* out) = 0;
  /// Each value, an integer below 2^24 in size, becomes the integer of -3..3 that is equal mod 7.
  virtual void fold(float* values, std::int64_t count) = 0;

  /// Real: GELU (tanh form), or SwiGLU; exact: ReLU, or ReLU(gate) · up.
  virtual void activation_forward(const ActivationShape& shape, const float* inner, float* out) = 0;
  /// The gradient of `inner` from that of the activation.
  virtual void activation_backward(const ActivationShape& shape, const float* inner,
                                   const float* out_gradient, float* inner_gradient) = 0;

  /// The top_k largest logits of each token: expert ids, largest first, ties to the lower id.
  virtual void gate_choose(const GateShape& shape, const float* logits, int* ids) = 0;
  /// The weights of the experts in `ids`. Real: their softmax probabilities over all experts, which
  /// `probabilities` (tokens × experts) keeps for the way back. Exact: the folded logit, 1 for 0.
  virtual void gate_weigh(const GateShape& shape, const float* logits, const int* ids,
                          float* probabilities, float* weights) = 0;
  /// Gradients of all logits from those of the weights. Exact: a weight's gradient is its logit's.
  virtual void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                             const float* weight_gradient, float* logit_gradient) = 0;

  /// Row i of each matrix becomes the softmax of its first i + 1 scores times `scale`, and 0
  /// beyond. Exact: the folded scores, 0 beyond.
  virtual void causal_forward(const CausalShape& shape, float* scores) = 0;
  /// `gradient` of the probabilities becomes that of the scores.
  virtual void causal_backward(const CausalShape& shape, const float* probabilities,
                               float* gradient) = 0;

  /// RMSNorm with a gain for each column; `inverse` keeps 1 / rms of each row. Exact: the gain
  /// alone.
  virtual void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                            float* inverse) = 0;
  /// Adds to the gradients of x (folded in exact arithmetic) and of the gain (never folded).
  virtual void norm_backward(const NormShape& shape, const float* x, const float* gain,
                             const float* inverse, const float* out_gradient, float* x_gradient,
                             float* gain_gradient) = 0;

  /// ½ Σ (values − target)², in double; gradient = values − target. Waits.
  virtual double squared_distance(const float* values, const float* target, std::int64_t count,
                                  float* gradient) = 0;

  virtual void adam(const OptimizerArrays& arrays, std::int64_t count,
                    const AdamArguments& arguments) = 0;
  /// The optimizer of exact arithmetic, mod 7 throughout: m ← 2m + g, v ← 3v + m·g, w ← w − m + v.
  /// Weights that went without their moments differ from then on.
  virtual void exact_update(const OptimizerArrays& arrays, std::int64_t count) = 0;
};

/// Implementations of the arithmetic by name ("cpu", …).
Registry<Compute>& computes();

/// Which device a rank gets, what of it where several ranks of this process use it, and how it
/// computes; for `cpu` all ranks are the same.
struct DeviceShare {
  int device = 0;  // of those that this process sees
  int rank = 0;
  int ranks = 1;
  bool partitioned = false;            // its own multiprocessors, an equal part of all
  Products products = Products::fp32;  // others never in exact arithmetic
};

/// Throws InputError on an unknown name, NoDevice when it cannot run here.
std::unique_ptr<Compute> make_compute(const std::string& name, const DeviceShare& share = {});

/// An array in a device's memory, which never shrinks. Requires: the device outlives it.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(Compute& compute) : compute_(&compute) {}
  DeviceArray(DeviceArray&& other) noexcept
      : compute_(other.compute_), data_(other.data_), capacity_(other.capacity_) {
    other.data_ = nullptr;
    other.capacity_ = 0;
  }
  DeviceArray& operator=(DeviceArray&&) = delete;
  ~DeviceArray() {
    if (data_ != nullptr) compute_->release(reinterpret_cast<std::byte*>(data_));
  }

  /// Room for `count` elements; what the array held is lost when it has to grow.
  T* reserve(std::int64_t count) {
    const auto wanted = static_cast<std::size_t>(count);
    if (wanted > capacity_) {
      if (data_ != nullptr) compute_->release(reinterpret_cast<std::byte*>(data_));
      data_ = nullptr;
      capacity_ = 0;
      data_ = reinterpret_cast<T*>(compute_->allocate(wanted * sizeof(T)));
      capacity_ = wanted;
    }
    return data_;
  }
  T* upload(std::span<const T> values) {
    reserve(static_cast<std::int64_t>(values.size()));
    if (!values.empty()) compute_->upload(data_, values.data(), values.size_bytes());
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  Compute* compute_;
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace bethany
