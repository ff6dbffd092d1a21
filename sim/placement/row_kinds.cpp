#include "sim/placement/row_kinds.h"

#include <algorithm>

namespace bethany {

RowKinds kinds_of(const ExpertBits& bits, const std::vector<std::uint32_t>& rows) {
  std::vector<std::uint32_t> order(rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  const auto compare = [&](std::uint32_t a, std::uint32_t b) {
    return compare_rows(bits.row(rows[a]), bits.row(rows[b]), bits.words());
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order_of_contents = compare(a, b);
    return order_of_contents != 0 ? order_of_contents < 0 : a < b;
  });
  std::vector<std::uint32_t> first_equal(rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool same = i > 0 && compare(order[i - 1], order[i]) == 0;
    first_equal[order[i]] = same ? first_equal[order[i - 1]] : order[i];
  }
  RowKinds kinds;
  kinds.kind_of.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (first_equal[i] == i) kinds.members.emplace_back();
    kinds.kind_of[i] = first_equal[i] == i ? static_cast<std::uint32_t>(kinds.size() - 1)
                                           : kinds.kind_of[first_equal[i]];
    kinds.members[kinds.kind_of[i]].push_back(rows[i]);
  }
  return kinds;
}

std::vector<std::vector<std::uint32_t>> holders_of(const ExpertBits& bits, const RowKinds& kinds) {
  std::vector<std::vector<std::uint32_t>> holders(bits.width());
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    each_bit(bits.row(kinds.row(kind)), bits.words(),
             [&](std::size_t bit) { holders[bit].push_back(static_cast<std::uint32_t>(kind)); });
  }
  return holders;
}

}  // namespace bethany
