#include "tests/gpu/stack_oracle.h"

#include <algorithm>
#include <cmath>

namespace bethany {
namespace {

using Row = std::vector<double>;

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// A matrix within the parameters.
struct Matrix {
  const double* at;
  int rows;
  int columns;
};

/// Reads parameters in the order in which they lie.
struct Cursor {
  const double* at;
  Row vector(int size) {
    const Row row(at, at + size);
    at += size;
    return row;
  }
  Matrix matrix(int rows, int columns) {
    const Matrix matrix{at, rows, columns};
    at += std::ptrdiff_t{rows} * columns;
    return matrix;
  }
};

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Row times(const Matrix& matrix, const Row& x) {
  Row out;
  for (int r = 0; r < matrix.rows; ++r) {
    double sum = 0;
    for (int c = 0; c < matrix.columns; ++c) sum += matrix.at[r * matrix.columns + c] * x[z(c)];
    out.push_back(sum);
  }
  return out;
}

Row normed(const Row& x, const Row& gain) {
  const double rms = std::sqrt(dot(x, x) / static_cast<double>(x.size()) + 1e-6);
  Row out;
  for (std::size_t c = 0; c < x.size(); ++c) out.push_back(x[c] / rms * gain[c]);
  return out;
}

Row softmax(const Row& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  Row out;
  double sum = 0;
  for (const double score : scores) out.push_back(std::exp(score - largest));
  for (const double value : out) sum += value;
  for (double& value : out) value /= sum;
  return out;
}

Row expert(const StackShape& shape, const Row& parameters, const Row& x) {
  Cursor cursor{parameters.data()};
  const Row gate = times(cursor.matrix(shape.ffn, shape.hidden), x);
  const Row up = shape.gated ? times(cursor.matrix(shape.ffn, shape.hidden), x) : Row();
  Row active;
  for (std::size_t f = 0; f < gate.size(); ++f) {
    const double v = gate[f];
    active.push_back(
        shape.gated ? v / (1 + std::exp(-v)) * up[f]
                    : 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))));
  }
  return times(cursor.matrix(shape.hidden, shape.ffn), active);
}

std::vector<int> largest(const Row& logits, int count) {
  std::vector<int> ids(logits.size());
  for (std::size_t e = 0; e < ids.size(); ++e) ids[e] = static_cast<int>(e);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int a, int b) { return logits[z(a)] > logits[z(b)]; });
  ids.resize(z(count));
  return ids;
}

/// Attention of token `t` over its sample's tokens up to itself.
Row attention(const StackShape& shape, const std::vector<Row>& qkv, std::size_t t) {
  const std::size_t hidden = z(shape.hidden);
  const std::size_t width = hidden / z(shape.heads);
  const std::size_t begin = t - t % z(shape.sequence_length);
  Row out(hidden, 0);
  for (std::size_t head = 0; head < z(shape.heads); ++head) {
    Row scores;
    for (std::size_t j = begin; j <= t; ++j) {
      double sum = 0;
      for (std::size_t c = head * width; c < (head + 1) * width; ++c) {
        sum += qkv[t][c] * qkv[j][hidden + c];
      }
      scores.push_back(sum / std::sqrt(static_cast<double>(width)));
    }
    const Row share = softmax(scores);
    for (std::size_t j = begin; j <= t; ++j) {
      for (std::size_t c = head * width; c < (head + 1) * width; ++c) {
        out[c] += share[j - begin] * qkv[j][2 * hidden + c];
      }
    }
  }
  return out;
}

void add(Row& values, const Row& other, double factor) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += factor * other[i];
}

}  // namespace

std::vector<double> StackOracle::output() {
  const std::size_t hidden = z(shape.hidden);
  const std::size_t count = tokens.size() / hidden;
  ids.resize(z(shape.layers));
  std::vector<Row> x;
  for (std::size_t t = 0; t < count; ++t) {
    x.push_back(Row(tokens.data() + t * hidden, tokens.data() + (t + 1) * hidden));
  }
  Cursor cursor{dense.data()};
  for (std::size_t layer = 0; layer < z(shape.layers); ++layer) {
    const Row attention_gain = cursor.vector(shape.hidden);
    const Matrix qkv_weights = cursor.matrix(3 * shape.hidden, shape.hidden);
    const Matrix projection = cursor.matrix(shape.hidden, shape.hidden);
    const Row moe_gain = cursor.vector(shape.hidden);
    const Matrix gate = cursor.matrix(shape.experts, shape.hidden);
    const bool choose = ids[layer].empty();
    std::vector<Row> qkv;
    for (const auto& row : x) qkv.push_back(times(qkv_weights, normed(row, attention_gain)));
    for (std::size_t t = 0; t < count; ++t) {
      add(x[t], times(projection, attention(shape, qkv, t)), 1);
      const Row in = normed(x[t], moe_gain);
      const Row logits = times(gate, in);
      const Row share = softmax(logits);
      if (choose) {
        for (const int id : largest(logits, shape.top_k)) ids[layer].push_back(id);
      }
      for (std::size_t k = 0; k < z(shape.top_k); ++k) {
        const auto id = z(ids[layer][t * z(shape.top_k) + k]);
        add(x[t], expert(shape, experts[layer * z(shape.experts) + id], in), share[id]);
      }
    }
  }
  Row out;
  for (const auto& row : x) out.insert(out.end(), row.begin(), row.end());
  return out;
}

double StackOracle::loss() {
  const Row out = output();
  double sum = 0;
  for (std::size_t i = 0; i < out.size(); ++i) sum += (out[i] - targets[i]) * (out[i] - targets[i]);
  return sum / 2;
}

double StackOracle::slope(double& parameter) {
  constexpr double kStep = 1.0 / 65536;
  const double value = parameter;
  parameter = value + kStep;
  const double above = loss();
  parameter = value - kStep;
  const double below = loss();
  parameter = value;
  return (above - below) / (2 * kStep);
}

}  // namespace bethany
