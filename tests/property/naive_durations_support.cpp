#include "tests/property/naive_durations.h"

namespace bethany {

std::vector<NaiveStage> naive_restart_stages(const JobInput& input, int nodes, bool first) {
  const Blocked bucket = first ? Blocked::start : Blocked::restart;
  std::vector<NaiveStage> stages = {{bucket, input.timer.reschedule()},
                                    {bucket, input.timer.process_start()},
                                    {bucket, input.timer.group_init(nodes)}};
  if (first) return stages;
  LoadQuery query;
  query.nodes = nodes;
  query.busiest_node_bytes = 1;
  query.total_bytes = nodes;
  stages.push_back({Blocked::load, input.timer.load(query)});
  return stages;
}

std::vector<NaiveStage> naive_reconfiguration_stages(const JobInput& input, int nodes,
                                                     const TransferSummary& transfer,
                                                     const std::array<Blocked, 3>& buckets) {
  return {{buckets[0], input.timer.planning(nodes)},
          {buckets[1], input.timer.communicator(nodes)},
          {buckets[2], input.timer.transfer(transfer)}};
}

std::vector<NaiveStage> naive_rebalance_stages(const JobInput& input, int nodes,
                                               const TransferSummary& transfer) {
  return {{Blocked::rebalance, input.timer.planning(nodes)},
          {Blocked::rebalance, input.timer.rebalance_communicator(nodes)},
          {Blocked::rebalance, input.timer.transfer(transfer)}};
}

Duration naive_step_time(const JobInput& input, int nodes, double slowest) {
  const Training& training = input.scenario.training;
  StepQuery query;
  query.nodes = nodes;
  query.ranks = nodes * input.scenario.cluster.node_type.gpus;
  query.slowest = slowest;
  query.accumulation = training.batch.accumulation;
  std::int64_t sequences = training.batch.sequences;
  if (training.batch.global) sequences = (sequences + query.ranks - 1) / query.ranks;
  query.tokens_per_rank = sequences * training.sequence_length;
  const Duration time = input.timer.step(query).total;
  BETHANY_CHECK(time > Duration(0), "a step of no length");
  return time;
}

std::int64_t naive_samples_of_step(const JobInput& input, int nodes) {
  const Batch& batch = input.scenario.training.batch;
  const std::int64_t ranks = std::int64_t{nodes} * input.scenario.cluster.node_type.gpus;
  return batch.accumulation * (batch.global ? batch.sequences : batch.sequences * ranks);
}

}  // namespace bethany
