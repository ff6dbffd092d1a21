#include "sim/study/reproduction.h"

#include <algorithm>

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

ReproduceOptions quick(std::vector<std::string> only) {
  ReproduceOptions options;
  options.draws = 3;
  options.only = std::move(only);
  return options;
}

const ReproducedRow& row(const Reproduction& reproduction, const std::string& id) {
  for (const auto& one : reproduction.rows) {
    if (one.id == id) return one;
  }
  FAIL("no row " << id);
  return reproduction.rows.front();
}

TEST_CASE("without the published inputs rows have no value, and say what is missing") {
  const auto reproduction = reproduce("lazarus", quick({"a", "spot"}));
  CHECK(reproduction.rows.size() > 15);
  for (const auto& one : reproduction.rows) {
    INFO(one.id);
    CHECK(one.draws.empty());
    CHECK_FALSE(one.relative_error());
  }
  CHECK(reproduction.missing_inputs ==
        std::vector<std::string>{"smartmoe-GPL3/moe_trace", "bamboo/traces/p3-trace.csv"});
  const auto answer = to_line(reproduction_answer(reproduction));
  CHECK(answer.find(R"("simulated":null,"low":null,"high":null)") != std::string::npos);
  CHECK(reproduction_text(reproduction, TableFormat::text).find("missing: smartmoe-GPL3") !=
        std::string::npos);
}

TEST_CASE("what needs no published input is the same for any number of threads") {
  auto options = quick({"ablation", "deepseek"});
  const auto one = to_line(reproduction_answer(reproduce("lazarus", options)));
  options.threads = 3;
  CHECK(one == to_line(reproduction_answer(reproduce("lazarus", options))));
}

TEST_CASE("the ablation of one layer moves as published") {
  const auto reproduction = reproduce("lazarus", quick({"ablation"}));
  REQUIRE(reproduction.statements.size() == 4);
  for (const auto& statement : reproduction.statements) {
    INFO(statement.statement);
    CHECK(statement.held == 1);
  }
  CHECK(*row(reproduction, "ablation/1-to-1").mean() <
        *row(reproduction, "ablation/4-to-1").mean());
  CHECK(reproduction.missing_inputs.empty());
}

TEST_CASE("with generated loads the orderings hold in every draw") {
  auto options = quick({"a", "b", "deepseek"});
  options.generated_loads = true;
  const auto reproduction = reproduce("lazarus", options);
  REQUIRE(reproduction.statements.size() >= 8);
  for (const auto& statement : reproduction.statements) {
    INFO(statement.statement);
    CHECK(statement.draws == 3);
    CHECK(statement.held == 3);
  }
}

TEST_CASE("errors of fitted rows are left out of the summary of predictions") {
  Reproduction reproduction;
  const auto add = [&](RowRole role, double published, std::vector<double> draws) {
    ReproducedRow one;
    one.published = published;
    one.draws = std::move(draws);
    one.role = role;
    reproduction.rows.push_back(one);
  };
  add(RowRole::predicted, 10, {9, 13});  // +10 %
  add(RowRole::predicted, 10, {8});      // -20 %
  add(RowRole::predicted, 10, {});       // missing
  add(RowRole::fitted, 1, {5});
  CHECK(error_summary(reproduction, RowRole::predicted) ==
        "2 rows, off by 15.0 % in the mean, 20 % at most");
  CHECK(error_summary(reproduction, RowRole::selected).empty());
  CHECK(*reproduction.rows[0].mean() == 11);
  CHECK(*reproduction.rows[0].low() == 9);
  CHECK(*reproduction.rows[0].high() == 13);
}

TEST_CASE("unknown papers and experiments are refused with the nearest name") {
  CHECK_THROWS_AS(reproduce("lazaru", quick({})), InputError);
  try {
    reproduce("lazarus", quick({"spott"}));
    FAIL("accepted");
  } catch (const InputError& error) {
    CHECK(std::string(error.what()).find("did you mean 'spot'?") != std::string::npos);
  }
}

}  // namespace
}  // namespace bethany
