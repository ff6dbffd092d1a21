#include "sim/policy/parts.h"

namespace bethany {

// Function-local: they exist before the first static initialiser adds to them.
Registry<CheckpointRule>& checkpoint_rules() {
  static Registry<CheckpointRule> registry;
  return registry;
}

Registry<OnLoss>& on_loss_parts() {
  static Registry<OnLoss> registry;
  return registry;
}

Registry<RebalanceRule>& rebalance_rules() {
  static Registry<RebalanceRule> registry;
  return registry;
}

Registry<MembershipRule>& membership_rules() {
  static Registry<MembershipRule> registry;
  return registry;
}

Registry<NoticeRule>& notice_rules() {
  static Registry<NoticeRule> registry;
  return registry;
}

Registry<StragglerRule>& straggler_rules() {
  static Registry<StragglerRule> registry;
  return registry;
}

}  // namespace bethany
