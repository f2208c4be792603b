#!/usr/bin/env bash
# Damaged checkpoints, best weights and caches in the hands of the programs. That every truncation, every bit of the header and
# 10,000 flips of the data are found is in tests/core/test_safetensors_damage.cpp and tests/data/test_cache.cpp.
# Run:     tests/campaign/damage.sh BUILD [CASES]    50 places of each kind without CASES: minutes
# Expect:  going on takes the checkpoint before the damaged one, says so, keeps the damaged one and ends with the same bytes;
#          evaluate refuses a damaged file with exit code 3 and its name. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
cases=${2:-50}
make_data
train whole
train part --stop-at 10
size=$(stat -c %s "$work/part/ckpt-00000010.safetensors")
damage() {  # FILE PLACE: cuts there if the place is even, else changes the byte
  local byte
  if [ $(($2 % 2)) = 0 ]; then truncate -s "$2" "$1"; return; fi
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  # shellcheck disable=SC2059
  printf "\\x$(printf %02x $((byte ^ 1 << $2 / 2 % 8)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
kept() {
  says 'kept as' && [ -e "$work/run/ckpt-00000010.safetensors.damaged" ] &&
    { rm "$work/run/ckpt-00000010.safetensors.damaged"; same_end whole run; }
}
refused() { one_error 3 "$work/run/ckpt-00000010.safetensors"; }
for ((i = 0; i < cases; i++)); do
  place=$(random "$size")
  rm -rf "$work/run"; cp -r "$work/part" "$work/run"
  damage "$work/run/ckpt-00000010.safetensors" "$place"
  attempt "$build/evaluate" "$work/run/ckpt-00000010.safetensors" --data "$work/data" --quiet
  try "evaluate, damaged at $place" refused
  train run --resume
  try "going on, damaged at $place" kept
done
tally "checkpoints damaged at random"
for ((i = 0; i < (cases + 4) / 5; i++)); do
  place=$(random "$size")
  rm -rf "$work/run"; cp -r "$work/part" "$work/run"
  for file in "$work"/run/ckpt-*; do damage "$file" "$place"; done
  train run --resume
  try "all checkpoints damaged at $place" one_error 3 'no checkpoint is whole'
done
tally "all checkpoints damaged"
end
