// Which points are measured: the sweeps of the micro-measurements M1 to M7 that one device allows.
#include <algorithm>

#include "gpu/protocol.h"

namespace bethany {
namespace {

using Counts = std::vector<std::int64_t>;

/// Rows of one GEMM. The odd neighbours of round counts show what uneven routing costs.
Counts gemm_rows(bool quick) {
  if (quick) return {16, 128, 257, 1024, 4096};
  return {1,   8,   16,  31,  32,   64,   96,   127,  128,  129,  192,  256,
          257, 384, 512, 768, 1018, 1024, 1042, 1536, 2048, 3072, 4096, 8192};
}

class Points {
 public:
  Points(const Backend& backend, bool quick)
      : backend_(backend), sweeps_(backend.sweeps()), quick_(quick) {}

  std::vector<Point> all() {
    ceilings();
    for (const auto& entry : shape_zoo()) {
      const auto& shapes = sweeps_.shapes;
      if (std::find(shapes.begin(), shapes.end(), entry.name) == shapes.end()) continue;
      gemms(entry);
      experts(entry);
      layers(entry);
      routing(entry);
      if (small(entry)) attention(entry);
    }
    elementwise();
    if (sweeps_.separate_host) launches();
    fabric();
    lifecycle();
    return std::move(points_);
  }

 private:
  /// Shapes that are trained here: they are measured down to few rows, and with their attention.
  static bool small(const ShapeZooEntry& entry) { return entry.heads > 0; }
  Counts times_factor(Counts rows) const {
    for (auto& count : rows) count *= sweeps_.rows_factor;
    return rows;
  }
  Counts trained_rows() const {
    return times_factor(quick_ ? Counts{8, 64, 128, 256, 1024}
                               : Counts{8, 32, 128, 512, 1024, 2048, 4096});
  }

  /// M1, and the largest GEMM.
  void ceilings() {
    for (const char* pass : {"forward", "dgrad", "wgrad"}) {
      gemm("peak", sweeps_.peak, sweeps_.peak, sweeps_.peak, pass);
    }
    const auto top = std::min(sweeps_.bytes_max, std::int64_t{1} << (quick_ ? 28 : 31));
    for (std::int64_t bytes = 1 << 12; bytes <= top; bytes *= 8) {
      for (const auto operation : {Operation::device_copy, Operation::device_write}) {
        sized(operation, bytes);
      }
      if (sweeps_.separate_host && bytes <= 1 << 28) {
        sized(Operation::host_to_device, bytes);
        sized(Operation::device_to_host, bytes);
      }
    }
  }

  void gemm(const std::string& shape, int inputs, int outputs, std::int64_t rows,
            const std::string& pass) {
    Point point;
    point.operation = Operation::matmul;
    point.shape = shape;
    point.variant = pass;
    point.inputs = inputs;
    point.outputs = outputs;
    point.rows = rows;
    points_.push_back(point);
  }

  /// M3: one expert's matrices over all row counts, the dense ones over large counts.
  void gemms(const ShapeZooEntry& entry) {
    for (const char* pass : {"forward", "dgrad", "wgrad"}) {
      for (const auto rows : quick_&& small(entry) ? Counts{1024} : gemm_rows(quick_)) {
        gemm(entry.name, entry.hidden, entry.ffn * (entry.gated ? 2 : 1), rows, pass);
        gemm(entry.name, entry.ffn, entry.hidden, rows, pass);
      }
      for (const auto& [inputs, outputs] : entry.dense) {
        for (const std::int64_t rows :
             quick_ ? Counts{2048, 8192} : Counts{1024, 2048, 4096, 8192}) {
          gemm(entry.name, inputs, outputs, rows, pass);
        }
      }
    }
  }

  /// M4: the whole FFN of the experts on one device, every way to run their GEMMs.
  void experts(const ShapeZooEntry& entry) {
    const std::vector<int> counts = !quick_        ? std::vector<int>{1, 2, 4, 6, 8, 16}
                                    : small(entry) ? std::vector<int>{1, 2, 4, 8}
                                                   : std::vector<int>{2, 8};
    Counts all_rows = quick_ ? Counts{512, 4096} : Counts{256, 1024, 2048, 4096, 8192, 16384};
    if (small(entry)) {
      all_rows = trained_rows();
    }
    for (const int experts : counts) {
      if (entry.experts == 8 && experts > 8) continue;
      for (const std::int64_t rows : all_rows) {
        for (const char* skew : {"uniform", "zipf", "empty", "odd"}) {
          const std::string name = skew;
          const bool skewed = name != "uniform";
          if (skewed && ((quick_ && !small(entry)) || experts < 4 || experts == 6)) continue;
          const auto round = rows / (small(entry) ? sweeps_.rows_factor : 1);
          if (skewed && round != 1024 && round != 4096 && round != 16384) continue;
          for (const auto& variant : backend_.expert_variants()) {
            for (const auto pass : {Operation::expert_forward, Operation::expert_backward}) {
              Point point = shaped(pass, entry);
              point.variant = variant;
              point.skew = name;
              point.experts = experts;
              point.rows = rows;
              points_.push_back(point);
            }
          }
        }
      }
    }
  }

  /// Whole layers at row counts that no fit has seen.
  void layers(const ShapeZooEntry& entry) {
    for (const int experts : quick_ ? std::vector<int>{8} : std::vector<int>{3, 8}) {
      for (const std::int64_t rows : quick_ ? Counts{3072} : Counts{768, 1536, 3072, 6144, 12288}) {
        for (const char* skew : {"uniform", "zipf"}) {
          for (const auto& variant : backend_.expert_variants()) {
            Point point = shaped(Operation::moe_layer, entry);
            point.variant = variant;
            point.skew = skew;
            point.experts = experts;
            point.rows = rows;
            point.size = entry.top_k;
            points_.push_back(point);
          }
        }
      }
    }
  }

  static Point shaped(Operation operation, const ShapeZooEntry& entry) {
    Point point;
    point.operation = operation;
    point.shape = entry.name;
    point.inputs = entry.hidden;
    point.outputs = entry.ffn;
    point.gated = entry.gated;
    return point;
  }

  /// M5 and M6: gate, sort, permute and unpermute at the widths and k of the shape.
  void routing(const ShapeZooEntry& entry) {
    Counts all_tokens =
        quick_ ? Counts{256, 1024, 4096, 16384} : Counts{256, 1024, 4096, 16384, 65536};
    if (small(entry)) {
      all_tokens = trained_rows();
    }
    for (const std::int64_t tokens : all_tokens) {
      Point gate = shaped(Operation::gate, entry);
      gate.outputs = 0;
      gate.gated = false;
      gate.experts = entry.experts;
      gate.rows = tokens;
      gate.size = entry.top_k;
      points_.push_back(gate);
      if (small(entry)) {
        points_.push_back(gate);
        points_.back().operation = Operation::gate_backward;
      }
      for (const auto operation :
           {Operation::row_gather, Operation::row_scatter_sum, Operation::row_dot}) {
        Point point = gate;
        point.operation = operation;
        point.skew = "uniform";
        point.rows = tokens * entry.top_k;
        if (point.rows <= 131072) points_.push_back(point);
      }
    }
    Counts all_pairs =
        quick_ ? Counts{1024, 4096, 65536} : Counts{1024, 4096, 16384, 65536, 262144};
    if (small(entry)) {
      all_pairs = times_factor(quick_ ? Counts{16, 256, 8192} : Counts{16, 64, 256, 2048, 8192});
    }
    for (const std::int64_t pairs : all_pairs) {
      for (const char* skew : {"uniform", "zipf"}) {
        Point point;
        point.operation = Operation::routing_sort;
        point.skew = skew;
        point.experts = entry.experts;
        point.rows = pairs;
        points_.push_back(point);
      }
    }
  }

  /// The dense part of a block, and the loss; sequences of the shape's length and half and twice
  /// it.
  void attention(const ShapeZooEntry& entry) {
    const std::int64_t length = entry.sequence_length;
    for (const std::int64_t sequences :
         quick_ ? Counts{1, 4, 8, 16} : Counts{1, 2, 4, 8, 16, 32, 64}) {
      Point loss = shaped(Operation::loss, entry);
      loss.outputs = 0;
      loss.rows = sequences * length;
      points_.push_back(loss);
      for (const std::int64_t size :
           quick_ ? Counts{length / 2, length} : Counts{length / 2, length, 2 * length}) {
        for (const auto operation : {Operation::attention_forward, Operation::attention_backward}) {
          Point point = shaped(operation, entry);
          point.outputs = entry.heads;
          point.rows = sequences * size;
          point.size = size;
          points_.push_back(point);
        }
      }
    }
  }

  /// M8 to M10 and M12: what ranks exchange, on the fabric of the backend. The gradients of several
  /// experts are reduced in one group of messages.
  void fabric() {
    for (const int ranks : sweeps_.fabric_ranks) {
      for (int log2 = 4; log2 <= 28; log2 += quick_ ? 4 : 2) {
        const std::int64_t bytes = (std::int64_t{1} << log2) * ranks * (ranks - 1);
        if (bytes > sweeps_.bytes_max) continue;
        sized(Operation::all_to_all, bytes / ranks);
        points_.back().experts = ranks;
        for (const int gradients : {1, 8}) {
          if (bytes < std::int64_t{16} * gradients * ranks * ranks) continue;
          sized(Operation::reduce, bytes);
          points_.back().experts = ranks;
          points_.back().rows = gradients;
        }
      }
    }
    if (sweeps_.fabric_ranks.empty()) return;
    Counts sizes;
    for (std::int64_t bytes = 32; bytes < sweeps_.bytes_max / 2; bytes *= quick_ ? 16 : 4) {
      sizes.push_back(bytes);
    }
    sizes.push_back(sweeps_.bytes_max / 2);
    for (const int messages : {1, 16}) {
      for (const auto bytes : sizes) {
        sized(Operation::migrate, bytes);
        points_.back().experts = messages;
      }
    }
  }

  /// M11 to M13: planning, starting, connecting and losing ranks, and their checkpoints (M12).
  void lifecycle() {
    for (const int ranks : sweeps_.crew_ranks) {
      for (const auto operation : {Operation::planning, Operation::process_start,
                                   Operation::communicator, Operation::detection}) {
        sized(operation, 0);
        points_.back().experts = ranks;
      }
    }
    if (sweeps_.crew_ranks.empty()) return;
    for (const int files : {1, 8, 24}) {
      for (const std::int64_t bytes : {1 << 12, 1 << 16, 1 << 19, 1 << 22, 1 << 25}) {
        if (bytes > 1 << 22 && bytes * files > sweeps_.bytes_max) continue;
        for (const auto operation : {Operation::checkpoint_write, Operation::checkpoint_read}) {
          sized(operation, bytes * files);
          points_.back().experts = files;
        }
      }
    }
  }

  /// M7.
  void elementwise() {
    for (const bool gated : {false, true}) {
      for (const std::int64_t rows :
           quick_ ? Counts{64, 1024, 16384} : Counts{64, 256, 1024, 4096, 16384, 65536}) {
        if (rows * 4096 > sweeps_.elements_max) continue;
        for (const auto operation :
             {Operation::activation_forward, Operation::activation_backward}) {
          Point point;
          point.operation = operation;
          point.outputs = 4096;
          point.gated = gated;
          point.rows = rows;
          points_.push_back(point);
        }
      }
    }
    Counts sizes = quick_ ? Counts{1 << 16, 1 << 20, 1 << 26}
                          : Counts{1 << 16, 1 << 18, 1 << 20, 1 << 22,
                                   1 << 24, 1 << 26, 1 << 28, std::int64_t{1} << 30};
    // The experts of small shapes have few parameters.
    if (sweeps_.elements_max < 1 << 26)
      sizes = {1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 25};
    for (const auto size : sizes) {
      if (size > sweeps_.elements_max) continue;
      for (const int arrays : sweeps_.arrays) {
        if (arrays > 0 && size % arrays != 0) continue;
        sized(Operation::adam, size);
        points_.back().experts = arrays;
      }
      for (const int slices : {2, 4, 8}) {
        if (size * slices > (std::int64_t{1} << 31)) continue;
        sized(Operation::slice_sum, size);
        points_.back().experts = slices;
      }
    }
  }

  /// M2.
  void launches() {
    for (const std::int64_t kernels : {1, 10, 50}) {
      sized(Operation::kernel_launch, kernels);
      sized(Operation::graph_launch, kernels);
    }
  }

  void sized(Operation operation, std::int64_t size) {
    Point point;
    point.operation = operation;
    point.size = size;
    points_.push_back(point);
  }

  const Backend& backend_;
  const Sweeps sweeps_;
  bool quick_;
  std::vector<Point> points_;
};

}  // namespace

std::vector<Point> measurement_points(const Backend& backend, bool quick) {
  auto points = Points(backend, quick).all();
  // Shapes may share a size: each point once, the first stays.
  std::vector<Point> unique;
  for (const auto& point : points) {
    if (std::find(unique.begin(), unique.end(), point) == unique.end()) unique.push_back(point);
  }
  return unique;
}

}  // namespace bethany
