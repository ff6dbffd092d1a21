#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bethany {

/// How fast a policy is in one setting: seconds for each committed sample, everything included.
struct Score {
  std::string policy;
  double predicted = 0;
  double measured = 0;
  double half_network = 0;  // predicted with every bandwidth between ranks halved; 0: not known
  double double_network = 0;
};

/// The policies that ran under the same routing, nodes, failures and seed.
struct Setting {
  std::string name;
  std::vector<Score> scores;
};

/// Whether the simulator puts policies in the order in which they were measured.
struct Ranking {
  std::optional<double> tau;  // Kendall's, mean over the settings that have one
  int pairs = 0;              // of policies in one setting
  int pairs_apart = 0;        // whose measured scores differ by more than twice the noise floor
  int pairs_right = 0;        // of those: predicted in that order
  std::vector<std::string> wrong;  // those predicted otherwise, in words
  /// Measured score of the policy that is predicted to be best / best measured - 1, over settings.
  std::optional<double> regret_mean;
  std::optional<double> regret_worst;
  std::string regret_setting;  // where it is worst
};

/// Kendall's tau-b: -1 … 1, ties accounted for. Empty when all values of one side are equal, or
/// there are fewer than two. Requires: equal lengths.
std::optional<double> kendall_tau(std::span<const double> a, std::span<const double> b);

/// `noise`: the share by which two measurements of the same thing differ.
Ranking rank_policies(std::span<const Setting> settings, double noise);

/// Whether predictions still rank alike when the network is another.
struct Sensitivity {
  int pairs = 0;
  int flipped_half = 0;    // pairs in another strict order at half the bandwidth
  int flipped_double = 0;  // and at twice
  int settings = 0;
  int best_changed = 0;  // settings in which either changes the best policy
};
/// Settings with a score that lacks either prediction are left out.
Sensitivity network_sensitivity(std::span<const Setting> settings);

}  // namespace bethany
