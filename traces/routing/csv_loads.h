#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/model/routing_load.h"
#include "traces/csv.h"

namespace bethany {

/// Gathers the loads of single experts from the rows of a table, in any order.
class LoadRows {
 public:
  /// The texts of the current line's step, layer, expert and load. Throws InputError naming the
  /// line: not whole, out of range, negative.
  void add(const CsvReader& csv, std::string_view step, std::string_view layer,
           std::string_view expert, std::string_view load);

  /// An entry for each step. Experts count from 0 to the highest named; one without a row has no
  /// load. Layers are those named, in order of their numbers. Throws InputError when two rows are
  /// of one expert, or a step lacks a layer.
  std::vector<RoutingLoad::Entry> entries(const std::string& place) const;

 private:
  struct Row {
    std::int64_t step = 0;
    std::int64_t layer = 0;
    std::int64_t expert = 0;
    double load = 0;
    int line = 0;
  };
  std::vector<Row> rows_;
};

}  // namespace bethany
