#include "analysis/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/json.h"

namespace bethany {
namespace {

constexpr int kJobPid = 1;
constexpr std::string_view kJobTrack = R"("pid":1,"tid":1)";
constexpr int kFirstNodeTid = 2;  // threads have numbers of their own across processes

std::string quoted(std::string_view text) { return to_line(JsonNode::of(std::string(text))); }

/// Microseconds of a whole number of nanoseconds, exact.
std::string micros(std::int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }
std::string micros(SimTime time) { return micros(time.time_since_epoch().count()); }

std::string_view name_of_stage(Stage stage) {
  return stage == Stage::checkpoint_write ? std::string_view("checkpoint write")
                                          : bethany::name_of(stage);
}

void name_domains(const std::vector<FailureDomain>& domains, const std::string& above,
                  std::map<std::string, std::string>& domain_of_name) {
  for (const auto& domain : domains) {
    const auto path = above.empty() ? domain.name : above + " / " + domain.name;
    for (const auto& node : domain.nodes) domain_of_name[node] = path;
    name_domains(domain.domains, path, domain_of_name);
  }
}

std::string metadata(std::string_view kind, std::string_view track, std::string_view name) {
  return fmt::format(R"({{"ph":"M","name":"{}",{},"args":{{"name":{}}}}})", kind, track,
                     quoted(name));
}

}  // namespace

Timeline::Timeline(TimelineOptions options) : options_(std::move(options)) {
  name_domains(options_.domains, "", domain_of_name_);
}

void Timeline::take(const RunEvent& event) {
  std::visit([this](const auto& fact) { tell(fact); }, event);
}

// ---------------------------------------------------------------------------------------------
// Facts.

void Timeline::tell(const RunStarted& fact) {
  policy_ = fact.policy;
  tokens_per_sample_ = fact.tokens_per_sample;
  counter(SimTime(), "members", "0");
  counter(SimTime(), "tokens/s", "0");
  counter(SimTime(), "samples that count", "0");
}

void Timeline::tell(const NodesJoined& fact) {
  for (const auto node : fact.nodes) instant(track_of(node), fact.time, "arrived", "node", "", 't');
}

void Timeline::tell(const NodesLost& fact) {
  for (const auto node : fact.nodes) {
    const auto cause = fmt::format(R"("cause":{})", quoted(fact.cause));
    instant(track_of(node), fact.time, "lost", "node", cause, 't');
    // What was in flight is reported after the loss, and is still its own.
    const auto member = members_.find(node);
    if (member != members_.end()) member->second.until = fact.time;
  }
  copies_.lose(fact.nodes);
  least_copies(fact.time);
}

void Timeline::tell(const SpeedChanged& fact) {
  const auto arguments = fmt::format(R"("speed":{})", fact.speed);
  for (const auto node : fact.nodes) {
    instant(track_of(node), fact.time, fact.speed < 1 ? "slow" : "at full speed", "node", arguments,
            't');
  }
}

void Timeline::tell(const WaitBegan& fact) {
  end_stretch();
  phases_of_a_change();
  end_members(fact.time);
  instant(kJobTrack, fact.time, "waits for nodes", "decision",
          fmt::format(R"("ready":{},"needed":{})", fact.ready, fact.needed), 'p');
  waiting_since_ = fact.time;
  counter(fact.time, "members", "0");
  speed(fact.time, 0);
}

void Timeline::tell(const StepsCommitted& fact) {
  if (stretch_ && (stretch_->to != fact.from || stretch_->nodes != fact.nodes)) end_stretch();
  end_wait(fact.from);
  if (!stretch_) {
    stretch_ = Stretch{.from = fact.from, .nodes = fact.nodes, .first_step = fact.first_step};
  }
  stretch_->to = fact.to;
  stretch_->steps += fact.count;
  stretch_->samples += fact.samples;
  speed(fact.from, static_cast<double>(fact.samples * tokens_per_sample_) /
                       (static_cast<double>(fact.count) * to_seconds(fact.step_time)));
}

void Timeline::tell(const RoundsCommitted& fact) {
  end_stretch();
  end_wait(fact.from);
  const auto samples = fact.samples / fact.rounds;
  speed(fact.from, static_cast<double>(samples * tokens_per_sample_) /
                       (static_cast<double>(fact.steps) * to_seconds(fact.step_time)));
  auto from = fact.from;
  for (std::int64_t round = 0; round < fact.rounds; ++round) {
    const auto written_from = from + fact.step_time * fact.steps;
    steps({from, written_from, fact.nodes, fact.first_step + round * fact.steps, fact.steps,
           samples});
    from = written_from + fact.write_time;
    phase({written_from, from, fact.nodes, name_of_stage(Stage::checkpoint_write),
           "blocked.checkpoint", R"("completed":true)"});
  }
}

void Timeline::tell(const StepDiscarded& fact) {
  end_stretch();
  phase({fact.from, fact.to, fact.nodes, "step cut short", "discarded.step_in_flight", ""});
}

void Timeline::tell(const StageEnded& fact) {
  end_stretch();
  end_wait(fact.from);
  const Phase stage{
      .from = fact.from,
      .to = fact.to,
      .nodes = fact.nodes,
      .name = name_of_stage(fact.stage),
      .category = fmt::format("blocked.{}", kBlockedNames[static_cast<std::size_t>(fact.bucket)]),
      .arguments = fmt::format(R"("completed":{})", fact.completed)};
  if (fact.stage == Stage::checkpoint_write || fact.stage == Stage::detection) {
    phase(stage);
  } else {
    slice(job_events_, kJobTrack, stage);
    change_.push_back(stage);
  }
  if (fact.stage == Stage::checkpoint_write) return;
  counter(fact.from, "members", std::to_string(fact.nodes));
  speed(fact.from, 0);
}

void Timeline::tell(const DisruptionBegan& fact) {
  end_stretch();
  phases_of_a_change();
  instant(kJobTrack, fact.time, fmt::format("disruption {}", fact.disruption + 1), "decision", "",
          'g');
}

void Timeline::tell(const RecoveryDecided& fact) {
  end_stretch();
  const auto arguments =
      fmt::format(R"("disruption":{},"recovery":"{}","lost":{},"nodes":{},"state_complete":{})",
                  fact.disruption + 1, bethany::name_of(fact.recovery), fact.lost, fact.nodes,
                  fact.state_complete);
  instant(kJobTrack, fact.time, fmt::format("decided: {}", bethany::name_of(fact.recovery)),
          "decision", arguments, 'p');
}

void Timeline::tell(const RolledBack& fact) {
  end_stretch();
  instant(kJobTrack, fact.time, "rolled back", "decision",
          fmt::format(R"("from_step":{},"to_step":{},"samples":{})", fact.from_step, fact.to_step,
                      fact.samples),
          'p');
  samples_ -= fact.samples;
  counter(fact.time, "samples that count", std::to_string(samples_));
}

void Timeline::tell(const ConfigurationCompleted& fact) {
  end_stretch();
  end_wait(fact.time);
  const SimTime since = change_.empty() ? fact.time : change_.front().from;
  const auto before = std::exchange(members_, {});
  for (const auto node : fact.machine_of_place) members_[node] = {since};
  for (const auto& [node, member] : before) {
    const auto now = members_.find(node);
    const bool stays = member.until == kNever && now != members_.end();
    if (stays) now->second.since = member.since;
    if (!stays) member_slice(node, member.since, std::min(member.until, since));
  }
  for (const auto& each : std::exchange(change_, {})) phase_of_members(each);
  counter(fact.time, "members", std::to_string(fact.nodes));
  copies_.configure(fact.plan, fact.machine_of_place);
  least_copies(fact.time);
}

void Timeline::tell(const RunEnded& fact) {
  end_stretch();
  end_wait(fact.horizon);
  phases_of_a_change();
  end_members(fact.horizon);
  counter(fact.horizon, "samples that count", std::to_string(fact.samples));
  ended_ = true;
}

// ---------------------------------------------------------------------------------------------
// Slices.

void Timeline::end_stretch() {
  if (stretch_) steps(*std::exchange(stretch_, std::nullopt));
}

void Timeline::end_wait(SimTime time) {
  if (!waiting_since_) return;
  const SimTime since = *std::exchange(waiting_since_, std::nullopt);
  slice(job_events_, kJobTrack,
        {.from = since, .to = time, .name = "waiting for nodes", .category = "waiting"});
}

/// Nobody takes part any more.
void Timeline::end_members(SimTime time) {
  for (const auto& [node, member] : std::exchange(members_, {})) {
    member_slice(node, member.since, std::min(member.until, time));
  }
}

void Timeline::steps(const Stretch& stretch) {
  phase({stretch.from, stretch.to, stretch.nodes, "steps", "steps",
         fmt::format(R"("first_step":{},"steps":{},"samples":{})", stretch.first_step,
                     stretch.steps, stretch.samples)});
  samples_ += stretch.samples;
  counter(stretch.to, "samples that count", std::to_string(samples_));
}

void Timeline::phase(const Phase& phase) {
  slice(job_events_, kJobTrack, phase);
  phase_of_members(phase);
  counter(phase.from, "members", std::to_string(phase.nodes));
}

/// The record counts those who take part in a phase; who they are, configurations and losses say.
/// Where these do not give as many, the phase stands on the job's track only.
void Timeline::phase_of_members(const Phase& phase) {
  const auto takes_part = [&](const Member& member) {
    return member.since <= phase.from && member.until >= phase.to;
  };
  const auto count = std::count_if(members_.begin(), members_.end(),
                                   [&](const auto& each) { return takes_part(each.second); });
  if (count != phase.nodes) return;
  const Phase plain{phase.from, phase.to, phase.nodes, phase.name, phase.category, ""};
  for (const auto& [node, member] : members_) {
    if (takes_part(member)) slice(node_events_, track_of(node), plain);
  }
}

/// The change was cut short: no configuration tells who took part in it.
void Timeline::phases_of_a_change() {
  for (const auto& each : std::exchange(change_, {})) phase_of_members(each);
}

// ---------------------------------------------------------------------------------------------
// Events.

/// The lines of one kind are never more than all may be; text() takes the job's first.
bool Timeline::room(const std::vector<std::string>& events) {
  if (static_cast<std::int64_t>(events.size()) < options_.most_events) return true;
  ++dropped_;
  return false;
}

void Timeline::slice(std::vector<std::string>& events, std::string_view track, const Phase& phase) {
  if (phase.from == phase.to || !room(events)) return;
  const bool job = track == kJobTrack;
  const auto arguments = job ? fmt::format(R"(,"args":{{"nodes":{}{}{}}})", phase.nodes,
                                           phase.arguments.empty() ? "" : ",", phase.arguments)
                             : std::string();
  events.push_back(fmt::format(R"({{"ph":"X","name":"{}","cat":"{}",{},"ts":{},"dur":{}{}}})",
                               phase.name, phase.category, track, micros(phase.from),
                               micros((phase.to - phase.from).count()), arguments));
}

/// Memberships stand with the job's events: they hold the slices of nodes together.
void Timeline::member_slice(NodeId node, SimTime from, SimTime to) {
  if (from == to || !room(job_events_)) return;
  job_events_.push_back(
      fmt::format(R"({{"ph":"X","name":"member","cat":"member",{},"ts":{},"dur":{}}})",
                  track_of(node), micros(from), micros((to - from).count())));
}

void Timeline::instant(std::string_view track, SimTime time, std::string_view name,
                       std::string_view category, const std::string& arguments, char scope) {
  if (!room(job_events_)) return;
  job_events_.push_back(
      fmt::format(R"({{"ph":"i","name":"{}","cat":"{}",{},"ts":{},"s":"{}","args":{{{}}}}})", name,
                  category, track, micros(time), scope, arguments));
}

/// Only where the value changes.
void Timeline::counter(SimTime time, std::string_view name, const std::string& value) {
  const auto [last, first] = counters_.try_emplace(std::string(name), value);
  if (!first && std::exchange(last->second, value) == value) return;
  if (!room(job_events_)) return;
  job_events_.push_back(
      fmt::format(R"({{"ph":"C","name":"{}","pid":{},"ts":{},"args":{{"{}":{}}}}})", name, kJobPid,
                  micros(time), name, value));
}

void Timeline::speed(SimTime time, double tokens_per_s) {
  counter(time, "tokens/s", fmt::format("{}", tokens_per_s));
}

void Timeline::least_copies(SimTime time) {
  if (copies_.known()) counter(time, "least copies of an expert", std::to_string(copies_.least()));
}

std::string Timeline::track_of(NodeId node) {
  auto& track = tracks_[node];
  if (!track.empty()) return track;
  const auto domain = domain_of_name_.find(name_of(node));
  const auto name = domain == domain_of_name_.end() ? "nodes" : domain->second;
  const int next = kJobPid + 1 + static_cast<int>(pid_of_domain_.size());
  const int pid = pid_of_domain_.try_emplace(name, next).first->second;
  track = fmt::format(R"("pid":{},"tid":{})", pid, kFirstNodeTid + node.value);
  return track;
}

std::string Timeline::name_of(NodeId node) const {
  const bool named = node.value >= 0 && node.index() < options_.node_names.size();
  return named ? options_.node_names[node.index()] : fmt::format("node {}", node.value);
}

std::string Timeline::text() const {
  BETHANY_CHECK(ended_, "a timeline of a run that has not ended");
  const auto most = static_cast<std::size_t>(options_.most_events);
  const auto of_nodes = std::min(node_events_.size(), most - job_events_.size());
  const auto cut = static_cast<std::int64_t>(node_events_.size() - of_nodes);
  std::vector<std::string> names = {metadata("process_name", R"("pid":1)", "job"),
                                    metadata("thread_name", kJobTrack, policy_)};
  for (const auto& [domain, pid] : pid_of_domain_) {
    names.push_back(metadata("process_name", fmt::format(R"("pid":{})", pid), domain));
  }
  for (const auto& [node, track] : tracks_) {
    names.push_back(metadata("thread_name", track, name_of(node)));
  }
  std::string text =
      fmt::format(R"({{"schema":"bethany/timeline/1","version":"{}","displayTimeUnit":"ms",)"
                  R"("otherData":{{"policy":{},"events":{},"dropped_events":{}}},"traceEvents":[)",
                  BETHANY_VERSION, quoted(policy_), job_events_.size() + of_nodes, dropped_ + cut);
  const char* separator = "\n";
  const auto write = [&](const std::string& event) {
    text += separator;
    text += event;
    separator = ",\n";
  };
  for (const auto& event : names) write(event);
  for (const auto& event : job_events_) write(event);
  for (std::size_t i = 0; i < of_nodes; ++i) write(node_events_[i]);
  return text + "\n]}\n";
}

}  // namespace bethany
