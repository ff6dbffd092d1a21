#include "gpu/cpu/blocked_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace bethany::cpu {
namespace {

// A tile of c takes 4 · 8 floats: 8 of the 16 registers of SSE. Blocks of a (64 × 256) and panels
// of b (256 × 8) stay in the caches.
constexpr std::int64_t kTileRows = 4;
constexpr std::int64_t kLanes = 4;
constexpr std::int64_t kTileColumns = 2 * kLanes;
constexpr std::int64_t kBlockRows = 64;
constexpr std::int64_t kBlockInner = 256;

using Tile = std::array<std::array<float, kTileColumns>, kTileRows>;

/// Element (row, column) of op(matrix) lies at row · row_step + column · column_step.
struct View {
  const float* data;
  std::int64_t row_step;
  std::int64_t column_step;

  float at(std::int64_t row, std::int64_t column) const {
    return data[row * row_step + column * column_step];
  }
};

View view_of(const float* data, bool transposed, std::int64_t stride, std::int64_t tight) {
  const std::int64_t step = stride == 0 ? tight : stride;
  return transposed ? View{data, 1, step} : View{data, step, 1};
}

/// b's rows first..first + inner in panels of kTileColumns columns, zeros beyond the last.
void pack_panels(const View& b, std::int64_t first, std::int64_t inner, std::int64_t columns,
                 std::vector<float>& packed) {
  const std::int64_t panels = (columns + kTileColumns - 1) / kTileColumns;
  packed.assign(static_cast<std::size_t>(panels * inner * kTileColumns), 0.0F);
  float* out = packed.data();
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    const std::int64_t begin = panel * kTileColumns;
    const std::int64_t width = std::min(kTileColumns, columns - begin);
    for (std::int64_t k = 0; k < inner; ++k, out += kTileColumns) {
      for (std::int64_t j = 0; j < width; ++j) out[j] = b.at(first + k, begin + j);
    }
  }
}

/// a's block in tiles of kTileRows rows, the rows of a column side by side, zeros beyond the last.
void pack_tiles(const View& a, std::int64_t row, std::int64_t rows, std::int64_t first,
                std::int64_t inner, std::vector<float>& packed) {
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  packed.assign(static_cast<std::size_t>(tiles * inner * kTileRows), 0.0F);
  float* out = packed.data();
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = tile * kTileRows;
    const std::int64_t height = std::min(kTileRows, rows - begin);
    for (std::int64_t k = 0; k < inner; ++k, out += kTileRows) {
      for (std::int64_t i = 0; i < height; ++i) out[i] = a.at(row + begin + i, first + k);
    }
  }
}

/// Four floats that are added and multiplied at once.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

void multiply_tile(const float* a, const float* b, std::int64_t inner, Tile& out) {
  Lanes sum[kTileRows][2] = {};
  for (std::int64_t k = 0; k < inner; ++k, a += kTileRows, b += kTileColumns) {
    Lanes left;
    Lanes right;
    std::memcpy(&left, b, sizeof left);
    std::memcpy(&right, b + kLanes, sizeof right);
    for (std::size_t i = 0; i < kTileRows; ++i) {
      sum[i][0] += a[i] * left;
      sum[i][1] += a[i] * right;
    }
  }
  std::memcpy(&out, &sum, sizeof sum);
}

void store_tile(const Tile& sum, bool add, float* c, std::int64_t stride, std::int64_t rows,
                std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto& row = sum[static_cast<std::size_t>(i)];
    float* out = c + i * stride;
    for (std::int64_t j = 0; j < columns; ++j) {
      out[j] = row[static_cast<std::size_t>(j)] + (add ? out[j] : 0.0F);
    }
  }
}

}  // namespace

void blocked_product(const ProductShape& shape, const float* a, const float* b, float* c) {
  const View left =
      view_of(a, shape.a_transposed, shape.a_stride, shape.a_transposed ? shape.rows : shape.inner);
  const View right = view_of(b, shape.b_transposed, shape.b_stride,
                             shape.b_transposed ? shape.inner : shape.columns);
  const std::int64_t stride = shape.c_stride == 0 ? shape.columns : shape.c_stride;
  if (shape.inner == 0 && !shape.accumulate) {
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      std::fill_n(c + i * stride, shape.columns, 0.0F);
    }
  }
  std::vector<float> panels;
  std::vector<float> tiles;
  Tile sum{};
  for (std::int64_t k = 0; k < shape.inner; k += kBlockInner) {
    const std::int64_t inner = std::min(kBlockInner, shape.inner - k);
    const bool add = shape.accumulate || k > 0;
    pack_panels(right, k, inner, shape.columns, panels);
    for (std::int64_t block = 0; block < shape.rows; block += kBlockRows) {
      const std::int64_t rows = std::min(kBlockRows, shape.rows - block);
      pack_tiles(left, block, rows, k, inner, tiles);
      for (std::int64_t j = 0; j < shape.columns; j += kTileColumns) {
        for (std::int64_t i = 0; i < rows; i += kTileRows) {
          multiply_tile(tiles.data() + i * inner, panels.data() + j * inner, inner, sum);
          store_tile(sum, add, c + (block + i) * stride + j, stride, std::min(kTileRows, rows - i),
                     std::min(kTileColumns, shape.columns - j));
        }
      }
    }
  }
}

}  // namespace bethany::cpu
