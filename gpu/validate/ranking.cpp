#include "gpu/validate/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gpu/validate/errors.h"
#include "sim/base/check.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

int sign(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

std::vector<double> column(const Setting& setting, double Score::*field) {
  std::vector<double> values;
  for (const auto& score : setting.scores) values.push_back(score.*field);
  return values;
}

/// Calls `visit` with each pair of scores of a setting.
template <class Visit>
void for_pairs(const Setting& setting, const Visit& visit) {
  for (std::size_t i = 0; i < setting.scores.size(); ++i) {
    for (std::size_t j = i + 1; j < setting.scores.size(); ++j) {
      visit(setting.scores[i], setting.scores[j]);
    }
  }
}

/// The score with the least value; ties: the first.
const Score& best(const Setting& setting, double Score::*field) {
  return *std::min_element(setting.scores.begin(), setting.scores.end(),
                           [&](const Score& a, const Score& b) { return a.*field < b.*field; });
}

void judge_pair(const Setting& setting, const Score& a, const Score& b, double noise,
                Ranking& ranking) {
  ++ranking.pairs;
  if (!(relative_difference(a.measured, b.measured) > 2 * noise)) return;
  ++ranking.pairs_apart;
  if (sign(a.predicted - b.predicted) == sign(a.measured - b.measured)) {
    ++ranking.pairs_right;
    return;
  }
  const bool first = a.measured < b.measured;
  const Score& faster = first ? a : b;
  const Score& slower = first ? b : a;
  ranking.wrong.push_back(
      fmt::format("{}: {} is {:.1f} % faster than {}, predicted {:.1f} % slower", setting.name,
                  faster.policy, 100 * (slower.measured / faster.measured - 1), slower.policy,
                  100 * (faster.predicted / slower.predicted - 1)));
}

}  // namespace

std::optional<double> kendall_tau(std::span<const double> a, std::span<const double> b) {
  BETHANY_CHECK(a.size() == b.size(), "{} and {} values", a.size(), b.size());
  double sum = 0;
  double untied_a = 0;
  double untied_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = i + 1; j < a.size(); ++j) {
      const int in_a = sign(a[i] - a[j]);
      const int in_b = sign(b[i] - b[j]);
      sum += in_a * in_b;
      untied_a += in_a * in_a;
      untied_b += in_b * in_b;
    }
  }
  if (untied_a == 0 || untied_b == 0) return {};
  return sum / std::sqrt(untied_a * untied_b);
}

Ranking rank_policies(std::span<const Setting> settings, double noise) {
  Ranking ranking;
  std::vector<double> taus;
  std::vector<double> regrets;
  for (const auto& setting : settings) {
    if (setting.scores.size() < 2) continue;
    if (const auto tau =
            kendall_tau(column(setting, &Score::predicted), column(setting, &Score::measured))) {
      taus.push_back(*tau);
    }
    for_pairs(setting,
              [&](const Score& a, const Score& b) { judge_pair(setting, a, b, noise, ranking); });
    const double regret =
        best(setting, &Score::predicted).measured / best(setting, &Score::measured).measured - 1;
    if (!ranking.regret_worst || regret > *ranking.regret_worst) {
      ranking.regret_worst = regret;
      ranking.regret_setting = setting.name;
    }
    regrets.push_back(regret);
  }
  if (!taus.empty()) ranking.tau = mean(taus);
  if (!regrets.empty()) ranking.regret_mean = mean(regrets);
  return ranking;
}

Sensitivity network_sensitivity(std::span<const Setting> settings) {
  Sensitivity result;
  for (const auto& setting : settings) {
    const bool known = std::all_of(
        setting.scores.begin(), setting.scores.end(),
        [](const Score& score) { return score.half_network > 0 && score.double_network > 0; });
    if (!known || setting.scores.size() < 2) continue;
    ++result.settings;
    const auto& now = best(setting, &Score::predicted).policy;
    if (best(setting, &Score::half_network).policy != now ||
        best(setting, &Score::double_network).policy != now) {
      ++result.best_changed;
    }
    for_pairs(setting, [&](const Score& a, const Score& b) {
      const auto flipped = [&](double Score::*field) {
        return sign(a.*field - b.*field) * sign(a.predicted - b.predicted) < 0 ? 1 : 0;
      };
      ++result.pairs;
      result.flipped_half += flipped(&Score::half_network);
      result.flipped_double += flipped(&Score::double_network);
    });
  }
  return result;
}

}  // namespace bethany
