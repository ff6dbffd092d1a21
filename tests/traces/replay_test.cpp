#include <rapidcheck.h>

#include <set>

#include "sim/base/error.h"
#include "sim/model/trace_file.h"
#include "tests/support/catch.h"
#include "tests/traces/random_trace.h"
#include "traces/replay_options.h"

using namespace bethany;
using test::seconds;
using test::World;
using test::world_at;

namespace {

/// One row a line: "60 join a b" (seconds).
Trace trace_of(const std::vector<std::string>& rows, int end) {
  TraceBuilder builder("t");
  for (const auto& row : rows) {
    std::vector<std::string> words(1);
    for (const char c : row) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    const auto kind = words[1] == "join"     ? TraceEventKind::join
                      : words[1] == "lost"   ? TraceEventKind::lost
                      : words[1] == "slow"   ? TraceEventKind::slow
                      : words[1] == "normal" ? TraceEventKind::normal
                                             : TraceEventKind::notice;
    std::vector<NodeId> nodes;
    for (std::size_t i = 2; i < words.size(); ++i) nodes.push_back(builder.node(words[i]));
    builder.add(seconds(std::stoi(words[0])), kind, nodes, 0, "", kNever,
                kind == TraceEventKind::slow ? 0.5 : 1);
  }
  return builder.finish(seconds(0), seconds(end));
}

std::string in_words(const Trace& trace) {
  std::string text;
  for (const auto& event : trace.events) {
    if (!text.empty()) text += "; ";
    text += fmt::format("{} {}", to_seconds(event.time), name_of(event.kind));
    for (const NodeId node : trace.nodes_of(event)) text += " " + trace.node_names[node.index()];
  }
  return text;
}

ReplayOptions capped(CapRule rule, int nodes, CapOrder order = CapOrder::name) {
  ReplayOptions options;
  options.rule = rule;
  options.cap_nodes = nodes;
  options.order = order;
  return options;
}

Trace replayed(const Trace& trace, const ReplayOptions& options) {
  return apply(trace, options, RngStreams(options.cap_seed, 0));
}

std::string replay_in_words(const std::vector<std::string>& rows, const ReplayOptions& options) {
  return in_words(replayed(trace_of(rows, 1000), options));
}

std::set<SimTime> instants(const Trace& trace) {
  std::set<SimTime> times;
  for (const auto& event : trace.events) times.insert(event.time);
  return times;
}

/// Who joins, or is lost, at an instant, net, judging by the worlds around it and the rows.
std::set<std::string> net(const Trace& trace, SimTime time, TraceEventKind kind) {
  const World before = world_at(trace, time - Duration(1));
  const World after = world_at(trace, time);
  std::set<std::string> result;
  for (const auto& event : trace.events) {
    if (event.time != time || event.kind != kind) continue;
    for (const NodeId node : trace.nodes_of(event)) {
      const auto& name = trace.node_names[node.index()];
      const bool there = (kind == TraceEventKind::join ? after : before).count(name) != 0;
      if (there) result.insert(name);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("members: a lost member is replaced by the next join, never by a surplus node") {
  CHECK(replay_in_words({"0 join a b c d", "10 lost a", "20 lost c", "30 join e", "40 lost b e",
                         "50 join c", "60 join f"},
                        capped(CapRule::members, 2)) ==
        "0 join a b; 10 lost a; 30 join e; 40 lost b e; 50 join c; 60 join f");
}

TEST_CASE("members: within an instant losses free places, then joins fill them in trace order") {
  const auto rule = capped(CapRule::members, 2);
  CHECK(replay_in_words({"0 join a b", "10 join c d", "10 lost b"}, rule) ==
        "0 join a b; 10 lost b; 10 join c");
  // A node that joins and is lost at the instant takes no place.
  CHECK(replay_in_words({"0 join a b", "10 join c", "10 lost b", "10 lost c", "10 join d"}, rule) ==
        "0 join a b; 10 lost b; 10 join d");
  // A member that is lost and joins again is both.
  CHECK(replay_in_words({"0 join a b", "10 lost b", "10 join b c"}, rule) ==
        "0 join a b; 10 lost b; 10 join b");
  CHECK(replay_in_words({"0 join a b", "10 join c", "10 lost b", "10 join b"}, rule) ==
        "0 join a b; 10 lost b; 10 join c");
  // Free places at the start are filled by joins as well.
  CHECK(replay_in_words({"0 join a", "10 join b c", "20 lost c", "30 join d"}, rule) ==
        "0 join a; 10 join b");
}

TEST_CASE("hot-surplus: surplus nodes step in at once, the preferred first") {
  const auto rule = capped(CapRule::hot_surplus, 2);
  CHECK(replay_in_words({"0 join d c b a", "10 lost a", "20 lost d", "30 lost b c", "40 join e f g",
                         "50 lost f"},
                        rule) ==
        "0 join b a; 10 lost a; 10 join c; 30 lost b c; 40 join e f; 50 lost f; 50 join g");
  // The surplus goes before the joins of the instant.
  CHECK(replay_in_words({"0 join a b z", "10 lost a", "10 join c"}, rule) ==
        "0 join a b; 10 lost a; 10 join z");
}

TEST_CASE("level: only a change of min(N, alive) is seen") {
  const auto rule = capped(CapRule::level, 2);
  // d stands in unseen for a; b and c leave when the level drops.
  CHECK(replay_in_words(
            {"0 join a b c d", "10 lost a", "20 lost c", "30 lost b", "40 join c", "50 lost c d"},
            rule) == "0 join a b; 30 lost b; 40 join c; 50 lost c a");
  // Whose machine is lost now leaves before whose machine was lost long ago.
  CHECK(replay_in_words({"0 join a b c", "10 lost a", "20 lost b", "30 lost c"}, rule) ==
        "0 join a b; 20 lost b; 30 lost a");
  // A machine that comes back takes its name's place without a change.
  CHECK(replay_in_words({"0 join a b c", "10 lost a", "20 join a", "30 lost c", "40 lost b"},
                        rule) == "0 join a b; 40 lost b");
}

TEST_CASE("scale: floor(alive * N / peak) places, peak of the whole trace") {
  const auto rule = capped(CapRule::scale, 3);
  // Peak 6: two machines a place.
  CHECK(replay_in_words({"0 join a b c d", "10 join e f", "20 lost e", "30 lost a", "40 lost f b c",
                         "50 lost d"},
                        rule) == "0 join a b; 10 join e; 20 lost e; 40 lost b a");
  // A drop that the trace's losses do not cover takes the least preferred.
  CHECK(replay_in_words({"0 join a b c d", "10 lost c"}, capped(CapRule::scale, 3)) ==
        "0 join a b c; 10 lost c");
  CHECK(replay_in_words({"0 join a b c d", "10 lost d"}, capped(CapRule::scale, 3)) ==
        "0 join a b c; 10 lost c");
}

TEST_CASE("order: by name or drawn, a seed each") {
  const std::vector<std::string> rows = {"0 join n10 n2 n1 n3 n4 n5 n6 n7 n8 n9"};
  CHECK(replay_in_words(rows, capped(CapRule::members, 3)) == "0 join n10 n2 n1");
  std::set<std::string> drawn;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto options = capped(CapRule::members, 3, CapOrder::random);
    options.cap_seed = seed;
    drawn.insert(replay_in_words(rows, options));
    CHECK(replay_in_words(rows, options) == replay_in_words(rows, options));
  }
  CHECK(drawn.size() > 10);
}

TEST_CASE("from: who is there at that instant joins at 0, and time counts from there") {
  ReplayOptions options;
  options.from = std::chrono::seconds(20);
  const auto trace = trace_of({"0 join a b c", "10 lost a", "20 lost b", "20 join d", "25 slow c",
                               "30 lost c", "40 join a"},
                              50);
  const auto window = replayed(trace, options);
  CHECK(in_words(window) == "0 join c d; 5 slow c; 10 lost c; 20 join a");
  CHECK(window.end == seconds(30));
  options.from = std::chrono::seconds(26);
  CHECK(in_words(replayed(trace, options)) == "0 join c d; 0 slow c; 4 lost c; 14 join a");
  options.from = std::chrono::seconds(50);
  CHECK(in_words(replayed(trace, options)) == "0 join d a");
  options.from = std::chrono::seconds(51);
  CHECK_THROWS_AS(replayed(trace, options), InputError);
}

TEST_CASE("coalesce: a burst of losses happens at its first") {
  ReplayOptions options;
  options.coalesce = std::chrono::seconds(10);
  const auto words = [&](const std::vector<std::string>& rows) {
    return replay_in_words(rows, options);
  };
  CHECK(words({"0 join a b c d", "5 lost a", "14 lost b", "15 lost c", "24 lost d"}) ==
        "0 join a b c d; 5 lost a b; 15 lost c d");
  // Came and went inside a burst: never there. Joins keep their time.
  CHECK(words({"0 join a b", "5 lost a", "7 join c", "9 lost c", "11 join a"}) ==
        "0 join a b; 5 lost a; 11 join a");
  // What is said of a node between its moved loss and its loss is not said.
  CHECK(words({"0 join a b", "5 lost a", "6 slow b", "7 lost b", "8 join b", "9 slow b"}) ==
        "0 join a b; 5 lost a b; 8 join b; 9 slow b");
}

TEST_CASE("keep: every other machine, as if the others had never been there") {
  const auto trace = trace_of({"0 join a b c", "10 lost a b", "20 join d e", "30 lost c d"}, 40);
  ReplayOptions options;
  options.keep_every = 2;
  CHECK(in_words(apply(trace, options, RngStreams(1, 0))).find("10 lost a; 20 join e; 30 lost c") !=
        std::string::npos);
  options.keep_first = 2;
  CHECK(in_words(apply(trace, options, RngStreams(1, 0))) ==
        "0 join b; 10 lost b; 20 join d; 30 lost d");
}

TEST_CASE("join_order: joins of one instant in a drawn order, nothing else moves") {
  const auto trace =
      trace_of({"0 join a b c d e f g h", "10 lost a", "10 join a", "20 join i j"}, 30);
  ReplayOptions options;
  options.shuffle_joins = true;
  const auto drawn = apply(trace, options, RngStreams(1, 0));
  CHECK(drawn.events.size() == apply(trace, {}, RngStreams(1, 0)).events.size());
  CHECK(in_words(drawn) != in_words(apply(trace, {}, RngStreams(1, 0))));
  CHECK(in_words(drawn) == in_words(apply(trace, options, RngStreams(1, 0))));
  CHECK(in_words(drawn) != in_words(apply(trace, options, RngStreams(2, 0))));
  CHECK(in_words(drawn).find("10 lost a; 10 join a") != std::string::npos);
  auto names = drawn.node_names;
  std::sort(names.begin(), names.begin() + 8);
  CHECK(names[0] == "a");
  CHECK(names[7] == "h");
}

TEST_CASE("without a cap nothing but the netting changes a trace") {
  const auto rows = std::vector<std::string>{"0 join a b", "10 join c",   "10 lost c",  "10 slow a",
                                             "20 slow a",  "30 normal a", "40 notice b"};
  CHECK(replay_in_words(rows, {}) == "0 join a b; 10 slow a; 30 normal a; 40 notice b");
}

TEST_CASE("a node that steps in slow or announced as lost is shown so") {
  const auto rule = capped(CapRule::hot_surplus, 1);
  CHECK(replay_in_words({"0 join a b", "10 slow b", "20 notice b", "30 lost a", "40 normal b"},
                        rule) ==
        "0 join a; 30 lost a; 30 join b; 30 slow b; 30 notice b; 40 normal b");
}

TEST_CASE("property: each rule keeps its count at every instant") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    std::size_t peak = 1;
    for (const SimTime time : instants(trace)) peak = std::max(peak, world_at(trace, time).size());
    auto rng = RngStreams(seed, 2).stream("test/options");
    ReplayOptions options;
    options.cap_nodes = static_cast<int>(1 + rng.below(6));
    options.order = rng.below(2) == 0 ? CapOrder::name : CapOrder::random;
    options.cap_seed = seed;
    const auto places = static_cast<std::size_t>(options.cap_nodes);
    for (const auto rule :
         {CapRule::members, CapRule::hot_surplus, CapRule::level, CapRule::scale}) {
      options.rule = rule;
      const Trace result = replayed(trace, options);
      RC_ASSERT(result.end - result.start == trace.end - trace.start);
      const Duration shift = trace.start.time_since_epoch();
      std::size_t count = 0;
      for (const SimTime time : instants(trace)) {
        const World alive = world_at(trace, time);
        const World members = world_at(result, time - shift);
        RC_ASSERT(members.size() <= std::min(places, alive.size()));
        if (rule == CapRule::scale) {
          RC_ASSERT(members.size() == std::min(alive.size(), alive.size() * places / peak));
        } else if (rule != CapRule::members) {
          RC_ASSERT(members.size() == std::min(places, alive.size()));
        } else {
          const auto lost = net(result, time - shift, TraceEventKind::lost);
          const auto joins = net(trace, time, TraceEventKind::join);
          count = std::min(places, count - lost.size() + joins.size());
          RC_ASSERT(members.size() == count);
          for (const auto& name : net(result, time - shift, TraceEventKind::join)) {
            RC_ASSERT(joins.count(name) == 1U);
          }
        }
        if (rule != CapRule::members && rule != CapRule::hot_surplus) continue;
        for (const auto& [name, factor] : members) {
          RC_ASSERT(alive.count(name) == 1U);
          RC_ASSERT(alive.at(name) == factor);
        }
      }
    }
  }));
}

TEST_CASE("property: the count rules show a loss or a join at an instant, never both") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    for (const auto rule : {CapRule::level, CapRule::scale}) {
      auto options = capped(rule, static_cast<int>(1 + seed % 5), CapOrder::random);
      options.cap_seed = seed;
      const Trace result = replayed(trace, options);
      for (const SimTime time : instants(result)) {
        RC_ASSERT(net(result, time, TraceEventKind::lost).empty() ||
                  net(result, time, TraceEventKind::join).empty());
      }
    }
  }));
}

TEST_CASE("property: a window shows what the whole trace shows there") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    const auto length = (trace.end - trace.start).count() / 1'000'000'000;
    ReplayOptions options;
    options.from = std::chrono::seconds(seed % (static_cast<std::uint64_t>(length) + 1));
    const Trace window = replayed(trace, options);
    const SimTime start = trace.start + options.from;
    for (SimTime time = start; time <= trace.end; time += std::chrono::seconds(1)) {
      RC_ASSERT(world_at(window, at(time - start)) == world_at(trace, time));
    }
    RC_ASSERT(at(trace.end - start) == window.end);
  }));
}

TEST_CASE("property: replaying a replayed trace changes nothing") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    for (const auto rule : {CapRule::members, CapRule::hot_surplus, CapRule::level}) {
      const auto options = capped(rule, static_cast<int>(1 + seed % 5));
      const Trace once = replayed(trace, options);
      RC_ASSERT(write_trace(replayed(once, options)) == write_trace(once));
    }
  }));
}

TEST_CASE("property: coalesced losses are apart, and nobody lives longer for it") {
  CHECK(rc::check([](std::uint64_t seed) {
    const Trace trace = test::random_trace(seed);
    ReplayOptions options;
    options.coalesce = std::chrono::seconds(1 + seed % 6);
    const Trace result = replayed(trace, options);
    const Duration shift = trace.start.time_since_epoch();
    SimTime last = kNever;
    for (const SimTime time : instants(result)) {
      if (net(result, time, TraceEventKind::lost).empty()) continue;
      RC_ASSERT(last == kNever || time - last >= options.coalesce);
      last = time;
    }
    for (const SimTime time : instants(trace)) {
      for (const auto& member : world_at(result, time - shift)) {
        RC_ASSERT(world_at(trace, time).count(member.first) == 1U);
      }
    }
  }));
}
