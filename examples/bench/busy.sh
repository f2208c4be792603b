#!/usr/bin/env bash
# How a training fares on a machine that does other things: two trainings side by side against one after the other, and
# one training beside as many busy loops as there are threads against its half of the machine. By turns; medians.
# Run:     examples/bench/busy.sh build/cpu            (RECIPE=small STEPS=60 ROUNDS=3)
# Expect:  three times and two ratios; 1 is a program that loses nothing.
set -euo pipefail
programs=${1:?usage: examples/bench/busy.sh FOLDER_OF_PROGRAMS}
recipe=${RECIPE:-small} steps=${STEPS:-60} rounds=${ROUNDS:-3} threads=$(nproc)
work=$(mktemp -d)
loops=()
stop_loops() { [ ${#loops[@]} = 0 ] || kill "${loops[@]}" 2>/dev/null || true; wait "${loops[@]}" 2>/dev/null || true; loops=(); }
trap 'stop_loops; rm -rf "$work"' EXIT
"$programs/lra_data" generate listops --out "$work/listops" --seed 1 --train 2000 --val 50 --test 50 \
  --min-length 100 --max-length 300 >/dev/null 2>&1

# train NAME: seconds of training go to NAME.seconds; reading, validation and the test are not counted.
train() {
  "$programs/train_lra" --task listops --recipe "$recipe" --data "$work" --out "$work/$1" --steps "$steps" --eval-every \
    "$steps" --log-every "$steps" --threads "$threads" --force --progress none >/dev/null 2>&1
  tail -n 1 "$work/$1/metrics.csv" | cut -d, -f9 >"$work/$1.seconds"
}
longer() { cat "$work/$1.seconds" "$work/$2.seconds" | sort -g | tail -n 1; }
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'; }

for ((round = 1; round <= rounds; ++round)); do
  train one
  cat "$work/one.seconds" >>"$work/alone"
  train one & train two
  wait $!
  longer one two >>"$work/both"
  for ((i = 0; i < threads; ++i)); do (while :; do :; done) & loops+=($!); done
  train one
  stop_loops
  cat "$work/one.seconds" >>"$work/beside"
done
alone=$(median "$work/alone") both=$(median "$work/both") beside=$(median "$work/beside")
echo "$steps steps of listops, recipe $recipe, $threads threads each; medians of $rounds rounds, in seconds"
awk -v a="$alone" -v b="$both" -v c="$beside" -v n="$threads" 'BEGIN {
  printf "one training alone                     %8.2f\n", a
  printf "two side by side, until both are done  %8.2f   %.2f times one after the other\n", b, b / (2 * a)
  printf "one beside %d busy loops                %8.2f   %.2f times its share\n", n, c, c / (2 * a) }'
