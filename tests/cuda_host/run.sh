#!/usr/bin/env bash
# The tests of the CUDA half under the emulation: run.sh PROGRAMS SCHEDULE...
# For every schedule the op samples and rows against the CPU, the gradient checks, the golden files and
# a short training of every mixer; first the planted faults, then what a machine without a GPU says.
# The last line is "N passed, N failed".
set -u
programs=$1; shift
export SKIFF_NEEDS_CUDA=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# step NAME COMMAND..: silent but for its last line, unless it fails
step() {
  local name=$1 start=$SECONDS; shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1)); printf 'ok      %-44s %3d s  %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 "$work/log")"
  else
    local status=$?
    failed=$((failed + 1)); tail -n 40 "$work/log"; printf 'FAILED  %s (%d)\n' "$name" $status
  fi
}

# says STATUS TEXT COMMAND..: the exit status, and a text in the output
says() {
  local status=$1 text=$2 found; shift 2
  "$@" >"$work/said" 2>&1; found=$?
  cat "$work/said"
  [ "$found" = "$status" ] && grep -qF -- "$text" "$work/said"
}

tiny="--task listops --recipe tiny --data $work/data --dtype float64 --layers 1 --dim 8 --batch-size 4 \
  --max-length 48 --steps 4 --eval-every 4 --eval-limit 8 --log-every 1 --progress none --quiet --force"
train() {  # SUFFIX MIXER OPTION..
  local out=$work/$2-$1 mixer=$2; shift 2
  "$programs/${trainer:-train_lra}" $tiny --mixer "$mixer" --out "$out" "$@"
}
# Losses and accuracies of both devices; 1e-6 of the loss is the precision of the file.
agree() {
  train "$1" "$2" --device cuda || return 1
  [ -d "$work/$2-cpu" ] || train cpu "$2" --device cpu || return 1
  paste -d, "$work/$2-cpu/metrics.csv" "$work/$2-$1/metrics.csv" | awk -F, '
    NR == 1 { for (i = 1; i <= NF / 2; ++i) if ($i ~ /loss|accuracy|norm/) compare[i] = 1 }
    NR > 1 { for (i in compare) { d = $i - $(i + NF / 2); if (d < 0) d = -d
             if (d > worst) worst = d; if ($i != "") ++compared } }
    END { printf "%d values of metrics.csv agree with the CPU to %.1e\n", compared, worst
          exit !(compared >= 14 && worst < 2e-6) }'
}

cat_faults() { "$programs/faults" | tee "$work/faults"; return "${PIPESTATUS[0]}"; }
step "planted faults" cat_faults
cat "$work/faults"

lra="$programs/train_lra $tiny --out $work/none --device"
step "generate data" "$programs/lra_data" generate listops --out "$work/data/listops" --seed 1 --train 64 --val 16 --test 16 \
  --min-length 5 --max-length 40
for error in 34:"no CUDA driver on this machine (CUDA driver is a stub library)" \
             35:"no CUDA driver on this machine (CUDA driver version is insufficient" \
             100:"no CUDA device (no CUDA-capable device is detected)"; do
  step "error ${error%%:*}: cuda is refused" says 2 "error: --device cuda: ${error#*:}" env CUDA_HOST_ERROR="${error%%:*}" $lra cuda
  step "error ${error%%:*}: auto takes the CPU" says 0 "--device auto: the CPU, because ${error#*:}" env CUDA_HOST_ERROR="${error%%:*}" \
    ${lra/--quiet/} auto
done
step "error 35: an old driver" says 2 "the CUDA driver is too old" env CUDA_HOST_ERROR=35 CUDA_HOST_DRIVER=11000 $lra cuda

for schedule in "$@"; do
  export CUDA_HOST_SCHEDULE=$schedule
  step "$schedule: op samples, rows, libraries" "$programs/cuda_tests"
  step "$schedule: gradient checks" "$programs/gradcheck" --device cuda
  step "$schedule: golden files" "$programs/golden" --device cuda tests/reference
  for mixer in ski tno fd attention; do
    step "$schedule: training, $mixer" agree "$schedule" "$mixer"
  done
  trainer=train_lra_cached step "$schedule: training, ski, with the block cache" agree "$schedule" ski
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
