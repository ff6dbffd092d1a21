#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/cuda/matmul.h"

namespace bethany::cuda {

struct FfnSizes {
  int hidden = 0;
  int ffn = 0;
  bool gated = false;
  Element element = Element::bf16;
  std::vector<std::int64_t> rows;  // of each expert

  int inner() const { return ffn * (gated ? 2 : 1); }
  std::int64_t total_rows() const;
  std::int64_t experts() const { return static_cast<std::int64_t>(rows.size()); }
};

/// The FFN of several experts with its gradients, and all buffers in the device's arena. Rows are
/// in expert order. The buffers live until the arena is reset.
class ExpertFfn {
 public:
  ExpertFfn(Device& device, const FfnSizes& sizes);

  /// y = FFN(x); keeps what backward needs.
  void forward(MatmulVariant variant) const;
  /// dx and the weights' gradients from dy. Requires: forward ran.
  void backward(MatmulVariant variant) const;
  void fill_random(std::uint64_t seed) const;

  std::size_t bytes() const { return bytes_; }

  void* x = nullptr;  // rows × hidden
  void* y = nullptr;
  void* dx = nullptr;
  void* dy = nullptr;
  void* in_weights = nullptr;   // experts × inner × hidden
  void* out_weights = nullptr;  // experts × hidden × ffn
  void* in_weights_gradient = nullptr;
  void* out_weights_gradient = nullptr;

 private:
  Device& device_;
  FfnSizes sizes_;
  std::size_t bytes_ = 0;
  void* inner_ = nullptr;  // rows × inner, before the activation
  void* dinner_ = nullptr;
  void* activation_ = nullptr;  // rows × ffn
  void* dactivation_ = nullptr;
  std::vector<std::unique_ptr<GroupedMatmul>> products_;
};

}  // namespace bethany::cuda
