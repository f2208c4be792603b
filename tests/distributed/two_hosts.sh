#!/usr/bin/env bash
# Two hosts on one machine: two network namespaces, a cable between them, a host name in each. Open MPI's agent runs
# its command on the other side, without ssh. Checks the bits over TCP, a process that dies on the other host, a slow
# link, trainings, and a link that is cut.
# Run:     tests/distributed/two_hosts.sh BUILD      as root, with Open MPI, e.g. build/cpu-mpi
# Expect:  one line per check, "N passed, N failed"; exit code 77 where namespaces are not allowed
set -u
cd "$(dirname "$0")/../.." || exit
build=$(realpath "$1") probe=$(realpath "$1")/distributed_probe
a=skiff-a-$$ b=skiff-b-$$ work=$(mktemp -d) passed=0 failed=0 code=0
skip() { echo "skipped: $*"; exit 77; }
# A cut link leaves daemons of Open MPI on the other side. Whatever runs in the two namespaces is of this script.
end_all() { local pid; for pid in $(ip netns pids $a 2>/dev/null; ip netns pids $b 2>/dev/null); do kill -9 "$pid"; done; }
trap 'end_all; ip netns del $a 2>/dev/null; ip netns del $b 2>/dev/null; rm -rf "$work"' EXIT
mpirun --version 2>/dev/null | grep -q 'Open MPI\|OpenRTE' || skip "mpirun of Open MPI was not found"
command -v tc >/dev/null || skip "ip and tc were not found (package iproute2)"
ip netns add $a 2>/dev/null || skip "network namespaces are not allowed here"
ip netns add $b && ip link add skiffa netns $a type veth peer name skiffb netns $b || skip "no virtual cable is allowed here"
ip -n $a addr add 10.99.0.1/24 dev skiffa; ip -n $b addr add 10.99.0.2/24 dev skiffb
for n in $a $b; do ip -n $n link set lo up; done
ip -n $a link set skiffa up; ip -n $b link set skiffb up
# Without a host name of its own the second host would be taken for the first.
printf '#!/bin/sh\nshift\nexec ip netns exec %s unshare --uts sh -c "hostname hostb; $*"\n' $b >"$work/agent"
chmod +x "$work/agent"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
options="--mca plm_rsh_agent $work/agent --mca btl self,tcp --mca btl_tcp_if_include 10.99.0.0/24 --bind-to none \
  --host 10.99.0.1:2,10.99.0.2:2 -x OMP_NUM_THREADS"
on_both() {  # SECONDS PROCESSES PROGRAM WORD..: on both hosts, killed after so many seconds
  local limit=$1 count=$2; shift 2
  timeout -k 1 "$limit" ip netns exec $a unshare --uts sh -c "hostname hosta; exec mpirun $options -n $count $*" \
    >"$work/out" 2>"$work/err"
  code=$?
}
verdict() {  # NAME CONDITION..: one check; the condition is a command
  local name=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok      $name"; return; fi
  failed=$((failed + 1)); echo "FAILED  $name: exit code $code; it said:"; cat "$work/out" "$work/err"
}
says() { grep -qF -- "$1" "$work/out" "$work/err"; }
pids() { rm -rf "$work/pids"; mkdir "$work/pids"; }

same_bits() { [ "$code" = 0 ] && [ "$(grep -c '^process [0-9]*: same bits$' "$work/out")" = "$1" ]; }
on_both 60 4 "$probe" exchange 7 100001
verdict "4 processes on two hosts: the bits of one process" same_bits 4
on_both 60 3 "$probe" exchange 6 1000
verdict "2 processes and 1: the same" same_bits 3
named() { [ "$code" = 3 ] && says "error: no data for 2 (process 2 of 4 (host hostb), on 2 of 4 processes)"; }
on_both 60 4 "$probe" agree 2
verdict "an error on the other host is told with its name" named
pids
on_both 30 4 "$probe" steps "$work/pids" kill 3
gone() { [ "$code" != 0 ] && [ "$code" != 124 ] && says "exited on signal 9"; }
verdict "a process of the other host is killed: all end" gone
ip netns exec $a tc qdisc replace dev skiffa root tbf rate 1gbit burst 256kb latency 50ms
ip netns exec $b tc qdisc replace dev skiffb root tbf rate 1gbit burst 256kb latency 50ms
on_both 60 4 "$probe" exchange 8 500000
verdict "over a link of 1 Gb/s: the same bits" same_bits 4

# ---- training ----
"$build/lra_data" generate listops --out "$work/data/listops" --train 200 --val 40 --test 40 --min-length 2 --max-length 20 >/dev/null 2>&1
tiny="--dim 8 --layers 1 --batch-size 8 --max-length 32 --log-every 4 --save-every 4 --encoder-dropout 0.1 --bucket \
  --mixer tno --norm batch --shards 4 --data $work/data"
alone() { "$build/train_lra" "$@" >"$work/out" 2>"$work/err"; code=$?; }
same_run() {  # A B CHECKPOINT
  [ "$code" = 0 ] && cmp "$work/$1/$3" "$work/$2/$3" &&
    { [ ! -e "$work/$1/best.safetensors" ] || cmp "$work/$1/best.safetensors" "$work/$2/best.safetensors"; } &&
    [ "$(cut -d, -f1-8 "$work/$1/metrics.csv")" = "$(cut -d, -f1-8 "$work/$2/metrics.csv")" ]
}
# shellcheck disable=SC2086
alone $tiny --steps 50 --out "$work/one"
# shellcheck disable=SC2086
on_both 60 4 "$build/train_lra" $tiny --steps 50 --out "$work/two"
verdict "a training of 4 processes on two hosts: the bytes of one process" same_run one two ckpt-00000050.safetensors
endless="$tiny --steps 1000000 --eval-every 500000"
# A busy machine needs long for the start and the first steps, so every wait here is long and ends with its event.
within() {  # SECONDS CONDITION..: waits for a condition; false where it did not come
  local i limit=$1; shift
  for ((i = 0; i < 10 * limit; i++)); do "$@" && return; sleep 0.1; done
  return 1
}
# shellcheck disable=SC2086
on_both 300 4 "$build/train_lra" $endless --out "$work/cut" --timeout 3 2>/dev/null & both=$!
begun() { [ -e "$work/cut/ckpt-00000020.safetensors" ]; }
told() { says "waited 3 s for the others at step"; }
within 120 begun
ip -n $b link set skiffb down
within 120 told
verdict "a link that is cut: told after the time limit" told
end_all; wait "$both" 2>/dev/null
last=$(basename "$(ls "$work"/cut/ckpt-*.safetensors | tail -n 1)")
step=$((10#$(echo "$last" | tr -dc 0-9)))
# shellcheck disable=SC2086
alone $endless --out "$work/uncut" --stop-at $((step + 4))
# shellcheck disable=SC2086
alone $endless --out "$work/cut" --stop-at $((step + 4)) --resume
verdict "after it, the training goes on with one process to the same bytes" same_run uncut cut "$(printf 'ckpt-%08d.safetensors' $((step + 4)))"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
