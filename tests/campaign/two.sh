#!/usr/bin/env bash
# Two programs and one folder: pairs that start together, a second one beside a running one, a lock that a killed run left, a
# folder that cannot be locked, generators of data, and readers of one archive.
# Run:     tests/campaign/two.sh BUILD [PAIRS]       50 pairs without PAIRS: minutes
# Expect:  of two trainings one is refused with exit code 2 and the name of the folder, and the other one ends with the bytes
#          of a run alone; a stale lock hinders no one. "N passed, N failed"
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
pairs=${2:-50}
make_data
run() { local name=$1 how=$2; shift 2; "$how" "$name" --steps 60 --eval-every 20 --save-every 5 "$@"; }
run whole train
verdict "the run alone ends" test "$code" = 0

# ---- pairs that start together ----
refused_one() {  # CODE FILE CODE FILE: one of them ended well, and the other one was refused
  local good bad
  if [ "$1" = 0 ]; then good=$1 bad=$3 file=$4; else good=$3 bad=$1 file=$2; fi
  [ "$good" = 0 ] && [ "$bad" = 2 ] && [ "$(grep -c '^error: ' "$file")" = 1 ] && grep -qF "$work/pair'" "$file"
}
one_after_another=0
for ((i = 0; i < pairs; i++)); do
  rm -rf "$work/pair"
  run pair start_train; first=$pid
  executions=$((executions + 1))
  # shellcheck disable=SC2086
  "$build/train_lra" $tiny --out "$work/pair" --steps 60 --eval-every 20 --save-every 5 >"$work/out2" 2>"$work/err2" </dev/null
  second_code=$?
  wait "$first"; code=$?
  # On a busy machine one may begin when the other one has ended: then it is refused for what is in the folder.
  grep -q 'another program trains' "$work/err" "$work/err2" || one_after_another=$((one_after_another + 1))
  try "pair $i: one is refused" refused_one "$code" "$work/err" $second_code "$work/err2" || cat "$work/err2"
  code=0
  try "pair $i: the other one's bytes" same_end whole pair
done
tally "$pairs pairs, of which $one_after_another ran one after the other: one run, one refusal"

# ---- a second one beside a running one, whatever it wants ----
long='--steps 100000 --eval-every 100000 --save-every 20 --log-every 20'
# shellcheck disable=SC2086
start_train beside $long
running=$pid
wait_until has_checkpoint beside
for how in --force --resume '--stop-at 1' ''; do
  # shellcheck disable=SC2086
  train beside $long $how
  verdict "beside a running one, with '$how': refused" one_error 2 "another program trains in '$work/beside'"
done
attempt "$build/evaluate" "$work/beside/$(cd "$work/beside" && ls | grep ckpt | head -n 1)" --data "$work/data" --quiet
reads() { [ "$code" = 0 ] || one_error 3; }  # the checkpoint may just have been removed
verdict "its checkpoints can be read" reads
kill -9 "$running"; wait "$running" 2>/dev/null

# ---- stale locks, and file systems without locks ----
run_on() { rm -rf "$work/lock"; cp -r "$work/$1" "$work/lock"; }
train part --steps 60 --eval-every 20 --save-every 5 --stop-at 10
kill_lock() {
  run_on part; echo 4194305 >"$work/lock/lock"
  run lock train --resume
}
kill_lock
verdict "a lock that a killed run left, with the number of a process: no hindrance" same_end whole lock
run_on part; chmod 0 "$work/lock/lock"
run lock train --resume
unreadable() { if [ "$(id -u)" = 0 ]; then same_end whole lock; else one_error 5 "$work/lock"; fi; }
verdict "a lock that may not be opened" unreadable
run_on part; rm "$work/lock/lock"; mkdir "$work/lock/lock"
run lock train --resume
verdict "a folder in place of the lock: one error" one_error 5 "$work/lock"
train_aloud() { local tiny=${tiny/--quiet/}; train "$@"; }  # which shows notes
if command -v strace >/dev/null; then
  for error in ENOLCK EOPNOTSUPP ENOSYS EINVAL; do
    run_on part
    before="strace -o /dev/null -e trace=flock -e inject=flock:error=$error" run lock train_aloud --resume
    noted() { says 'cannot be locked' && same_end whole lock; }
    verdict "a file system without locks ($error): a note, and the run" noted
  done
else
  echo "left out: file systems without locks; strace was not found, 'apt-get install strace' installs it"
fi

# ---- generators and readers ----
make_archive() {
  local split label i
  for split in train test; do for label in neg pos; do
    mkdir -p "$work/text/aclImdb/$split/$label"
    for ((i = 0; i < 6; i++)); do echo "a $label review, number $i of $split" >"$work/text/aclImdb/$split/$label/${i}_5.txt"; done
  done; done
  tar -C "$work/text" -czf "$work/aclImdb_v1.tar.gz" aclImdb && rm -rf "$work/text"
  mkdir "$work/text"; cp "$work/aclImdb_v1.tar.gz" "$work/text"
}
make_archive
read_text() { "$build/train_lra" ${tiny/"$work/data"/"$work/text"} --task text --steps 2 --eval-every 2 --out "$work/text-$1" >"$work/out$1" 2>"$work/err$1" </dev/null; }
read_text 0
verdict "an archive of reviews is read" test $? = 0
for ((i = 0; i < (pairs + 9) / 10; i++)); do
  rm -rf "$work"/text-[12] "$work"/text/*.cache*
  executions=$((executions + 2))
  read_text 1 & other=$!
  read_text 2; second_code=$?
  wait $other; code=$?
  both() { [ "$code$second_code" = 00 ] && same_end text-0 text-1 && same_end text-0 text-2 && [ -z "$(find "$work/text" -name '*.tmp.*')" ]; }
  try "two readers of one archive" both
done
tally "pairs of readers of one archive, of which both write its cache"
for ((i = 0; i < (pairs + 9) / 10; i++)); do
  rm -rf "$work/made"
  executions=$((executions + 2))
  make() { "$build/lra_data" generate listops --out "$work/made" --train 300 --val 50 --test 50 --min-length 2 --max-length 20 --seed "$1" >"$work/out" 2>"$work/err$1" </dev/null; }
  make 1 & other=$!
  make 2; second_code=$?
  wait $other; code=$?
  # One of them, or the later one refused for what is there; never rows of both seeds.
  one_seed() {
    local seed
    for seed in 1 2; do
      rm -rf "$work/alone"
      "$build/lra_data" generate listops --out "$work/alone" --train 300 --val 50 --test 50 --min-length 2 --max-length 20 --seed $seed >/dev/null 2>&1
      diff -r "$work/alone" "$work/made" >/dev/null && return
    done
    return 1
  }
  try "two generators in one folder" one_seed
done
tally "pairs of generators in one folder: the data of one seed"
end
