// The arithmetic `cuda`: floats on one GPU, a stream and a cuBLAS handle a rank.
#include "gpu/compute.h"

#include <fmt/format.h>

#include <mutex>

#include "gpu/cuda/device.h"
#include "gpu/cuda/kernels.h"
#include "gpu/cuda/layer_kernels.h"
#include "gpu/cuda/memory_cache.h"
#include "gpu/cuda/partition.h"
#include "gpu/cuda/stream_of.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace bethany::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // cuBLAS' own choice on Hopper
constexpr int kVector = 4;                                      // floats of one load

/// A rank's stream: of its part of the GPU, or of the whole.
class RankStream {
 public:
  RankStream(std::shared_ptr<Partition> partition, int part) : partition_(std::move(partition)) {
    if (partition_ != nullptr) {
      stream_ = partition_->stream(part);
    } else {
      check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    }
  }
  ~RankStream() { cudaStreamDestroy(stream_); }
  RankStream(const RankStream&) = delete;
  RankStream& operator=(const RankStream&) = delete;

  operator cudaStream_t() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }
  const Partition* partition() const { return partition_.get(); }

 private:
  std::shared_ptr<Partition> partition_;  // goes after the stream
  cudaStream_t stream_ = nullptr;
};

class BlasHandle {
 public:
  BlasHandle() { check(cublasCreate(&handle_), "cublasCreate"); }
  ~BlasHandle() { cublasDestroy(handle_); }
  BlasHandle(const BlasHandle&) = delete;
  BlasHandle& operator=(const BlasHandle&) = delete;
  operator cublasHandle_t() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

/// Rows are read four floats at a time.
void require_vectors(int width, std::initializer_list<const void*> rows) {
  if (width % kVector != 0) {
    throw InputError(
        fmt::format("the arithmetic 'cuda' needs rows whose width is a multiple of {}, not {}",
                    kVector, width));
  }
  for (const void* at : rows) {
    BETHANY_CHECK(reinterpret_cast<std::uintptr_t>(at) % (kVector * sizeof(float)) == 0,
                  "rows that do not begin at a multiple of 16 bytes");
  }
}

cublasComputeType_t type_of(Products products) {
  switch (products) {
    case Products::fp32:
      return CUBLAS_COMPUTE_32F;
    case Products::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Products::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    case Products::fp16:
      return CUBLAS_COMPUTE_32F_FAST_16F;
  }
  throw GpuError("unknown kind of products");
}

class Cuda final : public Compute {
 public:
  Cuda(std::shared_ptr<Partition> partition, int part, Products products)
      : stream_(std::move(partition), part),
        products_(products),
        workspace_(*this),
        gain_partial_(*this),
        sums_(*this) {
    // In this order: a new stream brings cuBLAS' own workspace.
    check(cublasSetStream(blas_, stream_), "cublasSetStream");
    check(cublasSetWorkspace(blas_, workspace_.reserve(kWorkspaceBytes), kWorkspaceBytes),
          "cublasSetWorkspace");
    if (stream_.partition() != nullptr) {
      check(cublasSetSmCountTarget(blas_, stream_.partition()->multiprocessors()),
            "cublasSetSmCountTarget");
    }
    sums_.reserve(kSumBlocks + 1);
    memory_.begin_count();  // the workspace is the arithmetic's own
  }
  ~Cuda() override { cudaStreamSynchronize(stream_); }

  std::string remark() const override {
    return stream_.partition() == nullptr ? "" : stream_.partition()->remark();
  }

  cudaStream_t stream() const { return stream_; }

  std::byte* allocate(std::size_t bytes) override { return memory_.take(bytes); }
  void release(std::byte* memory) override { memory_.give(memory); }
  std::size_t peak_bytes() const override { return memory_.peak_bytes(); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    waiting([&] {  // `from` may be gone when this returns
      move(to, from, bytes, cudaMemcpyHostToDevice);
      stream_.wait();
    });
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    waiting([&] {
      move(to, from, bytes, cudaMemcpyDeviceToHost);
      stream_.wait();
    });
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    move(to, from, bytes, cudaMemcpyDeviceToDevice);
  }
  void clear(void* memory, std::size_t bytes) override {
    if (bytes > 0) check(cudaMemsetAsync(memory, 0, bytes, stream_), "cudaMemsetAsync");
  }
  void synchronize() override {
    waiting([this] { stream_.wait(); });
  }
  std::optional<double> waited_seconds() const override { return waited_; }

  Products products() const override { return products_; }
  void product(const ProductShape& shape, const float* a, const float* b, float* c) override {
    batched_product(shape, {}, a, b, c);
  }
  /// cuBLAS is column-major: every row-major matrix is its transpose there, and the operands of the
  /// transposed product change places.
  void batched_product(const ProductShape& s, const ProductBatch& batch, const float* a,
                       const float* b, float* c) override {
    if (s.rows == 0 || s.columns == 0 || batch.count == 0) return;
    const auto stride = [](std::int64_t given, std::int64_t tight) {
      return given == 0 ? tight : given;
    };
    const std::int64_t c_stride = stride(s.c_stride, s.columns);
    if (s.inner == 0) {
      for (std::int64_t i = 0; i < batch.count && !s.accumulate; ++i) {
        clear_rows(c + i * batch.c_step, s.rows, s.columns, c_stride);
      }
      return;
    }
    const float one = 1;
    const float kept = s.accumulate ? 1.0F : 0.0F;
    const auto of_b = s.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const auto of_a = s.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const std::int64_t b_stride = stride(s.b_stride, s.b_transposed ? s.inner : s.columns);
    const std::int64_t a_stride = stride(s.a_stride, s.a_transposed ? s.rows : s.inner);
    if (batch.count == 1) {
      check(cublasGemmEx_64(blas_, of_b, of_a, s.columns, s.rows, s.inner, &one, b, CUDA_R_32F,
                            b_stride, a, CUDA_R_32F, a_stride, &kept, c, CUDA_R_32F, c_stride,
                            type_of(products_), CUBLAS_GEMM_DEFAULT),
            "cublasGemmEx");
      return;
    }
    check(cublasGemmStridedBatchedEx_64(blas_, of_b, of_a, s.columns, s.rows, s.inner, &one, b,
                                        CUDA_R_32F, b_stride, batch.b_step, a, CUDA_R_32F, a_stride,
                                        batch.a_step, &kept, c, CUDA_R_32F, c_stride, batch.c_step,
                                        batch.count, type_of(products_), CUBLAS_GEMM_DEFAULT),
          "cublasGemmStridedBatchedEx");
  }

  void gather(const float* in, const int* order, const float* weights, int top_k, std::int64_t rows,
              int width, float* out) override {
    require_vectors(width, {in, out});
    row_gather(stream_, Element::fp32, in, order, weights, top_k, rows, width, out);
  }
  void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                   std::int64_t tokens, int width, float* out) override {
    require_vectors(width, {in, out});
    row_scatter_sum(stream_, Element::fp32, in, position, weights, top_k, tokens, width, out);
  }
  void row_dot(const float* a, const float* b, const int* position, int top_k, std::int64_t pairs,
               int width, float* out) override {
    require_vectors(width, {a, b});
    if (pairs == 0) return;
    cuda::row_dot(stream_, Element::fp32, a, b, position, top_k, pairs, width, out);
  }
  void add(float* values, const float* other, std::int64_t count) override {
    cuda::add(stream_, values, other, count);
  }
  void slice_sum(std::span<const float* const> slices, std::int64_t count, float* out) override {
    if (slices.empty()) return clear(out, static_cast<std::size_t>(count) * sizeof(float));
    BETHANY_CHECK(slices.size() <= kAddendsMax, "a sum of {} slices", slices.size());
    sum_in_order(stream_, slices, count, out);
  }
  void fold(float* values, std::int64_t count) override { cuda::fold(stream_, values, count); }

  void activation_forward(const ActivationShape& shape, const float* inner, float* out) override {
    if (shape.arithmetic == Arithmetic::exact) {
      exact_activation_forward(stream_, shape, inner, out);
      return;
    }
    require_vectors(shape.width, {inner, out});
    cuda::activation_forward(stream_, Element::fp32, shape.gated, inner, shape.rows, shape.width,
                             out);
  }
  void activation_backward(const ActivationShape& shape, const float* inner,
                           const float* out_gradient, float* inner_gradient) override {
    if (shape.arithmetic == Arithmetic::exact) {
      exact_activation_backward(stream_, shape, inner, out_gradient, inner_gradient);
      return;
    }
    require_vectors(shape.width, {inner, out_gradient, inner_gradient});
    cuda::activation_backward(stream_, Element::fp32, shape.gated, inner, out_gradient, shape.rows,
                              shape.width, inner_gradient);
  }

  void gate_choose(const GateShape& shape, const float* logits, int* ids) override {
    cuda::gate_choose(stream_, shape, logits, ids);
  }
  void gate_weigh(const GateShape& shape, const float* logits, const int* ids, float* probabilities,
                  float* weights) override {
    cuda::gate_weigh(stream_, shape, logits, ids, probabilities, weights);
  }
  void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                     const float* weight_gradient, float* logit_gradient) override {
    cuda::gate_backward(stream_, shape, ids, probabilities, weight_gradient, logit_gradient);
  }
  void causal_forward(const CausalShape& shape, float* scores) override {
    cuda::causal_forward(stream_, shape, scores);
  }
  void causal_backward(const CausalShape& shape, const float* probabilities,
                       float* gradient) override {
    cuda::causal_backward(stream_, shape, probabilities, gradient);
  }
  void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                    float* inverse) override {
    cuda::norm_forward(stream_, shape, x, gain, out, inverse);
  }
  void norm_backward(const NormShape& shape, const float* x, const float* gain,
                     const float* inverse, const float* out_gradient, float* x_gradient,
                     float* gain_gradient) override {
    float* partial = gain_partial_.reserve(std::int64_t{kGainChunks} * shape.width);
    cuda::norm_backward(stream_, shape, x, gain, inverse, out_gradient, x_gradient, gain_gradient,
                        partial);
  }

  double squared_distance(const float* values, const float* target, std::int64_t count,
                          float* gradient) override {
    cuda::squared_distance(stream_, values, target, count, gradient, sums_.data());
    double sum = 0;
    download(&sum, sums_.data() + kSumBlocks, sizeof sum);
    return sum;
  }
  void adam(const OptimizerArrays& arrays, std::int64_t count,
            const bethany::AdamArguments& arguments) override {
    cuda::adam(stream_, arrays, count, arguments);
  }
  void exact_update(const OptimizerArrays& arrays, std::int64_t count) override {
    cuda::exact_update(stream_, arrays, count);
  }

 private:
  template <class Wait>
  void waiting(const Wait& wait) {
    const double begin = wall_seconds();
    wait();
    waited_ += wall_seconds() - begin;
  }
  void move(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
    if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, kind, stream_), "cudaMemcpyAsync");
  }
  void clear_rows(float* c, std::int64_t rows, std::int64_t columns, std::int64_t stride) const {
    const auto bytes = [](std::int64_t floats) {
      return static_cast<std::size_t>(floats) * sizeof(float);
    };
    check(cudaMemset2DAsync(c, bytes(stride), 0, bytes(columns), static_cast<std::size_t>(rows),
                            stream_),
          "cudaMemset2DAsync");
  }

  RankStream stream_;
  MemoryCache memory_;
  BlasHandle blas_;
  Products products_;
  double waited_ = 0;  // seconds of the host
  DeviceArray<std::byte> workspace_;
  DeviceArray<float> gain_partial_;
  DeviceArray<double> sums_;
};

/// All ranks of a process that ask for as many parts share one partition.
std::shared_ptr<Partition> shared_partition(int parts) {
  static std::mutex mutex;
  static std::weak_ptr<Partition> current;
  static int current_parts = 0;
  const std::lock_guard lock(mutex);
  auto partition = current.lock();
  if (partition == nullptr || current_parts != parts) {
    partition = make_partition(parts);
    current = partition;
    current_parts = parts;
  }
  return partition;
}

std::unique_ptr<Compute> make(ObjectReader& options) {
  constexpr std::int64_t kMost = 1 << 20;
  const auto ranks = static_cast<int>(options.integer("ranks", 1, kMost, 1));
  const auto rank = static_cast<int>(options.integer("rank", 0, ranks - 1, 0));
  const bool partitioned = options.boolean("partitioned", false);
  const auto products = products_named(options.choice("products", products_names(), "fp32"));
  const auto device = static_cast<int>(options.integer("device", 0, kMost, 0));
  require_device();
  check(cudaSetDevice(device), "cudaSetDevice");
  auto partition = partitioned ? shared_partition(ranks) : nullptr;
  return std::make_unique<Cuda>(std::move(partition), rank, products);
}

const bool registered = computes().add({
    .name = "cuda",
    .summary = "one NVIDIA GPU: cuBLAS and own kernels, tensors in single precision",
    .make = make,
});

}  // namespace

cudaStream_t stream_of(const Compute& compute) {
  const auto* const own = dynamic_cast<const Cuda*>(&compute);
  BETHANY_CHECK(own != nullptr, "this arithmetic has no stream");
  return own->stream();
}

}  // namespace bethany::cuda
