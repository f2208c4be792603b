#!/usr/bin/env bash
# Each system call of a run that touches its folder fails in turn, under strace: opening, writing, syncing, closing, renaming,
# removing, listing, locking. With EIO, ENOSPC, EDQUOT and EINTR; a write also takes nothing and names no reason. Short
# writes, which strace cannot make, are in tests/core/test_atomic_file.cpp and test_safetensors.cpp, and in disk.sh.
# Run:     tests/campaign/save.sh BUILD [CASES]      e.g. build/cpu; all cases: some minutes
# Expect:  each run ends with 0 or 5 and one error that names a file of the run and the injected reason; going on without
#          a fault, it ends with the bytes of an undisturbed run, from a whole checkpoint, and no temporary file is left.
#          "N passed, N failed"; exit code 77 without strace
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
needs strace strace
most=${2:-100000}
make_data
train whole --log-every 1
calls=openat,write,fsync,close,rename,unlink,getdents64,flock,mkdir,newfstatat,fchmod
before="strace -y -o $work/trace -e trace=$calls" train run --log-every 1
verdict "strace changes nothing" same_end whole run

# Which calls of their kind name the folder: strace counts per kind and thread.
awk -v folder="$work/run" '{ call = $0; sub(/\(.*/, "", call); n[call]++; if (index($0, folder)) print call, n[call] }' "$work/trace" >"$work/calls"
while read -r call number; do
  for fault in error=EIO error=ENOSPC error=EDQUOT error=EINTR; do echo "$call $number $fault"; done
  [ "$call" = write ] && echo "write $number retval=0"
done <"$work/calls" >"$work/cases"
echo "$(wc -l <"$work/calls") calls of a run with three saves touch its folder: $(wc -l <"$work/cases") cases"

reason() {  # FAULT: its words, as the system says them
  case $1 in
    error=EIO) echo 'Input/output error' ;;
    error=ENOSPC | retval=0) echo 'No space left on device' ;;
    error=EDQUOT) echo 'Disk quota exceeded' ;;
    error=EINTR) echo 'Interrupted system call' ;;
  esac
}
ended_well() {  # FAULT
  [ "$code" = 0 ] || one_error 5 "$work/run" "$(reason "$1")" ||
    one_error 3 "$work/run/best.safetensors" "$(reason "$1")"  # it is read for the final test
}
whole_again() { ! says 'kept as' && same_end whole run; }  # 'kept as': a checkpoint was damaged
again=0
declare -A of_code=()
while read -r call number fault; do
  rm -rf "$work/run"
  before="strace -o /dev/null -e trace=$call -e inject=$call:$fault:when=$number" train run --log-every 1
  of_code[$code]=$((${of_code[$code]:-0} + 1))
  try "$call $number $fault" ended_well "$fault" || continue
  said=$(cat "$work/err")
  same_end whole run && continue
  try "$call $number $fault: exit code 0 says that all is written" test "$code" != 0 || continue
  again=$((again + 1))
  go_on run --log-every 1
  try "$call $number $fault, without the fault" whole_again || echo "before, it said: $said"
done < <(some "$most" <"$work/cases")
echo "exit codes of the failing runs: $(for c in "${!of_code[@]}"; do echo "$c: ${of_code[$c]}"; done | sort | tr '\n' ' '); $again went on"
tally "failing calls: the run ends well, and going on gives the bytes of an undisturbed one"
end
