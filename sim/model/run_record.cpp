#include "sim/model/run_record.h"

namespace bethany {

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::checkpoint_write:
      return "checkpoint_write";
    case Stage::detection:
      return "detection";
    case Stage::planning:
      return "planning";
    case Stage::communicator:
      return "communicator";
    case Stage::transfer:
      return "transfer";
    case Stage::reschedule:
      return "reschedule";
    case Stage::process_start:
      return "process_start";
    case Stage::group_init:
      return "group_init";
    case Stage::load:
      return "load";
  }
  return "?";
}

std::string_view name_of(Recovery recovery) {
  switch (recovery) {
    case Recovery::in_place:
      return "in_place";
    case Recovery::regroup:
      return "regroup";
    case Recovery::restart:
      return "restart";
    case Recovery::none:
      return "none";
  }
  return "?";
}

std::string_view name_of(PlanCause cause) {
  switch (cause) {
    case PlanCause::start:
      return "start";
    case PlanCause::in_place:
      return "in_place";
    case PlanCause::regroup:
      return "regroup";
    case PlanCause::restart:
      return "restart";
    case PlanCause::join:
      return "join";
    case PlanCause::rebalance:
      return "rebalance";
    case PlanCause::evict:
      return "evict";
  }
  return "?";
}

}  // namespace bethany
