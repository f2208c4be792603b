#!/usr/bin/env bash
# Folders that cannot take what a run writes: a small tmpfs of every size, without inodes, read-only from the start or during
# the run, limited sizes of files, a folder that is deleted or unmounted during the run, and a full standard output.
# Run:     tests/campaign/disk.sh BUILD [CASES]      sizes of each kind, 40 without CASES: some minutes; as root
# Expect:  every run ends, with 0 or with 5 and one error that names a file and the reason; where the disk has room again,
#          going on ends with the bytes of an undisturbed run. "N passed, N failed"; exit code 77 without root
set -u
cd "$(dirname "$0")/../.." || exit
. tests/campaign/common.sh
needs_root 'mounting a tmpfs'
cases=${2:-40}
make_data
train whole
verdict "the undisturbed run ends" test "$code" = 0
size=$(du -k --apparent-size "$work/whole" | cut -f1)
mkdir "$work/disk" "$work/real"
# A container's root may not mount.
mount -t tmpfs -o size=1m campaign "$work/disk" 2>/dev/null || { echo 'skipped: a tmpfs cannot be mounted here'; exit 77; }
mounted() { umount -l "$work/disk" 2>/dev/null; mount -t tmpfs -o "$1" campaign "$work/disk"; }
# The run is in a folder of the small file system, and is compared by a copy of that folder.
ended_well() { [ "$code" = 0 ] || one_error 5 "$work/disk/run" "$1"; }
same_again() {
  says 'kept as' && return 1
  rm -rf "$work/copy"; cp -r "$work/disk/run" "$work/copy"; same_end whole copy
}
goes_on() { go_on disk/run; try "$1, and went on" same_again; }

# ---- a full disk, and one without inodes ----
for kb in $(seq 4 4 $((size + 60)) | some "$cases"); do
  mounted "size=${kb}k"
  train disk/run
  try "tmpfs of $kb kB" ended_well 'No space left on device' || continue
  mount -o remount,size=10m "$work/disk"
  goes_on "tmpfs of $kb kB"
done
tally "disks of 4 kB to $((size + 60)) kB"
for inodes in $(seq 2 14 | some "$cases"); do
  mounted "size=10m,nr_inodes=$inodes"
  train disk/run
  try "$inodes inodes" ended_well 'No space left on device' || continue
  mount -o remount,nr_inodes=100 "$work/disk"
  goes_on "$inodes inodes"
done
tally "disks of 2 to 14 inodes"

# ---- limits on the size of files: a short write, then EFBIG or SIGXFSZ ----
mounted size=10m
largest=$(find "$work/whole" -type f -printf '%k\n' | sort -n | tail -n 1)
for kb in $(seq 0 $((largest + 2)) | some "$cases"); do
  rm -rf "$work/disk/run"
  limited() { (ulimit -f "$kb" && exec "$@"); }
  # What the run says goes through a pipe, which has no such limit.
  # shellcheck disable=SC2086
  { limited "$build/train_lra" $tiny --out "$work/disk/run" 2>&1 >/dev/null; echo "code $?"; } </dev/null | cat >"$work/said"
  executions=$((executions + 1))
  code=$(sed -n 's/^code //p' "$work/said"); grep -v '^code ' "$work/said" >"$work/err"; : >"$work/out"
  try "files of at most $kb kB" ended_well 'File too large' && goes_on "files of at most $kb kB"
done
tally "limits on the size of files, 0 to $((largest + 2)) kB"

# ---- read-only ----
# 0 only if the run was whole before.
noticed() { one_error 5 "$work/disk/run" "$1" || { [ "$code" = 0 ] && [ -s "$work/disk/run/ckpt-00000600.safetensors" ]; }; }
mounted size=10m
mkdir "$work/disk/run"; mount -o remount,ro "$work/disk"
train disk/run
verdict "a read-only folder: one error" one_error 5 "$work/disk/run" 'Read-only file system'
# While a run is going on: $during is done as soon as the first checkpoint is there.
long='--steps 600 --eval-every 50 --save-every 10 --log-every 10'
# shellcheck disable=SC2086
disturbed() { start_train disk/run $long; wait_until has_checkpoint disk/run; "$@"; finish; }
# shellcheck disable=SC2086
train whole $long --force
mounted size=10m
read_only() { wait_until mount -o remount,ro "$work/disk" 2>/dev/null; }  # no file may be open for writing
disturbed read_only
verdict "read-only during the run: it ends, with one error" noticed 'Read-only file system'
mount -o remount,rw "$work/disk"
# shellcheck disable=SC2086
go_on disk/run $long
verdict "and goes on when the folder can be written again" same_again

# ---- a folder that goes away ----
mounted size=10m
disturbed rm -rf "$work/disk/run"
verdict "deleted during the run: one error that names it" one_error 5 "$work/disk/run" 'No such file or directory'
mounted size=10m
disturbed umount -l "$work/disk"
verdict "unmounted during the run: one error that names it" one_error 5 "$work/disk/run" 'No such file or directory'

# ---- standard output ----
attempt bash -c "exec '$build/train_lra' $tiny --out '$work/stdout' >/dev/full"
verdict "a full standard output: one error" one_error 5 'cannot write to standard output'
verdict "and the run is whole" test -s "$work/stdout/ckpt-00000012.safetensors"
end
