#include "sim/placement/makespan.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 62;
constexpr std::int32_t kUnseen = -1;

/// A lower bound: the tokens of the experts that are hosted inside some places, over the places.
struct Bound {
  std::int64_t load = 0;
  std::int64_t places = 1;

  bool operator<(const Bound& other) const {
    return static_cast<Int128>(load) * other.places < static_cast<Int128>(other.load) * places;
  }
};

/// What is asked, sorted: experts with one host have no choice and are a load of their place.
struct Question {
  const HostLists* hosts = nullptr;
  std::span<const std::int64_t> loads;
  std::int64_t tokens = 0;
  std::vector<std::int64_t> fixed;    // by place: tokens of experts without a choice
  std::vector<std::int32_t> movable;  // the other experts with tokens, by (number of hosts, id)
  Bound bound;                        // the best found so far, of the places in `inside`
  std::vector<char> inside;
  std::vector<std::int32_t> offsets;  // of the counting sort

  void ask(const HostLists& of, std::span<const std::int64_t> with);
  /// The tokens inside the places that host `experts`, over their number.
  Bound bound_of(std::span<const std::int32_t> experts);
  void raise(Bound to, std::span<const std::int32_t> places);
  Makespan answer() const;

 private:
  void sort_movable(std::size_t most_hosts);
  void find_first_bound();
};

void Question::ask(const HostLists& of, std::span<const std::int64_t> with) {
  BETHANY_CHECK(with.size() + 1 == of.first.size() && of.places > 0,
                "{} loads, {} experts, {} places", with.size(), of.experts(), of.places);
  hosts = &of;
  loads = with;
  tokens = 0;
  fixed.assign(static_cast<std::size_t>(of.places), 0);
  std::size_t most_hosts = 0;
  for (int e = 0; e < of.experts(); ++e) {
    const std::int64_t load = with[static_cast<std::size_t>(e)];
    if (load == 0) continue;
    const auto at = of.of(e);
    BETHANY_CHECK(load > 0 && !at.empty(), "expert {}: {} tokens, {} hosts", e, load, at.size());
    BETHANY_CHECK(load < kMostTokens - tokens, "too many tokens");
    tokens += load;
    most_hosts = std::max(most_hosts, at.size());
    if (at.size() == 1) fixed[static_cast<std::size_t>(at.front())] += load;
  }
  sort_movable(most_hosts);
  find_first_bound();
}

void Question::sort_movable(std::size_t most_hosts) {
  offsets.assign(most_hosts + 2, 0);
  const auto hosts_of = [&](std::size_t e) {
    const auto count = static_cast<std::size_t>(hosts->first[e + 1] - hosts->first[e]);
    return loads[e] == 0 || count == 1 ? 0 : count;
  };
  for (std::size_t e = 0; e < loads.size(); ++e) ++offsets[hosts_of(e) + 1];
  offsets[1] = 0;  // those without a choice are left out
  for (std::size_t h = 1; h < offsets.size(); ++h) offsets[h] += offsets[h - 1];
  movable.resize(static_cast<std::size_t>(offsets.back()));
  for (std::size_t e = 0; e < loads.size(); ++e) {
    const std::size_t count = hosts_of(e);
    if (count == 0) continue;
    movable[static_cast<std::size_t>(offsets[count]++)] = static_cast<std::int32_t>(e);
  }
}

void Question::find_first_bound() {
  inside.assign(fixed.size(), 0);
  for (std::size_t e = 0; e < loads.size(); ++e) {
    if (loads[e] == 0) continue;
    for (const auto place : hosts->of(static_cast<int>(e))) {
      BETHANY_CHECK(place >= 0 && place < hosts->places, "place {} of {}", place, hosts->places);
      inside[static_cast<std::size_t>(place)] = 1;
    }
  }
  bound = {tokens, std::max<std::int64_t>(1, std::count(inside.begin(), inside.end(), 1))};
  std::span<const std::int32_t> best;
  for (const auto e : movable) {
    const auto at = hosts->of(e);
    Bound one{loads[static_cast<std::size_t>(e)], static_cast<std::int64_t>(at.size())};
    for (const auto place : at) one.load += fixed[static_cast<std::size_t>(place)];
    if (bound < one) bound = one, best = at;
  }
  const auto fullest = std::max_element(fixed.begin(), fixed.end());
  const auto place = static_cast<std::int32_t>(fullest - fixed.begin());
  if (const Bound one{*fullest, 1}; bound < one) bound = one, best = {&place, 1};
  if (!best.empty()) raise(bound, best);
}

Bound Question::bound_of(std::span<const std::int32_t> experts) {
  Bound result{0, 0};
  std::vector<std::int32_t> places;
  for (const auto e : experts) {
    BETHANY_CHECK(e >= 0 && e < hosts->experts(), "expert {} of {}", e, hosts->experts());
    if (loads[static_cast<std::size_t>(e)] == 0) continue;
    result.load += loads[static_cast<std::size_t>(e)];
    const auto at = hosts->of(e);
    places.insert(places.end(), at.begin(), at.end());
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  result.places = std::max<std::int64_t>(1, static_cast<std::int64_t>(places.size()));
  return result;
}

void Question::raise(Bound to, std::span<const std::int32_t> places) {
  bound = to;
  std::fill(inside.begin(), inside.end(), 0);
  for (const auto place : places) inside[static_cast<std::size_t>(place)] = 1;
}

Makespan Question::answer() const {
  Makespan result{.load = bound.load, .places = bound.places, .experts = {}};
  for (int e = 0; e < hosts->experts(); ++e) {
    if (loads[static_cast<std::size_t>(e)] == 0) continue;
    const auto at = hosts->of(e);
    if (std::all_of(at.begin(), at.end(),
                    [&](std::int32_t p) { return inside[static_cast<std::size_t>(p)] != 0; })) {
      result.experts.push_back(e);
    }
  }
  return result;
}

/// A maximum flow from experts to places that all hold `capacity`, which may only grow: Dinic's
/// algorithm from a first filling. Whole units: 1 / scale of a token.
template <class Units>
class Flow {
 public:
  /// Raises question.bound to the makespan (scale large enough) or to it rounded up; stops when
  /// it is not below `limit`.
  void run(Question& question, Units scale, const Bound* limit);

  Units capacity() const { return capacity_; }

 private:
  void fill();
  void fill(std::int32_t expert, Units amount);
  void transpose();
  /// Levels of the shortest ways from experts with an excess to places with room; false: no way.
  bool find_levels();
  void augment();
  Units push(std::int32_t expert, Units amount);
  Units reroute(std::int32_t place, Units amount);
  /// Raises the bound and the capacity by the cut that the levels show.
  void raise(Units scale);

  Question* question_ = nullptr;
  const HostLists* hosts_ = nullptr;
  Units capacity_ = 0;
  Units all_excess_ = 0;
  std::vector<Units> load_;             // by place
  std::vector<Units> excess_;           // by expert
  std::vector<Units> flow_;             // by edge: an index of hosts.place
  std::vector<std::int32_t> first_at_;  // edges of movable experts by place
  std::vector<std::int32_t> edge_at_;
  std::vector<std::int32_t> expert_of_;  // by edge
  std::vector<std::int32_t> expert_level_, place_level_;
  std::vector<std::int32_t> expert_next_, place_next_;  // arcs not yet used up
  std::vector<std::int32_t> queue_, next_queue_, seen_places_;
};

template <class Units>
void Flow<Units>::run(Question& question, Units scale, const Bound* limit) {
  question_ = &question;
  hosts_ = question.hosts;
  capacity_ = (question.bound.load * scale + question.bound.places - 1) / question.bound.places;
  load_.resize(question.fixed.size());
  for (std::size_t p = 0; p < load_.size(); ++p) load_[p] = question.fixed[p] * scale;
  excess_.assign(question.loads.size(), 0);
  for (const auto e : question.movable) {
    excess_[static_cast<std::size_t>(e)] = question.loads[static_cast<std::size_t>(e)] * scale;
  }
  fill();
  if (all_excess_ == 0) return;
  transpose();
  while (true) {
    while (find_levels()) augment();
    if (all_excess_ == 0) return;
    raise(scale);
    if (limit != nullptr && !(question.bound < *limit)) return;
  }
}

template <class Units>
void Flow<Units>::fill() {
  flow_.resize(hosts_->place.size());
  all_excess_ = 0;
  for (const auto e : question_->movable) fill(e, excess_[static_cast<std::size_t>(e)]);
}

/// Evenly as far as there is room, then what is left wherever there is room.
template <class Units>
void Flow<Units>::fill(std::int32_t expert, Units amount) {
  const auto e = static_cast<std::size_t>(expert);
  const auto first = static_cast<std::size_t>(hosts_->first[e]);
  const auto last = static_cast<std::size_t>(hosts_->first[e + 1]);
  auto count = static_cast<Units>(last - first);
  for (std::size_t edge = first; edge < last; ++edge, --count) {
    auto& load = load_[static_cast<std::size_t>(hosts_->place[edge])];
    flow_[edge] = std::min<Units>(capacity_ - load, amount / count);
    load += flow_[edge];
    amount -= flow_[edge];
  }
  for (std::size_t edge = first; amount > 0 && edge < last; ++edge) {
    auto& load = load_[static_cast<std::size_t>(hosts_->place[edge])];
    const Units more = std::min<Units>(capacity_ - load, amount);
    flow_[edge] += more;
    load += more;
    amount -= more;
  }
  excess_[e] = amount;
  all_excess_ += amount;
}

template <class Units>
void Flow<Units>::transpose() {
  first_at_.assign(load_.size() + 2, 0);
  expert_of_.resize(hosts_->place.size());
  for (const auto e : question_->movable) {
    for (const auto place : hosts_->of(e)) ++first_at_[static_cast<std::size_t>(place) + 2];
  }
  for (std::size_t p = 2; p < first_at_.size(); ++p) first_at_[p] += first_at_[p - 1];
  edge_at_.resize(static_cast<std::size_t>(first_at_.back()));
  for (const auto e : question_->movable) {
    const auto expert = static_cast<std::size_t>(e);
    for (auto edge = hosts_->first[expert]; edge < hosts_->first[expert + 1]; ++edge) {
      const auto place = static_cast<std::size_t>(hosts_->place[static_cast<std::size_t>(edge)]);
      edge_at_[static_cast<std::size_t>(first_at_[place + 1]++)] = edge;
      expert_of_[static_cast<std::size_t>(edge)] = e;
    }
  }
  first_at_.pop_back();
  place_next_.resize(load_.size());
  expert_next_.resize(excess_.size());
}

template <class Units>
bool Flow<Units>::find_levels() {
  if (all_excess_ == 0) return false;
  expert_level_.assign(excess_.size(), kUnseen);
  place_level_.assign(load_.size(), kUnseen);
  queue_.clear();
  seen_places_.clear();
  for (const auto e : question_->movable) {
    if (excess_[static_cast<std::size_t>(e)] == 0) continue;
    expert_level_[static_cast<std::size_t>(e)] = 0;
    queue_.push_back(e);
  }
  bool found = false;
  for (std::int32_t level = 0; !queue_.empty() && !found; level += 2) {
    const std::size_t first_seen = seen_places_.size();
    for (const auto e : queue_) {
      expert_next_[static_cast<std::size_t>(e)] = hosts_->first[static_cast<std::size_t>(e)];
      for (const auto place : hosts_->of(e)) {
        const auto p = static_cast<std::size_t>(place);
        if (place_level_[p] != kUnseen) continue;
        place_level_[p] = level + 1;
        place_next_[p] = first_at_[p];
        seen_places_.push_back(place);
        found = found || load_[p] < capacity_;
      }
    }
    if (found) return true;
    next_queue_.clear();
    for (std::size_t i = first_seen; i < seen_places_.size(); ++i) {
      const auto p = static_cast<std::size_t>(seen_places_[i]);
      for (auto at = first_at_[p]; at < first_at_[p + 1]; ++at) {
        const auto edge = static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(at)]);
        const auto e = static_cast<std::size_t>(expert_of_[edge]);
        if (flow_[edge] == 0 || expert_level_[e] != kUnseen) continue;
        expert_level_[e] = level + 2;
        next_queue_.push_back(expert_of_[edge]);
      }
    }
    queue_.swap(next_queue_);
  }
  return false;
}

template <class Units>
void Flow<Units>::augment() {
  for (const auto e : question_->movable) {
    auto& excess = excess_[static_cast<std::size_t>(e)];
    if (excess == 0) continue;
    const Units moved = push(e, excess);
    excess -= moved;
    all_excess_ -= moved;
  }
}

template <class Units>
Units Flow<Units>::push(std::int32_t expert, Units amount) {
  const auto e = static_cast<std::size_t>(expert);
  Units moved = 0;
  for (auto& next = expert_next_[e]; next < hosts_->first[e + 1]; ++next) {
    const auto edge = static_cast<std::size_t>(next);
    const auto p = static_cast<std::size_t>(hosts_->place[edge]);
    if (place_level_[p] != expert_level_[e] + 1) continue;
    const Units here = std::min<Units>(capacity_ - load_[p], amount - moved);
    load_[p] += here;
    const Units through = here + reroute(hosts_->place[edge], amount - moved - here);
    flow_[edge] += through;
    moved += through;
    if (moved == amount) break;  // the arc may have more
  }
  return moved;
}

template <class Units>
Units Flow<Units>::reroute(std::int32_t place, Units amount) {
  const auto p = static_cast<std::size_t>(place);
  Units moved = 0;
  if (amount == 0) return moved;
  for (auto& next = place_next_[p]; next < first_at_[p + 1]; ++next) {
    const auto edge = static_cast<std::size_t>(edge_at_[static_cast<std::size_t>(next)]);
    const auto e = static_cast<std::size_t>(expert_of_[edge]);
    if (flow_[edge] == 0 || expert_level_[e] != place_level_[p] + 1) continue;
    const Units through = push(expert_of_[edge], std::min<Units>(flow_[edge], amount - moved));
    flow_[edge] -= through;
    moved += through;
    if (moved == amount) break;
  }
  return moved;
}

/// The places that were seen are full, every expert that has units there was seen, and so were its
/// other places: these places hold all units of the experts hosted inside them but the excess.
template <class Units>
void Flow<Units>::raise(Units scale) {
  const auto places = static_cast<std::int64_t>(seen_places_.size());
  const Units units = capacity_ * places + all_excess_;
  question_->raise({static_cast<std::int64_t>(units / scale), places}, seen_places_);
  capacity_ = (units + places - 1) / places;
}

}  // namespace

HostLists hosts_of(const LayerPlan& plan, int experts, int places) {
  BETHANY_CHECK(places > 0 && plan.expert_of_slot.size() % static_cast<std::size_t>(places) == 0,
                "{} slots on {} places", plan.expert_of_slot.size(), places);
  const std::size_t slots = plan.expert_of_slot.size() / static_cast<std::size_t>(places);
  HostLists hosts{.places = places, .first = {}, .place = {}};
  hosts.first.assign(static_cast<std::size_t>(experts) + 1, 0);
  std::vector<std::int32_t> latest(static_cast<std::size_t>(experts), -1);
  const auto each = [&](auto&& visit) {
    std::fill(latest.begin(), latest.end(), -1);
    const std::int32_t* slot = plan.expert_of_slot.data();
    for (std::int32_t place = 0; place < places; ++place) {
      for (std::size_t i = 0; i < slots; ++i, ++slot) {
        if (*slot == kVacant || latest[static_cast<std::size_t>(*slot)] == place) continue;
        latest[static_cast<std::size_t>(*slot)] = place;
        visit(static_cast<std::size_t>(*slot), place);
      }
    }
  };
  each([&](std::size_t e, std::int32_t) { ++hosts.first[e + 1]; });
  for (std::size_t e = 1; e < hosts.first.size(); ++e) hosts.first[e] += hosts.first[e - 1];
  hosts.place.resize(static_cast<std::size_t>(hosts.first.back()));
  auto next = hosts.first;
  each([&](std::size_t e, std::int32_t place) {
    hosts.place[static_cast<std::size_t>(next[e]++)] = place;
  });
  return hosts;
}

HostLists hosts_by_rank(const PlacementPlan& plan, int layer) {
  return hosts_of(plan.layers[static_cast<std::size_t>(layer)], plan.experts, plan.ranks());
}

HostLists hosts_by_node(const PlacementPlan& plan, int layer) {
  return hosts_of(plan.layers[static_cast<std::size_t>(layer)], plan.experts, plan.nodes);
}

class MakespanSolver::Flows {
 public:
  Question question;

  void run(const Bound* limit) {
    // Two fractions with denominators up to P, the number of places, differ by 1 / P² at least; so
    // when the units are finer than that, a flow at the bound rounded up to units proves it.
    const auto places = static_cast<std::int64_t>(question.fixed.size());
    std::int64_t scale = 1;
    while (scale < places * places) scale *= 2;
    if (question.tokens < kMostTokens / scale) {
      small_.run(question, scale, limit);
    } else {
      large_.run(question, scale, limit);
    }
  }

  std::int64_t run_whole() {
    small_.run(question, 1, nullptr);
    return small_.capacity();
  }

 private:
  Flow<std::int64_t> small_;
  Flow<Int128> large_;
};

MakespanSolver::MakespanSolver() : flows_(std::make_unique<Flows>()) {}
MakespanSolver::MakespanSolver(MakespanSolver&&) noexcept = default;
MakespanSolver& MakespanSolver::operator=(MakespanSolver&&) noexcept = default;
MakespanSolver::~MakespanSolver() = default;

Makespan MakespanSolver::solve(const HostLists& hosts, std::span<const std::int64_t> loads) {
  flows_->question.ask(hosts, loads);
  flows_->run(nullptr);
  return flows_->question.answer();
}

std::optional<Makespan> MakespanSolver::solve_below(const HostLists& hosts,
                                                    std::span<const std::int64_t> loads,
                                                    const Makespan& limit) {
  auto& question = flows_->question;
  question.ask(hosts, loads);
  const Bound bound{limit.load, limit.places};
  if (!(question.bound < bound) || !(question.bound_of(limit.experts) < bound)) {
    return std::nullopt;
  }
  flows_->run(&bound);
  if (!(question.bound < bound)) return std::nullopt;
  return question.answer();
}

std::int64_t MakespanSolver::solve_whole(const HostLists& hosts,
                                         std::span<const std::int64_t> loads) {
  flows_->question.ask(hosts, loads);
  return flows_->run_whole();
}

Makespan min_makespan(const HostLists& hosts, std::span<const std::int64_t> loads) {
  return MakespanSolver().solve(hosts, loads);
}

}  // namespace bethany
