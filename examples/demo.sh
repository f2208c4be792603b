#!/bin/sh
# The main job from nothing: makes a small ListOps in the official format, trains a model on it, and
# shows what it learnt. `make demo` calls this; MIXER=tno or fd trains another mixer, SEED another start; STAGES is a file
# like demo_stages.txt.
set -eu
programs=$1
folder=$2
mixer=${MIXER:-ski}
seed=${SEED:-1}
stages=${STAGES:-$(dirname "$0")/demo_stages.txt}
expressions=300000
data=$folder/data-$expressions
if [ ! -f "$data/listops/basic_train.tsv" ]; then
  "$programs/lra_data" generate listops --out "$data/listops" --seed 1 --train "$expressions" --val 2000 --test 5000 \
    --min-length 10 --max-length 150
fi
"$programs/lra_data" check "$data"
# A demo may be run again and starts over; a run of one's own is never overwritten like this.
"$programs/train_lra" --task listops --recipe demo --stages "$stages" --mixer "$mixer" --seed "$seed" \
  --data "$data" --out "$folder/$mixer-$seed-stages" --force
