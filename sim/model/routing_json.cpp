#include "sim/model/routing_json.h"

#include <fmt/format.h>

#include "sim/base/int128.h"

namespace bethany {
namespace {

namespace dom = simdjson::dom;

constexpr Int128 kLargestSum = static_cast<Int128>(1) << 62;

}  // namespace

std::string read_load_row(const dom::array& row, const std::string& path,
                          std::span<std::int64_t> loads) {
  bool all_whole = true;
  Int128 sum = 0;
  std::vector<double> values;
  values.reserve(loads.size());
  for (const dom::element value : row) {
    std::int64_t integer = 0;
    double real = 0;
    if (value.get(integer) == simdjson::SUCCESS) {
      loads[values.size()] = integer;
      sum += integer;
      real = static_cast<double>(integer);
    } else if (value.type() == dom::element_type::DOUBLE) {
      real = value.get_double().value_unsafe();
      all_whole = false;
    } else {
      return fmt::format("{}/{}: expected a number below 2^62", path, values.size());
    }
    if (!(real >= 0)) return fmt::format("{}/{}: {} is negative", path, values.size(), real);
    values.push_back(real);
  }
  if (!all_whole) {
    whole_loads(values, loads);
  } else if (sum >= kLargestSum) {
    return path + ": the loads sum to 2^62 or more";
  }
  return "";
}

}  // namespace bethany
