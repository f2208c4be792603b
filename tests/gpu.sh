#!/usr/bin/env bash
# The tests on a GPU: gpu.sh BUILD, after `make CUDA=1`. The last block is meant to be pasted into a
# report; its last line is "N passed, N failed".
set -u
build=$1
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
report=$work/report
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >"$report" 2>/dev/null || echo "nvidia-smi: not found" >"$report"
"$build/gradcheck" --device cuda scale || { echo "error: no GPU can be used; make test-cuda-host runs the same under an emulation" >&2; exit 2; }

step() {  # NAME COMMAND..
  local name=$1 start=$SECONDS status; shift
  "$@" >"$work/log" 2>&1; status=$?
  if [ $status -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); tail -n 60 "$work/log"; fi
  printf '%-7s %-36s %4d s  %s\n' "$([ $status -eq 0 ] && echo ok || echo FAILED)" "$name" $((SECONDS - start)) "$(tail -n 1 "$work/log")" |
    tee -a "$report"
}

train() {  # DEVICE MIXER
  "$build/train_lra" --task listops --recipe tiny --data "$work/data" --dtype float64 --steps 20 --eval-every 20 --eval-limit 64 \
    --log-every 1 --progress none --quiet --mixer "$2" --device "$1" --out "$work/$2-$1"
}
agree() {  # MIXER: every logged loss, accuracy and norm of 20 steps
  train cpu "$1" && train cuda "$1" || return 1
  paste -d, "$work/$1-cpu/metrics.csv" "$work/$1-cuda/metrics.csv" | awk -F, '
    NR == 1 { for (i = 1; i <= NF / 2; ++i) if ($i ~ /loss|accuracy|norm/) compare[i] = 1 }
    NR > 1 { for (i in compare) { d = $i - $(i + NF / 2); if (d < 0) d = -d
             if (d > worst) worst = d; if ($i != "") ++compared } }
    END { printf "float64 losses agree with the CPU to %.1e over %d steps\n", worst, NR - 1
          exit !(NR >= 20 && compared >= 60 && worst < 1e-4) }'
}

# What only a GPU can tell comes first, and the whole suite last, for a machine that is lent for minutes.
step "tests of the CUDA half" env SKIFF_NEEDS_CUDA=1 "$build/skiff_tests" --test-case='cuda:*,rows:*'
step "gradient checks on the device" "$build/gradcheck" --device cuda
step "golden files on the device" "$build/golden" --device cuda tests/reference
"$build/lra_data" generate listops --out "$work/data/listops" --seed 1 --train 1000 --val 100 --test 100 --min-length 10 --max-length 100 >/dev/null
for mixer in ski tno fd attention; do step "training on CPU and GPU, $mixer" agree "$mixer"; done
if command -v compute-sanitizer >/dev/null; then
  # "not ready", as an event that is still to come answers, is no error.
  for tool in "memcheck --report-api-errors no" racecheck initcheck synccheck; do
    # shellcheck disable=SC2086
    step "compute-sanitizer ${tool%% *}" compute-sanitizer --tool $tool --error-exitcode 9 "$build/skiff_tests" --test-case='cuda:*,rows:*'
  done
else
  echo "left out compute-sanitizer: not installed" | tee -a "$report"
fi
step "all tests, those for CUDA live" env SKIFF_NEEDS_CUDA=1 SKIFF_PROGRAMS="$build" "$build/skiff_tests" --test-case-exclude='slow:*'

printf '\n---- report ----\n'
cat "$report"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
