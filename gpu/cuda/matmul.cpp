#include "gpu/cuda/matmul.h"

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany::cuda {
namespace {

/// A GEMM as cuBLAS sees it: column-major, so every row-major matrix is its transpose and the
/// operands change places.
struct Arguments {
  cublasOperation_t first_operation;
  cublasOperation_t second_operation;
  int m, n, k;
  const void* first;
  int first_stride;
  const void* second;
  int second_stride;
  int out_stride;
};

Arguments arguments_of(Product product, int in, int out, const MatmulItem& item) {
  const int rows = static_cast<int>(item.rows);
  switch (product) {
    case Product::forward:
      return {CUBLAS_OP_T, CUBLAS_OP_N, out, rows, in, item.right, in, item.left, in, out};
    case Product::dgrad:
      return {CUBLAS_OP_N, CUBLAS_OP_N, in, rows, out, item.right, in, item.left, out, in};
    case Product::wgrad:
      return {CUBLAS_OP_N, CUBLAS_OP_T, in, out, rows, item.right, in, item.left, out, in};
  }
  throw GpuError("unknown product");
}

cudaDataType_t type_of(Element element) {
  switch (element) {
    case Element::fp32:
      return CUDA_R_32F;
    case Element::bf16:
      return CUDA_R_16BF;
    case Element::fp16:
      return CUDA_R_16F;
  }
  throw GpuError("unknown element");
}

template <class T>
T* on_device(Device& device, const std::vector<T>& host) {
  T* copy = device.arena().take_of<T>(host.size());
  device.upload(copy, host.data(), host.size() * sizeof(T));
  return copy;
}

}  // namespace

std::vector<std::string> matmul_variants() { return {"grouped", "loop", "streams4"}; }

MatmulVariant parse_matmul_variant(const std::string& name) {
  if (name == "loop") return MatmulVariant::loop;
  if (name == "streams4") return MatmulVariant::streams;
  if (name == "grouped") return MatmulVariant::grouped;
  throw InputError(unknown_name("variant", name, matmul_variants()));
}

void matmul(Device& device, int stream, Element element, Product product, int in, int out,
            const MatmulItem& item) {
  const Arguments a = arguments_of(product, in, out, item);
  const float one = 1;
  const float zero = 0;
  const auto type = type_of(element);
  check(cublasGemmEx(device.blas(stream), a.first_operation, a.second_operation, a.m, a.n, a.k,
                     &one, a.first, type, a.first_stride, a.second, type, a.second_stride, &zero,
                     item.out, type, a.out_stride, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
}

void matmul_to_float(Device& device, Element element, const void* x, const void* weight,
                     std::int64_t rows, int in, int out, float* logits) {
  const MatmulItem item{.rows = rows, .left = x, .right = weight, .out = logits};
  const Arguments a = arguments_of(Product::forward, in, out, item);
  const float one = 1;
  const float zero = 0;
  const auto type = type_of(element);
  check(cublasGemmEx(device.blas(0), a.first_operation, a.second_operation, a.m, a.n, a.k, &one,
                     a.first, type, a.first_stride, a.second, type, a.second_stride, &zero, logits,
                     CUDA_R_32F, a.out_stride, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx to float");
}

GroupedMatmul::GroupedMatmul(Device& device, Element element, Product product, int in, int out,
                             const std::vector<MatmulItem>& items)
    : device_(device), element_(element), product_(product), in_(in), out_(out) {
  std::vector<const void*> left;
  std::vector<const void*> right;
  std::vector<void*> results;
  for (const auto& item : items) {
    if (item.rows == 0) {
      if (product == Product::wgrad) empty_.push_back(item.out);
      continue;
    }
    items_.push_back(item);
    const Arguments a = arguments_of(product, in, out, item);
    left_operations_.push_back(a.first_operation);
    right_operations_.push_back(a.second_operation);
    m_.push_back(a.m);
    n_.push_back(a.n);
    k_.push_back(a.k);
    left_stride_.push_back(a.first_stride);
    right_stride_.push_back(a.second_stride);
    out_stride_.push_back(a.out_stride);
    group_sizes_.push_back(1);
    ones_.push_back(1);
    zeros_.push_back(0);
    left.push_back(a.first);
    right.push_back(a.second);
    results.push_back(item.out);
  }
  if (items_.empty()) return;
  left_pointers_ = on_device(device, left);
  right_pointers_ = on_device(device, right);
  out_pointers_ = on_device(device, results);
}

void GroupedMatmul::one(int stream, const MatmulItem& item) const {
  matmul(device_, stream, element_, product_, in_, out_, item);
}

void GroupedMatmul::run(MatmulVariant variant) const {
  const std::size_t gradient_bytes =
      static_cast<std::size_t>(in_) * static_cast<std::size_t>(out_) * element_bytes(element_);
  for (void* gradient : empty_) {
    check(cudaMemsetAsync(gradient, 0, gradient_bytes, device_.stream()), "cudaMemsetAsync");
  }
  if (items_.empty()) return;
  if (variant == MatmulVariant::grouped) {
    const auto type = type_of(element_);
    check(cublasGemmGroupedBatchedEx(
              device_.blas(0), left_operations_.data(), right_operations_.data(), m_.data(),
              n_.data(), k_.data(), ones_.data(), left_pointers_, type, left_stride_.data(),
              right_pointers_, type, right_stride_.data(), zeros_.data(), out_pointers_, type,
              out_stride_.data(), static_cast<int>(items_.size()), group_sizes_.data(),
              CUBLAS_COMPUTE_32F),
          "cublasGemmGroupedBatchedEx");
    return;
  }
  const int streams = variant == MatmulVariant::loop ? 1 : Device::kStreams;
  device_.fork(streams);
  int next = 0;
  for (const auto& item : items_) one(next++ % streams, item);
  device_.join(streams);
}

}  // namespace bethany::cuda
