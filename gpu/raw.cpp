#include "gpu/raw.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr std::string_view kColumns =
    "operation,shape,variant,skew,inputs,outputs,gated,experts,rows,size,pass,block,samples,"
    "repeats,min_s,p5_s,median_s,p95_s,max_s,mad_s,confidence,outliers,clock_mhz,enqueue_s,note,"
    "spread";
/// Before ranks were told apart.
constexpr auto kOlderColumns = kColumns.substr(0, kColumns.rfind(','));

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == ',') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

/// Reads the cells of one line in order; complains with the line.
class Row {
 public:
  Row(std::vector<std::string> cells, std::string place)
      : cells_(std::move(cells)), place_(std::move(place)) {}

  std::string text() { return cells_[next_++]; }
  template <class T>
  void number(T& value) {
    const std::string& cell = cells_[next_++];
    const auto result = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    bool fine = result.ec == std::errc() && result.ptr == cell.data() + cell.size();
    if constexpr (std::is_floating_point_v<T>) fine = fine && std::isfinite(value) && value >= 0;
    if (!fine) throw InputError(fmt::format("{}: '{}' is no number here", place_, cell));
  }

 private:
  std::vector<std::string> cells_;
  std::string place_;
  std::size_t next_ = 0;
};

Measured read_row(std::string_view line, std::size_t columns, const std::string& place) {
  auto cells = cells_of(line);
  if (cells.size() != columns) {
    throw InputError(fmt::format("{}: {} cells, expected {}", place, cells.size(), columns));
  }
  Row row(std::move(cells), place);
  Measured m;
  try {
    m.point.operation = parse_operation(row.text());
  } catch (const InputError& error) {
    throw InputError(place + ": " + error.what());
  }
  m.point.shape = row.text();
  m.point.variant = row.text();
  m.point.skew = row.text();
  row.number(m.point.inputs);
  row.number(m.point.outputs);
  int gated = 0;
  row.number(gated);
  m.point.gated = gated != 0;
  row.number(m.point.experts);
  row.number(m.point.rows);
  row.number(m.point.size);
  row.number(m.pass);
  row.number(m.block);
  row.number(m.samples);
  row.number(m.repeats);
  for (double* value : {&m.min, &m.p5, &m.median, &m.p95, &m.max, &m.mad, &m.confidence}) {
    row.number(*value);
  }
  row.number(m.outliers);
  row.number(m.clock);
  m.clock *= 1e6;
  row.number(m.enqueue);
  m.note = row.text();
  if (columns == cells_of(kColumns).size()) row.number(m.spread);
  if (m.median <= 0) throw InputError(place + ": a median that is not above 0");
  return m;
}

/// "SECONDS@MHZ SECONDS@MHZ …", one a block.
void read_sentinel(const std::string& text, const std::string& place, Measurements& all) {
  std::vector<std::string> cells(1);
  for (const char c : text) {
    if (c == ' ' || c == '@') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  if (cells.size() % 2 != 0) throw InputError(place + ": expected SECONDS@MHZ for every block");
  Row row(cells, place);
  for (std::size_t block = 0; block < cells.size() / 2; ++block) {
    double mhz = 0;
    row.number(all.sentinel.emplace_back());
    row.number(mhz);
    all.sentinel_clocks.push_back(mhz * 1e6);
  }
}

}  // namespace

std::string raw_text(const Measurements& all) {
  std::string text = "# bethany_raw: 1\n";
  const auto fact = [&text](const std::string& key, const std::string& value) {
    text += fmt::format("# {}: {}\n", key, value);
  };
  fact("backend", all.backend);
  for (const auto& [key, value] : all.machine.facts) fact(key, value);
  const Protocol& p = all.protocol;
  fact("seed", fmt::format("{}", all.seed));
  fact("protocol",
       fmt::format("warm_up {} warm_seconds {} samples {}..{}, least {} confidence {} seconds_max "
                   "{} passes {} "
                   "sentinel_every {} drift_limit {}",
                   p.warm_up, p.warm_seconds, p.samples_min, p.samples_max, p.samples_least,
                   p.confidence_target, p.seconds_max, p.passes, p.sentinel_every, p.drift_limit));
  fact("complete", all.complete ? "yes" : "no");
  fact("sentinel_drift",
       fmt::format("{:.4f} in cycles, {:.4f} in seconds", largest_deviation(sentinel_work(all)),
                   largest_deviation(all.sentinel)));
  std::string blocks;
  for (std::size_t i = 0; i < all.sentinel.size(); ++i) {
    blocks += fmt::format("{}{:.5g}@{:.0f}", i == 0 ? "" : " ", all.sentinel[i],
                          all.sentinel_clocks[i] / 1e6);
  }
  fact("sentinel_seconds_at_mhz", blocks);
  for (const auto& refused : all.refused) fact("refused", refused);
  text += kColumns;
  text += '\n';
  for (const auto& m : all.points) {
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{},", operation_name(m.point.operation),
                    m.point.shape, m.point.variant, m.point.skew, m.point.inputs, m.point.outputs,
                    m.point.gated ? 1 : 0, m.point.experts, m.point.rows, m.point.size);
    text += fmt::format(
        "{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.4g},{:.4g},{},{:.0f},{:.4g},{},{:.4g}\n",
        m.pass, m.block, m.samples, m.repeats, m.min, m.p5, m.median, m.p95, m.max, m.mad,
        m.confidence, m.outliers, m.clock / 1e6, m.enqueue, m.note, m.spread);
  }
  return text;
}

Measurements parse_raw(std::string_view text, const std::string& name) {
  Measurements all;
  int number = 0;
  bool version = false;
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto place = fmt::format("{}:{}", name, ++number);
    if (line.starts_with("# ")) {
      const auto colon = line.find(": ");
      if (colon == std::string_view::npos) throw InputError(place + ": expected '# key: value'");
      const std::string key(line.substr(2, colon - 2));
      const std::string value(line.substr(colon + 2));
      if (key == "bethany_raw") {
        if (value != "1") throw InputError(place + ": version " + value + " is unknown");
        version = true;
      } else if (key == "backend") {
        all.backend = value;
      } else if (key == "complete") {
        all.complete = value == "yes";
      } else if (key == "sentinel_seconds_at_mhz") {
        read_sentinel(value, place, all);
      } else {
        all.machine.facts.emplace_back(key, value);
      }
    } else if (columns == 0) {
      if (!version || (line != kColumns && line != kOlderColumns)) {
        throw InputError(place + ": not a raw file of calibrate");
      }
      columns = cells_of(line).size();
    } else {
      all.points.push_back(read_row(line, columns, place));
    }
  }
  if (columns == 0) throw InputError(name + ": not a raw file of calibrate");
  return all;
}

}  // namespace bethany
