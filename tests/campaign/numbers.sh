#!/usr/bin/env bash
# Trainings whose numbers overflow, with every mixer, norm and optimizer. That each op is named where a NaN or infinity appears
# is in tests/autograd/test_not_finite.cpp.
# Run:     tests/campaign/numbers.sh BUILD [CASES]   all without CASES: a minute
# Expect:  exit code 4 and one error that names the step, the op and the last good checkpoint, which is whole; going on ends in
#          the same way and leaves it as it is. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
make_data
for mixer in ski tno fd attention conv none; do for norm in none layer batch rms; do for optimizer in adamw adam sgd; do
  echo "$mixer $norm $optimizer"
done; done; done >"$work/cases"
finite=0 named=0
named_op() { one_error 4 'step ' 'is not finite' 'The last good checkpoint is '; }
unchanged() { [ "$code" = 4 ] && [ "$(cd "$work/run" && sha256sum ckpt-*)" = "$before_it" ]; }
while read -r mixer norm optimizer; do
  wild="--mixer $mixer --norm $norm --optimizer $optimizer --lr 1e25 --schedule constant --warmup 0 --clip 0 --steps 60 --save-every 1 --keep 2"
  rm -rf "$work/run"
  # shellcheck disable=SC2086
  train run $wild
  # A norm takes the size out of what it gets: then the numbers may stay finite.
  if [ "$code" = 0 ]; then finite=$((finite + 1)); continue; fi
  if says 'No checkpoint was saved yet'; then try "$wild: at the first step" one_error 4 'step 1:'; continue; fi
  try "$wild" named_op || continue
  says 'is the first that is not finite' && named=$((named + 1))
  last=$(grep -o "$work/run/ckpt-[0-9]*.safetensors" "$work/err" | tail -n 1)
  attempt "$build/evaluate" "$last" --data "$work/data" --quiet --split val --svg "$work/confusion.svg"
  try "$wild: the last good checkpoint is whole" test "$code" = 0
  before_it=$(cd "$work/run" && sha256sum ckpt-*)
  # shellcheck disable=SC2086
  train run $wild --resume
  try "$wild: going on ends in the same way" unchanged
done < <(some "${2:-1000}" <"$work/cases")
echo "$finite runs stayed finite; $named errors name an op"
verdict "errors name an op" test "$named" -gt 0
tally "numbers that are not finite: one error, the last good checkpoint kept"
end
