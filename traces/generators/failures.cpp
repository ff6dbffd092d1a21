#include "sim/model/trace.h"
#include "traces/failure_model.h"

namespace bethany {
namespace {

/// Reads the parts of a repair; each is a cause of its own.
void read_repair(ObjectReader& options, FailureModel& model) {
  const auto* value = options.raw("repair");
  if (value == nullptr) options.fail("", "missing key 'repair' (\"never\", or an object of parts)");
  if (value->kind == JsonNode::Kind::string) {
    options.choice("repair", {"never"});
    model.causes.push_back({"", 1, 0});
    return;
  }
  auto parts = options.object("repair");
  double total = 0;
  for (const auto& name : parts.keys()) {
    auto part = parts.object(name);
    const double share = part.real("share", 0, 1e9, 1.0);
    model.causes.push_back({name, share, model.repairs.size()});
    model.repairs.push_back(read_lognormal(part));
    part.finish();
    total += share;
  }
  parts.finish();
  if (!(total > 0)) options.fail("repair", "no part has a share above 0");
}

void read_domains(ObjectReader& options, FailureModel& model) {
  if (options.raw("domains") == nullptr) return;
  auto levels = options.object("domains");
  for (const auto& name : levels.keys()) {
    auto level = levels.object(name);
    FailureModel::Domains domains;
    domains.name = name;
    domains.size = level.integer("size", 1, 1'000'000);
    domains.mtbf_s = to_seconds(level.duration("mtbf", {}, Duration(1)));
    domains.share = level.real("share", 0, 1, 1.0);
    domains.repair = read_lognormal(level);
    level.finish();
    model.domains.push_back(domains);
  }
  levels.finish();
}

void read_bulks(ObjectReader& options, FailureModel& model) {
  if (options.raw("bulks") == nullptr) return;
  auto bulks = options.object("bulks");
  const double every_s = to_seconds(bulks.duration("every", {}, Duration(1)));
  const BulkSizes sizes(bulks, "sizes");
  model.bulks = FailureModel::Bulks{every_s, sizes, read_lognormal(bulks)};
  bulks.finish();
}

/// Nodes that fail on their own, with their domains, in bulks, or become slow; see FailureModel.
class Failures final : public TraceGenerator {
 public:
  explicit Failures(ObjectReader& options) {
    model_.name = "failures";
    read_fleet(options, model_, {}, {});
    model_.failure = read_time_to_failure(options);
    const auto age = options.choice("age", {"steady", "fresh", "kept"}, "steady");
    model_.age = age == "fresh"  ? FailureModel::Age::fresh
                 : age == "kept" ? FailureModel::Age::kept
                                 : FailureModel::Age::steady;
    if (model_.age == FailureModel::Age::kept &&
        model_.failure.kind == TimeToFailure::Kind::lognormal) {
      options.fail("age", "'kept' is not known for lognormal times to failure");
    }
    read_lemons(options, model_);
    read_repair(options, model_);
    read_domains(options, model_);
    read_bulks(options, model_);
    read_slowness(options, model_);
    check_size(options, model_);
  }

  Trace generate(const RngStreams& streams) const override {
    return draw_failures(model_, streams);
  }

 private:
  FailureModel model_;
};

const bool registered = trace_generators().add({
    .name = "failures",
    .summary = "nodes that fail, alone, by domain or in bulks, and are repaired; lemons, slowness",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceGenerator> {
      return std::make_unique<Failures>(options);
    },
});

}  // namespace
}  // namespace bethany
