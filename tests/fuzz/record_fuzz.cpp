// The run record reader, into the folds that make summaries and figures.
#include <cstdint>
#include <string_view>

#include "analysis/report/run_series.h"
#include "analysis/run_summary.h"
#include "sim/base/error.h"
#include "sim/model/run_record_file.h"

namespace {

class Folds final : public bethany::RunSink {
 public:
  void take(const bethany::RunEvent& event) override {
    summary_.take(event);
    course_.take(event);
    disruptions_.take(event);
    changes_.take(event);
  }

 private:
  bethany::SummaryFold summary_;
  bethany::CourseFold course_{bethany::time_bins(std::chrono::seconds(100), 50)};
  bethany::DisruptionFold disruptions_;
  bethany::PlanChangeFold changes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    Folds folds;
    bethany::read_record(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz",
                         folds);
  } catch (const bethany::InputError&) {
  }
  return 0;
}
