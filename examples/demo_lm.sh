#!/bin/sh
# A language model from nothing, without a download: it reads the sources and the documentation of
# this project, and writes what it takes for more of them. `make demo-lm` calls this; MIXER=tno, ski
# or attention trains another mixer, SEED another start.
set -eu
programs=$1
folder=$2
mixer=${MIXER:-fd}
seed=${SEED:-1}
mkdir -p "$folder"
find README.md autograd core data examples layers optim \( -name '*.md' -o -name '*.h' -o -name '*.cpp' \) -type f |
  LC_ALL=C sort | xargs cat >"$folder/sources.txt"
# A demo may be run again and starts over; a run of one's own is never overwritten like this.
"$programs/train_lm" --data "$folder/sources.txt" --recipe demo --mixer "$mixer" --seed "$seed" \
  --extrapolate 1,2,4,8 --out "$folder/$mixer-$seed" --force
