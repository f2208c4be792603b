#!/usr/bin/env bash
# Training, evaluation and data under limits of the address space (ulimit -v), from none to enough. That each single allocation
# of a step, a save and a load may fail is in tests/optim/test_allocations.cpp.
# Run:     tests/campaign/memory.sh BUILD [LIMITS]   20 limits without LIMITS: a minute
# Expect:  exit code 0, or 1 and one line; nothing hangs and nothing crashes; where it is enough once, it is enough above, with
#          the bytes of a run without limits. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
make_data
train whole
verdict "the run without a limit ends" test "$code" = 0
clean() { [ "$code" = 0 ] || one_error 1 || one_error 5; }
limited() {  # MB COMMAND..
  local mb=$1; shift
  attempt bash -c 'ulimit -v "$0"; exec "$@"' $((mb * 1024)) "$@"
}
for kind in train evaluate data; do
  enough=0
  for mb in $({ seq 60 60 480; seq 500 10 580; seq 700 150 1000; } | some "${2:-20}"); do
    rm -rf "$work/run" "$work/made"
    # shellcheck disable=SC2086
    case $kind in
      train) limited "$mb" "$build/train_lra" $tiny --out "$work/run" ;;
      evaluate) limited "$mb" "$build/evaluate" "$work/whole" --data "$work/data" --quiet --split val --svg "$work/confusion.svg" ;;
      data) limited "$mb" "$build/lra_data" check "$work/data" ;;
    esac
    # The loader has a limit of its own below which no program starts: 127.
    if [ "$code" = 127 ] && says 'error while loading shared libraries'; then continue; fi
    try "$kind with $mb MB" clean
    [ "$code" = 0 ] || { try "$kind: enough with less, not with $mb MB" test $enough = 0; continue; }
    enough=$((enough == 0 ? mb : enough))
    [ $kind != train ] || try "train with $mb MB: the same bytes" same_end whole run
  done
  verdict "$kind: $enough MB are enough" test $enough -gt 0
done
tally "limits of the address space: an end, or one line"
end
