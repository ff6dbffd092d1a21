#include <array>

#include "sim/model/trace.h"
#include "traces/failure_model.h"

namespace bethany {
namespace {

enum Repair : std::size_t { kRestart, kReboot, kReplace };

struct PublishedCause {
  std::string_view name;
  double losses;
  Repair repair;  // assumed
};

/// The 419 unexpected interruptions of Llama-3 405B (54 days, 2,048 nodes of 8 H100; table 5 of
/// arXiv 2407.21783). Which repair a cause takes is assumed: software restarts, what a reboot
/// clears reboots, hardware is replaced.
constexpr std::array kLlama3 = {PublishedCause{"faulty GPU", 148, kReplace},
                                PublishedCause{"GPU HBM3 memory", 72, kReplace},
                                PublishedCause{"software bug", 54, kRestart},
                                PublishedCause{"network switch/cable", 35, kReplace},
                                PublishedCause{"host maintenance", 32, kReboot},
                                PublishedCause{"GPU SRAM memory", 19, kReplace},
                                PublishedCause{"GPU system processor", 17, kReboot},
                                PublishedCause{"NIC", 7, kReplace},
                                PublishedCause{"NCCL watchdog timeouts", 7, kRestart},
                                PublishedCause{"silent data corruption", 6, kReplace},
                                PublishedCause{"GPU thermal interface and sensor", 6, kReplace},
                                PublishedCause{"SSD", 3, kReplace},
                                PublishedCause{"power supply", 3, kReplace},
                                PublishedCause{"server chassis", 2, kReplace},
                                PublishedCause{"IO expansion board", 2, kReplace},
                                PublishedCause{"dependency", 2, kRestart},
                                PublishedCause{"CPU", 2, kReplace},
                                PublishedCause{"system memory", 2, kReplace}};

struct PublishedFleet {
  std::string_view name;
  std::int64_t nodes;
  Duration length;
  double rate;  // failures per 1000 node-days
};

/// RSC-1 and RSC-2 (arXiv 2410.21680) publish rates, no shares of causes: Llama-3's stand in.
constexpr PublishedFleet kFleets[] = {{"llama3", 2048, std::chrono::hours(24 * 54), 3.79},
                                      {"rsc1", 2048, std::chrono::hours(24 * 330), 6.50},
                                      {"rsc2", 1024, std::chrono::hours(24 * 330), 2.34}};

/// A fleet whose failure rate per node is published, at any size. Times to failure are exponential,
/// and every loss has a cause, which decides how long the repair takes.
class Fleet final : public TraceGenerator {
 public:
  Fleet(const PublishedFleet& fleet, ObjectReader& options) {
    model_.name = std::string(fleet.name);
    read_fleet(options, model_, fleet.nodes, fleet.length);
    const double rate = options.real("rate", 1e-6, 1e6, fleet.rate);
    model_.failure.mean_s = 86400 * 1000 / rate;
    read_lemons(options, model_);
    using std::chrono::minutes;
    read_repair(options, "restart", minutes(10), minutes(11));
    read_repair(options, "reboot", minutes(30), minutes(34));
    // Repairs of InfiniteHBD's fleet, 20.4 h in the median and 132.8 h in the mean.
    read_repair(options, "replace", minutes(1224), minutes(7968));
    for (const auto& cause : kLlama3) {
      model_.causes.push_back({std::string(cause.name), cause.losses, cause.repair});
    }
    read_slowness(options, model_);
    check_size(options, model_);
  }

  Trace generate(const RngStreams& streams) const override {
    return draw_failures(model_, streams);
  }

 private:
  void read_repair(ObjectReader& options, std::string_view key, Duration median, Duration mean) {
    auto object = options.object(key);
    model_.repairs.push_back(read_lognormal(object, median, mean));
    object.finish();
  }

  FailureModel model_;
};

template <std::size_t I>
std::unique_ptr<TraceGenerator> make_fleet(ObjectReader& options) {
  return std::make_unique<Fleet>(kFleets[I], options);
}

const bool registered =
    trace_generators().add({
        .name = "llama3",
        .summary = "failures of Llama-3 405B's training, by cause (nodes, length, rate)",
        .make = make_fleet<0>,
    }) &&
    trace_generators().add({
        .name = "rsc1",
        .summary = "failures at the rate of Meta's RSC-1; causes as llama3",
        .make = make_fleet<1>,
    }) &&
    trace_generators().add({
        .name = "rsc2",
        .summary = "failures at the rate of Meta's RSC-2; causes as llama3",
        .make = make_fleet<2>,
    });

}  // namespace
}  // namespace bethany
