#include <fmt/format.h>

#include <array>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "sim/model/ledger.h"

namespace bethany {
namespace {

struct Bucket {
  std::string_view part;  // "" for productive
  std::string_view name;
  std::string_view group;  // what the bar says
};

constexpr std::string_view kRecovery = "recovery in place";
constexpr std::string_view kRestart = "restart";
constexpr std::string_view kChange = "start, join, rebalance";
constexpr std::string_view kDiscarded = "discarded steps";
constexpr std::string_view kIdle = "nodes that wait";

/// Every bucket of the ledger in the order of the bar; few enough groups for the eye.
constexpr std::array<Bucket, 19> kBuckets = {{{"", "productive", "productive"},
                                              {"blocked", "checkpoint", "checkpoint writes"},
                                              {"blocked", "detection", kRecovery},
                                              {"blocked", "planning", kRecovery},
                                              {"blocked", "communicator", kRecovery},
                                              {"blocked", "transfer", kRecovery},
                                              {"blocked", "restart", kRestart},
                                              {"blocked", "load", kRestart},
                                              {"blocked", "start", kChange},
                                              {"blocked", "join", kChange},
                                              {"blocked", "rebalance", kChange},
                                              {"blocked", "drain", kChange},
                                              {"discarded", "rolled_back", kDiscarded},
                                              {"discarded", "step_in_flight", kDiscarded},
                                              {"unavailable", "starting", kIdle},
                                              {"unavailable", "waiting", kIdle},
                                              {"unavailable", "spare", kIdle},
                                              {"unavailable", "stranded", kIdle},
                                              {"unavailable", "absent", "no machine"}}};
static_assert(kBuckets.size() == 3 + kBlockedCount + kUnavailableCount);

double node_seconds(const std::vector<const JsonNode*>& runs, const Bucket& bucket) {
  double sum = 0;
  for (const auto* run : runs) {
    sum += (bucket.part.empty() ? number_at(*run, {"ledger_node_s", bucket.name})
                                : number_at(*run, {"ledger_node_s", bucket.part, bucket.name}))
               .value_or(0);
  }
  return sum;
}

std::optional<Chart> make(const ReportData& data) {
  Chart chart;
  chart.id = "ledger";
  chart.title = "Where the node time went";
  chart.x = {"share of all node time"};
  chart.y = {"policy", ScaleKind::category};
  chart.colour_title = "node time";
  ChartData rows{{{"policy", "policy"},
                  {"group", "node time"},
                  {"bucket", "bucket of the ledger"},
                  {"share", "share of all node time"},
                  {"node_h", "node-hours"}},
                 {}};
  std::vector<std::string> sentences;
  for (const auto& policy : policy_names(data)) {
    const auto runs = runs_of(data, policy);
    double total = 0;
    for (const auto* run : runs) total += number_at(*run, {"ledger_node_s", "total"}).value_or(0);
    if (total == 0) continue;
    for (const auto& bucket : kBuckets) {
      const double spent = node_seconds(runs, bucket);
      if (spent == 0) continue;
      const std::string name =
          (bucket.part.empty() ? "" : std::string(bucket.part) + ".") + std::string(bucket.name);
      rows.rows.push_back({policy, std::string(bucket.group), name, spent / total,
                           spent / 3600 / static_cast<double>(runs.size())});
    }
    sentences.push_back(fmt::format("{} spends {} of its node time on steps that count", policy,
                                    percent(node_seconds(runs, kBuckets.front()) / total)));
  }
  if (rows.rows.empty()) return std::nullopt;
  for (const auto& bucket : kBuckets) chart.colour_order.emplace_back(bucket.group);
  chart.colour_order.erase(std::unique(chart.colour_order.begin(), chart.colour_order.end()),
                           chart.colour_order.end());
  chart.caption =
      "Every node-second of cluster size times length of the run stands in one bucket; buckets "
      "without time are left out. 'Recovery in place' is detection, planning, communicators and "
      "moving state, whatever came of it; 'restart' has the loading of the checkpoint.";
  if (const auto count = replications_of(data); count > 1) {
    chart.caption += fmt::format(" Shares are of all {} replications, node-hours a mean.", count);
  }
  chart.caption += without_run(data);
  chart.alternative = sentences_of(sentences);
  chart.layers.push_back({.mark = Mark::bar, .x = "share", .y = "policy", .colour = "group"});
  chart.data.push_back(std::move(rows));
  return chart;
}

const bool registered = add_chart({
    .name = "ledger",
    .order = 30,
    .summary = "shares of node time by bucket and policy",
    .make = make,
});

}  // namespace
}  // namespace bethany
