#!/bin/sh
# A sweep with GNU parallel, on this machine or others that see the same files (add
# --sshloginfile FILE and --workdir .): each job does one shard, by its PARALLEL_SEQ.
#   SHARDS=8 sh parallel.sh
#   bethany merge runs/shard-* -o runs
set -eu
seq "${SHARDS:-8}" | parallel -n0 \
  "${BETHANY:-bethany}" sweep "${SCENARIO:-scenario.json}" -o "${OUT:-runs}" \
  --grid cluster.nodes=8,10,12 --grid policy.checkpoint.every=50,100,200,400 \
  --policies lazarus,ds --replications 20 \
  --shard auto --shards "${SHARDS:-8}" -j "${THREADS:-1}"
