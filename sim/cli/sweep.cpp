#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include "analysis/number_text.h"
#include "sim/base/error.h"
#include "sim/cli/command.h"
#include "sim/cli/run_output.h"
#include "sim/cli/sweep_output.h"
#include "sim/study/sweep/run_sweep.h"
#include "sim/study/sweep/shard.h"

namespace bethany {
namespace {

struct SweepCommand {
  ScenarioOptions scenario;
  SweepAxes axes;
  std::string policies;
  std::string directory;
  std::string shard;
  std::int64_t shards = 0;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool dry_run = false;
  ProgressOptions progress;
  OutputOptions output;
};

/// The signal that asks the sweep to end, or 0. A second one ends the program at once.
std::atomic<int> asked_to_stop{0};
static_assert(std::atomic<int>::is_always_lock_free);

void catch_signals() {
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    action.sa_handler = [](int number) { asked_to_stop = number; };
    action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
}

/// Counts the runs on stderr, ten times a second at most: as a line that is written over, only on a
/// terminal and after a second, or with `--progress jsonl` as lines, the last when all is over.
class Counter {
 public:
  explicit Counter(const ProgressOptions& options)
      : lines_(options.mode == "jsonl"),
        bar_(options.mode == "auto" && !options.quiet && isatty(STDERR_FILENO) != 0),
        next_(began_ + (lines_ ? 0 : 1)) {}
  void show(std::int64_t done, std::int64_t of) {
    done_ = done;
    of_ = of;
    const double now = clock_seconds();
    if (now < next_ || !(lines_ || bar_)) return;
    next_ = now + 0.1;
    if (lines_) return print_line();
    shown_ = true;
    fmt::print(stderr, "\r{} of {} runs", grouped(done), grouped(of));
    std::fflush(stderr);
  }
  void end(const SweepProgress& progress) {
    done_ = progress.done;
    of_ = progress.runs;
    if (lines_) print_line();
  }
  ~Counter() {
    if (shown_) fmt::print(stderr, "\r{:60}\r", "");
  }

 private:
  void print_line() const {
    fmt::print(stderr, "{{\"done\":{},\"of\":{},\"elapsed_s\":{:.3f}}}\n", done_, of_,
               clock_seconds() - began_);
  }

  bool lines_;
  bool bar_;
  double began_ = clock_seconds();
  double next_;
  std::int64_t done_ = 0;
  std::int64_t of_ = 0;
  bool shown_ = false;
};

JsonNode assignment_of(const SweepRun& run) {
  JsonNode answer;
  for (const auto& [key, value] : run.assigned) answer.member(key) = typed_value(value);
  answer.member("policy") = JsonNode::of(run.policy);
  answer.member("replication") = JsonNode::of(run.replication);
  return answer;
}

/// What would be run, and how long a few of the runs take here.
void dry_run(const Sweep& sweep, const SweepCommand& options, const Shard& shard) {
  const auto& space = sweep.space();
  const std::int64_t runs = shard.size(space.runs());
  const std::int64_t timed = std::min<std::int64_t>(runs, 16);
  const auto index = [&](std::int64_t k) { return shard.index + k * shard.count; };
  double begin = 0;
  for (std::int64_t t = -1; t < timed; ++t) {  // once before: it reads the inputs
    if (t == 0) begin = clock_seconds();
    sweep.line(index(std::max<std::int64_t>(t, 0) * (runs / timed)));
  }
  const double each = (clock_seconds() - begin) / static_cast<double>(timed);
  const double all = each * static_cast<double>(runs) / options.threads;
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/sweep-plan/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  answer.member("runs") = JsonNode::of(runs);
  answer.member("first") = assignment_of(space.run(index(0)));
  answer.member("last") = assignment_of(space.run(index(runs - 1)));
  answer.member("timed_runs") = JsonNode::of(timed);
  answer.member("seconds_per_run") = JsonNode::of(each);
  answer.member("threads") = JsonNode::of(std::int64_t{options.threads});
  answer.member("estimated_s") = JsonNode::of(all);
  if (options.output.format == "json") return print_json(answer);
  print_text(
      fmt::format("{} runs\nfirst: {}\nlast:  {}\nabout {} s on {} threads ({} ms a run, "
                  "mean of {})\n",
                  grouped(runs), to_line(*answer.find("first")), to_line(*answer.find("last")),
                  rounded(all), options.threads, rounded(1000 * each), timed));
}

/// The shard asked for; one that finds itself writes to a directory of its own.
Shard shard_asked(SweepCommand& options) {
  if (options.shard.empty()) return {};
  if (options.shard != "auto") return parse_shard(options.shard);
  const auto shard = shard_of_environment(
      [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      },
      options.shards);
  options.directory = shard_directory(options.directory, shard);
  return shard;
}

int sweep_command(SweepCommand options) {
  if (options.progress.quiet) be_quiet();
  if (!options.policies.empty()) {
    options.axes.policies = axis_values("--policies", options.policies);
  }
  const Sweep sweep(read_scenario_tree(options.scenario.path, options.scenario.overrides),
                    options.axes);
  const auto shard = shard_asked(options);
  if (options.dry_run) {
    dry_run(sweep, options, shard);
    return 0;
  }
  catch_signals();
  SweepProgress progress;
  {
    Counter counter(options.progress);
    progress = run_sweep(
        sweep, {.directory = options.directory,
                .shard = shard,
                .threads = options.threads,
                .force = options.output.force,
                .stop = [] { return asked_to_stop != 0; },
                .progress = [&](std::int64_t done, std::int64_t of) { counter.show(done, of); }});
    counter.end(progress);
  }
  if (!progress.complete()) {
    say(fmt::format("interrupted: {} of {} runs are in {}; the same command goes on",
                    grouped(progress.done), grouped(progress.runs), options.directory));
    return 128 + asked_to_stop;
  }
  print_sweep(options.directory, options.output);
  return 0;
}

void add_axes(CLI::App& command, SweepCommand& options) {
  const auto repeated = [&](const char* name, std::vector<std::string>& texts, const char* help,
                            const char* form) {
    command.add_option(name, texts, help)->type_name(form)->allow_extra_args(false);
  };
  repeated("--grid", options.axes.grid, "vary a key; with several: every combination (repeat it)",
           "KEY=a,b,c|i..j|i..j..step");
  repeated("--zip", options.axes.zip, "vary keys together, value by value (repeat it)",
           "KEY=a,b,c");
  repeated("--random", options.axes.random, "draw a key anew for each sample (repeat it)",
           "KEY=low..high|log:low..high|a|b|c");
  command.add_option("--samples", options.axes.samples, "how many samples of the random keys")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  command.add_option("--policies", options.policies,
                     "comma-separated: policies of the scenario or presets, as "
                     "NAME[:KEY=VALUE]...; default: the scenario's");
  command
      .add_option("--replications", options.axes.replications,
                  "draws of every random stream, each a run")
      ->check(CLI::Range(1, 1'000'000'000));
}

}  // namespace

void add_sweep(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<SweepCommand>();
  auto* command = program.add_subcommand(
      "sweep", "run a scenario for many values of its keys; the same command goes on");
  add_scenario(*command, options->scenario);
  add_axes(*command, *options);
  auto* directory =
      command->add_option("-o,--output", options->directory, "where the runs are written");
  auto* dry = command->add_flag("--dry-run", options->dry_run,
                                "say how many runs it would be, and time a few");
  command
      ->add_option("--shard", options->shard,
                   "do only the runs whose number is i modulo n; auto: as the launcher's "
                   "environment says, into DIR/shard-i-of-n")
      ->type_name("i/n|auto");
  command->add_option("--shards", options->shards, "how many, where the launcher does not say")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("-j,--jobs", options->threads, "threads")->check(CLI::Range(1, 1024));
  add_format(*command, options->output);
  add_progress(*command, options->progress);
  command->add_flag("--force", options->output.force, "begin again, whatever is there");
  command->callback([options, directory, dry, &context] {
    if (directory->empty() && dry->empty()) throw CLI::RequiredError("-o DIR");
    context.run = [options] { return sweep_command(*options); };
  });
}

}  // namespace bethany
