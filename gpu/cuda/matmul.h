#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/cuda/device.h"

namespace bethany::cuda {

/// Which product of a linear layer with row-major x (rows × in), weight (out × in), y (rows × out).
enum class Product {
  forward,  // y = x · weightᵀ
  dgrad,    // dx = dy · weight
  wgrad,    // dweight = dyᵀ · x
};

/// One GEMM of a group, all of one Product. `left` and `right` are read: (x, weight), (dy, weight)
/// or (dy, x).
struct MatmulItem {
  std::int64_t rows = 0;
  const void* left = nullptr;
  const void* right = nullptr;
  void* out = nullptr;
};

/// How the GEMMs of a group run: one after the other; spread over several streams; or one call of
/// cuBLAS' grouped API.
enum class MatmulVariant { loop, streams, grouped };

/// "grouped", "loop", "streams4".
std::vector<std::string> matmul_variants();
MatmulVariant parse_matmul_variant(const std::string& name);

/// The GEMMs of several experts: equal weight shapes, own row counts. Experts without rows are
/// skipped; their weight gradients are cleared. Pointers are fixed at construction.
class GroupedMatmul {
 public:
  GroupedMatmul(Device& device, Element element, Product product, int in, int out,
                const std::vector<MatmulItem>& items);

  /// Everything is ordered after and before the device's stream 0.
  void run(MatmulVariant variant) const;

 private:
  void one(int stream, const MatmulItem& item) const;

  Device& device_;
  Element element_;
  Product product_;
  int in_;
  int out_;
  std::vector<MatmulItem> items_;  // those with rows
  std::vector<void*> empty_;       // weight gradients without rows
  // Arguments of the grouped call, one group an item.
  std::vector<cublasOperation_t> left_operations_;
  std::vector<cublasOperation_t> right_operations_;
  std::vector<int> m_, n_, k_, left_stride_, right_stride_, out_stride_, group_sizes_;
  std::vector<float> ones_;
  std::vector<float> zeros_;
  const void** left_pointers_ = nullptr;  // on the device
  const void** right_pointers_ = nullptr;
  void** out_pointers_ = nullptr;
};

/// A single GEMM on stream 0, elements in and out, accumulated in float.
void matmul(Device& device, int stream, Element element, Product product, int in, int out,
            const MatmulItem& item);

/// logits (float) = x · weightᵀ for elements x (rows × in) and weight (out × in).
void matmul_to_float(Device& device, Element element, const void* x, const void* weight,
                     std::int64_t rows, int in, int out, float* logits);

}  // namespace bethany::cuda
