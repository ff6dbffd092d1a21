#include "gpu/cuda/layer_numerics.h"

#include <cmath>

#include "gpu/cuda/expert_ffn.h"
#include "gpu/cuda/kernels.h"
#include "gpu/cuda/routing_buffers.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany::cuda {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Bytes no test ever writes on purpose: NaN in every element.
constexpr int kPoison = 0xFF;

class CudaNumerics final : public Numerics {
 public:
  explicit CudaNumerics(Device& device) : device_(device) {}

  std::vector<std::string> precisions() const override { return {"fp32", "bf16", "fp16"}; }

  LayerOutput layer(const LayerInput& input, const std::string& precision,
                    const std::string& variant) override {
    BETHANY_CHECK(input.hidden % 8 == 0 && input.ffn % 8 == 0, "widths {} and {}", input.hidden,
                  input.ffn);
    begin(element_named(precision));
    const std::int64_t pairs = std::int64_t{input.tokens} * input.top_k;
    const RoutingBuffers routing = route(input, pairs);
    const FfnSizes sizes{.hidden = input.hidden,
                         .ffn = input.ffn,
                         .gated = input.gated,
                         .element = element_,
                         .rows = counts(routing, input.experts)};
    const ExpertFfn ffn(device_, sizes);
    const cudaStream_t stream = device_.stream();
    upload_to(input.in_weights, ffn.in_weights);
    upload_to(input.out_weights, ffn.out_weights);
    const void* x = upload(input.x);
    const void* dy = upload(input.y_gradient);
    const float* weights = upload_floats(input.weights);
    const std::int64_t values = std::int64_t{input.tokens} * input.hidden;
    void* y = device_.arena().take(z(values) * element_bytes(element_));
    void* dx = device_.arena().take(z(values) * element_bytes(element_));
    float* dgate = device_.arena().take_of<float>(z(pairs));

    const auto how = parse_matmul_variant(variant);
    row_gather(stream, element_, x, routing.order, nullptr, input.top_k, pairs, input.hidden,
               ffn.x);
    ffn.forward(how);
    row_scatter_sum(stream, element_, ffn.y, routing.position, weights, input.top_k, input.tokens,
                    input.hidden, y);
    row_dot(stream, element_, dy, ffn.y, routing.position, input.top_k, pairs, input.hidden, dgate);
    row_gather(stream, element_, dy, routing.order, weights, input.top_k, pairs, input.hidden,
               ffn.dy);
    ffn.backward(how);
    row_scatter_sum(stream, element_, ffn.dx, routing.position, nullptr, input.top_k, input.tokens,
                    input.hidden, dx);

    LayerOutput output;
    output.y = download(y, values);
    output.x_gradient = download(dx, values);
    output.weights_gradient = widened(download_floats(dgate, z(pairs)));
    output.in_weights_gradient =
        download(ffn.in_weights_gradient, static_cast<std::int64_t>(input.in_weights.size()));
    output.out_weights_gradient =
        download(ffn.out_weights_gradient, static_cast<std::int64_t>(input.out_weights.size()));
    return output;
  }

  std::vector<double> adam(AdamState& state, const std::vector<float>& gradient,
                           const AdamOptions& options, const std::string& precision) override {
    begin(element_named(precision));
    const auto padded = [](std::vector<float> values) {
      values.resize((values.size() + 3) / 4 * 4, 0);
      return values;
    };
    const std::size_t count = gradient.size();
    float* master = upload_floats(padded(state.master));
    float* momentum = upload_floats(padded(state.momentum));
    float* variance = upload_floats(padded(state.variance));
    void* g = upload(padded(gradient));
    void* weight = device_.arena().take((count + 3) * element_bytes(element_));
    const AdamArguments arguments{
        .rate = static_cast<float>(options.rate),
        .beta1 = static_cast<float>(options.beta1),
        .beta2 = static_cast<float>(options.beta2),
        .epsilon = static_cast<float>(options.epsilon),
        .bias1 = static_cast<float>(1 / (1 - std::pow(options.beta1, options.step))),
        .bias2 = static_cast<float>(1 / (1 - std::pow(options.beta2, options.step)))};
    cuda::adam(device_.stream(), element_, master, momentum, variance, g, weight,
               static_cast<std::int64_t>((count + 3) / 4 * 4), arguments);
    state.master = download_floats(master, count);
    state.momentum = download_floats(momentum, count);
    state.variance = download_floats(variance, count);
    for (const double left : download(g, static_cast<std::int64_t>(count))) {
      if (left != 0) throw GpuError("Adam did not clear the gradient");
    }
    return element_ == Element::fp32 ? widened(state.master)
                                     : download(weight, static_cast<std::int64_t>(count));
  }

  std::vector<double> logits(const std::vector<float>& x, const std::vector<float>& weight,
                             int rows, int in, int out, const std::string& precision) override {
    begin(element_named(precision));
    const std::size_t count = z(rows) * z(out);
    float* logits = device_.arena().take_of<float>(count);
    matmul_to_float(device_, element_, upload(x), upload(weight), rows, in, out, logits);
    return widened(download_floats(logits, count));
  }

  std::vector<float> slice_sum(const std::vector<std::vector<float>>& parts) override {
    begin(Element::fp32);
    Slices slices{};
    BETHANY_CHECK(parts.size() <= static_cast<std::size_t>(kSlicesMax), "{} slices", parts.size());
    const std::size_t count = parts.front().size();
    const std::size_t padded = (count + 3) / 4 * 4;
    for (std::size_t s = 0; s < parts.size(); ++s) {
      auto values = parts[s];
      values.resize(padded, 0);
      slices.at[s] = upload_floats(values);
    }
    float* out = device_.arena().take_of<float>(padded);
    cuda::slice_sum(device_.stream(), slices, static_cast<int>(parts.size()),
                    static_cast<std::int64_t>(padded), out);
    return download_floats(out, count);
  }

  void top_k(const std::vector<float>& logits, int rows, int experts, int k, std::vector<int>& ids,
             std::vector<float>& probabilities) override {
    begin(Element::fp32);
    const std::size_t pairs = z(rows) * z(k);
    const float* values = upload_floats(logits);
    auto* keys = device_.arena().take_of<std::uint16_t>(pairs);
    float* shares = device_.arena().take_of<float>(pairs);
    gate_top_k(device_.stream(), values, rows, experts, k, keys, shares);
    device_.stream().wait();
    std::vector<std::uint16_t> host(pairs);
    check(cudaMemcpy(host.data(), keys, pairs * 2, cudaMemcpyDeviceToHost), "cudaMemcpy");
    ids.assign(host.begin(), host.end());
    probabilities = download_floats(shares, pairs);
  }

 private:
  /// Poisons what the last check left: what is not written shows as NaN.
  void begin(Element element) {
    constexpr std::size_t kPoisoned = std::size_t{64} << 20;
    element_ = element;
    device_.arena().reset();
    void* all = device_.arena().take(std::min(kPoisoned, device_.arena().size() / 2));
    check(cudaMemsetAsync(all, kPoison, std::min(kPoisoned, device_.arena().size() / 2),
                          device_.stream()),
          "cudaMemsetAsync");
    device_.arena().reset();
  }

  float* upload_floats(const std::vector<float>& values) {
    float* out = device_.arena().take_of<float>(std::max<std::size_t>(values.size(), 1));
    device_.upload(out, values.data(), values.size() * 4);
    return out;
  }
  void upload_to(const std::vector<float>& values, void* out) {
    const float* floats = upload_floats(values);
    convert(device_.stream(), element_, floats, out, static_cast<std::int64_t>(values.size()));
  }
  void* upload(const std::vector<float>& values) {
    void* out = device_.arena().take(values.size() * element_bytes(element_));
    upload_to(values, out);
    return out;
  }
  std::vector<float> download_floats(const float* values, std::size_t count) {
    std::vector<float> host(count);
    device_.stream().wait();
    check(cudaMemcpy(host.data(), values, count * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return host;
  }
  static std::vector<double> widened(const std::vector<float>& values) {
    return {values.begin(), values.end()};
  }
  std::vector<double> download(const void* values, std::int64_t count) {
    float* floats = device_.arena().take_of<float>(z(count));
    convert_back(device_.stream(), element_, values, floats, count);
    return widened(download_floats(floats, z(count)));
  }

  RoutingBuffers route(const LayerInput& input, std::int64_t pairs) {
    const std::vector<std::uint16_t> keys(input.expert_ids.begin(), input.expert_ids.end());
    const RoutingBuffers b = take_routing(device_, keys, input.experts);
    sort_routing(device_.stream(), b, pairs, input.experts);
    return b;
  }

  std::vector<std::int64_t> counts(const RoutingBuffers& routing, int experts) {
    std::vector<int> offsets(z(experts + 1));
    device_.stream().wait();
    check(cudaMemcpy(offsets.data(), routing.offsets, offsets.size() * 4, cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    std::vector<std::int64_t> result;
    for (std::size_t e = 0; e + 1 < offsets.size(); ++e) {
      result.push_back(offsets[e + 1] - offsets[e]);
    }
    return result;
  }

  Device& device_;
  Element element_ = Element::fp32;
};

}  // namespace

std::unique_ptr<Numerics> make_numerics(Device& device) {
  return std::make_unique<CudaNumerics>(device);
}

}  // namespace bethany::cuda
