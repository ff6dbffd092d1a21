#include "analysis/report/run_series.h"

namespace bethany {
namespace {

class SeriesFold final : public RunSink {
 public:
  explicit SeriesFold(const TimeBins& bins) : course_(bins) {}

  void take(const RunEvent& event) override {
    course_.take(event);
    disruptions_.take(event);
    changes_.take(event);
    if (const auto* started = std::get_if<RunStarted>(&event)) started_ = *started;
    if (const auto* ended = std::get_if<RunEnded>(&event)) ended_ = *ended;
  }

  RunSeries series(RecordHeader header) const {
    return {started_,          ended_,
            course_.course(),  disruptions_.disruptions(),
            changes_.change(), std::move(header.node_names)};
  }

 private:
  CourseFold course_;
  DisruptionFold disruptions_;
  PlanChangeFold changes_;
  RunStarted started_;
  RunEnded ended_;
};

}  // namespace

RunSeries read_series(const KeptRun& run, const TimeBins& bins) {
  SeriesFold fold(bins);
  auto header = read_kept(run, fold);
  return fold.series(std::move(header));
}

}  // namespace bethany
