// Machines that fail while they are measured.
#include "gpu/validate/validate.h"

#include <set>

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

int runs_left = 0;  // of all testbeds `failing`

/// The synthetic machines, until they fail.
class Failing final : public Testbed {
 public:
  Mode mode() const override { return own_->mode(); }
  std::vector<std::pair<std::string, std::string>> facts() const override { return own_->facts(); }
  CaseWorld world() const override { return own_->world(); }
  std::unique_ptr<ObservableMachines> machines(const CaseInput& input, const CaseWorld& world,
                                               int pass) override {
    if (runs_left-- == 0) throw MachineError("the process of a rank failed");
    return own_->machines(input, world, pass);
  }
  std::optional<JsonNode> own_cost() const override { return own_->own_cost(); }

 private:
  std::unique_ptr<Testbed> own_ = make_testbed("synthetic");
};

const bool registered = testbeds().add({
    .name = "failing",
    .summary = "synthetic machines that fail",
    .make = [](ObjectReader&) -> std::unique_ptr<Testbed> { return std::make_unique<Failing>(); },
});

std::vector<std::string> begun;  // by the last validate_until

Validated validate_until(std::size_t runs) {
  runs_left = static_cast<int>(runs);
  begun.clear();
  return validate(
      {.backend = "failing", .quick = true}, [](const auto&) {}, [] { return false; },
      [](auto, auto, const std::string& name) { begun.push_back(name); });
}

TEST_CASE("machines that fail in a case end the measuring, and all that was measured is judged") {
  const auto whole = validate_until(1000);
  const auto names = begun;
  const auto judged = static_cast<std::size_t>(whole.validation.attempted);
  REQUIRE(judged > 10);
  CHECK(whole.machine_failure.empty());

  // A warm-up, the pilot, and the judged cases with those of the pilot spread over them.
  const std::size_t pilots = (names.size() - 1 - judged) / 2;
  REQUIRE(names.size() == 1 + 2 * pilots + judged);
  REQUIRE(pilots >= 2);
  const auto first = names.begin() + 1 + static_cast<std::ptrdiff_t>(pilots);
  const std::set<std::string> pilot(names.begin() + 1, first);
  CHECK(pilot.count(names.front()) == 1);
  std::set<std::string> again;
  std::size_t done = 0;
  std::size_t eighth = 0;
  std::size_t second_again = 0;
  for (auto name = first; name != names.end(); ++name) {
    const auto at = static_cast<std::size_t>(name - names.begin());
    if (pilot.count(*name) == 0) {
      if (++done == 8) eighth = at;
      continue;
    }
    CHECK(done * pilots > again.size() * judged);
    CHECK((done - 1) * pilots <= again.size() * judged);
    again.insert(*name);
    if (again.size() == 2) second_again = at;
  }
  CHECK(again == pilot);
  CHECK(done == judged);

  const auto cut = validate_until(eighth);
  CHECK(cut.machine_failure == "the process of a rank failed");
  CHECK(cut.validation.planned == whole.validation.planned);
  CHECK(cut.validation.attempted == 8);
  REQUIRE(cut.validation.failed.size() == 1);
  CHECK(cut.validation.failed[0].reason == "the process of a rank failed");
  CHECK(cut.validation.runs.at(0).error.points == 7);

  // In a run that is not judged: those before it are.
  const auto beside = validate_until(second_again);
  CHECK(beside.machine_failure == "the process of a rank failed");
  CHECK(beside.validation.failed.empty());
  CHECK(beside.validation.attempted == static_cast<std::int64_t>(judged / pilots + 1));

  CHECK_THROWS_AS(validate_until(pilots), MachineError);
  CHECK_THROWS_AS(validate_until(0), MachineError);
}

}  // namespace
}  // namespace bethany::test
