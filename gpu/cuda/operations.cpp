#include "gpu/cuda/operations.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "gpu/cuda/expert_ffn.h"
#include "gpu/cuda/kernels.h"
#include "gpu/cuda/routing_buffers.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/random.h"

namespace bethany::cuda {
namespace {

using Work = std::function<void()>;

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Pinned host memory.
class HostBuffer {
 public:
  explicit HostBuffer(std::size_t bytes) {
    check(cudaMallocHost(&data_, bytes), "cudaMallocHost");
    unsigned state = 1;
    for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
      state = state * 1664525U + 1013904223U;
      static_cast<unsigned*>(data_)[i / 4] = state;
    }
  }
  ~HostBuffer() { cudaFreeHost(data_); }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// Builds the work of one point, once per set of buffers.
class Builder {
 public:
  Builder(Device& device, Element element, const Point& point)
      : device_(device), element_(element), point_(point) {}

  Work build(std::uint64_t set) {
    set_ = set;
    switch (point_.operation) {
      case Operation::matmul:
        return matmul_work();
      case Operation::expert_forward:
      case Operation::expert_backward:
        return expert_work();
      case Operation::gate:
        return gate_work(point_);
      case Operation::routing_sort:
        return sort_work();
      case Operation::row_gather:
      case Operation::row_scatter_sum:
      case Operation::row_dot:
        return reorder_work();
      case Operation::activation_forward:
      case Operation::activation_backward:
        return activation_work();
      case Operation::adam:
        return adam_work();
      case Operation::slice_sum:
        return slice_work();
      case Operation::device_copy:
      case Operation::device_write:
      case Operation::host_to_device:
      case Operation::device_to_host:
        return copy_work();
      case Operation::kernel_launch:
      case Operation::graph_launch:
        return launch_work();
      case Operation::moe_layer:
        return layer_work();
      case Operation::attention_forward:
      case Operation::attention_backward:
      case Operation::loss:
      case Operation::gate_backward:
      case Operation::all_to_all:
      case Operation::reduce:
      case Operation::migrate:
      case Operation::planning:
      case Operation::process_start:
      case Operation::communicator:
      case Operation::detection:
      case Operation::checkpoint_write:
      case Operation::checkpoint_read:
        break;  // refused by the backend
    }
    BETHANY_CHECK(false, "operation {}", static_cast<int>(point_.operation));
  }

 private:
  void* random_rows(std::int64_t count, double scale) {
    void* out = device_.arena().take(z(count) * element_bytes(element_));
    fill_random(device_.stream(), element_, out, count, set_ * 64 + ++filled_,
                static_cast<float>(scale));
    return out;
  }
  float* random_floats(std::int64_t count) {
    float* out = device_.arena().take_of<float>(z(count));
    fill_random(device_.stream(), Element::fp32, out, count, set_ * 64 + ++filled_, 1);
    return out;
  }
  void* rows(std::int64_t count) {
    return device_.arena().take(z(count) * element_bytes(element_));
  }

  Work matmul_work() {
    const int in = point_.inputs;
    const int out = point_.outputs;
    const std::int64_t weight = std::int64_t{in} * out;
    const double scale = 1 / std::sqrt(static_cast<double>(in));
    MatmulItem item{.rows = point_.rows};
    Product product = Product::forward;
    if (point_.variant == "forward") {
      item.left = random_rows(point_.rows * in, 1);
      item.right = random_rows(weight, scale);
      item.out = rows(point_.rows * out);
    } else if (point_.variant == "dgrad") {
      product = Product::dgrad;
      item.left = random_rows(point_.rows * out, 1);
      item.right = random_rows(weight, scale);
      item.out = rows(point_.rows * in);
    } else {
      product = Product::wgrad;
      item.left = random_rows(point_.rows * out, 1);
      item.right = random_rows(point_.rows * in, 1);
      item.out = rows(weight);
    }
    return [this_device = &device_, product, in, out, item, element = element_] {
      matmul(*this_device, 0, element, product, in, out, item);
    };
  }

  Work expert_work() {
    const FfnSizes sizes{.hidden = point_.inputs,
                         .ffn = point_.outputs,
                         .gated = point_.gated,
                         .element = element_,
                         .rows = expert_rows(point_)};
    auto ffn = std::make_shared<ExpertFfn>(device_, sizes);
    ffn->fill_random(set_ + 1);
    ffn->forward(MatmulVariant::loop);  // backward needs what it leaves
    const auto variant = parse_matmul_variant(point_.variant);
    if (point_.operation == Operation::expert_forward) {
      return [ffn, variant] { ffn->forward(variant); };
    }
    return [ffn, variant] { ffn->backward(variant); };
  }

  Work gate_work(const Point& p) {
    void* x = random_rows(p.rows * p.inputs, 1);
    void* weight = random_rows(std::int64_t{p.inputs} * p.experts, 1 / std::sqrt(double(p.inputs)));
    float* logits = device_.arena().take_of<float>(z(p.rows * p.experts));
    auto* ids = device_.arena().take_of<std::uint16_t>(z(p.rows * p.size));
    float* probabilities = device_.arena().take_of<float>(z(p.rows * p.size));
    return [this_device = &device_, p, x, weight, logits, ids, probabilities, element = element_] {
      matmul_to_float(*this_device, element, x, weight, p.rows, p.inputs, p.experts, logits);
      gate_top_k(this_device->stream(), logits, p.rows, p.experts, static_cast<int>(p.size), ids,
                 probabilities);
    };
  }

  /// Pairs in random order with the counts of the point's skew.
  RoutingBuffers routing(const Point& counts) {
    std::vector<std::uint16_t> keys;
    const auto rows_of = expert_rows(counts);
    for (std::size_t e = 0; e < rows_of.size(); ++e) {
      keys.insert(keys.end(), z(rows_of[e]), static_cast<std::uint16_t>(e));
    }
    Rng rng = RngStreams(set_, 0).stream("gpu/routing");
    rng.shuffle(keys);
    return take_routing(device_, keys, counts.experts);
  }

  Work sort_work() {
    const RoutingBuffers buffers = routing(point_);
    return [this_device = &device_, buffers, p = point_] {
      sort_routing(this_device->stream(), buffers, p.rows, p.experts);
    };
  }

  Work reorder_work() {
    const Point p = point_;
    const int top_k = static_cast<int>(p.size);
    const RoutingBuffers buffers = routing(p);
    sort_routing(device_.stream(), buffers, p.rows, p.experts);
    if (p.operation == Operation::row_gather) {
      void* in = random_rows(p.rows / top_k * p.inputs, 1);
      void* out = rows(p.rows * p.inputs);
      return [this_device = &device_, p, buffers, top_k, in, out, element = element_] {
        row_gather(this_device->stream(), element, in, buffers.order, nullptr, top_k, p.rows,
                   p.inputs, out);
      };
    }
    void* in = random_rows(p.rows * p.inputs, 1);
    float* weights = random_floats(p.rows);
    if (p.operation == Operation::row_dot) {
      void* tokens = random_rows(p.rows / top_k * p.inputs, 1);
      return [this_device = &device_, p, buffers, top_k, in, tokens, weights, element = element_] {
        row_dot(this_device->stream(), element, tokens, in, buffers.position, top_k, p.rows,
                p.inputs, weights);
      };
    }
    void* out = rows(p.rows / top_k * p.inputs);
    return [this_device = &device_, p, buffers, top_k, in, weights, out, element = element_] {
      row_scatter_sum(this_device->stream(), element, in, buffers.position, weights, top_k,
                      p.rows / top_k, p.inputs, out);
    };
  }

  /// Gate, sort, gather, experts, scatter and all of it backward. The counts are known beforehand:
  /// the wait for them that a real router needs is not in it.
  Work layer_work() {
    const Point all = point_;
    Point gate = all;  // over all experts of the model, not only those that live here
    for (const auto& entry : shape_zoo()) {
      if (entry.name == all.shape) gate.experts = entry.experts;
    }
    gate.rows = all.rows / all.size;
    const Work gating = gate_work(gate);
    const RoutingBuffers buffers = routing(all);
    const FfnSizes sizes{.hidden = all.inputs,
                         .ffn = all.outputs,
                         .gated = all.gated,
                         .element = element_,
                         .rows = expert_rows(all)};
    auto ffn = std::make_shared<ExpertFfn>(device_, sizes);
    ffn->fill_random(set_ + 1);
    const std::int64_t tokens = all.rows / all.size;
    void* x = random_rows(tokens * all.inputs, 1);
    void* dy = random_rows(tokens * all.inputs, 1);
    void* y = rows(tokens * all.inputs);
    void* dx = rows(tokens * all.inputs);
    float* weights = random_floats(all.rows);
    float* dgate = device_.arena().take_of<float>(z(all.rows));
    const auto variant = parse_matmul_variant(all.variant);
    return [=, device = &device_, top_k = static_cast<int>(all.size), element = element_] {
      const cudaStream_t s = device->stream();
      gating();
      sort_routing(s, buffers, all.rows, all.experts);
      row_gather(s, element, x, buffers.order, nullptr, top_k, all.rows, all.inputs, ffn->x);
      ffn->forward(variant);
      row_scatter_sum(s, element, ffn->y, buffers.position, weights, top_k, tokens, all.inputs, y);
      row_dot(s, element, dy, ffn->y, buffers.position, top_k, all.rows, all.inputs, dgate);
      row_gather(s, element, dy, buffers.order, weights, top_k, all.rows, all.inputs, ffn->dy);
      ffn->backward(variant);
      row_scatter_sum(s, element, ffn->dx, buffers.position, nullptr, top_k, tokens, all.inputs,
                      dx);
    };
  }

  Work activation_work() {
    const Point p = point_;
    const std::int64_t width = p.outputs * (p.gated ? 2 : 1);
    void* inner = random_rows(p.rows * width, 1);
    if (p.operation == Operation::activation_forward) {
      void* out = rows(p.rows * p.outputs);
      return [this_device = &device_, p, inner, out, element = element_] {
        activation_forward(this_device->stream(), element, p.gated, inner, p.rows, p.outputs, out);
      };
    }
    void* gradient = random_rows(p.rows * p.outputs, 1);
    void* out = rows(p.rows * width);
    return [this_device = &device_, p, inner, gradient, out, element = element_] {
      activation_backward(this_device->stream(), element, p.gated, inner, gradient, p.rows,
                          p.outputs, out);
    };
  }

  Work adam_work() {
    float* master = random_floats(point_.size);
    float* momentum = random_floats(point_.size);
    float* variance = random_floats(point_.size);
    // A variance is never negative: it begins at 0 and is not 0 after the first of the warm-up
    // runs.
    check(cudaMemsetAsync(variance, 0, z(point_.size) * 4, device_.stream()), "cudaMemsetAsync");
    void* gradient = random_rows(point_.size, 1);
    void* weight = rows(point_.size);
    const AdamArguments arguments{1e-3F, 0.9F, 0.999F, 1e-8F, 10, 1000};
    return [=, this_device = &device_, element = element_, count = point_.size] {
      adam(this_device->stream(), element, master, momentum, variance, gradient, weight, count,
           arguments);
    };
  }

  Work slice_work() {
    Slices slices{};
    for (int s = 0; s < point_.experts; ++s) slices.at[s] = random_floats(point_.size);
    float* out = device_.arena().take_of<float>(z(point_.size));
    return [this_device = &device_, slices, out, p = point_] {
      slice_sum(this_device->stream(), slices, p.experts, p.size, out);
    };
  }

  Work copy_work() {
    const std::size_t bytes = z(point_.size);
    void* to = device_.arena().take(bytes);
    const cudaStream_t stream = device_.stream();
    const std::int64_t count = point_.size / static_cast<std::int64_t>(element_bytes(element_));
    fill_random(stream, element_, to, count, set_ + 7, 1);
    if (point_.operation == Operation::device_write) {
      return [=] { check(cudaMemsetAsync(to, 0x3C, bytes, stream), "cudaMemsetAsync"); };
    }
    if (point_.operation == Operation::device_copy) {
      void* from = random_rows(count, 1);
      return [=] {
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream),
              "cudaMemcpyAsync");
      };
    }
    auto host = std::make_shared<HostBuffer>(bytes);
    if (point_.operation == Operation::host_to_device) {
      return [=] {
        check(cudaMemcpyAsync(to, host->data(), bytes, cudaMemcpyHostToDevice, stream),
              "cudaMemcpyAsync");
      };
    }
    return [=] {
      check(cudaMemcpyAsync(host->data(), to, bytes, cudaMemcpyDeviceToHost, stream),
            "cudaMemcpyAsync");
    };
  }

  Work launch_work() {
    const std::int64_t kernels = point_.size;
    const cudaStream_t stream = device_.stream();
    if (point_.operation == Operation::kernel_launch) {
      return [=] {
        for (std::int64_t i = 0; i < kernels; ++i) empty_kernel(stream);
      };
    }
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin of capture");
    for (std::int64_t i = 0; i < kernels; ++i) empty_kernel(stream);
    check(cudaStreamEndCapture(stream, &graph), "end of capture");
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
    check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    const std::shared_ptr<CUgraphExec_st> kept(executable,
                                               [](cudaGraphExec_t e) { cudaGraphExecDestroy(e); });
    return [=] { check(cudaGraphLaunch(kept.get(), stream), "cudaGraphLaunch"); };
  }

  Device& device_;
  Element element_;
  Point point_;
  std::uint64_t set_ = 0;
  std::uint64_t filled_ = 0;
};

class CudaOperation final : public PreparedOperation {
 public:
  CudaOperation(Device& device, std::vector<Work> sets) : device_(device), sets_(std::move(sets)) {}
  ~CudaOperation() override { cudaStreamSynchronize(device_.stream()); }

  Sample run(int repeats) override {
    const double before = wall_seconds();
    start_.record(device_.stream());
    for (int i = 0; i < repeats; ++i) sets_[next_++ % sets_.size()]();
    end_.record(device_.stream());
    const double enqueued = wall_seconds() - before;
    device_.stream().wait();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start_, end_), "cudaEventElapsedTime");
    return {.seconds = static_cast<double>(milliseconds) / 1e3 / repeats,
            .enqueue_seconds = enqueued / repeats};
  }

  double clock_hertz() override {
    return measure_clock(device_.stream(), static_cast<unsigned long long*>(device_.scratch()));
  }

 private:
  Device& device_;
  std::vector<Work> sets_;
  std::size_t next_ = 0;
  Event start_{true};
  Event end_{true};
};

}  // namespace

std::unique_ptr<PreparedOperation> prepare_operation(Device& device, Element element,
                                                     const Point& point, std::size_t cache_bytes) {
  constexpr std::size_t kMostSets = 12;
  Builder builder(device, element, point);
  device.arena().reset();
  std::vector<Work> sets{builder.build(0)};
  const std::size_t bytes = std::max<std::size_t>(device.arena().used(), 1);
  const std::size_t wanted = std::clamp<std::size_t>(3 * cache_bytes / bytes + 1, 1, kMostSets);
  for (std::size_t set = 1; set < wanted; ++set) sets.push_back(builder.build(set));
  device.stream().wait();
  return std::make_unique<CudaOperation>(device, std::move(sets));
}

}  // namespace bethany::cuda
