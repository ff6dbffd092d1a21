#include "sim/placement/transport.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

struct Group {
  std::size_t first = 0;
  std::size_t last = 0;
  std::int64_t rows = 0;     // still to be sent
  std::int64_t columns = 0;  // still to be received
  Int128 weight = 0;         // of its columns
  Int128 sender_weight = 0;  // of the rows outside it so far, the present one included
  std::int64_t received = 0;
  // Of the present row:
  std::int64_t least = 0;
  std::int64_t given = 0;
  Int128 short_of = 0;  // what it should have by now, less what it has, times weight_sum
};

std::vector<Group> groups_of(const TransportProblem& problem) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < problem.rows.size(); ++i) {
    if (i == 0 || problem.group[i] != problem.group[i - 1]) groups.push_back({.first = i});
    auto& group = groups.back();
    group.last = i + 1;
    group.rows += problem.rows[i];
    group.columns += problem.columns[i];
    group.weight += problem.column_weights[i];
  }
  return groups;
}

/// Moves units until `groups` are given `rows` in all: the ones furthest from their due first.
void settle(std::vector<Group>& groups, std::size_t own, std::int64_t rows, Int128 weight_sum) {
  std::int64_t missing = rows;
  std::vector<std::size_t> order;
  for (std::size_t t = 0; t < groups.size(); ++t) {
    if (t == own) continue;
    missing -= groups[t].given;
    groups[t].short_of -= groups[t].given * weight_sum;
    order.push_back(t);
  }
  const bool add = missing > 0;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (groups[a].short_of != groups[b].short_of) {
      return add == (groups[a].short_of > groups[b].short_of);
    }
    return a < b;
  });
  while (missing != 0) {
    const std::int64_t before = missing;
    for (const std::size_t t : order) {
      if (missing == 0) break;
      auto& group = groups[t];
      if (add && group.given < group.columns) ++group.given, --missing;
      if (!add && group.given > group.least) --group.given, ++missing;
    }
    BETHANY_CHECK(missing != before, "{} rows cannot be moved", missing);
  }
}

}  // namespace

void solve_transport(const TransportProblem& problem,
                     const std::function<void(std::size_t, std::size_t, std::int64_t)>& put) {
  auto groups = groups_of(problem);
  auto columns = problem.columns;
  std::int64_t left = std::accumulate(problem.rows.begin(), problem.rows.end(), std::int64_t{0});
  for (std::size_t own = 0; own < groups.size(); ++own) {
    for (std::size_t i = groups[own].first; i < groups[own].last; ++i) {
      const std::int64_t rows = problem.rows[i];
      for (std::size_t t = 0; t < groups.size(); ++t) {
        auto& group = groups[t];
        if (t == own) continue;
        // Entries that neither come from nor go to the group must stay possible.
        group.least = std::max<std::int64_t>(0, rows - (left - group.rows - group.columns));
        group.sender_weight += problem.row_weights[i];
        group.short_of = group.weight * group.sender_weight -
                         static_cast<Int128>(group.received) * problem.weight_sum;
        const Int128 due = group.short_of > 0 ? group.short_of / problem.weight_sum : 0;
        group.given = static_cast<std::int64_t>(
            std::clamp<Int128>(due, group.least, std::max(group.least, group.columns)));
        BETHANY_CHECK(group.least <= group.columns, "no matrix has these sums");
      }
      if (rows == 0) continue;
      settle(groups, own, rows, problem.weight_sum);
      for (std::size_t t = 0; t < groups.size(); ++t) {
        auto& group = groups[t];
        if (t == own || group.given == 0) continue;
        // Shares of what the group's columns still lack never pass what they lack.
        Int128 lacking = 0;
        std::int64_t shared = 0;
        for (std::size_t j = group.first; j < group.last; ++j) {
          lacking += columns[j];
          const auto upto = static_cast<std::int64_t>(group.given * lacking / group.columns);
          if (upto > shared) put(i, j, upto - shared);
          columns[j] -= upto - shared;
          shared = upto;
        }
        group.columns -= group.given;
        group.received += group.given;
      }
      groups[own].rows -= rows;
      left -= rows;
    }
  }
}

}  // namespace bethany
