#!/usr/bin/env bash
# Several processes with a GPU each, emulated: gradients go from device to device through the stand-in for NCCL.
# Run:     tests/cuda_host/processes.sh build/cuda-host-mpi
# Expect:  one line per check, "N passed, N failed"; exit code 77 without Open MPI
set -u
cd "$(dirname "$0")/../.." || exit
. tests/distributed/common.sh
make_data
device='--device cuda --shards 4 --steps 6 --eval-every 3 --log-every 2 --save-every 3'
equal() {  # SCHEDULE OPTION..
  export CUDA_HOST_SCHEDULE=$1
  local count; shift
  for count in 1 2 3; do
    # shellcheck disable=SC2086
    train "run-$count" "$count" $device "$@" --force || break
  done
  verdict "$*, schedule $CUDA_HOST_SCHEDULE: the bytes of one process on 2 and 3" same_files run-1 run-2 run-3
}
equal forward --mixer ski --norm batch
equal 1 --mixer ski --norm batch --dtype float64
equal forward --mixer tno --norm layer
equal 2 --mixer fd --norm batch --sync-norm
damaged() { [ "$code" != 0 ] && says "has other parameters"; }
# shellcheck disable=SC2086
CUDA_HOST_NCCL=damaged train damaged 2 $device --mixer tno
verdict "a message that arrives with another byte is noticed at the next row of the log" damaged
end
