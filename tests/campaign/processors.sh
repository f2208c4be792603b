#!/usr/bin/env bash
# Builds for other processors, with OpenBLAS's kernels for them: the samples of every op, the tensors computed elsewhere, and
# a short training that is stopped and goes on. arm64 is compiled by a cross compiler and runs under qemu.
# Run:     tests/campaign/processors.sh [x86-64-v2 x86-64-v3 x86-64-v4 arm64]   those given; without any, all
#          arm64 needs, besides g++-aarch64-linux-gnu and qemu-user, the libraries of that architecture; it says which
# Expect:  four checks for each processor, and "N passed, N failed"; what cannot run here is left out with its reason
set -u
cd "$(dirname "$0")/../.." || exit
[ $# -gt 0 ] || set -- x86-64-v2 x86-64-v3 x86-64-v4 arm64
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}

verdict() {  # NAME COMMAND..
  local name=$1 start=$SECONDS; shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1)); echo "ok      $name ($((SECONDS - start)) s)"
  else
    code=$?; failed=$((failed + 1)); echo "FAILED  $name: exit code $code; it said:"; tail -n 20 "$work/log"
  fi
}
# The second run is stopped in its middle and goes on; both end with the same weights.
training() {
  local run="$1/train_lra --data $work/data --dim 16 --layers 2 --batch-size 8 --steps 30 --max-length 32 --quiet"
  $emulator "$1/lra_data" generate listops --out "$work/data/listops" --train 400 --val 40 --test 40 --min-length 2 \
    --max-length 20 --force || return
  for mixer in ski tno fd; do
    # shellcheck disable=SC2086
    $emulator $run --mixer $mixer --out "$work/whole" --force && $emulator $run --mixer $mixer --out "$work/stopped" --force --stop-at 13 &&
      $emulator $run --mixer $mixer --out "$work/stopped" --resume && cmp "$work/whole/best.safetensors" "$work/stopped/best.safetensors" || return
  done
}
for processor in "$@"; do
  emulator='' compiler=(CXX="${CXX:-g++}") flags=$(grep -m 1 '^flags' /proc/cpuinfo)
  case $processor in
    x86-64-v2) export OPENBLAS_CORETYPE=Nehalem; needed=sse4_2 ;;
    x86-64-v3) export OPENBLAS_CORETYPE=Haswell; needed=avx2 ;;
    x86-64-v4) export OPENBLAS_CORETYPE=SkylakeX; needed=avx512bw ;;
    arm64) unset OPENBLAS_CORETYPE; needed='' emulator=qemu-aarch64 compiler=(CXX="${CROSS_CXX:-aarch64-linux-gnu-g++}") ;;
    *) echo "error: no processor '$processor'; x86-64-v2, x86-64-v3, x86-64-v4 and arm64 are known"; exit 2 ;;
  esac
  arch=${processor/arm64/armv8-a}
  [[ " $flags " = *" $needed "* || $processor = arm64 ]] || { echo "skipped: $processor: this processor has no $needed"; continue; }
  if [ "$processor" = arm64 ]; then
    missing=
    for pair in "${compiler[0]#CXX=}:g++-aarch64-linux-gnu" qemu-aarch64:qemu-user; do
      pair=${pair#ccache }; command -v "${pair%%:*}" >/dev/null || missing+=" ${pair##*:}"
    done
    for library in openblas:libopenblas-openmp-dev fftw3f:libfftw3-dev png:libpng-dev archive:libarchive-dev z:zlib1g-dev; do
      compgen -G "/usr/lib/aarch64-linux-gnu/lib${library%%:*}.so" >/dev/null || missing+=" ${library##*:}:arm64"
    done
    [ -z "$missing" ] || { echo "skipped: arm64: missing$missing (dpkg --add-architecture arm64 && apt-get update && apt-get install$missing)"; continue; }
  fi
  build=build/cpu-$arch
  verdict "$processor: build" make "${compiler[@]}" ARCH="$arch" BUILD="$build" "$build"/{gradcheck,golden,train_lra,lra_data}
  [ -x "$build/train_lra" ] || continue
  verdict "$processor: the samples of every op" $emulator "$build/gradcheck"
  verdict "$processor: tensors computed elsewhere" $emulator "$build/golden" tests/reference
  verdict "$processor: a training that is stopped and goes on" training "$build"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
