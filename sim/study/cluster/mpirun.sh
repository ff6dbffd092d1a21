#!/bin/sh
# A sweep in one allocation with Open MPI or an MPI that sets PMI_RANK and PMI_SIZE: each rank does
# one shard. The program does not use MPI: a rank that dies takes no other with it if mpirun lets it.
#   RANKS=8 sh mpirun.sh
#   bethany merge runs/shard-* -o runs
set -eu
mpirun -n "${RANKS:-8}" "${BETHANY:-bethany}" sweep "${SCENARIO:-scenario.json}" -o "${OUT:-runs}" \
  --grid cluster.nodes=8,10,12 --grid policy.checkpoint.every=50,100,200,400 \
  --policies lazarus,ds --replications 20 \
  --shard auto -j "${THREADS:-1}"
