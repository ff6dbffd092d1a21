#include "sim/study/planning/plan.h"

namespace bethany {

const std::vector<PlanQuestion>& plan_questions() {
  static const std::vector<PlanQuestion> questions = {
      {"checkpoint", "the interval with most goodput, its flat region, Young and Daly beside it",
       plan_checkpoint},
      {"spares", "machines beyond the cluster's, hot or cold: what each adds", plan_spares},
      {"f", "the fault threshold with most goodput", plan_fault_threshold},
      {"breakeven", "the value of a key at which two policies tie", plan_breakeven},
      {"finish", "when so many tokens are trained, and the bill", plan_finish},
  };
  return questions;
}

}  // namespace bethany
