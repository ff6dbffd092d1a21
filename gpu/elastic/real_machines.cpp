#include "gpu/elastic/real_machines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "gpu/protocol.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

std::vector<std::vector<ReplyPhase>> phases_of(const CrewReply& reply) {
  std::vector<std::vector<ReplyPhase>> ranks;
  for (const auto& rank : reply.ranks) ranks.push_back(rank.phases);
  return ranks;
}

/// `performed`: of every micro-batch.
bool same(const std::vector<LayerTraffic>& performed, std::span<const LayerTraffic> decided) {
  if (decided.empty() || performed.size() % decided.size() != 0) return false;
  for (std::size_t i = 0; i < performed.size(); ++i) {
    const auto& a = performed[i];
    const auto& b = decided[i % decided.size()];
    if (a.computed != b.computed || a.sent_inside != b.sent_inside ||
        a.received_inside != b.received_inside || a.sent_outside != b.sent_outside ||
        a.received_outside != b.received_outside) {
      return false;
    }
  }
  return true;
}

}  // namespace

double composed_seconds(const std::vector<std::vector<ReplyPhase>>& ranks) {
  if (ranks.empty()) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < ranks.front().size(); ++i) {
    double slowest = 0;
    for (const auto& rank : ranks) {
      BETHANY_CHECK(rank.size() == ranks.front().size() && rank[i].name == ranks.front()[i].name,
                    "ranks went through different phases");
      slowest = std::max(slowest, rank[i].seconds);
    }
    sum += slowest;
  }
  return sum;
}

RealMachines::RealMachines(Crew& crew, RealMachinesOptions options)
    : crew_(crew), options_(std::move(options)) {}

void RealMachines::plan(const std::function<void()>& work) {
  const double begin = wall_seconds();
  work();
  planning_seconds_ = wall_seconds() - begin;
}

std::optional<Attack> RealMachines::attack(const std::optional<Threat>& threat,
                                           Duration predicted) const {
  if (!threat) return {};
  if (crew_.dies_for_real()) return Attack{threat->nodes, threat->after, 0};
  if (options_.measures || threat->after >= predicted) return {};
  return Attack{
      threat->nodes, threat->after,
      static_cast<double>(threat->after.count()) / static_cast<double>(predicted.count())};
}

std::optional<Duration> RealMachines::time_of(const Done& done, Duration predicted,
                                              const std::optional<Threat>& threat) const {
  if (done.lost) return {};
  const Duration took = options_.measures ? round_to_duration(done.seconds) : predicted;
  // A killer of real machines strikes at a real instant: what ended before it has ended.
  if (threat && !crew_.dies_for_real() && threat->after < took) return {};
  return took;
}

std::optional<Duration> RealMachines::step(const StepWork& work) {
  Order order;
  order.kind = Order::Kind::step;
  order.plan = work.configuration.plan;
  order.step = work.step;
  order.first_sample = work.first_sample;
  order.samples_of_rank = {work.samples_of_rank.begin(), work.samples_of_rank.end()};
  order.accumulation = options_.accumulation;
  order.tells_outputs = options_.tells_outputs;
  if (options_.forced != nullptr) order.shares = options_.forced->shares_at(work.step);
  auto reply = crew_.obey(order, attack(work.threat, work.predicted.total));
  Done done{.lost = reply.lost, .seconds = reply.seconds};
  Performed record{.is_step = true,
                   .step = work.step,
                   .nodes = work.configuration.nodes,
                   .predicted = work.predicted};
  for (const auto samples : order.samples_of_rank) record.samples += samples * order.accumulation;
  if (!done.lost) {
    record.phases = phases_of(reply);
    for (const auto& rank : reply.ranks) {
      record.loss += rank.loss;
      record.output_digest += rank.output_digest;
      record.peak_bytes = std::max(record.peak_bytes, rank.peak_bytes);
    }
    record.traffic = std::move(reply.ranks.front().traffic);
    record.as_decided = options_.forced == nullptr || same(record.traffic, work.traffic);
    if (!crew_.dies_for_real()) done.seconds = composed_seconds(record.phases);
  }
  auto took = time_of(done, work.predicted.total, work.threat);
  order.kind = took ? Order::Kind::commit : Order::Kind::discard;
  const auto end = crew_.obey(order, {});
  if (took) {
    const auto updates = phases_of(end);
    const double update = crew_.dies_for_real() ? end.seconds : composed_seconds(updates);
    for (std::size_t rank = 0; rank < updates.size(); ++rank) {
      auto& phases = record.phases[rank];
      phases.insert(phases.end(), updates[rank].begin(), updates[rank].end());
    }
    if (options_.measures) *took += round_to_duration(update);
    record.measured = *took;
  }
  record.cut = !took;
  report(record);
  return took;
}

Configuration RealMachines::survivors_of(const Configuration& before) const {
  Configuration survivors = before;
  for (auto& node : survivors.machine_of_place) {
    if (lost_.count(node) != 0) node = NodeId(-1);
  }
  return survivors;
}

void RealMachines::start_missing(const Configuration& configuration) {
  std::vector<NodeId> missing;
  for (const auto node : configuration.machine_of_place) {
    if (!crew_.runs(node)) missing.push_back(node);
  }
  crew_.start(missing);
}

void RealMachines::connect(const std::vector<RankPlace>& ranks) {
  crew_.connect(ranks);
  connected_ = ranks;
}

std::string RealMachines::checkpoint_folder(std::int64_t step) const {
  return fmt::format("{}/step{}", options_.folder, step);
}

RealMachines::Done RealMachines::obey(const Order& order, const std::optional<Attack>& attack) {
  const auto reply = crew_.obey(order, attack);
  const bool by_phases = !reply.lost && !crew_.dies_for_real();
  return {.lost = reply.lost,
          .seconds = by_phases ? composed_seconds(phases_of(reply)) : reply.seconds};
}

RealMachines::Done RealMachines::perform_stage(const StageWork& work,
                                               const std::optional<Attack>& attack) {
  const double begin = wall_seconds();
  const auto elapsed = [&] { return wall_seconds() - begin; };
  Order order;
  order.plan = work.after.plan;
  order.step = work.step;
  switch (work.stage) {
    case Stage::planning:
      return {.seconds = planning_seconds_};
    case Stage::process_start:
      crew_.end(work.after.machine_of_place);
      crew_.start(work.after.machine_of_place);
      return {.seconds = elapsed()};
    case Stage::communicator:
      start_missing(work.after);
      connect(participants(survivors_of(work.before), work.after));
      return {.seconds = elapsed()};
    case Stage::group_init:
      connect(participants({}, work.after));
      return {.seconds = elapsed()};
    case Stage::transfer: {
      order.kind = Order::Kind::migrate;
      order.moves = moves_of(survivors_of(work.before), work.after, connected_);
      return obey(order, attack);
    }
    case Stage::load: {
      order.kind = Order::Kind::load;
      order.folder = checkpoint_folder(work.step);
      if (work.step == 0) order.kind = Order::Kind::initialise;
      return obey(order, attack);
    }
    case Stage::reschedule:
    case Stage::checkpoint_write:
    case Stage::detection:
      break;
  }
  return {.seconds = elapsed()};
}

std::optional<Duration> RealMachines::stage(const StageWork& work) {
  Performed record{
      .stage = work.stage, .cause = work.cause, .step = work.step, .nodes = work.after.nodes};
  record.predicted.total = work.predicted;
  const auto done = perform_stage(work, attack(work.threat, work.predicted));
  const auto took = time_of(done, work.predicted, work.threat);
  if (took) record.measured = *took;
  record.cut = !took;
  report(record);
  return took;
}

std::optional<Duration> RealMachines::write(const WriteWork& work) {
  namespace fs = std::filesystem;
  Performed record{
      .stage = Stage::checkpoint_write, .step = work.step, .nodes = work.configuration.nodes};
  record.predicted.total = work.predicted;
  Order order;
  order.kind = Order::Kind::save;
  order.plan = work.configuration.plan;
  order.folder = checkpoint_folder(work.step) + ".part";
  fs::remove_all(order.folder);
  fs::create_directories(order.folder);
  const auto done = obey(order, attack(work.threat, work.predicted));
  const auto took = time_of(done, work.predicted, work.threat);
  if (took) {
    // Whole or not at all: a name appears at once.
    fs::remove_all(checkpoint_folder(work.step));
    fs::rename(order.folder, checkpoint_folder(work.step));
    if (checkpoint_ && *checkpoint_ != work.step) fs::remove_all(checkpoint_folder(*checkpoint_));
    checkpoint_ = work.step;
    record.measured = *took;
  }
  record.cut = !took;
  report(record);
  return took;
}

Duration RealMachines::detect(const Configuration& configuration, Duration predicted) {
  if (!crew_.dies_for_real()) return predicted;
  Performed record{.stage = Stage::detection, .nodes = configuration.nodes};
  record.predicted.total = predicted;
  record.measured = round_to_duration(crew_.wait_for_detection());
  report(record);
  return record.measured;
}

void RealMachines::completed(const Configuration& configuration, PlanCause cause, std::int64_t) {
  lost_.clear();
  const auto ranks = participants({}, configuration);
  if (connected_ != ranks) {
    start_missing(configuration);
    connect(ranks);
  }
  Order order;
  order.plan = configuration.plan;
  order.kind = cause == PlanCause::start ? Order::Kind::initialise : Order::Kind::settle;
  const auto reply = crew_.obey(order, {});
  BETHANY_CHECK(!reply.lost || crew_.dies_for_real(), "a rank died unasked");
}

void RealMachines::lose(std::span<const NodeId> nodes) {
  crew_.kill(nodes);
  lost_.insert(nodes.begin(), nodes.end());
}

void RealMachines::join(std::span<const NodeId>) {}

void RealMachines::report(const Performed& record) const {
  if (options_.sink) options_.sink(record);
}

}  // namespace bethany
