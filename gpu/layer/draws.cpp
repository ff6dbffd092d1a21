#include "gpu/layer/draws.h"

#include <cmath>

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Mod 7, into -3..3.
float wrapped(float sum) { return sum > 3 ? sum - 7 : (sum < -3 ? sum + 7 : sum); }

}  // namespace

void draw(Rng& rng, bool exact, double scale, std::span<float> out) {
  const double width = scale * std::sqrt(12.0) / 65536;  // of one of 2^16 steps
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i % 4 == 0) bits = rng.next();
    const auto sixteen = static_cast<int>(bits & 0xFFFF);
    bits >>= 16;
    out[i] = static_cast<float>(exact ? sixteen % 7 - 3 : (sixteen - 32767.5) * width);
  }
}

Samples draw_samples(const StackShape& shape, const MicroBatch& batch) {
  const RngStreams streams(batch.seed, 0);
  const std::size_t hidden = z(shape.hidden);
  const std::size_t sample = z(shape.sequence_length) * hidden;
  Samples out;
  out.tokens.resize(z(batch.samples) * sample);
  out.targets.resize(out.tokens.size());
  for (std::int64_t s = 0; s < batch.samples; ++s) {
    Rng rng = streams.stream("gpu/sample", static_cast<std::uint64_t>(batch.first_sample + s));
    const auto tokens = std::span(out.tokens).subspan(z(s) * sample, sample);
    const auto targets = std::span(out.targets).subspan(z(s) * sample, sample);
    draw(rng, shape.exact, 1, tokens);
    // Of each value, the one beside it in the row before, the last one's neighbour being the first.
    for (std::size_t row = 0; row < sample; row += hidden) {
      for (std::size_t column = 0; column < hidden; ++column) {
        const std::size_t beside = column + 1 < hidden ? column + 1 : 0;
        const float before = row == 0 ? 0.0F : tokens[row - hidden + beside];
        const float sum = tokens[row + column] + before;
        targets[row + column] = shape.exact ? wrapped(sum) : sum;
      }
    }
  }
  return out;
}

}  // namespace bethany
