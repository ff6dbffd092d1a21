// Machines that fail while they are measured.
#include "gpu/validate/validate.h"

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

Validated validate_until(int runs) {
  runs_left = runs;
  return validate(
      {.backend = "failing", .quick = true}, [](const auto&) {}, [] { return false; },
      [](auto, auto, const auto&) {});
}

TEST_CASE("machines that fail in a case end the measuring, and all that was measured is judged") {
  const auto whole = validate_until(-1);
  const int made = static_cast<int>(whole.validation.attempted);
  REQUIRE(made > 10);
  CHECK(whole.machine_failure.empty());
  const auto before = -1 - runs_left - made;  // warm-up and pilot
  REQUIRE(before >= 2);

  const auto cut = validate_until(before + 7);
  CHECK(cut.machine_failure == "the process of a rank failed");
  CHECK(cut.validation.planned == made);
  CHECK(cut.validation.attempted == 8);
  REQUIRE(cut.validation.failed.size() == 1);
  CHECK(cut.validation.failed[0].reason == "the process of a rank failed");
  CHECK(cut.validation.runs.at(0).error.points == 7);

  CHECK_THROWS_AS(validate_until(before - 1), MachineError);
  CHECK_THROWS_AS(validate_until(0), MachineError);
}

}  // namespace
}  // namespace bethany::test
