#!/usr/bin/env bash
# Would the tests notice a missing barrier? barriers.sh PROGRAM SCHEDULE..
# Finds every barrier of the CUDA half in the source, lets the emulation take out one at a time, and runs
# PROGRAM, the tests of the CUDA half, until they fail in one of the schedules. As many at a time as
# there are cores. The last line is "N passed, N failed".
set -u
export program=$1; shift
export schedules=$* SKIFF_NEEDS_CUDA=1 OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# caught_by FILE:LINE: the first schedule and test case that fail without this barrier; 1 if none does
caught_by() {
  local schedule said
  for schedule in $schedules; do
    said=$(CUDA_HOST_WITHOUT=$1 CUDA_HOST_SCHEDULE=$schedule timeout 600 "$program" --abort-after=1 2>&1) && continue
    echo "$schedule, $(sed -n 's/^TEST CASE: *//p; s/^cuda_host: fault: //p' <<<"$said" | head -n 1)"
    return
  done
  return 1
}
# one NUMBER FILE:LINE: what catches it, in a file
one() { caught_by "$2" >"$work/$1" || echo 'NOT CAUGHT' >"$work/$1"; }
export -f caught_by one
export work

if said=$(caught_by none); then
  echo "error: with every barrier in place the tests fail: $said"; echo '0 passed, 1 failed'; exit 1
fi
awk '{ code = $0; sub("//.*", "", code) }
     code ~ /__sync(threads|warp)[a-z_]*\(/ { sub(/^ */, ""); print FILENAME ":" FNR "\t" $0 }' \
  $(find core autograd layers optim data -name '*.h' -o -name '*.cu' -o -name '*.cpp' | sort) >"$work/barriers"
cut -f 1 "$work/barriers" | cat -n | xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one

passed=0 failed=0 number=0
while IFS=$'\t' read -r where line; do
  number=$((number + 1)) caught=$(cat "$work/$number")
  if [ "${caught:=NOT TRIED}" = 'NOT CAUGHT' ] || [ "$caught" = 'NOT TRIED' ]; then failed=$((failed + 1)); else passed=$((passed + 1)); fi
  printf '%-26s  %-60s  %s\n' "$where" "$line" "$caught"
done <"$work/barriers"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
