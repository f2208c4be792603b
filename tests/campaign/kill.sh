#!/usr/bin/env bash
# A training is killed (SIGKILL) at random times, and on entering each call with which it writes to its folder; and it gets
# SIGINT or SIGTERM at random times.
# Run:     tests/campaign/kill.sh BUILD [CASES]      random kills, half as many signals, half as many kills inside a save;
#          200, 100, 100 without CASES: some minutes
# Expect:  the newest checkpoint is whole and not older than one interval; after a signal it is that of the last step, and
#          the exit code is 130 or 143; going on ends with the bytes of a run that was never killed. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
cases=${2:-200} every=5
make_data
run() { local name=$1 how=$2; shift 2; "$how" "$name" --steps 150 --eval-every 30 --save-every $every --log-every 1 "$@"; }
start=$(date +%s%3N)
run whole train
took=$(($(date +%s%3N) - start))  # milliseconds
verdict "the run that is never killed ends" test "$code" = 0

last_row() { local step; step=$(tail -n 1 "$work/run/metrics.csv" 2>/dev/null | cut -d, -f1); [[ $step =~ ^[0-9]+$ ]] && echo "$step" || echo 0; }
# The newest checkpoint is not older than an interval before the last row of metrics.csv: the row of a step comes before
# its checkpoint.
recent() {
  local step; step=$(newest_step run)
  [ "$(last_row)" -le $((${step:-0} + every)) ]
}
# A stop saves at its own step. Such a checkpoint may still be one of the newest three at the end; the whole run has none.
drop_own_checkpoints() {
  local file step
  for file in "$work"/run/ckpt-*.safetensors; do
    step=${file##*ckpt-} step=${step%.safetensors}
    [ $((10#$step % every)) = 0 ] || rm "$file"
  done
}
same_again() { ! says 'kept as' && drop_own_checkpoints && same_end whole run; }
goes_on() { run run go_on; try "$1, and went on" same_again; }

# ---- SIGKILL and signals at random times ----
attempts=0
hit() {  # SIGNAL: whether it met a run that had begun, and had not ended
  # A run that cannot start, or takes no notice of signals, is not tried for ever.
  [ $((attempts += 1)) -le $((40 * cases)) ] || { verdict "a signal meets the run in $attempts attempts" false; end; }
  rm -rf "$work/run"
  run run start_train
  pause "$(random $((took + took / 4)))"
  [ -e "$work/run/lock" ] && kill -"$1" "$pid" 2>/dev/null
  local met=$?
  finish
  [ $met = 0 ] && { [ "$code" != 0 ] || [ "$(last_row)" -lt 150 ]; }
}
hits=0 early=0
while [ $hits -lt "$cases" ]; do
  hit KILL || continue
  hits=$((hits + 1))
  has_checkpoint run || early=$((early + 1))
  try "kill $hits after step $(last_row)" recent && goes_on "kill $hits after step $(last_row)"
done
tally "$hits random kills, $early before the first checkpoint: a whole, recent checkpoint, and the same end"

# While data is read nothing is there to save. A signal during a validation leaves its row to the run that goes on.
stopped() {
  local step; step=$(newest_step run)
  [ "${step:-0}" -ge "$(last_row)" ]
}
hits=0
while [ $hits -lt $((cases / 2)) ]; do
  signal=INT expected=130
  [ $((hits % 2)) = 0 ] || signal=TERM expected=143
  hit $signal || continue
  hits=$((hits + 1))
  try "SIG$signal: exit code $expected" test "$code" = $expected &&
    try "SIG$signal: saved" stopped && goes_on "SIG$signal"
done
tally "$hits stops by SIGINT and SIGTERM: saved at the last step, and the same end"

# ---- inside saves ----
if command -v strace >/dev/null; then
  rm -rf "$work/run"
  before="strace -y -o $work/trace -e trace=openat,write,fsync,close,rename,unlink" run run train
  awk -v folder="$work/run" '{ call = $0; sub(/\(.*/, "", call); n[call]++ }
    /ckpt-|best[.]safetensors/ && index($0, folder) { print call, n[call] }' "$work/trace" >"$work/calls"
  while read -r call number; do
    rm -rf "$work/run"
    before="strace -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$number" run run train
    try "kill at $call $number" test "$code" = 137 && try "kill at $call $number" recent && goes_on "kill at $call $number"
  done < <(some $((cases / 2)) <"$work/calls")
  tally "kills at the calls of a save, of which a run has $(wc -l <"$work/calls")"
else
  echo "left out: kills inside a save; strace was not found, 'apt-get install strace' installs it"
fi
end
