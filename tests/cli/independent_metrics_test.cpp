// A second program, which knows only the documented record, comes to the same numbers.
#include <cmath>
#include <map>

#include "analysis/report/chart.h"
#include "analysis/report/json_values.h"
#include "analysis/report/report_data.h"
#include "sim/base/files.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/refused.h"

namespace bethany::test {
namespace {

const std::string kSource = BETHANY_SOURCE_DIR;
const std::string kScript = kSource + "/tests/analysis/metrics_from_events.py";

bool same(double a, double b) {
  return std::abs(a - b) <= 1e-12 * std::max({1.0, std::abs(a), std::abs(b)});
}

/// Cells of a policy's rows: numbers by column name.
using Row = std::map<std::string, double>;
std::vector<Row> rows_of(const std::vector<Chart>& charts, const std::string& id,
                         const std::string& policy) {
  std::vector<Row> rows;
  for (const auto& chart : charts) {
    if (chart.id != id) continue;
    for (const auto& data : chart.data) {
      if (data.columns[0].name != "policy") continue;
      for (const auto& cells : data.rows) {
        if (std::get<std::string>(cells[0]) != policy) continue;
        Row& row = rows.emplace_back();
        for (std::size_t i = 0; i < cells.size(); ++i) {
          if (const auto* number = std::get_if<double>(&cells[i])) {
            row[data.columns[i].name] = *number;
          }
        }
      }
    }
  }
  return rows;
}

/// Node-nanoseconds and times of the script pass 53 bits nowhere near what is compared here.
double number(const JsonNode& node) {
  return node.kind == JsonNode::Kind::integer ? static_cast<double>(node.integer) : node.real;
}

/// The figure's distribution is that of the values: (lowest, 0), (value, share) …, (highest, 1).
void check_distribution(const std::vector<Row>& rows, const std::string& column, double per_unit,
                        std::vector<double> values) {
  if (values.empty()) {
    CHECK(rows.empty());
    return;
  }
  std::sort(values.begin(), values.end());
  REQUIRE(rows.size() > 2);
  CHECK(rows.front().at("share") == 0);
  CHECK(rows.back().at("share") == 1);
  const auto count = static_cast<double>(values.size());
  for (std::size_t i = 1; i + 1 < rows.size(); ++i) {
    const double limit = rows[i].at(column) * per_unit * (1 + 1e-12);
    const auto below =
        std::count_if(values.begin(), values.end(), [&](double value) { return value <= limit; });
    CHECK(same(rows[i].at("share"), static_cast<double>(below) / count));
  }
}

void check_figures(const std::vector<Chart>& charts, const std::string& policy,
                   const JsonNode& ours) {
  INFO(policy);
  const auto throughput = rows_of(charts, "throughput", policy);
  const auto& bins = ours.find("samples_by_bin")->items;
  REQUIRE(throughput.size() == bins.size() + 1);
  const double tokens = number(*ours.find("tokens")) / number(*ours.find("samples"));
  for (std::size_t i = 0; i < bins.size(); ++i) {
    CHECK(same(throughput[i].at("throughput_tokens_per_s"), number(bins[i]) * tokens / 300));
  }
  CHECK(rows_of(charts, "committed-tokens", policy).back().at("tokens") ==
        number(*ours.find("tokens")));

  std::vector<double> times;
  for (const auto& item : ours.find("recoveries_ns")->items) times.push_back(number(item.items[0]));
  check_distribution(rows_of(charts, "recovery-time", policy), "recovery_time_s", 1e9, times);
  std::vector<double> lost;
  for (const auto& item : ours.find("lost")->items) lost.push_back(number(item.items[0]));
  check_distribution(rows_of(charts, "lost-work", policy), "lost_node_min", 60e9, lost);
  double by_stage = 0;
  for (const auto& row : rows_of(charts, "recovery-stages", policy)) {
    by_stage += row.at("mean_s") * row.at("recoveries");
  }
  double all = 0;
  for (const double time : times) all += time / 1e9;
  CHECK(same(by_stage, all));

  const auto ledger = rows_of(charts, "ledger", policy);
  const auto& node_ns = *ours.find("ledger_node_ns");
  CHECK(same(ledger.front().at("share"),
             number(*node_ns.find("productive")) / number(*node_ns.find("total"))));
  double sum = 0;
  for (const auto& row : ledger) sum += row.at("node_h");
  CHECK(same(sum, number(*node_ns.find("total")) / 3600e9));
}

TEST_CASE("python3 recomputes the numbers of a comparison and of its figures from the records") {
  if (run_process({"python3", "--version"}).exit_code != 0) {
    WARN("skipped: there is no python3");
    return;
  }
  const TemporaryDirectory directory;
  const auto place = directory.path() + "/out";
  REQUIRE(bethany_command({"compare", kSource + "/traces/samples/quickstart.json", "--policies",
                           "lazarus,ds,ds-ft,lazarus:placement=spread,ideal", "-o", place})
              .exit_code == 0);
  const ReportData data = read_report_data(place);
  const auto charts = charts_of(data);
  std::vector<std::string> check = {"python3", kScript};
  REQUIRE(data.kept.size() == 5);
  for (const auto& kept : data.kept) {
    const auto run = kept.events_file.substr(0, kept.events_file.rfind('/'));
    check.push_back(run);
    // The throughput of 12 hours is drawn by 5 minutes.
    const auto made = run_process({"python3", kScript, "--json", "--bin-ns", "300000000000", run});
    INFO(made.err);
    REQUIRE(made.exit_code == 0);
    check_figures(charts, kept.policy, parse_json(made.out, kScript));
  }
  const auto agreed = run_process(check);
  INFO(agreed.out + agreed.err);
  CHECK(agreed.exit_code == 0);
  CHECK(contains(agreed.out, "165 of 165 numbers agree"));

  // It sees a number that is wrong.
  const auto file = check[2] + "/summary.json";
  std::string text = read_text(file);
  const auto at = text.find("\"steps_discarded\": ");
  REQUIRE(at != std::string::npos);
  const auto right = text.substr(at + 19, text.find(',', at) - at - 19);
  write_output(file, text.insert(at + 19, "1"), true);
  const auto refused = run_process({"python3", kScript, check[2]});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.out,
                 "steps_discarded: recomputed " + right + ", summary.json has 1" + right));
}

}  // namespace
}  // namespace bethany::test
