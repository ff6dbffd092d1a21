#include "gpu/cuda/expert_ffn.h"

#include <cmath>
#include <numeric>

#include "gpu/cuda/kernels.h"

namespace bethany::cuda {
namespace {

// In the order of products_.
enum ProductIndex { kInForward, kOutForward, kOutDgrad, kOutWgrad, kInDgrad, kInWgrad };

}  // namespace

std::int64_t FfnSizes::total_rows() const {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
}

ExpertFfn::ExpertFfn(Device& device, const FfnSizes& sizes) : device_(device), sizes_(sizes) {
  const std::size_t unit = element_bytes(sizes.element);
  const std::size_t before = device.arena().used();
  const auto take = [&](std::int64_t rows, int width) {
    return device.arena().take(static_cast<std::size_t>(std::max<std::int64_t>(rows, 1)) *
                               static_cast<std::size_t>(width) * unit);
  };
  const std::int64_t rows = sizes.total_rows();
  x = take(rows, sizes.hidden);
  y = take(rows, sizes.hidden);
  dx = take(rows, sizes.hidden);
  dy = take(rows, sizes.hidden);
  inner_ = take(rows, sizes.inner());
  dinner_ = take(rows, sizes.inner());
  activation_ = take(rows, sizes.ffn);
  dactivation_ = take(rows, sizes.ffn);
  in_weights = take(sizes.experts() * sizes.inner(), sizes.hidden);
  in_weights_gradient = take(sizes.experts() * sizes.inner(), sizes.hidden);
  out_weights = take(sizes.experts() * sizes.hidden, sizes.ffn);
  out_weights_gradient = take(sizes.experts() * sizes.hidden, sizes.ffn);

  const auto part = [unit](void* base, std::int64_t row, int width) {
    return static_cast<void*>(static_cast<char*>(base) + static_cast<std::size_t>(row) *
                                                             static_cast<std::size_t>(width) *
                                                             unit);
  };
  std::vector<std::vector<MatmulItem>> items(6);
  std::int64_t first = 0;
  for (std::size_t e = 0; e < sizes.rows.size(); ++e) {
    const std::int64_t n = sizes.rows[e];
    const auto expert = static_cast<std::int64_t>(e);
    void* const w_in = part(in_weights, expert * sizes.inner(), sizes.hidden);
    void* const w_out = part(out_weights, expert * sizes.hidden, sizes.ffn);
    void* const dw_in = part(in_weights_gradient, expert * sizes.inner(), sizes.hidden);
    void* const dw_out = part(out_weights_gradient, expert * sizes.hidden, sizes.ffn);
    void* const xe = part(x, first, sizes.hidden);
    void* const dye = part(dy, first, sizes.hidden);
    void* const dinner = part(dinner_, first, sizes.inner());
    void* const activation = part(activation_, first, sizes.ffn);
    items[kInForward].push_back({n, xe, w_in, part(inner_, first, sizes.inner())});
    items[kOutForward].push_back({n, activation, w_out, part(y, first, sizes.hidden)});
    items[kOutDgrad].push_back({n, dye, w_out, part(dactivation_, first, sizes.ffn)});
    items[kOutWgrad].push_back({n, dye, activation, dw_out});
    items[kInDgrad].push_back({n, dinner, w_in, part(dx, first, sizes.hidden)});
    items[kInWgrad].push_back({n, dinner, xe, dw_in});
    first += n;
  }
  const Product products[] = {Product::forward, Product::forward, Product::dgrad,
                              Product::wgrad,   Product::dgrad,   Product::wgrad};
  for (int i = 0; i < 6; ++i) {
    const bool into = i == kInForward || i == kInDgrad || i == kInWgrad;
    products_.push_back(std::make_unique<GroupedMatmul>(
        device, sizes.element, products[i], into ? sizes.hidden : sizes.ffn,
        into ? sizes.inner() : sizes.hidden, items[static_cast<std::size_t>(i)]));
  }
  bytes_ = device.arena().used() - before;
}

void ExpertFfn::forward(MatmulVariant variant) const {
  products_[kInForward]->run(variant);
  activation_forward(device_.stream(), sizes_.element, sizes_.gated, inner_, sizes_.total_rows(),
                     sizes_.ffn, activation_);
  products_[kOutForward]->run(variant);
}

void ExpertFfn::backward(MatmulVariant variant) const {
  products_[kOutDgrad]->run(variant);
  products_[kOutWgrad]->run(variant);
  activation_backward(device_.stream(), sizes_.element, sizes_.gated, inner_, dactivation_,
                      sizes_.total_rows(), sizes_.ffn, dinner_);
  products_[kInDgrad]->run(variant);
  products_[kInWgrad]->run(variant);
}

void ExpertFfn::fill_random(std::uint64_t seed) const {
  const std::int64_t rows = sizes_.total_rows();
  const cudaStream_t stream = device_.stream();
  const auto fill = [&](void* out, std::int64_t count, std::uint64_t part, double scale) {
    cuda::fill_random(stream, sizes_.element, out, count, seed * 8 + part,
                      static_cast<float>(scale));
  };
  fill(x, rows * sizes_.hidden, 0, 1);
  fill(dy, rows * sizes_.hidden, 1, 1);
  fill(in_weights, sizes_.experts() * sizes_.inner() * sizes_.hidden, 2,
       1 / std::sqrt(static_cast<double>(sizes_.hidden)));
  fill(out_weights, sizes_.experts() * sizes_.hidden * sizes_.ffn, 3,
       1 / std::sqrt(static_cast<double>(sizes_.ffn)));
}

}  // namespace bethany::cuda
