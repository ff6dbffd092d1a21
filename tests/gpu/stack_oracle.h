#pragma once

#include <vector>

#include "gpu/layer/stack.h"

namespace bethany {

/// The stack in float64, forward only, token by token: loops, no libraries, nothing of gpu/layer.
/// Its gradients are slopes of its loss, so that no way back is written twice.
struct StackOracle {
  StackShape shape;
  std::vector<double> dense;                 // blocks one after the other
  std::vector<std::vector<double>> experts;  // [layer · experts + expert]
  std::vector<double> tokens;                // tokens × hidden: whole samples
  std::vector<double> targets;
  /// [layer][token · top_k + k]; an empty row: the largest logits, ties to the lower id. Filled in
  /// by output(), so that slopes are taken at a fixed choice.
  std::vector<std::vector<int>> ids;

  std::vector<double> output();
  double loss();
  /// d(loss) / d(parameter), which lies in `dense` or `experts`.
  double slope(double& parameter);
};

}  // namespace bethany
