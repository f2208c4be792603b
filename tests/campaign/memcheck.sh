#!/usr/bin/env bash
# valgrind's memcheck on the samples of every op, forward and backward: values that were never set, reads and writes outside.
# valgrind knows no AVX-512, so this is a build for x86-64-v3, with OpenBLAS's kernels for it.
# Run:     tests/campaign/memcheck.sh [OP..]         all ops without: a few minutes
# Expect:  no report from our code; "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
command -v valgrind >/dev/null || { echo "skipped: valgrind was not found; 'apt-get install valgrind' installs it"; exit 77; }
export OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=1
build=build/cpu-x86-64-v3
make -s ARCH=x86-64-v3 BUILD=$build $build/gradcheck || { echo '0 passed, 1 failed'; exit 1; }
mapfile -t ops < <($build/gradcheck | awk '$1 != "all" && $2 ~ /^[0-9]+$/ { print $1 }')
[ $# -gt 0 ] && ops=("$@")
passed=0 failed=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT
for op in "${ops[@]}"; do
  if valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite $build/gradcheck "$op" >"$log" 2>&1; then
    passed=$((passed + 1))
  else
    code=$?; failed=$((failed + 1)); echo "FAILED  $op: exit code $code; it said:"; head -n 40 "$log"
  fi
done
echo "${#ops[@]} ops in $SECONDS s"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
