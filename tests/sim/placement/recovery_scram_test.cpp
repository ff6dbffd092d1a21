#include <fmt/format.h>

#include <charconv>

#include "sim/base/random.h"
#include "sim/placement/recovery_conditions.h"
#include "tests/sim/placement/naive.h"
#include "tests/support/process.h"

namespace bethany {
namespace {

/// The fault tree of the loss of the model, in Open-PSA's format: some set is lost whole.
std::string fault_tree(const std::vector<HostSet>& sets, const std::vector<double>& rates) {
  std::string top;
  std::string gates;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    top += fmt::format("<gate name=\"s{}\"/>", s);
    std::string nodes;
    for (const auto node : sets[s]) nodes += fmt::format("<basic-event name=\"n{}\"/>", node);
    gates += fmt::format("<define-gate name=\"s{}\">{}</define-gate>\n", s,
                         sets[s].size() > 1 ? "<and>" + nodes + "</and>" : nodes);
  }
  std::string events;
  for (std::size_t n = 0; n < rates.size(); ++n) {
    events +=
        fmt::format("<define-basic-event name=\"n{}\"><float value=\"{}\"/></define-basic-event>\n",
                    n, rates[n]);
  }
  return fmt::format(
      "<opsa-mef><define-fault-tree name=\"f\"><define-gate name=\"top\"><or>{}</or></define-gate>"
      "\n{}</define-fault-tree><model-data>{}</model-data></opsa-mef>\n",
      top, gates, events);
}

/// The number after `key="` behind `from`.
double number_after(const std::string& text, const std::string& from, const std::string& key) {
  const auto start = text.find(from);
  REQUIRE(start != std::string::npos);
  const auto at = text.find(key + "=\"", start);
  REQUIRE(at != std::string::npos);
  double value = 0;
  std::from_chars(text.data() + at + key.size() + 2, text.data() + text.size(), value);
  return value;
}

bool has_scram() { return test::run_process({"/bin/sh", "-c", "command -v scram"}).exit_code == 0; }

TEST_CASE("SCRAM, a public fault-tree tool, finds the same probabilities and importances") {
  if (!has_scram()) {
    WARN("scram is not installed: skipped");
    return;
  }
  const test::TemporaryDirectory directory;
  auto rng = RngStreams(8, 0).stream("scram");
  for (int i = 0; i < 12; ++i) {
    const int nodes = 8 + 4 * i;
    std::vector<HostSet> sets;
    for (int s = 0; s < nodes; ++s) {
      // Windows of a ring, some stretched: pairs to fours that overlap their neighbours.
      HostSet set = {s, (s + 1 + static_cast<int>(rng.below(2))) % nodes};
      for (auto more = rng.below(3); more > 0; --more) {
        set.push_back((s + 2 + static_cast<int>(rng.below(3))) % nodes);
      }
      std::sort(set.begin(), set.end());
      set.erase(std::unique(set.begin(), set.end()), set.end());
      sets.push_back(set);
    }
    sets = minimal_sets(std::move(sets));
    std::vector<double> rates;
    // Small, so that the six digits SCRAM prints are more than 1e-9.
    for (int n = 0; n < nodes; ++n) rates.push_back(0.004 * rng.unit());
    const auto tree = directory.write("tree.xml", fault_tree(sets, rates));
    const auto report = directory.path() + "/report.xml";
    const auto ran = test::run_process(
        {"/bin/sh", "-c", "scram --bdd --probability 1 --importance 1 -o " + report + " " + tree});
    REQUIRE(ran.exit_code == 0);
    const auto text = test::read_text(report);
    const auto mine = rated_recovery(rates, sets);
    REQUIRE(mine.has_value());
    const double theirs = number_after(text, "<sum-of-products", "probability");
    CHECK(mine->loss == Approx(theirs).epsilon(6e-6));
    CHECK(std::abs(mine->loss - theirs) < 1e-9);
    const auto importance = importance_by_rates(rates, sets);
    REQUIRE(importance.has_value());
    for (int n = 0; n < nodes; ++n) {
      const auto from = text.find("<importance name=");
      REQUIRE(from != std::string::npos);
      const auto event = fmt::format("<basic-event name=\"n{}\"", n);
      if (text.find(event, from) == std::string::npos) continue;  // in no set
      CHECK((*importance)[static_cast<std::size_t>(n)] ==
            Approx(number_after(text.substr(from), event, "MIF")).epsilon(6e-6));
    }
  }
}

}  // namespace
}  // namespace bethany
