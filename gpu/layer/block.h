#pragma once

#include "gpu/layer/stack.h"

namespace bethany {

/// What a block needs of its rank for one micro-batch.
struct RankContext {
  RankState& state;
  const Router& router;
  Fabric& fabric;
  PhaseLog& log;
};

/// The common part of a block's two halves: the shape and the device they compute on.
class BlockPart {
 protected:
  BlockPart(const StackShape& shape, int layer, Compute& compute)
      : shape_(shape), layer_(layer), compute_(compute) {}

  Arithmetic arithmetic() const { return shape_.exact ? Arithmetic::exact : Arithmetic::real; }
  /// In exact arithmetic the end of every computation of a token alone.
  void settle(float* values, std::int64_t count) {
    if (shape_.exact) compute_.fold(values, count);
  }
  template <class Work>
  void phase(RankContext& at, std::string_view name, const Work& work) {
    at.log.compute(name, layer_, [&] {
      work();
      compute_.synchronize();
    });
  }

  const StackShape shape_;
  const int layer_;
  Compute& compute_;
};

}  // namespace bethany
