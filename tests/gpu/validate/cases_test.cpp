#include <algorithm>
#include <set>

#include "gpu/validate/case_input.h"
#include "gpu/validate/cases.h"
#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

TEST_CASE("held-out cases meet every routing, schedule and node count, and no pilot") {
  const auto& policies = validation_policies();
  const auto cases = held_out_cases(policies, 1, false);
  CHECK(cases.size() == 3 * 4 * 5 * policies.size());
  std::set<std::string> names;
  std::set<std::pair<std::string, int>> meetings;
  for (const auto& each : cases) {
    names.insert(each.name());
    meetings.emplace(each.routing + each.failures, each.nodes);
  }
  CHECK(names.size() == cases.size());
  CHECK(meetings.size() == 4 * 5 * 3);  // three of four node counts for each pair
  for (const bool quick : {true, false}) {
    for (const auto& pilot : pilot_cases(policies, 1, quick)) CHECK(names.count(pilot.name()) == 0);
  }
  const auto quick = held_out_cases(policies, 1, true);
  CHECK(quick.size() == 6 * policies.size());
}

TEST_CASE("the frozen list has one fingerprint, which anything in it changes") {
  const auto cases = held_out_cases({"lazarus", "ds"}, 1, true);
  CHECK(cases_sha256(cases).size() == 64);
  CHECK(cases_sha256(cases) == cases_sha256(held_out_cases({"lazarus", "ds"}, 1, true)));
  CHECK(cases_sha256(cases) != cases_sha256(held_out_cases({"lazarus", "ds"}, 2, true)));
  auto other = cases;
  other.back().nodes += 1;
  CHECK(cases_sha256(cases) != cases_sha256(other));
  other = cases;
  std::swap(other.front(), other.back());
  CHECK(cases_sha256(cases) != cases_sha256(other));
}

TEST_CASE("failure schedules lose and return who they say, between steps") {
  const CaseClock clock{
      .step = Duration(1000), .detection = Duration(700), .reconfiguration = Duration(400)};
  const auto lost = [&](const std::string& failures) {
    std::vector<std::pair<std::int64_t, std::uint32_t>> found;
    for (const auto& event : failure_trace(failures, 6, clock, 30).events) {
      if (event.kind == TraceEventKind::lost) {
        found.emplace_back(event.time.time_since_epoch().count(), event.node_count);
      }
    }
    return found;
  };
  using Losses = std::vector<std::pair<std::int64_t, std::uint32_t>>;
  CHECK(lost("none").empty());
  CHECK(lost("one") == Losses{{10'500, 1}});
  CHECK(lost("two") == Losses{{10'500, 2}});
  CHECK(lost("cascade") == Losses{{10'500, 1}, {11'400, 1}});  // within the reconfiguration
  CHECK(lost("rejoin") == Losses{{10'500, 1}});
  const auto trace = failure_trace("rejoin", 6, clock, 30);
  CHECK(trace.events.back().kind == TraceEventKind::join);
  CHECK(trace.events.back().time.time_since_epoch().count() == 10'500 + 700 + 800 + 5000);
  CHECK(trace.nodes_of(trace.events.back())[0] == trace.nodes_of(trace.events[1])[0]);
}

TEST_CASE("routing loads are what their names say") {
  const StackShape stack{.layers = 2, .hidden = 8, .ffn = 8, .experts = 8, .top_k = 2};
  const auto most = [](std::span<const std::int64_t> row) {
    return static_cast<double>(*std::max_element(row.begin(), row.end())) / kLoadTotal;
  };
  const auto balanced = routing_of("balanced", stack, 60, 1);
  CHECK(balanced.entries().size() == 1);
  CHECK(most(balanced.shares_at(0).row(0)) == Approx(1.0 / 8));
  const auto zipf = routing_of("zipf", stack, 60, 1);
  CHECK(most(zipf.shares_at(0).row(1)) == Approx(1 / 2.717857).epsilon(1e-4));  // 1 + 1/2 + … + 1/8
  const auto drifting = routing_of("drifting", stack, 60, 1);
  CHECK(drifting.entries().size() == 6);
  CHECK(drifting.next_change(0) == 10);
  CHECK_FALSE(drifting.shares_at(0) == drifting.shares_at(10));
  const auto burst = routing_of("burst", stack, 60, 1);
  CHECK(most(burst.shares_at(17).row(0)) == Approx(1.0 / 8));
  CHECK(most(burst.shares_at(18).row(0)) == Approx(6.0 / 13));
  CHECK(most(burst.shares_at(24).row(0)) == Approx(1.0 / 8));
  CHECK(most(burst.shares_at(36).row(0)) == Approx(6.0 / 13));
  CHECK(most(burst.shares_at(60).row(0)) == Approx(1.0 / 8));
  CHECK_FALSE(zipf.shares_at(0) == routing_of("zipf", stack, 60, 2).shares_at(0));
}

TEST_CASE("the model of a stack counts its parameters") {
  const StackShape stack{.layers = 3, .hidden = 16, .ffn = 32, .gated = true, .experts = 4};
  const auto model = model_of(stack);
  CHECK(model.expert_parameters == 3 * 16 * 32);
  CHECK(model.dense_matmul_parameters == 3 * (4 * 16 * 16 + 16 * 4));
  CHECK(model.dense_parameters == model.dense_matmul_parameters + 3 * 2 * 16);  // and two norms
  CHECK(model.parameters() == model.dense_parameters + 3 * 4 * model.expert_parameters);
}

TEST_CASE("an unknown policy is named before anything is measured") {
  CaseWorld world;
  const Case made{"lazaruss", "zipf", 4, "none", 1};
  std::string complaint;
  try {
    make_case_input(made, world);
  } catch (const InputError& error) {
    complaint = error.what();
  }
  CHECK(complaint.find("did you mean 'lazarus'?") != std::string::npos);
}

}  // namespace
}  // namespace bethany::test
