#!/bin/sh
#SBATCH --job-name=bethany-sweep
#SBATCH --array=0-7
#SBATCH --cpus-per-task=8
#SBATCH --time=01:00:00
# A sweep as a Slurm job array: each task does one shard on all its cores. Few large tasks suit the
# scheduler better than many small ones. Edit the last lines, then
#   sbatch slurm-array.sh
#   bethany merge runs/shard-* -o runs        # when all tasks are done; exit 6 names what is missing
# Tasks that were killed go on where they were: submit the same script again; those that are
# complete end at once.
set -eu
"${BETHANY:-bethany}" sweep "${SCENARIO:-scenario.json}" -o "${OUT:-runs}" \
  --grid cluster.nodes=8,10,12 --grid policy.checkpoint.every=50,100,200,400 \
  --policies lazarus,ds --replications 20 \
  --shard auto -j "${SLURM_CPUS_PER_TASK:-1}"
