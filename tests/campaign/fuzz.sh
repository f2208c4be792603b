#!/usr/bin/env bash
# libFuzzer on every parser of what comes from outside (fuzz/targets.cpp), under address and undefined-behaviour sanitizers.
# Run:     make fuzz && tests/campaign/fuzz.sh build/fuzz [SECONDS [TARGET..]]     60 seconds for each of all targets
# Expect:  a line per target: executions, inputs kept, edges reached; no crash, and no input that takes 10 s or 512 MB. What
#          was learnt stays in BUILD/corpus and is where the next run begins; what crashes is kept in BUILD/found.
set -u
# With RUNS=N each target stops after N executions, the same ones every time.
: "${1:?usage: tests/campaign/fuzz.sh build/fuzz [SECONDS [TARGET..]]}"
build=$(realpath "$1") seconds=${2:-60}
shift; shift || true
[ -x "$build/fuzz" ] || { echo "skipped: '$build/fuzz' is not built; 'make fuzz' builds it, with clang"; exit 77; }
export OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=1
shared=/dev/shm
[ -w $shared ] || shared=${TMPDIR:-/tmp}
work=$(mktemp -d "$shared/skiff-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
FUZZ_SEEDS=$build/seeds FUZZ_FOLDER=$work/seeds "$build/fuzz" >"$build/targets" 2>"$build/seeds.log" ||
  { echo 'FAILED  the inputs to begin with could not be made'; cat "$build/seeds.log"; echo '0 passed, 1 failed'; exit 1; }
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets <"$build/targets"
mkdir -p "$build/found"
fuzz_one() {
  mkdir -p "$build/corpus/$1"
  FUZZ_TARGET=$1 FUZZ_FOLDER=$work/$1 "$build/fuzz" ${RUNS:+-seed=1 -runs="$RUNS"} -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="$build/found/$1-" "$build/corpus/$1" "$build/seeds/$1" >"$build/$1.log" 2>&1
  echo $? >"$build/$1.code"
}
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  fuzz_one "$target" &
done
wait
passed=0 failed=0 total=0
for target in "${targets[@]}"; do
  log=$build/$target.log
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
  total=$((total + ${runs:-0}))
  if [ "$(cat "$build/$target.code")" = 0 ] && [ "${runs:-0}" -gt 0 ]; then
    passed=$((passed + 1)) said=ok
  else
    failed=$((failed + 1)) said=FAILED
  fi
  printf '%-7s %-12s %10d executions  %5d inputs  %s\n' "$said" "$target" "${runs:-0}" \
    "$(find "$build/corpus/$target" -type f | wc -l)" "${edges#cov: } edges"
  [ $said = ok ] || grep -E 'ERROR|SUMMARY|broken promise|Test unit|error: |Base64|^ *#[0-9]+ 0x' "$log"
done
echo "$total executions in $SECONDS s"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
